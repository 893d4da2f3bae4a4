#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Trains a model on your own sounds: ./models/train/own.sh SOUNDS -o OUT [options of models.train.own; --help lists them]
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
venv=${VENV:-$root/target/train/venv}
[ -x "$venv/bin/python" ] || { python3 -m venv "$venv" && "$venv/bin/pip" install -r "$root/models/train/requirements.txt"; }
PYTHONPATH=$root exec "$venv/bin/python" -m models.train.own "$@"
