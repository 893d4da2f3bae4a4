#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Classifies the sound of an RTSP stream, such as a network camera's, until Ctrl-C.
#
#   pipelines/rtsp.sh rtsp://HOST/PATH [PROPERTY=VALUE...]
#
# Many cameras send AAC: gstreamer1.0-libav decodes it. The properties are the element's: gst-inspect-1.0 soundclassify
set -euo pipefail
source "$(dirname "$0")/common.sh"

read_arguments '' "$@"
[[ ${#arguments[@]} == 1 && ${arguments[0]} == rtsp*://* ]] || wrong_usage "one rtsp:// address is wanted"
prepare
classify rtspsrc location="${arguments[0]}" ! application/x-rtp,media=audio ! decodebin ! \
  soundclassify "${settings[@]}" ! fakesink
