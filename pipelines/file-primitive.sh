#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Classifies a recording with one window per second and without an ensemble.
#
#   pipelines/file-primitive.sh FILE [PROPERTY=VALUE...]
#
# PROPERTY is a property of the element: gst-inspect-1.0 soundclassify
set -euo pipefail
source "$(dirname "$0")/common.sh"

read_arguments '' "$@"
[[ ${#arguments[@]} == 1 ]] || wrong_usage "expected one file"
check_recordings "${arguments[@]}"
prepare
classify filesrc location="${arguments[0]}" ! decodebin ! \
  soundclassify oversamples=1 ensembles=1 "${settings[@]}" ! fakesink
