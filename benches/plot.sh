#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Measures the cost of a second of audio against the number of streams, the windows per second and the length of the stream,
# prints the rows of the table, and draws benches/streams.svg, benches/oversamples.svg and benches/length.svg. PYTHON and ORT_DYLIB_PATH as in benches/compare.sh.
set -euo pipefail
cd "$(dirname "$0")/.."

python=${PYTHON:-$(benches/venv.sh)}
target=${CARGO_TARGET_DIR:-target}
export ORT_DYLIB_PATH=${ORT_DYLIB_PATH:-$(realpath "$target"/onnxruntime/libonnxruntime.so.* | tail -n 1)}
cargo bench --package gst-plugin-soundclassify --bench growth | tee "$target/growth.csv"
"$python" benches/plot.py "$target/growth.csv" benches
