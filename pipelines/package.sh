#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Builds Debian packages of the plugin and the program, for the Debian release on which it runs: target/package/*.deb.
#
#   pipelines/package.sh             builds with the profile release and packs
#   pipelines/package.sh --check     installs a fresh system of the same release under target/ (downloads 300 MB), installs,
#                                    uses, reinstalls and removes the packages there, and runs lintian
#
# gstreamer1.0-soundclassify is the plugin with its models, soundclassify the program with manual page, completions and
# examples. Needs Rust and cargo-deb (built into target/tools unless it is in PATH). For a different release, run it inside
# that release: `tests/debian.sh 13 --run pipelines/package.sh`. The environment variables MAINTAINER and PROFILE (release)
# are used. --check needs root, debootstrap and lintian.
set -euo pipefail

# shellcheck source=setup.sh
source "$(dirname "$0")/setup.sh"
cd "$root"

packages=$target/package
profile=${PROFILE:-release}
maintainer=${MAINTAINER:-The soundclassify project <maintainers@soundclassify.invalid>}

provide_cargo_deb() {
  PATH=$target/tools/bin:$PATH
  command -v cargo-deb >/dev/null || cargo install --locked --debug --root "$target/tools" cargo-deb >&2
}

version() { sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n1; }

# The date of the last commit, so that the same commit makes the same packages.
commit_date() { git -C "$root" log -1 --format=%cd --date=rfc2822 2>/dev/null || date -R; }

# The manual page, completions and changelogs that a Debian package contains.
make_documents() {
  local program=$target/$built/soundclassify documents=target/package/documents shell name
  mkdir -p "$root/$documents"
  "$program" man | gzip -9n >"$root/$documents/soundclassify.1.gz"
  for shell in bash zsh fish; do "$program" completions "$shell" >"$root/$documents/soundclassify.$shell"; done
  for name in gstreamer1.0-soundclassify soundclassify; do
    printf '%s (%s-1) unstable; urgency=medium\n\n  * See /usr/share/doc/%s/NEWS.md.gz.\n\n -- %s  %s\n' \
      "$name" "$(version)" "$name" "$maintainer" "$(commit_date)" >"$root/$documents/$name.changelog"
  done
  gzip -9nc CHANGELOG.md >"$root/$documents/NEWS.md.gz"
}

build_features() { if pkg-config --exists 'gstreamer-1.0 >= 1.24'; then echo gst-plugin-soundclassify/v1_24; fi; }

pack() {
  local package=$1
  shift
  cargo deb --no-build --package "$package" --profile "$profile" --maintainer "$maintainer" --output "$packages/" "$@" >&2
}

make_packages() {
  built=$profile
  [[ $profile != dev ]] || built=debug
  check_rust
  provide_cargo_deb
  local features
  features=$(build_features)
  cargo build --locked --profile "$profile" --package gst-plugin-soundclassify --package soundclassify-cli --lib --bins ${features:+--features "$features"} >&2
  mkdir -p "$packages"
  rm -f "$packages"/*.deb
  make_documents
  pack gst-plugin-soundclassify --multiarch same
  pack soundclassify-cli
  ls -l "$packages"/*.deb >&2
}

# In a fresh system: installed, used without any variable, installed again, removed, nothing left.
use_packages() {
  export DEBIAN_FRONTEND=noninteractive
  local before
  apt-get update --quiet
  apt-get install --yes --quiet --no-install-recommends gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good
  before=$(find /usr /etc -path '*soundclassify*')
  apt-get install --yes --quiet --no-install-recommends /packages/*.deb
  gst-inspect-1.0 soundclassify | head -n 12
  gst-launch-1.0 -q audiotestsrc num-buffers=100 ! wavenc ! filesink location=/tmp/tone.wav
  gst-launch-1.0 -m filesrc location=/tmp/tone.wav ! wavparse ! soundclassify ! fakesink >/tmp/messages
  grep -c 'soundclassify, timestamp' /tmp/messages
  soundclassify file /tmp/tone.wav | tail -n 3
  soundclassify doctor || true
  test -e /usr/share/man/man1/soundclassify.1.gz || test -e /etc/dpkg/dpkg.cfg.d/docker
  apt-get install --yes --quiet --reinstall /packages/*.deb
  apt-get purge --yes --quiet gstreamer1.0-soundclassify soundclassify
  [[ $(find /usr /etc -path '*soundclassify*') == "$before" ]] || { find /usr /etc -path '*soundclassify*'; exit 1; }
  if gst-inspect-1.0 --exists soundclassify; then exit 1; fi
  echo "installed, used, installed again, removed: nothing left"
}

# The packages in a system that has nothing else of ours.
check_packages() {
  local release system=$target/package/system
  [[ $(id -u) == 0 ]] || die "--check makes a system of its own: run it as root."
  release=$(. /etc/os-release && echo "${VERSION_CODENAME:-sid}")
  [[ -z ${RELEASE:-} ]] || release=$RELEASE
  [[ -e $system ]] || { debootstrap --variant=minbase "$release" "$system.new" ${DEBIAN_MIRROR:+"$DEBIAN_MIRROR"} >"$packages/debootstrap.log" && mv "$system.new" "$system"; }
  mkdir -p "$system/packages"
  cp "$packages"/*.deb "$system/packages/"
  cp /etc/resolv.conf "$system/etc/resolv.conf"
  # shellcheck disable=SC2016 # In the system.
  unshare --mount --propagation private "$BASH" -c 'mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" &&
    exec chroot "$1" /usr/bin/env -i HOME=/root LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin /bin/bash -euo pipefail -c "$2; use_packages"' \
    _ "$system" "$(declare -f use_packages)"
  lintian --fail-on error --display-info "$packages"/*.deb
}

case ${1:-} in
  --help | -h) usage "$0" ;;
  --check) check_packages ;;
  '') make_packages ;;
  *) die "unknown option $1; see --help" ;;
esac
