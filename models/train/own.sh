#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Trains a model on your own sounds: ./models/train/own.sh SOUNDS -o OUT [options of models.train.own; --help lists them]
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
case ${VENV:=$root/target/train/venv} in /*) ;; *) VENV=$PWD/$VENV ;; esac
python=$("$root/models/train/venv.sh" "$VENV")
PYTHONPATH=$root exec "$python" -m models.train.own "$@"
