# SPDX-License-Identifier: MIT OR Apache-2.0
"""The built-in models from beginning to end; every step can be run alone. `--settings` chooses the model.

    python -m models.train.default store            augmented windows with the teacher's answers
    python -m models.train.default fold 1           train without fold 1, predict its clips (also 2, 3, 4)
    python -m models.train.default judge            classes that hold up, recall, calibration, thresholds
    python -m models.train.default final            train on all clips
    python -m models.train.default export           ONNX, int8, labels, manifest, credits
    python -m models.train.default card             model card from results.json
    python -m models.train.default all
"""
import argparse
import csv
import json
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

from . import audioset, augment, cache, calibration, rust_features, dataset, evaluation, export, quantise, rooms, synthesis, training
from .features import YAMNET
from .network import MobileNetV2, parameters
from .settings import HERE, Settings
from .teacher import Yamnet

FOLDS = (1, 2, 3, 4)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=["store", "fold", "judge", "final", "export", "card", "all"])
    parser.add_argument("fold", type=int, nargs="?", choices=FOLDS)
    parser.add_argument("--data", default="../shared/training-audio", help="folder of clips.csv")
    parser.add_argument("--teacher", default="../shared/models/yamnet/yamnet_spectra_in.onnx", help="YAMNet that takes spectra")
    parser.add_argument("--scratch", default="target/train", help="store, checkpoints, predictions (several GB)")
    parser.add_argument("--program", help="the program soundclassify, which computes all features [default: the newest in target/]")
    parser.add_argument("--settings", default=HERE / "default.toml")
    parser.add_argument("--out", default=HERE.parent, help="where the model and results are written")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    recipe = Recipe(parser.parse_args())
    steps = {"store": recipe.store, "judge": recipe.judge, "final": recipe.final, "export": recipe.export, "card": recipe.card,
             "fold": lambda: recipe.fold(recipe.options.fold or parser.error("which fold?")), "all": recipe.all}
    steps[recipe.options.step]()


class Recipe:
    """Options, settings and clips, and the steps that share them."""

    def __init__(self, options):
        self.options, self.settings = options, Settings(options.settings)
        torch.set_num_threads(options.threads)
        self.scratch, self.out = Path(options.scratch), Path(options.out)
        self.name = self.settings["ship"]["name"]
        self.learned = self.scratch / self.name  # the stores beside it may serve several models
        self.learned.mkdir(parents=True, exist_ok=True)
        self.onnx, self.results_file = f"{self.name}.onnx", self.out / self.settings["ship"]["results"]
        self.run = rust_features.program(options.program)
        self.clips = dataset.read_clips(options.data)
        self.raw_labels = sorted({clip.label for clip in self.clips})
        data = self.settings["data"]
        self.filled = dataset.well_filled(self.clips, data["least_clips"], data["least_groups"])
        self.tried = sorted(self.filled + data["weak"])
        self.reserve = self.settings["ship"].get("reserve", 0.0)  # of Background, taken from its logit

    def all(self):
        self.store()
        for fold in FOLDS:
            self.fold(fold)
        self.judge()
        self.final()
        self.export()
        self.card()

    def store(self):
        for name in self.settings.stores:
            table = self.settings[name]
            cache.build(self.scratch / name, table["windows"], self.options.data, self.scratch / "cache", self.run, self.options.teacher,
                        self.settings.spec, table, workers=4, seed=table["seed"])

    def windows(self, clips, oversamples=10):
        """The element's windows of each clip."""
        spec = self.settings.spec
        recordings = [SimpleNamespace(path=Path(self.options.data) / clip.path) for clip in clips]
        values, counts = rust_features.windows(self.run, recordings, spec.table(), spec.normalize, oversamples, self.scratch / "features")
        return np.split(values, np.cumsum(counts)[:-1])

    def fold(self, fold):
        begun = time.time()
        network = self.learn(f"fold-{fold}", fold)
        clips = [clip for clip in self.clips if clip.fold == fold]
        windows = self.windows(clips)
        logits = training.predict(network, np.concatenate(windows))
        np.savez(self.learned / f"fold-{fold}.npz", logits=logits, counts=[len(w) for w in windows],
                 paths=[clip.path for clip in clips], minutes=(time.time() - begun) / 60)
        truth = truth_of(clips, self.tried)
        log_p = evaluation.clip_means(evaluation.log_softmax(logits), [len(w) for w in windows])
        recall = evaluation.recalls(log_p, truth, self.tried)
        print(f"fold {fold}: ESC-10 {evaluation.esc10_accuracy(log_p, truth, self.tried, is_esc(clips)):.4f}, "
              f"macro recall {np.mean(list(recall.values())):.4f}, of well-filled labels "
              f"{np.mean([recall[name] for name in self.filled if name in recall]):.4f}, {(time.time() - begun) / 60:.1f} min")

    def predictions(self):
        """Of all folds together: clips, logits of their windows, number of windows."""
        by_path = {clip.path: clip for clip in self.clips}
        clips, logits, counts = [], [], []
        for fold in FOLDS:
            saved = np.load(self.learned / f"fold-{fold}.npz")
            clips += [by_path[path] for path in saved["paths"]]
            logits.append(saved["logits"])
            counts += saved["counts"].tolist()
        logits = np.concatenate(logits)
        logits[:, self.tried.index(dataset.BACKGROUND)] -= self.reserve
        return clips, logits, np.array(counts)

    def judge(self):
        clips, logits, counts = self.predictions()
        truth = truth_of(clips, self.tried)
        everything = evaluation.recalls(evaluation.clip_means(evaluation.log_softmax(logits), counts), truth, self.tried)
        classes = [name for name in self.tried if name in self.filled or everything[name] >= self.settings["data"]["least_recall"]]
        logits = logits[:, [self.tried.index(name) for name in classes]]
        truth = truth_of(clips, classes)
        fold = np.array([clip.fold for clip in clips])
        own = np.repeat(np.arange(len(clips)), counts)

        def best_temperature(chosen):
            """Of the clips' printed probability: geometric mean over the windows."""
            rows, judged = chosen & (truth >= 0), (chosen & (truth >= 0))[own]
            return calibration.temperature(logits[judged], counts[rows], truth[rows])

        temperature = best_temperature(np.ones(len(clips), bool))
        log_p = np.empty_like(logits)
        for held in FOLDS:  # each fold with the temperature of the others, so that the error is honest
            rows = (fold == held)[own]
            log_p[rows] = evaluation.log_softmax(logits[rows], best_temperature(fold != held))
        clip_log_p = evaluation.clip_means(log_p, counts)
        recall = evaluation.recalls(clip_log_p, truth, classes)
        known = truth >= 0
        best = clip_log_p.argmax(1)
        confidence = np.exp(clip_log_p.max(1))
        renormalised = np.exp(evaluation.log_softmax(clip_log_p)).max(1)
        window_p = np.exp(log_p.max(1))
        rows = known[own]

        ensembles = np.split(np.exp(log_p), np.cumsum(counts)[:-1])
        ensembles = [calibration.moving_ensemble(np.log(np.maximum(p, 1e-30))) for p in ensembles]
        peaks = np.array([e.max(0) for e in ensembles])
        quiet = np.array([clip.label in (dataset.BACKGROUND, "Speech") for clip in clips])
        allowed = [classes.index(name) for name in (dataset.BACKGROUND, "Speech")]
        streams = [ensembles[i] for i in np.flatnonzero(quiet)]
        limits = calibration.thresholds(peaks, truth, classes, streams, allowed).round(3)
        over = peaks >= limits
        precision = {name: float((truth[over[:, i]] == i).mean()) if over[:, i].any() else None for i, name in enumerate(classes)}
        found = {name: float(over[truth == i, i].mean()) for i, name in enumerate(classes)}
        groups = {name: len({c.group for c in clips if c.label == name}) for name in self.raw_labels}
        amount = {name: sum(c.label == name for c in clips) for name in self.raw_labels}
        result = {
            "classes": classes, "temperature": temperature,
            "esc10": {str(f): evaluation.esc10_accuracy(clip_log_p[fold == f], truth[fold == f], classes,
                                                        is_esc([c for c in clips if c.fold == f])) for f in FOLDS},
            "macro_recall": float(np.mean(list(recall.values()))),
            "macro_recall_well_filled": float(np.mean([recall[name] for name in self.filled])),
            "accuracy": float((best == truth)[known].mean()), "recall": recall,
            "clips": {name: amount[name] for name in classes}, "groups": {name: groups[name] for name in classes},
            "left_out": {name: {"clips": amount[name], "groups": groups[name], "recall": everything.get(name)}
                         for name in self.raw_labels if name not in classes and name != dataset.NO_CLASS},
            "ece": {"clip": evaluation.expected_calibration_error(confidence[known], (best == truth)[known]),
                    "clip_renormalised": evaluation.expected_calibration_error(renormalised[known], (best == truth)[known]),
                    "window": evaluation.expected_calibration_error(window_p[rows], (log_p.argmax(1) == truth[own])[rows])},
            "thresholds": dict(zip(classes, limits.tolist())),
            "precision_at_threshold": precision, "found_at_threshold": found,
            "false_reports_per_10_min": {"shipped": float(calibration.false_reports(streams, allowed, limits).sum()),
                                         "seconds": calibration.seconds(streams)},
            "confusion": evaluation.confusion(clip_log_p, truth, classes).tolist(),
            "cross_fitted_thresholds": self.cross_fitted_thresholds(ensembles, peaks, truth, fold, classes, quiet, allowed),
            "macro_recall_all_tried": float(np.mean(list(everything.values()))), "tried": len(self.tried),
            "room_tone_called_background": self.room_tone(classes),
        }
        result["int8_accuracy"] = self.int8_accuracy(classes, temperature)
        result["esc10"]["mean"] = float(np.mean(list(result["esc10"].values())))
        self.save({"cross_validation": result})
        print(json.dumps({key: result[key] for key in ("esc10", "macro_recall", "macro_recall_well_filled", "accuracy", "int8_accuracy", "ece",
                                                       "temperature", "false_reports_per_10_min")}, indent=1))
        for name, value in sorted(recall.items(), key=lambda item: item[1]):
            print(f"{name:22} {value:.2f}  threshold {limits[classes.index(name)]:.2f} found {found[name]:.2f}")

    def int8_accuracy(self, classes, temperature):
        """Cross-validation with each fold's network as f32 and as int8: clips right of both, macro recall and ESC-10 of int8."""
        means, truths, esc = {"f32": [], "int8": []}, [], []
        for fold in FOLDS:
            network = self.load(self.learned / f"fold-{fold}.pt", classes)
            real = self.calibration_windows(fold)
            paths = {"f32": self.learned / f"fold-{fold}.onnx", "int8": self.learned / f"fold-{fold}-int8.onnx"}
            export.to_onnx(network, temperature, real.shape[1:], paths["f32"], real[:64])
            quantise.quantise(paths["f32"], paths["int8"], real)
            clips = [clip for clip in self.clips if clip.fold == fold and clip.label in classes]
            windows = self.windows(clips)
            truths.append(truth_of(clips, classes))
            for name, path in paths.items():
                p = quantise.predict(path, np.concatenate(windows))
                means[name].append(evaluation.clip_means(np.log(np.maximum(p, 1e-30)), [len(w) for w in windows]))
            esc.append(evaluation.esc10_accuracy(means["int8"][-1], truths[-1], classes, is_esc(clips)))
        truth, means = np.concatenate(truths), {name: np.concatenate(parts) for name, parts in means.items()}
        recall = evaluation.recalls(means["int8"], truth, classes)
        return {name: float((mean.argmax(1) == truth).mean()) for name, mean in means.items()} | {
            "int8_macro_recall": float(np.mean(list(recall.values()))), "int8_esc10": float(np.mean(esc))}

    def calibration_windows(self, held_out=None, count=512):
        """Windows of the store for choosing int8 scales, (count, 1, frames, mels)."""
        store = cache.open_store(self.scratch / "store")
        rows = np.random.default_rng(0).choice(training.rows_without(store, held_out), count, replace=False)
        return store["patch"][np.sort(rows)].astype(np.float32)[:, None]

    def cross_fitted_thresholds(self, ensembles, peaks, truth, fold, classes, quiet, allowed):
        """Thresholds of three folds judged on the fourth, and what happens without any: thresholds flatter where they were chosen."""
        lines = {}
        for held in FOLDS:
            others = fold != held
            streams = [ensembles[i] for i in np.flatnonzero(quiet & others)]
            lines[held] = calibration.thresholds(peaks[others], truth[others], classes, streams, allowed)
        over = np.array([peak >= lines[f] for peak, f in zip(peaks, fold)])
        counted = [i for i, name in enumerate(classes) if name != dataset.BACKGROUND]
        right = sum(int(over[truth == i, i].sum()) for i in counted)
        precise = sum(over[truth == i, i].sum() >= 0.95 * over[:, i].sum() for i in counted if over[:, i].any())
        wrong_runs = wrong_windows = windows = false = 0
        for i in np.flatnonzero(quiet):
            false += calibration.false_events(ensembles[i], allowed, lines[fold[i]]).sum()
            best = ensembles[i].argmax(1)
            wrong = ~np.isin(best, allowed)
            goes_on = np.concatenate([[False], (best[1:] == best[:-1]) & wrong[:-1]])
            wrong_runs, wrong_windows, windows = wrong_runs + int((wrong & ~goes_on).sum()), wrong_windows + int(wrong.sum()), windows + len(best)
        seconds, reported = calibration.seconds([ensembles[i] for i in np.flatnonzero(quiet)]), int(over[:, counted].sum())
        return {"false_reports_per_10_min": float(false * 600 / seconds),
                "precision": right / reported if reported else None, "labels_at_95_percent": int(precise),
                "labels_reported": int(over[:, counted].any(0).sum()), "found": float(np.mean([over[truth == i, i].mean() for i in counted])),
                "without_thresholds": {"wrong_best_labels_per_10_min": wrong_runs * 600 / seconds, "wrong_windows": wrong_windows / windows}}

    def load(self, path, classes):
        """A trained network with the outputs of `classes` only, and Background's reserve."""
        saved = torch.load(path)
        network = self.settings.network(len(saved["classes"]))
        network.load_state_dict(saved["state"])
        export.keep_classes(network, [saved["classes"].index(name) for name in classes])
        with torch.no_grad():
            network.classes.bias[classes.index(dataset.BACKGROUND)] -= self.reserve
        return network.eval()

    def save(self, part):
        results = self.results() if self.results_file.exists() else {}
        self.results_file.write_text(json.dumps(results | part, indent=1) + "\n")

    def results(self):
        return json.loads(self.results_file.read_text())

    def final(self):
        self.learn("final")

    def learn(self, name, held_out=None, settings=None):
        """Trains, or takes the checkpoint that is there."""
        settings = settings or self.settings
        path, network = self.learned / f"{name}.pt", settings.network(len(self.tried))
        if path.exists():
            network.load_state_dict(torch.load(path)["state"])
            return network
        if settings.before:
            network.grow_from(self.learn(f"{name}-before", held_out, settings.before))
        store = cache.joined([self.scratch / name for name in settings.lessons])
        names = audioset.read_names(self.options.teacher)
        network, history = training.train(network, store, training.rows_without(store, held_out), self.raw_labels, self.tried,
                                          settings.schedule, settings.spec.offset, names, grown=bool(settings.before))
        torch.save({"state": network.state_dict(), "classes": self.tried, "history": history}, path)
        return network

    def export(self):
        judged = self.results()["cross_validation"]
        classes, real = judged["classes"], self.calibration_windows()
        network = self.load(self.learned / "final.pt", classes)
        full, small = self.learned / f"{self.name}-f32.onnx", self.learned / f"{self.name}-int8.onnx"
        difference = export.to_onnx(network, judged["temperature"], real.shape[1:], full, real)
        quantise.quantise(full, small, real)
        int8 = self.settings["ship"]["int8"]
        (self.out / self.onnx).write_bytes((small if int8 else full).read_bytes())
        (self.out / f"{self.name}.labels.txt").write_text("".join(f"{name}\n" for name in classes))
        self.write_manifest(self.name, classes, {})
        if sure := self.settings["ship"].get("sure"):
            self.write_manifest(sure, classes, {"thresholds": judged["thresholds"]})
        self.credits()
        original = self.learned / "original.onnx"
        export.to_onnx(MobileNetV2(41), 1.0, (1, 128, 128), original)
        shape = real.shape[1:]
        times = quantise.speeds({"f32": (full, shape), "int8": (small, shape), "original": (original, (1, 128, 128))})
        self.save({"final": {"parameters": parameters(export.fused(network)), "shipped": "int8" if int8 else "f32",
                             "bytes": {"f32": full.stat().st_size, "int8": small.stat().st_size},
                             "quiet_rooms": "quiet rooms and ventilation", "quiet_rooms_called_background": self.quiet_rooms(classes),
                             "onnx_difference": difference, "milliseconds": times}})
        print(json.dumps(self.results()["final"], indent=1))

    def write_manifest(self, name, classes, defaults):
        text = export.manifest(
            name, f"{len(classes)} everyday sounds, instruments and voices; trained from scratch by this project", "CC-BY-4.0",
            self.settings["ship"]["version"], self.out / self.onnx, f"{self.name}.labels.txt", self.settings.spec.table(),
            "frames-mels", self.settings.spec.normalize, defaults)
        (self.out / f"{name}.toml").write_text(text)

    def quiet_rooms(self, classes, count=500):
        """Share of generated rooms (silence, dither, hum, fans, noise from -80 to -32 dBFS; ventilation up to -12) that the shipped model
        calls Background."""
        rng, spec = np.random.default_rng(12345), self.settings.spec
        rooms = np.stack([augment.background(rng, spec.support, spec.rate) for _ in range(count)])
        p = quantise.predict(self.out / self.onnx, rust_features.single_windows(self.run, rooms, spec, self.scratch))
        return float((p.argmax(1) == classes.index(dataset.BACKGROUND)).mean())

    def room_tone(self, classes):
        """Room tone in the clips, each fold's judged by its network: number of windows, of recordings, share called Background."""
        spec, called, recordings = self.settings.spec, [], set()
        audio = [np.array(a) for a in dataset.load_all(self.options.data, self.clips, YAMNET.rate, self.scratch / "cache")]
        tones = rooms.tones(self.clips, audio, self.run, Yamnet(self.options.teacher), self.scratch, least=0.9)
        for fold in FOLDS:
            inside = [(clip, tone) for clip, tone in tones if clip.fold == fold]
            recordings |= {clip.group for clip, _ in inside}
            windows = np.concatenate([rooms.windows(tone, spec) for _, tone in inside])
            logits = training.predict(self.load(self.learned / f"fold-{fold}.pt", classes),
                                      rust_features.single_windows(self.run, windows, spec, self.scratch))
            called += (logits.argmax(1) == classes.index(dataset.BACKGROUND)).tolist()
        return {"windows": len(called), "recordings": len(recordings), "share": float(np.mean(called))}

    def credits(self):
        columns = ("path", "label", "author", "licence", "source_repo", "source_path", "source_commit")
        with open(self.out / "ATTRIBUTION.csv", "w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows([clip.row[column] for column in columns] for clip in self.clips)
            for font, author, version in (("fluidr3", "Frank Wen", "3.1"), ("musescore", "S. Christian Collins and others", "0.2.1")):
                file_name = synthesis.SOUNDFONTS[font].name
                writer.writerow(("", "generated instruments", author, "MIT", f"{Path(file_name).stem} soundfont", file_name, version))

    def card(self):
        from .card import write
        write(self.out, self.results(), self.name)


def truth_of(clips, classes):
    return np.array([classes.index(clip.label) if clip.label in classes else -1 for clip in clips])


def is_esc(clips):
    return np.array(["ESC-" in clip.row["source_repo"] for clip in clips])


if __name__ == "__main__":
    main()
