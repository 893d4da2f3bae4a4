# SPDX-License-Identifier: MIT OR Apache-2.0
"""Live-like pipelines at 20 times real time under random treatment; memory, threads, descriptors and events are watched.

usage: soak.py MINUTES MODELS SEED (run by soak.sh, which prepares the folder MODELS)
"""

import array
import collections
import math
import os
import pathlib
import random
import statistics
import sys
import threading
import time

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstApp", "1.0")
from gi.repository import Gst, GstApp  # noqa: E402,F401

SPEED = 20
STREAMS = 2
BLOCK = 0.1  # seconds of audio in a buffer
FORMATS = [("F32LE", "f"), ("S16LE", "h")]
RATES = [8000, 16000, 44100, 48000]
RISING_MIB = 24  # what a process that swaps models may gain in the allocator


class Events:
    """Starts and ends, from whichever thread posts them."""

    def __init__(self, models):
        self.models = models
        self.lock = threading.Lock()
        self.open = {}
        self.counts = collections.Counter()
        self.faults = []

    def handle(self, _bus, message, stream):
        structure = message.get_structure()
        name = structure.get_name() if structure else ""
        with self.lock:
            if message.type in (Gst.MessageType.ELEMENT, Gst.MessageType.WARNING, Gst.MessageType.ERROR):
                self.counts[name] += 1
            # A model that cannot be used refuses the change to PAUSED; nothing else may end a stream.
            if message.type == Gst.MessageType.ERROR and self.models not in message.parse_error()[0].message:
                self.faults.append(f"error: {message.parse_error()}")
            elif name == "soundclassify-event":
                self.event(stream, structure)
        # A dropped message would be this function's to free, which Python cannot: the feeding threads take them.
        return Gst.BusSyncReply.PASS

    def event(self, stream, structure):
        # The numbers begin anew when the element leaves READY; labels are open once at a time.
        key = (stream, structure.get_value("label"))
        kind = structure.get_value("kind")
        if kind == "start":
            if key in self.open:
                self.faults.append(f"a second start of {key}")
            self.open[key] = structure.get_value("event-id")
        elif key not in self.open:
            self.faults.append(f"{kind} of {key}, which is not open")
        elif kind == "end":
            del self.open[key]


class Stream:
    """A pipeline, and the thread that feeds it."""

    def __init__(self, number, events, seed):
        self.number = number
        self.random = random.Random(seed)
        self.pipeline = Gst.parse_launch(
            "appsrc name=in format=time is-live=true block=true max-bytes=400000 ! "
            "soundclassify name=it report=all event-on=0.5 event-off=0.3 ! fakesink sync=false async=false"
        )
        self.source, self.element = self.pipeline.get_by_name("in"), self.pipeline.get_by_name("it")
        self.bus = self.pipeline.get_bus()
        self.bus.set_sync_handler(events.handle, number)
        self.position = 0.0
        self.buffers = 0
        self.change_caps()

    def change_caps(self):
        self.rate = self.random.choice(RATES)
        self.channels = self.random.choice([1, 2])
        self.format, self.code = self.random.choice(FORMATS)
        mask = ",channel-mask=(bitmask)3" if self.channels == 2 else ""
        self.source.set_property("caps", Gst.Caps.from_string(
            f"audio/x-raw,format={self.format},layout=interleaved,rate={self.rate},channels={self.channels}{mask}"))

    def block(self):
        count = int(self.rate * BLOCK)
        pitch, loud = self.random.choice([0, 300, 1000, 3000]), self.random.choice([0.0, 0.01, 0.5])
        values = [loud * (math.sin(at * pitch / self.rate * 6.283) if pitch else self.random.uniform(-1, 1)) for at in range(count)]
        if self.code == "h":
            values = [int(32000 * value) for value in values]
        samples = array.array(self.code, [value for value in values for _ in range(self.channels)])
        return Gst.Buffer.new_wrapped(samples.tobytes())

    def feed(self, finished):
        due = time.monotonic()
        blocks = [self.block() for _ in range(8)]
        while not finished.is_set():
            chance = self.random.random()
            if chance < 0.01:
                self.change_caps()
                blocks = [self.block() for _ in range(8)]
            elif chance < 0.02:
                self.position += self.random.uniform(0, 5)  # a hole
            elif chance < 0.03:
                self.element.get_static_pad("sink").send_event(
                    Gst.Event.new_gap(int(self.position * Gst.SECOND), int(BLOCK * Gst.SECOND)))
            buffer = self.random.choice(blocks).copy_deep()
            jitter = self.random.uniform(-0.02, 0.02) if chance > 0.5 else 0
            buffer.pts = max(0, int((self.position + jitter) * Gst.SECOND))
            if chance < 0.05:
                buffer.set_flags(Gst.BufferFlags.DISCONT)
            self.source.emit("push-buffer", buffer)
            while self.bus.pop():
                pass
            self.position += BLOCK
            self.buffers += 1
            due = max(due + BLOCK / SPEED, time.monotonic() - 1)
            time.sleep(max(0, due - time.monotonic()))

    def play(self):
        if self.pipeline.set_state(Gst.State.PLAYING) == Gst.StateChangeReturn.FAILURE:
            self.element.set_property("model", "default")
            self.pipeline.set_state(Gst.State.READY)
            self.pipeline.set_state(Gst.State.PLAYING)

    def flush(self):
        self.pipeline.send_event(Gst.Event.new_flush_start())
        self.pipeline.send_event(Gst.Event.new_flush_stop(True))


def treat(streams, models, until, seed):
    """Random state changes, flushes, swaps and settings; three threads run this."""
    choose = random.Random(seed)
    while time.monotonic() < until:
        stream, chance = choose.choice(streams), choose.random()
        if chance < 0.15:
            stream.pipeline.set_state(choose.choice([Gst.State.READY, Gst.State.PAUSED, Gst.State.NULL]))
            time.sleep(choose.uniform(0, 0.1))
            stream.play()
        elif chance < 0.35:
            stream.flush()
        elif chance < 0.6:
            stream.element.set_property("model", choose.choice(models))
        elif chance < 0.8:
            stream.element.set_property("oversamples", choose.randint(1, 10))
        elif chance < 0.9:
            stream.element.emit("reset")
        else:
            stream.element.set_property("event-on", choose.uniform(0.4, 0.8))
        time.sleep(choose.uniform(0.05, 1))
    for stream in streams:
        stream.play()


def usage():
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    descriptors = len(os.listdir("/proc/self/fd"))
    return int(status["VmRSS"].split()[0]) / 1024, int(status["Threads"]), descriptors


def watch(until, period):
    seen = []
    while time.monotonic() < until:
        seen.append(usage())
        time.sleep(period)
    return seen


def judge(seen, events):
    """Compares the second fifth with the last one."""
    fifth = max(1, len(seen) // 5)
    early, late = seen[fifth : 2 * fifth] or seen[:1], seen[-fifth:]
    faults = list(events.faults[:20])
    for index, (name, slack) in enumerate([("memory, MiB", RISING_MIB), ("threads", 6), ("descriptors", 6)]):
        before, after = (statistics.median(sample[index] for sample in part) for part in (early, late))
        print(f"{name}: {before:.0f} in the second fifth, {after:.0f} in the last, {max(sample[index] for sample in seen):.0f} at most")
        if after > before + slack:
            faults.append(f"{name} rose from {before:.0f} to {after:.0f}")
    faults += [f"the start of {key} has no end" for key in events.open]
    return faults


def main(minutes, folder, seed):
    Gst.init(None)
    models = ["default", "small", "sure"] * 4 + sorted(str(path) for path in pathlib.Path(folder).glob("*.toml")) + [f"{folder}/missing.toml"]
    events = Events(folder)
    streams = [Stream(number, events, seed + number) for number in range(STREAMS)]
    until = time.monotonic() + 60 * minutes
    for stream in streams:
        stream.pipeline.set_state(Gst.State.PLAYING)
    finished = threading.Event()
    feeders = [threading.Thread(target=stream.feed, args=(finished,)) for stream in streams]
    treaters = [threading.Thread(target=treat, args=(streams, models, until, seed + 10 + number)) for number in range(3)]
    for thread in feeders + treaters:
        thread.start()
    seen = watch(until, min(5, 60 * minutes / 25))
    for thread in treaters:
        thread.join()
    # Until then audio comes: a flush waits for a source that waits for audio (GstBaseSrc's stream lock).
    finished.set()
    for thread in feeders:
        thread.join()
    for stream in streams:
        stream.pipeline.set_state(Gst.State.NULL)
    print(f"{minutes} minutes, {sum(stream.buffers for stream in streams)} buffers, seed {seed}; messages: {dict(events.counts)}")
    faults = judge(seen, events)
    for fault in faults:
        print("fault:", fault)
    sys.exit(1 if faults else 0)


main(float(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
