#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Records a WAV file around each event, with the audio before it. No file is overwritten: numbers continue above those that exist.
#
#   pipelines/record-events.sh [--before S] [--after S] [--source PIPELINE] [FOLDER] [PROPERTY=VALUE...]
#
# S is a whole number of seconds before the onset (3 by default) and after the end (2). The default source is the microphone; another
# example is "filesrc location=street.ogg ! decodebin"; a recording in which no event occurs has to be ended by Ctrl-C. PROPERTY is a
# property of the element: gst-inspect-1.0 soundclassify
set -euo pipefail
source "$(dirname "$0")/common.sh"

read_arguments 'before after source' "$@"
[[ ${#arguments[@]} -le 1 ]] || wrong_usage "expected at most one folder"
for option in before after; do
  [[ ${options[$option]:-0} =~ ^[0-9]+$ ]] || wrong_usage "--$option: expected whole seconds"
done
prepare

folder=${arguments[0]:-.}
mkdir -p "$folder"
# Above all numbers that exist, for splitmuxsink counts on without looking. A link that leads nowhere counts, too.
next=0
for file in "$folder"/event-*.wav; do
  number=${file##*/event-}
  number=${number%.wav}
  [[ $number =~ ^[0-9]{1,9}$ ]] || continue
  ((10#$number < next)) || next=$((10#$number + 1))
done
read -ra from <<<"${options[source]:-autoaudiosrc}"
# Without async-handling, a file that ends while splitmuxsink opens the next one may keep the pipeline from ending.
run_pipeline -e "${from[@]}" ! audioconvert ! audioresample ! soundclassify report=events post-messages=false \
  "${settings[@]}" ! soundgate mode=keep before="${options[before]:-3}000000000" after="${options[after]:-2}000000000" ! \
  audioconvert ! audio/x-raw,format=S16LE ! \
  splitmuxsink async-handling=true muxer=wavenc max-size-time=1 start-index="$next" location="${folder//%/%%}/event-%05d.wav"
