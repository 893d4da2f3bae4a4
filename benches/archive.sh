#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Measures what archives cost: the Python package against the core, Parquet against JSON, Ray against `scan`. Up to 40 minutes.
#
#   benches/archive.sh [python|parquet|ray|growth …]
#
# Builds the program and the wheel as for a release, and an environment with Ray (downloads 300 MB).
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}
environment=$target/archive/environment wheels=$target/archive/wheels
[[ -x $environment/bin/python ]] || python3 -m venv "$environment"
rm -rf "$wheels"
"$environment/bin/pip" wheel --quiet --no-deps -w "$wheels" crates/soundclassify-py
"$environment/bin/pip" install --quiet "$(echo "$wheels"/*.whl)[ray]"
"$environment/bin/pip" install --quiet --force-reinstall --no-deps "$wheels"/*.whl
cargo build --quiet --locked --release --package soundclassify-cli
stream=$(cargo bench --locked --package gst-plugin-soundclassify --no-run --bench stream --message-format json |
  python3 -c 'import json, sys; print([p["executable"] for p in map(json.loads, sys.stdin) if p.get("executable")][-1])')
ORT_DYLIB_PATH=$(realpath "$environment"/lib/python*/site-packages/onnxruntime/capi/libonnxruntime.so.*)
export ORT_DYLIB_PATH
exec "$environment/bin/python" benches/archive.py "$target/release/soundclassify" "$stream" "$@"
