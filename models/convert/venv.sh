#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Makes the Python environment of the converters (about 2 GB) and prints its interpreter: models/convert/venv.sh [FOLDER]
set -eu
cd "$(dirname "$0")/../.."
venv=${1:-target/convert/venv}
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/pip" install --quiet -r models/convert/requirements.txt
echo "$venv/bin/python"
