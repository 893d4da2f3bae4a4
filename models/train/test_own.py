# SPDX-License-Identifier: MIT OR Apache-2.0
"""Tests of training on your own sounds that need no training: `python -m unittest models.train.test_own` from the root.

A stand-in for the program `soundclassify` makes windows from the sounds' bytes; smoke.sh uses the real one.
"""
import csv
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
import unittest
from pathlib import Path
from unittest import mock

import numpy as np
import soundfile

from models.convert.files import Failure
from models.train import rust_features
from models.train.own import checks, data, learning, options, starting

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
    import csv, os, sys
    import numpy as np
    out, sounds, model = sys.argv[sys.argv.index("-o") + 1], sys.argv[-1], sys.argv[sys.argv.index("--model") + 1]
    for number, line in enumerate(open(model), 1):
        if line.startswith("foo = "):
            sys.exit(f"soundclassify: {model}: defaults.foo (line {number}): found an unknown key")
    files = open(sounds[1:], errors="surrogateescape").read().splitlines() if sounds[0] == "@" else [sounds]
    bad = [file for file in files if b"broken" in open(file, "rb").read(64)]
    for file in bad:
        print(f"soundclassify: {file}: can't be decoded", file=sys.stderr)
    with open(out[:-3] + "csv", "w") as table:
        rows = csv.writer(table)
        rows.writerow(["file", "first", "count"])
        good = [file for file in files if file not in bad]
        rows.writerows(["file://" + file.encode("ascii", "ignore").decode(), 2 * i, 2] for i, file in enumerate(good))
    level = [float("loud" in file) for file in good for _ in range(2)]
    np.save(out, np.array(level, np.float32)[:, None, None] * 3 + np.random.default_rng(0).normal(-4, 1, (len(level), 96, 64)).astype(np.float32))
    if len(files) == 1:  # no list then
        os.remove(out[:-3] + "csv")
    sys.exit(1 if bad else 0)
"""


class Folders(unittest.TestCase):
    """A folder for sounds, and the stand-in for the program."""

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
        soundfile.write(os.fsencode(path), np.zeros(int(rate * seconds), np.float32), rate, format=path.suffix[1:])
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


class Training(Folders):
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
            self.fails(broken, "sample rate can't be found", "gst-discoverer-1.0")
            self.fails(broken, "can't be decoded", arguments=("--mixed-rates",))
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

    def test_a_manifest_that_is_refused_stops_before_learning(self):
        self.two_labels()
        settings = self.folder / "own.toml"
        settings.write_text("[defaults]\nfoo = 1\n")
        self.fails(f"{settings}: soundclassify would refuse the model: defaults.foo: found an unknown key", arguments=("--settings", settings))

    def test_a_network_of_nan_is_no_success(self):
        self.two_labels()
        settings = self.folder / "own.toml"
        settings.write_text("[training]\nrate = 1e30\n")
        self.fails("the loss is no finite number", "smaller [training] rate", arguments=("--settings", settings, "--epochs", "2"))

    def test_it_learns_and_writes_everything(self):
        self.two_labels(4)
        self.sound(os.fsdecode(b"loud/no Unicode \xff.wav"))
        done = self.train("--epochs", "3", "--name", "levels")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual({path.name for path in self.out.iterdir()}, {
            "check.wav", "levels.check.npy", "levels.onnx", "levels.labels.txt", "levels.toml", "levels-classes.md", "levels-confusion.png", "levels-curves.png", "levels-results.json"})


class Names(Folders):
    def refuses(self, text, settings=None):
        with self.assertRaisesRegex(Failure, text):
            data.read(self.sounds, settings or {})

    def test_labels_that_a_file_of_labels_cannot_hold(self):
        for name, text in ((" loud", "no blanks"), ("lo\vud", "no control"), ("lo\x85ud", "no control"), (os.fsdecode(b"\xff"), "expected Unicode")):
            with self.subTest(name):
                self.two_labels()
                for number in range(2):
                    self.sound(f"{name}/{number}.wav")
                self.refuses(text)
                shutil.rmtree(self.sounds)

    def test_links_that_lead_nowhere_and_line_breaks(self):
        self.two_labels()
        (self.sounds / "loud" / "link.wav").symlink_to("nothing.wav")
        self.refuses("link.wav: a link that leads nowhere")
        (self.sounds / "loud" / "link.wav").unlink()
        self.sound("loud/two\nlines.wav")
        self.refuses("two.*lines.wav': a line break")

    def test_a_pattern_that_finds_no_group(self):
        self.two_labels()
        self.refuses("0.wav: group_pattern .* does not match", {"group_pattern": "(x)?"})

    def test_rates_that_cannot_be_told(self):
        self.two_labels()
        other = self.sounds / "loud" / "other.xyz"
        other.write_bytes(b"no sound")
        with self.assertRaisesRegex(Failure, "other.xyz: its sample rate can't be found"):
            data.check_sounds(data.read(self.sounds, {}), False)
        data.check_sounds(data.read(self.sounds, {}), True)


class Settings(Folders):
    BAD = {
        "[data] group_pattern": ('"("', "3"), "[data] share_judged": ('"a"', "5", "-1", "0", "1"), "[data] judged": ('{ fold = "10" }', "3", "{ fold = [] }"),
        "[data] file": ('"{file"', '"{0}"', '"{}"', '"{file.x}"', '"{file:d}"', "3"), "[data] mixed_rates": ("1",),
        "[training] start": ('"foo"', "1"), "[training] batch": ("0", "1", '"a"'), "[training] rate": ('"a"', "0", "nan", "inf", "true"),
        "[training] seed": ("-1", "1.5"), "[training] epochs": ("0", "-1"), "[training] head_epochs": ("0",), "[training] balance": ('"foo"',),
        "[training] oversamples": ("0", "101"), "[training] normalize": ('"foo"',), "[training] smoothing": ("1", "-0.1"),
        "[network] kind": ('"foo"', "3"), "[network] widths": ("[]", '["a"]', "3"), "[network] dropout": ("2",), "[features] kind": ('"waveform"',),
    }

    def refuses(self, text, *expected):
        path = self.folder / "own.toml"
        path.write_text(text)
        with self.assertRaises(Failure) as caught:
            options.settings(path)
        for each in (str(path), *expected):
            self.assertIn(each, str(caught.exception))

    def test_values_out_of_range_are_refused_by_file_and_key(self):
        for key, values in self.BAD.items():
            table, name = key.split()
            for value in values:
                with self.subTest(key, value=value):
                    self.refuses(f"{table}\n{name} = {value}\n", f"{key}: expected")

    def test_tables_and_keys_that_do_not_fit(self):
        self.refuses("data = 3\n", "data: expected a table")
        self.refuses("[network]\nkind = \"mobilenetv2\"\nstem = 3\n", "unknown: stem", "width")
        self.refuses("[network]\nwidths = [3, 4]\ndepths = [1]\n", "[network] depths: expected 2 numbers")
        self.refuses("[training]\nepoch = 3\n", "unknown: epoch")

    def test_every_field_of_the_schedule_is_checked(self):
        self.assertEqual(checks.TABLES["training"].keys(), {"start", "normalize", "oversamples", *learning.Schedule.__dataclass_fields__})

    def test_settings_that_come_along_are_right(self):
        for path in (ROOT / "models/train/own.toml", *(ROOT / "models/train/recipes").glob("*.toml")):
            options.schedule(options.settings(path))

    def test_options_out_of_range(self):
        self.two_labels()
        for option, value in (("--epochs", 0), ("--seed", -1), ("--threads", 0)):
            with self.subTest(option), mock.patch("sys.argv", ["own", str(self.sounds), "-o", str(self.out), option, str(value)]):
                with self.assertRaisesRegex(Failure, f"{option}: expected"):
                    options.parse()

    def test_a_model_to_start_from_without_input(self):
        path = self.folder / "model.toml"
        for text, expected in (('onnx = "a.onnx"\n', "'input' is missing"), ('onnx = "a.onnx"\ninput = 3\n', "as tables"), ("onnx = 3\n", "onnx as text")):
            path.write_text(text)
            with self.assertRaisesRegex(Failure, f"{path}: no manifest: .*{expected}"):
                starting.model_manifest(path)


class Cache(Folders):
    def setUp(self):
        super().setUp()
        self.two_labels()

    def windows(self, cache):
        return rust_features.windows(str(self.program), data.read(self.sounds, {}), {"preset": "yamnet"}, "none", 2, cache)

    def test_half_an_array_is_named_and_a_missing_one_is_made_again(self):
        cache = self.folder / "cache"
        self.assertEqual(self.windows(cache)[1], [2] * 6)
        array = next(cache.glob("*.npy"))
        array.write_bytes(array.read_bytes()[:1000])
        with self.assertRaisesRegex(Failure, f"{array}: features that can't be read.*remove it"):
            self.windows(cache)
        array.unlink()
        self.assertEqual(len(self.windows(cache)[0]), 12)

    def test_a_file_in_place_of_the_folder(self):
        with self.assertRaisesRegex(Failure, f"{self.program}: expected a folder"):
            self.windows(self.program)


class Changing(unittest.TestCase):
    def test_windows_of_one_frame(self):
        windows, target = np.ones((8, 1, 3), np.float32), np.eye(8, dtype=np.float32)
        found, _ = learning.changed(np.random.default_rng(0), windows, target, learning.Schedule(erase=1, mixup=0), None)
        self.assertTrue((found == 1).all())


class Cutting(Folders):
    def cut(self, *arguments):
        return subprocess.run([sys.executable, "-m", "models.train.cut", self.sounds, "-o", self.out, *arguments], cwd=ROOT, capture_output=True, text=True)

    def test_files_that_differ_in_their_suffix_alone(self):
        for name in ("a/x.wav", "a/x.flac", "a-x/y.wav"):
            self.sound(name, seconds=10)
        done = self.cut("--seconds", "1")
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(self.out / "table.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual(len({row["file"] for row in rows}), 3 * (7 + 2))
        self.assertEqual(len({row["group"] for row in rows}), 6)
        data.read(self.out / "table.csv", {"group": "{group}", "judged": {"part": ["judge"]}})

    def test_pieces_without_length(self):
        self.sound("a/x.wav", seconds=10)
        for seconds in ("0", "-1", "nan", "inf", "0.00001"):
            with self.subTest(seconds):
                done = self.cut("--seconds", seconds)
                self.assertEqual(done.returncode, 1)
                self.assertNotIn("Traceback", done.stderr)
                self.assertIn("seconds", done.stderr)
                self.assertFalse(self.out.exists())


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
        with self.assertRaisesRegex(Failure, "table.csv: line 3: no label"):
            data.read(self.table("file,label\nsounds/a.wav,x\nsounds/a.wav\n"), {})
        with self.assertRaisesRegex(Failure, "table.csv: line 4: no group"):
            data.read(self.table("file,label,group\nsounds/a.wav,x,1\n\nsounds/a.wav,y\n"), {})
        with self.assertRaisesRegex(Failure, "table.csv: line 3: expected 2 columns.*found 3"):
            data.read(self.table("file,label\nsounds/a.wav,x\nsounds/a.wav,x,y\n"), {})

    def test_judged_compares_whole_values(self):
        names = ("a", "b", "c", "d")
        for name in names:
            self.sound(f"{name}.wav")
        table = self.table("file,label,fold\n" + "".join(f"sounds/{name}.wav,{label},{fold}\n" for name, label, fold in zip(names, "xyxy", (1, 1, 10, 10))))
        self.assertEqual([r.judged for r in data.read(table, {"judged": {"fold": [10]}})], [False, False, True, True])


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
