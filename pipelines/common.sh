# SPDX-License-Identifier: MIT OR Apache-2.0
# shellcheck shell=bash
# Functions of the pipelines; each of them sources this file.

source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

wrong_usage() {
  say "error: $*"
  usage "$0" >&2
  exit 2
}

# Sorts the words of the command line: NAME=VALUE into `settings` for the element, --NAME VALUE into `options`
# if NAME is in $1, all others into `arguments`. Handles --help.
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
        [[ $# -gt 1 ]] || wrong_usage "$1: expected a value"
        # shellcheck disable=SC2034 # read by the scripts
        options[${1#--}]=$2
        shift
        ;;
      *)
        # The name of a file may contain an =.
        if [[ $1 =~ ^[a-z][a-z-]*= && ! -e $1 ]]; then settings+=("$1"); else arguments+=("$1"); fi
        ;;
    esac
    shift
  done
}

# Reports a recording that can't be read, before anything is built or started.
check_recordings() {
  local name
  for name in "$@"; do
    [[ -e $name ]] || die "$name: no such file"
    [[ ! -d $name ]] || die "$name: expected a recording, found a folder"
    [[ -r $name ]] || die "$name: can't be read"
  done
}

# Builds the element, unless GStreamer finds it (installed, or through GST_PLUGIN_PATH).
prepare() {
  gst-inspect-1.0 --atleast-version=0.1 --exists soundclassify 2>/dev/null && return
  bash "$root/pipelines/setup.sh"
  export GST_PLUGIN_PATH=$target/release${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}
}

# Shows a pipeline and runs it; the warnings of its elements are shown, too.
run_pipeline() {
  say "gst-launch-1.0 $*"
  exec gst-launch-1.0 "$@"
}

# Shows a pipeline in the form of gst-launch-1.0, runs it, and prints its results.
classify() {
  say "gst-launch-1.0 $*"
  "$root/pipelines/launch.py" "$@"
}
