#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Installs what is missing, builds, and classifies recordings from Debian's packages.
#
#   pipelines/demo.sh [PROPERTY=VALUE...]
#
# Prints time in seconds, label, index and probability. PROPERTY is a property of the element.
set -euo pipefail
source "$(dirname "$0")/common.sh"

recordings=(
  /usr/share/sounds/freedesktop/stereo/{bell,alarm-clock-elapsed,phone-incoming-call,phone-outgoing-calling}.oga
  /usr/share/sounds/freedesktop/stereo/{camera-shutter,complete,audio-channel-front-center}.oga
  /usr/share/sounds/alsa/{Front_Center,Noise}.wav
)

read_arguments '' "$@"
[[ ${#arguments[@]} == 0 ]] || wrong_usage "unexpected arguments: ${arguments[*]}"
[[ -r ${recordings[0]} && -r ${recordings[-1]} ]] || bash "$root/pipelines/setup.sh"
prepare
for recording in "${recordings[@]}"; do
  printf '\n%s\n' "$recording"
  classify filesrc location="$recording" ! decodebin ! soundclassify "${settings[@]}" ! fakesink 2>&1
done
cat <<END

To classify the microphone:  ./pipelines/microphone.sh
The same in your own pipeline:
${GST_PLUGIN_PATH:+  export GST_PLUGIN_PATH=$GST_PLUGIN_PATH}
  gst-launch-1.0 -m autoaudiosrc ! soundclassify ! fakesink
END
