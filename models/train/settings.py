# SPDX-License-Identifier: MIT OR Apache-2.0
"""Settings files."""
import copy
import tomllib
from dataclasses import replace
from pathlib import Path

from . import features, network, training

HERE = Path(__file__).parent
NETWORKS = {"ears": network.Ears, "mobilenetv2": network.MobileNetV2}


class Settings:
    """A settings file: tables as dictionaries, and what they stand for."""

    def __init__(self, path):
        self.path = Path(path)
        with open(path, "rb") as file:
            self.tables = tomllib.load(file)
        self.spec = features.spec_from(self.tables["features"])
        self.schedule = training.Schedule(**self.tables["schedule"])
        self.first = self._first() if "first" in self.tables else None

    def _first(self):
        """Settings of the smaller network that learns first: all of these but what the table `first` says."""
        first = copy.copy(self)
        table = dict(self.tables["first"])
        first.tables = self.tables | {"network": self.tables["network"] | {"depths": table.pop("depths")}}
        first.schedule, first.first = replace(self.schedule, **table), None
        return first

    def __getitem__(self, name):
        return self.tables[name]

    def network(self, classes):
        table = dict(self.tables["network"])
        kind = NETWORKS[table.pop("kind")]
        return kind(classes, frames=self.spec.frames, mels=self.spec.mels, **table)
