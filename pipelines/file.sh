#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Classifies a recording, as fast as it goes: time, label, index and probability, ten lines a second of sound.
#
#   pipelines/file.sh FILE [PROPERTY=VALUE...]
#
# FILE is whatever GStreamer decodes. The properties are the element's: gst-inspect-1.0 soundclassify
set -euo pipefail
source "$(dirname "$0")/common.sh"

read_arguments '' "$@"
[[ ${#arguments[@]} == 1 ]] || wrong_usage "one file is wanted"
check_recordings "${arguments[@]}"
prepare
classify filesrc location="${arguments[0]}" ! decodebin ! soundclassify "${settings[@]}" ! fakesink
