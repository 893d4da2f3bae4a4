# SPDX-License-Identifier: MIT OR Apache-2.0
"""What is to be classified: a folder, a pattern, a list, a table with a column of paths, or one recording."""

from __future__ import annotations

import re

import pyarrow.dataset
from pyarrow import fs

from soundclassify.ray import places

# Those of `soundclassify scan`.
EXTENSIONS = frozenset(
    "3gp aac ac3 aif aifc aiff amr ape au avi caf dts eac3 flac flv m4a m4b mka mkv mov mp2 mp3 mp4 mpeg mpg mts oga "
    "ogg ogv opus rf64 snd spx ts tta w64 wav webm wma wmv wv".split()
)
COLUMNS = ("file", "path", "filename", "file_name", "uri", "audio")


class InputError(ValueError):
    """The input names nothing that can be classified."""


def files(text: str, column: str | None = None) -> list[str]:
    """Identities of all recordings, sorted, each once.

    `text`: a path or an address (`s3://`, `gs://`, …) of a folder, a pattern (`*` within a folder, `**` across
    folders), a `.parquet` file or folder with a column of paths, a `.txt` with one path a line, or one recording.
    """
    filesystem, path = places.filesystem(text)
    if re.search(r"[*?\[]", path):
        found = _matching(filesystem, path, text)
    elif path.endswith(".parquet"):
        found = _column(filesystem, path, column)
    elif filesystem.get_file_info(path).type == fs.FileType.Directory:
        found = [name for name in _below(filesystem, path, text) if _has_sound(name)]
    elif filesystem.get_file_info(path).type == fs.FileType.NotFound:
        raise InputError(f"{text}: not found")
    elif path.endswith(".txt"):
        with filesystem.open_input_stream(path) as stream:
            lines = stream.read().decode("utf-8-sig").splitlines()
        found = [line for line in lines if line.strip()]
    else:
        found = [text]
    if not found:
        raise InputError(f"{text}: no recordings there")
    return sorted({places.identity(name) for name in found})


def _below(filesystem: fs.FileSystem, folder: str, text: str) -> list[str]:
    infos = filesystem.get_file_info(fs.FileSelector(folder, recursive=True))
    scheme = f"{text.split('://', 1)[0]}://" if places.is_uri(text) and not text.startswith("file://") else ""
    return [scheme + info.path for info in infos if info.type == fs.FileType.File]


def _matching(filesystem: fs.FileSystem, path: str, text: str) -> list[str]:
    base = re.split(r"[*?\[]", path)[0].rsplit("/", 1)[0] or "/"
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[[^]]*\])", path)
    known = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    pattern = "".join(known.get(part) or (part if part.startswith("[") else re.escape(part)) for part in parts)
    matches = re.compile(pattern).fullmatch
    return [name for name in _below(filesystem, base, text) if matches(name.split("://", 1)[-1])]


def _column(filesystem: fs.FileSystem, path: str, column: str | None) -> list[str]:
    dataset = pyarrow.dataset.dataset(path, filesystem=filesystem, format="parquet")
    names = dataset.schema.names
    chosen = column or next((name for name in COLUMNS if name in names), None)
    if chosen not in names:
        raise InputError(f"{path}: expected a column {column or ' or '.join(COLUMNS)}, found {', '.join(names)}; --column names it")
    return [name for name in dataset.to_table(columns=[chosen])[chosen].to_pylist() if name]


def _has_sound(name: str) -> bool:
    return name.rsplit(".", 1)[-1].lower() in EXTENSIONS
