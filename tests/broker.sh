#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Runs `soundclassify live --mqtt` at a PulseAudio null sink while its broker is stopped and started ten times.
#
#   tests/broker.sh MINUTES
#
# Fails if an event that the program prints does not reach a subscriber, in its order, or if memory, threads or descriptors grow.
# Uses the debug build, or that of PROFILE=release.
set -euo pipefail

# shellcheck source=../pipelines/setup.sh
source "$(dirname "$0")/../pipelines/setup.sh"
cd "$root"

main() {
  local minutes=$1 profile=${PROFILE:-debug}
  setup --tests
  build_plugin "$profile"
  export ORT_DYLIB_PATH=${ORT_DYLIB_PATH:-$onnxruntime}
  # Each arena of the allocator keeps what it once had; two keep the measurement of memory steady.
  export MALLOC_ARENA_MAX=2
  /usr/bin/python3 -B tests/broker.py "$minutes" "$target/$profile/soundclassify" || die "events were lost, or the program grew"
  say "broker: every event arrived; memory, threads and descriptors are flat"
}

case ${1:---help} in
  --help | -h) usage "$0" ;;
  *) main "$@" ;;
esac
