# SPDX-License-Identifier: MIT OR Apache-2.0
"""Tests of the converters: `$(models/convert/venv.sh) -m unittest models.convert.test_convert`, from the repository's root.

Those that need ../shared/models, TensorFlow or PyTorch say why they are skipped when it is absent. All of them need the program soundclassify,
which is built if it is not there.
"""
import hashlib
import importlib.util
import json
import re
import subprocess
import sys
import tempfile
import tomllib
import unittest
from pathlib import Path

from models.convert import known_scores, manifest, program, settings
from models.convert.files import Failure

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared" / "models"
LASER = SHARED / "laser-machine-listener" / "cnn-alexbased-laser-machine-listener.pb"
YAMNET = SHARED / "yamnet"
with_torch = unittest.skipUnless(importlib.util.find_spec("torch"), "PyTorch is not installed here")
with_tensorflow = unittest.skipUnless(importlib.util.find_spec("tensorflow"), "TensorFlow is not installed here")
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


# A network that takes samples and makes its spectrum itself, as BirdNET and Perch do.
WAVEFORM = """
import os, sys
os.environ["KERAS_BACKEND"] = "tensorflow"
import tensorflow as tf, keras
from keras import layers

class Spectrum(layers.Layer):
    def call(self, x):
        frames = tf.stack([x[:, start:start + 512] for start in range(0, 15_489, 2048)], 1) * tf.signal.hann_window(512)
        return tf.math.log(tf.abs(tf.signal.rfft(frames, [512])) + 1.0)

is_tflite = sys.argv[1].endswith("tflite")
source = layers.Input((16_000,), batch_size=1 if is_tflite else None)
network = keras.Sequential([source, Spectrum(), layers.Conv1D(8, 3, activation="relu"), layers.GlobalAveragePooling1D(), layers.Dense(4)])
network.export(sys.argv[1] + "-saved" if is_tflite else sys.argv[1], verbose=False)
if is_tflite:
    open(sys.argv[1], "wb").write(tf.lite.TFLiteConverter.from_saved_model(sys.argv[1] + "-saved").convert())
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
    @with_tensorflow
    def test_laser_machine_listener(self):
        manifest = self.converts(LASER, "--settings", LASER.parent / "config.json", "--name", "laser")
        self.assertEqual(manifest["features"], {"preset": "fsdkaggle2018-small"})
        self.assertEqual(manifest["input"] | {"name": ""}, {"name": "", "layout": "mels-frames", "channel-axis": "last", "normalize": "minmax"})
        self.assertEqual(manifest["defaults"], {"oversamples": 10, "ensembles": 10})
        self.assertEqual((self.out / "laser.labels.txt").read_text().split()[0], "background")
        again = self.converts(LASER, "--settings", LASER.parent / "config.json", "--name", "laser")
        self.assertEqual(again["sha256"], manifest["sha256"], "another file each time")

    @with_shared
    @with_tensorflow
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

    @with_tensorflow
    def test_mobilenetv2_graph_with_learning_phase(self):
        manifest = self.converts(self.old_graph("mobilenetv2"), "--settings", self.settings())
        self.assertEqual(manifest["output"]["activation"], "none")

    @with_tensorflow
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

    @with_tensorflow
    def test_keras_whole_model(self):
        self.converts(self.keras("alexnet", True), "--settings", self.settings())

    @with_tensorflow
    def test_keras_weights_alone(self):
        self.converts(self.keras("mobilenetv2", False), "--settings", self.settings())

    @with_tensorflow
    def test_keras_weights_of_other_shape(self):
        self.fails("don't fit", self.keras("alexnet", False), "--settings", self.settings(classes=6))

    def small(self, name):
        """A network of four classes, written by TensorFlow and Keras 3, and the options to convert it."""
        path = self.folder / name
        done = subprocess.run([sys.executable, "-c", SMALL, path], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return path, "--preset", "yamnet", "--labels", self.file("labels.txt", b"a\nb\nc\nd\n")

    @with_tensorflow
    def test_files_of_keras_3(self):
        for name in ("small.keras", "small.h5"):
            manifest = self.converts(*self.small(name), "--name", "small")
            self.assertEqual(manifest["input"]["layout"], "frames-mels")

    @with_tensorflow
    def test_a_quantised_tflite_file(self):
        self.converts(*self.small("small.tflite"))

    @with_tensorflow
    def test_a_saved_model(self):
        path, *options = self.small("saved")
        self.converts(path, *options)
        self.out = self.folder / "other"
        self.fails("no output none; the signature serving_default has output_0", path, *options, "--output", "none")
        (path / "saved_model.pb").write_bytes(b"broken")
        self.fails("TensorFlow can't load it", path, *options)
        (path / "saved_model.pb").unlink()
        self.fails("SavedModel not found", path, *options)

    @with_tensorflow
    def test_a_constant_that_a_node_takes_twice_is_kept_once(self):
        import onnx
        # A fresh batch normalisation has two vectors of ones and two of zeros, which tf2onnx unites.
        self.converts(self.keras("alexnet", True), "--settings", self.settings())
        names = [constant.name for constant in onnx.load(next(self.out.glob("*.onnx"))).graph.initializer]
        self.assertEqual(len(names), len(set(names)))

    @with_tensorflow
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

    @with_tensorflow
    def test_unusual_features_are_written_out(self):
        manifest = self.converts(self.keras("alexnet", True), "--settings", self.settings(fmin=50))
        self.assertEqual(manifest["features"]["fmin"], 50)
        self.assertEqual(manifest["features"]["mel-scale"], "slaney")

    @with_tensorflow
    def test_networks_that_take_samples(self):
        labels = self.file("labels.txt", b"a\nb\nc\nd\n")
        own = self.file("own.toml", b"[features]\nkind = 'waveform'\nsample-rate = 16000\nwindow = 1.0\n[input]\nnormalize = 'none'\n")
        for name in ("wave.tflite", "wave"):
            path = self.folder / name
            done = subprocess.run([sys.executable, "-c", WAVEFORM, path], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            manifest = self.converts(path, "--settings", own, "--labels", labels, "--activation", "sigmoid")
            self.assertEqual(manifest["input"] | {"name": ""}, {"name": "", "layout": "samples", "channel-axis": "none", "normalize": "none"})
            self.assertEqual(manifest["output"]["activation"], "sigmoid")

    # By preset: the shape of a window, and `[input]` of the manifest.
    PRESETS = {
        "ast": ((1024, 128), "frames-mels", "none", "none"), "beats": ((998, 128), "frames-mels", "none", "none"),
        "birdnet": ((144_000,), "samples", "none", "none"), "ced": ((64, 1001), "mels-frames", "none", "none"),
        "efficientat": ((1, 128, 100), "mels-frames", "first", "none"), "fsdkaggle2018": ((128, 128, 1), "mels-frames", "last", "minmax"),
        "fsdkaggle2018-small": ((64, 64), "mels-frames", "none", "minmax"), "openl3": ((256, 199, 1), "mels-frames", "last", "max"),
        "panns": ((1, 1001, 64), "frames-mels", "first", "none"), "panns-16k": ((1, 1001, 64), "frames-mels", "first", "none"),
        "passt": ((1, 128, 998), "mels-frames", "first", "none"), "perch": ((160_000,), "samples", "none", "peak"),
        "vggish": ((1, 96, 64), "frames-mels", "first", "none"), "yamnet": ((64, 96), "mels-frames", "none", "none"),
        "zipformer": ((1000, 80), "frames-mels", "none", "none"),
    }

    def torchscript(self, shape):
        """A network of three classes, saved as TorchScript, and the options to convert it."""
        import torch

        class Network(torch.nn.Module):
            def __init__(self):
                super().__init__()
                # Samples in steps, so that the layer stays small.
                self.last = shape[-1] if len(shape) > 1 and shape[-1] < 2000 else 1000
                self.classes = torch.nn.Linear(2 * self.last, 3)

            def forward(self, x):
                x = x.reshape(x.shape[0], -1, self.last)
                return torch.softmax(self.classes(torch.cat([x.mean(1), x.abs().amax(1)], -1)) * 0.1, -1)

        torch.manual_seed(0)
        path = self.folder / "network.pt"
        torch.jit.trace(Network().eval(), torch.zeros(2, *shape)).save(str(path))
        return path, "--shape", ",".join(map(str, shape)), "--labels", self.file("labels.txt", b"a\nb\nc\n")

    @with_torch
    def test_every_preset(self):
        self.assertEqual(self.PRESETS.keys(), settings.PRESETS.keys())
        for preset, (shape, layout, axis, normalize) in self.PRESETS.items():
            with self.subTest(preset):
                manifest = self.converts(*self.torchscript(shape), "--preset", preset, "--name", preset)
                found = manifest["input"]
                self.assertEqual((found["layout"], found["channel-axis"], found["normalize"]), (layout, axis, normalize))
                self.assertEqual(manifest["features"], {"preset": preset})
                done = program.called(program.find(None), "inspect", "--verify", self.out / f"{preset}.toml")
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                self.out = self.folder / f"after-{preset}"

    # Tables of settings, and the shape of a window.
    OWN = {
        "fbank": ((98, 40), """
            [features]\nkind = "fbank"\nsample-rate = 16000\nwindow = 1.0\nn-mels = 40\nframes = 98\nwindow-function = "hamming"\nsnip-edges = true
            normalize-mean = -4.2677393\nnormalize-std = 9.1379948\n[input]\nnormalize = "none" """),
        "mfcc": ((1, 13, 98), """
            [features]\nkind = "mfcc"\npreset = "yamnet"\nwindow = 1.0\nframes = 98\nn-mfcc = 13\nlifter = 22\n[input]\nnormalize = "standard" """),
        "waveform": ((1, 16_000), """
            [features]\nkind = "waveform"\nsample-rate = 16000\nwindow = 1.0\nwaveform-scale = 32768\n[input]\nnormalize = "none" """),
        "pre-emphasis": ((1, 128, 100), """
            [features]\nsample-rate = 32000\nwindow = 1.0\nn-fft = 1024\nhop-length = 320\nn-mels = 128\nframes = 100\nlog = "ln"\noffset = 1e-5
            preemphasis = 0.97\nmel-scale = "kaldi"\nmel-norm = "none"\nwindow-function = "hann-symmetric"\npad-mode = "constant"
            [input]\nnormalize = "max" """),
        "further tables": ((1, 96, 64), """
            [features]\npreset = "yamnet"\n[labels]\nnames = ["x", "y", "z"]\n[labels.groups]\nends = ["x", "z"]
            [rules.x]\non = 0.6\noff = 0.4\n[defaults]\nthresholds = { x = 0.5 } """),
    }

    def own(self, text):
        return self.file("own.toml", "\n".join(map(str.strip, text.strip().splitlines())).encode())

    @with_torch
    def test_every_key_of_a_manifest(self):
        for name, (shape, text) in self.OWN.items():
            with self.subTest(name):
                network, *options = self.torchscript(shape)
                options = options[:2] if "[labels]" in text else options
                own = self.own(text)
                manifest = self.converts(network, *options, "--settings", own)
                given = tomllib.loads(own.read_text())
                self.assertEqual(manifest["features"], given["features"])
                self.assertEqual(manifest.get("rules"), given.get("rules"))
                self.assertEqual(manifest["labels"].get("groups"), given.get("labels", {}).get("groups"))
                self.out = self.folder / f"after-{name}"

    # Tables of settings to what the error says.
    REFUSED = {
        "[features]\nkind = 'fbank'\nsample-rate = 16000\nwindow = 1.0\nn-mels = 64\nframes = 96\nmel-scale = 'htk'\n[input]\nnormalize = 'none'":
            "features.mel-scale",
        "[features]\nsample-rate = 16000\nwindow = 1.0\nn-fft = 512\nhop-length = 160\nn-mels = 64\nframes = 96": "input.normalize",
        "[features]\npreset = 'yamnet'\nfmax = 9000": "features.fmax", "[features]\npreset = 'yamnet'\nfoo = 1": "features.foo",
        "[features]\npreset = 'yamnet'\n[defaults]\noversamples = 0": "defaults.oversamples",
        "[features]\npreset = 'yamnet'\n[defaults]\nthresholds = { d = 0.5 }": "defaults.thresholds",
        "[features]\npreset = 'yamnet'\n[input]\nnormalize = 'foo'": "input.normalize", "[features]\npreset = 'birdnet'": "expected samples, because features.kind is waveform",
        "[features]\npreset = 'yamnet'\n[output]\nactivation = 'foo'": "output.activation", "[features]\npreset = 'yamnet'\n[foo]\na = 1": "foo",
        "[features]\npreset = 'efficientat'": "windows of shape [1, 128, 100], which do not fit the input",
    }

    @with_torch
    def test_the_program_refuses_wrong_settings(self):
        network = self.torchscript((1, 96, 64))
        for text, expected in self.REFUSED.items():
            with self.subTest(text):
                own = self.own(text)
                self.fails(f"{own}: the program refuses the manifest of {network[0]}, which takes windows of (1, 96, 64):", *network, "--settings", own)
                self.fails(expected, *network, "--settings", own)

    @with_torch
    def test_pytorch_example(self):
        self.assertEqual(run(self.folder, program="models.convert.pytorch_example").returncode, 0)
        self.converts(self.folder / "example.pt", "--preset", "yamnet", "--shape", "1,96,64", "--labels", self.folder / "example.labels.txt")

    @with_torch
    def test_a_check_has_the_scores_of_the_source(self):
        built = program.find(None)
        self.assertEqual(run(self.folder, program="models.convert.pytorch_example").returncode, 0)
        manifest = self.converts(self.folder / "example.pt", "--preset", "yamnet", "--shape", "1,96,64", "--labels", self.folder / "example.labels.txt",
                                 "--program", built)
        self.assertEqual(manifest["check"], {"audio": "example.check.wav", "scores": "example.check.npy", "tolerance": 1e-3})
        # Another network, whose recording is longer, in the same folder.
        self.assertEqual(run(*self.torchscript((998, 128)), "--preset", "beats", "-o", self.out).returncode, 0)
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

    @with_tensorflow
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
    @with_tensorflow
    def test_labels_and_shapes_that_do_not_fit(self):
        self.fails("expected 6 labels, one per class, found 5", LASER, "--settings", self.settings())
        labels = self.file("labels.txt", b"a\nb\nc\nd\ne\nf\n")
        self.fails("give windows of shape [96, 64, 1], which do not fit the input", LASER, "--preset", "yamnet", "--labels", labels)
        self.fails("twice: a", LASER, "--preset", "fsdkaggle2018-small", "--labels", self.file("twice.txt", b"a\na\n"))
        self.fails("which column", LASER, "--preset", "yamnet", "--labels", YAMNET / "yamnet_class_map.csv")

    @with_shared
    @with_tensorflow
    def test_half_a_tflite_file(self):
        whole = (YAMNET / "yamnet_spectra_in.tflite").read_bytes()
        for share in (3, 2):
            half = self.file("half.tflite", whole[:len(whole) // share])
            self.fails("half.tflite: ", half, "--preset", "yamnet", "--labels", YAMNET / "yamnet_class_map.csv", "--column", "display_name")

    @with_shared
    @with_tensorflow
    def test_windows_to_check_on(self):
        import numpy as np
        archive, text = self.folder / "a.npz", self.file("empty.npy", b"")
        np.savez(archive, a=np.zeros((1, 64, 64)))
        settings = ("--settings", LASER.parent / "config.json")
        self.fails(f"{archive}: expected one array", LASER, *settings, "--check", archive)
        self.fails(f"{text}: no .npy array", LASER, *settings, "--check", text)
        self.fails("--tolerance: expected", LASER, *settings, "--tolerance", "nan")

    @with_shared
    @with_tensorflow
    def test_minmax_unless_the_settings_say_otherwise(self):
        labels = "".join(f"'{label}', " for label in json.loads((LASER.parent / "config.json").read_text())["labels"])
        features = "[features]\npreset = 'fsdkaggle2018-small'\n"
        settings = self.file("own.toml", f"{features}[labels]\nnames = [{labels}]\n".encode())
        self.assertEqual(self.converts(LASER, "--settings", settings)["input"]["normalize"], "minmax")
        wrong = self.file("wrong.toml", f"{features}[input]\nchannel-axis = 'none'\n[labels]\nnames = [{labels}]\n".encode())
        self.out = self.folder / "other"
        self.fails(f"{wrong}: expected windows of channel-axis none, found that {LASER} takes windows of (64, 64, 1)", LASER, "--settings", wrong)

    @with_tensorflow
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

    @with_torch
    def test_torchscript_that_gives_a_tuple(self):
        import torch

        class Two(torch.nn.Module):
            def forward(self, x: torch.Tensor):
                return x, x

        torch.jit.script(Two()).save(str(self.folder / "two.pt"))
        self.fails("two.pt: expected one tensor (windows, classes) of scores, found tuple", self.folder / "two.pt", "--preset", "yamnet",
                   "--shape", "1,96,64", "--labels", self.file("labels.txt", b"a\nb\n"))

    @with_torch
    def test_an_operator_that_onnx_does_not_have(self):
        import torch

        class Zeta(torch.nn.Module):
            def forward(self, x: torch.Tensor):
                return torch.special.zeta(2 + x.abs().flatten(1)[:, :2], 2.0 + x.abs().flatten(1)[:, :2])

        torch.jit.script(Zeta()).save(str(self.folder / "zeta.pt"))
        self.fails("zeta.pt: PyTorch can't export it to ONNX: ", self.folder / "zeta.pt", "--preset", "yamnet", "--shape", "1,96,64",
                   "--labels", self.file("labels.txt", b"a\nb\n"), "--activation", "none")

    @with_shared
    @with_tensorflow
    def test_a_difference_leaves_nothing(self):
        self.fails("differs from the source", LASER, "--settings", LASER.parent / "config.json", "--tolerance", "0")


class Results(unittest.TestCase):
    """What is done to an ONNX network."""

    @staticmethod
    def model(*nodes):
        import onnx
        import numpy as np
        from onnx import helper, numpy_helper
        ports = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, None if name == "y" else 4]) for name in ("x", "y")]
        constants = [numpy_helper.from_array(np.ones((1, 2), np.float32), "ones"), numpy_helper.from_array(np.array([1, 2, 2]), "shape")]
        graph = helper.make_graph([helper.make_node(*node[:3], **node[3]) for node in nodes], "g", ports[:1], ports[1:], constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)

    def first_axis(self, *nodes):
        from models.convert import network
        model = network.with_free_batch(self.model(*nodes), [4], 1e-4)
        return model.graph.input[0].type.tensor_type.shape.dim[0]

    def test_a_batch_is_free_where_windows_can_go_through_together(self):
        self.assertEqual(self.first_axis(("Relu", ["x"], ["y"], {})).dim_param, "N")
        self.assertEqual(self.first_axis(("Reshape", ["x", "shape"], ["y"], {})).dim_param, "N")
        # What one window is joined with, and what mixes windows.
        self.assertEqual(self.first_axis(("Concat", ["x", "ones"], ["y"], {"axis": 1})).dim_value, 1)
        self.assertEqual(self.first_axis(("CumSum", ["x", "axis"], ["y"], {}), ("Constant", [], ["axis"], {"value_int": 0})).dim_value, 1)

    def test_operators_that_onnx_does_not_have_are_named(self):
        from models.convert import network
        self.assertEqual(network.unsupported(self.model(("TFL_VAR_HANDLE", [], ["a"], {}), ("Relu", ["x"], ["y"], {}))), ["TFL_VAR_HANDLE"])
        self.assertEqual(network.unsupported(self.model(("Relu", ["x"], ["y"], {}))), [])

    def test_scores_over_time_are_reduced_as_the_manifest_says(self):
        import numpy as np
        from models.convert import network
        scores = np.array([[[0.1, 0.9], [0.5, 0.2]]], np.float32)
        for reduce, expected in (("mean", [0.3, 0.55]), ("max", [0.5, 0.9]), ("last", [0.5, 0.2])):
            np.testing.assert_allclose(network.probabilities(scores, "none", reduce), [expected], rtol=1e-6)


class SettingsFiles(unittest.TestCase):
    """What settings may say, without any network."""

    FEATURES = "[features]\npreset = 'fsdkaggle2018-small'\n"
    BAD = {  # TOML to what the error says; the program checks all other keys
        '[labels]\nnames = ["a", "b\\u000b"]': "[labels] names", "[labels]\nnames = 3": "[labels] names", "[labels]\nfile = 'none.txt'": "none.txt: labels not found",
        "[labels]\nfile = 'l.txt'\nnames = ['a']": "expected one of file", "[labels]\ncsv = 'l.csv'\ncolumn = 'x'": "[labels] column takes one of n, name",
        "[labels]": "expected one of file", "[input]\nname = 3": "[input] name: expected text", "[check]\naudio = 'a.wav'": "check: expected no such key",
    }
    BAD_FEATURES = {
        "features = 3": "expected a table", "[features]\npreset = 'foo'": "[features] preset: expected one of ast, beats", "name = 'a'": "give --name",
    }
    CONFIG = {"sample_rate": 16000, "duration": 1, "n_fft": 1280, "hop_length": 253, "n_mels": 64, "fmin": 20, "fmax": 8000}
    BAD_CONFIG = {
        "hop_length": (0, "hop_length: expected"), "input": (3, "input: expected text"),
        "normalize": (["a"], "normalize: expected text"), "labels": (["a\x07"], "label 1: expected"),
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

    def test_every_preset_of_the_program_is_known(self):
        text = (ROOT / "crates" / "soundclassify-core" / "src" / "frontend" / "preset.rs").read_text()
        table = text[text.index("pub const ALL"):text.index("];")]
        self.assertEqual(sorted(re.findall(r'\("([a-z0-9-]+)", ', table)), list(settings.PRESETS))

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
