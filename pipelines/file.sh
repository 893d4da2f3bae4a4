#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Classifies a recording as fast as possible: time, label, index and probability, ten lines per second of audio.
#
#   pipelines/file.sh FILE [PROPERTY=VALUE...]
#
# FILE is a recording in any format that GStreamer decodes. PROPERTY is a property of the element: gst-inspect-1.0 soundclassify
set -euo pipefail
source "$(dirname "$0")/common.sh"

read_arguments '' "$@"
[[ ${#arguments[@]} == 1 ]] || wrong_usage "expected one file"
check_recordings "${arguments[@]}"
prepare
classify filesrc location="${arguments[0]}" ! decodebin ! soundclassify "${settings[@]}" ! fakesink
