#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# The walk-through of README.md in small: makes sounds, trains in every mode, runs each result in a pipeline. Minutes on two cores.
#
#   models/train/smoke.sh [FOLDER]
#
# Environment: PYTHON (with models/train/requirements.txt), SOUNDCLASSIFY (the program), YAMNET (yamnet.onnx; without it that mode is
# left out), ORT_DYLIB_PATH and GST_PLUGIN_PATH as the element needs them.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root"
python=${PYTHON:-target/train/venv/bin/python}
folder=${1:-$(mktemp -d)}
program=${SOUNDCLASSIFY:+--program $SOUNDCLASSIFY}
export GST_PLUGIN_PATH="${GST_PLUGIN_PATH:-$root/target/release:$root/target/debug}"
mkdir -p "$folder"
[ -d "$folder/sounds" ] || models/train/make_sounds.sh "$folder/sounds"

train() { # mode epochs [option...]
    mode=$1
    epochs=$2
    shift 2
    # shellcheck disable=SC2086
    "$python" -m models.train.own "$folder/sounds" -o "$folder/$mode" --name tiny --start "$mode" --epochs "$epochs" \
        --cache "$folder/features" $program "$@"
    for file in tiny.onnx tiny.toml tiny.labels.txt tiny-classes.md tiny-confusion.png tiny-curves.png; do
        [ -s "$folder/$mode/$file" ] || { echo "smoke.sh: $folder/$mode/$file is missing" >&2; exit 1; }
    done
    listen "$mode" tone 3
    listen "$mode" noise 5
    listen "$mode" ticks 7
}

listen() { # mode label number: the label that is reported most often, at the end of that recording
    sound=$(echo "$folder/sounds/$2/$2-$3".*)
    # In files, as a failure before a pipe would be lost.
    gst-launch-1.0 -m filesrc location="$sound" ! decodebin ! audioconvert ! soundclassify model="$folder/$1/tiny.toml" ! fakesink \
        >"$folder/messages" 2>&1 || { cat "$folder/messages" >&2; echo "smoke.sh: the pipeline failed" >&2; exit 1; }
    found=$(sed -n 's/.*soundclassify, .* label=(string)\([a-z]*\), index=.*/\1/p' "$folder/messages" | sort | uniq -c | sort -rn | awk 'NR == 1 { print $2 }')
    echo "model=$folder/$1/tiny.toml reports ${found:-nothing} in $sound"
    [ "$found" = "$2" ] || { echo "smoke.sh: expected $2" >&2; exit 1; }
}

train scratch 8
train default 3
if [ -n "${YAMNET:-}" ]; then
    train yamnet 10 --yamnet "$YAMNET"
else
    echo "left out: start = yamnet (YAMNET=yamnet.onnx is not set)"
fi
echo "smoke.sh: all right, $folder"
