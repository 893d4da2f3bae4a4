#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Installs the plugin with `cargo cinstall` into a folder, in Debian 13 (tests/debian.sh), and uses it in a fresh Debian 13 without
# any environment variable, as an unprivileged user.
#
#   tests/cinstall.sh
#
# Needs root and debootstrap; downloads 300 MB to target/, and the system of tests/debian.sh once. Outside target/, only Cargo's folder
# changes (downloads).
set -euo pipefail

# shellcheck source=debian-system.sh
source "$(dirname "$0")/debian-system.sh"

# The folder is the same inside Debian, where $target differs.
folder=$root/target/cinstall

install_to_folder() {
  command -v cargo-cinstall >/dev/null || apt-get install --yes --quiet --quiet --no-install-recommends cargo-c >&2
  say "$(cargo-cinstall --version), $(rustc --version)"
  rm -rf "$folder/files"
  cd "$root"
  cargo cinstall --locked --release --package gst-plugin-soundclassify --prefix=/usr --libdir="$(pkg-config --variable=libdir gstreamer-1.0)" --destdir="$folder/files"
  find "$folder/files" -type f -printf '%s %P\n' >&2
}

as_user() { su --shell /bin/bash nobody --command "HOME=/tmp/nobody; cd /tmp/nobody; $*"; }

# In the fresh system, in which /files has what was installed.
use_here() {
  export DEBIAN_FRONTEND=noninteractive
  local runtime posted
  mkdir -p /tmp/nobody && chown nobody /tmp/nobody
  apt-get update --quiet --quiet
  runtime=$(onnxruntime_package)
  apt-get install --yes --quiet --quiet --no-install-recommends gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good alsa-utils "$runtime" >/tmp/apt.log 2>&1 ||
    { cat /tmp/apt.log && exit 1; }
  cp -r /files/. /
  as_user gst-inspect-1.0 soundclassify | sed -n '1,/^$/p'
  as_user gst-inspect-1.0 --exists soundgate
  as_user gst-launch-1.0 -m filesrc location=/usr/share/sounds/alsa/Front_Center.wav ! wavparse ! soundclassify ! fakesink >/tmp/messages 2>/dev/null
  posted=$(grep -c 'soundclassify, timestamp' /tmp/messages)
  echo "gst-launch-1.0 posts $posted messages"
  (cd /files && find . -type f -print0 | (cd / && xargs -0 rm))
  if as_user gst-inspect-1.0 --exists soundclassify 2>/dev/null; then
    echo "error: the element is found without its file" >&2
    exit 1
  fi
}

# The base system stays fresh.
use_in_copy() {
  local copy=$folder/copy
  mount_copy "$folder/trixie" "$copy"
  cp -r "$folder/files" "$copy/system/files"
  chroot "$copy/system" /usr/bin/env -i HOME=/root LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /bin/bash -euo pipefail -c "$(declare -f onnxruntime_package as_user use_here); use_here"
}

main() {
  check_means
  tests/debian.sh 13 --run bash tests/cinstall.sh --install
  install_base trixie "$(dpkg --print-architecture)" "$folder/trixie"
  fresh_copy "$folder/copy"
  unshare --mount --propagation private "$BASH" tests/cinstall.sh --use || die "what cargo cinstall installs can't be used on Debian 13."
  rm -rf "$folder/copy"
}

cd "$root"
case ${1:-} in
  --help | -h) usage "$0" ;;
  --install) install_to_folder ;;
  --use) use_in_copy ;;
  '') main ;;
  *) die "unknown option $1; see --help" ;;
esac
