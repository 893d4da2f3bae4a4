#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Runs live-like pipelines at 20 times real time with random flushes, model changes, holes, jitter, caps and state changes.
#
#   tests/soak.sh MINUTES [SEED]
#
# Fails if memory, threads or descriptors grow, if a started event has no end, and for each ERROR or CRITICAL.
# Uses the debug build, or that of PROFILE=release. CRASHING may name a folder of models that
# crash ONNX Runtime (manifests with their networks), which are used, too.
set -euo pipefail

# shellcheck source=../pipelines/setup.sh
source "$(dirname "$0")/../pipelines/setup.sh"
cd "$root"

# Networks that load, that ONNX Runtime refuses, and that are slow, with their manifests.
make_models() {
  local name
  for name in linear loudness nan slow unknown-operator future-opset two-outputs no-batch; do
    cp "tests/data/models/$name.onnx" "$1/"
    sed "s/^onnx = .*/onnx = \"$name.onnx\"/" tests/element/test-model.toml >"$1/$name.toml"
  done
  printf 'not = "a manifest"\n' >"$1/not.toml"
  [[ -z ${CRASHING:-} ]] || cp -r "$CRASHING"/. "$1/"
}

main() {
  local minutes=$1 seed=${2:-$RANDOM} profile=${PROFILE:-debug} models
  models=$(mktemp -d)
  # shellcheck disable=SC2064 # The folder of now.
  trap "rm -rf '$models'" EXIT
  setup --tests
  build_plugin "$profile"
  make_models "$models"
  export ORT_DYLIB_PATH=${ORT_DYLIB_PATH:-$onnxruntime} GST_PLUGIN_PATH=$target/$profile G_DEBUG=fatal-criticals
  # Each arena of the allocator keeps what it once had; two keep the measurement of memory steady.
  export MALLOC_ARENA_MAX=2
  say "soak: seed $seed"
  /usr/bin/python3 -B tests/soak.py "$minutes" "$models" "$seed" || die "the soak found faults (seed $seed)"
  say "soak: memory, threads and descriptors are flat, every event that started has an end"
}

case ${1:---help} in
  --help | -h) usage "$0" ;;
  *) main "$@" ;;
esac
