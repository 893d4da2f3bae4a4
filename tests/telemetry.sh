#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Checks that element, program and Python package create no file, resolve no name and open no connection by themselves.
#
#   tests/telemetry.sh [SECONDS]     how long the element runs; 90 by default
#
# Each runs in a separate network namespace with a name server that logs all queries. HOME, the working folder and the
# folder for temporary files must stay empty. The namespace counts packets and connections from zero.
# ONNX Runtime is that of ORT_DYLIB_PATH or of pipelines/setup.sh. Needs root; without root it prints this and succeeds.
set -euo pipefail

# shellcheck source=../pipelines/setup.sh
source "$(dirname "$0")/../pipelines/setup.sh"

# In the namespace: answers every question with "no such name" and logs the name.
name_server='
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 53))
print("ready", flush=True)
while True:
    query, client = server.recvfrom(1024)
    name, at = [], 12
    while query[at]:
        name.append(query[at + 1 : at + 1 + query[at]].decode())
        at += 1 + query[at]
    print(".".join(name), flush=True)
    server.sendto(query[:2] + b"\x81\x83" + query[4:6] + bytes(6) + query[12:], client)
'

# What went out since the namespace exists: datagrams, connections, packets without a route.
counters() {
  awk '$1 == "Udp:" || $1 == "Tcp:" || $1 == "Ip:" {
    if (!($1 in head)) { head[$1] = $0; next }
    count = split(head[$1], names); split($0, values)
    for (i = 2; i <= count; i++)
      if (names[i] == "OutDatagrams" || names[i] == "ActiveOpens" || names[i] == "OutNoRoutes") printf "%s%s=%s ", $1, names[i], values[i]
  }' /proc/net/snmp
}

# watched NAME COMMAND...: runs it in empty folders and complains about all that it leaves behind or asks for.
watched() {
  local name=$1 folder=$work/$1 before asked left
  shift
  mkdir -p "$folder"/{home,cwd,tmp}
  before=$(counters)
  : >"$work/names"
  (cd "$folder/cwd" && env -u XDG_CACHE_HOME -u XDG_CONFIG_HOME -u XDG_DATA_HOME -u XDG_STATE_HOME -u ORT_DISABLE_TELEMETRY \
    HOME="$folder/home" TMPDIR="$folder/tmp" "$@" >"$work/$name.log" 2>&1) || { cat "$work/$name.log" >&2; die "$name failed"; }
  asked=$(sort -u "$work/names")
  left=$(find "$folder" -mindepth 2 -printf '%P\n')
  [[ -z $left ]] || die "$name left behind in HOME, working folder or TMPDIR:
$left"
  [[ -z $asked ]] || die "$name asked for the names:
$asked"
  [[ $(counters) == "$before" ]] || die "$name used the network: before $before, after $(counters)"
  say "$name: no file, no name query, no connection"
}

# The check itself would be worthless if a question went unnoticed.
check_name_server() {
  local before
  before=$(counters)
  "$python" -c 'import socket; socket.getaddrinfo("a-name-to-notice.example", 80)' 2>/dev/null || true
  grep -q a-name-to-notice.example "$work/names" || die "the name server does not notice questions"
  [[ $(counters) != "$before" ]] || die "the counters do not notice questions"
}

# Runs everything; the name server's log is a file that each check empties.
inside() {
  work=$1 seconds=$2 python=$3
  if command -v ip >/dev/null; then
    ip link set lo up
  else
    "$python" -c 'import fcntl, socket, struct
s = socket.socket()
flags = struct.unpack("16sH14s", fcntl.ioctl(s, 0x8913, struct.pack("16sH14s", b"lo", 0, b"")))[1]
fcntl.ioctl(s, 0x8914, struct.pack("16sH14s", b"lo", flags | 1, b""))'
  fi
  echo "nameserver 127.0.0.1" >"$work/resolv.conf"
  mount --bind "$work/resolv.conf" "$(readlink -f /etc/resolv.conf)"
  "$python" -u -c "$name_server" >>"$work/names" &
  server=$!
  trap 'kill "$server"' EXIT
  until grep -q ready "$work/names"; do sleep 0.1; done
  check_name_server
  export GST_REGISTRY=$work/registry GST_PLUGIN_PATH=$target/debug
  gst-inspect-1.0 soundclassify >/dev/null
  watched element gst-launch-1.0 -q audiotestsrc wave=ticks is-live=true samplesperbuffer=1024 num-buffers=$((seconds * 43)) ! \
    soundclassify post-messages=false ! fakesink
  gst-launch-1.0 -q audiotestsrc num-buffers=430 ! wavenc ! filesink location="$work/tone.wav"
  watched program "$target/debug/soundclassify" file "$work/tone.wav" --json
  check_python
}

# importers PATHSPEC…: the Python files that import ONNX Runtime.
importers() { (cd "$root" && git grep -lE '^ *(import|from) onnxruntime' -- "$@"); }

# The package of a Python file that imports ONNX Runtime, or else the file, sets what the library reads, before anything
# else is imported.
check_python() {
  local script package interpreter
  for script in $(importers '*.py' ':!models'); do
    grep -q '^os.environ\["ORT_DISABLE_TELEMETRY"\] = "1"' "$root/$script" || die "$script does not set ORT_DISABLE_TELEMETRY=1"
  done
  for package in $(importers 'models/*.py' | cut -d/ -f1,2 | sort -u | tr / .); do
    (cd "$root" && python3 -B -c "import os, $package; assert os.environ['ORT_DISABLE_TELEMETRY'] == '1'") ||
      die "$package/__init__.py does not set ORT_DISABLE_TELEMETRY=1"
    interpreter=$target/${package#models.}/venv/bin/python
    if [[ -x $interpreter ]]; then
      watched "$package" env PYTHONPATH="$root" PYTHONDONTWRITEBYTECODE=1 "$interpreter" -c \
        "import $package, onnxruntime, time; onnxruntime.InferenceSession('$root/models/default.onnx'); time.sleep($seconds)"
    else
      say "$package: only its switch is checked, for $interpreter does not exist (made by the scripts there)"
    fi
  done
}

main() {
  seconds=${1:-90}
  [[ $seconds =~ ^[0-9]+$ ]] || die "SECONDS is a whole number, found '$seconds'"
  python=$(command -v python3) || die "no python3 in PATH"
  if ! unshare --net --mount true 2>/dev/null; then
    say "skipped: unshare --net --mount is refused here; run this as root"
    return 0
  fi
  provide_onnxruntime
  export ORT_DYLIB_PATH=${ORT_DYLIB_PATH:-$onnxruntime}
  # As tests/run.sh builds it: without the tests, dependencies would have other features, and be compiled once more.
  cargo build --manifest-path "$root/Cargo.toml" --locked --quiet --workspace --lib --bins --tests
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  unshare --net --mount --propagation private "$BASH" "$0" --inside "$work" "$seconds" "$python"
}

case ${1:-} in
  --help | -h) usage "$0" ;;
  --inside) inside "${@:2}" ;;
  *) main "$@" ;;
esac
