# SPDX-License-Identifier: MIT OR Apache-2.0
"""The network of the small model, and how it learns from that of the default one."""
import torch

from . import efficientat, labels, predictions, training

RATES, DROPOUT = (2e-3, 2e-3), 0.1
TAUGHT = 0.5  # share of the teacher's answer in each label's target


class Small(efficientat.Tagger):
    """Eight of the fifteen blocks, without squeeze and excitation, on a quarter of the values."""

    USED, EXCITES, POOL = (1, 2, 4, 7, 9, 11, 13, 15), False, 2


class Taught(training.Batches):
    """Batches whose targets contain the answers of a network. `teacher`: its file; `columns`: the number of each of its labels."""

    def __init__(self, teacher, columns, *arguments):
        super().__init__(*arguments)
        self.teacher, self.columns = teacher, columns

    def __iter__(self):
        teacher = predictions.session(self.teacher)
        for x, target in super().__iter__():
            scores, audioset, _ = map(torch.from_numpy, predictions.run(teacher, x.transpose(2, 3).numpy(), len(x)))
            answer = torch.zeros_like(target["label"])
            answer[:, self.columns] = scores.softmax(1)
            known = target["weight"][:, None]
            target["label"] = torch.where(known > 0, (1 - TAUGHT) * target["label"] + TAUGHT * answer, answer)
            yield x, target | {"audioset": audioset.sigmoid(), "weight": torch.ones_like(target["weight"])}


def losses(network, x, target):
    return training.losses(network, x, target, frozen=0, dropout=DROPOUT)


def train(folder, published, teacher, taught, steps, held_out=None, seed=0, start=None, slower=1.0, **run):
    """The averaged network after that many steps.

    `teacher`: file of a network with the labels `taught`; `start`: state to go on from in place of the published network's, at a rate so many
    times `slower`; `run`: of `training.fit`.
    """
    torch.manual_seed(seed)
    names = labels.audioset_names(f"{published}/class_labels_indices.csv")
    batches = Taught(teacher, [labels.LABELS.index(name) for name in taught], folder, names, held_out, seed)
    network = training.new_network(published, names, Small)
    if start:
        network.load_state_dict(start)
    return training.fit(network, batches, losses, [rate / slower for rate in RATES], steps, **run)
