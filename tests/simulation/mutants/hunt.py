"""Hunting one planted bug: batches of seeds upon its copy, growing, until a seed finds it.

Here: processes, what they report, and whether the unaltered product survives the same seed: only
then has the seed found the bug. Not here: which seeds first (`order`), the order of the hunts and
the table (`__main__`).
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from tests.simulation.mutants.child import REPORT
from tests.simulation.mutants.order import order
from tests.simulation.mutants.plant import ROOT, copy

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.simulation.mutants.plant import Mutant

FIRST_BATCH = 8
GROWTH = 3
SECONDS_PER_SEED = 300
"""More than any seed takes, on a busy machine too. A bug that makes one take longer is not
found by a rule."""


class HuntFailed(Exception):
    """The simulation itself did not run; says nothing about the bug."""


@dataclass(frozen=True, slots=True)
class Catch:
    """The seed that found it, by which rule, in a sentence."""

    seed: int
    rule: str
    sentence: str


@dataclass
class Hunt:
    """One bug (None: the unaltered product) and how far the search for it is.

    `seeds`: how many were run. `catch`: what the last ones found, if anything.
    """

    mutant: Mutant | None
    seeds: int = 0
    seconds: float = 0.0
    catch: Catch | None = None
    trouble: str = ""
    _waiting: list[int] | None = None
    _folder: TemporaryDirectory[str] = field(default_factory=TemporaryDirectory)

    @property
    def key(self) -> str:
        return self.mutant.key if self.mutant is not None else "(the product)"

    @property
    def first(self) -> int | None:
        """The seed that found it before."""
        return self.mutant.first if self.mutant is not None else None

    def plant(self) -> None:
        copy(self.mutant, Path(self._folder.name))

    def over(self, limit: int) -> bool:
        return bool(self.catch or self.trouble or self.seeds >= limit)

    def close(self) -> None:
        self._folder.cleanup()

    async def go_on(self, limit: int) -> None:
        """The seed that found it before, then batches of the most promising ones, each longer than
        the last, until `limit` were run or one finds something. HuntFailed."""
        if self._waiting is None:
            self._waiting = order(self.mutant.needs if self.mutant is not None else ())
            if self.first is not None:
                await self.run([self.first])
                return
        count = min(limit - self.seeds, max(FIRST_BATCH, self.seeds * (GROWTH - 1)))
        before = self.seeds
        await self.run(self._waiting[:count])
        del self._waiting[: self.seeds - before]

    async def run(self, seeds: Sequence[int]) -> None:
        """These, in this order, until one finds something. HuntFailed."""
        self.catch = None
        begun = asyncio.get_running_loop().time()
        try:
            worlds = await self._simulate(seeds)
        finally:
            self.seconds += asyncio.get_running_loop().time() - begun
        self.seeds += len(worlds)
        for world in worlds:
            if world["violations"]:
                found = world["violations"][0]
                self.catch = Catch(world["seed"], found["rule"], found["sentence"])

    async def _simulate(self, seeds: Sequence[int]) -> list[dict[str, Any]]:
        folder = Path(self._folder.name)
        report = folder / REPORT
        report.unlink(missing_ok=True)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.simulation.mutants.child", str(folder), *map(str, seeds),
            cwd=folder,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, _path(folder)))},
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            async with asyncio.timeout(SECONDS_PER_SEED * len(seeds)):
                _, said = await process.communicate()
        except TimeoutError:
            self.trouble = f"some seed of {' '.join(map(str, seeds))} never ended"
            return []
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            tail = said.decode(errors="replace").strip()[-2000:]
            raise HuntFailed(f"{self.key}: exit {process.returncode}\n{tail}")
        worlds: list[dict[str, Any]] = json.loads(report.read_text(encoding="utf-8"))
        return worlds


def _path(folder: Path) -> Iterator[Path]:
    """The copy hides the product, and everything else is found where it is."""
    yield folder
    yield ROOT / "firmware-sims"
    yield ROOT


class Product:
    """The unaltered product, upon seeds that found something. `hunt`: another one, for tests."""

    def __init__(self, hunt: Hunt | None = None) -> None:
        self._hunt = hunt or Hunt(None)
        self._one_at_a_time = asyncio.Lock()
        self._known: dict[int, Catch | None] = {}

    @property
    def guilty(self) -> list[Catch]:
        """What was found in the product itself, in order of seeds."""
        return [catch for _, catch in sorted(self._known.items()) if catch is not None]

    def plant(self) -> None:
        self._hunt.plant()

    def close(self) -> None:
        self._hunt.close()

    async def survives(self, seed: int) -> bool:
        """Whether it keeps every promise in that world. HuntFailed."""
        async with self._one_at_a_time:
            if seed not in self._known:
                await self._hunt.run([seed])
                if self._hunt.trouble:
                    raise HuntFailed(f"{self._hunt.key}: {self._hunt.trouble}")
                self._known[seed] = self._hunt.catch
        return self._known[seed] is None
