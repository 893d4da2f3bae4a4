# SPDX-License-Identifier: MIT OR Apache-2.0
"""The recording and the scores of a manifest's [check], which `soundclassify inspect --verify` and `doctor` compare.

    python3 -m models.convert.known_scores [--program FILE]

writes the scores of the built-in models anew, with models/*.toml and the networks beside them: needed whenever one of them changed. It
takes Python's own library alone.
"""
import argparse
import math
import random
import sys
import tempfile
import wave
from array import array
from pathlib import Path

from . import program
from .files import Failure

BUILT_IN = ("default", "audioset", "small")  # "sure" has the scores of "default"
RECORDING, RATE, SECONDS = "check.wav", 32000, 1.25


def table(name):
    """Values of [check] of the model of that name."""
    return {"audio": RECORDING, "scores": f"{name}.check.npy"}


def recording(path, window=0.0):
    """Writes the recording: a rising tone with noise and clicks, the same each time; as long as a few windows of a second, or of `window` seconds."""
    seconds = max(SECONDS, window + 0.25)
    chance, phase, samples = random.Random(1), 0.0, array("h")
    for number in range(int(RATE * seconds)):
        time = number / RATE
        phase += 2 * math.pi * 150 * 80 ** (time / seconds) / RATE
        value = 0.3 * math.sin(phase) + 0.05 * chance.uniform(-1, 1) + (0.5 if number % 8000 < 16 else 0)
        samples.append(round(32767 * value * min(1, 20 * abs(math.sin(math.pi * time / 0.7)))))
    if sys.byteorder == "big":
        samples.byteswap()
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())


def features(run, manifest, audio, out, *what):
    """Has the program write the windows of a recording, or with `what` their scores, as .npy."""
    done = program.called(run, "features", "--model", manifest, *what, "-o", out, audio)
    if done.returncode:
        raise Failure(f"{manifest}: the program failed on {audio}: {(done.stderr or done.stdout).strip()}")


def built_in(run, folder, names=BUILT_IN):
    """The recording, and the scores of those of these built-in models that are in this folder."""
    recording(folder / RECORDING)
    for name in filter(lambda name: (folder / f"{name}.toml").exists(), names):
        with tempfile.TemporaryDirectory(prefix="soundclassify-scores-") as temporary:
            made = Path(temporary) / "scores.npy"
            features(run, folder / f"{name}.toml", folder / RECORDING, made, "--scores")
            (folder / table(name)["scores"]).write_bytes(made.read_bytes())
        print(f"wrote {folder / table(name)['scores']}")


def main():
    parser = argparse.ArgumentParser(prog="models.convert.known_scores", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", help="the program soundclassify [default: the newest built, or it is built]")
    try:
        built_in(program.find(parser.parse_args().program), Path(__file__).resolve().parents[1])
    except Failure as failure:
        sys.exit(f"models.convert.known_scores: {failure}")


if __name__ == "__main__":
    main()
