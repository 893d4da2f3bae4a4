#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Builds and runs the container of `Containerfile` on a base that debootstrap makes (downloads 300 MB).
#
#   tests/container.sh
#
# Needs root, debootstrap, buildah, and the packages of `pipelines/package.sh amd64`. Everything is in target/container and
# removed at the end, except the base.
set -euo pipefail

# shellcheck source=debian-system.sh
source "$(dirname "$0")/debian-system.sh"
cd "$root"

[[ $# == 0 ]] || { usage "$0" && exit; }
folder=$target/container
packages=$root/target/package
architecture=$(dpkg --print-architecture)

tool() { buildah --root "$folder/storage" --runroot "$folder/run" --storage-driver vfs "$@"; }

inside() { tool run --isolation chroot "$container" -- "$@"; }

# Whatever fails in it, the folder goes, and the status of the script stays.
remove() {
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

[[ $(id -u) == 0 ]] || die "only root can enter containers without a runtime: run this as root."
command -v buildah >/dev/null || die "no buildah in PATH; Debian's package: buildah"
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
[[ $(inside id -un) == soundclassify ]] || die "the container does not run as soundclassify"
inside sh -c 'test ! -w /usr && ! touch /etc/probe 2>/dev/null' || die "the container can write to its system"
inside soundclassify doctor || die "doctor finds a fault"
tool copy --quiet "$container" models/check.wav /tmp/check.wav >/dev/null
inside soundclassify file /tmp/check.wav | tail -n 3
echo "built, run, removed"
