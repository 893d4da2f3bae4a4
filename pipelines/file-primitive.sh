#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Classifies a recording the plain way: one window a second, each reported as the model sees it, without an ensemble.
#
#   pipelines/file-primitive.sh FILE [PROPERTY=VALUE...]
#
# The properties are the element's: gst-inspect-1.0 soundclassify
set -euo pipefail
source "$(dirname "$0")/common.sh"

read_arguments '' "$@"
[[ ${#arguments[@]} == 1 ]] || wrong_usage "one file is wanted"
check_recordings "${arguments[@]}"
prepare
classify filesrc location="${arguments[0]}" ! decodebin ! \
  soundclassify oversamples=1 ensembles=1 "${settings[@]}" ! fakesink
