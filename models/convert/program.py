# SPDX-License-Identifier: MIT OR Apache-2.0
"""The companion program `soundclassify`, which computes features and scores as the element does."""
import os
import shutil
import subprocess
from pathlib import Path

from .files import Failure

ROOT = Path(__file__).resolve().parents[2]


def find(given, build=True):
    """Path of the program: the one given, else the newest built, else the installed one, else it is built; None where it is not to be."""
    if given:
        if not os.access(given, os.X_OK) or Path(given).is_dir():
            raise Failure(f"{given}: expected the program soundclassify, found nothing that can be run")
        return str(given)
    target = ROOT / os.environ.get("CARGO_TARGET_DIR", "target")
    built = [path for path in (target / kind / "soundclassify" for kind in ("release", "debug")) if path.is_file()]
    if built:
        return str(max(built, key=lambda path: path.stat().st_mtime))
    if shutil.which("soundclassify"):
        return shutil.which("soundclassify")
    if not build:
        return None
    if not shutil.which("cargo"):
        raise Failure("the program soundclassify is needed for the features: give it with --program, or install cargo to have it built")
    print("building the program soundclassify (once) …", flush=True)
    if subprocess.run(["cargo", "build", "--release", "--package", "soundclassify-cli"], cwd=ROOT).returncode:
        raise Failure("cargo could not build the program soundclassify; see above")
    return str(target / "release" / "soundclassify")
