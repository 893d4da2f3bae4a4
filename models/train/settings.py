# SPDX-License-Identifier: MIT OR Apache-2.0
"""Settings files. `base` names another one beside it, whose tables hold where a file has none of that name."""
import copy
import tomllib
from dataclasses import replace
from pathlib import Path

from . import features, network, training

HERE = Path(__file__).parent
STORES = ["store", "nature", "foley", "signals"]  # tables
NETWORKS = {"ears": network.Ears, "mobilenetv2": network.MobileNetV2}


def read(path):
    with open(path, "rb") as file:
        tables = tomllib.load(file)
    base = tables.pop("base", None)
    return (read(path.parent / base) if base else {}) | tables


class Settings:
    """A settings file: tables as dictionaries, and what they stand for."""

    def __init__(self, path):
        self.path = Path(path)
        self.tables = read(self.path)
        self.spec = features.spec_from(self.tables["features"])
        self.stores = [name for name in STORES if name in self.tables]
        schedule = dict(self.tables["schedule"])
        self.lessons = schedule.pop("stores", self.stores)  # stores to learn from, some perhaps twice
        self.schedule = training.Schedule(**schedule)
        stages = self.tables.get("before", [])
        self.before = self._stage(stages) if stages else None

    def _stage(self, stages):
        """Settings of the network that learns before this one: all of these but what the last table says; from the first store if it names none."""
        stage, table = copy.copy(self), dict(stages[-1])
        stage.tables = self.tables | {"network": self.tables["network"] | {"depths": table.pop("depths")}}
        stage.lessons = table.pop("stores", STORES[:1])
        stage.schedule = replace(self.schedule, **table)
        stage.before = self._stage(stages[:-1]) if stages[:-1] else None
        return stage

    def __getitem__(self, name):
        return self.tables[name]

    def network(self, classes):
        table = dict(self.tables["network"])
        kind = NETWORKS[table.pop("kind")]
        return kind(classes, frames=self.spec.frames, mels=self.spec.mels, **table)
