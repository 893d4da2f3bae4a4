# SPDX-License-Identifier: MIT OR Apache-2.0
"""Tests of the default model's training: python -m unittest models.train.test_default"""
import json
import os
import tempfile
import unittest
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import numpy as np
import soundfile
import torch

from . import calibration, dataset, default, efficientat, evaluation, foley, formulas, judging, labels, nature, predictions, rirs, rust_features, signals, training, windows

RATE = 16000
KINDS = nature.KINDS | foley.KINDS | signals.KINDS
PUBLISHED = Path(__file__).resolve().parents[3] / "shared/models/efficientat-mn04"
NAMES = [f"class {number}" for number in range(efficientat.AUDIOSET)]


class Formulas(unittest.TestCase):
    def drawn(self, label, seed):
        rng = np.random.default_rng(seed)
        return formulas.finished(rng, KINDS[label](rng, RATE), RATE)

    def test_sounds_are_whole_and_differ(self):
        for label in KINDS:
            with self.subTest(label):
                sounds = [self.drawn(label, seed) for seed in range(8)]
                for sound in sounds:
                    self.assertEqual((sound.shape, sound.dtype), ((int(formulas.SECONDS * RATE),), np.float32))
                    self.assertTrue(0.05 < np.abs(sound).max() < 1, np.abs(sound).max())
                    self.assertLess(abs(sound.mean()), 0.01)
                self.assertEqual(len({sound.tobytes() for sound in sounds}), 8)

    def test_same_seed_same_sound(self):
        for label in KINDS:
            np.testing.assert_array_equal(self.drawn(label, 5), self.drawn(label, 5))

    def test_a_rotor_beats_as_often_as_it_should(self):
        time = formulas.seconds(RATE)
        strokes = formulas.at_whole(np.cumsum(np.full(len(time), 20.0)) / RATE)
        np.testing.assert_allclose(np.diff(strokes), 0.05, atol=1e-4)

    def test_sounds_begin_at_their_times(self):
        out = formulas.placed(np.array([0.25, 0.5, 1.5]), np.array([1.0, 2.0, 9.0]), np.array([0, 1, 0]), RATE, RATE, [np.array([1.0, 0.5]), np.array([-1.0])])
        expected = np.zeros(RATE)
        expected[[4000, 4001, 8000]] = 1, 0.5, -2
        np.testing.assert_allclose(out, expected, atol=1e-9)

    def test_partials_stop_below_half_the_rate(self):
        rng, pitch = np.random.default_rng(3), np.full(RATE, 1000.0)
        spectrum = np.abs(np.fft.rfft(formulas.partials(rng, pitch, RATE, 0.5, step=2)))
        np.testing.assert_array_equal(np.flatnonzero(spectrum > spectrum.max() / 100), [1000, 3000, 5000, 7000])

    def test_a_filter_keeps_what_is_at_its_resonance(self):
        time, near, far = np.arange(RATE) / RATE, np.full((1, RATE), 1000.0), np.full((1, RATE), 4000.0)
        tone = np.sin(2 * np.pi * 1000 * time)
        loud, faint = (np.abs(foley.filtered(tone, RATE, place, 0.1, 0.0)[RATE // 4:RATE // 2]).max() for place in (near, far))
        self.assertGreater(loud, 50 * faint)


class Labels(unittest.TestCase):
    def test_groups_and_lists_name_labels(self):
        for names in (labels.ESC50, labels.ASKED_FOR, labels.INSTRUMENTS, *labels.GROUPS.values(), labels.JOINED.values()):
            self.assertLessEqual(set(names), set(labels.LABELS))
        self.assertEqual((len(labels.ESC50), len(set(labels.ESC50))), (50, 50))

    def test_clips_are_joined_and_doubtful_ones_left_out(self):
        folder, doubtful = Path(self.enterContext(tempfile.TemporaryDirectory())), next(iter(labels.DOUBTFUL))
        (folder / "clips.csv").write_text(f"path,label,group,fold\na.ogg,Alarm_clock,one,1\nb.ogg,Scissors,{doubtful},2\nc.ogg,Scissors,two,3\n")
        self.assertEqual([(clip.path, clip.label, clip.fold) for clip in dataset.read_clips(folder)], [("a.ogg", "Alarm", 1), ("c.ogg", "Scissors", 3)])
        self.assertEqual(len(dataset.read_rows(folder)), 3)


class Features(unittest.TestCase):
    def test_a_tone_is_in_its_band(self):
        time = np.arange(32000, dtype=np.float32) / 32000
        power = efficientat.mel_power(np.sin(2 * np.pi * 1000 * time).astype(np.float32))
        self.assertEqual(power.shape, (100, 128))
        self.assertLess(abs(windows.CENTRES[power[50].argmax()] - 1000), 60)

    def test_the_published_recipe_gives_the_same(self):
        audio = np.random.default_rng(1).normal(0, 0.1, 32000).astype(np.float32)
        emphasised = torch.from_numpy(audio[1:] - np.float32(0.97) * audio[:-1])[None]
        spectrum = torch.stft(emphasised, 1024, 320, 800, torch.hann_window(800, periodic=False), center=True, return_complex=True)[0].numpy()
        expected = efficientat.scaled(efficientat.BANK @ np.abs(spectrum) ** 2).T
        np.testing.assert_allclose(efficientat.scaled(efficientat.mel_power(audio)), expected, atol=1e-4)


def built_program():
    """The program soundclassify that was built, if any; $SOUNDCLASSIFY names another."""
    root = Path(__file__).resolve().parents[2]
    found = [os.environ.get("SOUNDCLASSIFY", ""), *(str(root / "target" / kind / "soundclassify") for kind in ("release", "debug"))]
    return next((path for path in found if path and Path(path).is_file()), None)


@unittest.skipUnless(built_program(), "the program soundclassify is not built")
class Crate(unittest.TestCase):
    def test_the_crate_computes_the_same_features(self):
        folder, time = Path(self.enterContext(tempfile.TemporaryDirectory())), np.arange(96000) / 32000
        audio = (0.1 * np.random.default_rng(11).normal(size=96000) * np.exp(-3 * (time % 1)) + 0.1 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)
        soundfile.write(folder / "sound.wav", audio, 32000, subtype="FLOAT")
        found, _ = rust_features.windows(built_program(), [SimpleNamespace(path=folder / "sound.wav")], {"preset": "efficientat"}, "none", 10, None)
        expected = predictions.windows(audio)[:len(found), 0]
        self.assertGreater(len(found), 15)
        np.testing.assert_allclose(found[:-1], expected[:len(found) - 1], atol=1e-3)


class Level(unittest.TestCase):
    def levelled(self, power):
        return efficientat.Level()(torch.from_numpy(efficientat.scaled(power).astype(np.float32))[None, None])[0].numpy()

    def test_loudness_does_not_matter_over_fifty_decibels(self):
        power = np.random.default_rng(2).exponential(1, (128, 100)) * 0.4
        usual = self.levelled(power)
        for decibels in (-30, -20, -10, 8, 20):
            with self.subTest(decibels):
                self.assertLess(np.abs(self.levelled(power * 10 ** (decibels / 10)) - usual).mean(), 0.03)

    def test_silence_stays_silence(self):
        floor = efficientat.scaled(0.0)
        for power in (np.zeros((128, 100)), np.full((128, 100), 9e-8)):
            np.testing.assert_allclose(self.levelled(power), floor, atol=1e-3)


class Rooms(unittest.TestCase):
    def test_a_response_dies_away_and_keeps_the_power(self):
        response = rirs.impulse_response(np.random.default_rng(3), 32000, 0.5, 0.0)
        self.assertAlmostEqual(float((response ** 2).sum()), 1, places=5)
        self.assertAlmostEqual(float(response[0] ** 2), 0.5, places=3)
        early, late = (response[first:first + 1600] for first in (1600, 12800))
        self.assertLess((late ** 2).sum(), 1e-3 * (early ** 2).sum())


class Stored(unittest.TestCase):
    """A store of noise, two labels and one unlabelled recording in each fold."""

    def setUp(self):
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        rng, rows, first, answer = np.random.default_rng(4), [], 0, 0
        kinds = [(0, "a"), (1, "b"), (-1, "c"), (-2, "d"), (windows.BACKGROUND, "room/e")]
        for number in range(40):
            label, path = kinds[number % len(kinds)]
            parts = [130 + number] * 3
            rows.append({"label": label, "group": str(number), "fold": 1 + number // 5 % 4, "path": path, "store": 0, "first": first, "parts": parts,
                         "answers": [answer, 2]})
            first, answer = first + sum(parts), answer + 2
        np.save(self.folder / "part-0.npy", rng.normal(-3, 1, (first, 128)).astype(np.float16))
        np.save(self.folder / "answers.npy", rng.random((answer, efficientat.AUDIOSET)).astype(np.float16))
        (self.folder / "rows.json").write_text(json.dumps({"workers": 1, "rows": rows}))
        self.names = [name for names in labels.MEANING.values() for name in names] + ["Silence"]

    def test_what_is_held_out_is_never_drawn(self):
        kept = windows.Recordings(self.folder, held_out=2)
        rng = np.random.default_rng(5)
        drawn = [kept.draw(rng) for _ in range(200)] + kept.unlabelled + kept.none
        self.assertNotIn(2, {row["fold"] for row in drawn})
        self.assertEqual({row["fold"] for row in drawn}, {1, 3, 4})

    def test_batches_are_whole(self):
        x, target = windows.Windows(self.folder, self.names, seed=6).batch(64)
        self.assertEqual(x.shape, (64, 1, 128, 100))
        self.assertEqual({name: part.shape for name, part in target.items()},
                         {"label": (64, len(labels.LABELS)), "audioset": (64, efficientat.AUDIOSET), "weight": (64,)})
        self.assertTrue(np.isfinite(x).all())
        np.testing.assert_allclose(target["label"].sum(1)[target["weight"] > 0], 1, atol=1e-5)
        self.assertTrue((target["audioset"] >= 0).all() and (target["audioset"] <= 1).all())

    def test_silence_carries_no_label(self):
        source = windows.Windows(self.folder, self.names, seed=7)
        for _ in range(20):
            _, target = source.nothing()
            self.assertEqual((np.ptp(target.label), target.weight), (0, 1))

    def test_a_sound_that_noise_hides_has_no_label(self):
        source = windows.Windows(self.folder, self.names, seed=8)
        power, target, _, _ = source.labelled(source.recordings.clips[0]["0"][0])
        loud, faint = (source.in_steady_noise(power, target, above)[1] for above in (30.0, -80.0))
        np.testing.assert_allclose(loud.label, target.label, atol=1e-4)
        self.assertLess(np.ptp(faint.label), 1e-6)
        self.assertLess(faint.audioset.max(), 1e-6)


class Judging(unittest.TestCase):
    def test_average_precision(self):
        self.assertAlmostEqual(judging.average_precision(np.array([0.9, 0.8, 0.7, 0.1]), np.array([True, False, True, False])), (1 + 2 / 3) / 2)

    def test_groups_are_not_split_in_halves(self):
        half = evaluation.halves(["a", "b", "a", "c", "b"])
        self.assertEqual((half[0], half[1]), (half[2], half[4]))
        self.assertEqual(set(half), {0, 1})

    def test_a_temperature_that_was_applied_is_found(self):
        rng = np.random.default_rng(8)
        logits = rng.normal(0, 2, (4000, 5))
        p = np.exp(evaluation.log_softmax(logits))
        truth = np.array([rng.choice(5, p=row) for row in p])
        self.assertAlmostEqual(judging.best_temperature(3 * logits, np.ones(4000, int), truth), 3, delta=0.4)

    def test_the_temperature_of_audioset_is_found(self):
        rng = np.random.default_rng(9)
        logits = rng.normal(-3, 3, (50, 20))
        held = SimpleNamespace(audioset_logits=np.repeat(1.5 * logits, 2, axis=0), audioset_counts=np.full(50, 2))
        self.assertAlmostEqual(judging.audioset_temperature(held, 1 / (1 + np.exp(-logits))), 1.5, delta=0.03)

    def test_a_weak_label_and_one_that_no_clip_confirms_are_denied(self):
        truth = np.repeat([0, 1, 2], 8)
        logits = np.where(np.eye(3, dtype=bool)[truth], 12.0, 0.0)
        logits[truth == 2] = 0.1
        held = SimpleNamespace(offered=["Bark", "Cough", "Meow"], truth=truth, counts=np.ones(24, int), half=np.arange(24) % 2, logits=logits,
                               log_p=lambda temperature: evaluation.log_softmax(logits / temperature), streams=[np.zeros((600, 3))] * 2)
        found = judging.reports(held, 1.0, {"Bark": 1.0, "Cough": 0.4, "Meow": 1.0})
        self.assertEqual(found["denied"], ["Cough", "Meow"])
        self.assertEqual(found["found"], {"Bark": 1.0, "Cough": 0.0, "Meow": 0.0})
        self.assertEqual(found["false_an_hour"], 0)

    def test_no_recording_is_in_streams_of_both_halves(self):
        clips = [SimpleNamespace(label="Speech", group=str(number), path=str(number)) for number in range(4)]
        silence = mock.patch.object(predictions.augment, "room_noise", lambda rng, length, rate: np.zeros(length))
        for only in "0123":
            loud = mock.patch.object(dataset, "load_audio", lambda path, rate, only=only: np.full(rate, float(path.name == only), np.float32))
            with silence, loud:
                audible = [stream.any() for stream in predictions.streams(clips, "", np.random.default_rng(3))]
            self.assertNotEqual(any(audible[::2]), any(audible[1::2]))

    def test_thresholds_keep_precision_and_silence(self):
        peaks = np.array([[0.99, 0.1], [0.97, 0.1], [0.96, 0.6], [0.2, 0.99]])
        truth = np.array([0, 0, 1, 1])
        quiet = [np.full((600, 2), 0.1), np.tile([[0.1, 0.96]], (600, 1))]
        chosen = judging.thresholds(peaks, truth, ["x", "y"], quiet, [])
        self.assertTrue(0.96 < chosen[0] <= 0.97, chosen)
        self.assertTrue(0.96 < chosen[1] <= 0.99, chosen)

    def test_reports_begin_where_a_label_comes_over_its_threshold(self):
        stream = np.array([[0.1, 0.9], [0.9, 0.9], [0.9, 0.1], [0.1, 0.9]])
        self.assertEqual(calibration.false_events(stream, [], np.array([0.5, 0.5])).tolist(), [1, 2])


@unittest.skipUnless(PUBLISHED.exists(), f"{PUBLISHED} with the published network is not here")
class Network(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(9)
        self.names = labels.audioset_names(PUBLISHED / "class_labels_indices.csv")
        self.network = training.new_network(PUBLISHED, self.names).eval()

    def test_every_label_begins_with_its_audioset_classes(self):
        x = torch.rand(2, 1, 128, 100)
        with torch.no_grad():
            scores, audioset, embedding = self.network(x)
        number = labels.LABELS.index("Bark")
        bias = self.network.tensors["classifier/5/bias"][labels.meaning("Bark", self.names)].mean()
        torch.testing.assert_close(scores[:, number], audioset[:, labels.meaning("Bark", self.names)].mean(1) - bias)
        self.assertEqual(embedding.shape, (2, efficientat.WIDTH))

    def test_fewer_labels_and_a_temperature(self):
        x, kept = torch.rand(2, 1, 128, 100), [3, 1, 80]
        with torch.no_grad():
            scores, audioset, embedding = self.network(x)
            for found, wanted in zip(self.network.only(kept, 2.0, 0.5)(x), (scores[:, kept] / 2, audioset * 2, embedding)):
                torch.testing.assert_close(found, wanted)

    def test_the_exported_file_gives_the_same(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "network.onnx"
            predictions.to_onnx(self.network, path)
            x = predictions.windows(np.random.default_rng(10).normal(0, 0.1, 40000).astype(np.float32))
            with torch.no_grad():
                expected = predictions.Exported(self.network)(torch.from_numpy(x))
            for found, wanted in zip(predictions.run(predictions.session(path), x), expected):
                np.testing.assert_allclose(found, wanted.numpy(), atol=1e-4)


class Constants(unittest.TestCase):
    def test_a_label_with_few_recordings_gains(self):
        few, more, many = (default.constant("Gong", recordings) for recordings in (2, 15, 100))
        self.assertAlmostEqual(few, 0.677, 3)  # 0.25 ln 15
        self.assertTrue(few > more > 0 == many)
        self.assertAlmostEqual(default.constant("Bass_drum", 15) - default.constant("Gong", 15), -2.0)


class Folds(unittest.TestCase):
    def test_a_group_is_in_one_fold(self):
        rows = [{"label": label, "group": group, "fold": fold} for label, group, fold in
                (("Bark", "a", "1"), ("Bark", "b", "5"), ("Dog_bark", "b", "5"), ("Bark", "c", "2"))]
        folds = dataset.four_folds(rows)
        self.assertEqual((folds["a"], folds["c"]), (1, 2))
        self.assertIn(folds["b"], (3, 4))


if __name__ == "__main__":
    unittest.main()
