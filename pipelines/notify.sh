#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Reports when somebody knocks or rings at the door: once for each time, not once for each window. From the microphone, or
# a recording. The built-in model has no label for door bells: chimes are Glockenspiel or Church_bells to it.
#
#   pipelines/notify.sh [FILE] [--run COMMAND] [PROPERTY=VALUE...]
#
# Prints time and label, and calls COMMAND with both if it is given, such as: --run 'notify-send "$2 at the door"'.
# Other sounds: allow-labels='<Bark, Baby_cry>'; surer ones: event-on=0.8. gst-inspect-1.0 soundclassify shows more.
set -euo pipefail
source "$(dirname "$0")/common.sh"

# Lines "time kind label index probability ..." → a notice for each start.
notify() {
  trap '' INT
  local time kind label
  while read -r time kind label; do
    [[ $kind == start ]] || continue
    label=${label% * * peak *}
    printf '%s %s\n' "$time" "$label"
    [[ -z $1 ]] || bash -c "$1" notify "$time" "$label" </dev/null || say "the command failed: $1"
  done
}

read_arguments 'run' "$@"
[[ ${#arguments[@]} -le 1 ]] || wrong_usage "one file at most is wanted"
check_recordings "${arguments[@]}"
prepare

sound=(autoaudiosrc ! queue)
[[ ${#arguments[@]} == 0 ]] || sound=(filesrc location="${arguments[0]}" ! decodebin)
classify "${sound[@]}" ! \
  soundclassify report=events allow-labels='<Knock, Glockenspiel, Church_bells>' "${settings[@]}" ! fakesink | notify "${options[run]:-}"
