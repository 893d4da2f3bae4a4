#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Builds and tests with the packages of a Debian release: its rustc, GStreamer and ONNX Runtime.
#
#   tests/debian.sh RELEASE [ARGUMENT...]           RELEASE: 13 (trixie, with rustc of its backports) or testing;
#                                                   ARGUMENT: of `cargo nextest run` (or `cargo test`), instead of the
#                                                   tests of the core, the plugin and the element
#   tests/debian.sh RELEASE --everything            lints, then all tests, with browser and sound server
#   tests/debian.sh RELEASE --run COMMAND...        runs only a command in that system, in this folder
#
# All features are enabled, including v1_24. debootstrap installs the system once, in target/debian/RELEASE-ARCHITECTURE
# (2 GB, and 2 GB for build results); remove the folder to start again. Needs root and debootstrap. Packages come from
# the mirror of apt, or from DEBIAN_MIRROR. Nothing outside target/ changes, and mounts end with the script.
set -euo pipefail

# shellcheck source=../pipelines/setup.sh
source "$(dirname "$0")/../pipelines/setup.sh"

check_means() {
  [[ $(id -u) == 0 ]] || die "only root can install and enter a Debian system: run this as root."
  local program
  for program in debootstrap chroot unshare cargo; do
    command -v "$program" >/dev/null || die "no $program in PATH; Debian's packages: debootstrap, coreutils, util-linux, cargo."
  done
}

# The mirror of this machine's Debian.
mirror() {
  local found=
  if [[ -n ${DEBIAN_MIRROR:-} ]]; then
    found=$DEBIAN_MIRROR
  elif command -v apt-get >/dev/null; then
    # shellcheck disable=SC2016 # apt-get fills it in.
    found=$(apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' 'Label: Debian' 'Component: main' 'Created-By: Packages' | head -n1)
  fi
  [[ -n $found ]] || die "no mirror of Debian is known here; set DEBIAN_MIRROR to its address"
  echo "$found"
}

# Moved to its place at the end, so it is complete when it exists.
make_system() {
  [[ ! -e $system ]] || return 0
  local from
  from=$(mirror)
  rm -rf "$system.new"
  mkdir -p "$debian_folder"
  say "Installing Debian $release in $system (downloads 100 MB)"
  debootstrap --variant=minbase "$release" "$system.new" "$from" >"$debian_folder/debootstrap.log" ||
    die "debootstrap failed; see $debian_folder/debootstrap.log"
  [[ $release != trixie ]] || echo "deb $from trixie-backports main" >"$system.new/etc/apt/sources.list.d/backports.list"
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
  local cargo_home=${CARGO_HOME:-$HOME/.cargo} runner
  mount -t proc proc "$system/proc"
  mount --rbind /dev "$system/dev"
  mount --rbind /sys "$system/sys"
  rm -f "$system/etc/resolv.conf"
  bind /etc/resolv.conf
  bind "$root"
  bind "$cargo_home"
  [[ ! -d $root/../shared ]] || bind "$(cd "$root/../shared" && pwd)"
  runner=$(command -v cargo-nextest) && install -D "$runner" "$system/usr/local/bin/cargo-nextest"
  exec chroot "$system" /usr/bin/env -i HOME=/root TERM="${TERM:-dumb}" LC_ALL=C.UTF-8 \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    CARGO_HOME="$cargo_home" CARGO_NET_OFFLINE=true CARGO_TARGET_DIR="$debian_folder/target" CARGO_TERM_COLOR=never \
    CARGO_PROFILE_DEV_DEBUG="${CARGO_PROFILE_DEV_DEBUG:-line-tables-only}" CARGO_INCREMENTAL=0 \
    /bin/bash "$root/tests/debian.sh" --inside "$release" "$@"
}

# The distribution's package of ONNX Runtime, whichever version its name carries.
onnxruntime_package() { apt-cache pkgnames libonnxruntime | grep -E '^libonnxruntime[0-9.]+$' | sort -V | tail -n1; }

install_build_tools() {
  [[ ! -e /var/lib/soundclassify-tools ]] || return 0
  local packages=(build-essential pkgconf rustc cargo rust-clippy python3 libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev
    libgstreamer-plugins-bad1.0-0 gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good)
  local release_option=()
  [[ $release != trixie ]] || release_option=(--target-release trixie-backports)
  export DEBIAN_FRONTEND=noninteractive
  apt-get update --quiet >&2
  packages+=("$(onnxruntime_package)")
  apt-get install --yes --quiet --no-install-recommends "${release_option[@]}" "${packages[@]}" >&2
  unpack_analytics
  apt-get clean
  touch /var/lib/soundclassify-tools
}

# gstreamer-analytics-1.0.pc and what it links. Its package would bring OpenCV, Vulkan and 500 more, 2 GB that nothing here needs.
unpack_analytics() (
  cd "$(mktemp -d)"
  apt-get download libgstreamer-plugins-bad1.0-dev >&2
  dpkg-deb --extract ./*.deb /
)

# In that Debian.
inside() {
  release=$1
  shift
  cd "$root"
  install_build_tools
  if [[ ${1:-} == --run ]]; then
    "${@:2}"
    return
  fi
  export G_DEBUG=fatal-criticals
  # The system's own ONNX Runtime, as an installed plugin finds it.
  unset ORT_DYLIB_PATH
  say "$(. /etc/os-release && echo "$PRETTY_NAME"), $(uname -m): $(rustc --version), GStreamer $(pkg-config --modversion gstreamer-1.0), $(dpkg-query -W "$(onnxruntime_package)" | tr '\t' ' ')"
  if [[ ${1:-} == --everything ]]; then
    ORT_DYLIB_PATH=$(system_onnxruntime) setup --tests
    cargo clippy --locked --workspace --all-targets --features "$features" -- -D warnings
    set -- --workspace
  elif [[ $# == 0 ]]; then
    set -- --package soundclassify-core --package gst-plugin-soundclassify
  fi
  # Benchmarks and tests of the finding itself name the library.
  ORT_DYLIB_PATH=$(system_onnxruntime)
  export ORT_DYLIB_PATH
  if command -v cargo-nextest >/dev/null; then
    cargo nextest run --locked --features "$features" "$@"
  else
    cargo test --locked --features "$features" "$@"
  fi
}

system_onnxruntime() { dpkg-query -L "$(onnxruntime_package)" | grep -E '/libonnxruntime\.so\.[0-9.]+$' | head -n1; }

features=gst-plugin-soundclassify/v1_24

main() {
  case ${1:-} in
    --help | -h | '')
      usage "$0"
      return
      ;;
    --inside)
      inside "${@:2}"
      return
      ;;
    13 | trixie) release=trixie ;;
    testing) release=testing ;;
    *) die "unknown release '$1'; expected 13 or testing" ;;
  esac
  debian_folder=$target/debian/$release-$(dpkg --print-architecture)
  system=$debian_folder/system
  if [[ ${2:-} == --enter ]]; then
    enter "${@:3}"
  fi
  check_means
  make_system
  cargo fetch --locked --quiet --manifest-path "$root/Cargo.toml"
  unshare --mount --propagation private "$BASH" "$0" "$release" --enter "${@:2}" || die "this does not pass on Debian $release."
}

main "$@"
