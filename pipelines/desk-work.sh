#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Classifies desk work: writing, typing or cutting; nothing else is considered. From the microphone, or a recording.
#
#   pipelines/desk-work.sh [FILE] [PROPERTY=VALUE...]
#
# The built-in model knows no Scissors; one that does is given with model=FILE.toml. The properties are the element's:
# gst-inspect-1.0 soundclassify
set -euo pipefail
source "$(dirname "$0")/common.sh"

read_arguments '' "$@"
[[ ${#arguments[@]} -le 1 ]] || wrong_usage "one file at most is wanted"
check_recordings "${arguments[@]}"
prepare

sound=(autoaudiosrc ! queue)
[[ ${#arguments[@]} == 0 ]] || sound=(filesrc location="${arguments[0]}" ! decodebin)
classify "${sound[@]}" ! \
  soundclassify allow-labels='<Writing, Computer_keyboard, Scissors>' "${settings[@]}" ! fakesink
