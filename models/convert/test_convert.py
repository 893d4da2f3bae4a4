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

    def test_wrong_files(self):
        settings = ("--settings", self.settings())
        self.fails("not found", self.folder / "none.pb", *settings)
        self.fails("is empty", self.file("empty.pb", b""), *settings)
        self.fails("no frozen TensorFlow graph", self.file("text.pb", b"this is no graph"), *settings)
        self.fails("no HDF5 file", self.file("text.h5", b"this is no model"), *settings)
        self.fails("no TensorFlow Lite file", self.file("text.tflite", b"this is no model"), *settings)
        self.fails("expected .pb", self.file("network.zip", b"zip"), *settings)
        self.fails("no JSON", self.file("some.pb", b"x"), "--settings", self.file("broken.json", b"{"))
        self.fails("hop_length is missing", self.file("some.pb", b"x"), "--settings", self.file("short.json", b'{"sample_rate": 1, "duration": 1, "n_fft": 2}'))
        self.fails("which features", self.file("some.pb", b"x"))

    @with_shared
    def test_labels_and_shapes_that_do_not_fit(self):
        self.fails("has 6 classes, the labels are 5", LASER, "--settings", self.settings())
        labels = self.file("labels.txt", b"a\nb\nc\nd\ne\nf\n")
        self.fails("the features are 64 mels", LASER, "--preset", "yamnet", "--labels", labels)
        self.fails("twice: a", LASER, "--preset", "fsdkaggle2018-small", "--labels", self.file("twice.txt", b"a\na\n"))
        self.fails("which column", LASER, "--preset", "yamnet", "--labels", YAMNET / "yamnet_class_map.csv")

    @with_shared
    def test_a_difference_leaves_nothing(self):
        self.fails("differs from the source", LASER, "--settings", LASER.parent / "config.json", "--tolerance", "0")


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
