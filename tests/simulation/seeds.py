"""Running seeds: one in a world of its own, many over processes, and shrinking one that failed.

Here: what a run gives back. Not here: the world itself (`world`) and how results read (`report`).
"""

from __future__ import annotations

import dataclasses
import gc
import sys
import tempfile
import traceback
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import structlog

from tests.simulation import swarm
from tests.simulation.loop import run
from tests.simulation.world import Result, World

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, MutableMapping, Sequence

MEMORY = Path("/dev/shm")  # noqa: S108 - a real file system, without a disk's waiting
KEPT_LINES = 200_000
UNCOLLECTED = 50_000
"""Objects before Python looks for garbage: with its own 700 a fifteenth of a world's time."""
_NOT_ALONE = {"hours", "start", "zone", "locks", "bookings_per_h", "visits_per_h"}
SWITCHES = tuple(
    field.name
    for field in dataclasses.fields(swarm.Swarm)
    if field.name not in _NOT_ALONE
    and (not field.name.endswith("_s") or field.name in {"delay_s", "latency_s"})
)
"""Troubles that can be taken out of a world by themselves."""


def run_seed(seed: int, without: Sequence[str] = (), *, keep: int = 0) -> Result:
    """One world, `without` some of its troubles. `keep`: lines of its trace to give back."""
    return play(lambda folder: World(seed, folder, without), keep=keep)


def play(make: Callable[[Path], World], *, keep: int = 0) -> Result:
    """A world from its beginning to its end, in a folder of its own."""
    where = MEMORY if MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(dir=where, prefix="sim-") as folder:
        world = make(Path(folder))
        before, collects = structlog.get_config(), gc.get_threshold()
        gc.set_threshold(UNCOLLECTED)
        structlog.configure(processors=[_into(world)])
        try:
            result = run(world.run())
        finally:
            structlog.configure(**before)
            gc.set_threshold(*collects)
        if keep:
            result.story = list(world.trace.lines)[-keep:]
    return result


def _into(world: World) -> Callable[..., Any]:
    """What the gateway logs is part of what happened. A traceback is a defect wherever it shows."""

    def processor(_logger: object, level: str, line: MutableMapping[str, Any]) -> Any:
        told = {key: value for key, value in line.items() if key not in {"event", "exc_info"}}
        world.trace.note(f"log.{level}", **{"said": line["event"], **told})
        if (line.get("exc_info") or level == "critical") and world.alive:
            world.defects.append(f"{line['event']}: {_fault(line.get('exc_info'))}")
        raise structlog.DropEvent

    return processor


def _fault(told: object) -> str:
    """The error and the product's line it came from; its own words might hold anything."""
    error = told if isinstance(told, BaseException) else sys.exc_info()[1]
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if error is None:
        return "?"
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "/gateway/" in frame.filename] or frames
    where = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "?"
    return f"{type(error).__name__} at {where}"


@dataclass(frozen=True, slots=True)
class Batch:
    """Seeds from `first` up to and without `end`."""

    first: int
    end: int

    @classmethod
    def parse(cls, text: str) -> Batch:
        """`A:B`, or `N` for the first N. ValueError."""
        first, _, end = text.rpartition(":")
        batch = cls(int(first or 0), int(end))
        if batch.first >= batch.end:
            raise ValueError(f"{text} holds no seed")
        return batch

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.first, self.end))

    def __len__(self) -> int:
        return self.end - self.first


def run_many(seeds: Batch, jobs: int) -> Generator[Result]:
    """In the order in which they end; closing the iterator leaves the rest."""
    if jobs == 1:
        for seed in seeds:
            yield run_seed(seed)
        return
    waiting = iter(seeds)
    # Spawned: a forked child would share what the first world left behind.
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        flying = {pool.submit(run_seed, seed) for seed in islice(waiting, jobs * 2)}
        try:
            while flying:
                done, flying = wait(flying, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
                    for seed in waiting:
                        flying.add(pool.submit(run_seed, seed))
                        break
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def shrink(seed: int, rule: str) -> Sequence[str]:
    """Troubles without which the seed still breaks the rule: as many as can be left out."""
    drawn = swarm.draw(Random(f"{seed}/swarm"))
    needless: list[str] = []
    for name in SWITCHES:
        if getattr(drawn, name) and breaks(seed, [*needless, name], rule):
            needless.append(name)
    return needless


def breaks(seed: int, without: Sequence[str], rule: str) -> bool:
    return any(each.rule == rule for each in run_seed(seed, without).violations)
