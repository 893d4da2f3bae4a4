# SPDX-License-Identifier: MIT OR Apache-2.0
"""The result: a partitioned Parquet dataset in which the rows of each recording exist once, whatever dies.

A recording belongs to a part by a hash of its name. A worker writes the rows of several recordings of one part as one
file, whose name is a hash of their names and which appears whole or not at all: done twice, it is the same file. Its
footer lists the recordings and what became of them, those without a row included, so that the footers say what is done.
"""

from __future__ import annotations

import io
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from soundclassify.ray import places
from soundclassify.ray.rows import Outcome

# Key of the footer under which the recordings stand.
FILES = b"soundclassify.files"
# What says how the dataset was made; readers of datasets pass over names that begin so.
SETUP = "_soundclassify.json"
# Maximum number of recordings in one file.
MAX_UNIT = 64
# Maximum number of parts of a dataset.
MAX_PARTS = 4096


class DatasetError(ValueError):
    """The output can't be written to, or was made in another way."""


@dataclass
class Unit:
    """Recordings that are done together."""

    part: int
    files: list[str]

    def name(self) -> str:
        """Path of its file below the dataset."""
        return f"part={self.part:05}/{places.stable_hash(chr(0).join(self.files))}.parquet"


class Dataset:
    """One at a path or an address."""

    def __init__(self, path: str) -> None:
        self._filesystem, self._root = places.filesystem(path.rstrip("/"))
        self.path = path

    def open(self, setup: dict[str, Any], parts: int) -> int:
        """Makes the dataset or goes on with it; the number of its parts, which is `parts` if it is new.

        Raises:
            DatasetError: It was made with another setup, or something else is there.
        """
        path = f"{self._root}/{SETUP}"
        if self._filesystem.get_file_info(path).type == fs.FileType.File:
            with self._filesystem.open_input_stream(path) as stream:
                found: dict[str, Any] = json.loads(stream.read())
            if found["setup"] != setup:
                raise DatasetError(
                    f"{self.path}: its rows were made with another model or other options "
                    f"({_difference(found['setup'], setup)}); give the same, or another OUTPUT"
                )
            return int(found["parts"])
        if self._names():
            raise DatasetError(f"{self.path}: is not empty, and has no {SETUP}, which says how it was made; give another OUTPUT")
        parts = max(1, min(MAX_PARTS, parts))
        content = json.dumps({"setup": setup, "parts": parts}, indent=1).encode()
        places.write_whole(self._filesystem, path, content)
        return parts

    def done(self) -> list[Outcome]:
        """What became of all recordings that are done, each once. A recording that two files have, as two drivers at
        the same time may leave it, is taken out of the one whose name comes last.
        """
        names = [name for name in self._names() if name.endswith(".parquet")]
        with ThreadPoolExecutor(16) as pool:
            found = list(pool.map(self.outcomes, names))
        done: dict[str, Outcome] = {}
        for name, outcomes in zip(names, found, strict=True):
            twice = {outcome.file for outcome in outcomes if outcome.file in done}
            if twice:
                self._take_out(name, twice, outcomes)
            done.update((outcome.file, outcome) for outcome in outcomes if outcome.file not in done)
        return list(done.values())

    def forget_failed(self) -> None:
        """Takes out the recordings that failed, so that they are tried again."""
        for name in self._names():
            if name.endswith(".parquet"):
                outcomes = self.outcomes(name)
                failed = {outcome.file for outcome in outcomes if outcome.error is not None}
                if failed:
                    self._take_out(name, failed, outcomes)

    def has(self, unit: Unit) -> bool:
        """Whether its file is there."""
        return bool(self._filesystem.get_file_info(f"{self._root}/{unit.name()}").type == fs.FileType.File)

    def write(self, unit: Unit, tables: Iterable[pa.Table], outcomes: Sequence[Outcome]) -> None:
        """Writes its file."""
        self._write(unit.name(), pa.concat_tables(tables), outcomes)

    def _write(self, name: str, table: pa.Table, outcomes: Sequence[Outcome]) -> None:
        footer = json.dumps([outcome.as_dict() for outcome in outcomes]).encode()
        table = table.replace_schema_metadata({FILES: footer})
        content = io.BytesIO()
        pq.write_table(table, content, compression="zstd")
        places.write_whole(self._filesystem, f"{self._root}/{name}", content.getvalue())

    def _take_out(self, name: str, files: set[str], outcomes: Sequence[Outcome]) -> None:
        path = f"{self._root}/{name}"
        left = [outcome for outcome in outcomes if outcome.file not in files]
        if not left:
            self._filesystem.delete_file(path)
            return
        with self._filesystem.open_input_file(path) as stream:
            table = pq.read_table(stream)
        keep = pa.array([file not in files for file in table["file"].to_pylist()], pa.bool_())
        self._write(name, table.filter(keep), left)

    def outcomes(self, name: str) -> list[Outcome]:
        """What became of the recordings of one file."""
        with self._filesystem.open_input_file(f"{self._root}/{name}") as stream:
            metadata = pq.read_metadata(stream).metadata or {}
        if FILES not in metadata:
            raise DatasetError(f"{self.path}/{name}: is no file of this dataset; move it away or give another OUTPUT")
        return [Outcome(**outcome) for outcome in json.loads(metadata[FILES])]

    def _names(self) -> list[str]:
        selector = fs.FileSelector(self._root, recursive=True, allow_not_found=True)
        infos = [info for info in self._filesystem.get_file_info(selector) if info.type == fs.FileType.File]
        names = sorted(info.path[len(self._root.rstrip("/")) + 1 :] for info in infos)
        return [name for name in names if not name.rsplit("/", 1)[-1].startswith(("_", "."))]


def units(files: Iterable[str], parts: int, max_unit: int = MAX_UNIT) -> list[Unit]:
    """Recordings of one part together, at most `max_unit` in a unit."""
    by_part: dict[int, list[str]] = defaultdict(list)
    for file in sorted(files):
        by_part[int(places.stable_hash(file), 16) % parts].append(file)
    return [
        Unit(part, names[at : at + max_unit])
        for part, names in sorted(by_part.items())
        for at in range(0, len(names), max_unit)
    ]


def _difference(found: dict[str, Any], wanted: dict[str, Any]) -> str:
    names = sorted(name for name in {*found, *wanted} if found.get(name) != wanted.get(name))
    return "; ".join(f"{name}: {found.get(name)!r} there, {wanted.get(name)!r} here" for name in names)
