# SPDX-License-Identifier: MIT OR Apache-2.0
"""Trains the default model's network."""
import copy
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader, IterableDataset

from . import labels
from .efficientat import Tagger, published_network
from .windows import BACKGROUND, Windows

BATCH, FROZEN_BLOCKS, DROPOUT = 48, 6, 0.3
RATE, HEAD_RATE, DECAY = 6e-4, 1.5e-3, 1e-3
KEPT = 0.3  # weight of AudioSet's loss
AVERAGE = 0.997  # of the weights, each step


class Batches(IterableDataset):
    def __init__(self, *arguments):
        self.arguments = arguments

    def __iter__(self):
        windows = Windows(*self.arguments)
        while True:
            x, target = windows.batch(BATCH)
            yield torch.from_numpy(x), {name: torch.from_numpy(part) for name, part in target.items()}


def new_network(published, audioset_names, kind=Tagger):
    network = kind(published_network(Path(published) / "mn04_as_mAP_432.pt"), len(labels.LABELS), BACKGROUND)
    network.start_from_audioset([labels.meaning(name, audioset_names) for name in labels.LABELS])
    return network


def losses(network, x, target, frozen=FROZEN_BLOCKS, dropout=DROPOUT):
    scores, audioset, _ = network(x, frozen, dropout)
    label = -(F.log_softmax(scores, 1) * target["label"]).sum(1)
    kept = F.binary_cross_entropy_with_logits(audioset, target["audioset"], reduction="none").sum(1)
    return (label * target["weight"]).sum() / target["weight"].sum(), kept.mean()


def train(folder, published, steps, held_out=None, seed=0, start=None, slower=1.0, without=(), **run):
    """The averaged network after that many steps.

    `start`: state to go on from in place of the published network's, at a rate so many times `slower`; `without`: labels of which it sees no
    recording; `run`: of `fit`.
    """
    torch.manual_seed(seed)
    names = labels.audioset_names(Path(published) / "class_labels_indices.csv")
    network = new_network(published, names)
    if start:
        network.load_state_dict(start)
    return fit(network, Batches(folder, names, held_out, seed, without), losses, (RATE / slower, HEAD_RATE / slower), steps, **run)


def fit(network, batches, losses, rates, steps, save=None, judge=None, minutes=float("inf")):
    """The averaged network after that many steps.

    `losses(network, x, target)`: of the labels and of AudioSet's classes; `rates`: of the body and of the labels' layer; `minutes`: ends sooner where
    the steps would take longer; `save`: where it is kept every 250 steps; `judge`: called with it every 500.
    """
    network = network.to(memory_format=torch.channels_last)
    mean = copy.deepcopy(network).eval()
    head = [p for name, p in network.named_parameters() if name.startswith(("labels.", "quiet"))]
    body = [p for name, p in network.named_parameters() if not name.startswith(("labels.", "quiet"))]
    optimizer = torch.optim.AdamW([{"params": part, "lr": rate} for part, rate in zip((body, head), rates)], weight_decay=DECAY)
    tops = [group["lr"] for group in optimizer.param_groups]
    begun, sums, count = time.time(), np.zeros(2), 0
    name = f"{Path(save).stem}: " if save else ""
    loader = iter(DataLoader(batches, batch_size=None, num_workers=1, prefetch_factor=4))
    network.train()
    step, done = 0, 0.0
    while done < 1:
        step, done = step + 1, max((step + 1) / steps, (time.time() - begun) / 60 / minutes)
        factor = min(1, step / 100) * (0.01 + 0.99 * 0.5 * (1 + np.cos(np.pi * min(1, done))))
        for group, top in zip(optimizer.param_groups, tops):
            group["lr"] = top * factor
        x, target = next(loader)
        label, kept = losses(network, x.contiguous(memory_format=torch.channels_last), target)
        optimizer.zero_grad(set_to_none=True)
        (label + KEPT * kept).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 3.0)
        optimizer.step()
        average = min(AVERAGE, (1 + step) / (10 + step))
        with torch.no_grad():
            for own, new in zip(mean.parameters(), network.parameters()):
                own.lerp_(new, 1 - average)
        sums, count = sums + [label.item(), kept.item()], count + 1
        if step % 100 == 0:
            print(f"{name}step {step}, {100 * done:.0f} %: labels {sums[0] / count:.3f}, AudioSet {sums[1] / count:.3f}, {time.time() - begun:.0f} s", flush=True)
            sums, count = np.zeros(2), 0
        if save and step % 250 == 0:
            torch.save(mean.state_dict(), save)
        if judge and (step % 500 == 0 or done >= 1):
            judge(mean)
    if save:
        torch.save(mean.state_dict(), save)
    return mean
