#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Builds and runs the container of `Containerfile` on a base that debootstrap makes (downloads 300 MB): doctor, a recording, a stream
# over RTSP, and a microphone through the socket of a PulseAudio server.
#
#   tests/container.sh
#
# Needs root, debootstrap, buildah, what `pipelines/setup.sh --tests` installs, and the packages of `pipelines/package.sh amd64`.
# Everything is in target/container and removed at the end, except the base.
set -euo pipefail

# shellcheck source=debian-system.sh
source "$(dirname "$0")/debian-system.sh"
cd "$root"

[[ $# == 0 ]] || { usage "$0" && exit; }
folder=$target/container
packages=$root/target/package
architecture=$(dpkg --print-architecture)

tool() { buildah --root "$folder/storage" --runroot "$folder/run" --storage-driver vfs "$@"; }

# inside [OPTION OF buildah run...] -- COMMAND...
inside() {
  local options=()
  while [[ $1 != -- ]]; do
    options+=("$1")
    shift
  done
  tool run --isolation chroot "${options[@]}" "$container" "$@"
}

# Whatever fails in it, the folder goes, and the status of the script stays.
remove() {
  # shellcheck disable=SC2046 # One word for each process.
  kill $(jobs -p) 2>/dev/null || true
  { tool rm --all && tool rmi --all --force; } >/dev/null || true
  rm -rf "$folder"
}

# The base, as small as Debian's own image: no lists and no documentation.
make_base() {
  local from
  install_base trixie "$architecture" "$packages/trixie-$architecture"
  from=$(tool from scratch)
  tar -C "$packages/trixie-$architecture" --exclude='./var/cache/apt/*' --exclude='./var/lib/apt/lists/*' --exclude='./usr/share/doc/*' \
    --exclude='./usr/share/man/*' --exclude='./usr/share/locale/*' --exclude='./proc/*' --exclude='./sys/*' --exclude='./dev/*' -cf "$folder/base.tar" .
  tool add --quiet "$from" "$folder/base.tar" / >/dev/null
  rm "$folder/base.tar"
  tool commit --quiet --rm "$from" localhost/base >/dev/null
}

# live DESCRIPTION [OPTION OF buildah run...] -- [ARGUMENT OF soundclassify live...]: it classifies until it is interrupted.
live() {
  local description=$1 options=()
  shift
  while [[ $1 != -- ]]; do
    options+=("$1")
    shift
  done
  # It ends the program after 15 s, and then returns 124.
  inside "${options[@]}" -- timeout --signal=INT 15 soundclassify live --plain "${@:2}" >"$folder/live" || [[ $? == 124 ]] || die "$description can't be classified"
  [[ $(wc -l <"$folder/live") -gt 20 ]] || die "$description: only $(wc -l <"$folder/live") windows in 15 s"
  echo "$description: $(wc -l <"$folder/live") windows, the last one $(tail -n 1 "$folder/live")"
}

# Waits up to 20 s for a file or socket.
wait_for() { timeout 20 sh -c "until [ -s '$1' ] || [ -S '$1' ]; do sleep 0.1; done" || die "no $1 after 20 s"; }

classify_rtsp() {
  /usr/bin/python3 crates/soundclassify-cli/tests/launch/rtsp_server.py >"$folder/address" &
  wait_for "$folder/address"
  live "noise over RTSP" -- "$(cat "$folder/address")"
}

# With the options that Containerfile states.
classify_microphone() {
  local socket=$folder/sound
  XDG_RUNTIME_DIR=$folder HOME=$folder pulseaudio -n --daemonize=no --exit-idle-time=-1 --disable-shm=yes --use-pid-file=no \
    --load="module-native-protocol-unix auth-anonymous=1 socket=$socket" --load="module-null-sink sink_name=loudspeaker" 2>/dev/null &
  wait_for "$socket"
  PULSE_SERVER=unix:$socket gst-launch-1.0 --quiet audiotestsrc is-live=true wave=pink-noise ! pulsesink >/dev/null &
  live "noise of a sound server" -v "$socket:/run/pulse:ro" -e PULSE_SERVER=unix:/run/pulse --
}

[[ $(id -u) == 0 ]] || die "only root can enter containers without a runtime: run this as root."
for program in buildah pulseaudio gst-launch-1.0; do
  command -v "$program" >/dev/null || die "no $program in PATH; Debian's packages: buildah, pulseaudio, gstreamer1.0-tools"
done
compgen -G "$packages/*_$architecture.deb" >/dev/null || die "no packages; build them: pipelines/package.sh $architecture"
trap remove EXIT
mkdir -p "$folder"
printf '{"default": [{"type": "insecureAcceptAnything"}]}' >"$folder/policy.json"
make_base
tool build --signature-policy "$folder/policy.json" --format docker --isolation chroot --build-arg BASE=localhost/base --tag soundclassify --file Containerfile "$packages" >"$folder/build.log" 2>&1 ||
  { tail -n 20 "$folder/build.log" && die "the image is not built"; }
echo "sizes:"
tool images
tool inspect --type image --format 'user {{.Docker.Config.User}}, entry point {{.Docker.Config.Entrypoint}}, health check {{.Docker.Config.Healthcheck.Test}}' soundclassify
container=$(tool from --signature-policy "$folder/policy.json" soundclassify)
[[ $(inside -- id -un) == soundclassify ]] || die "the container does not run as soundclassify"
inside -- sh -c 'test ! -w /usr && ! touch /etc/probe 2>/dev/null' || die "the container can write to its system"
inside -- soundclassify doctor || die "doctor finds a fault"
tool copy --quiet "$container" models/check.wav /tmp/check.wav >/dev/null
inside -- soundclassify file /tmp/check.wav | tail -n 3
classify_rtsp
classify_microphone
echo "built, run, removed"
