#!/usr/bin/python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Compares two builds of the plugin in alternating pairs of processes, on an otherwise idle machine.

    benches/pairs.py NEW OLD [--pairs N] [--model MODEL] [--rate HZ]

NEW and OLD are folders with a libgstsoundclassify.so. MODEL is a built-in model of both, or a manifest. Prints ratios of NEW to
OLD with an interval of 95 % (bootstrap over the pairs): quantiles of the time that the streaming thread takes for a buffer of
10 ms, with `sync=never` and 5 ms of sleep between buffers, so that caches are cold; the processor time of one more window, from
runs with 30 and 10 windows a second; NULL → PLAYING. Needs cc and the development files of GStreamer, and ORT_DYLIB_PATH.
"""

import argparse
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

# Buffers of one process, and how many at its start do not count.
BUFFERS, WARM_UP = 1200, 200
# Buffers of a process that measures windows; with 30 a second, it has so many more windows than with 10.
LONG, MORE_WINDOWS = 3000, 600


def compile_pusher(folder):
    flags = subprocess.check_output(["pkg-config", "--cflags", "--libs", "gstreamer-1.0"], text=True).split()
    program = folder / "pairs"
    source = Path(__file__).with_name("pairs.c")
    subprocess.run(["cc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", program, source, *flags, "-lm"], check=True)
    return program


class Build:
    """One build of the plugin, and what was measured of it."""

    def __init__(self, name, folder, scratch):
        plugins = scratch / name
        plugins.mkdir()
        shutil.copy(Path(folder) / "libgstsoundclassify.so", plugins)
        self.environment = os.environ | {
            "GST_PLUGIN_PATH": str(plugins),
            "GST_PLUGIN_SYSTEM_PATH_1_0": str(scratch / "none"),
            "GST_REGISTRY": str(scratch / f"{name}.registry"),
            "ORT_DISABLE_TELEMETRY": "1",
        }
        self.buffers, self.windows, self.starts = [], [], []

    def run(self, program, args, *words):
        command = [program, args.model, str(args.rate), *map(str, words)]
        printed = subprocess.run(command, env=self.environment, check=True, capture_output=True, text=True).stdout
        start, cpu, *times = map(float, printed.split())
        self.starts.append(start)
        return cpu, times

    def measure_buffers(self, program, args):
        _, times = self.run(program, args, BUFFERS, 5000, "never", 10)
        self.buffers.append(times[WARM_UP:])

    def measure_windows(self, program, args):
        few, many = (self.run(program, args, LONG, 0, "always", windows)[0] for windows in (10, 30))
        self.windows.append((many - few) / MORE_WINDOWS)


def quantile(part):
    def of(runs):
        values = sorted(value for run in runs for value in run)
        return values[int(len(values) * part)]

    return of


def compare(name, new, old, value):
    """Prints both values and their ratio."""
    ratio = lambda pairs: value([new[pair] for pair in pairs]) / value([old[pair] for pair in pairs])
    number = len(new)
    drawn = sorted(ratio([random.randrange(number) for _ in range(number)]) for _ in range(400))
    print(f"{name}: {value(new):.1f} µs, {value(old):.1f} µs before; {ratio(range(number)):.3f} ({drawn[10]:.3f} to {drawn[389]:.3f})")


def alternate(builds, pairs, measure):
    for pair in range(pairs):
        for build in builds if pair % 2 == 0 else reversed(builds):
            measure(build)
        print(f"\r{pair + 1} of {pairs} pairs", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("new")
    parser.add_argument("old")
    parser.add_argument("--pairs", type=int, default=24)
    parser.add_argument("--model", default="small")
    parser.add_argument("--rate", type=int, default=16000)
    args = parser.parse_args()
    random.seed(1)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        program = compile_pusher(scratch)
        builds = new, old = Build("new", args.new, scratch), Build("old", args.old, scratch)
        alternate(builds, args.pairs, lambda build: build.measure_buffers(program, args))
        for part in (0.5, 0.9, 0.99):
            compare(f"buffer, p{part * 100:.0f}", new.buffers, old.buffers, quantile(part))
        alternate(builds, args.pairs, lambda build: build.measure_windows(program, args))
        compare("one more window", new.windows, old.windows, statistics.median)
        compare("NULL → PLAYING", new.starts, old.starts, statistics.median)


main()
