"""`python -m benchmarks`: measure, print a table, and write JSON. Exit 1 if a figure is missed."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from benchmarks import bluetooth, engine, latency, locks, zwave
from benchmarks.ble_stage import street
from benchmarks.report import table
from benchmarks.stage import crowd, pair
from benchmarks.zwave_stage import mesh
from firmware_sims.cloud.broker import mosquitto
from firmware_sims.demo.over_zwave import missing

if TYPE_CHECKING:
    from collections.abc import Collection

    from benchmarks.ble_stage import Street
    from benchmarks.report import Figure
    from benchmarks.stage import Crowd, Pair
    from benchmarks.zwave_stage import Mesh
    from firmware_sims.cloud.broker import Mosquitto

PAIR = ("command", "event", "parallel", "start", "idle")
CROWD = ("memory", "snapshot")
STREET = ("ble-unlock", "ble-memory")
MESH = ("zwave-command", "zwave-memory")
ALONE = ("ble-crowd", "windows", "writers")
NAMES = (*PAIR, *CROWD, *STREET, *MESH, *ALONE)


class Bench:
    """One run. Figures that share a stage share its preparation."""

    def __init__(self, only: Collection[str], *, quick: bool) -> None:
        self.figures: list[Figure] = []
        self._only = frozenset(only)
        self._quick = quick
        self._say = Console(stderr=True, highlight=False)
        self._began = time.monotonic()

    async def run(self) -> None:
        if self._only & {*PAIR, *CROWD, *STREET, *MESH}:
            with tempfile.TemporaryDirectory(prefix="bench-") as name:
                async with mosquitto() as broker:
                    await self._houses(Path(name), broker)
        if self._wants("ble-crowd"):
            with tempfile.TemporaryDirectory(prefix="bench-") as name:
                self.figures += await bluetooth.crowd(Path(name), 5 if self._quick else 20)
        if self._wants("windows"):
            self.figures += engine.windows()
        if self._wants("writers"):
            self.figures += await engine.writers(20 if self._quick else 200)

    async def _houses(self, folder: Path, broker: Mosquitto) -> None:
        if self._only & {*PAIR}:
            self._note("a bare program and the daemon, ten locks each")
            async with pair(folder, broker) as two:
                await self._pair(two)
        if self._only & {*CROWD}:
            size = 10 if self._quick else 50
            self._note(f"one house with {size} locks")
            async with crowd(folder, broker, size) as house:
                await self._crowd(house)
        if self._only & {*STREET}:
            self._note("a bare program and the daemon, ten Bluetooth locks each")
            async with street(folder, broker) as doors:
                await self._street(doors)
        if self._only & {*MESH}:
            self._note("a bare program and the daemon, five Z-Wave locks each")
            async with mesh(folder, broker) as two:
                await self._mesh(two)

    async def _pair(self, two: Pair) -> None:
        few = self._quick
        if self._wants("command"):
            self.figures += await latency.command(two, 40 if few else 200)
        if self._wants("event"):
            self.figures += await latency.event(two, 40 if few else 200)
        if self._wants("parallel"):
            self.figures += await locks.parallel(two)
        # From here on without the stopwatch.
        await two.daemon.stop()
        if self._wants("start"):
            self.figures += await locks.start(two, 1 if few else 3)
        if self._wants("idle"):
            await two.daemon.ensure()
            self.figures += await locks.idle(two.daemon, two.ours, 10 if few else 30)

    async def _crowd(self, house: Crowd) -> None:
        # The large schedule is added to the codes on the locks, so these come first.
        if self._wants("memory"):
            self.figures += await locks.memory(house)
        if self._wants("snapshot"):
            self.figures += await locks.snapshot(house, 2 if self._quick else 5)

    async def _street(self, doors: Street) -> None:
        if self._wants("ble-unlock"):
            self.figures += await bluetooth.unlock(doors, 20 if self._quick else 100)
        if self._wants("ble-memory"):
            self.figures += await bluetooth.memory(doors)

    async def _mesh(self, two: Mesh) -> None:
        if self._wants("zwave-command"):
            self.figures += await zwave.command(two, 40 if self._quick else 200)
        if self._wants("zwave-memory"):
            self.figures += await zwave.memory(two)

    def _wants(self, name: str) -> bool:
        if name in self._only:
            self._note(name)
        return name in self._only

    def _note(self, text: str) -> None:
        self._say.print(f"{time.monotonic() - self._began:6.1f} s  {text}", style="dim")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", action="append", choices=NAMES)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    only = set(options.only or NAMES)
    if only & {*MESH} and (lacking := missing()):
        if options.only:
            parser.error(lacking)
        print(f"without the figures of Z-Wave: {lacking}", file=sys.stderr)
        only -= {*MESH}
    bench = Bench(only, quick=options.quick)
    asyncio.run(bench.run())
    Console().print(table(bench.figures))
    if options.json is not None:
        document = {
            "machine": {
                "python": platform.python_version(),
                "system": platform.platform(),
                "processors": os.cpu_count(),
                "load": os.getloadavg(),
            },
            "quick": options.quick,
            "figures": [figure.as_dict() for figure in bench.figures],
        }
        options.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return 0 if all(figure.met for figure in bench.figures) else 1


if __name__ == "__main__":
    sys.exit(main())
