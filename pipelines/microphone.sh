#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Classifies the microphone until Ctrl-C.
#
#   pipelines/microphone.sh [PROPERTY=VALUE...]                    the default microphone
#   pipelines/microphone.sh --pulse DEVICE [PROPERTY=VALUE...]     a device of PulseAudio or PipeWire
#   pipelines/microphone.sh --alsa DEVICE [PROPERTY=VALUE...]      a device of ALSA, such as hw:1
#   pipelines/microphone.sh --list                                 lists the microphones
#
# PROPERTY is a property of the element: gst-inspect-1.0 soundclassify
set -euo pipefail
source "$(dirname "$0")/common.sh"

if [[ ${1:-} == --list ]]; then
  exec "$root/pipelines/list-microphones.py"
fi
read_arguments 'pulse alsa' "$@"
[[ ${#arguments[@]} == 0 ]] || wrong_usage "unexpected arguments: ${arguments[*]}"
prepare

microphone=(autoaudiosrc)
[[ -z ${options[alsa]:-} ]] || microphone=(alsasrc device="${options[alsa]}")
[[ -z ${options[pulse]:-} ]] || microphone=(pulsesrc device="${options[pulse]}")
classify "${microphone[@]}" ! queue ! soundclassify "${settings[@]}" ! fakesink
