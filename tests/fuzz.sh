#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Runs the fuzz targets with cargo-fuzz, one after the other, and reports the results.
#
#   tests/fuzz.sh [SECONDS [TARGET...]]     default: 60 seconds each, all targets
#   tests/fuzz.sh --minimise [TARGET...]    keeps only inputs in fuzz/corpus that add coverage, including those found since
#
# New inputs are stored in target/fuzz/found, crashes in fuzz/artifacts. cargo-fuzz is built into target/tools unless it is
# in PATH. Needs a C++ compiler and stable Rust. The committed inputs also run as plain tests.
set -euo pipefail

# shellcheck source=../pipelines/setup.sh
source "$(dirname "$0")/../pipelines/setup.sh"
cd "$root"

export RUSTC_BOOTSTRAP=1 G_DEBUG=fatal-criticals ORT_DISABLE_TELEMETRY=1
targets=(manifest network lists messages chunking element)
found=$target/fuzz/found

# The core has unsafe code in one place only, so the targets' own checks find all that sanitizers would find.
build() { cargo fuzz build --sanitizer none --target-dir "$target/fuzz" >&2; }

binary() { echo "$target/fuzz/$(rustc -vV | sed -n 's/host: //p')/release/$1"; }

provide_cargo_fuzz() {
  PATH=$target/tools/bin:$PATH
  command -v cargo-fuzz >/dev/null || cargo install --locked --root "$target/tools" cargo-fuzz
}

fuzz() {
  local name=$1 seconds=$2 log=$target/fuzz/$1.log
  mkdir -p "$found/$name" "fuzz/artifacts/$name"
  local options=(-max_total_time="$seconds" -timeout=20 -rss_limit_mb=4096 -artifact_prefix="fuzz/artifacts/$name/" -max_len=4096)
  "$(binary "$name")" "${options[@]}" -print_final_stats=1 "$found/$name" "fuzz/corpus/$name" >"$log" 2>&1 || {
    tail -n 40 "$log" >&2
    die "$name: see fuzz/artifacts/$name and $log"
  }
  say "$name: $(awk '/^Done/ { print $2 " runs in " $5 " s" } /^#.*DONE/ { print "coverage " $4 }' "$log" | paste -sd, -)"
}

minimise() {
  local name=$1 kept
  kept=$(mktemp -d)
  "$(binary "$name")" -merge=1 -max_len=4096 "$kept" "fuzz/corpus/$name" "$found/$name" >"$target/fuzz/$name-merge.log" 2>&1
  rm -rf "fuzz/corpus/$name" && mv "$kept" "fuzz/corpus/$name" && chmod 755 "fuzz/corpus/$name"
  say "$name: $(find "fuzz/corpus/$name" -type f | wc -l) files, $(du -sk "fuzz/corpus/$name" | cut -f1) KiB"
}

main() {
  local what=${1:-60} name
  shift || true
  [[ $what == --minimise || $what =~ ^[0-9]+$ ]] || die "expected SECONDS or --minimise, found '$what'; see --help"
  [[ $# == 0 ]] || targets=("$@")
  provide_onnxruntime
  export ORT_DYLIB_PATH=${ORT_DYLIB_PATH:-$onnxruntime}
  provide_cargo_fuzz
  build
  for name in "${targets[@]}"; do
    if [[ $what == --minimise ]]; then minimise "$name"; else fuzz "$name" "$what"; fi
  done
}

case ${1:-} in
  --help | -h) usage "$0" ;;
  *) main "$@" ;;
esac
