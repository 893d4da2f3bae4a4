#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Makes the small model again, after default.sh: ./models/train/small.sh [options of models.train.small]
set -eu
cd "$(dirname "$0")/../.."
python=$(models/train/venv.sh "${VENV:-target/train/venv}")
exec "$python" -m models.train.small all "$@"
