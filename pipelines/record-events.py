#!/usr/bin/python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Records what is around every event, with what came before it: one WAV file each, with time and label in its name.

    pipelines/record-events.py [--before S] [--after S] [--source PIPELINE] [FOLDER] [PROPERTY=VALUE ...]

Seconds before the onset and after the end are 2.5 each unless told otherwise. The source is the microphone unless told
otherwise, such as "filesrc location=street.ogg ! decodebin". The properties are those of soundclassify.
"""

import argparse
import collections
import itertools
import pathlib
import sys
import wave

from common import Gst, launch

# An event is told later than its onset: the window, the least duration, and what waits for the model.
LATENESS = 15 * Gst.SECOND
SAMPLE = 2


class Tape:
    """The newest audio, as long as somebody may still want it."""

    def __init__(self):
        self.pieces = collections.deque()
        self.rate = self.channels = None
        self.end = 0

    def append(self, sample):
        caps, buffer = sample.get_caps().get_structure(0), sample.get_buffer()
        self.rate, self.channels = caps.get_int("rate").value, caps.get_int("channels").value
        audio = buffer.extract_dup(0, buffer.get_size())
        self.pieces.append((buffer.pts, audio))
        self.end = buffer.pts + self.duration(audio)

    def duration(self, audio):
        return len(audio) // (SAMPLE * self.channels) * Gst.SECOND // self.rate

    def forget_before(self, time):
        while self.pieces and self.pieces[0][0] + self.duration(self.pieces[0][1]) < time:
            self.pieces.popleft()

    def write(self, target, start, end):
        with target, wave.open(target, "wb") as file:
            file.setparams((self.channels, SAMPLE, self.rate, 0, "NONE", None))
            for pts, audio in self.pieces:
                first, last = self.offset(start - pts), self.offset(end - pts)
                file.writeframesraw(audio[first:last])

    def offset(self, time):
        return max(time, 0) * self.rate // Gst.SECOND * SAMPLE * self.channels


def fresh(path):
    """A new file: one of an earlier run stays, and this one gets a number."""
    for number in itertools.count(1):
        try:
            return open(path if number == 1 else path.with_stem(f"{path.stem}-{number}"), "xb")
        except FileExistsError:
            pass


class Recorder:
    """Open events, and those whose end is not on the tape yet."""

    def __init__(self, folder, before, after):
        self.folder, self.before, self.after = folder, before, after
        self.tape = Tape()
        self.recordings = {}

    def event(self, structure):
        number, kind = structure.get_uint64("event-id").value, structure.get_string("kind")
        onset, duration = (structure.get_uint64(name).value for name in ("timestamp", "duration"))
        if kind == "start":
            self.recordings[number] = [structure.get_string("label"), onset, None]
        elif kind == "end":
            self.recordings[number][2] = onset + duration + self.after

    def audio(self, sample):
        self.tape.append(sample)
        self.finish(lambda end: end is not None and end <= self.tape.end)
        starts = [onset - self.before for _, onset, _ in self.recordings.values()]
        self.tape.forget_before(min([self.tape.end - self.before - LATENESS, *starts]))

    def finish(self, is_over):
        for number, (label, onset, end) in list(self.recordings.items()):
            if is_over(end):
                del self.recordings[number]
                target = fresh(self.folder / f"{onset / Gst.SECOND:010.3f}-{label.replace('/', '_')}.wav")
                self.tape.write(target, onset - self.before, self.tape.end if end is None else end)
                print(target.name, flush=True)


def record(pipeline, recorder):
    sink, bus = pipeline.get_by_name("tape"), pipeline.bus
    pipeline.set_state(Gst.State.PLAYING)
    while True:
        sample = sink.emit("try-pull-sample", 100 * Gst.MSECOND)
        while message := bus.pop_filtered(Gst.MessageType.ELEMENT | Gst.MessageType.ERROR):
            if message.type == Gst.MessageType.ERROR:
                sys.exit(message.parse_error().gerror.message)
            structure = message.get_structure()
            if structure.has_name("soundclassify-event"):
                recorder.event(structure)
        if sample:
            recorder.audio(sample)
        elif sink.get_property("eos"):
            return recorder.finish(lambda _end: True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=float, default=2.5)
    parser.add_argument("--after", type=float, default=2.5)
    parser.add_argument("--source", default="autoaudiosrc")
    parser.add_argument("words", nargs="*", metavar="FOLDER | PROPERTY=VALUE")
    arguments = parser.parse_args()
    settings = [word for word in arguments.words if "=" in word]
    folders = [word for word in arguments.words if "=" not in word]
    if len(folders) > 1:
        parser.error("one folder at most is wanted")
    folder = pathlib.Path(*folders)
    pipeline = launch(
        f"{arguments.source} ! audioconvert ! soundclassify report=events deny-labels=<Background> {' '.join(settings)} "
        "! audioconvert ! audio/x-raw,format=S16LE,layout=interleaved ! appsink name=tape sync=false max-buffers=100"
    )
    folder.mkdir(parents=True, exist_ok=True)
    recorder = Recorder(folder, int(arguments.before * Gst.SECOND), int(arguments.after * Gst.SECOND))
    try:
        record(pipeline, recorder)
    except KeyboardInterrupt:
        recorder.finish(lambda _end: True)
    finally:
        pipeline.set_state(Gst.State.NULL)


main()
