#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Classifies RTP audio that arrives at a UDP port of this computer, until Ctrl-C.
#
#   pipelines/rtp.sh PORT [OPTION...] [PROPERTY=VALUE...]
#
#   --encoding NAME   encoding name of RTP: OPUS (default), L16, PCMU, PCMA, ...
#   --payload N       payload type of the packets: 96, or the fixed type of the encoding
#   --rate HZ         clock rate: 48000 for OPUS, 44100 for L16, else 8000
#   --channels N      for L16; 1 by default
#
# A matching sender:
#   gst-launch-1.0 autoaudiosrc ! audioconvert ! audioresample ! opusenc ! rtpopuspay ! udpsink host=HOST port=PORT
# PROPERTY is a property of the element: gst-inspect-1.0 soundclassify
set -euo pipefail
source "$(dirname "$0")/common.sh"

read_arguments 'encoding payload rate channels' "$@"
[[ ${#arguments[@]} == 1 && ${arguments[0]} =~ ^[0-9]+$ ]] || wrong_usage "expected one port number"
prepare

encoding=${options[encoding]:-OPUS} payload=96 rate=8000
case $encoding in
  OPUS) rate=48000 ;;
  L16) rate=44100 ;;
  PCMU) payload=0 ;;
  PCMA) payload=8 ;;
esac
caps=application/x-rtp,media=audio,encoding-name=$encoding
caps+=,payload=${options[payload]:-$payload},clock-rate=${options[rate]:-$rate}
[[ $encoding != L16 ]] || caps+=,channels=${options[channels]:-1}
classify udpsrc port="${arguments[0]}" caps="$caps" ! rtpjitterbuffer ! decodebin ! \
  soundclassify "${settings[@]}" ! fakesink
