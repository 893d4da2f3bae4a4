# SPDX-License-Identifier: MIT OR Apache-2.0
"""What archives cost in Python, on Ray and in Parquet: archive.py PROGRAM STREAM_BENCH [PART …]; see archive.sh.

Ratios are of processor time (user and system, of a program and all that it starts), in pairs that alternate; medians.
"""

import ctypes
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import wave

import numpy
import soundclassify

ROUNDS = 7
RAY_ROUNDS = 3
RATE = 16000
# Of each recording, s.
SECONDS = 60
# Recordings of a scan, and of the short run on Ray, whose difference leaves out the start of Ray.
MANY, FEW = 80, 6
# Of the stream that is pushed, minutes.
STREAM_MINUTES = 10
# Linux: processes whose parents ended become children of this one, and count.
PR_SET_CHILD_SUBREAPER = 36


def archive(folder, count):
    """Recordings of noise and a tone that comes and goes, all different names of one file."""
    at = numpy.arange(RATE * SECONDS) / RATE
    tone = 0.25 * numpy.sin(2 * numpy.pi * 440 * at) * numpy.sin(2 * numpy.pi * 0.7 * at)
    noise = numpy.random.default_rng(1).uniform(-0.06, 0.06, len(at))
    folder.mkdir()
    with wave.open(str(folder / "0.wav"), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(((tone + noise) * 32767).astype("<i2").tobytes())
    for number in range(1, count):
        os.link(folder / "0.wav", folder / f"{number}.wav")
    return folder


def processor_time(command):
    """Seconds of user and system time until the program and all that it started have ended, and seconds of wall time."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wall = time.monotonic() - start
    try:
        while os.waitpid(-1, 0):
            pass
    except ChildProcessError:
        pass
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def pairs(own, other, rounds=ROUNDS):
    """Medians of both and of their ratio; the first one alternates."""
    measured = []
    for number in range(rounds):
        if number % 2:
            second = other()
            measured.append((own(), second))
        else:
            measured.append((own(), other()))
    ratios = [one / two for one, two in measured]
    print(f"  ratios {min(ratios):.3f} to {max(ratios):.3f}", file=sys.stderr)
    return (*(statistics.median(side) for side in zip(*measured)), statistics.median(ratios))


def row(what, against, ratio, goal):
    print(f"| {what} | {against} | {ratio:.2f} | {goal} |", flush=True)


class Programs:
    def __init__(self, scan, folder):
        self.scan_program, self.folder, self.runs = scan, folder, 0

    def output(self, suffix=""):
        self.runs += 1
        return str(self.folder / f"out-{self.runs}{suffix}")

    def scan(self, source, *more, suffix=".parquet", jobs=1):
        return processor_time([self.scan_program, "scan", "--quiet", "-j", str(jobs), str(source), "-o", self.output(suffix), *more])

    def ray(self, source, workers=1):
        command = [sys.executable, "-m", "soundclassify.ray.cli", str(source), self.output(), "--workers", str(workers), "--unit", "5"]
        return processor_time(command)


def parquet(programs, _many, few, _bench):
    """The table against the JSON objects with the same content."""
    for content in ("--events", "--windows"):
        one, two, ratio = pairs(lambda: programs.scan(few, content)[0], lambda: programs.scan(few, content, suffix=".jsonl")[0])
        row(f"`scan {content} -o out.parquet` ({one:.1f} s)", f"`-o out.jsonl` ({two:.1f} s)", ratio, "≤ 1.0")


def python(programs, many, _few, bench):
    """A stream in blocks of a second, against the core and against `file`."""
    with wave.open(str(many / "0.wav")) as file:
        block = numpy.frombuffer(file.readframes(RATE * SECONDS), "<i2")
    samples = numpy.tile(block.astype(numpy.float32) / 32768, STREAM_MINUTES)
    raw, sound = programs.folder / "stream.f32", programs.folder / "stream.wav"
    samples.tofile(raw)
    with wave.open(str(sound), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(numpy.tile(block, STREAM_MINUTES).tobytes())

    def push():
        classifier = soundclassify.Classifier()
        start = time.process_time()
        for at in range(0, len(samples), RATE):
            classifier.push(samples[at:at + RATE], RATE)
        classifier.finish()
        return time.process_time() - start

    def core():
        return float(subprocess.check_output([bench, str(raw), str(RATE)]).split()[0])

    one, two, ratio = pairs(push, core)
    row(f"`Classifier.push`, {STREAM_MINUTES} min of {RATE // 1000} kHz in blocks of 1 s ({one:.1f} s)", f"the core alone ({two:.1f} s)", ratio, "≤ 1.1")
    one, two, ratio = pairs(push, lambda: processor_time([programs.scan_program, "file", str(sound)])[0], RAY_ROUNDS)
    row(f"the same ({one:.1f} s)", f"`soundclassify file` ({two:.1f} s)", ratio, "")


def beyond(run, few, many):
    """Processor and wall time of the work without the start: the difference of a long and a short run; and the processor time of the start."""
    short, long = run(few), run(many)
    return tuple(a - b for a, b in zip(long, short)), short[0] - (long[0] - short[0]) * FEW / (MANY - FEW)


def ray(programs, many, few, _bench, counts=(1, 2)):
    """Workers against `scan` with as many jobs."""
    for count in counts:
        runs = [lambda source: programs.ray(source, count), lambda source: programs.scan(source, jobs=count)]
        measured, starts = [], []
        for number in range(RAY_ROUNDS):
            order = (0, 1) if number % 2 else (1, 0)
            found = {which: beyond(runs[which], few, many) for which in order}
            measured.append([found[which][0] for which in (0, 1)])
            starts.append(found[0][1])
            print(f"  ray and scan, processor and wall time, s: {measured[-1]}", file=sys.stderr)
        minutes = (MANY - FEW) * SECONDS // 60
        for index, what in enumerate(("processor time", "throughput")):
            ratio = statistics.median(scan[index] / on_ray[index] for on_ray, scan in measured)
            row(f"`soundclassify-ray --workers {count}`, {minutes} min of audio, {what}", f"`scan -j {count}`, the same files", ratio, "≥ 0.85")
        print(f"start and end, processor time: {max(starts):.1f} s at most (Ray)", flush=True)


def growth(programs, many, few, _bench):
    """The same archive with 1, 2 and 4 workers: processor time, which should not rise, and on Ray also throughput, which ends at the number of cores."""
    counts = (1, 2, 4)
    cores = f"{os.cpu_count()} cores"
    rounds = [[programs.scan(many, jobs=count)[0] for count in counts] for _ in range(RAY_ROUNDS)]
    for position, count in enumerate(counts[1:], 1):
        ratio = statistics.median(times[position] / times[0] for times in rounds)
        row(f"processor time of `scan -j {count}`, {cores}", "`scan -j 1`, the same files", ratio, "1")
    rounds = [[beyond(lambda source: programs.ray(source, count), few, many)[0] for count in counts] for _ in range(RAY_ROUNDS)]
    for position, count in enumerate(counts[1:], 1):
        for index, what in enumerate(("processor time", "wall time")):
            ratio = statistics.median(times[position][index] / times[0][index] for times in rounds)
            row(f"{what} of `soundclassify-ray --workers {count}`, {cores}", "`--workers 1`, the same files", ratio, "")


PARTS = {part.__name__: part for part in (python, parquet, ray, growth)}


def main():
    program, bench, *parts = sys.argv[1:]
    if unknown := set(parts) - set(PARTS):
        sys.exit(f"expected {', '.join(PARTS)}, found {', '.join(unknown)}")
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    print("| what | against, in the same run | ratio | goal |\n|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        many, few = archive(folder / "many", MANY), archive(folder / "few", FEW)
        programs = Programs(program, folder)
        for name in parts or PARTS:
            PARTS[name](programs, many, few, bench)


if __name__ == "__main__":
    main()
