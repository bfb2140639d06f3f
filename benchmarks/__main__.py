"""`python -m benchmarks`: measure, print a table, and write JSON. Exit 1 if a figure is missed."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from benchmarks import latency
from benchmarks.report import table
from benchmarks.stage import pair
from firmware_sims.cloud.broker import mosquitto

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.report import Figure

PAIR = ("command", "event")
NAMES = (*PAIR,)


async def measure(only: Sequence[str], *, quick: bool) -> list[Figure]:
    say = Console(stderr=True)
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        async with contextlib.AsyncExitStack() as stack:
            broker = await stack.enter_async_context(mosquitto())
            if set(only) & set(PAIR):
                async with pair(folder, broker) as made:
                    if "command" in only:
                        say.print("orders", style="dim")
                        figures += await latency.command(made, 40 if quick else 200)
                    if "event" in only:
                        say.print("events", style="dim")
                        figures += await latency.event(made, 40 if quick else 200)
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", action="append", choices=NAMES)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    began = time.monotonic()
    figures = asyncio.run(measure(options.only or NAMES, quick=options.quick))
    Console().print(table(figures))
    print(time.monotonic() - began)
    return 0 if all(figure.met for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
