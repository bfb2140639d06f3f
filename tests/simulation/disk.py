"""The store's writer without its thread, and the ways in which power is cut around a commit.

Here: batches run in the loop after the time a card takes to sync; a full disk; the cut itself.
Real SQLite on a real file throughout.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from gateway.errors import StoreClosed
from gateway.store.writer import MAX_BATCH, Batch, Job, Transactor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path


class Cut(Enum):
    """Where the power goes, seen from a transaction."""

    BEFORE = "before"
    """What was asked for never ran."""
    INSIDE = "inside"
    """It ran and was rolled back: the commit was not on the disk."""
    AFTER = "after"
    """It is on the disk, and nobody heard of it."""


class _PowerCut(BaseException):
    """Out of the middle of a transaction."""


class _Transactor(Transactor):
    """`dying`: the next commit is the last thing that does not happen. `full`: no commit that
    changes anything happens; SQLite has nothing to write for one that does not."""

    dying = False
    full = False
    _before = 0

    def run(self, jobs: Iterable[Job]) -> Batch:
        self._before = self._connection.total_changes
        return super().run(jobs)

    def commit(self) -> None:
        if self.dying:
            raise _PowerCut
        if self.full and self._connection.total_changes != self._before:
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error
        super().commit()


class Usage(NamedTuple):
    """Bytes."""

    total: int
    free: int


@dataclass
class Disk:
    """What outlives a life. `cut_in`: transactions from now to the one in which the power goes."""

    sync_s: float = 0.004
    full: bool = False
    cut_in: int | None = None
    cut: Cut = Cut.BEFORE
    on_cut: Callable[[Cut], None] = field(default=lambda cut: None)

    def usage(self, folder: Path) -> Usage:
        """As `shutil.disk_usage` would tell it."""
        return Usage(2**34, 0 if self.full else 2**33)

    def plan_cut(self, transactions: int, cut: Cut) -> None:
        self.cut_in, self.cut = transactions, cut

    def strikes(self) -> bool:
        """Count one transaction down; True for the one in which the power goes."""
        if self.cut_in is None:
            return False
        self.cut_in -= 1
        if self.cut_in > 0:
            return False
        self.cut_in = None
        return True


class SimWriter:
    """`gateway.store.writer.Writer` for one life."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._waiting: list[Job] = []
        self._timer: asyncio.TimerHandle | None = None
        self.dead = False

    async def start(self, path: Path, settled: Callable[[Batch], None]) -> None:
        self._transactor = _Transactor(path)
        self._settled = settled

    def put(self, job: Job) -> None:
        if self.dead:
            raise StoreClosed("could not write to the store: the power is off")
        self._waiting.append(job)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._disk.sync_s, self._work)

    async def stop(self) -> None:
        while self._waiting and not self.dead:
            self._work()
        self.die()

    def die(self) -> None:
        """From here on nothing is written, and what waits fails."""
        if self.dead:
            return
        self.dead = True
        if self._timer is not None:
            self._timer.cancel()
        waiting, self._waiting = self._waiting, []
        self._fail(waiting, StoreClosed("could not write to the store: the power is off"))
        self._transactor.close()

    def _work(self) -> None:
        self._timer = None
        if self.dead or not self._waiting:
            return
        jobs = self._burst()
        if jobs[0].fn is None:
            self._settled(self._transactor.checkpoint(jobs[0]))
        elif not self._disk.full and self._disk.strikes():
            self._cut(jobs)
            return
        else:
            self._transactor.full = self._disk.full
            self._settled(self._transactor.run(jobs))
        if self._waiting and self._timer is None and not self.dead:
            self._timer = asyncio.get_running_loop().call_later(self._disk.sync_s, self._work)

    def _burst(self) -> list[Job]:
        """One checkpoint by itself, or what shares a commit."""
        end = 1
        if self._waiting[0].fn is not None:
            while end < min(len(self._waiting), MAX_BATCH) and self._waiting[end].fn is not None:
                end += 1
        jobs, self._waiting = self._waiting[:end], self._waiting[end:]
        return jobs

    def _cut(self, jobs: list[Job]) -> None:
        cut = self._disk.cut
        if cut is Cut.INSIDE:
            self._transactor.dying = True
            with contextlib.suppress(_PowerCut):
                self._transactor.run(jobs)
        elif cut is Cut.AFTER:
            self._transactor.run(jobs)
        self._waiting = jobs + self._waiting
        self._disk.on_cut(cut)  # kills every port of this life, this one among them

    def _fail(self, jobs: list[Job], error: Exception) -> None:
        batch = Batch(jobs)
        batch.fail(error)
        self._settled(batch)
