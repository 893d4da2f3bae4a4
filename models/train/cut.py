# SPDX-License-Identifier: MIT OR Apache-2.0
"""Cuts long recordings into pieces, for labels that have only one recording: `python -m models.train.cut FOLDER -o OUT`.

FOLDER has a sub-folder per label. OUT gets the pieces and table.csv (file, label, group, part): the last fifth of each
recording is for judging, a second between the parts is left out. Pieces of one recording resemble each other, so numbers
from such a split show how well this recording is known, not how well another machine or room would be.
"""
import argparse
import csv
import sys
from pathlib import Path

import soundfile

from models.convert.files import Failure, staged

SHARE, GAP = 0.2, 1.0  # part for judging; seconds left out before it


def main():
    parser = argparse.ArgumentParser(prog="models.train.cut", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=4.0, help="length of a piece [default: 4]")
    chosen = parser.parse_args()
    try:
        if chosen.out.exists():
            raise Failure(f"{chosen.out}: is there already")
        if not 0 < chosen.seconds < float("inf"):
            raise Failure(f"--seconds: expected a number above 0, found {chosen.seconds}")
        files = sorted(path for path in chosen.folder.glob("*/*") if path.is_file() and not path.name.startswith("."))
        if not files:
            raise Failure(f"{chosen.folder}: expected a sub-folder per label with recordings, found none")
        with staged(chosen.out, "table.csv") as folder, open(folder / "table.csv", "w", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(["file", "label", "group", "part"])
            for path in files:
                rows.writerows(pieces(path, folder, chosen.seconds))
    except Failure as failure:
        sys.exit(f"models.train.cut: {failure}")
    print(f"wrote {chosen.out}/table.csv")


def pieces(path, folder, seconds):
    """Writes the pieces of a recording beside the table and gives their rows."""
    try:
        f"{path}".encode()
        audio, rate = soundfile.read(path, dtype="int16")
    except UnicodeEncodeError as error:
        raise Failure(f"{path}: a name that is not UTF-8 can't stand in a table; rename it") from error
    except soundfile.LibsndfileError as error:
        raise Failure(f"{path}: {error}") from error
    size, last = int(seconds * rate), int((1 - SHARE) * len(audio))
    if not size:
        raise Failure(f"{path}: --seconds: expected at least one sample of {rate} a second, found {seconds} s")
    learned = [(begin, "learn") for begin in range(0, last - int(GAP * rate) - size + 1, size)]
    judged = [(begin, "judge") for begin in range(last, len(audio) - size + 1, size)]
    if not learned or not judged:
        raise Failure(f"{path}: {len(audio) / rate:.1f} s are too short for pieces of {seconds} s in both parts; choose smaller --seconds")
    label = path.parent.name
    (folder / label).mkdir(exist_ok=True)
    for number, (begin, part) in enumerate(learned + judged):
        name = f"{label}/{path.name}-{number:03}.wav"  # with its suffix: another file may differ in that alone
        soundfile.write(folder / name, audio[begin:begin + size], rate)
        yield [name, label, f"{label}/{path.name}-{part}", part]


if __name__ == "__main__":
    main()
