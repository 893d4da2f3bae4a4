# SPDX-License-Identifier: MIT OR Apache-2.0
"""What the default model learns from: mel power of every recording, dry and in two rooms, and the published network's answers.

    python -m models.train.spectrograms --data FOLDER --published FOLDER OUT
"""
import argparse
import json
import multiprocessing
from pathlib import Path

import numpy as np
import torch

from . import augment, dataset, efficientat, foley, formulas, labels, nature, rirs, signals, synthesis
from .efficientat import FRAMES, HOP, RATE

FAINTEST = 1e-10  # power
ANSWERS_EVERY = 50  # frames
MAX_FRAMES = 10 * RATE // HOP  # frames that the published network sees at once
ROOMS, FORMULAS = 2, 8  # versions in rooms; recordings of each kind from formulas
UNLABELLED, SILENT = -1, -2  # label numbers: only the published network says what it is; nothing to be reported


def recordings(data):
    """(label number, group, fold, path, draw) of everything; `draw(rng)` gives the audio; fold 0 is in every training."""
    number = {name: index for index, name in enumerate(labels.LABELS)}
    for clip in dataset.read_clips(data):
        yield number.get(clip.label, SILENT), clip.group, clip.fold, clip.path, lambda _, clip=clip: dataset.load_audio(Path(data) / clip.path, RATE)
    for clip, part in zip(*synthesis.clips(RATE, each=6, others=1)):
        yield number.get(clip.label, UNLABELLED), clip.group, clip.fold, clip.path, lambda _, part=part: part
    for kind, draw in (nature.KINDS | foley.KINDS | signals.KINDS).items():
        for index in range(FORMULAS):
            yield UNLABELLED, kind, 0, f"formula/{kind}-{index}", lambda rng, draw=draw: formulas.finished(rng, draw(rng, RATE), RATE)
    for index in range(200):
        yield number[labels.BACKGROUND], "room-noise", 0, f"room/{index}", lambda rng: augment.room_noise(rng, 3 * RATE, RATE) * np.float32(0.01)
    for index in range(60):
        yield UNLABELLED, "noise", 0, f"noise/{index}", lambda rng: augment.made_up(rng, RATE, RATE)


def versions(audio, rng):
    """ln of the mel power (frames, MELS), dry and in rooms."""
    audio = np.ascontiguousarray(audio[:MAX_FRAMES * HOP], np.float32)
    if len(audio) < RATE // 10:
        audio = np.pad(audio, (0, RATE // 10 - len(audio)))
    versions, longer = [audio], np.pad(audio, (0, RATE // 5))
    for _ in range(ROOMS):
        versions.append(rirs.placed_in(longer, rirs.impulse_response(rng, RATE, np.exp(rng.uniform(np.log(0.15), 0)), rng.uniform(-8, 8))))
    return [np.log(efficientat.mel_power(each) + FAINTEST).astype(np.float16) for each in versions]


def part(everything, worker, workers, out):
    """Every `workers`-th recording, into a file of its own."""
    arrays, sizes = [], []
    for index in range(worker, len(everything), workers):
        rng = np.random.default_rng(index)
        found = versions(everything[index][4](rng), rng)
        sizes.append([len(each) for each in found])
        arrays += found
        if len(sizes) % 200 == 0:
            print(f"{index} of {len(everything)}", flush=True)
    np.save(out / f"part-{worker}.npy", np.concatenate(arrays))
    (out / f"part-{worker}.json").write_text(json.dumps(sizes))


def answers(network, logs):
    """The published network's probabilities of each whole and of its seconds, all brought to one loudness: (1 + seconds, 527) each."""
    wholes, seconds, counts = [], [], []
    for log_power in logs:
        x = efficientat.scaled(np.exp(log_power.astype(np.float32)))
        if len(x) < FRAMES:
            missing = FRAMES - len(x)
            x = np.pad(x, ((missing // 2, missing - missing // 2), (0, 0)), constant_values=efficientat.scaled(0.0))
        wholes.append(torch.from_numpy(x.T[None, None]))
        own = [x[first:first + FRAMES].T for first in range(0, len(x) - FRAMES + 1, ANSWERS_EVERY)]
        counts.append(len(own))
        seconds += own
    with torch.inference_mode():
        of_wholes = [network(whole)[1].sigmoid().numpy() for whole in wholes]
        batches = torch.from_numpy(np.stack(seconds))[:, None].split(48)
        of_seconds = torch.cat([network(batch)[1].sigmoid() for batch in batches]).numpy()
    return [np.concatenate(pair).astype(np.float16) for pair in zip(of_wholes, np.split(of_seconds, np.cumsum(counts)[:-1]))]


def build(data, published, out, workers=2):
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    everything = list(recordings(data))
    jobs = [multiprocessing.get_context("fork").Process(target=part, args=(everything, worker, workers, out)) for worker in range(workers)]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
        if job.exitcode:
            raise RuntimeError("a part failed; see above")
    rows = [{"label": label, "group": group, "fold": fold, "path": path} for label, group, fold, path, _ in everything]
    stores = [np.load(out / f"part-{worker}.npy", mmap_mode="r") for worker in range(workers)]
    first = 0
    for worker in range(workers):
        begin = 0
        for index, sizes in zip(range(worker, len(rows), workers), json.loads((out / f"part-{worker}.json").read_text())):
            rows[index] |= {"store": worker, "first": begin, "parts": sizes}
            begin += sum(sizes)
    network = efficientat.Tagger(efficientat.published_network(Path(published) / "mn04_as_mAP_432.pt"), 1, 0).eval()
    stored = []
    for begin in range(0, len(rows), 32):
        group = rows[begin:begin + 32]
        for row, found in zip(group, answers(network, [stores[row["store"]][row["first"]:row["first"] + row["parts"][0]] for row in group])):
            row["answers"] = [first, len(found)]
            first += len(found)
            stored.append(found)
        if begin % 640 == 0:
            print(f"answers: {begin} of {len(rows)}", flush=True)
    np.save(out / "answers.npy", np.concatenate(stored))
    (out / "rows.json").write_text(json.dumps({"workers": workers, "rows": rows}))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--data", default="../shared/training-audio")
    parser.add_argument("--published", default="../shared/models/efficientat-mn04")
    options = parser.parse_args()
    build(options.data, options.published, options.out)


if __name__ == "__main__":
    main()
