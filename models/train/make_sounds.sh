#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Makes a tiny data set with GStreamer: tones, noise, ticks and sweeps; 8 recordings of each: models/train/make_sounds.sh FOLDER
set -eu
out=${1:?usage: make_sounds.sh FOLDER}
[ ! -e "$out" ] || { echo "make_sounds.sh: $out is there already" >&2; exit 1; }
above=$(dirname "$out")
mkdir -p "$above"
temporary=$(mktemp -d "$above/.unfinished-XXXXXX")
trap 'rm -rf "$temporary"' EXIT
trap 'exit 1' INT TERM
record() { # label number suffix element...
    mkdir -p "$temporary/$1"
    file=$1-$2.$3
    folder=$temporary/$1
    case $3 in
        flac) coder="flacenc" ;;
        ogg) coder="audioconvert ! vorbisenc ! oggmux" ;;
        *) coder="wavenc" ;;
    esac
    shift 3
    # From within the folder: gst-launch reads blanks and quotes in a path its own way.
    # shellcheck disable=SC2086
    (cd "$folder" && gst-launch-1.0 -q "$@" ! audio/x-raw,format=S16LE,rate=16000,channels=1 ! $coder ! filesink location="$file")
}
for n in 1 2 3 4 5 6 7 8; do
    case $n in 1 | 2 | 3 | 4) suffix=wav ;; 5 | 6) suffix=flac ;; *) suffix=ogg ;; esac
    # 4 s each: 40 buffers of 1600 samples at 16 kHz
    record tone $n $suffix audiotestsrc num-buffers=40 samplesperbuffer=1600 wave=sine freq=$((180 + 170 * n)) volume=0.$n
    record noise $n $suffix audiotestsrc num-buffers=40 samplesperbuffer=1600 wave=pink-noise volume=0.$n
    record ticks $n $suffix audiotestsrc num-buffers=40 samplesperbuffer=1600 wave=ticks tick-interval=$((90000000 + 30000000 * n)) freq=$((700 + 250 * n)) volume=0.$n
    record buzz $n $suffix audiotestsrc num-buffers=40 samplesperbuffer=1600 wave=saw freq=$((60 + 25 * n)) volume=0.$n
done
chmod 755 "$temporary"
mv "$temporary" "$out"
echo "$out: $(find "$out" -type f | wc -l) recordings of tone, noise, ticks and buzz"
