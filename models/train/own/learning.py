# SPDX-License-Identifier: MIT OR Apache-2.0
"""Learning from windows: which windows an epoch holds, how they are changed, and the training itself."""
import time
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from ...convert.files import Failure

BALANCE = ("batches", "over", "under", "none")


@dataclass(frozen=True)
class Schedule:
    """`balance`: batches – every label equally likely in a batch; over – rare labels repeated up to the commonest; under – common
    ones cut down to the rarest; none – as they are. `mixup` and `erase`: share of the windows."""

    epochs: int = 30
    head_epochs: int = 5        # before, with all but the head held still (from the default model)
    batch: int = 32
    rate: float = 2e-3
    weight_decay: float = 0.02
    smoothing: float = 0.05
    balance: str = "batches"
    mixup: float = 0.5
    erase: float = 0.4
    gain: float = 8.0           # dB up or down; only for features ln without normalisation, where it is exact
    windows: int | None = None  # most windows of an epoch
    seed: int = 1


def epoch_rows(rng, truth, balance, most=None):
    """Rows of one epoch, in random order. `truth`: label number of every row that may be learned from."""
    rows = [np.flatnonzero(truth == label) for label in np.unique(truth)]
    if balance in ("over", "under"):
        count = max(map(len, rows)) if balance == "over" else min(map(len, rows))
        rows = [np.concatenate([np.tile(of, count // len(of)), rng.choice(of, count % len(of), replace=False)]) for of in rows]
    if balance == "batches":
        labels = rng.integers(0, len(rows), len(truth))
        order = np.array([rows[label][rng.integers(len(rows[label]))] for label in labels])
    else:
        order = rng.permutation(np.concatenate(rows))
    return order[:most]


def changed(rng, windows, target, schedule, offset):
    """Erased bands and times, other levels, and mixtures of two windows with both labels. (N, frames, mels), (N, labels)."""
    count, frames, mels = windows.shape
    if offset is not None and schedule.gain:
        gain = 10 ** (rng.uniform(-schedule.gain, schedule.gain, (count, 1, 1)) / 20).astype(np.float32)
        windows = np.log(np.maximum(np.exp(windows) - offset, 0) * gain + np.float32(offset))
    floor = windows.min((1, 2))
    for i in np.flatnonzero(rng.random(count) < schedule.erase):
        width, height = rng.integers(1, max(2, frames // 5)), rng.integers(1, max(2, mels // 5))
        first, low = rng.integers(0, max(1, frames - width)), rng.integers(0, max(1, mels - height))
        if frames > width:  # else nothing would be left
            windows[i, first:first + width] = floor[i]
        if mels > height:
            windows[i, :, low:low + height] = floor[i]
    mixed = rng.random(count) < schedule.mixup
    share = np.where(mixed, rng.beta(1.0, 1.0, count), 1.0).astype(np.float32)
    other = rng.permutation(count)
    windows = share[:, None, None] * windows + (1 - share[:, None, None]) * windows[other]
    return windows, share[:, None] * target + (1 - share[:, None]) * target[other]


def learn(network, windows, truth, labels, schedule, judge, parameters=None, epochs=None, rate=None, offset=None, log=print):
    """Trains in place. `judge()` gives loss and accuracy on what is kept for judging; returns a row per epoch:
    epoch, training loss, training accuracy, judged loss, judged accuracy."""
    epochs, rate = epochs or schedule.epochs, rate or schedule.rate
    rng = np.random.default_rng(schedule.seed)
    torch.manual_seed(schedule.seed)
    parameters = [p for p in (parameters if parameters is not None else network.parameters())]
    optimizer = torch.optim.AdamW([
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": schedule.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0}], lr=rate)
    rows = epoch_rows(rng, truth, schedule.balance, schedule.windows)
    steps = max(1, len(rows) // schedule.batch) * epochs
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.15)
    one_hot, history, begun = np.eye(len(labels), dtype=np.float32), [], time.time()
    for epoch in range(1, epochs + 1):
        network.train()
        sums = np.zeros(2)
        count = max(1, len(rows) // schedule.batch)
        for batch in np.array_split(rows[:count * schedule.batch], count):
            x, y = np.array(windows[batch], np.float32), one_hot[truth[batch]]
            if x.ndim == 3:
                x, y = changed(rng, x, y, schedule, offset)
                x = x[:, None]
            target = torch.from_numpy(y * (1 - schedule.smoothing) + schedule.smoothing / len(labels))
            logits = network(torch.from_numpy(np.ascontiguousarray(x)))
            loss = -(target * F.log_softmax(logits, 1)).sum(1).mean()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 5.0)
            optimizer.step()
            scheduler.step()
            sums += (loss.item(), (logits.argmax(1).numpy() == y.argmax(1)).mean())
        row = [epoch, *(sums / count), *judge()]
        if not np.isfinite(row).all():
            raise Failure(f"epoch {epoch}: the loss is no finite number (learned from {row[1]}, judged {row[3]}): the training ran away; "
                          f"choose a smaller [training] rate than {schedule.rate:g}")
        history.append(row)
        log(f"epoch {epoch:3}/{epochs}: loss {row[1]:.3f}, right {row[2]:.0%}; judged: loss {row[3]:.3f}, right {row[4]:.0%}; "
            f"{time.time() - begun:.0f} s", flush=True)
        rows = epoch_rows(rng, truth, schedule.balance, schedule.windows)
    network.eval()
    return history


@torch.no_grad()
def logits(network, windows, batch=256):
    """(N, labels) of windows (N, frames, mels) or embeddings (N, values)."""
    network.eval()
    parts = (np.array(windows[first:first + batch], np.float32) for first in range(0, len(windows), batch))
    return np.concatenate([network(torch.from_numpy(x[:, None] if x.ndim == 3 else x)).numpy() for x in parts])
