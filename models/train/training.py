# SPDX-License-Identifier: MIT OR Apache-2.0
"""Training a network on a store of windows, with the labels and the teacher's answers together."""
import copy
import queue
import threading
import time
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from . import audioset
from .dataset import BACKGROUND
from .network import Mimic


HEADS_FIRST = 300  # steps
FAINT = 2.0  # of ln(mel + offset), above the least value: louder is heard, digital silence and the dither of 16 bits are not


@dataclass(frozen=True)
class Schedule:
    images: int
    batch: int = 256
    rate: float = 3e-3
    warm_up: float = 0.1
    weight_decay: float = 0.02
    smoothing: float = 0.05
    balance: float = 0.5       # class weight = frequency ** -balance
    no_class: float = 0.3      # weight of windows that should be no class
    silent: float = 0.3        # share of the clip's label in the target of its silent windows; the rest is Background
    nothing: float = 0.0       # target of Background where there is nothing to hear at all, the rest spread evenly; 0: as labelled
    label: float = 1.0         # weights of the losses
    embedding: float = 1.0
    score: float = 20.0
    posterior: float = 1.0     # of what the teacher says about the classes
    hint: float = 0.2          # share of the teacher's own classes in that, the rest is a linear head on its embedding
    averaging: float = 0.998
    bf16: bool = True
    seed: int = 1


def targets(meta, raw_labels, classes, silent=0.3):
    """Soft targets (windows, classes), which have a label, and which of these are no class (uniform distribution)."""
    index = np.full(len(raw_labels) + 1, -1)
    for i, name in enumerate(raw_labels):
        if name in classes:
            index[i] = classes.index(name)
    # Background is a second label only where a clip is silent.
    hushed = (meta["second"] >= 0) & (meta["second"] == raw_labels.index(BACKGROUND))
    first = np.where(hushed, silent, meta["share"]).astype(np.float32)
    target = np.zeros((len(meta), len(classes)), np.float32)
    rows = np.arange(len(meta))
    for field, share in (("label", first), ("second", 1 - first)):
        known = meta[field] >= 0
        column = index[meta[field]]
        is_class = known & (column >= 0)
        target[rows[is_class], column[is_class]] += share[is_class]
        outside = known & (column < 0)
        target[rows[outside]] += (share[outside] / len(classes))[:, None]
    labelled = meta["label"] >= 0
    outside = labelled & (index[meta["label"]] < 0)
    return target, labelled, outside


class Batches:
    """Random batches from a store, read ahead by a thread."""

    def __init__(self, store, chosen, batch, count, seed):
        self.store, self.chosen, self.batch, self.count = store, chosen, batch, count
        self.rng = np.random.default_rng(seed)
        self.queue = queue.Queue(4)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        order, at = self.rng.permutation(len(self.chosen)), 0
        for _ in range(self.count):
            if at + self.batch > len(order):
                order, at = self.rng.permutation(len(self.chosen)), 0
            local = order[at:at + self.batch]
            at += self.batch
            rows = np.sort(self.chosen[local])
            self.queue.put((rows, self.store["patch"][rows].astype(np.float32),
                            self.store["embedding"][rows].astype(np.float32), self.store["score"][rows].astype(np.float32) / 255))

    def __iter__(self):
        for _ in range(self.count):
            yield self.queue.get()


def nothing_heard(patch, offset):
    """Which windows are at the features' floor everywhere: no label is better than another there."""
    return patch.max((1, 2)) < np.log(offset) + FAINT


def spoil(rng, patch, offset):
    """Gain (exact, for features ln(mel + offset)) and erased bands and times, on part of the batch."""
    count, frames, mels = patch.shape
    if offset is not None:
        louder = rng.random(count) < 0.4
        gain = 10 ** (rng.uniform(-8, 8, louder.sum()) / 20).astype(np.float32)
        patch[louder] = np.log(np.maximum(np.exp(patch[louder]) - offset, 0) * gain[:, None, None] + np.float32(offset))
    for i in np.flatnonzero(rng.random(count) < 0.4):
        for _ in range(rng.integers(1, 3)):
            width, height = rng.integers(2, frames // 5 + 1), rng.integers(2, mels // 5)
            first, low = rng.integers(0, frames - width), rng.integers(0, mels - height)
            fill = patch[i].mean() if rng.random() < 0.5 else patch[i].min() if offset is None else np.log(np.float32(offset))
            if rng.random() < 0.5:
                patch[i, first:first + width] = fill
            else:
                patch[i, :, low:low + height] = fill
    return patch


def train(network, store, chosen, raw_labels, classes, schedule, offset, audioset_names, grown=False, log=print):
    """Trains in place; returns the averaged network and, every 100 steps, step, label, embedding, score and posterior loss, hits.

    `chosen`: rows of the store to use; `offset`: `FeatureSpec.offset`; `audioset_names`: of the teacher's scores; `grown`: the
    network has learned before.
    """
    if schedule.nothing and offset is None:
        raise ValueError("[schedule] nothing: only features that are ln(mel + offset), not normalised, show where there is nothing to hear")
    torch.manual_seed(schedule.seed)
    rng = np.random.default_rng(schedule.seed)
    meta = np.array(store["meta"])
    target, labelled, outside = targets(meta, raw_labels, classes, schedule.silent)
    share = target[chosen][labelled[chosen] & ~outside[chosen]].mean(0) + 1e-4
    class_weight = (share / share.mean()) ** -schedule.balance
    weight = np.where(labelled, (target * class_weight).sum(1), 0)
    weight[outside] = schedule.no_class
    sample = np.random.default_rng(0).choice(chosen, min(len(chosen), 4000), replace=False)
    known = store["embedding"][np.sort(sample)].astype(np.float32)
    mean, scale = torch.tensor(known.mean(0)), torch.tensor(1 / (known.std(0) + 0.02))
    head = teacher_head(store, chosen, target, weight)
    if schedule.nothing:
        undecided = torch.full((len(classes),), (1 - schedule.nothing) / (len(classes) - 1))
        undecided[classes.index(BACKGROUND)] = schedule.nothing

    network.train().to(memory_format=torch.channels_last)
    mimic = Mimic(network.classes.in_features, mean, scale)
    if grown:
        learn_heads(network, mimic, Batches(store, chosen, schedule.batch, HEADS_FIRST, schedule.seed + 1), schedule)
    everything = [*network.named_parameters(), *mimic.named_parameters()]
    optimizer = torch.optim.AdamW([
        {"params": [p for _, p in everything if p.ndim > 1], "weight_decay": schedule.weight_decay},
        {"params": [p for _, p in everything if p.ndim == 1], "weight_decay": 0.0}], lr=schedule.rate)
    steps = schedule.images // schedule.batch
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, schedule.rate, total_steps=steps, pct_start=schedule.warm_up)
    averaged = copy.deepcopy(network)
    begun, sums, history = time.time(), np.zeros(5), []
    for step, (rows, patch, embedding, score) in enumerate(Batches(store, chosen, schedule.batch, steps, schedule.seed)):
        unheard = nothing_heard(patch, offset) if schedule.nothing else np.zeros(len(patch), bool)
        x = torch.from_numpy(spoil(rng, patch, offset))[:, None].contiguous(memory_format=torch.channels_last)
        y, w = torch.from_numpy(target[rows]), torch.from_numpy(weight[rows].astype(np.float32))
        y = y * (1 - schedule.smoothing) + schedule.smoothing / len(classes)
        if unheard.any():
            y[unheard], w[unheard] = undecided, 1.0
        with torch.autocast("cpu", torch.bfloat16, enabled=schedule.bf16):
            features = network.features(x)
            logits = network.classes(network.dropout(features))
            like_embedding, like_score = mimic(features)
        log_p = F.log_softmax(logits.float(), 1)
        label_loss = -(y * log_p).sum(1).mul(w).mean()
        embedding_loss, score_loss = mimic.losses(like_embedding, like_score, embedding, score)
        hint = torch.from_numpy(audioset.hints(score, classes, audioset_names))
        posterior = (torch.from_numpy(embedding) @ head[0] + head[1] + schedule.hint * hint).softmax(1)
        if unheard.any():
            posterior[unheard] = undecided
        posterior_loss = -(posterior * log_p).sum(1).mean()
        loss = schedule.label * label_loss + schedule.embedding * embedding_loss + schedule.score * score_loss \
            + schedule.posterior * posterior_loss
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        scheduler.step()
        with torch.no_grad():
            keep = min(schedule.averaging, (step + 1) / (step + 10))
            for slow, fast in zip(averaged.parameters(), network.parameters()):
                slow.lerp_(fast, 1 - keep)
        hit = (logits.argmax(1) == y.argmax(1))[w > 0].float().mean().item()
        sums += (label_loss.item(), embedding_loss.item(), score_loss.item(), posterior_loss.item(), hit)
        if (step + 1) % 100 == 0 or step + 1 == steps:
            done = (step % 100) + 1
            history.append([step + 1, *(sums / done).round(4).tolist()])
            log(f"step {step + 1}/{steps} label {sums[0] / done:.3f} embedding {sums[1] / done:.3f} score {sums[2] / done:.4f} "
                f"posterior {sums[3] / done:.3f} hit {sums[4] / done:.3f}, {(step + 1) * schedule.batch / (time.time() - begun):.0f} windows/s", flush=True)
            sums[:] = 0
    settle(averaged, store, chosen, offset)
    return averaged, history


def learn_heads(network, mimic, batches, schedule):
    """Trains the heads that answer as the teacher does alone, so that they do not spoil what the network has learned."""
    network.eval()
    optimizer = torch.optim.Adam(mimic.parameters(), lr=schedule.rate)
    for _, patch, embedding, score in batches:
        with torch.no_grad():
            features = network.features(torch.from_numpy(patch)[:, None].contiguous(memory_format=torch.channels_last))
        embedding_loss, score_loss = mimic.losses(*mimic(features), embedding, score)
        optimizer.zero_grad()
        (schedule.embedding * embedding_loss + schedule.score * score_loss).backward()
        optimizer.step()
    network.train()


def teacher_head(store, chosen, target, weight, steps=1500, batch=512, decay=1e-3):
    """A linear classifier on the teacher's embedding: (1024, classes) and bias, on the raw embedding."""
    rows = chosen[weight[chosen] > 0]
    known = store["embedding"][rows]
    mean, scale = known.mean(0, dtype=np.float32), 1 / (known.std(0, dtype=np.float32) + 0.02)
    matrix = torch.zeros(known.shape[1], target.shape[1], requires_grad=True)
    bias = torch.zeros(target.shape[1], requires_grad=True)
    optimizer = torch.optim.Adam([matrix, bias], lr=2e-3)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
    rng = np.random.default_rng(0)
    for _ in range(steps):
        pick = rng.integers(0, len(rows), batch)
        x = torch.from_numpy((known[pick].astype(np.float32) - mean) * scale)
        y, w = torch.from_numpy(target[rows[pick]]), torch.from_numpy(weight[rows[pick]].astype(np.float32))
        loss = -(y * F.log_softmax(F.dropout(x, 0.2) @ matrix + bias, 1)).sum(1).mul(w).mean() + decay * matrix.square().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
    matrix = matrix.detach() * torch.from_numpy(scale)[:, None]
    return matrix, bias.detach() - torch.from_numpy(mean) @ matrix


@torch.no_grad()
def settle(network, store, chosen, offset, batches=40, batch=256):
    """Batch norm statistics of the averaged weights, on windows spoilt as in training.

    Statistics of unspoilt windows cost 3 points of macro recall on the one fold where both were tried.
    """
    rng = np.random.default_rng(99)
    norms = [m for m in network.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    network.train()
    for _, patch, _, _ in Batches(store, chosen, batch, batches, 99):
        network(torch.from_numpy(spoil(rng, patch, offset))[:, None].contiguous(memory_format=torch.channels_last))
    network.eval()
    for norm in norms:
        norm.momentum = 0.1


def rows_without(store, held_out=None):
    """Rows of the store that may be trained on when fold `held_out` is kept for validation."""
    return np.flatnonzero(np.array(store["meta"])["fold"] != (-1 if held_out is None else held_out))


@torch.no_grad()
def predict(network, windows, batch=512):
    """Logits of windows (N, frames, mels)."""
    network.eval()
    return np.concatenate([network(torch.from_numpy(np.asarray(windows[i:i + batch], np.float32))[:, None]).numpy()
                           for i in range(0, len(windows), batch)])
