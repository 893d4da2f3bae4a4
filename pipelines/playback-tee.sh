#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Plays a recording and classifies it at the same time; each result appears while its sound is played.
#
#   pipelines/playback-tee.sh FILE [PROPERTY=VALUE...]
#
# PROPERTY is a property of the element: gst-inspect-1.0 soundclassify
set -euo pipefail
source "$(dirname "$0")/common.sh"

read_arguments '' "$@"
[[ ${#arguments[@]} == 1 ]] || wrong_usage "expected one file"
check_recordings "${arguments[@]}"
prepare
classify filesrc location="${arguments[0]}" ! decodebin ! tee name=sound \
  sound. ! queue ! audioconvert ! audioresample ! autoaudiosink \
  sound. ! queue ! soundclassify "${settings[@]}" ! fakesink sync=true
