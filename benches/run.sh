#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Runs all benchmarks one after the other, draws the plots, and prints the rows of the table in benches/README.md. Up to an hour.
#
#   benches/run.sh               the Rust benchmarks, librosa and kaldi-native-fbank
#   benches/run.sh --original    also ml-sound-classifier, with librosa and TensorFlow (downloads 0.3 GB)
#
# SOUNDCLASSIFY_BENCH_SECONDS is the length of the recording for the companion program (3600 if not set);
# PYTHON and ORT_DYLIB_PATH as in benches/compare.sh.
set -euo pipefail
cd "$(dirname "$0")/.."

pipelines/setup.sh
target=${CARGO_TARGET_DIR:-target}
export ORT_DYLIB_PATH=${ORT_DYLIB_PATH:-$(realpath "$target"/onnxruntime/libonnxruntime.so.* | tail -n 1)}
export SOUNDCLASSIFY_BENCH_SECONDS=${SOUNDCLASSIFY_BENCH_SECONDS:-3600}
for bench in frontend engine element gate; do
  cargo bench --package gst-plugin-soundclassify --bench "$bench"
done
echo "The first rows again, on a single core, without waking other cores:"
taskset -c 0 cargo bench --package gst-plugin-soundclassify --bench element -- window
cargo bench --package soundclassify-cli --bench companion
benches/compare.sh "$@"
benches/plot.sh
