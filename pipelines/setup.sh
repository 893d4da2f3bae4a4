#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Installs missing packages, builds the plugin, and puts ONNX Runtime beside it.
#
#   pipelines/setup.sh               for the pipelines: builds target/release
#   pipelines/setup.sh --debug       the same with target/debug
#   pipelines/setup.sh --no-build    installs packages and ONNX Runtime, builds nothing
#   pipelines/setup.sh --tests       the same, with the packages that tests/run.sh needs
#
# Needs bash and a Rust toolchain. Packages come from apt-get, ONNX Runtime from PyPI's wheel (versions and hashes for x86-64 and 64-bit ARM
# are below); elsewhere the system's is used. ORT_DYLIB_PATH names another one. Takes seconds if nothing is missing.
set -euo pipefail

started_in=$PWD
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}

onnxruntime_version=1.31.1
declare -A onnxruntime_hash=(
  [x86_64]=5752bd508126ae7c49894d3b9d2e83f0c3d487319246d04c444b393308d7ad7f
  [aarch64]=da05378364c44d4407e463982d2bf8d5e4cfea873283757e48beeb41df97b7f3
)
onnxruntime=$target/onnxruntime/libonnxruntime.so.$onnxruntime_version

say() { printf '%s\n' "$*" >&2; }
die() {
  say "error: $*"
  exit 1
}

# The comment at the head of a script is its help; its name may be relative to the folder in which it was started.
usage() { (cd "$started_in" && awk 'NR > 2 && !/^#/ { exit } NR > 2 { sub(/^# ?/, ""); print }' "$1"); }

# The hash of the wheel for this machine, or nothing. A 32-bit system may have a 64-bit kernel, as Raspberry Pi OS does.
wheel_hash() { [[ $(uname -s) != Linux || $(getconf LONG_BIT) != 64 ]] || echo "${onnxruntime_hash[$(uname -m)]:-}"; }

# need PACKAGE CHECK...: the package is missing if the check fails.
missing=()
need() {
  local package=$1
  shift
  "$@" >/dev/null 2>&1 || missing+=("$package")
}

find_missing() {
  missing=()
  need build-essential command -v cc
  need pkg-config command -v pkg-config
  need libgstreamer1.0-dev pkg-config --exists 'gstreamer-1.0 >= 1.20' gstreamer-check-1.0
  need libgstreamer-plugins-base1.0-dev pkg-config --exists gstreamer-audio-1.0
  need gstreamer1.0-tools command -v gst-launch-1.0
  need gstreamer1.0-plugins-base gst-inspect-1.0 --exists vorbisdec
  need gstreamer1.0-plugins-base-apps command -v gst-device-monitor-1.0
  need gstreamer1.0-plugins-good gst-inspect-1.0 --exists autoaudiosrc
  need gstreamer1.0-alsa gst-inspect-1.0 --exists alsasrc
  need gstreamer1.0-pulseaudio gst-inspect-1.0 --exists pulsesrc
  need python3-gi /usr/bin/python3 -c 'import gi'
  need gir1.2-gstreamer-1.0 has_typelib Gst
  need sound-theme-freedesktop test -e /usr/share/sounds/freedesktop/stereo/bell.oga
  need alsa-utils test -e /usr/share/sounds/alsa/Front_Center.wav
  [[ -n ${ORT_DYLIB_PATH:-} || -e $onnxruntime || -z $(wheel_hash) ]] || need python3-pip python3 -m pip --version
  [[ -z $with_tests ]] || find_missing_for_tests
}

# Debian's Python, because a different Python that is first in PATH does not see Debian's packages.
has_typelib() { /usr/bin/python3 -c 'import sys, gi; gi.require_version(*sys.argv[1:])' "$1" 1.0; }

# Debian installs it in a folder that only root has in PATH.
has_mosquitto() { command -v mosquitto || test -x /usr/sbin/mosquitto; }

has_browser() { command -v chromium || command -v chromium-browser || command -v google-chrome; }

find_missing_for_tests() {
  need shellcheck command -v shellcheck
  need pulseaudio command -v pulseaudio
  need pulseaudio-utils command -v pactl
  need chromium has_browser
  need procps command -v pgrep
  need mosquitto has_mosquitto
  need mosquitto-clients command -v mosquitto_sub
  need python3-venv python3 -c 'import venv, ensurepip'
  need gir1.2-gst-rtsp-server-1.0 has_typelib GstRtspServer
  # They make the recordings of its cases.
  [[ ! -e ../shared/cases/streams/files.sh ]] || {
    need sox command -v sox
    need ffmpeg command -v ffmpeg
  }
}

install_missing() {
  find_missing
  [[ ${#missing[@]} -gt 0 ]] || return 0
  local command=(apt-get install --yes --quiet --no-install-recommends "${missing[@]}")
  command -v apt-get >/dev/null ||
    die "missing, by the names of Debian's packages: ${missing[*]}. apt-get was not found: install them with this system's package manager, then run this again."
  local as_root=()
  if [[ $(id -u) != 0 ]]; then
    command -v sudo >/dev/null || die "missing packages and no sudo; as root, run: apt-get update && ${command[*]}"
    as_root=(sudo)
    [[ -t 0 ]] || as_root+=(-n)
  fi
  say "Installing with apt-get: ${missing[*]}"
  "${as_root[@]}" apt-get update --quiet >&2
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive "${command[@]}" >&2
  find_missing
  [[ ${#missing[@]} == 0 ]] || die "still missing or too old after the installation: ${missing[*]}"
}

# provide_tool NAME [OPTION...]: builds a program of Cargo's registry unless it is in PATH.
provide_tool() {
  command -v "$1" >/dev/null && return
  say "Building $1 (once)"
  CARGO_PROFILE_DEV_DEBUG=0 cargo install --locked --quiet --debug --target-dir "$target/tools" "$@" >&2
  find_cargo_programs
}

# Cargo creates the folder with the first program that it installs.
find_cargo_programs() {
  local folder=${CARGO_HOME:-${HOME:-}/.cargo}/bin
  [[ ! -d $folder || :$PATH: == *:"$folder":* ]] || PATH=$PATH:$folder
}

rust_sources="https://rustup.rs, Debian 13's backports, Debian testing, or Ubuntu's rustc-1.97 and cargo-1.97 with /usr/lib/rust-1.97/bin first in PATH"

check_rust() {
  local wanted found
  find_cargo_programs
  wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$root/Cargo.toml")
  command -v cargo >/dev/null ||
    die "no cargo in PATH: install Rust $wanted or newer ($rust_sources), then run this again."
  found=$(rustc --version | cut -d' ' -f2)
  [[ $(printf '%s\n' "$wanted" "${found%%-*}" | sort -V | head -n1) == "$wanted" ]] ||
    die "Rust $found is too old, $wanted or newer is required: 'rustup update stable', or install it ($rust_sources)."
}

# Downloads the wheel into folder $1. The tags select the same file for every version of Python, so one hash is enough.
download_wheel() {
  say "Downloading ONNX Runtime $onnxruntime_version (PyPI's wheel, 20 MB)"
  printf 'onnxruntime==%s --hash=sha256:%s\n' "$onnxruntime_version" "$(wheel_hash)" >"$1/requirements.txt"
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary=:all: \
    --implementation cp --python-version 3.11 --abi cp311 --platform "manylinux_2_28_$(uname -m)" \
    --dest "$1" --requirement "$1/requirements.txt" >&2
}

# A subshell, because of its trap. The library is moved last, so it is complete when it exists.
unpack_onnxruntime() (
  mkdir -p "${onnxruntime%/*}"
  folder=$(mktemp -d "$target/onnxruntime.XXXXXX")
  trap 'rm -rf "$folder"' EXIT
  download_wheel "$folder"
  python3 -m zipfile -e "$folder"/*.whl "$folder"
  cp "$folder"/onnxruntime/{LICENSE,ThirdPartyNotices.txt} "${onnxruntime%/*}/"
  mv "$folder/onnxruntime/capi/${onnxruntime##*/}" "$onnxruntime"
)

# The plugin finds the library beside its own file. With GST_PLUGIN_PATH=target/release, GStreamer may load cargo's second
# link to the plugin, in deps.
link_onnxruntime() {
  mkdir -p "$target/$1/deps"
  ln -sfn "../onnxruntime/${onnxruntime##*/}" "$target/$1/libonnxruntime.so"
  ln -sfn ../libonnxruntime.so "$target/$1/deps/libonnxruntime.so"
}

# The library that the system's loader finds, as the plugin does, or nothing. Only root has ldconfig in PATH.
installed_onnxruntime() {
  { PATH=$PATH:/usr/sbin:/sbin ldconfig -p 2>/dev/null || true; } | awk '!found && /libonnxruntime\.so/ { print $NF; found = 1 }'
}

provide_onnxruntime() {
  if [[ -n ${ORT_DYLIB_PATH:-} ]]; then
    [[ -e $ORT_DYLIB_PATH ]] || die "ORT_DYLIB_PATH is set, but the file $ORT_DYLIB_PATH does not exist"
    return 0
  fi
  if [[ ! -e $onnxruntime && -z $(wheel_hash) ]]; then
    ORT_DYLIB_PATH=$(installed_onnxruntime)
    [[ -n $ORT_DYLIB_PATH ]] ||
      die "no ONNX Runtime is pinned for $(uname -s) on $(uname -m), $(getconf LONG_BIT) bits: install one, or set ORT_DYLIB_PATH to its library."
    export ORT_DYLIB_PATH
    say "Using $ORT_DYLIB_PATH"
    return 0
  fi
  [[ -e $onnxruntime ]] || unpack_onnxruntime
  link_onnxruntime debug
  link_onnxruntime release
}

# Whether the plugin's feature v1_24 can be built. Debian's package of its development files, libgstreamer-plugins-bad1.0-dev, brings
# hundreds more, so nothing installs it.
has_analytics() { pkg-config --exists 'gstreamer-analytics-1.0 >= 1.24'; }

# The plugin's Cargo features that this GStreamer supports.
supported_features() {
  local supported=(capi doc serde static)
  ! has_analytics || supported+=(v1_24)
  local IFS=,
  echo "${supported[*]/#/gst-plugin-soundclassify/}"
}

build_plugin() {
  local profile=dev
  [[ $1 == debug ]] || profile=$1
  [[ -e $target/$1/libgstsoundclassify.so ]] || say "Building the plugin and the program (minutes, the first time)"
  cargo build --manifest-path "$root/Cargo.toml" --locked --profile "$profile" --package gst-plugin-soundclassify --package soundclassify-cli --package soundclassify-core --lib --bins >&2
}

setup() {
  local profile=release with_tests=
  case ${1:-} in
    --tests) profile='' with_tests=1 ;;
    --debug) profile=debug ;;
    --no-build) profile='' ;;
    --help | -h) usage "${BASH_SOURCE[0]}" && return ;;
    '') ;;
    *) die "unknown option $1; see --help" ;;
  esac
  check_rust
  install_missing
  provide_onnxruntime
  [[ -z $profile ]] || build_plugin "$profile"
}

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
  setup "$@"
fi
