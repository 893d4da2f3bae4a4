#!/usr/bin/python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Plays sound, but nothing while a label is heard: from its onset to its end.

    pipelines/mute.py [--source PIPELINE] [--sink PIPELINE] LABEL[,LABEL...] [PROPERTY=VALUE ...]

For instance  pipelines/mute.py Siren,Music  from the microphone to the loudspeaker. What is heard comes late, so that
the onset is known in time. The same way, whatever gst-inspect-1.0 calls controllable is switched by a label.
The properties are those of soundclassify.
"""

import argparse
import sys

from common import Gst, launch
from gi.repository import GLib, GstController

# An onset is known after the window and the least duration of an event.
DELAY = 2 * Gst.SECOND


class Switch:
    """Turns a property of an element on while one of the labels is heard, to the sample."""

    def __init__(self, element, name):
        self.values = GstController.InterpolationControlSource()
        element.add_control_binding(GstController.DirectControlBinding.new(element, name, self.values))
        self.values.set(0, 0)
        self.open = set()

    def event(self, _bus, message):
        structure = message.get_structure()
        if structure and structure.has_name("soundclassify-event"):
            names = ("event-id", "stream-time", "duration")
            number, onset, duration = (structure.get_uint64(name).value for name in names)
            if structure.get_string("kind") == "end":
                self.close(number, onset + duration)
            else:
                self.open_at(number, onset)
        return Gst.BusSyncReply.PASS

    def open_at(self, number, onset):
        self.open.add(number)
        self.values.set(onset, 1)
        # Ends that were told before this onset, but come after it.
        for value in self.values.get_all():
            if value.timestamp > onset:
                self.values.unset(value.timestamp)

    def close(self, number, end):
        self.open.discard(number)
        if not self.open:
            self.values.set(end, 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", default="autoaudiosrc")
    parser.add_argument("--sink", default="autoaudiosink")
    parser.add_argument("labels", metavar="LABEL[,LABEL...]")
    parser.add_argument("settings", nargs="*", metavar="PROPERTY=VALUE")
    arguments = parser.parse_args()
    labels = ",".join(f'\\"{label.strip()}\\"' for label in arguments.labels.split(","))
    pipeline = launch(
        f"{arguments.source} ! audioconvert "
        f"! soundclassify report=events ensembles=1 allow-labels=\"<{labels}>\" {' '.join(arguments.settings)} "
        f"! queue min-threshold-time={DELAY} max-size-time={2 * DELAY} max-size-bytes=0 max-size-buffers=0 "
        f"! audioconvert ! volume name=volume ! audioconvert ! audioresample ! {arguments.sink}"
    )
    switch, loop = Switch(pipeline.get_by_name("volume"), "mute"), GLib.MainLoop()

    def on_message(_bus, message):
        if message.type == Gst.MessageType.ERROR:
            loop.error = message.parse_error().gerror.message
        if message.type in (Gst.MessageType.ERROR, Gst.MessageType.EOS):
            loop.quit()

    loop.error = None
    pipeline.bus.set_sync_handler(switch.event)
    pipeline.bus.add_signal_watch()
    pipeline.bus.connect("message", on_message)
    pipeline.set_state(Gst.State.PLAYING)
    try:
        loop.run()
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        pipeline.set_state(Gst.State.NULL)
    sys.exit(loop.error)


main()
