#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Follows the README's "Install" in a fresh system; then gst-inspect-1.0, a pipeline and doctor.
#
#   tests/install.sh RELEASE            packages where the release has ONNX Runtime, otherwise pipelines/demo.sh
#   tests/install.sh --cargo RELEASE    the lines for cargo; on noble, it builds cargo-c
#
# RELEASE is trixie (Debian 13, with Rust of its backports), testing, noble (Ubuntu 24.04) or resolute (26.04).
#
# Uses the files of the last commit and Cargo's downloads of this machine. Needs root and debootstrap; downloads 500 MB to
# target/install. The mirrors are DEBIAN_MIRROR or that of apt, and UBUNTU_MIRROR or the one that debootstrap knows. Without Ubuntu's
# keyring (package ubuntu-keyring), debootstrap does not verify that base system. Only target/ and Cargo's folder change.
set -euo pipefail

# shellcheck source=debian-system.sh
source "$(dirname "$0")/debian-system.sh"

# The version of Rust among Ubuntu's packages that Cargo.toml accepts.
ubuntu_rust=1.97

# The rest of this file runs in the system, in which /source has the files, and Cargo's downloads are in /cargo.

install_quietly() { apt-get install --yes --quiet --quiet "$@" >/tmp/apt.log 2>&1 || { cat /tmp/apt.log && exit 1; }; }

install_rust() {
  if [[ -n $UBUNTU_RUST ]]; then
    install_quietly "rustc-$UBUNTU_RUST" "cargo-$UBUNTU_RUST"
    PATH=/usr/lib/rust-$UBUNTU_RUST/bin:$PATH
  elif [[ -e /etc/apt/sources.list.d/backports.list ]]; then
    install_quietly --target-release trixie-backports rustc cargo
  else
    install_quietly rustc cargo
  fi
}

# The packages, or the way to try it.
install_without_cargo() {
  export CARGO_NET_OFFLINE=true
  if [[ -n $(onnxruntime_package) ]]; then
    pipelines/package.sh --here
    install_quietly ./target/package/here/*.deb
  else
    pipelines/demo.sh
    export GST_PLUGIN_PATH=/source/target/release PATH=/source/target/release:$PATH
  fi
}

# Those of this machine, which may be behind a proxy with a certificate of its own.
install_certificates() {
  install_quietly ca-certificates
  [[ ! -e /certificates ]] || cp /certificates /etc/ssl/certs/ca-certificates.crt
}

# Without sudo, because this is root. Programs go to a folder of this system, because /cargo belongs to this machine.
install_with_cargo() {
  local lines
  lines=$(sed -n '/^sudo apt install cargo-c$/,/^[^a-z]/{/^[a-z]/p}' README.md)
  [[ $lines == *"cargo cinstall"* ]] || { echo "error: README.md has no lines for cargo" >&2 && exit 1; }
  export CARGO_INSTALL_ROOT=/usr/local
  install_certificates
  pipelines/setup.sh --no-build
  if [[ -z $(onnxruntime_package) ]]; then
    # Ubuntu 24.04, whose cargo-c is older than this edition of Rust.
    install_quietly libssl-dev
    lines=${lines/sudo apt install cargo-c/cargo install --locked cargo-c}
  fi
  # shellcheck disable=SC2317 # The lines call them.
  sudo() { "$@"; }
  # shellcheck disable=SC2317
  apt() { apt-get --yes --quiet --quiet "$@"; }
  (set -x && eval "$lines")
  if [[ -n $(onnxruntime_package) ]]; then
    install_quietly "$(onnxruntime_package)"
  else
    ORT_DYLIB_PATH=$(echo /source/target/onnxruntime/libonnxruntime.so.*)
    export ORT_DYLIB_PATH
  fi
}

# The README's commands: install_and_use WAY.
install_and_use() {
  export DEBIAN_FRONTEND=noninteractive CARGO_HOME=/cargo
  apt-get update --quiet --quiet
  install_rust
  cd /source
  "$1"
  cd /tmp
  echo "== $(. /etc/os-release && echo "$PRETTY_NAME"), $(rustc --version), $(gst-launch-1.0 --gst-version)"
  gst-inspect-1.0 soundclassify | sed -n '1,/^$/p'
  gst-launch-1.0 -m filesrc location=/usr/share/sounds/alsa/Front_Center.wav ! wavparse ! soundclassify ! fakesink >messages 2>/dev/null
  grep -m1 'soundclassify, timestamp' messages
  soundclassify doctor
}

# The base system stays fresh. enter_copy RELEASE WAY
enter_copy() {
  local release=$1 copy=$target/install/copy-$1 cargo_home=${CARGO_HOME:-$HOME/.cargo} certificates=${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt} rust=''
  mount_copy "$target/install/$release" "$copy"
  mkdir -p "$copy/system/source/target" "$copy/system/cargo"
  mount --bind "$cargo_home" "$copy/system/cargo"
  # Only its downloads: Cargo prefers the programs there to those in PATH.
  mkdir -p "$cargo_home/bin"
  mount -t tmpfs tmpfs "$copy/system/cargo/bin"
  git -C "$root" archive HEAD | tar -x -C "$copy/system/source"
  ! is_ubuntu "$release" || rust=$ubuntu_rust
  [[ $release != trixie ]] || add_backports "$copy/system"
  install -D "$(command -v cargo-deb)" "$copy/system/usr/local/bin/cargo-deb"
  [[ ! -e $certificates ]] || cp "$certificates" "$copy/system/certificates"
  [[ ! -e $onnxruntime ]] || cp -r "${onnxruntime%/*}" "$copy/system/source/target/"
  chroot "$copy/system" /usr/bin/env -i HOME=/root LC_ALL=C.UTF-8 CARGO_TERM_COLOR=never UBUNTU_RUST="$rust" \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    /bin/bash -euo pipefail -c "$(declare -f onnxruntime_package install_quietly install_rust install_without_cargo install_certificates install_with_cargo install_and_use); install_and_use $2"
}

# main RELEASE WAY
main() {
  local release=$1 copy=$target/install/copy-$1
  check_means
  check_rust
  provide_tool cargo-deb
  cargo fetch --locked --quiet --manifest-path "$root/Cargo.toml"
  install_base "$release" "$(dpkg --print-architecture)" "$target/install/$release"
  fresh_copy "$copy"
  unshare --mount --propagation private "$BASH" "$root/tests/install.sh" --enter "$release" "$2" || die "the README's steps do not work on $release."
  rm -rf "$copy"
}

case ${1:-} in
  --help | -h) usage "$0" ;;
  --enter) enter_copy "$2" "$3" ;;
  --cargo) main "${2:?"--cargo needs a release; see --help"}" install_with_cargo ;;
  -*) die "unknown option $1; see --help" ;;
  '') die "a release is needed; see --help" ;;
  *) main "$1" install_without_cargo ;;
esac
