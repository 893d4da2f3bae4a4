#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Reports knocks and door bells, one line per event. From the microphone, or a recording.
#
#   pipelines/notify.sh [FILE] [--run COMMAND] [PROPERTY=VALUE...]
#
# Prints time and label, and runs COMMAND with both as $1 and $2, for example: --run 'notify-send "$2 at the door"'.
# Other sounds: allow-labels='<Bark, Baby_cry>'. Fewer false reports: event-on=0.8.
# PROPERTY is a property of the element: gst-inspect-1.0 soundclassify
set -euo pipefail
source "$(dirname "$0")/common.sh"

# Turns lines "time kind label index probability ..." into a notice for each start.
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
[[ ${#arguments[@]} -le 1 ]] || wrong_usage "expected at most one file"
check_recordings "${arguments[@]}"
prepare

sound=(autoaudiosrc ! queue)
[[ ${#arguments[@]} == 0 ]] || sound=(filesrc location="${arguments[0]}" ! decodebin)
classify "${sound[@]}" ! \
  soundclassify report=events allow-labels='<Knock, Door_bell, Chime>' "${settings[@]}" ! fakesink | notify "${options[run]:-}"
