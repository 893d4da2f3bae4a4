#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Compares the speed of this crate, librosa and kaldi-native-fbank on the same audio, with one thread each, and prints rows of the
# table. Before that, it compares the network inputs of all presets with those of their authors' libraries.
#
#   benches/compare.sh               the front end
#   benches/compare.sh --original    also a prediction of ml-sound-classifier, with librosa and TensorFlow (downloads 0.3 GB)
#   benches/compare.sh --published   also a prediction of EfficientAT's mn04 with PyTorch, which PYTHON must have (../shared has the weights)
#
# PYTHON is an interpreter with the packages of benches/requirements*.txt [default: benches/venv.sh creates an environment].
# ORT_DYLIB_PATH is the path of ONNX Runtime [default: that of pipelines/setup.sh].
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
[[ ! ${1:-} =~ ^--(original|published)$ ]] || benches+=("$(bench element)" "${1#--}")
"$python" benches/compare_features.py "${benches[0]}"
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 NUMBA_NUM_THREADS=1 TF_CPP_MIN_LOG_LEVEL=3
exec "$python" benches/compare.py "${benches[@]}"
