#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Times the same audio in this crate, librosa and kaldi-native-fbank, one thread each, in turns, and prints rows of the table;
# before that, how far the network inputs of all presets are from those of their authors' libraries.
#
#   benches/compare.sh               the front end
#   benches/compare.sh --original    and a prediction of the original, librosa and TensorFlow (a download of 0.3 GB)
#
# PYTHON names an interpreter that has the packages of benches/requirements*.txt; without it benches/venv.sh makes one.
# ORT_DYLIB_PATH names ONNX Runtime, as in the other benches; without it the one of pipelines/setup.sh is taken.
set -euo pipefail
cd "$(dirname "$0")/.."

python=${PYTHON:-$(benches/venv.sh "$@")}
target=${CARGO_TARGET_DIR:-target}
export ORT_DYLIB_PATH=${ORT_DYLIB_PATH:-$(realpath "$target"/onnxruntime/libonnxruntime.so.* | tail -n 1)}

# bench NAME: builds it and prints its path.
bench() {
  cargo bench --package gst-plugin-soundclassify --no-run --bench "$1" --message-format json |
    "$python" -c 'import json, sys; print([p["executable"] for p in map(json.loads, sys.stdin) if p.get("executable")][-1])'
}

benches=("$(bench frontend)")
[[ ${1:-} != --original ]] || benches+=("$(bench element)")
"$python" benches/compare_features.py "${benches[0]}"
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 NUMBA_NUM_THREADS=1 TF_CPP_MIN_LOG_LEVEL=3
exec "$python" benches/compare.py "${benches[@]}"
