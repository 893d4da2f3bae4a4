#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Builds and tests with the packages of a Debian release: its rustc, GStreamer and ONNX Runtime.
#
#   tests/debian.sh RELEASE [ARGUMENT...]           RELEASE: 13 (trixie, with rustc of its backports) or testing;
#                                                   ARGUMENT: of `cargo nextest run` (or `cargo test`), instead of the
#                                                   tests of the core, the plugin and the element
#   tests/debian.sh RELEASE --arm64 [ARGUMENT...]   the same for 64-bit ARM: cross-compiled, run under QEMU; --armhf: for
#                                                   32-bit ARM (ARMv7 with floating point)
#   tests/debian.sh RELEASE --workspace             all tests; first installs what they need, such as a browser and a sound server
#   tests/debian.sh RELEASE --everything            lints, then all tests
#   tests/debian.sh RELEASE [--arm64 | --armhf] --run COMMAND...   runs only a command in that system, in this folder
#
# All of the plugin's features are enabled that the release supports. debootstrap installs the system once, in target/debian/RELEASE-ARCHITECTURE
# (2 GB for each architecture, and 5 GB for build results); remove the folder to start again. Needs root and debootstrap; ARM needs Debian's
# packages qemu-user-static and binfmt-support. Packages come from the mirror of apt, or from DEBIAN_MIRROR. Outside target/, only Cargo's folder
# changes (downloads), and QEMU is enabled for ARM (binfmt) if it is not. Mounts end with the script.
set -euo pipefail

# shellcheck source=debian-system.sh
source "$(dirname "$0")/debian-system.sh"

make_system() {
  install_base "$release" "$(dpkg --print-architecture)" "$system"
  [[ $release != trixie ]] || add_backports "$system"
}

# Binds a folder of this machine to the same place in the system.
bind() {
  mkdir -p "$system$1"
  mount --bind "$1" "$system$1"
}

# Runs with mounts of its own, which go with the last process that sees them, however it ends.
enter() {
  local cargo_home=${CARGO_HOME:-$HOME/.cargo} program runner
  mount_system "$system"
  bind "$root"
  bind "$cargo_home"
  [[ ! -d $root/../shared ]] || bind "$(cd "$root/../shared" && pwd)"
  for program in cargo-nextest cargo-deb; do
    runner=$(command -v "$program") && install -D "$runner" "$system/usr/local/bin/$program"
  done
  exec chroot "$system" /usr/bin/env -i HOME=/root TERM="${TERM:-dumb}" LC_ALL=C.UTF-8 \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    CARGO_HOME="$cargo_home" CARGO_NET_OFFLINE=true CARGO_TARGET_DIR="$debian_folder/target" CARGO_TERM_COLOR=never \
    CARGO_PROFILE_DEV_DEBUG="${CARGO_PROFILE_DEV_DEBUG:-line-tables-only}" CARGO_INCREMENTAL=0 \
    ${PROPTEST_CASES:+PROPTEST_CASES="$PROPTEST_CASES"} ${SOUNDCLASSIFY_MODEL_TIMEOUT:+SOUNDCLASSIFY_MODEL_TIMEOUT="$SOUNDCLASSIFY_MODEL_TIMEOUT"} \
    /bin/bash "$root/tests/debian.sh" --inside "$release" "$@"
}

# Both releases: 13 needs rustc of its backports.
install_packages() {
  local release_option=()
  [[ $release != trixie ]] || release_option=(--target-release trixie-backports)
  export DEBIAN_FRONTEND=noninteractive
  apt-get update --quiet >&2
  apt-get install --yes --quiet --no-install-recommends "${release_option[@]}" "$@" >&2
}

install_build_tools() {
  [[ ! -e /var/lib/soundclassify-tools ]] || return 0
  install_packages build-essential pkgconf rustc cargo rust-clippy python3 libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev \
    libgstreamer-plugins-bad1.0-0 gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good
  install_packages "$(onnxruntime_package)"
  unpack_analytics
  apt-get clean
  touch /var/lib/soundclassify-tools
}

# What the cross compiler links, and what QEMU runs.
install_cross_tools() {
  local package=":$architecture"
  [[ ! -e /var/lib/soundclassify-tools-$architecture ]] || return 0
  dpkg --add-architecture "$architecture"
  install_packages "gcc-$tuple" "libc6-dev$package" "libstd-rust-dev$package" "libgstreamer1.0-dev$package" "libgstreamer-plugins-base1.0-dev$package" \
    "libgstreamer-plugins-bad1.0-0$package" "gstreamer1.0-plugins-base$package" "gstreamer1.0-plugins-good$package" "$(onnxruntime_package)$package"
  unpack_analytics "$package"
  apt-get clean
  touch "/var/lib/soundclassify-tools-$architecture"
}

# gstreamer-analytics-1.0.pc and what it links. Its package would bring OpenCV, Vulkan and 500 more, 2 GB that nothing here needs.
unpack_analytics() (
  cd "$(mktemp -d)"
  apt-get download "libgstreamer-plugins-bad1.0-dev${1:-}" >&2
  dpkg-deb --extract ./*.deb /
)

# Compiles for another architecture from here on.
cross_compile() {
  architecture=$1
  local tuple rust
  case $architecture in
    arm64) tuple=aarch64-linux-gnu rust=aarch64-unknown-linux-gnu ;;
    armhf) tuple=arm-linux-gnueabihf rust=armv7-unknown-linux-gnueabihf ;;
  esac
  install_cross_tools
  local variable=${rust^^}
  export CARGO_BUILD_TARGET=$rust "CARGO_TARGET_${variable//-/_}_LINKER=$tuple-gcc"
  export PKG_CONFIG_ALLOW_CROSS=1 PKG_CONFIG_LIBDIR=/usr/lib/$tuple/pkgconfig:/usr/share/pkgconfig
}

# In that Debian.
inside() {
  release=$1
  shift
  cd "$root"
  install_build_tools
  architecture=$(dpkg --print-architecture)
  if is_architecture "${1:-}"; then
    cross_compile "${1#--}"
    shift
  fi
  if [[ ${1:-} == --run ]]; then
    "${@:2}"
    return
  fi
  local features
  features=$(supported_features)
  export G_DEBUG=fatal-criticals
  # The system's own ONNX Runtime, as an installed plugin finds it.
  unset ORT_DYLIB_PATH
  say "$(. /etc/os-release && echo "$PRETTY_NAME"), $architecture: $(rustc --version), GStreamer $(pkg-config --modversion gstreamer-1.0), $(dpkg-query -W "$(onnxruntime_package):$architecture" | tr '\t' ' ')"
  # Not for ARM: they would be those of this machine.
  if [[ -z ${CARGO_BUILD_TARGET:-} && " $* " =~ " "--(everything|workspace)" " ]]; then
    ORT_DYLIB_PATH=$(system_onnxruntime) setup --tests
  fi
  if [[ ${1:-} == --everything ]]; then
    cargo clippy --locked --workspace --all-targets --features "$features" -- -D warnings
    set -- --workspace
  elif [[ $# == 0 ]]; then
    set -- --package soundclassify-core --package gst-plugin-soundclassify
  fi
  # Benchmarks and tests of the finding itself name the library.
  ORT_DYLIB_PATH=$(system_onnxruntime)
  export ORT_DYLIB_PATH
  local options=(--locked) profile=default
  if [[ $architecture != "$(dpkg --print-architecture)" ]]; then
    profile=emulated
    # Networks load in 60 s on the machine that is emulated.
    export SOUNDCLASSIFY_MODEL_TIMEOUT=${SOUNDCLASSIFY_MODEL_TIMEOUT:-3600}
  fi
  if has_features "$@"; then options+=(--features "$features") && say "With $features"; else say "Without $features, which the packages named do not have"; fi
  if command -v cargo-nextest >/dev/null; then
    cargo nextest run --profile "$profile" "${options[@]}" "$@"
  else
    cargo test "${options[@]}" "$@"
  fi
}

# Whether the packages that the arguments select know the features: Cargo refuses those of others.
has_features() {
  local selected=()
  while [[ $# -gt 0 ]]; do
    case $1 in
      --) break ;;
      --package | -p) [[ $# == 1 ]] || selected+=("$1" "$2") ;;
      --package=* | -p?* | --workspace | --all) selected+=("$1") ;;
    esac
    shift
  done
  cargo tree --locked --features "$features" "${selected[@]}" >/dev/null 2>&1
}

is_architecture() { [[ $1 == --arm64 || $1 == --armhf ]]; }

system_onnxruntime() { dpkg-query -L "$(onnxruntime_package):$architecture" | grep -E '/libonnxruntime\.so\.[0-9.]+$' | head -n1; }

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
  # Development packages of two architectures can't be installed side by side.
  local argument
  for argument in "${@:2:2}"; do
    ! is_architecture "$argument" || system+=-${argument#--}
  done
  if [[ ${2:-} == --enter ]]; then
    enter "${@:3}"
  fi
  check_means
  check_rust
  ! is_architecture "${2:-}" || check_emulation "${2#--}"
  make_system
  cargo fetch --locked --quiet --manifest-path "$root/Cargo.toml"
  unshare --mount --propagation private "$BASH" "$0" "$release" --enter "${@:2}" || die "this does not pass on Debian $release."
}

main "$@"; exit
