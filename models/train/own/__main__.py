# SPDX-License-Identifier: MIT OR Apache-2.0
"""Trains a model on your own sounds: `python -m models.train.own SOUNDS -o OUT`."""
import json
import signal
import sys
import time
from collections import Counter

import numpy as np
import onnx
import onnxruntime
import torch

from ...convert import known_scores, manifest, program as programs
from ...convert.files import Failure, staged
from .. import rust_features, evaluation, export
from ..network import NETWORKS
from . import data, learning, options, report, starting

DEFAULT_OVERSAMPLES = 4  # windows a second to learn from


def main():
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that what is unfinished is removed then, too
    try:
        run(options.parse())
    except Failure as failure:
        sys.exit(f"models.train.own: {failure}")
    except KeyboardInterrupt:
        sys.exit("models.train.own: interrupted; nothing was written")


def run(chosen):
    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    tables, begun = chosen.tables, time.time()
    schedule = options.schedule(tables)
    start = begin(chosen)
    recordings = data.read(chosen.sounds, tables["data"])
    data.check_sounds(recordings, chosen.mixed_rates or tables["data"].get("mixed_rates", False))
    kept = data.split(recordings, tables["data"].get("share_judged", 0.2), schedule.seed)
    labels = sorted({recording.label for recording in recordings})
    truth = np.array([labels.index(recording.label) for recording in recordings])
    for label, count in sorted(Counter(recording.label for recording in recordings).items()):
        print(f"{label}: {count} recordings, {sum(kept[truth == labels.index(label)])} of them kept for judging")
    with staged(chosen.out, f"{chosen.name}.toml") as folder:
        program = programs.find(chosen.program)
        rust_features.check_manifest(program, manifest_tables(chosen, start, labels, len(recordings)), labels, chosen.settings)
        print("features …", flush=True)
        values, counts = rust_features.windows(program, recordings, start.features, start.normalize,
                                       tables["training"].get("oversamples", DEFAULT_OVERSAMPLES), chosen.cache)
        print(f"{len(values)} windows of {' × '.join(map(str, values.shape[1:]))}", flush=True)
        sounds = Sounds(values, np.array(counts), truth, kept, labels)
        stages = start.learn(sounds, schedule)
        logits = start.logits(values[sounds.judged_rows])
        result = report.judged(logits, sounds.counts[kept], truth[kept], labels)
        finish(chosen, start, sounds, folder, result, program)
        (folder / f"{chosen.name}-results.json").write_text(json.dumps(
            result | {"start": chosen.start, "minutes": (time.time() - begun) / 60, "windows": len(values), "history": stages}, indent=1) + "\n")
        (folder / f"{chosen.name}-classes.md").write_text(report.table(result))
        report.pictures(folder, chosen.name, result, stages)
    print("\n" + report.table(result))
    print(f"{(time.time() - begun) / 60:.1f} min; {chosen.out}/ holds {chosen.name}.onnx, .labels.txt, .toml, "
          "-classes.md, -confusion.png, -curves.png, -results.json")
    print(f"run it: gst-launch-1.0 -m autoaudiosrc ! audioconvert ! soundclassify model={chosen.out}/{chosen.name}.toml ! fakesink")


class Sounds:
    """Windows of all recordings, and which are for what."""

    def __init__(self, values, counts, truth, kept, labels):
        self.values, self.counts, self.labels = values, counts, labels
        self.truth = np.repeat(truth, counts)
        self.judged = np.repeat(kept, counts)
        self.judged_rows, self.rows = np.flatnonzero(self.judged), np.flatnonzero(~self.judged)

    def judge(self, network, values=None):
        """Loss and share of right windows among those kept for judging, every window alone."""
        values = self.values if values is None else values
        log_p = evaluation.log_softmax(learning.logits(network, values[self.judged_rows]))
        truth = self.truth[self.judged_rows]
        return float(-log_p[np.arange(len(truth)), truth].mean()), float((log_p.argmax(1) == truth).mean())


class Subset:
    """Rows of an array on disk, read only when asked for."""

    def __init__(self, values, rows):
        self.values, self.rows = values, rows

    def __getitem__(self, index):
        return self.values[self.rows[index]]


def begin(chosen):
    kinds = {"scratch": Scratch, "default": FromDefault, "yamnet": OnYamnet}
    return kinds[chosen.start](chosen)


class Scratch:
    """A network with random weights; features and size as the settings say."""

    channel_axis = "first"

    def __init__(self, chosen):
        self.features = chosen.tables["features"] or {"preset": "yamnet"}
        self.normalize = chosen.tables["training"].get("normalize", "none" if self.features.get("preset") == "yamnet" else "minmax")
        self.settings = {"kind": "ears"} | chosen.tables["network"]
        self.network = None

    @property
    def offset(self):
        """Of the logarithm, where a change of level is exact; else None."""
        natural = self.features.get("preset") == "yamnet" and self.features.get("log", "ln") == "ln"
        return self.features.get("offset", 0.001) if natural and self.normalize == "none" else None

    def learn(self, sounds, schedule):
        table = dict(self.settings)
        kind = NETWORKS[table.pop("kind")]
        torch.manual_seed(schedule.seed)
        frames, mels = sounds.values.shape[1:]
        self.network = kind(len(sounds.labels), frames=frames, mels=mels, **table)
        return {"from scratch": self.fit(sounds, schedule)}

    def fit(self, sounds, schedule, **changed):
        return learning.learn(self.network, Subset(sounds.values, sounds.rows), sounds.truth[sounds.rows], sounds.labels, schedule,
                              lambda: sounds.judge(self.network), offset=self.offset, **changed)

    def logits(self, windows):
        return learning.logits(self.network, windows)

    def write(self, sounds, path):
        real = np.array(sounds.values[:64], np.float32)[:, None]
        return export.to_onnx(self.network, 1.0, real.shape[1:], path, real)


class FromDefault(Scratch):
    """The default model's layers: first a new head alone, then everything, ten times more slowly."""

    def __init__(self, chosen):
        super().__init__(chosen)
        self.path = chosen.default_model
        table, self.onnx = starting.model_manifest(self.path)
        self.features, self.normalize = table["features"], table["input"]["normalize"]

    def learn(self, sounds, schedule):
        torch.manual_seed(schedule.seed)
        self.network = starting.Onnx(self.onnx, len(sounds.labels))
        self.network.check(self.onnx)
        head = list(self.network.classes.parameters())
        for parameter in self.network.weights.parameters():
            parameter.requires_grad_(False)
        stages = {"head": self.fit(sounds, schedule, parameters=head, epochs=schedule.head_epochs)}
        for parameter in self.network.weights.parameters():
            parameter.requires_grad_(True)
        return stages | {"everything": self.fit(sounds, schedule, rate=schedule.rate / 10)}


class OnYamnet(Scratch):
    """One dense layer on YAMNet's embedding, for few recordings."""

    channel_axis = "none"

    def __init__(self, chosen):
        if not chosen.yamnet:
            raise Failure("--start yamnet needs --yamnet yamnet.onnx: fetch and convert it as models/convert/README.md says")
        self.embedding = starting.Embedding(chosen.yamnet)
        self.features, self.normalize = {"preset": "yamnet"}, "none"

    def learn(self, sounds, schedule):
        values = self.embedding(sounds.values)
        known = values[sounds.rows]
        self.mean, self.scale = known.mean(0), 1 / (known.std(0) + 0.02)
        scaled = (values - self.mean) * self.scale
        torch.manual_seed(schedule.seed)
        self.network = torch.nn.Sequential(torch.nn.Dropout(0.3), torch.nn.Linear(scaled.shape[1], len(sounds.labels)))
        return {"head on YAMNet": learning.learn(self.network, scaled[sounds.rows], sounds.truth[sounds.rows], sounds.labels, schedule,
                                                lambda: sounds.judge(self.network, scaled))}

    def logits(self, windows):
        return learning.logits(self.network, (self.embedding(windows) - self.mean) * self.scale)

    def write(self, sounds, path):
        dense = self.network[1]
        matrix = dense.weight.detach().numpy().T * self.scale[:, None]
        onnx.save(self.embedding.with_head(matrix, dense.bias.detach().numpy() - self.mean @ matrix), path)
        real = np.array(sounds.values[:64], np.float32)
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        expected = np.exp(evaluation.log_softmax(self.logits(real)))
        difference = float(np.abs(session.run(None, {session.get_inputs()[0].name: real})[0] - expected).max())
        if not difference <= 1e-4:  # or not a number
            raise Failure(f"{path.name}: backbone and head together differ from both apart by {difference:.2e}, more than 1e-4")
        return difference


def finish(chosen, start, sounds, folder, result, program):
    """ONNX, labels and manifest."""
    name = chosen.name
    path = folder / f"{name}.onnx"
    try:
        difference = start.write(sounds, path)
    except RuntimeError as error:
        raise Failure(str(error)) from error
    print(f"ONNX against training, on windows of the data: largest difference {difference:.1e}")
    (folder / f"{name}.labels.txt").write_text("".join(f"{label}\n" for label in sounds.labels))
    tables = manifest_tables(chosen, start, sounds.labels, len(sounds.counts))
    tables[None]["sha256"] = manifest.sha256(path)
    comment = f"Trained by models.train.own; {result['accuracy']:.0%} of {result['recordings']} recordings kept for judging are right."
    (folder / f"{name}.toml").write_text(manifest.text(tables, comment))
    tables["check"] = known_scores.table(name)
    known_scores.recording(folder / known_scores.RECORDING)
    known_scores.features(program, folder / f"{name}.toml", folder / known_scores.RECORDING, folder / known_scores.table(name)["scores"], "--scores")
    (folder / f"{name}.toml").write_text(manifest.text(tables, comment))


def manifest_tables(chosen, start, labels, recordings):
    name = chosen.name
    return {
        None: {"name": name, "description": f"{len(labels)} labels, trained on {recordings} own recordings ({chosen.start})",
               "licence": chosen.licence, "version": "1", "onnx": f"{name}.onnx"},
        "input": {"layout": "frames-mels", "channel-axis": start.channel_axis, "normalize": start.normalize},
        "features": start.features, "output": {"activation": "none"}, "labels": {"file": f"{name}.labels.txt"},
        "defaults": chosen.tables["defaults"],
    }


if __name__ == "__main__":
    main()
