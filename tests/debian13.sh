#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Builds with the feature v1_24 and tests that against GStreamer 1.26, which Debian 12 lacks: in a Debian 13 of its own.
#
#   tests/debian13.sh [ARGUMENT...]     arguments of `cargo nextest run` (or `cargo test`); without any: lints, then
#                                       the library's tests and those of the element and of the pipelines
#
# Needs root and debootstrap. The system lies in target/debian13 (6 GB with what is built for it), is made once and
# used again; remove the folder to begin anew. Rust is this machine's own. Packages come from the mirror that apt is
# set to, or from DEBIAN_MIRROR. Whatever is mounted is mounted for this script's processes only.
set -euo pipefail

# shellcheck source=../pipelines/setup.sh
source "$(dirname "$0")/../pipelines/setup.sh"

folder=$root/target/debian13
system=$folder/system

check_means() {
  [[ $(id -u) == 0 ]] || die "a Debian of its own is made and entered by root only: run this as root."
  local program
  for program in debootstrap chroot unshare; do
    command -v "$program" >/dev/null ||
      die "no $program in PATH; Debian's packages: debootstrap, coreutils, util-linux."
  done
}

# The mirror of this machine's Debian; none where it has another system: debootstrap knows one.
mirror() {
  if [[ -n ${DEBIAN_MIRROR:-} ]]; then
    echo "$DEBIAN_MIRROR"
  elif command -v apt-get >/dev/null; then
    # shellcheck disable=SC2016 # apt-get fills it in.
    apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' 'Label: Debian' 'Component: main' 'Created-By: Packages' | head -n1
  fi
}

# Comes to its place by a rename: it is whole when it is there.
make_system() {
  [[ ! -e $system ]] || return 0
  rm -rf "$system.new"
  mkdir -p "$folder"
  say "Making a Debian 13 in $system (minutes, the first time)"
  # shellcheck disable=SC2046 # No mirror is no argument.
  debootstrap --variant=minbase trixie "$system.new" $(mirror) >"$folder/debootstrap.log" ||
    die "debootstrap failed; see $folder/debootstrap.log"
  mv "$system.new" "$system"
}

# Binds a folder or file of this machine to the same place in the system.
bind() {
  if [[ -d $1 ]]; then
    mkdir -p "$system$1"
  else
    mkdir -p "$system${1%/*}"
    touch "$system$1"
  fi
  mount --bind "$1" "$system$1"
}

# Runs with mounts of its own, which go with the last process that sees them, however it ends.
enter() {
  local sysroot cargo_home runner
  sysroot=$(rustc --print sysroot)
  cargo_home=${CARGO_HOME:-$HOME/.cargo}
  mount -t proc proc "$system/proc"
  mount --rbind /dev "$system/dev"
  mount --rbind /sys "$system/sys"
  rm -f "$system/etc/resolv.conf"
  bind /etc/resolv.conf
  bind "$root"
  bind "$sysroot"
  bind "$cargo_home"
  [[ ! -d ../shared ]] || bind "$(cd ../shared && pwd)"
  runner=$(command -v cargo-nextest) && install -D "$runner" "$system/usr/local/bin/cargo-nextest"
  exec chroot "$system" /usr/bin/env -i HOME=/root TERM="${TERM:-dumb}" LC_ALL=C.UTF-8 \
    PATH="$sysroot/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" \
    CARGO_HOME="$cargo_home" CARGO_NET_OFFLINE=true CARGO_TARGET_DIR="$folder/target" ORT_DYLIB_PATH="$ORT_DYLIB_PATH" \
    /bin/bash "$root/tests/debian13.sh" --inside "$@"
}

# In the Debian 13.
check() {
  cd "$root"
  setup --tests
  pkg-config --exists gstreamer-analytics-1.0 ||
    apt-get install --yes --quiet --no-install-recommends libgstreamer-plugins-bad1.0-dev >&2
  export G_DEBUG=fatal-criticals
  say "GStreamer $(pkg-config --modversion gstreamer-1.0), analytics $(pkg-config --modversion gstreamer-analytics-1.0)"
  if [[ $# == 0 ]]; then
    cargo clippy --locked --workspace --all-targets --features soundclassify-cli/v1_24 -- -D warnings
    cargo build --locked --features v1_24 --example listen
    set -- --lib --test element --test launch
  fi
  if command -v cargo-nextest >/dev/null; then
    cargo nextest run --locked --workspace --features soundclassify-cli/v1_24 "$@"
  else
    cargo test --locked --workspace --features soundclassify-cli/v1_24 "$@"
  fi
}

case ${1:-} in
  --help | -h) usage "$0" ;;
  --inside) check "${@:2}" ;;
  --enter) enter "${@:2}" ;;
  *)
    check_means
    check_rust
    provide_onnxruntime
    export ORT_DYLIB_PATH=${ORT_DYLIB_PATH:-$onnxruntime}
    make_system
    cargo fetch --locked --quiet --manifest-path "$root/Cargo.toml"
    unshare --mount --propagation private "$BASH" "$0" --enter "$@" || die "the feature v1_24 does not pass on Debian 13."
    say "The feature v1_24 passes on Debian 13."
    ;;
esac
