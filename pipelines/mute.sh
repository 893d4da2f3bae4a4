#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Plays audio and mutes it while a label is detected, from the onset of the sound to its end.
#
#   pipelines/mute.sh [--source PIPELINE] [--sink PIPELINE] LABEL[,LABEL...] [PROPERTY=VALUE...]
#
# The default is from the microphone to the loudspeaker, for example: pipelines/mute.sh Siren,Music
# Playback is delayed until events are known. PROPERTY is a property of the element: gst-inspect-1.0 soundclassify
set -euo pipefail
source "$(dirname "$0")/common.sh"

read_arguments 'source sink' "$@"
[[ ${#arguments[@]} == 1 ]] || wrong_usage "expected one list of labels"
prepare

labels="<\"${arguments[0]//,/\",\"}\">"
read -ra from <<<"${options[source]:-autoaudiosrc}"
read -ra to <<<"${options[sink]:-autoaudiosink}"
run_pipeline "${from[@]}" ! audioconvert ! soundclassify report=events ensembles=1 post-messages=false \
  allow-labels="$labels" "${settings[@]}" ! soundgate mode=mute ! audioconvert ! audioresample ! "${to[@]}"
