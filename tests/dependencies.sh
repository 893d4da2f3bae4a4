#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Checks the dependencies: licences, bans, sources, advisories (cargo-deny), and unused ones (cargo-machete).
#
#   tests/dependencies.sh
#
# Builds both tools into Cargo's folder of programs unless they are in PATH; cargo-deny takes minutes.
set -euo pipefail

# shellcheck source=../pipelines/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/../pipelines/setup.sh"

# Of the whole workspace with all features. Advisories only if their database can be downloaded.
check_licences() {
  provide_tool cargo-deny
  cargo deny --workspace --all-features --locked check --hide-inclusion-graph licenses bans sources
  if cargo deny fetch db >/dev/null 2>&1; then
    cargo deny --workspace --all-features --locked check advisories
  else
    echo "skipped: advisories, because their database can't be downloaded"
  fi
}

check_unused() {
  provide_tool cargo-machete
  cargo machete --with-metadata
}

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
  [[ ${1:-} != --help && ${1:-} != -h ]] || { usage "$0" && exit; }
  cd "$root"
  check_licences
  check_unused
fi
