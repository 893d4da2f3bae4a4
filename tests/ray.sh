#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Tests soundclassify-ray on a Ray cluster of three nodes on this machine: 300 files, a node and the driver are killed, and
# an S3 server on the loopback interface. With java installed, also examples/python/spark.py on Spark. Not part of
# tests/run.sh, because it downloads 300 MB (with Spark 750 MB) and takes minutes.
#
#   tests/ray.sh [PYTEST ARGUMENTS]      for example -k spark
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
environment=$target/python/ray wheels=$target/python/wheels
cd "$root"

python3 -m venv "$environment"
"$environment/bin/pip" install --quiet --disable-pip-version-check "maturin>=1.9,<2" "moto[server]" boto3 pytest
if command -v java >/dev/null; then
  "$environment/bin/pip" install --quiet --disable-pip-version-check pyspark
fi
rm -rf "$wheels"
"$environment/bin/maturin" build --quiet --locked --profile dev --manifest-path crates/soundclassify-py/Cargo.toml \
  --out "$wheels" --interpreter "$environment/bin/python"
"$environment/bin/pip" install --quiet --disable-pip-version-check --force-reinstall --no-deps "$wheels"/*.whl
"$environment/bin/pip" install --quiet --disable-pip-version-check "$(echo "$wheels"/*.whl)[ray]"
cargo build --quiet --locked --package soundclassify-cli --bins

unset ORT_DYLIB_PATH
SOUNDCLASSIFY_PROGRAM=$target/debug/soundclassify
SOUNDCLASSIFY_RUNTIME=$("$environment/bin/python" -c 'from soundclassify import _runtime; print(_runtime.library_folder())')
export SOUNDCLASSIFY_PROGRAM SOUNDCLASSIFY_RUNTIME
exec "$environment/bin/python" -m pytest -q -s -p no:cacheprovider tests/python/cluster "$@"
