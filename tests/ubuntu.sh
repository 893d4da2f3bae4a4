#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Follows the README's steps in a fresh Ubuntu: packages where it has ONNX Runtime, otherwise pipelines/demo.sh; then
# gst-inspect-1.0, a pipeline and doctor.
#
#   tests/ubuntu.sh [RELEASE [RUST]]     RELEASE: noble (24.04, the default), resolute (26.04) or another; RUST: the version
#                                        of Rust among Ubuntu's packages that Cargo.toml accepts (1.97)
#
# Uses the files of the last commit. Needs root and debootstrap; downloads 500 MB to target/ubuntu. Cargo's downloads are this machine's;
# the mirror is UBUNTU_MIRROR, or the one that debootstrap knows. Nothing outside target/ changes. Without Ubuntu's keyring
# (package ubuntu-keyring), debootstrap does not verify the base system.
set -euo pipefail

# shellcheck source=debian-system.sh
source "$(dirname "$0")/debian-system.sh"

# In the system, in which /source has the files, with Cargo's downloads in /cargo.
build_and_use() {
  export DEBIAN_FRONTEND=noninteractive CARGO_HOME=/cargo CARGO_NET_OFFLINE=true PATH=/usr/lib/rust-$RUST_VERSION/bin:$PATH
  apt-get update --quiet --quiet
  apt-get install --yes --quiet --quiet --no-install-recommends "rustc-$RUST_VERSION" "cargo-$RUST_VERSION" ca-certificates >/tmp/apt.log 2>&1 ||
    { cat /tmp/apt.log && exit 1; }
  cd /source
  if apt-cache pkgnames libonnxruntime | grep -q .; then
    pipelines/package.sh --here
    apt-get install --yes --quiet --quiet ./target/package/*.deb >/tmp/apt.log 2>&1 || { cat /tmp/apt.log && exit 1; }
  else
    pipelines/demo.sh
    export GST_PLUGIN_PATH=/source/target/release PATH=/source/target/release:$PATH
  fi
  cd /tmp
  echo "== $(. /etc/os-release && echo "$PRETTY_NAME"), $(rustc --version), $(gst-launch-1.0 --gst-version)"
  gst-inspect-1.0 soundclassify | sed -n '1,/^$/p'
  gst-launch-1.0 -m filesrc location=/usr/share/sounds/alsa/Front_Center.wav ! wavparse ! soundclassify ! fakesink >messages 2>/dev/null
  grep -m1 'soundclassify, timestamp' messages
  soundclassify doctor
}

# Changes to the base system go to a folder that is removed again, so that it stays fresh.
enter_copy() {
  local release=$1 rust=$2 copy=$target/ubuntu/copy
  local cargo_home=${CARGO_HOME:-$HOME/.cargo} cargo_deb
  mount -t overlay overlay -o "lowerdir=$target/ubuntu/$release,upperdir=$copy/changes,workdir=$copy/work" "$copy/system"
  mount_system "$copy/system"
  mkdir -p "$copy/system/source/target" "$copy/system/cargo"
  mount --bind "$cargo_home" "$copy/system/cargo"
  git -C "$root" archive HEAD | tar -x -C "$copy/system/source"
  cargo_deb=$(command -v cargo-deb) && install -D "$cargo_deb" "$copy/system/usr/local/bin/cargo-deb"
  [[ ! -e $onnxruntime ]] || cp -r "${onnxruntime%/*}" "$copy/system/source/target/"
  chroot "$copy/system" /usr/bin/env -i HOME=/root LC_ALL=C.UTF-8 CARGO_TERM_COLOR=never RUST_VERSION="$rust" \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin /bin/bash -euo pipefail -c "$(declare -f build_and_use); build_and_use"
}

main() {
  local release=${1:-noble} rust=${2:-1.97} copy=$target/ubuntu/copy
  check_means
  cargo fetch --locked --quiet --manifest-path "$root/Cargo.toml"
  install_base "$release" "$(dpkg --print-architecture)" "$target/ubuntu/$release"
  rm -rf "$copy"
  mkdir -p "$copy/changes" "$copy/work" "$copy/system"
  unshare --mount --propagation private "$BASH" "$root/tests/ubuntu.sh" --enter "$release" "$rust" || die "the README's steps do not work in Ubuntu $release."
  rm -rf "$copy"
}

case ${1:-} in
  --help | -h) usage "$0" ;;
  --enter) enter_copy "$2" "$3" ;;
  -*) die "unknown option $1; see --help" ;;
  *) main "$@" ;;
esac
