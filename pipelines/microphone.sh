#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Classifies the microphone's sound, until Ctrl-C.
#
#   pipelines/microphone.sh [PROPERTY=VALUE...]                    the default one
#   pipelines/microphone.sh --pulse DEVICE [PROPERTY=VALUE...]     one of PulseAudio or PipeWire, by name
#   pipelines/microphone.sh --alsa DEVICE [PROPERTY=VALUE...]      one of ALSA, such as hw:1
#   pipelines/microphone.sh --list                                 those there are
#
# The properties are the element's: gst-inspect-1.0 soundclassify
set -euo pipefail
source "$(dirname "$0")/common.sh"

if [[ ${1:-} == --list ]]; then
  exec "$root/pipelines/list-microphones.py"
fi
read_arguments 'pulse alsa' "$@"
[[ ${#arguments[@]} == 0 ]] || wrong_usage "not understood: ${arguments[*]}"
prepare

microphone=(autoaudiosrc)
[[ -z ${options[alsa]:-} ]] || microphone=(alsasrc device="${options[alsa]}")
[[ -z ${options[pulse]:-} ]] || microphone=(pulsesrc device="${options[pulse]}")
classify "${microphone[@]}" ! queue ! soundclassify "${settings[@]}" ! fakesink
