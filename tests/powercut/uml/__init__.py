"""`python -m tests.powercut uml`: the daemon on ext4 under User-Mode Linux, cut at random.

    --cycles N     power cuts (default 20); the last life is let come to rest
    --first N      power cuts in the very first start of a new gateway (default 2)
    --control N    power cuts with fsync swallowed: the method must find losses there (default 2)
    --seed N       what is asked of the house, and when the power goes (a real kernel does the rest)
    --keep         leave the working directory, with logs and disk

Exit codes: 0 nothing lost, nothing corrupt and the control found losses; 1 otherwise;
2 wrong arguments; 69 User-Mode Linux cannot run here, and what is missing.

Here: arguments and figures. Not here: what happens in a cycle (`cycle`).
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import statistics
import tempfile
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.table import Table

from gateway.domain.instant import ClockTrust
from gateway.kit.clock import SystemClock
from tests.powercut.uml.cycle import Report, Way, cycles, first_start
from tests.powercut.uml.machine import CannotRun, check_machine, swallows_sync
from tests.powercut.uml.witness import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

EX_UNAVAILABLE: Final = 69
SHOWN: Final = 8
"""Findings printed for each cycle."""

_clock = SystemClock(ClockTrust.TRUSTED)


def main(args: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.powercut uml")
    parser.add_argument("--cycles", type=_positive, default=20)
    parser.add_argument("--first", type=int, default=2)
    parser.add_argument("--control", type=int, default=2)
    parser.add_argument("--seed", type=int, default=_clock.now() % 1_000_000)
    parser.add_argument("--keep", action="store_true")
    options, _ = parser.parse_known_args(args)
    console = Console(highlight=False)
    try:
        check_machine()
        preload = swallows_sync() if options.control else ""
    except CannotRun as missing:
        return _unavailable(console, missing)
    folder = Path(tempfile.mkdtemp(prefix="uml-cuts-"))
    console.print(f"seed {options.seed}, {options.cycles} cycles, in {folder}")
    try:
        return asyncio.run(_all(console, folder, options, preload))
    except CannotRun as missing:
        return _unavailable(console, missing)
    finally:
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)


def _unavailable(console: Console, missing: CannotRun) -> int:
    console.print(f"User-Mode Linux cannot run here: {missing}", markup=False, soft_wrap=True)
    return EX_UNAVAILABLE


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


async def _all(console: Console, folder: Path, options: argparse.Namespace, preload: str) -> int:
    began = _clock.monotonic()
    table = Table("", "cuts", *(kind.value for kind in Kind), "s a cycle", "s to the cloud",
                  title="Power cuts under User-Mode Linux", title_justify="left")  # fmt: skip
    random = Random(options.seed)
    reports = await _as_it_is(console, folder, options.cycles, random)
    _row(table, "as it is", options.cycles, reports)
    good = not any(report.findings for report in reports)
    if options.first:
        reports = await _first(console, folder, options.first, random)
        _row(table, "first start", options.first, reports)
        good = good and not any(report.findings for report in reports)
    if options.control:
        reports = await _control(console, folder, options.control, random, preload)
        _row(table, "fsync swallowed", options.control, reports)
    console.print(table)
    console.print(f"{_clock.monotonic() - began:.0f} s in all")
    if options.control and not any(r.has(Kind.LOST, Kind.CORRUPT) for r in reports):
        console.print("Without fsync nothing was lost either: this run proves nothing.")
        return 1
    return 0 if good else 1


async def _as_it_is(console: Console, folder: Path, number: int, random: Random) -> list[Report]:
    """One disk through all cuts, and one life more in which everything comes to rest."""
    console.print("as it is:")
    reports = []
    async with cycles(folder / "as-it-is", random) as running:
        await running.house.machine.probe()
        for turn in range(number + 1):
            way = Way.LAST if turn == number else running.way() if turn else Way.KEPT
            reports.append(await running.one(way))
            _progress(console, f"{turn + 1}/{number + 1}", reports[-1])
        counts = ", ".join(f"{count} {what}" for what, count in running.counts.items())
    console.print(f"  {counts}")
    return reports


async def _first(console: Console, folder: Path, number: int, random: Random) -> list[Report]:
    """A new gateway each time: cut, and started again."""
    console.print("new gateways:")
    reports = []
    for turn in range(1, number + 1):
        for report in await first_start(folder / f"first-{turn}", random):
            reports.append(report)
            _progress(console, f"{turn}/{number}", report)
    return reports


async def _control(
    console: Console, folder: Path, number: int, random: Random, preload: str
) -> list[Report]:
    """Each cut on a disk of its own: after a loss nothing that follows means anything."""
    console.print("fsync swallowed (losses are expected):")
    reports = []
    for turn in range(1, number + 1):
        async with cycles(folder / f"control-{turn}", random, preload) as running:
            reports.append(await running.one(Way.KEPT))
        _progress(console, f"{turn}/{number}", reports[-1])
    return reports


def _row(table: Table, name: str, cuts: int, reports: list[Report]) -> None:
    lives = [report.up_s for report in reports if report.up_s is not None]
    table.add_row(
        name, str(cuts), *(str(sum(r.has(kind) for r in reports)) for kind in Kind),
        f"{statistics.median(r.seconds for r in reports):.1f}",
        f"{statistics.median(lives):.1f}" if lives else "-",
    )  # fmt: skip


def _progress(console: Console, turn: str, report: Report) -> None:
    up = "" if report.up_s is None else f"online after {report.up_s:4.1f} s, "
    load = f"used {report.load_s:.1f} s, " if report.load_s else ""
    verdict = "as it was" if not report.findings else f"{len(report.findings)} findings"
    console.print(
        f"  {turn:>7}  {report.seconds:5.1f} s  {report.way.value:22} {up}{load}{verdict}",
        soft_wrap=True,
    )
    for finding in report.findings[:SHOWN]:
        console.print(f"           {finding.kind}: {finding.what}", soft_wrap=True, markup=False)
