# SPDX-License-Identifier: MIT OR Apache-2.0
"""The default model from beginning to end; every step can be run alone.

    python -m models.train.default spectrograms     what is learned from, and the published network's answers
    python -m models.train.default fold 1           train without fold 1, predict its clips (also 2, 3, 4)
    python -m models.train.default folds            the same for all four, as many at once as there are threads
    python -m models.train.default judge            labels that hold up, recall, calibration, thresholds, robustness
    python -m models.train.default final            train on all clips
    python -m models.train.default export           network, labels, manifests, table of embeddings, credits
    python -m models.train.default speed --baseline OLD.onnx
                                                    time of a window, as f32 and int8, against another network of the same run
    python -m models.train.default card             tables and pictures of the card
    python -m models.train.default all
"""
import argparse
import csv
import json
import math
import multiprocessing
import time
from concurrent import futures
from pathlib import Path

import numpy as np
import torch

from ..convert import known_scores, manifest, program
from . import card, dataset, efficientat, evaluation, judging, labels, predictions, quantise, spectrograms, synthesis, training
from .efficientat import RATE

HERE = Path(__file__).parent
FOLDS = (1, 2, 3, 4)
STEPS = 5000
VERSION = "9"
LICENCE = "CC-BY-4.0"
FEW, SHARE, USUAL = 20, 0.3, 4.0  # a label with fewer recordings leans on AudioSet's output by this share of its logit over -USUAL
FOUND = 0.5  # probability at which the published network finds a class
RARE, COMMON = 0.25, 30  # a label with fewer recordings than COMMON gains RARE of the logarithm of the ratio (logit adjustment: Menon et al., ICLR 2021)
BIAS = {labels.BACKGROUND: -1.0, "Bass_drum": -2.0, "Washing_machine": 0.75}  # added to logits that would outvote others too often, or too seldom
MIN_RECORDINGS = 2  # of a label that is offered
SCRATCH = "target/train/default"
SPECTROGRAMS = f"{SCRATCH}/spectrograms"
PUBLISHED, CLASSES = "mn04_as_mAP_432.pt", "class_labels_indices.csv"
LABELS_OUTPUT = {"name": "labels", "activation": "softmax"}
EMBEDDINGS_EACH = 4  # clips of a label in the table of embeddings


def arguments(description, steps, scratch):
    """The parser of a recipe's command line. `scratch`: the usual folder of what is made on the way."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=steps)
    parser.add_argument("fold", type=int, nargs="?", choices=FOLDS)
    parser.add_argument("--data", default="../shared/training-audio", help="folder of clips.csv")
    parser.add_argument("--published", default="../shared/models/efficientat-mn04", help=f"folder of {PUBLISHED} and {CLASSES}")
    parser.add_argument("--scratch", default=scratch, help="networks and predictions [default: %(default)s]")
    parser.add_argument("--spectrograms", default=SPECTROGRAMS, help="what is learned from, 3 GB [default: %(default)s]")
    parser.add_argument("--out", default=HERE.parent, help="where the model and its results are written")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"of {training.BATCH} windows [default: %(default)s]")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="a training ends after that long, even with fewer steps")
    parser.add_argument("--labels", type=Path, help="list of the labels that the step judge offers [default: those that held-out clips speak for]")
    parser.add_argument("--baseline", type=Path, help="network to measure against, for the step speed")
    parser.add_argument("--program", help="the program soundclassify [default: the newest built, or it is built]")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    return parser


def run(recipe, parser):
    """Runs the step that the command line names."""
    options = parser.parse_args()
    if options.step == "fold" and not options.fold:
        parser.error("which fold?")
    step = getattr(recipe(options), options.step)
    step(options.fold) if options.step == "fold" else step()


def constant(label, recordings):
    """What is added to the logit of a label with so many recordings."""
    return RARE * math.log(COMMON / min(max(1, recordings), COMMON)) + BIAS.get(label, 0.0)


def one_fold(options, fold):
    options.threads = 1
    Recipe(options).fold(fold)


def groups(offered):
    """The groups of a manifest with these labels."""
    return {group: kept for group, names in labels.GROUPS.items() if (kept := [label for label in names if label in offered])}


def manifest_text(network, name, description, version, labels, output, groups, defaults):
    """The manifest of a model of this file. `labels`: whose labels and known scores it has; `output`: name and activation of the scores."""
    return manifest.text({
        None: {"name": name, "description": description, "licence": LICENCE, "version": version, "onnx": network.name, "sha256": manifest.sha256(network)},
        "input": {"layout": "frames-mels", "channel-axis": "first", "normalize": "none"}, "features": {"preset": "efficientat", "frames": efficientat.FRAMES},
        "output": output | {"embedding": "embedding"}, "labels": {"file": f"{labels}.labels.txt"}, "labels.groups": groups, "defaults": defaults,
        "check": known_scores.table(labels)}, "SPDX-License-Identifier: MIT OR Apache-2.0")


class Recipe:
    """Options and clips, and the steps that share them."""

    RESULTS = "results.json"

    def __init__(self, options):
        self.options, self.scratch, self.out = options, Path(options.scratch), Path(options.out)
        torch.set_num_threads(options.threads)
        self.scratch.mkdir(parents=True, exist_ok=True)
        self.clips = dataset.read_clips(options.data)
        self.names = labels.audioset_names(Path(options.published) / CLASSES)
        self.recordings = {name: len({clip.group for clip in self.clips if clip.label == name}) for name in labels.LABELS}
        self.results_file = self.out / self.RESULTS

    def all(self):
        self.spectrograms()
        self.folds()
        self.judge()
        self.final()
        self.export()
        if self.options.baseline:
            self.speed()
        self.card()

    def spectrograms(self):
        spectrograms.build(self.options.data, self.options.published, Path(self.options.spectrograms))

    def train(self, name, held_out=None, **changed):
        training.train(self.options.spectrograms, self.options.published, self.options.steps, held_out, save=self.scratch / f"{name}.pt",
                       minutes=self.options.minutes, **changed)

    def folds(self):
        """Every fold on one thread, which takes less time than one after another on all threads."""
        with futures.ProcessPoolExecutor(min(self.options.threads, len(FOLDS)), multiprocessing.get_context("spawn")) as pool:
            list(pool.map(one_fold, [self.options] * len(FOLDS), FOLDS))

    def fold(self, fold):
        begun = time.time()
        self.train(f"fold-{fold}", fold, seed=fold)
        self.predict(fold)
        print(f"fold {fold}: {(time.time() - begun) / 60:.1f} min")

    def predict(self, fold):
        path = self.scratch / f"fold-{fold}.onnx"
        predictions.to_onnx(self.load(f"fold-{fold}"), path)
        clips = [clip for clip in self.clips if clip.fold == fold]
        np.savez_compressed(self.scratch / f"fold-{fold}.npz", **predictions.predict(path, clips, self.harmless(clips), self.options.data))

    def harmless(self, clips):
        """The clips of `predictions.HARMLESS` labels in which the published network finds no class that means another label, such as birds in a park."""
        chosen = [clip for clip in clips if clip.label in predictions.HARMLESS]
        classes = [number for name in labels.LABELS if name not in predictions.HARMLESS for number in labels.meaning(name, self.names)]
        whole, _ = self.published(chosen)
        return [clip for clip, found in zip(chosen, whole) if found[classes].max() < FOUND]

    def final(self):
        """The mean of the weights of the last fold's network and of one that goes on from it, with all clips."""
        first = self.state(f"fold-{FOLDS[-1]}")
        self.train("all-clips", start=first, slower=2.0)
        last = self.state("all-clips")
        torch.save({name: (first[name] + last[name]) / 2 for name in first}, self.scratch / "final.pt")

    def state(self, name):
        return torch.load(self.scratch / f"{name}.pt", map_location="cpu")

    def load(self, name):
        network = training.new_network(self.options.published, self.names)
        network.load_state_dict(self.state(name))
        rows = [row for row, label in enumerate(labels.LABELS) if self.recordings[label] < FEW]
        network.lean_on_audioset(rows, [labels.meaning(labels.LABELS[row], self.names)[0] for row in rows], SHARE, USUAL)
        with torch.no_grad():
            network.labels.bias += torch.tensor([constant(label, self.recordings[label]) for label in labels.LABELS])
        return network.eval()

    def candidates(self):
        """Labels that are offered unless held-out clips speak against it."""
        return [name for name in labels.LABELS if self.recordings[name] >= MIN_RECORDINGS]

    def judge(self):
        given = self.options.labels and self.options.labels.read_text().split()
        result = self.judged([fold for fold in FOLDS if (self.scratch / f"fold-{fold}.npz").exists()], given)
        self.save({"held_out": result})
        print(json.dumps({name: result[name] for name in ("esc10", "esc50", "macro_asked", "macro", "clips_right", "temperature", "calibration_error",
                                                          "stays_right", "audioset")}, indent=1))
        print({name: result["reports"][name] for name in ("found_mean", "precision_of_all", "false_an_hour", "hours", "false_by_label")})
        for name, value in sorted(result["tried_recall"].items(), key=lambda item: item[1])[:30]:
            print(f"{name:22} {value:.2f}")

    def judged(self, folds, offered=None):
        """What the held-out clips of these folds say. `offered`: labels, in place of those that the clips speak for."""
        files = [self.scratch / f"fold-{fold}.npz" for fold in folds]
        tried = judging.Held(files, self.clips, labels.LABELS)
        recall = evaluation.recalls(evaluation.clip_means(tried.log_p(), tried.counts), tried.truth, labels.LABELS)
        offered = offered or judging.offered(self.candidates(), tried)
        held = judging.Held(files, self.clips, offered)
        left_out = {name: {"recordings": self.recordings[name], "recall": recall.get(name)} for name in labels.LABELS if name not in offered}
        return judging.judge(held, self.clips, recall, left_out) | {"folds": folds, "audioset": self.audioset(held)}

    def audioset(self, held):
        """Mean average precision of AudioSet's output: ours, the published network on whole clips, the same on seconds as ours; and our temperature."""
        whole, seconds = self.published(held.clips)
        return {"ours": judging.audioset_precision(held.audioset, held.clips, self.names),
                "published, whole clip": judging.audioset_precision(whole, held.clips, self.names),
                "published, mean of seconds": judging.audioset_precision(seconds, held.clips, self.names),
                "temperature": judging.audioset_temperature(held, whole)}

    def published(self, clips):
        """The published network's probabilities of clips, at the level that they have: of each whole, and mean of its seconds."""
        network = efficientat.Tagger(efficientat.published_network(Path(self.options.published) / PUBLISHED), 1, 0, normalise=False).eval()
        whole, seconds = [], []
        for clip in clips:
            audio = dataset.load_audio(Path(self.options.data) / clip.path, RATE)
            x = torch.from_numpy(predictions.windows(audio, predictions.SELDOM))
            power = efficientat.mel_power(np.pad(audio, (0, max(0, RATE + efficientat.HOP - len(audio)))))
            with torch.inference_mode():
                seconds.append(network(x.transpose(2, 3))[1].sigmoid().mean(0).numpy())
                whole.append(network(torch.from_numpy(efficientat.scaled(power).T[None, None].astype(np.float32)))[1].sigmoid()[0].numpy())
        return np.stack(whole), np.stack(seconds)

    def results(self):
        return json.loads(self.results_file.read_text())

    def save(self, part):
        known = self.results() if self.results_file.exists() else {}
        self.results_file.write_text(json.dumps(known | part, indent=1) + "\n")

    def export(self):
        judged = self.results()["held_out"]
        offered, path = judged["offered"], self.out / "default.onnx"
        network = self.load("final").only([labels.LABELS.index(name) for name in offered], judged["temperature"], judged["audioset"]["temperature"])
        predictions.to_onnx(network, path)
        difference = self.difference(network, path)
        (self.out / "default.labels.txt").write_text("".join(f"{name}\n" for name in offered))
        (self.out / "audioset.labels.txt").write_text("".join(f"{name}\n" for name in self.names))
        self.manifests(judged)
        known_scores.built_in(program.find(self.options.program), self.out)
        self.embeddings(path, offered)
        self.credits()
        self.save({"final": {"parameters": sum(p.numel() for p in network.parameters()), "bytes": path.stat().st_size,
                             "onnx_difference": difference, "quiet_rooms_called_background": self.quiet_rooms(path, offered)}})
        print(json.dumps(self.results()["final"], indent=1))

    def difference(self, network, path):
        """Largest difference of the exported file's logits from PyTorch's, on real windows."""
        session, x = predictions.session(path), predictions.windows(dataset.load_audio(Path(self.options.data) / self.clips[0].path, RATE))
        logits = [output.name for output in session.get_outputs()][:-1]  # without the embedding
        with torch.inference_mode():
            expected = predictions.Exported(network, logits)(torch.from_numpy(x))
        return max(float(np.abs(found - wanted.numpy()).max()) for found, wanted in zip(predictions.run(session, x), expected))

    def manifests(self, judged):
        offered, thresholds = judged["offered"], judged["reports"]["thresholds"]
        denied = judged["reports"]["denied"]
        for name, description, defaults in (
                ("default", f"{len(offered)} everyday sounds, animals, instruments and voices", {}),
                ("sure", f"{len(offered)} everyday sounds, animals, instruments and voices, only where it is sure", {"thresholds": thresholds} | ({"deny-labels": denied} if denied else {})),
                ("audioset", "AudioSet's 527 classes", {})):
            own = name == "audioset"
            text = manifest_text(self.out / "default.onnx", name, description, VERSION, "audioset" if own else "default",
                                 {"name": "audioset", "activation": "sigmoid"} if own else LABELS_OUTPUT, {} if own else groups(offered), defaults)
            (self.out / f"{name}.toml").write_text(text)

    def embeddings(self, path, offered, clips=None):
        """A few clips' mean embeddings of each label, at most one of a recording: float16 (clips, 1 + width); column 0 is the label's number."""
        network, vectors, numbers = predictions.session(path), [], []
        for number, name in enumerate(offered):
            of_groups = {clip.group: clip for clip in clips or self.clips if clip.label == name}
            for clip in list(of_groups.values())[:EMBEDDINGS_EACH]:
                x = predictions.windows(dataset.load_audio(Path(self.options.data) / clip.path, RATE), predictions.SELDOM)
                vectors.append(predictions.run(network, x)[-1].mean(0))
                numbers.append(number)
        table = np.concatenate([np.array(numbers, np.float16)[:, None], np.stack(vectors).astype(np.float16)], 1)
        np.save(path.with_suffix(".embeddings.npy"), table)

    def quiet_rooms(self, path, offered, count=300):
        """Share of new draws of the generator of room noise, -75 to -35 dBFS, that are called Background."""
        rng, network = np.random.default_rng(99), predictions.session(path)
        rooms = [predictions.augment.room_noise(rng, 2 * RATE, RATE) * np.float32(10 ** (rng.uniform(-75, -35) / 20)) for _ in range(count)]
        best = [predictions.run(network, predictions.windows(room)[:1])[0][0].argmax() for room in rooms]
        return float(np.mean(np.array(best) == offered.index(labels.BACKGROUND)))

    def credits(self):
        """Everything in the data, since `small` may be older than the network of this recipe."""
        columns = ("path", "label", "author", "licence", "source_repo", "source_path", "source_commit")
        with open(self.out / "ATTRIBUTION.csv", "w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(columns)
            writer.writerow(("", "weights that training began from", "Florian Schmid", "MIT", "https://github.com/fschmid56/EfficientAT", PUBLISHED, ""))
            writer.writerow(("", "AudioSet's labels", "Google", "CC-BY-4.0", "https://research.google.com/audioset", CLASSES, ""))
            writer.writerows([row[column] for column in columns] for row in dataset.read_rows(self.options.data))
            for font, author, version in (("fluidr3", "Frank Wen", "3.1"), ("musescore", "S. Christian Collins and others", "0.2.1")):
                file_name = synthesis.SOUNDFONTS[font].name
                writer.writerow(("", "generated instruments", author, "MIT", f"{Path(file_name).stem} soundfont", file_name, version))

    def speed(self):
        """Median time of a window on one thread, the networks taking turns."""
        if not self.options.baseline:
            raise SystemExit("speed: give the network to measure against, as --baseline OLD.onnx")
        small, path = self.scratch / "int8.onnx", self.out / "default.onnx"
        real = [predictions.windows(dataset.load_audio(Path(self.options.data) / clip.path, RATE), predictions.SELDOM) for clip in self.clips[::12]]
        quantise.quantise(path, small, np.concatenate(real))
        times = quantise.speeds({"f32": path, "int8": small, "baseline": self.options.baseline})
        self.save({"speed": {"milliseconds": times, "ratio": times["f32"] / times["baseline"], "int8_ratio": times["int8"] / times["baseline"],
                             "int8_bytes": small.stat().st_size}})
        print(self.results()["speed"])

    def card(self):
        card.write(self.out, self.results())


if __name__ == "__main__":
    run(Recipe, arguments(__doc__, ["spectrograms", "fold", "folds", "judge", "final", "export", "speed", "card", "all"], SCRATCH))
