#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Classifies the sound that comes as RTP to a UDP port of this machine, until Ctrl-C.
#
#   pipelines/rtp.sh PORT [--encoding NAME] [--rate HZ] [--channels N] [PROPERTY=VALUE...]
#
# The encoding is one of RTP's names: OPUS (default), L16, PCMU, ... A sender that fits:
#   gst-launch-1.0 autoaudiosrc ! audioconvert ! audioresample ! opusenc ! rtpopuspay ! udpsink host=HOST port=PORT
# The properties are the element's: gst-inspect-1.0 soundclassify
set -euo pipefail
source "$(dirname "$0")/common.sh"

read_arguments 'encoding rate channels' "$@"
[[ ${#arguments[@]} == 1 && ${arguments[0]} =~ ^[0-9]+$ ]] || wrong_usage "one port number is wanted"
prepare

encoding=${options[encoding]:-OPUS}
rate=8000
[[ $encoding != L16 ]] || rate=44100
[[ $encoding != OPUS ]] || rate=48000
caps="application/x-rtp,media=audio,encoding-name=$encoding,clock-rate=${options[rate]:-$rate}"
[[ $encoding != L16 ]] || caps+=",channels=${options[channels]:-1}"
classify udpsrc port="${arguments[0]}" caps="$caps" ! rtpjitterbuffer ! decodebin ! \
  soundclassify "${settings[@]}" ! fakesink
