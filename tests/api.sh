#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Compares the public interfaces of soundclassify-core and gst-plugin-soundclassify with their listings, crates/soundclassify-core/api.txt
# and src/api.txt.
#
#   tests/api.sh             shows what differs; exit status 1 if something does
#   tests/api.sh --update    writes the listings
#
# Builds cargo-public-api into Cargo's folder of programs unless it is in PATH, which takes minutes. It reads the JSON that
# rustdoc writes; rustdoc changes that format from time to time, so the version of the tool belongs to the version of Rust.
set -euo pipefail

# shellcheck source=dependencies.sh
source "$(dirname "${BASH_SOURCE[0]}")/dependencies.sh"

tool_version=0.52.0
# The format that this version of the tool reads.
json_format=57

# Prints one line for each public item of PACKAGE, whose library is LIBRARY, without blanket and automatic implementations. In a separate
# target folder, because build scripts depend on RUSTC_BOOTSTRAP, which lets a stable rustdoc write JSON.
list_api() {
  local package=$1 json=$target/api/doc/$2.json
  RUSTC_BOOTSTRAP=1 cargo rustdoc --locked --quiet --package "$package" --lib --target-dir "$target/api" -- \
    -Z unstable-options --output-format json --cap-lints allow || return
  [[ $(tail -c 40 "$json") =~ \"format_version\":$json_format\} ]] || {
    say "rustdoc of $(rustc --version) writes a different JSON format than $json_format, which cargo-public-api $tool_version reads"
    return 3
  }
  cargo public-api --rustdoc-json "$json" -ss
}

# check_api PACKAGE LIBRARY LISTING
check_api() {
  local found status=0
  found=$(list_api "$1" "$2") || status=$?
  if [[ $status == 3 ]]; then
    echo "skipped: the public interface of $1, because cargo-public-api can't read this rustdoc's JSON"
    return
  fi
  [[ $status == 0 ]] || return "$status"
  diff -u "$3" - <<<"$found" || die "the public interface of $1 differs from $3; run tests/api.sh --update and add the changes to CHANGELOG.md"
}

# update_api PACKAGE LIBRARY LISTING
update_api() {
  local found
  found=$(list_api "$1" "$2")
  printf '%s\n' "$found" >"$3"
}

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
  [[ ${1:-} != --help && ${1:-} != -h ]] || { usage "$0" && exit; }
  cd "$root"
  provide_tool cargo-public-api --version "$tool_version"
  act=check_api
  [[ ${1:-} != --update ]] || act=update_api
  $act soundclassify-core soundclassify_core crates/soundclassify-core/api.txt
  $act gst-plugin-soundclassify gstsoundclassify src/api.txt
fi
