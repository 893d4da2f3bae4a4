# SPDX-License-Identifier: MIT OR Apache-2.0
"""The companion program `soundclassify`, which computes features and scores as the element does."""
import json
import os
import re
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


def called(run, *arguments):
    """The program's run with these arguments: its status and texts."""
    return subprocess.run([run, *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


def inspect(run, path):
    """The manifest at `path` as the program reads it, or None, and why the program can't use it with its network, or None."""
    done = called(run, "inspect", "--json", path)
    try:
        report = json.loads(done.stdout)
    except json.JSONDecodeError:
        report = {}
    reason = report.get("misfit") or report.get("failure") or (done.stderr.strip() or "no reason given" if done.returncode else None)
    # Neither the folder nor the lines of a manifest that the user does not see.
    return report.get("manifest"), reason and re.sub(r" \(line \d+\)", "", reason.replace(f"{Path(path).parent}{os.sep}", ""))


def verify(run, path):
    """Has the program compare its own scores with those of the manifest's [check]."""
    done = called(run, "inspect", "--verify", path)
    said = (done.stdout + done.stderr).strip().replace(f"{Path(path).parent}{os.sep}", "")
    if done.returncode:
        raise Failure(f"{Path(path).name}: its scores differ from those of the source:\n{said}")
    return next((line.split(None, 1)[1] for line in said.splitlines() if line.startswith("scores")), said)
