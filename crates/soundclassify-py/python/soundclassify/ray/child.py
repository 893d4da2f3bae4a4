# SPDX-License-Identifier: MIT OR Apache-2.0
"""A process of its own for each worker: a decoder that crashes or hangs takes one recording with it, and no more."""

from __future__ import annotations

import contextlib
import os
import pickle
import select
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from soundclassify.ray.rows import Outcome, Rows, failure

# Seconds between two signs of life.
PROGRESS_INTERVAL = 0.5


class Child:
    """Classifies recordings in a process that is started again when it died."""

    def __init__(self, options: Mapping[str, Any], *, events: bool, settings: str, timeout: float) -> None:
        self._setup = (dict(options), events, settings)
        self._timeout = timeout
        self._process: subprocess.Popen[bytes] | None = None

    def of(self, file: str) -> tuple[pa.Table, Outcome]:
        """As `Rows.of`; a crash, and audio that stays away for the time-out, are reasons, too."""
        process = self._running()
        answers: Any = process.stdout
        try:
            _send(process.stdin, file)
            while True:
                if not select.select([answers], [], [], self._timeout)[0]:
                    self.close()
                    return self._failure(file, f"no audio for {self._timeout:g} s; given up (--timeout)")
                kind, content = pickle.load(answers)
                if kind == "done":
                    table, outcome = content
                    return table, outcome
                if kind == "error":
                    raise RuntimeError(content)
        except (EOFError, BrokenPipeError, pickle.UnpicklingError):
            status = process.wait()
            self._process = None
            return self._failure(file, f"its process ended with status {status}; the decoder may have crashed")

    def close(self) -> None:
        """Ends the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _failure(self, file: str, reason: str) -> tuple[pa.Table, Outcome]:
        _, events, settings = self._setup
        return failure(file, reason, events=events, settings=settings)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            command = [sys.executable, "-m", "soundclassify.ray.child"]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            _send(self._process.stdin, self._setup)
            answers: Any = self._process.stdout
            kind, content = pickle.load(answers)
            if kind == "error":
                self.close()
                raise RuntimeError(content)
        return self._process


def _send(stream: Any, content: Any) -> None:
    stream.write(pickle.dumps(content))
    stream.flush()


def main() -> None:
    """Works off the names on standard input until it closes, as it does when the worker dies."""
    # What libraries print must not get among the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    options, events, settings = pickle.load(sys.stdin.buffer)
    try:
        rows = Rows(options, events=events, settings=settings)
    except Exception as error:
        return _send(answers, ("error", f"{type(error).__name__}: {error}"))
    _send(answers, ("ready", None))
    with contextlib.suppress(EOFError, KeyboardInterrupt):
        while True:
            _answer(pickle.load(sys.stdin.buffer), rows, answers)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


def _answer(file: str, rows: Rows, answers: Any) -> None:
    last = time.monotonic()

    def on_progress(seconds: float) -> None:
        nonlocal last
        if time.monotonic() - last > PROGRESS_INTERVAL:
            last = time.monotonic()
            _send(answers, ("progress", seconds))

    try:
        _send(answers, ("done", rows.of(file, on_progress)))
    except Exception as error:
        _send(answers, ("error", f"{file}: {type(error).__name__}: {error}"))


if __name__ == "__main__":
    main()
