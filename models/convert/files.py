# SPDX-License-Identifier: MIT OR Apache-2.0
"""Failures with a clear text, and results that appear whole or not at all."""
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path


class Failure(Exception):
    """What went wrong, with the file concerned and what to do."""


def existing(path, what):
    """The path of a plain, non-empty file."""
    path = Path(path)
    if not path.exists():
        raise Failure(f"{path}: {what} not found")
    if not path.is_file():
        raise Failure(f"{path}: expected a file for the {what}, found a folder")
    if path.stat().st_size == 0:
        raise Failure(f"{path}: the {what} is empty")
    return path


@contextmanager
def staged(folder, last):
    """A folder to write into; when the block ends well its files move to `folder`, the one named `last` at the end.

    After a failure nothing of it is left, and what `folder` held before is untouched.
    """
    folder = Path(folder)
    above = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not above.is_dir():
        raise Failure(f"{above}: expected a folder for the results, found a file")
    try:
        temporary = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=above))
    except OSError as error:
        raise Failure(f"{above}: can't write here: {error.strerror}") from error
    try:
        yield temporary
        folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(temporary.iterdir(), key=lambda path: path.name == last):
            os.replace(path, folder / path.name)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
