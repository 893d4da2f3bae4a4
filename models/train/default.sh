#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Makes the default model again: ./models/train/default.sh [options of models.train.default]
set -eu
cd "$(dirname "$0")/../.."
venv=${VENV:-target/train/venv}
[ -x "$venv/bin/python" ] || { python3 -m venv "$venv" && "$venv/bin/pip" install -r models/train/requirements.txt; }
exec "$venv/bin/python" -m models.train.default all "$@"
