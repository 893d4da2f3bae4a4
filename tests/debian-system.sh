# SPDX-License-Identifier: MIT OR Apache-2.0
# shellcheck shell=bash
# Debian and Ubuntu systems in folders, for tests/debian.sh, tests/container.sh and pipelines/package.sh, which source this file.

source "$(dirname "${BASH_SOURCE[0]}")/../pipelines/setup.sh"

check_means() {
  [[ $(id -u) == 0 ]] || die "only root can install and enter a Debian system: run this as root."
  local program
  for program in debootstrap chroot unshare; do
    command -v "$program" >/dev/null || die "no $program in PATH; Debian's packages: debootstrap, coreutils, util-linux."
  done
}

# Programs for another architecture run under QEMU, in every folder (flag F: the kernel has opened the interpreter).
check_emulation() {
  [[ $1 != "$(dpkg --print-architecture)" ]] || return 0
  local machine
  case $1 in
    arm64) machine=aarch64 ;;
    armhf) machine=arm ;;
    *) die "unknown architecture '$1'; expected arm64, armhf or $(dpkg --print-architecture)" ;;
  esac
  grep -qs '^flags:.*F' "/proc/sys/fs/binfmt_misc/qemu-$machine" && return
  if command -v update-binfmts >/dev/null; then update-binfmts --enable "qemu-$machine" >/dev/null || true; fi
  grep -qs '^flags:.*F' "/proc/sys/fs/binfmt_misc/qemu-$machine" ||
    die "programs for $1 can't run here; install Debian's packages qemu-user-static and binfmt-support."
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

# debootstrap's script for every release of Ubuntu since 7.10, also for those that are newer than this debootstrap.
ubuntu_script=/usr/share/debootstrap/scripts/gutsy

is_ubuntu() {
  case $1 in
    trixie | testing) return 1 ;;
    noble | questing | resolute) return 0 ;;
    *) die "unknown release '$1'; expected trixie, testing, noble, questing or resolute" ;;
  esac
}

# ubuntu_mirror ARCHITECTURE
ubuntu_mirror() {
  local found=${UBUNTU_MIRROR:-} kind=archive
  [[ $1 == amd64 ]] || kind=ports
  if [[ -z $found && -e $ubuntu_script ]]; then
    found=$(awk -v kind="$kind" '$1 == "default_mirror" && $2 ~ "/" kind "[.]" { print $2; exit }' "$ubuntu_script")
  fi
  [[ -n $found ]] || die "debootstrap knows no mirror of Ubuntu for $1 here; set UBUNTU_MIRROR to its address"
  echo "$found"
}

# install_base RELEASE ARCHITECTURE FOLDER, which is moved to its place at the end, so it is complete when it exists. RELEASE is trixie,
# testing, or a release of Ubuntu.
install_base() {
  [[ ! -e $3 ]] || return 0
  local from arguments
  if is_ubuntu "$1"; then
    from=$(ubuntu_mirror "$2")
    arguments=("$from" "$ubuntu_script")
  else
    from=$(mirror)
    arguments=("$from")
  fi
  rm -rf "$3.new"
  mkdir -p "${3%/*}"
  say "Installing the base of $1 for $2 in $3 (downloads 100 MB)"
  debootstrap --variant=minbase --arch="$2" "$1" "$3.new" "${arguments[@]}" >"$3.log" || die "debootstrap failed; see $3.log"
  if is_ubuntu "$1"; then
    printf 'deb %s %s main universe\n' "$from" "$1" "$from" "$1-updates" >"$3.new/etc/apt/sources.list"
  fi
  # A mirror may be weeks behind; its signature is checked.
  echo 'Acquire::Check-Valid-Until "false";' >"$3.new/etc/apt/apt.conf.d/mirror"
  mv "$3.new" "$3"
}

# Adds the backports of Debian 13 to the system in $1, unless it has them.
add_backports() {
  local list=$1/etc/apt/sources.list.d/backports.list from
  [[ ! -s $list ]] || return 0
  from=$(mirror)
  echo "deb $from trixie-backports main" >"$list"
}

# The distribution's package of ONNX Runtime, whichever version its name carries, or nothing.
onnxruntime_package() { apt-cache pkgnames libonnxruntime | sed -nE '/^libonnxruntime[0-9.]+$/p' | sort -V | tail -n1; }

# Mounts what programs in FOLDER expect, for a process that has mounts of its own.
mount_system() {
  mount -t proc proc "$1/proc"
  mount --rbind /dev "$1/dev"
  mount --rbind /sys "$1/sys"
  rm -f "$1/etc/resolv.conf"
  cp -L /etc/resolv.conf "$1/etc/resolv.conf"
}

# The system in $2/system is the one in $1; changes go to $2, which fresh_copy empties, so that $1 stays as it is.
mount_copy() {
  mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/changes,workdir=$2/work" "$2/system"
  mount_system "$2/system"
}

fresh_copy() {
  rm -rf "$1"
  mkdir -p "$1/changes" "$1/work" "$1/system"
}
