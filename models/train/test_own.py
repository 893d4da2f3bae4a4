# SPDX-License-Identifier: MIT OR Apache-2.0
"""Tests of training on your own sounds that need no training: `python -m unittest models.train.test_own` from the root.

A stand-in for the program `soundclassify` makes windows from the sounds' bytes; smoke.sh uses the real one.
"""
import os
import subprocess
import sys
import tempfile
import textwrap
import unittest
from pathlib import Path

import numpy as np
import soundfile

from models.convert.files import Failure
from models.train.own import data, learning

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
    import csv, sys
    import numpy as np
    out, listed = sys.argv[sys.argv.index("-o") + 1], sys.argv[-1][1:]
    files = open(listed).read().split()
    bad = [file for file in files if b"broken" in open(file, "rb").read(64)]
    for file in bad:
        print(f"soundclassify: {file}: can't be decoded", file=sys.stderr)
    with open(out[:-3] + "csv", "w") as table:
        rows = csv.writer(table)
        rows.writerow(["file", "first", "count"])
        good = [file for file in files if file not in bad]
        rows.writerows([file, 2 * i, 2] for i, file in enumerate(good))
    level = [float("loud" in file) for file in good for _ in range(2)]
    np.save(out, np.array(level, np.float32)[:, None, None] * 3 + np.random.default_rng(0).normal(-4, 1, (len(level), 96, 64)).astype(np.float32))
    sys.exit(1 if bad else 0)
"""


class Folders(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.sounds, self.out = self.folder / "sounds", self.folder / "out"
        self.program = self.folder / "soundclassify"
        self.program.write_text(f"#!{sys.executable}\n" + textwrap.dedent(PROGRAM))
        self.program.chmod(0o755)

    def sound(self, name, rate=16000, seconds=1.0):
        path = self.sounds / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.zeros(int(rate * seconds), np.float32), rate)
        return path

    def two_labels(self, count=3):
        for label in ("loud", "quiet"):
            for number in range(count):
                self.sound(f"{label}/{number}.wav")

    def train(self, *arguments):
        return subprocess.run([sys.executable, "-m", "models.train.own", self.sounds, "-o", self.out, "--program", self.program, "--threads", "1",
                               *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, env=os.environ | {"CUDA_VISIBLE_DEVICES": ""})

    def fails(self, *texts, arguments=()):
        done = self.train(*arguments)
        self.assertEqual(done.returncode, 1, done.stdout)
        for text in texts:
            self.assertIn(str(text), done.stderr)
        self.assertNotIn("Traceback", done.stderr)
        self.assertFalse(self.out.exists(), "something was written")
        self.assertFalse(list(self.folder.glob(".unfinished*")), "something was left")

    def test_errors_name_the_file(self):
        with self.subTest("no folder"):
            self.fails(self.sounds, "not found")
        with self.subTest("one recording"):
            self.two_labels()
            only = self.sound("rare/only.wav")
            self.fails(only, "label rare has this one recording")
            self.sound("rare/second.wav")
        with self.subTest("empty file"):
            empty = self.sounds / "rare" / "empty.wav"
            empty.touch()
            self.fails(empty, "empty file")
            empty.unlink()
        with self.subTest("no samples"):
            none = self.sound("rare/none.wav", seconds=0)
            self.fails(none, "holds no samples")
            none.unlink()
        with self.subTest("mixed rates"):
            other = self.sound("rare/other.wav", rate=8000)
            self.fails(other, "8000 Hz, most files have 16000 Hz", "--mixed-rates")
            other.unlink()
        with self.subTest("unreadable"):
            broken = self.sounds / "rare" / "broken.ogg"
            broken.write_bytes(b"broken")
            self.fails(broken, "can't be decoded")
            broken.unlink()
        with self.subTest("a label without sounds"):
            (self.sounds / "bare").mkdir()
            self.fails(self.sounds / "bare", "without a sound")
            (self.sounds / "bare").rmdir()
        with self.subTest("a stray file"):
            stray = self.sound("stray.wav")
            self.fails(stray, "of which label")
            stray.unlink()
        with self.subTest("unknown setting"):
            settings = self.folder / "own.toml"
            settings.write_text("[training]\nepoch = 3\n")
            self.fails(settings, "epoch", arguments=("--settings", settings))
        with self.subTest("yamnet without YAMNet"):
            self.fails("--yamnet", arguments=("--start", "yamnet"))

    def test_it_learns_and_writes_everything(self):
        self.two_labels(5)
        done = self.train("--epochs", "3", "--name", "levels")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual({path.name for path in self.out.iterdir()}, {
            "levels.onnx", "levels.labels.txt", "levels.toml", "levels-classes.md", "levels-confusion.png", "levels-curves.png", "levels-results.json"})


class Tables(Folders):
    def table(self, text):
        path = self.folder / "table.csv"
        path.write_text(text)
        return path

    def test_rows_say_file_label_and_group(self):
        for name in ("fold1/a.wav", "fold1/b.wav", "fold2/c.wav", "fold2/d.wav"):
            self.sound(name)
        table = self.table("name,fold,class,id\na.wav,1,x,7\nb.wav,1,y,8\nc.wav,2,x,9\nd.wav,2,y,10\n")
        settings = {"root": self.sounds, "file": "fold{fold}/{name}", "label": "{class}", "group": "{id}", "judged": {"fold": ["2"]}}
        recordings = data.read(table, settings)
        self.assertEqual([(r.label, r.group, r.judged) for r in recordings], [("x", "7", False), ("y", "8", False), ("x", "9", True), ("y", "10", True)])
        self.assertEqual(data.split(recordings, 0.2, 1).tolist(), [False, False, True, True])

    def test_errors_name_line_and_column(self):
        self.sound("a.wav")
        with self.assertRaisesRegex(Failure, "line 3.*b.wav not found"):
            data.read(self.table("file,label\nsounds/a.wav,x\nsounds/b.wav,y\n"), {})
        with self.assertRaisesRegex(Failure, "no column 'label'; it has file, kind"):
            data.read(self.table("file,kind\nsounds/a.wav,x\n"), {})


class Splitting(unittest.TestCase):
    def test_no_group_is_on_both_sides(self):
        recordings = [data.Recording(Path(f"{label}{i}"), label, f"{label}{i // 3}") for label in "abc" for i in range(18)]
        kept = data.split(recordings, 0.3, 5)
        self.assertFalse({r.group for r, k in zip(recordings, kept) if k} & {r.group for r, k in zip(recordings, kept) if not k})
        for label in "abc":
            self.assertEqual(sum(k for r, k in zip(recordings, kept) if r.label == label), 6)


class Balancing(unittest.TestCase):
    truth = np.array([0] * 90 + [1] * 10)

    def shares(self, balance):
        rows = learning.epoch_rows(np.random.default_rng(0), self.truth, balance)
        return np.bincount(self.truth[rows]).tolist()

    def test_balance(self):
        self.assertEqual(self.shares("none"), [90, 10])
        self.assertEqual(self.shares("over"), [90, 90])
        self.assertEqual(self.shares("under"), [10, 10])
        self.assertTrue(all(30 < share < 70 for share in self.shares("batches")))


if __name__ == "__main__":
    unittest.main()
