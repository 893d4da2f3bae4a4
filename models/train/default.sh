#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Makes the default model again: ./models/train/default.sh [options of models.train.default]
set -eu
cd "$(dirname "$0")/../.."
python=$(models/train/venv.sh "${VENV:-target/train/venv}")
exec "$python" -m models.train.default all "$@"
