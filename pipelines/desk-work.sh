#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Reports three labels only: writing, typing and cutting with scissors. From the microphone, or a recording.
#
#   pipelines/desk-work.sh [FILE] [PROPERTY=VALUE...]
#
# PROPERTY is a property of the element: gst-inspect-1.0 soundclassify
set -euo pipefail
source "$(dirname "$0")/common.sh"

read_arguments '' "$@"
[[ ${#arguments[@]} -le 1 ]] || wrong_usage "expected at most one file"
check_recordings "${arguments[@]}"
prepare

sound=(autoaudiosrc ! queue)
[[ ${#arguments[@]} == 0 ]] || sound=(filesrc location="${arguments[0]}" ! decodebin)
classify "${sound[@]}" ! \
  soundclassify allow-labels='<Writing, Computer_keyboard, Scissors>' "${settings[@]}" ! fakesink
