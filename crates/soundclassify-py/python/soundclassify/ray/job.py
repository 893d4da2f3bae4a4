# SPDX-License-Identifier: MIT OR Apache-2.0
"""The work on Ray Data: units of recordings through a pool of actors, each with a warm classifier."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import ray
import ray.data

from soundclassify.ray.child import Child
from soundclassify.ray.dataset import Dataset, Unit

# Maximum number of blocks of the plan; a block is what is done again when a node dies.
MAX_BLOCKS = 2000


@dataclass(frozen=True)
class Job:
    """How recordings are classified, and where the rows go; every worker gets it."""

    output: str
    options: Mapping[str, Any]
    events: bool
    settings: str
    timeout: float


class Worker:
    """An actor of Ray Data: decodes, classifies and writes; only what became of the recordings goes back."""

    def __init__(self, job: Job) -> None:
        self._child = Child(job.options, events=job.events, settings=job.settings, timeout=job.timeout)
        self._dataset = Dataset(job.output)

    def __call__(self, batch: pa.Table) -> Iterator[pa.Table]:
        for part, files in zip(batch["part"].to_pylist(), batch["files"].to_pylist(), strict=True):
            unit = Unit(part, files)
            # An attempt before, of which the answer was lost.
            if not self._dataset.has(unit):
                results = [self._child.of(file) for file in files]
                self._dataset.write(unit, [table for table, _ in results], [outcome for _, outcome in results])
            yield pa.table({"part": [part], "name": [unit.name()]})


def run(job: Job, units: list[Unit], workers: int | None) -> Iterator[Unit]:
    """Does the units, in any order; yields each when its file is written.

    Ray Data starts actors that died again, repeats what they had begun, and gives an actor no more than two blocks in
    advance: that and the size of a unit bound what is under way.
    """
    if not units:
        return
    by_name = {unit.name(): unit for unit in units}
    limit = min(workers or max(1, int(ray.cluster_resources().get("CPU", 1))), len(units))
    # Ready-made blocks: no task of Ray Data's needs a processor that actors occupy, so all actors may start at once.
    done = ray.data.from_arrow(list(_blocks(units))).map_batches(
        Worker,
        fn_constructor_args=(job,),
        batch_size=1,
        batch_format="pyarrow",
        compute=_pool(limit),
        num_cpus=1,
    )
    for batch in done.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
        for name in batch["name"].to_pylist():
            yield by_name[name]


def _pool(limit: int) -> ray.data.ActorPoolStrategy:
    """As many actors as may run, from the beginning where this version of Ray can; otherwise it adds them by itself."""
    if "initial_size" in inspect.signature(ray.data.ActorPoolStrategy).parameters:
        return ray.data.ActorPoolStrategy(min_size=1, max_size=limit, initial_size=limit)
    return ray.data.ActorPoolStrategy(min_size=1, max_size=limit)


def _blocks(units: list[Unit]) -> Iterator[pa.Table]:
    """The units in order, in blocks that differ by one unit at most."""
    count = min(len(units), MAX_BLOCKS)
    for index in range(count):
        block = units[index * len(units) // count : (index + 1) * len(units) // count]
        yield pa.table({"part": [unit.part for unit in block], "files": [unit.files for unit in block]})
