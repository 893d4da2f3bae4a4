# SPDX-License-Identifier: MIT OR Apache-2.0
"""Tests of the generated sounds and of stores that are read as one: python -m unittest models.train.test_store"""
import unittest

import numpy as np

from . import audioset, cache, nature

RATE = 16000


class Nature(unittest.TestCase):
    def drawn(self, label, seed):
        rng = np.random.default_rng(seed)
        return nature.finished(rng, nature.KINDS[label](rng, RATE), RATE)

    def test_sounds_are_whole_and_differ(self):
        for label in nature.KINDS:
            with self.subTest(label):
                sounds = [self.drawn(label, seed) for seed in range(8)]
                for sound in sounds:
                    self.assertEqual((sound.shape, sound.dtype), ((int(nature.SECONDS * RATE),), np.float32))
                    self.assertTrue(0.05 < np.abs(sound).max() < 1, np.abs(sound).max())
                    self.assertLess(abs(sound.mean()), 0.01)
                self.assertEqual(len({sound.tobytes() for sound in sounds}), 8)

    def test_same_seed_same_sound(self):
        for label in nature.KINDS:
            np.testing.assert_array_equal(self.drawn(label, 5), self.drawn(label, 5))

    def test_a_rotor_beats_as_often_as_it_should(self):
        time = nature.seconds(RATE)
        strokes = nature.at_whole(np.cumsum(np.full(len(time), 20.0)) / RATE)
        np.testing.assert_allclose(np.diff(strokes), 0.05, atol=1e-4)

    def test_the_teacher_knows_a_word_for_each_kind(self):
        for label in nature.KINDS:
            self.assertIn(label, audioset.MEANING)


class Joined(unittest.TestCase):
    def test_reads_like_the_stores_one_after_another(self):
        parts = [np.arange(10).reshape(5, 2), np.arange(100, 106).reshape(3, 2), np.arange(200, 204).reshape(2, 2)]
        both, whole = cache.Joined(parts), np.concatenate(parts)
        for rows in ([0, 4, 5, 7, 8, 9], [1, 2], [5, 6], [9], [0, 9]):
            np.testing.assert_array_equal(both[np.array(rows)], whole[rows])
        np.testing.assert_array_equal(np.array(both), whole)


if __name__ == "__main__":
    unittest.main()
