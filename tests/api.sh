#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Compares the public interface of soundclassify-core with its listing, crates/soundclassify-core/api.txt.
#
#   tests/api.sh             shows what differs; exit status 1 if something does
#   tests/api.sh --update    writes the listing
#
# Builds cargo-public-api into Cargo's folder of programs unless it is in PATH, which takes minutes. It reads the JSON that
# rustdoc writes; rustdoc changes that format from time to time, so the version of the tool belongs to the version of Rust.
set -euo pipefail

# shellcheck source=dependencies.sh
source "$(dirname "${BASH_SOURCE[0]}")/dependencies.sh"

tool_version=0.52.0
# The format that this version of the tool reads.
json_format=57
listing=$root/crates/soundclassify-core/api.txt

# Prints one line for each public item, without blanket and automatic implementations. In a separate target folder, because
# build scripts depend on RUSTC_BOOTSTRAP, which lets a stable rustdoc write JSON.
list_api() {
  local json=$target/api/doc/soundclassify_core.json
  RUSTC_BOOTSTRAP=1 cargo rustdoc --locked --quiet --package soundclassify-core --lib --target-dir "$target/api" -- \
    -Z unstable-options --output-format json --cap-lints allow || return
  [[ $(tail -c 40 "$json") =~ \"format_version\":$json_format\} ]] || {
    say "rustdoc of $(rustc --version) writes a different JSON format than $json_format, which cargo-public-api $tool_version reads"
    return 3
  }
  cargo public-api --rustdoc-json "$json" -ss
}

check_api() {
  local found status=0
  found=$(list_api) || status=$?
  if [[ $status == 3 ]]; then
    echo "skipped: the public interface, because cargo-public-api can't read this rustdoc's JSON"
    return
  fi
  [[ $status == 0 ]] || return "$status"
  diff -u "$listing" - <<<"$found" ||
    die "the public interface of soundclassify-core differs from ${listing#"$root"/}; run tests/api.sh --update and add the changes to CHANGELOG.md"
}

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
  [[ ${1:-} != --help && ${1:-} != -h ]] || { usage "$0" && exit; }
  cd "$root"
  provide_tool cargo-public-api --version "$tool_version"
  if [[ ${1:-} == --update ]]; then
    found=$(list_api)
    printf '%s\n' "$found" >"$listing"
  else
    check_api
  fi
fi
