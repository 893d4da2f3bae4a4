# SPDX-License-Identifier: MIT OR Apache-2.0
"""`soundclassify-ray`: classifies an archive on a Ray cluster into a Parquet dataset."""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import os
import sys
import time
from pathlib import Path
from typing import Any

# Ray reads it when it is imported.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import ray  # noqa: E402
import ray.data  # noqa: E402

import soundclassify  # noqa: E402
from soundclassify.ray import inputs  # noqa: E402
from soundclassify.ray.dataset import MAX_UNIT, Dataset, DatasetError, units  # noqa: E402
from soundclassify.ray.job import Job, run  # noqa: E402
from soundclassify.ray.rows import Outcome  # noqa: E402

OPTIONS: dict[str, tuple[Any, str]] = {
    "model": (str, "built-in model, or path of a manifest or .onnx that all nodes can read [default: default]"),
    "oversamples": (int, "windows per second [default: that of the manifest, else 10]"),
    "ensembles": (int, "windows in the moving geometric mean [default: that of the manifest, else 10]"),
    "threshold": (float, "minimum probability, 0 to 1 [default: that of the manifest, else 0]"),
    "silence-threshold": (float, "windows below this level, dBFS, are not classified"),
    "event-on": (float, "probability at which an event starts [default: that of the manifest, else 0.5]"),
    "event-off": (float, "probability below which an event ends [default: that of the manifest, else 0.35]"),
    "event-min-duration": (float, "minimum duration of an event, s [default: that of the manifest, else 0.2]"),
    "event-hold": (float, "maximum gap within an event, s [default: that of the manifest, else 0.5]"),
}
LISTS = {"allow-labels": "report only these labels", "deny-labels": "report all labels except these"}


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="soundclassify-ray",
        description="Classifies recordings on a Ray cluster. After an interruption, the same command continues.",
        epilog="Exit status: 0 all recordings succeeded, 1 some recordings failed (each has a row with the reason), 2 wrong usage, 130 interrupted.",
    )
    parser.add_argument(
        "input", help="folder, pattern, .txt with one path per line, .parquet with a column of paths, or recording; also s3://…, gs://…"
    )
    parser.add_argument("output", help="folder of the Parquet dataset; also s3://…, gs://…")
    parser.add_argument("--address", help="address of the cluster; auto: the cluster of this machine [default: starts one on this machine]")
    parser.add_argument("--events", action="store_true", help="write one row per event instead of one row per window")
    parser.add_argument("--column", help="column with the paths in a Parquet input")
    parser.add_argument("--workers", type=int, metavar="N", help="maximum number of workers [default: number of CPUs of the cluster]")
    parser.add_argument("--unit", type=int, default=MAX_UNIT, metavar="N", help=f"maximum number of recordings per file of the dataset, which are classified again if a node fails [default: {MAX_UNIT}]")
    parser.add_argument("--retry-failed", action="store_true", help="classify recordings again that failed in an earlier run")
    parser.add_argument("--timeout", type=float, default=60, metavar="SECONDS", help="give up a recording that delivers no audio for this time [default: 60]")
    parser.add_argument("--quiet", action="store_true", help="print no progress and no summary")
    group = parser.add_argument_group("classification")
    for name, (kind, text) in OPTIONS.items():
        group.add_argument(f"--{name}", type=kind, help=text)
    for name, text in LISTS.items():
        group.add_argument(f"--{name}", metavar="LABEL", nargs="+", help=text)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Runs the program and returns its exit status."""
    args = parser().parse_args(arguments)
    options = {name.replace("-", "_"): getattr(args, name.replace("-", "_")) for name in [*OPTIONS, *LISTS]}
    options = {name: value for name, value in options.items() if value is not None}
    try:
        return _scan(args, options)
    except (inputs.InputError, DatasetError, ValueError, OSError, soundclassify.Error) as error:
        print(f"soundclassify-ray: {error}", file=sys.stderr)
        return 2
    except ray.exceptions.RayError as error:
        print(f"soundclassify-ray: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; the same command continues from here", file=sys.stderr, flush=True)
        # Ray would wait for its processes, which end by themselves.
        os._exit(130)


def _scan(args: argparse.Namespace, options: dict[str, Any]) -> int:
    # Finds wrong options before any worker starts.
    classifier = soundclassify.Classifier(**options)
    setup = {"model": classifier.model, "content": _content(options.get("model", "default")), "events": args.events}
    setup |= {name: value for name, value in options.items() if name != "model"}
    del classifier
    settings = hashlib.sha256(json.dumps(setup, sort_keys=True).encode()).hexdigest()[:8]
    files = inputs.files(args.input, args.column)
    dataset = Dataset(args.output)
    parts = dataset.open(setup, len(files) // max(1, args.unit))
    if args.retry_failed:
        dataset.forget_failed()
    done = {outcome.file: outcome for outcome in dataset.done()}
    plan = units((file for file in files if file not in done), parts, max(1, args.unit))
    meter = Meter(len(files), [done[file] for file in files if file in done], quiet=args.quiet)
    if plan:
        _connect(args.address)
        for unit in run(Job(args.output, options, args.events, settings, args.timeout), plan, args.workers):
            meter.take(dataset.outcomes(unit.name()))
    meter.finish(args.output)
    return 1 if meter.failed else 0


def _content(model: str) -> str:
    """The identity of a model: the hash of manifest and network, or the version for a built-in model."""
    if model in soundclassify.models():
        from importlib.metadata import version

        return version("soundclassify")
    paths = sorted(Path(model).parent.glob(f"{Path(model).stem}.*"))
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _connect(address: str | None) -> None:
    if not ray.is_initialized():
        local: dict[str, Any] = {} if address else {"include_dashboard": False}
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **local)
        except Exception as error:  # Ray raises Exception itself when a node does not start.
            raise OSError(f"Ray at {address or 'this machine'} can't be reached or started: {error}") from error
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)


class Meter:
    """How far the work is, on standard error."""

    def __init__(self, total: int, before: list[Outcome], *, quiet: bool) -> None:
        self._total, self._quiet, self._start, self._seconds = total, quiet, time.monotonic(), 0.0
        self._before = self._done = len(before)
        self.failed = sum(outcome.error is not None for outcome in before)
        self._printed = 0.0

    def take(self, outcomes: list[Outcome]) -> None:
        """Adds classified recordings."""
        self._done += len(outcomes)
        self._seconds += sum(outcome.duration for outcome in outcomes)
        for outcome in outcomes:
            if outcome.error is not None:
                self.failed += 1
                self._print(f"soundclassify-ray: {outcome.file}: {outcome.error}")
        if time.monotonic() - self._printed > 1.0:
            self._printed = time.monotonic()
            self._print(f"{self._done}/{self._total} files · {self._speed()} · {self._left()} left")

    def finish(self, output: str) -> None:
        """Prints the summary."""
        minutes, seconds = divmod(int(time.monotonic() - self._start), 60)
        done = self._done - self._before
        self._print(f"{done} files in {minutes} min {seconds} s, {self._speed()}; {self.failed} in the dataset failed; see {output}")

    def _left(self) -> str:
        elapsed = time.monotonic() - self._start
        left = int(elapsed / max(1, self._done - self._before) * (self._total - self._done))
        return f"{left // 3600}:{left // 60 % 60:02}:{left % 60:02}"

    def _speed(self) -> str:
        speed = self._seconds / max(1e-3, time.monotonic() - self._start)
        return f"{self._seconds / 3600:.2f} h of audio, {speed:.0f} times real time"

    def _print(self, text: str) -> None:
        if not self._quiet:
            print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
