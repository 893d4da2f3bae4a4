# SPDX-License-Identifier: MIT OR Apache-2.0
"""Text of a manifest."""
import datetime
import hashlib
import json
import math
import re
from pathlib import Path


def sha256(path):
    """Hash of a file, or of a folder: of `sha256sum`'s lines for all files in it, sorted by their paths within it."""
    path = Path(path)
    if path.is_dir():
        files = sorted(file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file())
        content = "".join(f"{sha256(path / file)}  {file}\n" for file in files).encode()
    else:
        content = path.read_bytes()
    return hashlib.sha256(content).hexdigest()


def value(item):
    """A TOML value. JSON's strings are TOML's, but for DEL; its numbers, too, but for nan and inf."""
    if isinstance(item, dict):
        return "{ " + ", ".join(f"{key(name)} = {value(v)}" for name, v in item.items()) + " }"
    if isinstance(item, (list, tuple)):
        return "[" + ", ".join(map(value, item)) + "]"
    if isinstance(item, float) and not math.isfinite(item):
        return str(item)
    if isinstance(item, (datetime.date, datetime.time)):
        return item.isoformat()
    return json.dumps(item, ensure_ascii=False).replace("\x7f", "\\u007f")


def key(name):
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else value(name)


def text(tables, comment):
    """`tables`: name of a table, or None for what stands before the first, to its values; empty tables are left out."""
    lines = [f"# {line}" for line in comment.splitlines()]
    for table, values in tables.items():
        if table and values:
            lines += ["", f"[{table}]"]
        lines += [f"{key(name)} = {value(item)}" for name, item in values.items()]
    return "\n".join(lines) + "\n"
