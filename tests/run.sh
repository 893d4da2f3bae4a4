#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Checks everything: formatting, lints, documentation, architecture, scripts, interleavings, then all tests.
#
#   tests/run.sh [FILTER]     FILTER: only the tests with this in their name
#
# Installs what is missing first, as pipelines/setup.sh does. What needs the recordings and models of ../shared runs
# where they are; each test that does not run says why. Not here, for it takes a quarter of an hour: that
# `cargo cinstall --release --destdir=DIR --prefix=/usr` (cargo-c) makes a plugin that gst-inspect-1.0 finds; and the
# feature v1_24, which needs a newer GStreamer: tests/debian13.sh.
set -euo pipefail

# shellcheck source=../pipelines/setup.sh
source "$(dirname "$0")/../pipelines/setup.sh"
cd "$root"

step() { printf '\n== %s\n' "$*"; }

# refuse PATTERN EXCEPT: no source file but those whose path matches EXCEPT has the pattern, comments aside.
refuse() {
  local found
  found=$(find src -name '*.rs' | { grep -vE "$2" || true; } | sort | xargs grep -nE "$1" /dev/null | grep -vE '^[^:]*:[0-9]+: *//' || true)
  [[ -z $found ]] || die "this does not belong where it stands (pattern '$1'):
$found"
}

# Who may name what: the rooms and their doors.
check_architecture() {
  refuse '\b(gst|glib|gst_audio|gst_base)::' '^src/(element/|plugin\.rs|bin/)'
  refuse '\bort::' '^src/model/(runtime|engine)\.rs'
  refuse '\b(realfft|rustfft)::' '^src/frontend/spectrum\.rs'
  refuse '\bunsafe\b *(\{|fn|impl|trait|extern)' '^$'
  refuse '\b(element|model|decision)::' '^src/([^f]|f[^r])'
  refuse '\b(element|model|frontend)::' '^src/([^d]|d[^e])'
  refuse '\b(element|decision)::|\bfrontend::(frames|spectrum|mel|window|normalize|log)\b' '^src/([^m]|m[^o])'
}

check_scripts() { find .ci/run benches pipelines tests -type f \( -name '*.sh' -o -name run \) -exec shellcheck -x -P SCRIPTDIR {} +; }

check_dependencies() {
  if command -v cargo-deny >/dev/null; then
    cargo deny check licenses bans sources
  else
    echo "skipped: cargo-deny is not installed"
  fi
}

# In a target folder of its own: everything is compiled with another setting.
check_interleavings() {
  RUSTFLAGS="--cfg loom" cargo test --locked --quiet --lib --target-dir "${CARGO_TARGET_DIR:-target}/loom" loom
}

run_tests() {
  step "documentation examples"
  cargo test --locked --doc
  step "tests"
  echo "lives of elements that are to leave nothing behind: ${SOUNDCLASSIFY_LIVES:-400}"
  if command -v cargo-nextest >/dev/null; then
    cargo nextest run --locked "$@"
  else
    cargo test --locked --lib --bins --tests --examples "$@"
  fi
}

step "what is needed"
setup --tests
export ORT_DYLIB_PATH=${ORT_DYLIB_PATH:-$onnxruntime} G_DEBUG=fatal-criticals RUSTDOCFLAGS="-D warnings"
[[ -d ../shared ]] || echo "no ../shared here: the tests that need it skip themselves"

if [[ $# == 0 ]]; then
  step "formatting" && cargo fmt --check
  step "architecture" && check_architecture
  step "scripts" && check_scripts
  step "dependencies" && check_dependencies
  step "lints" && cargo clippy --locked --all-targets -- -D warnings
  step "documentation" && cargo doc --locked --no-deps
  step "interleavings of queue and registry" && check_interleavings
fi
run_tests "$@"
