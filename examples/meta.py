#!/usr/bin/python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Prints the results that soundclassify puts on buffers.

    examples/meta.py [PIPELINE]

PIPELINE is one argument, as gst-launch-1.0 takes it, with a soundclassify add-meta=true and, somewhere after it, an element
called sink; without it the microphone is meant: "autoaudiosrc ! soundclassify add-meta=true ! fakesink name=sink". A line is
time, label, index and probability.
"""

import sys

if {"-h", "--help"} & set(sys.argv[1:]):
    print(__doc__)
    sys.exit(0)

# Finds the element, or builds it; a program of your own does without where the element is installed.
import pathlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "pipelines"))
import common

common.prepare()

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst


def on_buffer(_pad, info):
    meta = info.get_buffer().get_custom_meta("soundclassify")
    if meta is not None:
        _, results = meta.get_structure().get_array("results")
        for result in (results.get_nth(number) for number in range(results.n_values)):
            seconds = result.get_uint64("timestamp").value / Gst.SECOND
            label, index = result.get_string("label"), result.get_int("index").value
            print(f"{seconds:.3f} {label} {index} {result.get_double('probability').value:.8f}", flush=True)
    return Gst.PadProbeReturn.OK


Gst.init(None)
pipeline = Gst.parse_launch(
    sys.argv[1] if sys.argv[1:] else "autoaudiosrc ! soundclassify add-meta=true ! fakesink name=sink"
)
sink = pipeline.get_by_name("sink")
if sink is None:
    sys.exit("no element is called sink")
sink.get_static_pad("sink").add_probe(Gst.PadProbeType.BUFFER, on_buffer)
pipeline.set_state(Gst.State.PLAYING)
try:
    message = pipeline.bus.timed_pop_filtered(Gst.CLOCK_TIME_NONE, Gst.MessageType.EOS | Gst.MessageType.ERROR)
finally:
    pipeline.set_state(Gst.State.NULL)
if message.type == Gst.MessageType.ERROR:
    sys.exit(f"{message.src.get_path_string()}: {message.parse_error().gerror.message}")
