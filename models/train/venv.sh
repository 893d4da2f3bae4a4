#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Makes the Python environment of the trainings (some GB) unless it is there, and prints its interpreter: models/train/venv.sh [FOLDER]
set -eu
cd "$(dirname "$0")/../.."
venv=${1:-target/train/venv}
unfinished=$venv/.unfinished # what broke off is done again
if [ ! -x "$venv/bin/python" ] || [ -e "$unfinished" ]; then
    mkdir -p "$venv"
    touch "$unfinished"
    python3 -m venv "$venv" >&2
    "$venv/bin/pip" install -r models/train/requirements.txt >&2
    rm "$unfinished"
fi
echo "$venv/bin/python"
