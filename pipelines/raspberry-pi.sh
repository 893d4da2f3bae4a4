#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Settings for a small machine: five windows go through the model at once, half a second's worth.
#
#   pipelines/raspberry-pi.sh [FILE] [--model MANIFEST] [PROPERTY=VALUE...]
#
# From the microphone, or a recording. The built-in model `small` is taken: most labels of `default`, in less than half
# of its time.
# The properties are the element's: gst-inspect-1.0 soundclassify
set -euo pipefail
source "$(dirname "$0")/common.sh"

read_arguments 'model' "$@"
[[ ${#arguments[@]} -le 1 ]] || wrong_usage "one file at most is wanted"
check_recordings "${arguments[@]}"
prepare

sound=(autoaudiosrc ! queue)
[[ ${#arguments[@]} == 0 ]] || sound=(filesrc location="${arguments[0]}" ! decodebin)
classify "${sound[@]}" ! \
  soundclassify model="${options[model]:-small}" process-count=5 "${settings[@]}" ! fakesink
