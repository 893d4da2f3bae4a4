#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Builds the wheel of soundclassify-py, installs it into a fresh environment and runs the tests of tests/python there.
#
#   tests/python.sh [PYTEST ARGUMENTS]
#
# Needs python3 3.11 or newer with venv, and access to PyPI. The wheel is built with the profile dev, which is faster;
# `pip wheel --no-deps -w dist crates/soundclassify-py` builds one for use.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
cd "$root"

die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

make_environment() {
  python3 -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' || die "python3 3.11 or newer with venv is needed"
  rm -rf "$1"
  python3 -m venv "$1"
  "$1/bin/pip" install --quiet --disable-pip-version-check "maturin>=1.9,<2"
}

build_wheel() {
  rm -rf "$2"
  "$1/bin/maturin" build --quiet --locked --profile dev --manifest-path crates/soundclassify-py/Cargo.toml --out "$2" \
    --interpreter "$1/bin/python"
}

environment=$target/python/environment wheels=$target/python/wheels
pip_install() { "$environment/bin/pip" install --quiet --disable-pip-version-check "$@"; }

make_environment "$environment"
pip_install numpy onnxruntime av pyarrow matplotlib soundfile pytest &
packages=$!
trap 'kill "$packages" 2>/dev/null || true; wait' EXIT
build_wheel "$environment" "$wheels"
wait "$packages"
trap - EXIT
pip_install "$(echo "$wheels"/*.whl)"
# As tests/run.sh builds it: without the tests, dependencies would have other features, and be compiled once more.
cargo build --quiet --locked --workspace --lib --bins --tests

# The wheel finds the library that it depends on, and the program is pointed at the same one.
unset ORT_DYLIB_PATH
SOUNDCLASSIFY_PROGRAM=$target/debug/soundclassify
SOUNDCLASSIFY_RUNTIME=$("$environment/bin/python" -c 'from soundclassify import _runtime; print(_runtime.library_folder())')
export SOUNDCLASSIFY_PROGRAM SOUNDCLASSIFY_RUNTIME
exec "$environment/bin/python" -m pytest -q -p no:cacheprovider --ignore tests/python/cluster tests/python "$@"
