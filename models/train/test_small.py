# SPDX-License-Identifier: MIT OR Apache-2.0
"""Tests of the small model's training: python -m unittest models.train.test_small"""
import tempfile
import unittest
from unittest import mock

import numpy as np
import torch

from . import distillation, efficientat, labels, predictions, training
from .test_default import PUBLISHED


class Level(unittest.TestCase):
    def test_a_value_is_the_mean_power_of_four(self):
        power = np.random.default_rng(1).exponential(0.4, (128, 100)).astype(np.float32)
        fine, coarse = (efficientat.Level(pool)(torch.from_numpy(efficientat.scaled(power))[None, None]) for pool in (1, 2))
        means = np.exp(efficientat.unscaled(fine[0][0, 0].numpy())).reshape(64, 2, 50, 2).mean((1, 3))
        np.testing.assert_allclose(np.exp(efficientat.unscaled(coarse[0][0, 0].numpy())), means, rtol=1e-3)
        torch.testing.assert_close(fine[1], coarse[1])


class Teacher:
    """Says that everything is the third of its labels, and class 7 of AudioSet's."""

    def run(self, _, inputs):
        count = len(inputs["log_mel"])
        audioset = np.full((count, efficientat.AUDIOSET), -300, np.float32)
        audioset[:, 7] = 300
        return [np.tile(np.float32([[0, 0, 300]]), (count, 1)), audioset, np.zeros((count, efficientat.WIDTH), np.float32)]


class Taught(unittest.TestCase):
    def batch(self, weight):
        """Targets of two windows whose label is number 4, before the teacher's answer."""
        label = torch.zeros(2, len(labels.LABELS))
        label[:, 4] = 1
        target = {"label": label, "audioset": torch.zeros(2, efficientat.AUDIOSET), "weight": torch.tensor(weight)}
        taught = distillation.Taught("teacher.onnx", [9, 8, 6])
        with mock.patch.object(training.Batches, "__iter__", lambda _: iter([(torch.zeros(2, 1, 128, 100), target)])), \
                mock.patch.object(predictions, "session", lambda path: Teacher()):
            return next(iter(taught))[1]

    def test_half_of_a_label_is_the_answer_of_the_teacher(self):
        target = self.batch([1.0, 1.0])
        self.assertEqual(target["label"][0].nonzero().flatten().tolist(), [4, 6])
        torch.testing.assert_close(target["label"][:, [4, 6]], torch.full((2, 2), 0.5))

    def test_without_a_label_the_answer_is_all_there_is(self):
        target = self.batch([0.0, 1.0])
        torch.testing.assert_close(target["label"][0, [4, 6]], torch.tensor([0.0, 1.0]))
        self.assertEqual(target["weight"].tolist(), [1, 1])

    def test_audioset_is_as_the_teacher_says(self):
        target = self.batch([1.0, 1.0])
        self.assertEqual(target["audioset"].nonzero().tolist(), [[0, 7], [1, 7]])


@unittest.skipUnless(PUBLISHED.exists(), f"{PUBLISHED} with the published network is not here")
class Network(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(9)
        names = labels.audioset_names(PUBLISHED / "class_labels_indices.csv")
        self.network = training.new_network(PUBLISHED, names, distillation.Small).eval()

    def test_it_has_only_the_parts_that_it_uses(self):
        x = torch.rand(2, 1, 128, 100)
        sum(part.sum() for part in self.network(x)).backward()
        self.assertEqual([name for name, part in self.network.named_parameters() if part.grad is None], [])

    def test_the_exported_file_has_labels_and_embedding(self):
        path = self.enterContext(tempfile.TemporaryDirectory()) + "/small.onnx"
        predictions.to_onnx(self.network, path, ("labels", "embedding"))
        session = predictions.session(path)
        self.assertEqual([output.name for output in session.get_outputs()], ["labels", "embedding"])
        x = np.random.default_rng(3).normal(-1, 1, (3, 1, 100, 128)).astype(np.float32)
        with torch.no_grad():
            scores, _, embedding = self.network(torch.from_numpy(x).transpose(2, 3))
        for found, wanted in zip(session.run(None, {"log_mel": x}), (scores, embedding)):
            np.testing.assert_allclose(found, wanted.numpy(), rtol=1e-4, atol=1e-3)


if __name__ == "__main__":
    unittest.main()
