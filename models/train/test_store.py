# SPDX-License-Identifier: MIT OR Apache-2.0
"""Tests of the generated sounds and of stores that are read as one: python -m unittest models.train.test_store"""
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import numpy as np
import torch

from . import audioset, cache, features, foley, formulas, nature, network, signals, training
from .settings import HERE, Settings

RATE = 16000
KINDS = nature.KINDS | foley.KINDS | signals.KINDS


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

    def test_the_teacher_knows_a_word_for_each_kind_that_it_judges(self):
        for label in [*nature.KINDS, *Settings(HERE / "default.toml")["foley"]["least"]]:
            self.assertIn(label, audioset.MEANING)
            self.assertIn(label, KINDS)


class Nothing(unittest.TestCase):
    def test_silence_and_dither_are_nothing_and_a_quiet_room_is_something(self):
        floor = np.log(np.float32(0.001))
        faint = np.full((3, 96, 64), floor, np.float32)
        faint[1] += 1  # the dither of 16 bits
        faint[2, 40, 3] = floor + 3  # a faint hum
        self.assertEqual(training.nothing_heard(faint, 0.001).tolist(), [True, True, False])


class Stages(unittest.TestCase):
    def test_each_learns_from_its_own_stores(self):
        stage, stores, schedules = Settings(HERE / "default.toml"), [], []
        while stage:
            stores.append(stage.lessons)
            schedules.append((stage.schedule.images, stage.schedule.rate, stage.schedule.silent, stage.schedule.nothing, stage.schedule.seed))
            stage = stage.before
        self.assertEqual(schedules, [(640000, 1e-3, 0.7, 0.035, 4), (480000, 1e-3, 0.7, 0.035, 3), (320000, 1e-3, 0.5, 0.0, 2),
                                     (800000, 2e-3, 0.5, 0.0, 1), (700000, 2e-3, 0.5, 0.0, 1)])
        self.assertEqual(stores, [["store", "nature", "foley", "foley", "signals"]] * 2 + [["store", "nature"], ["store"], ["store"]])


class Based(unittest.TestCase):
    def test_tables_come_from_the_base_where_a_file_has_none_of_that_name(self):
        default, small = Settings(HERE / "default.toml"), Settings(HERE / "small.toml")
        self.assertEqual((small.spec, small.stores), (default.spec, default.stores))
        self.assertEqual([small[name] for name in ("data", *small.stores)], [default[name] for name in ("data", *default.stores)])
        self.assertEqual((small["ship"]["name"], small.before), ("small", None))


class Made(unittest.TestCase):
    def test_a_store_of_the_same_settings_is_kept_and_any_other_made_anew(self):
        with tempfile.TemporaryDirectory() as folder, mock.patch.multiple(cache, Yamnet=mock.DEFAULT, sources=mock.DEFAULT, fill=mock.DEFAULT):
            def build(count, **settings):
                cache.build(Path(folder) / "store", count, None, None, None, None, features.YAMNET, settings)
            path = Path(folder) / "store" / "patch.npy"
            build(4, wild=0.1)
            np.lib.format.open_memmap(path, "r+")[:] = 7
            for same, count, settings in ((True, 4, {"wild": 0.1}), (False, 4, {"wild": 0.2}), (False, 5, {"wild": 0.2})):
                build(count, **settings)
                self.assertEqual(bool((np.load(path) == 7).all()), same)
                np.lib.format.open_memmap(path, "r+")[:] = 7
            (path.parent / "made-with.json").unlink()  # as after one that was broken off
            build(5, wild=0.2)
            self.assertFalse((np.load(path) == 7).any())


class LowBands(unittest.TestCase):
    def test_features_are_the_preset_s_with_bands_below(self):
        spec = Settings(HERE / "default.toml").spec
        self.assertEqual(spec.table(), {"preset": "yamnet", "n-mels": 68, "fmin": 16.27})
        self.assertEqual(features.YAMNET.table(), {"preset": "yamnet"})
        mel = [1127 * np.log(1 + hz / 700) for hz in (spec.fmin, 125, 7500)]
        self.assertAlmostEqual((mel[1] - mel[0]) / 4, (mel[2] - mel[1]) / 65, delta=0.01)

    def test_a_second_ear_hears_them_and_grows_along(self):
        torch.manual_seed(1)
        sizes = {"mels": 20, "below": 4, "stem": 4, "widths": (4, 4), "features": 8}
        small, large = network.Ears(3, depths=(0, 1), **sizes).eval(), network.Ears(3, depths=(1, 2), **sizes).eval()
        large.grow_from(small)
        windows = torch.randn(2, 1, 96, 20)
        torch.testing.assert_close(small(windows), large(windows))
        other = windows.clone()
        other[..., :4] += 1
        torch.testing.assert_close(small.body(windows[..., 4:]), small.body(other[..., 4:]))
        self.assertGreater((small(windows) - small(other)).abs().max(), 1e-3)


class Joined(unittest.TestCase):
    def test_reads_like_the_stores_one_after_another(self):
        parts = [np.arange(10).reshape(5, 2), np.arange(100, 106).reshape(3, 2), np.arange(200, 204).reshape(2, 2)]
        both, whole = cache.Joined(parts), np.concatenate(parts)
        for rows in ([0, 4, 5, 7, 8, 9], [1, 2], [5, 6], [9], [0, 9]):
            np.testing.assert_array_equal(both[np.array(rows)], whole[rows])
        np.testing.assert_array_equal(np.array(both), whole)


if __name__ == "__main__":
    unittest.main()
