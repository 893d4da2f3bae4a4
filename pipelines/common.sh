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

# Runs a pipeline and prints its results and events; what gst-launch-1.0 would be given is shown.
classify() {
  say "gst-launch-1.0 $*"
  "$root/pipelines/launch.py" "$@"
}
