#!/usr/bin/python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Plays sound, but nothing while a label is heard: from its onset to its end.

    pipelines/mute.py [--source PIPELINE] [--sink PIPELINE] LABEL[,LABEL...] [PROPERTY=VALUE ...]

For instance  pipelines/mute.py Siren,Music  from the microphone to the loudspeaker. What is heard comes late, so that
the onset is known in time. The same way, anything else is switched by a label. The properties are those of soundclassify.
"""

import argparse
import sys
import threading

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst

# An onset is known after the window and the least duration of an event.
DELAY = 2 * Gst.SECOND


class Switch:
    """Times at which one of the labels is heard."""

    def __init__(self):
        self.events = {}
        # Messages and audio come on different threads.
        self.lock = threading.Lock()

    def event(self, _bus, message):
        structure = message.get_structure()
        if structure and structure.has_name("soundclassify-event"):
            onset, duration = (structure.get_uint64(name).value for name in ("timestamp", "duration"))
            end = onset + duration if structure.get_string("kind") == "end" else Gst.CLOCK_TIME_NONE
            with self.lock:
                self.events[structure.get_uint64("event-id").value] = (onset, end)
        return Gst.BusSyncReply.PASS

    def is_on(self, time):
        with self.lock:
            # Audio goes in one direction: what is over is not asked for again.
            self.events = {number: event for number, event in self.events.items() if event[1] > time}
            return any(onset <= time for onset, _end in self.events.values())


def launch(description):
    try:
        return Gst.parse_launch(description)
    except GLib.Error as error:
        sys.exit(f"mute.py: {error.message}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", default="autoaudiosrc")
    parser.add_argument("--sink", default="autoaudiosink")
    parser.add_argument("labels", metavar="LABEL[,LABEL...]")
    parser.add_argument("settings", nargs="*", metavar="PROPERTY=VALUE")
    arguments = parser.parse_args()
    Gst.init(None)
    labels = ",".join(f'\\"{label.strip()}\\"' for label in arguments.labels.split(","))
    pipeline = launch(
        f"{arguments.source} ! audioconvert ! audiobuffersplit output-buffer-duration=1/100 "
        f"! soundclassify report=events ensembles=1 allow-labels=\"<{labels}>\" {' '.join(arguments.settings)} "
        f"! queue min-threshold-time={DELAY} max-size-time={2 * DELAY} max-size-bytes=0 max-size-buffers=0 "
        f"! volume name=volume ! audioconvert ! audioresample ! {arguments.sink}"
    )
    volume, switch, loop = pipeline.get_by_name("volume"), Switch(), GLib.MainLoop()

    def on_audio(_pad, info):
        volume.set_property("mute", switch.is_on(info.get_buffer().pts))
        return Gst.PadProbeReturn.OK

    def on_message(_bus, message):
        if message.type == Gst.MessageType.ERROR:
            loop.error = message.parse_error().gerror.message
        if message.type in (Gst.MessageType.ERROR, Gst.MessageType.EOS):
            loop.quit()

    loop.error = None
    volume.get_static_pad("sink").add_probe(Gst.PadProbeType.BUFFER, on_audio)
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
