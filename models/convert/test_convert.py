# SPDX-License-Identifier: MIT OR Apache-2.0
"""Tests of the converters: `$(models/convert/venv.sh) -m unittest models.convert.test_convert`, from the repository's root.

Those that need ../shared/models or PyTorch say why they are skipped when it is absent.
"""
import hashlib
import importlib.util
import json
import subprocess
import sys
import tempfile
import tomllib
import unittest
from pathlib import Path

from models.convert import checks, known_scores, manifest, program, settings
from models.convert.files import Failure

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared" / "models"
LASER = SHARED / "laser-machine-listener" / "cnn-alexbased-laser-machine-listener.pb"
YAMNET = SHARED / "yamnet"
with_shared = unittest.skipUnless(SHARED.is_dir(), f"{SHARED} is absent: the real networks are not part of this project")

OLD_STYLE = """
import os, sys
os.environ["TF_USE_LEGACY_KERAS"] = "1"
import numpy as np, tensorflow as tf
v1 = tf.compat.v1
v1.disable_v2_behavior()
import tf_keras
from tf_keras.src import backend
sys.path.insert(0, sys.argv[1])
from models.convert import keras_file
phase = backend.learning_phase()
model = keras_file.mobilenetv2((64, 64, 1), 5) if sys.argv[2] == "mobilenetv2" else keras_file.alexnet((64, 64, 1), 5, (3, 2), (1, 1, 1))
session = backend.get_session()
for layer in model.layers:
    if isinstance(layer, tf_keras.layers.BatchNormalization):
        values = [np.random.default_rng(1).uniform(0.5, 1.5, w.shape) for w in layer.get_weights()]
        layer.set_weights(values)
tf.identity(model.output, name="output0")
frozen = v1.graph_util.convert_variables_to_constants(session, session.graph.as_graph_def(), ["output0"])
open(sys.argv[3], "wb").write(frozen.SerializeToString())
print(sum(node.op == "Merge" for node in frozen.node), sum("learning_phase" in node.name for node in frozen.node))
"""

SMALL = """
import os, sys
os.environ["KERAS_BACKEND"] = "tensorflow"
import numpy as np, tensorflow as tf, keras
from keras import layers
network = keras.Sequential([
    layers.Input((96, 64)), layers.Reshape((96, 64, 1)), layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False), layers.BatchNormalization(),
    layers.ReLU(max_value=6), layers.SeparableConv2D(16, 3, strides=2, activation="relu"), layers.GlobalAveragePooling2D(),
    layers.Dropout(0.3), layers.Dense(4, activation="softmax")])
if sys.argv[1].endswith("h5") or sys.argv[1].endswith("keras"):
    network.save(sys.argv[1])
elif sys.argv[1].endswith("tflite"):
    convert = tf.lite.TFLiteConverter.from_keras_model(network)
    convert.optimizations = [tf.lite.Optimize.DEFAULT]
    convert.representative_dataset = lambda: ([np.random.default_rng(i).normal(-2, 2.6, (1, 96, 64)).astype("f4")] for i in range(30))
    open(sys.argv[1], "wb").write(convert.convert())
else:
    network.export(sys.argv[1], verbose=False)
"""


def run(*arguments, program="models.convert"):
    return subprocess.run([sys.executable, "-m", program, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True)


class Converting(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.out = self.folder / "out"

    def converts(self, *arguments):
        done = run(*arguments, "-o", self.out)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("largest difference", done.stdout)
        manifest = tomllib.loads(next(self.out.glob("*.toml")).read_text())
        onnx = self.out / manifest["onnx"]
        self.assertEqual(manifest["sha256"], hashlib.sha256(onnx.read_bytes()).hexdigest())
        self.assertFalse(list(self.out.glob(".unfinished*")))
        return manifest

    def fails(self, text, *arguments):
        done = run(*arguments, "-o", self.out)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn(text, done.stderr)
        self.assertNotIn("Traceback", done.stderr)
        self.assertFalse(self.out.exists(), "something was written")
        self.assertFalse(list(self.folder.glob(".unfinished*")), "something was left")

    def settings(self, classes=5, **changed):
        path = self.folder / "config.json"
        values = {"sample_rate": 16000, "duration": 1, "n_fft": 1280, "hop_length": 253, "n_mels": 64, "fmin": 20, "fmax": 8000,
                  "oversamples": 10, "ensembles": 10, "labels": [f"label {i}" for i in range(classes)]}
        path.write_text(json.dumps(values | changed))
        return path

    def file(self, name, content):
        path = self.folder / name
        path.write_bytes(content)
        return path

    @with_shared
    def test_laser_machine_listener(self):
        manifest = self.converts(LASER, "--settings", LASER.parent / "config.json", "--name", "laser")
        self.assertEqual(manifest["features"], {"preset": "fsdkaggle2018-small"})
        self.assertEqual(manifest["input"] | {"name": ""}, {"name": "", "layout": "mels-frames", "channel-axis": "last", "normalize": "minmax"})
        self.assertEqual(manifest["defaults"], {"oversamples": 10, "ensembles": 10})
        self.assertEqual((self.out / "laser.labels.txt").read_text().split()[0], "background")
        again = self.converts(LASER, "--settings", LASER.parent / "config.json", "--name", "laser")
        self.assertEqual(again["sha256"], manifest["sha256"], "another file each time")

    @with_shared
    def test_yamnet(self):
        manifest = self.converts(YAMNET / "yamnet_spectra_in.tflite", "--preset", "yamnet", "--labels", YAMNET / "yamnet_class_map.csv",
                                 "--column", "display_name")
        self.assertEqual(manifest["input"]["layout"], "frames-mels")
        self.assertEqual(manifest["output"]["activation"], "none")

    def old_graph(self, architecture):
        path = self.folder / f"{architecture}.pb"
        done = subprocess.run([sys.executable, "-c", OLD_STYLE, ROOT, architecture, path], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        merges, phases = map(int, done.stdout.split())
        self.assertGreater(merges, 0, "no branches to fold away")
        self.assertGreater(phases, 0, "no learning phase to fold away")
        return path

    def test_mobilenetv2_graph_with_learning_phase(self):
        manifest = self.converts(self.old_graph("mobilenetv2"), "--settings", self.settings())
        self.assertEqual(manifest["output"]["activation"], "none")

    def test_alexnet_graph_with_learning_phase(self):
        self.converts(self.old_graph("alexnet"), "--settings", self.settings())

    def keras(self, architecture, whole):
        code = ("import sys; sys.path.insert(0, sys.argv[1]); from models.convert import keras_file as k\n"
                "m = k.mobilenetv2((64, 64, 1), 5) if sys.argv[2] == 'mobilenetv2' else k.alexnet((64, 64, 1), 5, (3, 2), (1, 1, 1))\n"
                "m.save(sys.argv[3], save_format='h5') if sys.argv[4] == 'True' else m.save_weights(sys.argv[3])")
        path = self.folder / f"{architecture}-{whole}.h5"
        done = subprocess.run([sys.executable, "-c", code, ROOT, architecture, path, str(whole)], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return path

    def test_keras_whole_model(self):
        self.converts(self.keras("alexnet", True), "--settings", self.settings())

    def test_keras_weights_alone(self):
        self.converts(self.keras("mobilenetv2", False), "--settings", self.settings())

    def test_keras_weights_of_other_shape(self):
        self.fails("don't fit", self.keras("alexnet", False), "--settings", self.settings(classes=6))

    def small(self, name):
        """A network of four classes, written by TensorFlow and Keras 3, and the options to convert it."""
        path = self.folder / name
        done = subprocess.run([sys.executable, "-c", SMALL, path], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return path, "--preset", "yamnet", "--labels", self.file("labels.txt", b"a\nb\nc\nd\n")

    def test_files_of_keras_3(self):
        for name in ("small.keras", "small.h5"):
            manifest = self.converts(*self.small(name), "--name", "small")
            self.assertEqual(manifest["input"]["layout"], "frames-mels")

    def test_a_quantised_tflite_file(self):
        self.converts(*self.small("small.tflite"))

    def test_a_saved_model(self):
        path, *options = self.small("saved")
        self.converts(path, *options)
        self.out = self.folder / "other"
        self.fails("no output none; the signature serving_default has output_0", path, *options, "--output", "none")
        (path / "saved_model.pb").write_bytes(b"broken")
        self.fails("TensorFlow can't load it", path, *options)
        (path / "saved_model.pb").unlink()
        self.fails("SavedModel not found", path, *options)

    def test_a_constant_that_a_node_takes_twice_is_kept_once(self):
        import onnx
        # A fresh batch normalisation has two vectors of ones and two of zeros, which tf2onnx unites.
        self.converts(self.keras("alexnet", True), "--settings", self.settings())
        names = [constant.name for constant in onnx.load(next(self.out.glob("*.onnx"))).graph.initializer]
        self.assertEqual(len(names), len(set(names)))

    def test_original_config_py(self):
        config = self.file("config.py", b"""
from easydict import EasyDict
conf = EasyDict()
conf.sampling_rate = 16000
conf.duration = 1
conf.hop_length = 253 # to make time steps 64
conf.fmin = 20
conf.fmax = conf.sampling_rate // 2
conf.n_mels = 64
conf.n_fft = conf.n_mels * 20
conf.labels = ['a', 'b', 'c', 'd', 'e']
conf.rt_process_count = 2
conf.rt_oversamples = 5
conf.pred_ensembles = 3
open('/nonexistent/never/run')
""")
        manifest = self.converts(self.keras("alexnet", True), "--settings", config)
        self.assertEqual(manifest["features"], {"preset": "fsdkaggle2018-small"})
        self.assertEqual(manifest["defaults"], {"oversamples": 5, "process-count": 2, "ensembles": 3})

    def test_unusual_features_are_written_out(self):
        manifest = self.converts(self.keras("alexnet", True), "--settings", self.settings(fmin=50))
        self.assertEqual(manifest["features"]["fmin"], 50)
        self.assertEqual(manifest["features"]["mel-scale"], "slaney")

    @unittest.skipUnless(importlib.util.find_spec("torch"), "PyTorch is not installed here")
    def test_pytorch_example(self):
        self.assertEqual(run(self.folder, program="models.convert.pytorch_example").returncode, 0)
        self.converts(self.folder / "example.pt", "--preset", "yamnet", "--shape", "1,96,64", "--labels", self.folder / "example.labels.txt")

    @unittest.skipUnless(importlib.util.find_spec("torch"), "PyTorch is not installed here")
    def test_a_check_has_the_scores_of_the_source(self):
        built = program.find(None, build=False)
        if built is None:
            self.skipTest("the program soundclassify is not built")
        self.assertEqual(run(self.folder, program="models.convert.pytorch_example").returncode, 0)
        manifest = self.converts(self.folder / "example.pt", "--preset", "yamnet", "--shape", "1,96,64", "--labels", self.folder / "example.labels.txt",
                                 "--program", built)
        self.assertEqual(manifest["check"], {"audio": "check.wav", "scores": "example.check.npy", "tolerance": 1e-3})
        verify = [built, "inspect", "--verify", self.out / "example.toml"]
        done = subprocess.run(verify, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        scores = self.out / "example.check.npy"
        scores.write_bytes(scores.read_bytes()[:-4] + b"\0\0\0\0")
        done = subprocess.run(verify, capture_output=True, text=True)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn("Background: expected 0,", done.stdout)

    def test_the_recording_is_that_of_the_built_in_models(self):
        known_scores.recording(self.folder / "check.wav")
        self.assertEqual((self.folder / "check.wav").read_bytes(), (ROOT / "models" / "check.wav").read_bytes())

    def test_wrong_files(self):
        settings = ("--settings", self.settings())
        self.fails("not found", self.folder / "none.pb", *settings)
        self.fails("is empty", self.file("empty.pb", b""), *settings)
        self.fails("no frozen TensorFlow graph", self.file("text.pb", b"this is no graph"), *settings)
        self.fails("no HDF5 file", self.file("text.h5", b"this is no model"), *settings)
        self.fails("no .keras file", self.file("text.keras", b"this is no model"), *settings)
        self.fails("no TensorFlow Lite file", self.file("text.tflite", b"this is no model"), *settings)
        self.fails("expected a SavedModel's folder, .pb", self.file("network.zip", b"zip"), *settings)
        self.fails("no JSON", self.file("some.pb", b"x"), "--settings", self.file("broken.json", b"{"))
        short = self.file("short.json", b'{"sample_rate": 16000, "duration": 1, "n_fft": 512}')
        self.fails("hop_length is missing", self.file("some.pb", b"x"), "--settings", short)
        self.fails("which features", self.file("some.pb", b"x"))

    @with_shared
    def test_labels_and_shapes_that_do_not_fit(self):
        self.fails("expected 6 labels, one per class, found 5", LASER, "--settings", self.settings())
        labels = self.file("labels.txt", b"a\nb\nc\nd\ne\nf\n")
        self.fails("the features are 64 mels", LASER, "--preset", "yamnet", "--labels", labels)
        self.fails("twice: a", LASER, "--preset", "fsdkaggle2018-small", "--labels", self.file("twice.txt", b"a\na\n"))
        self.fails("which column", LASER, "--preset", "yamnet", "--labels", YAMNET / "yamnet_class_map.csv")

    @with_shared
    def test_half_a_tflite_file(self):
        whole = (YAMNET / "yamnet_spectra_in.tflite").read_bytes()
        for share in (3, 2):
            half = self.file("half.tflite", whole[:len(whole) // share])
            self.fails("half.tflite: ", half, "--preset", "yamnet", "--labels", YAMNET / "yamnet_class_map.csv", "--column", "display_name")

    @with_shared
    def test_windows_to_check_on(self):
        import numpy as np
        archive, text = self.folder / "a.npz", self.file("empty.npy", b"")
        np.savez(archive, a=np.zeros((1, 64, 64)))
        settings = ("--settings", LASER.parent / "config.json")
        self.fails(f"{archive}: expected one array", LASER, *settings, "--check", archive)
        self.fails(f"{text}: no .npy array", LASER, *settings, "--check", text)
        self.fails("--tolerance: expected", LASER, *settings, "--tolerance", "nan")

    @with_shared
    def test_minmax_unless_the_settings_say_otherwise(self):
        labels = "".join(f"'{label}', " for label in json.loads((LASER.parent / "config.json").read_text())["labels"])
        features = "[features]\npreset = 'fsdkaggle2018-small'\n"
        settings = self.file("own.toml", f"{features}[labels]\nnames = [{labels}]\n".encode())
        self.assertEqual(self.converts(LASER, "--settings", settings)["input"]["normalize"], "minmax")
        wrong = self.file("wrong.toml", f"{features}[input]\nchannel-axis = 'none'\n[labels]\nnames = [{labels}]\n".encode())
        self.out = self.folder / "other"
        self.fails(f"{wrong}: [input] channel-axis: expected last", LASER, "--settings", wrong)

    def test_hdf5_files_that_lie(self):
        import h5py
        for name, layers, text in (("lies.h5", ["absent"], "lies.h5: its layer_names"), ("bare.h5", [], "bare.h5: holds neither")):
            with h5py.File(self.folder / name, "w") as file:
                file.attrs["layer_names"] = layers
            self.fails(text, self.folder / name, "--settings", self.settings(), "--architecture", "alexnet")

    def test_a_library_that_is_not_installed(self):
        absent = {"network.pt": ("torch", "models/train/requirements.txt"), "network.pb": ("tensorflow", "models/convert/requirements.txt")}
        for name, (module, file) in absent.items():
            if importlib.util.find_spec(module) is None:
                self.fails(f"needs the Python module {module}", self.file(name, b"x"), "--preset", "yamnet", "--shape", "1,96,64")
                self.fails(file, self.folder / name, "--preset", "yamnet")

    @unittest.skipUnless(importlib.util.find_spec("torch"), "PyTorch is not installed here")
    def test_torchscript_that_gives_a_tuple(self):
        import torch

        class Two(torch.nn.Module):
            def forward(self, x: torch.Tensor):
                return x, x

        torch.jit.script(Two()).save(str(self.folder / "two.pt"))
        self.fails("two.pt: expected one tensor (windows, classes) of scores, found tuple", self.folder / "two.pt", "--preset", "yamnet",
                   "--shape", "1,96,64", "--labels", self.file("labels.txt", b"a\nb\n"))

    @with_shared
    def test_a_difference_leaves_nothing(self):
        self.fails("differs from the source", LASER, "--settings", LASER.parent / "config.json", "--tolerance", "0")


class SettingsFiles(unittest.TestCase):
    """What settings may say, without any network."""

    FEATURES = "[features]\npreset = 'fsdkaggle2018-small'\n"
    BAD = {  # TOML to what the error says
        "[defaults]\nfoo = 1": "[defaults]: unknown: foo", "[defaults]\noversamples = 0": "[defaults] oversamples: expected a whole number",
        "[defaults]\nevent-on = 0.3\nevent-off = 0.4": "[defaults] event-off", "[output]\nactivation = 'foo'": "[output] activation: expected one of",
        "[input]\nnormalize = 'foo'": "[input] normalize: expected one of", "[input]\nnormalise = 'none'": "[input]: unknown: normalise",
        '[labels]\nnames = ["a", "b\\u000b"]': "[labels] names", "[labels]\nnames = 3": "[labels] names", "[labels]\nfile = 'none.txt'": "none.txt: labels not found",
        "[labels]\nfile = 'l.txt'\nnames = ['a']": "expected one of file", "[labels]\ncsv = 'l.csv'\ncolumn = 'x'": "[labels] column takes one of n, name",
        "[labels]": "expected one of file",
    }
    BAD_FEATURES = {
        "features = 3": "expected a table", "[features]\nfoo = 1": "[features]: unknown: foo", "[features]\npreset = 'yamnet'\nwindow = 0": "[features] window",
        "[features]\nn-mels = 64\nframes = 96": "sample-rate is missing", "[features]\npreset = 'yamnet'\ntop-db = 80": "[features] top-db",
        "[features]\npreset = 'yamnet'\nlog = 'log10'": "offset is missing", "[features]\npreset = 'yamnet'\nfmax = 9000": "half the sample rate",
        "[features]\npreset = 'yamnet'\nwin-length = 513": "at most n-fft",
    }
    CONFIG = {"sample_rate": 16000, "duration": 1, "n_fft": 1280, "hop_length": 253, "n_mels": 64, "fmin": 20, "fmax": 8000}
    BAD_CONFIG = {
        "oversamples": (0, "[defaults] oversamples"), "hop_length": (0, "hop_length: expected"), "input": (3, "input: expected text"),
        "normalize": (["a"], "normalize: expected one of"), "labels": (["a\x07"], "label 1: expected"), "fmax": (9000, "half the sample rate"),
    }

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        (self.folder / "l.txt").write_bytes("Bark\r\nRain \n\n".encode())
        (self.folder / "l.csv").write_text('n,name\n1,"Bark, loud"\n2,Rain\n')

    def read(self, name, text):
        (self.folder / name).write_text(text)
        return settings.read(self.folder / name)

    def refuses(self, text, name, content):
        with self.subTest(content), self.assertRaises(Failure) as caught:
            self.read(name, content)
        self.assertIn(text, str(caught.exception))

    def test_what_a_manifest_could_not_hold(self):
        for text, expected in self.BAD.items():
            self.refuses(expected, "own.toml", f"{self.FEATURES}{text}\n")
        for text, expected in self.BAD_FEATURES.items():
            self.refuses(expected, "own.toml", f"{text}\n")
        for key, (value, expected) in self.BAD_CONFIG.items():
            self.refuses(expected, "config.json", json.dumps(self.CONFIG | {key: value}))

    def test_labels_as_a_manifest_has_them(self):
        for table, labels in (("names = ['a', 'b']", ["a", "b"]), ("file = 'l.txt'", ["Bark", "Rain"]), ("csv = 'l.csv'\ncolumn = 'name'", ["Bark, loud", "Rain"])):
            self.assertEqual(self.read("own.toml", f"{self.FEATURES}[labels]\n{table}\n").labels, labels)

    def test_thresholds_are_of_known_labels(self):
        checks.defaults("own.toml", {"thresholds": {"a": 0.5}}, ["a"])
        with self.assertRaisesRegex(Failure, "own.toml: .defaults. thresholds: expected labels of the model, found 'b'"):
            checks.defaults("own.toml", {"thresholds": {"b": 0.5}}, ["a"])

    def test_manifests_that_come_along_are_right(self):
        for path in sorted((ROOT / "models").glob("*.toml")):
            tables = tomllib.loads(path.read_text())
            checks.features(path, tables["features"], settings.PRESETS)
            checks.table(path, "input", tables["input"], checks.INPUT)
            checks.defaults(path, tables.get("defaults", {}), None)

    def test_every_number_is_a_toml_value(self):
        found = tomllib.loads(manifest.text({"defaults": {"silence-threshold": float("-inf"), "threshold": 0.5}}, ""))
        self.assertEqual(found["defaults"], {"silence-threshold": float("-inf"), "threshold": 0.5})


class Fetching(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def fetch(self, *arguments):
        return run(*arguments, "-o", self.folder / "out", program="models.convert.fetch")

    @with_shared
    def test_files_in_any_order(self):
        done = self.fetch("yamnet", "--from", YAMNET / "yamnet_class_map.csv", YAMNET / "yamnet_spectra_in.tflite")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual({path.name for path in (self.folder / "out").iterdir()}, {"yamnet_class_map.csv", "yamnet_spectra_in.tflite"})

    @with_shared
    def test_one_file_twice(self):
        done = self.fetch("yamnet", "--from", YAMNET / "yamnet_class_map.csv", YAMNET / "yamnet_class_map.csv")
        self.assertEqual(done.returncode, 1)
        self.assertIn("yamnet_spectra_in.tflite: SHA-256: expected", done.stderr)
        self.assertFalse((self.folder / "out").exists())

    def test_a_file_in_place_of_the_folder(self):
        (self.folder / "out").write_text("a file")
        done = self.fetch("fsd41", "--from", self.folder / "out")
        self.assertEqual(done.returncode, 1)
        self.assertIn("expected a folder for the results, found a file", done.stderr)

    def test_another_file_is_refused(self):
        other = self.folder / "other.pb"
        other.write_bytes(b"other")
        done = self.fetch("fsd41", "--from", other)
        self.assertEqual(done.returncode, 1)
        self.assertIn("2678878748a45435c57e753878041345a6507daa", done.stderr)
        self.assertFalse((self.folder / "out").exists())
        self.assertEqual(self.fetch("fsd41", "--from", other, "--accept-hash").returncode, 0)

    @with_shared
    def test_git_hash_is_computed_as_git_does(self):
        from models.convert.fetch import Part
        self.assertIsNone(Part("x/y", git_sha1="c504b75f478750de4c8122ff540d881a43653b3a").problem(LASER.read_bytes()))


if __name__ == "__main__":
    unittest.main()
