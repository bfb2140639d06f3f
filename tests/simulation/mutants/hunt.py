"""Hunting one planted bug: batches of seeds upon its copy, growing, until a seed finds it.

Here: processes and what they report. Not here: the order of the hunts and the table (`__main__`).
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

from tests.simulation.mutants.plant import ROOT, copy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulation.mutants.plant import Mutant

SECONDS_PER_SEED = 60
"""More than any seed takes. A bug that makes one take longer than this is not found by a rule."""


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
    """One bug (None: the unaltered product) and how far the search for it is."""

    mutant: Mutant | None
    seeds: int = 0
    seconds: float = 0.0
    catch: Catch | None = None
    trouble: str = ""
    _folder: TemporaryDirectory[str] = field(default_factory=TemporaryDirectory)

    @property
    def key(self) -> str:
        return self.mutant.key if self.mutant is not None else "(the product)"

    def plant(self) -> None:
        copy(self.mutant, Path(self._folder.name))

    async def run(self, first: int, last: int) -> None:
        """Seeds `first` up to, not including, `last`; those before were run. HuntFailed."""
        begun = asyncio.get_running_loop().time()
        try:
            worlds = await self._simulate(first, last)
        finally:
            self.seconds += asyncio.get_running_loop().time() - begun
        for world in sorted(worlds, key=lambda world: world["seed"]):
            if world["violations"]:
                found = world["violations"][0]
                self.catch = Catch(world["seed"], found["rule"], found["sentence"])
                self.seeds = world["seed"] + 1
                self._folder.cleanup()
                return
        self.seeds = last

    async def _simulate(self, first: int, last: int) -> list[dict[str, Any]]:
        folder = Path(self._folder.name)
        report = folder / "report.json"
        report.unlink(missing_ok=True)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.simulation.mutants.child", str(folder),
            "--seeds", f"{first}:{last}", "--jobs", "1", "--stop-at-first", "--json", str(report),
            cwd=folder,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, _path(folder)))},
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            async with asyncio.timeout(SECONDS_PER_SEED * (last - first)):
                _, said = await process.communicate()
        except TimeoutError:
            self.trouble = f"some seed of {first}:{last} never ended"
            return []
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode not in {0, 1} or not report.exists():
            tail = said.decode(errors="replace").strip()[-2000:]
            raise HuntFailed(f"{self.key}: exit {process.returncode}\n{tail}")
        worlds: list[dict[str, Any]] = json.loads(report.read_text(encoding="utf-8"))
        return worlds


def _path(folder: Path) -> Iterator[Path]:
    """The copy hides the product, and everything else is found where it is."""
    yield folder
    yield ROOT / "firmware-sims"
    yield ROOT
