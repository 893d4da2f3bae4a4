#!/usr/bin/python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Runs a pipeline in the syntax of gst-launch-1.0 and prints the messages of soundclassify, until the end or Ctrl-C.

    pipelines/launch.py filesrc location=FILE ! decodebin ! soundclassify ! fakesink

A window is "time label index probability"; an event "time start|update|end label index probability peak probability
lasting seconds". Times are in seconds. Exit status: 0 at the end of the stream or after Ctrl-C, 1 after an error
or a stream without a window.
"""

import signal
import sys

from common import GLib, Gst, prepare


def number(structure, name):
    return structure.get_uint64(name).value


def seconds(time):
    return f"{(time + 500_000) // 1_000_000 / 1000:.3f}"


def text(structure):
    """The line for a message of the element; None for other messages."""
    name = structure.get_name()
    if name not in ("soundclassify", "soundclassify-event"):
        return None
    time = seconds(number(structure, "timestamp"))
    label, index = structure.get_string("label"), structure.get_int("index").value
    probability = structure.get_double("probability").value
    if name == "soundclassify":
        return f"{time} {label} {index} {probability:.8f}"
    kind, peak = structure.get_string("kind"), structure.get_double("peak").value
    lasting = seconds(number(structure, "duration"))
    return f"{time} {kind} {label} {index} {probability:.6f} peak {peak:.6f} lasting {lasting}"


def without_window(pipeline):
    """Names of the elements that have had no window."""
    found, iterator = [], pipeline.iterate_all_by_element_factory_name("soundclassify")
    while True:
        result, element = iterator.next()
        if result != Gst.IteratorResult.OK:
            return found
        if number(element.get_property("stats"), "windows") == 0:
            found.append(element.get_name())


class Run:
    """Runs a pipeline until its end."""

    def __init__(self, pipeline):
        self.pipeline, self.loop, self.status = pipeline, GLib.MainLoop(), 0

    def message(self, message):
        if message.type == Gst.MessageType.ELEMENT:
            if line := text(message.get_structure()):
                print(line, flush=True)
        elif message.type == Gst.MessageType.WARNING:
            self.complain("warning", message, message.parse_warning())
        elif message.type == Gst.MessageType.ERROR:
            self.complain("error", message, message.parse_error())
            self.status = 1
            self.loop.quit()
        elif message.type == Gst.MessageType.EOS:
            # After Ctrl-C or an error, the stream was not complete.
            for name in without_window(self.pipeline) if self.loop.is_running() else ():
                print(f"warning: {name}: no window in the stream's audio", file=sys.stderr)
                self.status = 1
            self.loop.quit()
        elif message.type == Gst.MessageType.LATENCY:
            self.pipeline.recalculate_latency()
        elif message.type == Gst.MessageType.CLOCK_LOST:
            self.pipeline.set_state(Gst.State.PAUSED)
            self.pipeline.set_state(Gst.State.PLAYING)

    @staticmethod
    def complain(kind, message, parsed):
        where = message.src.get_name() if message.src else "pipeline"
        print(f"{kind}: {where}: {parsed[0].message}", parsed[1] or "", sep="\n" if parsed[1] else "", file=sys.stderr)

    def to_the_end(self):
        bus = self.pipeline.bus
        bus.add_signal_watch()
        bus.connect("message", lambda _bus, message: self.message(message))
        GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, signal.SIGINT, self.loop.quit)
        if self.pipeline.set_state(Gst.State.PLAYING) != Gst.StateChangeReturn.FAILURE:
            self.loop.run()
        else:
            self.status = 1
        bus.remove_signal_watch()
        # Open events end here. Going to NULL would flush the bus.
        self.pipeline.set_state(Gst.State.READY)
        while message := bus.pop():
            self.message(message)
        self.pipeline.set_state(Gst.State.NULL)
        return self.status


def main():
    words = sys.argv[1:]
    if not words or words[0] in ("-h", "--help"):
        print(__doc__)
        return 0 if words else 2
    # So that `… | head` ends this program.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    prepare()
    try:
        pipeline = Gst.parse_launchv(words)
    except GLib.Error as error:
        sys.exit(f"error: {error.message}")
    if not isinstance(pipeline, Gst.Pipeline):
        element, pipeline = pipeline, Gst.Pipeline()
        pipeline.add(element)
    return Run(pipeline).to_the_end()


sys.exit(main())
