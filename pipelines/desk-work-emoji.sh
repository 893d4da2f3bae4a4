#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Shows writing, typing and cutting as rows of symbols, when one of them is the best label; a longer row is a higher
# probability. From the microphone, or a recording.
#
#   pipelines/desk-work-emoji.sh [FILE] [PROPERTY=VALUE...]
#
# PROPERTY is a property of the element: gst-inspect-1.0 soundclassify
set -euo pipefail
source "$(dirname "$0")/common.sh"

declare -A symbols=([Writing]='📝 ' [Computer_keyboard]='⌨ ' [Scissors]='✁ ')

# Turns lines "time label index probability" into symbols, label and probability.
show() {
  trap '' INT
  local _time label _index probability row step
  while read -r _time label _index probability; do
    [[ -n ${symbols[$label]:-} ]] || continue
    row=''
    # One symbol more than full tenths.
    for ((step = 0; step <= 10#${probability:0:1}${probability:2:1}; step++)); do row+=${symbols[$label]}; done
    printf '%s %s %s\n' "$row" "$label" "$probability"
  done
}

read_arguments '' "$@"
[[ ${#arguments[@]} -le 1 ]] || wrong_usage "expected at most one file"
check_recordings "${arguments[@]}"
prepare

sound=(autoaudiosrc ! queue)
[[ ${#arguments[@]} == 0 ]] || sound=(filesrc location="${arguments[0]}" ! decodebin)
classify "${sound[@]}" ! soundclassify top-k=1 "${settings[@]}" ! fakesink | show
