# SPDX-License-Identifier: MIT OR Apache-2.0
# shellcheck shell=bash
# What the pipelines share; sourced by each of them.

source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

wrong_usage() {
  say "error: $*"
  usage "$0" >&2
  exit 2
}

# Sorts the words of the command line: NAME=VALUE into `settings` for the element, --NAME VALUE into `options`
# if NAME is in $1, all else into `arguments`. Answers --help.
settings=()
arguments=()
declare -A options=()
read_arguments() {
  local known=" $1 "
  shift
  while [[ $# -gt 0 ]]; do
    case $1 in
      --help | -h) usage "$0" && exit ;;
      --*)
        [[ $known == *" ${1#--} "* ]] || wrong_usage "unknown option $1"
        [[ $# -gt 1 ]] || wrong_usage "$1 wants a value"
        # shellcheck disable=SC2034 # read by the scripts
        options[${1#--}]=$2
        shift
        ;;
      *)
        # A file may have an = in its name.
        if [[ $1 =~ ^[a-z][a-z-]*= && ! -e $1 ]]; then settings+=("$1"); else arguments+=("$1"); fi
        ;;
    esac
    shift
  done
}

# Names a recording that is not there before anything is built or started for it.
check_recordings() {
  local name
  for name in "$@"; do
    [[ -e $name ]] || die "$name: no such file"
    [[ ! -d $name ]] || die "$name: a folder; a recording is wanted"
    [[ -r $name ]] || die "$name: not to be read"
  done
}

# An element that GStreamer finds already, installed or through GST_PLUGIN_PATH, is used as it is.
prepare() {
  gst-inspect-1.0 --atleast-version=0.1 --exists soundclassify 2>/dev/null && return
  bash "$root/pipelines/setup.sh"
  export GST_PLUGIN_PATH=$target/release${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}
}

# The field $1 of the structure in `line`, as GStreamer writes it: a string with more in it than letters and digits
# comes in quotes, other characters after a backslash or as octal bytes.
field() {
  local quoted='^"(([^"\\]|\\.)*)"'
  value=${line#*[ ,]"$1"=(*)}
  if [[ $value =~ $quoted ]]; then
    printf -v value '%b' "${BASH_REMATCH[1]}"
    value=${value//\\/}
  else
    value=${value%%[,;]*}
  fi
}

# Makes "time label index probability" of each result that `gst-launch-1.0 -m` prints, and of each event
# "time kind label index probability peak probability lasting seconds", as soon as it is there.
# Ctrl-C is for the pipeline alone: what it still says while it stops has a reader then.
print_results() {
  local LC_ALL=C line value time label index probability
  trap '' INT
  while IFS= read -r line; do
    [[ $line == *'): soundclassify'@(|-event)', '* ]] || continue
    field timestamp && seconds && time=$value
    field label && label=$value
    field index && index=$value
    field probability && probability=$value
    if [[ $line == *'): soundclassify-event, '* ]]; then
      print_event
    else
      printf '%s %s %d %.8f\n' "$time" "$label" "$index" "$probability"
    fi
  done
}

print_event() {
  local kind peak
  field kind && kind=$value
  field peak && peak=$value
  field duration && seconds
  printf '%s %s %s %d %.6f peak %.6f lasting %s\n' "$time" "$kind" "$label" "$index" "$probability" "$peak" "$value"
}

# Runs a pipeline with its messages; gst-launch-1.0 ends with 255 where other programs end with 1.
launch() {
  say "gst-launch-1.0 $*"
  gst-launch-1.0 -m "$@" || return $(($? == 255 ? 1 : $?))
}

# Runs a pipeline and prints its results and events.
classify() { launch "$@" | print_results; }

# Nanoseconds in `value` → seconds with three digits.
seconds() {
  local milliseconds=$(((value + 500000) / 1000000))
  printf -v value '%d.%03d' $((milliseconds / 1000)) $((milliseconds % 1000))
}
