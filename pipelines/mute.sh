#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Plays sound, but silence while a label is detected: from its onset to its end.
#
#   pipelines/mute.sh [--source PIPELINE] [--sink PIPELINE] LABEL[,LABEL...] [PROPERTY=VALUE...]
#
# For instance  pipelines/mute.sh Siren,Music  from the microphone to the loudspeaker. Playback is late, so that the onset
# is known in time. The properties are those of soundclassify.
set -euo pipefail
source "$(dirname "$0")/common.sh"

read_arguments 'source sink' "$@"
[[ ${#arguments[@]} == 1 ]] || wrong_usage "one list of labels is wanted"
prepare

labels="<\"${arguments[0]//,/\",\"}\">"
read -ra from <<<"${options[source]:-autoaudiosrc}"
read -ra to <<<"${options[sink]:-autoaudiosink}"
exec gst-launch-1.0 -q "${from[@]}" ! audioconvert ! soundclassify report=events ensembles=1 post-messages=false \
  allow-labels="$labels" "${settings[@]}" ! soundgate mode=mute ! audioconvert ! audioresample ! "${to[@]}"
