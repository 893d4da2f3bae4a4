#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Uses settings for a small computer: the model runs twice a second, with five windows at once.
#
#   pipelines/raspberry-pi.sh [FILE] [--model MANIFEST] [PROPERTY=VALUE...]
#
# From the microphone, or a recording. The default is the built-in model `small`, which takes a third of the time of `default`
# and is less accurate. If there is time enough: --model default.
# PROPERTY is a property of the element: gst-inspect-1.0 soundclassify
set -euo pipefail
source "$(dirname "$0")/common.sh"

read_arguments 'model' "$@"
[[ ${#arguments[@]} -le 1 ]] || wrong_usage "expected at most one file"
check_recordings "${arguments[@]}"
prepare

sound=(autoaudiosrc ! queue)
[[ ${#arguments[@]} == 0 ]] || sound=(filesrc location="${arguments[0]}" ! decodebin)
classify "${sound[@]}" ! \
  soundclassify model="${options[model]:-small}" process-count=5 "${settings[@]}" ! fakesink
