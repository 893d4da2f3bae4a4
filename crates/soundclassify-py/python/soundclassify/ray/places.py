# SPDX-License-Identifier: MIT OR Apache-2.0
"""Paths and addresses, and the file systems behind them."""

from __future__ import annotations

import hashlib
import os
import re
import uuid
from functools import lru_cache

from pyarrow import fs

# File systems where a file appears when it is whole.
BUCKETS = {"s3", "gcs", "abfs"}


def is_uri(path: str) -> bool:
    """Whether it is `scheme://…`."""
    return re.match(r"^[a-z][a-z0-9+.-]+://", path) is not None


def filesystem(path: str) -> tuple[fs.FileSystem, str]:
    """The file system of a path or address, and the path in it."""
    if not is_uri(path):
        return _local(), os.path.abspath(path)
    scheme, rest = path.split("://", 1)
    if scheme == "file":
        return _local(), fs.FileSystem.from_uri(path)[1]
    return _remote(scheme, rest.split("/", 1)[0]), rest


@lru_cache
def _local() -> fs.FileSystem:
    return fs.LocalFileSystem()


@lru_cache
def _remote(scheme: str, bucket: str) -> fs.FileSystem:
    return fs.FileSystem.from_uri(f"{scheme}://{bucket}/")[0]


def identity(path: str) -> str:
    """One name for a file however it was written: an address as it is, a path absolute and its folder without links."""
    if path.startswith("file://"):
        path = filesystem(path)[1]
    if is_uri(path):
        return path
    folder, name = os.path.split(os.path.abspath(path))
    return os.path.join(os.path.realpath(folder), name)


def stable_hash(text: str) -> str:
    """32 hexadecimal digits, the same on every machine."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:32]


def write_whole(filesystem: fs.FileSystem, path: str, content: bytes) -> None:
    """Makes or replaces a file, which is there whole or not at all."""
    if filesystem.type_name in BUCKETS:
        with filesystem.open_output_stream(path) as stream:
            stream.write(content)
        return
    folder, name = path.rsplit("/", 1)
    filesystem.create_dir(folder, recursive=True)
    part = f"{folder}/.{name}.{uuid.uuid4().hex}"
    try:
        with filesystem.open_output_stream(part) as stream:
            stream.write(content)
        filesystem.move(part, path)
    except BaseException:
        if filesystem.get_file_info(part).type == fs.FileType.File:
            filesystem.delete_file(part)
        raise
