#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Shows desk work as the original does: a row of signs, the longer the surer, whenever writing, typing or cutting is
# the best label. From the microphone, or a recording.
#
#   pipelines/desk-work-emoji.sh [FILE] [PROPERTY=VALUE...]
#
# The built-in model knows no Scissors; one that does is given with model=FILE.toml. The properties are the element's:
# gst-inspect-1.0 soundclassify
set -euo pipefail
source "$(dirname "$0")/common.sh"

declare -A signs=([Writing]='📝 ' [Computer_keyboard]='⌨ ' [Scissors]='✁ ')

# Lines "time label index probability" → signs, label and probability.
show() {
  trap '' INT
  local _time label _index probability row step
  while read -r _time label _index probability; do
    [[ -n ${signs[$label]:-} ]] || continue
    row=''
    # One sign more than full tenths.
    for ((step = 0; step <= 10#${probability:0:1}${probability:2:1}; step++)); do row+=${signs[$label]}; done
    printf '%s %s %s\n' "$row" "$label" "$probability"
  done
}

read_arguments '' "$@"
[[ ${#arguments[@]} -le 1 ]] || wrong_usage "one file at most is wanted"
check_recordings "${arguments[@]}"
prepare

sound=(autoaudiosrc ! queue)
[[ ${#arguments[@]} == 0 ]] || sound=(filesrc location="${arguments[0]}" ! decodebin)
classify "${sound[@]}" ! soundclassify top-k=1 "${settings[@]}" ! fakesink | show
