#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Checks formatting, architecture, scripts, dependencies, the Rust version, lints, public interface, documentation and interleavings, then runs all tests.
#
#   tests/run.sh [FILTER]     FILTER: run only the tests whose names contain it
#
# First installs what is missing, like pipelines/setup.sh. Tests that need recordings or models of ../shared print why
# they skip. Separate, because they take long: `cargo cinstall --release --destdir=DIR --prefix=/usr` (cargo-c), which
# builds a plugin that gst-inspect-1.0 finds; tests/debian.sh, with the feature v1_24, which needs a newer GStreamer;
# tests/soak.sh, tests/sanitize.sh, and tests/telemetry.sh for 90 seconds. The fuzz targets run for 60 seconds each if
# cargo-fuzz is installed; tests/fuzz.sh builds it.
set -euo pipefail

# shellcheck source=../pipelines/setup.sh
source "$(dirname "$0")/../pipelines/setup.sh"
cd "$root"

step() { printf '\n== %s (after %d s)\n' "$*" "$SECONDS"; }

# Dependencies that the compiler does not check: core and models build without GStreamer, only the engine and the runtime
# use `ort`, and the modules of the core do not use each other, except that a manifest creates a FeatureSpec.
check_architecture() {
  local tree
  tree=$(cargo tree --locked --package soundclassify-core --edges normal,build --prefix none)
  [[ $tree != *gstreamer* ]] || die "soundclassify-core depends on GStreamer"
  tree=$(cargo tree --locked --package gst-plugin-soundclassify --edges normal,build --prefix none)
  [[ ! $tree =~ (clap|ratatui|plotters)\ v ]] || die "the plugin depends on the program's user interface"
  refuse crates/soundclassify-core/src '\bort::' '/model/(runtime\.rs|engine/)'
  refuse crates/soundclassify-core/src/frontend '\b(model|decision)::' '^$'
  refuse crates/soundclassify-core/src/decision '\b(model|frontend)::' '^$'
  refuse crates/soundclassify-core/src/model '\bdecision::' '^$'
}

# refuse FOLDER PATTERN EXCEPT: fails if a source file in FOLDER contains the pattern, unless its path matches EXCEPT. Comments are
# ignored.
refuse() {
  local found
  found=$(find "$1" -name '*.rs' | { grep -vE "$3" || true; } | sort | xargs grep -nE "$2" /dev/null | grep -vE '^[^:]*:[0-9]+: *//' || true)
  [[ -z $found ]] || die "not allowed in this module (pattern '$2'):
$found"
}

check_scripts() { find .ci/run benches pipelines tests -type f \( -name '*.sh' -o -name run \) -exec shellcheck -x -P SCRIPTDIR {} +; }

# Licences, bans, sources and advisories with cargo-deny, if it is installed (tests/dependencies.sh builds it); unused
# dependencies with cargo-machete, which is built in a minute.
check_dependencies() {
  # shellcheck source=dependencies.sh
  source tests/dependencies.sh
  if command -v cargo-deny >/dev/null; then
    check_licences
  else
    echo "skipped: licences, because cargo-deny is not installed; tests/dependencies.sh builds it and checks them"
  fi
  check_unused
}

# The public interfaces, if cargo-public-api is installed (tests/api.sh builds it).
check_interface() {
  if command -v cargo-public-api >/dev/null; then
    tests/api.sh
  else
    echo "skipped: the public interfaces, because cargo-public-api is not installed; tests/api.sh builds it and compares"
  fi
}

# No dependency needs a newer Rust than Cargo.toml states; clippy's incompatible_msrv checks the use of std. The workspace is
# built with that version, too, if it is the one in use or rustup has it.
check_rust_version() {
  local wanted newer active toolchain
  wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
  newer=$(cargo metadata --locked --format-version 1 --filter-platform x86_64-unknown-linux-gnu | python3 -c '
import json, sys
wanted = [int(part) for part in sys.argv[1].split(".")]
for package in json.load(sys.stdin)["packages"]:
    version = [int(part) for part in (package["rust_version"] or "0").split(".")]
    if version[: len(wanted)] > wanted:
        print(package["name"], package["version"], "needs Rust", package["rust_version"])' "$wanted")
  [[ -z $newer ]] || die "these dependencies need a newer Rust than $wanted, which Cargo.toml states:
$newer"
  active=$(rustc --version | cut -d ' ' -f 2)
  toolchain=$(rustup toolchain list 2>/dev/null | grep -oE "^${wanted//./\\.}(\.[0-9]+)?-[^ ]+" | head -n 1 || true)
  if [[ $active == "$wanted".* ]]; then
    echo "Rust $active is the version that Cargo.toml states, so what follows is built with it"
  elif [[ -n $toolchain ]]; then
    cargo "+$toolchain" check --locked --workspace --target-dir "$target/rust-$wanted"
  else
    echo "skipped: building with Rust $wanted, which is not installed in rustup"
  fi
}

# Clippy's driver compiles this workspace's packages from here on, so lints are checked while the tests are built. `cargo clippy`
# would only check types, and compile all dependencies once more for that.
compile_with_lints() {
  clippy-driver --version >/dev/null || die "clippy-driver does not run; install it: rustup component add clippy, or the package rust-clippy"
  # shellcheck disable=SC2016 # The wrapper expands it.
  wrap_rustc clippy 'exec clippy-driver "$@" -D warnings -C lto=off'
}

# wrap_rustc NAME COMMAND: Cargo runs COMMAND instead of rustc for this workspace's packages. With RUSTFLAGS, all dependencies
# would be compiled once more. The optimisation across a package's units (lto) would take a third of the time. Not sh, which drops
# variables such as CARGO_BIN_EXE_soundclassify-check-model.
wrap_rustc() {
  export RUSTC_WORKSPACE_WRAPPER=$target/$1-rustc
  mkdir -p "$target"
  printf '#!/usr/bin/env bash\n%s\n' "$2" >"$RUSTC_WORKSPACE_WRAPPER"
  chmod +x "$RUSTC_WORKSPACE_WRAPPER"
}

# With default features (which are empty); test_features does the same with all supported ones.
check_lints() { cargo test --locked --workspace --all-targets --no-run; }

# Of the crates with a library for others, as docs.rs builds it: for the program, all of its dependencies would be checked.
check_documentation() {
  cargo doc --locked --package soundclassify-core --package soundclassify-models --package gst-plugin-soundclassify --no-deps --lib
}

# The program has no library, and is selected so that dependencies have the features that they have in all other commands.
check_interleavings() (
  # shellcheck disable=SC2016 # The wrapper expands it.
  wrap_rustc loom 'exec "$@" --cfg loom -C opt-level=0 -C lto=off'
  cargo test --locked --quiet --package soundclassify-core --package soundclassify-cli --lib loom
)

# Tests wait for sound servers, brokers and timeouts, so there may be more of them than processors.
threads=$((($(nproc) * 3 + 1) / 2))

run_tests() {
  step "documentation examples"
  cargo test --locked --workspace --doc
  step "tests"
  echo "number of elements in the test for leaks: ${SOUNDCLASSIFY_LEAK_CYCLES:-400}"
  if command -v cargo-nextest >/dev/null; then
    cargo nextest run --locked --workspace --test-threads "$threads" "$@"
  else
    cargo test --locked --workspace --lib --bins --tests --examples "$@"
  fi
}

# The plugin's tests again, with all supported features; without cargo-nextest, those of all libraries. With --package instead of
# --workspace, dependencies would have other features, and Cargo would compile them once more.
test_features() {
  local options=(--locked --workspace --lib --test element --features "$(supported_features)")
  if command -v cargo-nextest >/dev/null; then
    cargo nextest run --test-threads "$threads" "${options[@]}" --filterset 'package(gst-plugin-soundclassify)'
  else
    cargo test --quiet "${options[@]}"
  fi
}

# The committed inputs of the fuzz targets are among the tests; new ones are tried if cargo-fuzz is installed.
fuzz() {
  if command -v cargo-fuzz >/dev/null; then
    env -u RUSTC_WORKSPACE_WRAPPER tests/fuzz.sh 60
  else
    echo "skipped: new inputs for the fuzz targets, because cargo-fuzz is not installed; tests/fuzz.sh builds it and runs them"
  fi
}

# For a first build, there is nothing that could be reused.
[[ -e $target/debug ]] || export CARGO_INCREMENTAL=0

step "requirements"
setup --tests
export ORT_DYLIB_PATH=${ORT_DYLIB_PATH:-$onnxruntime} G_DEBUG=fatal-criticals RUSTDOCFLAGS="-D warnings"
[[ -d ../shared ]] || echo "../shared does not exist: the tests that need it are skipped"

if [[ $# == 0 ]]; then
  step "formatting" && cargo fmt --check
  step "architecture" && check_architecture
  step "scripts" && check_scripts
  step "dependencies" && check_dependencies
  step "version of Rust" && check_rust_version
  step "public interface" && check_interface
  compile_with_lints
  step "lints, and building the tests" && check_lints
  step "documentation" && check_documentation
  step "interleavings of queue and registry" && check_interleavings
fi
run_tests "$@"
if [[ $# == 0 ]]; then
  step "Python package" && tests/python.sh
  step "no telemetry" && bash tests/telemetry.sh 12
  # Last, because the plugin with other features replaces the files of the other, and all that use them would be compiled again.
  step "the element with all features" && test_features
  step "fuzz targets" && fuzz
fi
