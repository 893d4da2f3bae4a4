# SPDX-License-Identifier: MIT OR Apache-2.0
"""Command line and settings file."""
import argparse
import re
import tomllib
from pathlib import Path

from ...convert.files import Failure, existing
from . import checks
from .learning import BALANCE, Schedule

HERE = Path(__file__).parent


def parse():
    parser = argparse.ArgumentParser(prog="models.train.own", description="Trains a model on your own sounds.", epilog="See models/train/README.md.")
    parser.add_argument("sounds", type=Path, help="folder with a subfolder per label, or a .csv with the columns file and label (and group)")
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder for model, table and pictures")
    parser.add_argument("--start", choices=checks.MODES, help="scratch: random weights; default: from the default model; yamnet: a layer on "
                        "YAMNet's embedding [default: that of the settings, else scratch]")
    parser.add_argument("--settings", type=Path, help="settings file (own.toml and recipes/ are examples)")
    parser.add_argument("--name", help="name of the model [default: that of the folder]")
    parser.add_argument("--licence", default="NOASSERTION", help="SPDX expression of the model; the licence of the recordings may apply to it")
    parser.add_argument("--yamnet", type=Path, help="yamnet.onnx, for --start yamnet")
    parser.add_argument("--default-model", type=Path, default=HERE.parents[1] / "default.toml", help="manifest of the model for --start default")
    parser.add_argument("--program", type=Path, help="the program soundclassify [default: the newest in target/, or built]")
    parser.add_argument("--cache", type=Path, help="folder that keeps features for the next run")
    parser.add_argument("--mixed-rates", action="store_true", help="accept recordings of different sample rates")
    parser.add_argument("--root", type=Path, help="base folder of the files of a .csv [default: the folder of the table]")
    parser.add_argument("--epochs", type=int, help="replaces the value of the settings")
    parser.add_argument("--balance", choices=BALANCE, help="replaces the value of the settings")
    parser.add_argument("--seed", type=int, help="replaces the value of the settings")
    parser.add_argument("--threads", type=int, help="threads of PyTorch [default: PyTorch chooses]")
    chosen = parser.parse_args()
    chosen.settings = chosen.settings or HERE.parent / "own.toml"
    chosen.tables = settings(chosen.settings)
    chosen.start = chosen.start or chosen.tables["training"].pop("start", "scratch")
    chosen.name = chosen.name or re.sub(r"[^a-z0-9]+", "-", chosen.sounds.stem.lower()).strip("-")
    if not re.fullmatch(r"[a-z0-9-]+", chosen.name):
        raise Failure(f"--name: expected lower-case letters, digits and hyphens, found {chosen.name!r}")
    for name in ("epochs", "balance", "seed"):
        if getattr(chosen, name) is not None:
            checks.one(f"--{name}", checks.TABLES["training"][name], getattr(chosen, name))
            chosen.tables["training"][name] = getattr(chosen, name)
    if chosen.threads is not None:
        checks.one("--threads", checks.THREADS, chosen.threads)
    if chosen.root:
        chosen.tables["data"]["root"] = str(chosen.root)
    return chosen


def settings(path):
    path = existing(path, "settings")
    try:
        tables = tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Failure(f"{path}: no TOML: {error}") from error
    checks.tables(path, tables)
    return {table: dict(tables.get(table, {})) for table in checks.TABLES}


def schedule(tables):
    return Schedule(**{name: value for name, value in tables["training"].items() if name in Schedule.__dataclass_fields__})
