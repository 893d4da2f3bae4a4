# SPDX-License-Identifier: MIT OR Apache-2.0
"""The small model from beginning to end, with that of `models.train.default` as its teacher; every step can be run alone.

    python -m models.train.small fold 1             train without fold 1, by the default network of that fold; predict its clips
    python -m models.train.small judge              labels that hold up, recall, calibration, robustness
    python -m models.train.small final              train on all clips, by the default network that is shipped
    python -m models.train.small export             network, labels, manifest and table of embeddings
    python -m models.train.small speed              time of a window against the default network of the same run
    python -m models.train.small card               table of the card
    python -m models.train.small all                fold 1, and all other steps

Needs the spectrograms and the networks of the folds that `models.train.default` makes.
"""
import argparse
import json
from pathlib import Path

from ..convert import known_scores, program
from . import card, default, distillation, labels, predictions, quantise, training

VERSION = "4"
STEPS = 12000
OUTPUTS = ("labels", "embedding")


class Recipe(default.Recipe):
    RESULTS = "small-results.json"

    def all(self):
        self.fold(1)
        self.judge()
        self.final()
        self.export()
        self.speed()
        self.card()

    def train(self, name, held_out=None, steps=None, **changed):
        teacher, taught = Path(self.options.teachers) / f"{name}.onnx", labels.LABELS
        if held_out is None:
            teacher, taught = self.out / "default.onnx", (self.out / "default.labels.txt").read_text().split()
        distillation.train(self.options.spectrograms, self.options.published, teacher, taught, steps or self.options.steps, held_out,
                           save=self.scratch / f"{name}.pt", minutes=self.options.minutes, **changed)

    def judge(self):
        """Adds what the teacher reaches on the same clips."""
        super().judge()
        teacher = default.Recipe(argparse.Namespace(**vars(self.options) | {"scratch": self.options.teachers}))
        judged = teacher.judged(self.results()["held_out"]["folds"], self.candidates())
        self.save({"default": {name: value for name, value in judged.items() if name != "confusion"} | {"final": teacher.results()["final"]}})

    def final(self):
        """Goes on from the network of fold 1, with all clips, for half as many steps."""
        self.train("final", steps=self.options.steps // 2, start=self.state("fold-1"), slower=2.0)

    def load(self, name):
        network = training.new_network(self.options.published, self.names, distillation.Small)
        network.load_state_dict(self.state(name))
        return network.eval()

    def candidates(self):
        """The labels of the default model."""
        return (self.out / "default.labels.txt").read_text().split()

    def export(self):
        judged = self.results()["held_out"]
        offered, path = judged["offered"], self.out / "small.onnx"
        network = self.load("final").only([labels.LABELS.index(name) for name in offered], judged["temperature"])
        predictions.to_onnx(network, path, OUTPUTS)
        (self.out / "small.labels.txt").write_text("".join(f"{name}\n" for name in offered))
        (self.out / "small.toml").write_text(self.manifest(offered))
        known_scores.built_in(program.find(self.options.program), self.out, ["small"])
        self.embeddings(path, offered)
        parameters = sum(p.numel() for name, p in network.named_parameters() if "classifier/5" not in name)
        self.save({"final": {"parameters": parameters, "bytes": path.stat().st_size, "onnx_difference": self.difference(network, path),
                             "quiet_rooms_called_background": self.quiet_rooms(path, offered)}})
        print(json.dumps(self.results()["final"], indent=1))

    def manifest(self, offered):
        description = f"{len(offered)} everyday sounds, animals, instruments and voices, in a third of the time of default"
        return default.manifest_text(self.out / "small.onnx", "small", description, VERSION, "small", default.LABELS_OUTPUT, default.groups(offered), {})

    def speed(self):
        """Median time of a window on one thread, the networks taking turns."""
        times = quantise.speeds({"small": self.out / "small.onnx", "default": self.out / "default.onnx"})
        self.save({"speed": {"milliseconds": times, "ratio": times["small"] / times["default"]}})
        print(self.results()["speed"])

    def card(self):
        card.write_small(self.out, self.results())


if __name__ == "__main__":
    PARSER = default.arguments(__doc__, ["fold", "judge", "final", "export", "speed", "card", "all"], "target/train/small")
    PARSER.set_defaults(steps=STEPS)
    PARSER.add_argument("--teachers", default=default.SCRATCH, help="folder of the networks of the folds that models.train.default made [default: %(default)s]")
    default.run(Recipe, PARSER)
