#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Builds Debian packages of the plugin and the program.
#
#   pipelines/package.sh [ARCHITECTURE...]           target/package/*.deb, for Debian 13: amd64 and arm64 (cross-compiled), or only
#                                                    those named; only arm64 if this machine is not amd64. tests/debian.sh
#                                                    downloads the system to build in, 2 GB for each architecture
#   pipelines/package.sh --here                      target/package/here/*.deb, for the release and architecture of this machine,
#                                                    Debian 13, Ubuntu 26.04 or newer; first installs what is missing, like pipelines/setup.sh
#   pipelines/package.sh --check [--on RELEASE] [ARCHITECTURE...]
#                                                    in a fresh system under target/ (downloads 300 MB), Debian 13 or RELEASE (testing,
#                                                    or one of Ubuntu, such as resolute): installs, uses as an unprivileged user,
#                                                    upgrades, removes and purges the packages; on Debian 13, runs lintian; elsewhere,
#                                                    and for arm64, under QEMU, compares the results with those of Debian 13 for amd64
#
# gstreamer1.0-soundclassify is the plugin with its models, soundclassify the program with manual page, completions and
# examples. Needs Debian or Ubuntu, Rust and cargo-deb (built into Cargo's folder of programs unless it is in PATH); all but --here need root
# and debootstrap, and for arm64 on another machine qemu-user-static and binfmt-support. The environment variable MAINTAINER is used.
# Outside target/, Cargo's folder changes; --here installs packages, and for arm64 QEMU is enabled (binfmt) if it is not.
set -euo pipefail

# shellcheck source=../tests/debian-system.sh
source "$(dirname "$0")/../tests/debian-system.sh"
cd "$root"

packages=$root/target/package
maintainer=${MAINTAINER:-The soundclassify project <maintainers@soundclassify.invalid>}

version() { sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n1; }

# The date of the last commit, so that the same commit makes the same packages.
commit_date() { git -C "$root" log -1 --format=%cd --date=rfc2822 2>/dev/null || date -R; }

# The manual page, completions, changelogs and credits that a Debian package contains.
make_documents() {
  local program=$1 documents=$packages/documents shell name
  mkdir -p "$documents"
  "$program" man | gzip -9n >"$documents/soundclassify.1.gz"
  for shell in bash zsh fish; do "$program" completions "$shell" >"$documents/soundclassify.$shell"; done
  for name in gstreamer1.0-soundclassify soundclassify; do
    printf '%s (%s-1) unstable; urgency=medium\n\n  * See /usr/share/doc/%s/NEWS.md.gz.\n\n -- %s  %s\n' \
      "$name" "$(version)" "$name" "$maintainer" "$COMMIT_DATE" >"$documents/$name.changelog"
  done
  gzip -9nc CHANGELOG.md >"$documents/NEWS.md.gz"
  gzip -9nc models/ATTRIBUTION.csv >"$documents/ATTRIBUTION.csv.gz"
}

# Into the folder $output.
pack() {
  local package=$1
  shift
  cargo deb --no-build --no-strip --package "$package" --maintainer "$maintainer" --output "$output/" \
    ${CARGO_BUILD_TARGET:+--target "$CARGO_BUILD_TARGET"} "$@" >&2
}

# The packages depend on one, so they could not be installed.
check_onnxruntime() {
  [[ -n $(apt-cache pkgnames libonnxruntime) ]] || die "this system has no package of ONNX Runtime, on which the packages depend (or \
'apt-get update' has not been run yet). Packages for Debian 13 can be built here, too: pipelines/package.sh $(buildable); without packages: README.md, Install."
}

# The architectures for which this machine can build packages for Debian 13.
buildable() { if [[ $(dpkg --print-architecture) == amd64 ]]; then echo amd64 arm64; else echo arm64; fi; }

check_architectures() {
  local architecture
  for architecture in "$@"; do
    [[ $architecture == amd64 || $architecture == arm64 ]] || die "unknown architecture '$architecture'; expected amd64 or arm64"
    [[ " $(buildable) " == *" $architecture "* ]] || die "packages for $architecture can be built and checked only on $architecture; this machine is $(dpkg --print-architecture)"
  done
}

# make_packages FOLDER. CARGO_BUILD_TARGET is set for another architecture.
make_packages() {
  local output=$1 features=''
  check_rust
  provide_tool cargo-deb
  ! has_analytics || features=gst-plugin-soundclassify/v1_24
  export COMMIT_DATE=${COMMIT_DATE:-$(commit_date)} CARGO_PROFILE_RELEASE_DEBUG=0 CARGO_PROFILE_RELEASE_STRIP=symbols
  cargo build --locked --release --package gst-plugin-soundclassify --package soundclassify-cli --package soundclassify-core --lib --bins ${features:+--features "$features"} >&2
  mkdir -p "$output"
  [[ -n ${CARGO_BUILD_TARGET:-} ]] || rm -f "$output"/*_"$(dpkg --print-architecture)".deb
  make_documents "$target/${CARGO_BUILD_TARGET:+$CARGO_BUILD_TARGET/}release/soundclassify"
  pack gst-plugin-soundclassify --multiarch same
  pack soundclassify-cli
}

# For Debian 13, whatever this machine is.
make_all() {
  local architecture option
  check_architectures "$@"
  check_rust
  provide_tool cargo-deb
  mkdir -p "$packages"
  for architecture in "$@"; do
    option=()
    [[ $architecture == "$(dpkg --print-architecture)" ]] || option=("--$architecture")
    rm -f "$packages"/*_"$architecture".deb
    tests/debian.sh 13 "${option[@]}" --run env COMMIT_DATE="$(commit_date)" MAINTAINER="$maintainer" pipelines/package.sh --build
  done
  ls -l "$packages"/*.deb >&2
}

# The rest of this file runs in a fresh system, in which /packages has the packages, and /packages/newer those of a higher version.

as_user() { su --shell /bin/bash nobody --command "HOME=/tmp/nobody; cd /tmp/nobody; $*"; }

fail() {
  echo "error: $*" >&2
  exit 1
}

ours() { find /usr /etc /var/lib/dpkg/info -path '*soundclassify*' | sort; }

install_quietly() { apt-get install --yes --quiet --quiet --no-install-recommends "$@" >/tmp/apt.log 2>&1 || { cat /tmp/apt.log && exit 1; }; }

# The recordings of pipelines/demo.sh.
classify_recordings() {
  local name
  for name in freedesktop/stereo/{bell,alarm-clock-elapsed,phone-incoming-call,phone-outgoing-calling,camera-shutter,complete,audio-channel-front-center}.oga \
    alsa/{Front_Center,Noise}.wav; do
    echo "# $name"
    as_user soundclassify file "/usr/share/sounds/$name" 2>/dev/null || fail "$name"
    echo "# $name, events"
    as_user soundclassify file --events "/usr/share/sounds/$name" 2>/dev/null || fail "$name"
  done
}

use_packages() {
  local posted
  as_user gst-inspect-1.0 soundclassify | sed -n '1,/^$/p'
  as_user gst-inspect-1.0 --exists soundgate || fail "no element soundgate"
  as_user gst-launch-1.0 -m filesrc location=/usr/share/sounds/alsa/Front_Center.wav ! wavparse ! soundclassify ! fakesink >/tmp/messages 2>/dev/null
  posted=$(grep -c 'soundclassify, timestamp' /tmp/messages) || fail "gst-launch-1.0 posts nothing"
  echo "gst-launch-1.0 posts $posted messages"
  classify_recordings >/packages/results
  grep -A3 -F 'phone-incoming-call.oga, events' /packages/results
  as_user soundclassify doctor 2>/dev/null || fail "doctor"
}

read_documents() {
  man --pager=cat soundclassify | sed -n 1,6p | grep -q soundclassify || fail "no manual page"
  bash -c '. /usr/share/bash-completion/bash_completion && _comp_load soundclassify && complete -p soundclassify' || fail "no completion for bash"
  test -s /usr/share/zsh/vendor-completions/_soundclassify -a -s /usr/share/fish/vendor_completions.d/soundclassify.fish || fail "no completions"
  local folder
  for folder in /usr/share/doc/{soundclassify,gstreamer1.0-soundclassify}; do
    ls "$folder"
    grep -q '^Copyright: .*The soundclassify authors' "$folder/copyright" || fail "no copyright in $folder"
    gzip -dc "$folder/ATTRIBUTION.csv.gz" | grep -c 'Florian Schmid' >/dev/null || fail "no credits in $folder"
  done
}

check_here() {
  export DEBIAN_FRONTEND=noninteractive
  local before
  mkdir -p /tmp/nobody && chown nobody /tmp/nobody
  apt-get update --quiet --quiet
  install_quietly gstreamer1.0-tools sound-theme-freedesktop alsa-utils man-db bash-completion
  before=$(ours)
  echo "== install"
  install_quietly /packages/*.deb
  dpkg-query -W -f '${Package} ${Version} ${Architecture}, ${Installed-Size} KiB, depends: ${Depends}\n' gstreamer1.0-soundclassify soundclassify
  echo "== use, as $(as_user id -un), without any variable of ours"
  use_packages
  read_documents
  echo "== upgrade"
  install_quietly /packages/newer/*.deb
  dpkg-query -W gstreamer1.0-soundclassify soundclassify
  as_user gst-inspect-1.0 --exists soundclassify || fail "no element after the upgrade"
  echo "== remove, purge"
  apt-get remove --yes --quiet --quiet gstreamer1.0-soundclassify soundclassify >/dev/null
  if as_user gst-inspect-1.0 --exists soundclassify 2>/dev/null; then fail "the element is still found"; fi
  dpkg --purge gstreamer1.0-soundclassify soundclassify 2>/dev/null
  [[ $(ours) == "$before" ]] || fail "left behind: $(ours)"
  echo "nothing left"
  [[ -n $LINTIAN ]] || return 0
  echo "== lintian"
  install_quietly lintian
  # Also those for other architectures, but not those with the higher version.
  find /packages -name '*.deb' ! -path '*/newer/*' -print0 | xargs -0 lintian --allow-root --fail-on error
}

# Copies the packages for the system in $1: they, the same with a higher version, and those of other architectures for lintian.
copy_packages() {
  local package folder=$1/packages
  rm -rf "$folder"
  mkdir -p "$folder/newer" "$folder/other"
  cp "$packages"/*_"$2".deb "$folder/"
  find "$packages" -maxdepth 1 -name '*.deb' ! -name "*_$2.deb" -exec cp {} "$folder/other/" \;
  for package in "$folder"/*.deb; do
    dpkg-deb --raw-extract "$package" "$folder/raw"
    sed -i 's/^Version: .*/&+newer/' "$folder/raw/DEBIAN/control"
    dpkg-deb --root-owner-group --build "$folder/raw" "$folder/newer/" >/dev/null
    rm -r "$folder/raw"
  done
  chmod -R a+rX "$folder"
}

# The base system stays fresh.
check_in_copy() {
  local name=$1-$2 lintian=
  local copy=$packages/copy-$name
  [[ $name != trixie-amd64 ]] || lintian=1
  mount_copy "$packages/$name" "$copy"
  copy_packages "$copy/system" "$2"
  chroot "$copy/system" /usr/bin/env -i HOME=/root LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin LINTIAN=$lintian \
    /bin/bash -euo pipefail -c "$(declare -f as_user fail ours install_quietly classify_recordings use_packages read_documents check_here); check_here"
  cp "$copy/system/packages/results" "$packages/results-$name.txt"
}

# Lines of Debian 13 for amd64 and of another system: times, labels and indices are equal, numbers differ by less than 0.001.
compare_results() {
  python3 - "$1" "$2" <<'END'
import sys

ours, theirs = ([line.split() for line in open(name)] for name in sys.argv[1:])
assert len(ours) == len(theirs) > 0, f"{len(ours)} lines, {len(theirs)} lines"
largest = 0.0
for one, other in zip(ours, theirs):
    assert len(one) == len(other), (one, other)
    for left, right in zip(one, other):
        if left != right:
            difference = abs(float(left) - float(right))
            assert difference < 0.001, (one, other)
            largest = max(largest, difference)
print(f"{len(ours)} lines of results are equal, the largest difference of a number is {largest:g}")
END
}

# check_packages RELEASE ARCHITECTURE...
check_packages() {
  local release=$1 reference=$packages/results-trixie-amd64.txt architecture name copy
  check_architectures "${@:2}"
  check_means
  for architecture in "${@:2}"; do
    compgen -G "$packages/*_$architecture.deb" >/dev/null || die "no packages for $architecture; build them: pipelines/package.sh $architecture"
    check_emulation "$architecture"
    name=$release-$architecture
    install_base "$release" "$architecture" "$packages/$name"
    copy=$packages/copy-$name
    fresh_copy "$copy"
    say "== $release, $architecture"
    unshare --mount --propagation private "$BASH" "$root/pipelines/package.sh" --check-in-copy "$release" "$architecture" || die "the packages do not pass on $release for $architecture"
    rm -rf "$copy"
    if [[ $name != trixie-amd64 && -e $reference ]]; then
      compare_results "$reference" "$packages/results-$name.txt"
    elif [[ $name != trixie-amd64 ]]; then
      say "The results are not compared, because those of Debian 13 are missing: pipelines/package.sh --check amd64"
    fi
  done
}

case ${1:-} in
  --help | -h) usage "$0" ;;
  --here)
    check_rust
    check_onnxruntime
    with_tests='' install_missing
    make_packages "$packages/here"
    ls -l "$packages"/here/*.deb >&2
    ;;
  --build) make_packages "$packages" ;;
  --check-in-copy) check_in_copy "$2" "$3" ;;
  --check)
    shift
    release=trixie
    if [[ ${1:-} == --on ]]; then
      release=${2:?"--on needs a release, such as resolute"}
      shift 2
    fi
    # shellcheck disable=SC2046 # Names without spaces.
    [[ $# -gt 0 ]] || set -- $(buildable)
    check_packages "$release" "$@"
    ;;
  -*) die "unknown option $1; see --help" ;;
  *)
    # shellcheck disable=SC2046
    [[ $# -gt 0 ]] || set -- $(buildable)
    make_all "$@"
    ;;
esac
