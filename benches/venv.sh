#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Creates the Python environment of the comparisons (about 0.6 GB, 2 GB with TensorFlow) and prints the path of its
# interpreter: benches/venv.sh [--original]
set -eu
cd "$(dirname "$0")/.."
venv=${CARGO_TARGET_DIR:-target}/compare
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/pip" install --quiet -r benches/requirements.txt
[ "${1:-}" != --original ] || "$venv/bin/pip" install --quiet -r benches/requirements-original.txt
echo "$venv/bin/python"
