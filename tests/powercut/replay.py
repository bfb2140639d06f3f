"""The write-log replay: a few lives of a real gateway, and the hundreds of disks they may leave.

What is cut at a place of the record must hold everything that was said before that place. The same
cuts with fewer syncs are the control: a method that finds no loss there proves nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import copy
import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Console
from rich.table import Table

from firmware_sims.cloud.broker import find_mosquitto
from gateway.domain.instant import ClockTrust
from gateway.kit.clock import SystemClock
from tests.powercut.boots import Boots
from tests.powercut.images import Disk, Fate, Image, Kind, Syncs, counting
from tests.powercut.load import Broken, Powercuts, Recording
from tests.powercut.promises import Promises, examine
from tests.powercut.recorder import NoCompiler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tests.powercut.load import Life

MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own below it
"""Images are opened here where it exists: what is synced there costs nothing."""

BOOTS = 20
CONTROL_SHARE = 4
"""Every fourth cut is looked at without syncs as well."""

SHOWN = 12
"""Findings printed at most."""


class Cut(NamedTuple):
    """After so many operations of a life. `seed`: of what survives."""

    life: int
    at: int
    fate: Fate
    seed: int


@dataclass
class Tally:
    """Of one way of syncing."""

    images: int = 0
    lost: int = 0
    corrupt: int = 0
    findings: list[str] = field(default_factory=list)

    def count(self, cut: Cut, lost: Sequence[str], corrupt: Sequence[str]) -> None:
        self.images += 1
        self.lost += bool(lost)
        self.corrupt += bool(corrupt)
        if lost or corrupt:
            more = len(lost) + len(corrupt) - 1
            first = [*corrupt, *lost][0] + (f" (and {more} more)" if more else "")
            self.findings.append(f"life {cut.life}, cut at {cut.at}, {cut.fate.value}: {first}")


def choose(lives: Sequence[Life], count: int, random: Random) -> list[Cut]:
    """Half anywhere, half just after something was said: there a late sync shows.

    Every life gets its share by what was said in it.
    """
    weights = [len(life.said) + 20 for life in lives]
    cuts = []
    for number in range(count):
        index = random.choices(range(len(lives)), weights)[0]
        life = lives[index]
        at = random.randint(0, len(life.ops))
        if number % 2 and life.said:
            at = random.choice(life.said)[0] + 1
        cuts.append(Cut(index, at, random.choice(list(Fate)), random.getrandbits(32)))
    return in_order(cuts)


def in_order(cuts: Iterable[Cut]) -> list[Cut]:
    return sorted(cuts, key=lambda cut: (cut.life, cut.at))


def images(
    lives: Sequence[Life], cuts: Sequence[Cut], syncs: Syncs
) -> Iterator[tuple[Cut, Image, Promises]]:
    """In order of the record. What is promised is only good until the next one."""
    for index, life in enumerate(lives):
        counts = counting(life.ops, syncs)
        disk, promises, said, done = Disk(life.base), copy.deepcopy(life.before), 0, 0
        for cut in cuts:
            if cut.life != index:
                continue
            for op, made in zip(life.ops[done : cut.at], counts[done : cut.at], strict=True):
                if made:
                    disk.apply(op)
            while said < len(life.said) and life.said[said][0] < cut.at:
                promises.hear(life.said[said][1])
                said += 1
            done = max(done, cut.at)
            yield cut, disk.image(cut.fate, Random(cut.seed)), promises


def judge(
    recording: Recording, cuts: Sequence[Cut], syncs: Syncs, progress: Callable[[str], None]
) -> Tally:
    tally = Tally()
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as name:
        for cut, image, promises in images(recording.lives, cuts, syncs):
            folder = Path(name, "state")
            folder.mkdir(mode=0o700)
            found = examine(image, folder, promises)
            tally.count(cut, found.lost, found.corrupt)
            shutil.rmtree(folder)
            if tally.images % 100 == 0:
                progress(f"{syncs.value}: {tally.images} of {len(cuts)} images")
    return tally


def main(arguments: Sequence[str]) -> int:
    """The figures; 1 if anything was lost or is corrupt, or if the control finds nothing."""
    parser = argparse.ArgumentParser(prog="python -m tests.powercut replay")
    parser.add_argument("--seed", type=int, default=None, help="of the load and of the cuts")
    parser.add_argument("--images", type=int, default=900, help="disks with all syncs (900)")
    parser.add_argument("--lives", type=int, default=4, help="power cuts before the faults (4)")
    parser.add_argument("--seconds", type=float, default=7.0, help="a life lasts, about (7)")
    parser.add_argument("--keep", action="store_true", help="keep the house's folder")
    options, _ = parser.parse_known_args(arguments)
    console = Console(highlight=False)
    if find_mosquitto() is None:
        console.print("mosquitto is not installed: run make setup")
        return 1
    seed = options.seed if options.seed is not None else Random().getrandbits(32)
    clock = SystemClock(ClockTrust.TRUSTED)
    started = clock.monotonic()

    def progress(what: str) -> None:
        console.print(f"[dim]{clock.monotonic() - started:6.1f} s[/]  replay: {what}")

    progress(f"seed {seed}")
    folder = Path(tempfile.mkdtemp(prefix="powercut-"))
    try:
        return asyncio.run(_run(options, folder, seed, console, progress))
    except (Broken, NoCompiler) as error:
        console.print(f"[red]replay: {error}[/]")
        return 1
    finally:
        if options.keep:
            console.print(f"kept: {folder}")
        else:
            shutil.rmtree(folder)


async def _run(
    options: argparse.Namespace,
    folder: Path,
    seed: int,
    console: Console,
    progress: Callable[[str], None],
) -> int:
    random = Random(seed)
    powercuts = Powercuts(folder, random, progress)
    async with powercuts.run(options.lives, options.seconds) as house:
        recording = powercuts.recording
        cuts = choose(recording.lives, options.images, random)
        some = in_order(random.sample(cuts, min(BOOTS, len(cuts))))
        boots = Boots(house, folder)
        for cut, image, promises in images(recording.lives, some, Syncs.FULL):
            await boots.add(f"life {cut.life}, cut at {cut.at}, {cut.fate.value}", image, promises)
        progress(f"the daemon starts on {len(some)} of the disks")
        await boots.done()
    tallies = {Syncs.FULL: judge(recording, cuts, Syncs.FULL, progress)}
    for syncs in (Syncs.NORMAL, Syncs.OFF):
        tallies[syncs] = judge(recording, cuts[::CONTROL_SHARE], syncs, progress)
    return _figures(recording, tallies, boots, console)


def _figures(
    recording: Recording, tallies: dict[Syncs, Tally], boots: Boots, console: Console
) -> int:
    lives, promises = recording.lives, recording.promises
    calls = Counter(op.kind for life in lives for op in life.ops)
    console.print(
        f"{len(lives)} lives, {calls[Kind.WRITE]} writes and {calls[Kind.SYNC]} syncs recorded,"
        f" {recording.struck} calls made to fail ({recording.refused_starts} starts refused for it)"
    )
    console.print(
        f"told to the world: {promises.revision} revisions, {len(promises.events)} events,"
        f" {len(promises.answers)} answers, {len(promises.touched)} writes to locks,"
        f" {promises.unlocked.total()} doors opened by command"
    )
    table = Table("syncs", "images", "lost", "corrupt", title="write-log replay")
    for syncs, tally in tallies.items():
        control = "" if syncs is Syncs.FULL else " (control)"
        row = (tally.images, tally.lost, tally.corrupt)
        table.add_row(f"{syncs.value}{control}", *map(str, row))
    table.add_row("daemon started on it", str(boots.started), str(len(boots.findings)), "")
    console.print(table)
    full = tallies[Syncs.FULL]
    wrong = [*recording.wrong, *promises.contradictions, *boots.findings, *full.findings]
    for finding in wrong[:SHOWN]:
        console.print(f"[red]{finding}[/]")
    if len(wrong) > SHOWN:
        console.print(f"[red]and {len(wrong) - SHOWN} more[/]")
    if not all(tally.findings for syncs, tally in tallies.items() if syncs is not Syncs.FULL):
        wrong.append("the control lost nothing")
        console.print("[red]the control lost nothing: this run proves nothing[/]")
    return 1 if wrong else 0
