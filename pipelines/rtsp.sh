#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Classifies an RTSP stream, for example of a network camera, until Ctrl-C.
#
#   pipelines/rtsp.sh rtsp://HOST/PATH [PROPERTY=VALUE...]
#
# Many cameras send AAC, which gstreamer1.0-libav decodes. PROPERTY is a property of the element: gst-inspect-1.0 soundclassify
set -euo pipefail
source "$(dirname "$0")/common.sh"

read_arguments '' "$@"
[[ ${#arguments[@]} == 1 && ${arguments[0]} == rtsp*://* ]] || wrong_usage "expected one rtsp:// address"
prepare
classify rtspsrc location="${arguments[0]}" ! application/x-rtp,media=audio ! decodebin ! \
  soundclassify "${settings[@]}" ! fakesink
