#!/usr/bin/python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Prints the labels that soundclassify detects.

    examples/listen.py [PIPELINE]

PIPELINE is one argument in the syntax of gst-launch-1.0 that contains soundclassify. The default is the microphone:
"autoaudiosrc ! soundclassify ! fakesink". Each line is time, label, index and probability.
"""

import sys

if {"-h", "--help"} & set(sys.argv[1:]):
    print(__doc__)
    sys.exit(0)

# Finds or builds the element. Your own program does not need this if the element is installed.
import pathlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "pipelines"))
import common

common.prepare()

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst


def on_message(_bus, message, loop):
    structure = message.get_structure()
    if message.type == Gst.MessageType.ELEMENT and structure.has_name("soundclassify"):
        seconds = structure.get_uint64("timestamp").value / Gst.SECOND
        label, index = structure.get_string("label"), structure.get_int("index").value
        print(f"{seconds:.3f} {label} {index} {structure.get_double('probability').value:.8f}", flush=True)
    elif message.type == Gst.MessageType.ERROR:
        loop.error = f"{message.src.get_path_string()}: {message.parse_error().gerror.message}"
        loop.quit()
    elif message.type == Gst.MessageType.EOS:
        loop.quit()


Gst.init(None)
pipeline = Gst.parse_launch(sys.argv[1] if sys.argv[1:] else "autoaudiosrc ! soundclassify ! fakesink")
loop = GLib.MainLoop()
loop.error = None
pipeline.bus.add_signal_watch()
pipeline.bus.connect("message", on_message, loop)
pipeline.set_state(Gst.State.PLAYING)
try:
    loop.run()
finally:
    pipeline.set_state(Gst.State.NULL)
sys.exit(loop.error)
