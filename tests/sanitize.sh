#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Runs the element's tests under AddressSanitizer, which checks the memory accesses of C code that Rust calls.
#
#   tests/sanitize.sh [FILTER]
#
# Builds everything again, in target/sanitize, with stable Rust. tests/leaks.rs checks for leaks; here, GLib's own caches
# would be reported.
set -euo pipefail

# shellcheck source=../pipelines/setup.sh
source "$(dirname "$0")/../pipelines/setup.sh"
cd "$root"
[[ ${1:-} != --help && ${1:-} != -h ]] || { usage "$0" && exit; }

setup --tests
export ORT_DYLIB_PATH=${ORT_DYLIB_PATH:-$onnxruntime} G_DEBUG=fatal-criticals
# With --target, the flags apply to the tests only, not to build scripts and macros.
export RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=address" ASAN_OPTIONS=detect_leaks=0 CARGO_INCREMENTAL=0
host=$(rustc -vV | sed -n 's/host: //p')
cargo test --locked --package gst-plugin-soundclassify --test element --target "$host" --target-dir "$target/sanitize" -- "$@"
