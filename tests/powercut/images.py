"""What a disk may hold after a power cut, given what was done to it until then. Pure.

The rules are those of POSIX, at their strictest: contents are safe once the file was synced, names
once their folder was. Everything since may be there or not: nothing of it, a part of it in order,
or any sectors of it in any order. Changes of names survive in their order, as a file system's
journal keeps them. A sync that failed may be the last that was heard of the pages it should have
written (Linux marks them clean): they are lost, whatever a later sync says.

Not here: how calls are recorded (`recorder`) and what must be found in an image (`promises`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from random import Random

Image = dict[str, bytes]
"""Contents by name, below the recorded folder."""

MAPPED = "-shm"
"""How names end of files that are written through memory, which no recorder sees."""

LOG = "-wal"


class Kind(Enum):
    OPEN = 1
    WRITE = 2
    TRUNCATE = 3
    SYNC = 4
    UNLINK = 5
    RENAME = 6
    CONNECT = 7
    SEND = 8
    RECEIVE = 9
    FAILED = 10


class Op(NamedTuple):
    """One recorded call. `number`: offset, length or port. `at_ns`: the wall clock's time."""

    kind: Kind
    fd: int = -1
    name: str = ""
    number: int = 0
    data: bytes = b""
    created: bool = False
    emptied: bool = False
    folder: bool = False
    """Of OPEN: what opening did or met."""
    error: int = 0
    of_sync: bool = False
    """Of FAILED: a sync, else a write."""
    at_ns: int = 0


class Fate(Enum):
    """What becomes of what was not synced."""

    DROPPED = "dropped"
    PREFIX = "prefix"
    SECTORS_512 = "sectors of 512"
    SECTORS_4096 = "sectors of 4096"


SECTOR = {Fate.PREFIX: 512, Fate.SECTORS_512: 512, Fate.SECTORS_4096: 4096}


class Change(NamedTuple):
    """Of a file's contents: bytes at an offset, or (no data) a new length."""

    offset: int
    data: bytes | None

    def apply(self, contents: bytearray) -> None:
        end = self.offset + len(self.data or b"")
        if len(contents) < end:
            contents.extend(bytes(end - len(contents)))
        if self.data is None:
            del contents[self.offset :]
        else:
            contents[self.offset : end] = self.data

    def sectors(self, size: int) -> Iterator[Change]:
        """In pieces that a disk writes whole."""
        if self.data is None:
            yield self
            return
        at = 0
        while at < len(self.data):
            whole = size - (self.offset + at) % size
            yield Change(self.offset + at, self.data[at : at + whole])
            at += whole


@dataclass(slots=True, eq=False)
class File:
    """`safe`: synced; `pending`: since then, in order; `seen`: what the process reads."""

    safe: bytes = b""
    pending: list[Change] = field(default_factory=list)
    seen: bytearray = field(default_factory=bytearray)

    def change(self, change: Change) -> None:
        self.pending.append(change)
        change.apply(self.seen)

    def sync(self) -> None:
        contents = bytearray(self.safe)
        for change in self.pending:
            change.apply(contents)
        self.safe = bytes(contents)
        self.pending = []

    def after(self, fate: Fate, random: Random) -> bytes:
        """What the disk may hold of it."""
        if fate is Fate.DROPPED or not self.pending:
            return self.safe
        contents = bytearray(self.safe)
        for change in _survivors(self.pending, fate, random):
            change.apply(contents)
        return bytes(contents)


def _survivors(pending: list[Change], fate: Fate, random: Random) -> Iterator[Change]:
    size = SECTOR[fate]
    if fate is Fate.PREFIX:
        whole = random.randint(0, len(pending))
        yield from pending[:whole]
        if whole < len(pending):
            pieces = list(pending[whole].sectors(size))
            yield from pieces[: random.randrange(len(pieces))]
        return
    chance = random.choice((0.2, 0.5, 0.8))
    for change in pending:
        for piece in change.sectors(size):
            if random.random() < chance:
                yield piece


Renaming = tuple[str, str]
"""From, to."""


class Disk:
    """Follows a record; `image` may be asked at any moment.

    `base`: what the folder held, safely, before the first call.
    """

    def __init__(self, base: Mapping[str, bytes]) -> None:
        self.seen = {name: File(data, seen=bytearray(data)) for name, data in base.items()}
        self._safe_names = dict(self.seen)
        self._renamings: list[Renaming | tuple[str, File | None]] = []
        self._open: dict[int, File | None] = {}
        """By descriptor; None is a folder."""

    def apply(self, op: Op) -> None:
        """Calls that are none of files change nothing. KeyError: the record has a hole."""
        match op.kind:
            case Kind.OPEN:
                self._opened(op)
            case Kind.WRITE:
                self._file(op).change(Change(op.number, op.data))
            case Kind.TRUNCATE:
                self._file(op).change(Change(op.number, None))
            case Kind.SYNC:
                self._synced(op)
            case Kind.UNLINK:
                del self.seen[op.name]
                self._renamings.append((op.name, None))
            case Kind.RENAME:
                target = op.data.decode()
                self.seen[target] = self.seen.pop(op.name)
                self._renamings.append((op.name, target))
            case Kind.FAILED if op.of_sync:
                file = self._open[op.fd]
                if file is not None:
                    file.pending = []

    def _opened(self, op: Op) -> None:
        if op.folder:
            self._open[op.fd] = None
            return
        if op.created:
            self.seen[op.name] = File()
            self._renamings.append((op.name, self.seen[op.name]))
        file = self._open[op.fd] = self.seen[op.name]
        if op.emptied:
            file.change(Change(0, None))

    def _file(self, op: Op) -> File:
        file = self._open[op.fd]
        if file is None:
            raise KeyError(f"a folder is written to: {op}")
        return file

    def _synced(self, op: Op) -> None:
        file = self._open[op.fd]
        if file is not None:
            file.sync()
            return
        for change in self._renamings:
            _rename(self._safe_names, change)
        self._renamings = []

    def image(self, fate: Fate, random: Random) -> Image:
        """One of the disks that a power cut now may leave behind."""
        names = dict(self._safe_names)
        survive = 0 if fate is Fate.DROPPED else random.randint(0, len(self._renamings))
        for change in self._renamings[:survive]:
            _rename(names, change)
        found = {name: file.after(fate, random) for name, file in sorted(names.items())}
        for name, data in found.items():
            if name.endswith(MAPPED) and fate is not Fate.DROPPED:
                found[name] = random.randbytes(len(data))
        return found

    def contents(self) -> Image:
        """What the process itself reads: to be held against the real folder."""
        return {name: bytes(file.seen) for name, file in self.seen.items()}


def _rename(names: dict[str, File], change: Renaming | tuple[str, File | None]) -> None:
    name, what = change
    if isinstance(what, File):
        names[name] = what
    elif isinstance(what, str):
        moved = names.pop(name, None)
        if moved is not None:
            names[what] = moved
    else:
        names.pop(name, None)


class Syncs(Enum):
    """Which syncs count, as SQLite's `synchronous` names it: FULL is the record as it is."""

    FULL = "FULL"
    NORMAL = "NORMAL"
    """A log is synced before it is copied into its database, and when it is begun anew; not for a
    commit."""
    OFF = "OFF"


def counting(ops: Sequence[Op], syncs: Syncs) -> list[bool]:
    """Of each call, whether a process with such syncs would have made it."""
    if syncs is Syncs.FULL:
        return [True] * len(ops)
    if syncs is Syncs.OFF:
        return [op.kind is not Kind.SYNC for op in ops]
    names: dict[int, str] = {}
    where = [_named(op, names) for op in ops]
    copied: dict[str, bool] = {}
    """By database: whether the next write, looking back from the end, is to itself."""
    waiting: dict[str, int] = {}
    """By database: the sync of its log that was met last, looking back."""
    counts = [True] * len(ops)
    for index in range(len(ops) - 1, -1, -1):
        op, database = ops[index], where[index].removesuffix(LOG)
        of_log = database != where[index]
        if op.kind is Kind.WRITE:
            copied[database] = not of_log
            begun = of_log and op.number == 0
            if database in waiting:
                counts[waiting.pop(database)] |= begun
        elif op.kind is Kind.SYNC and of_log:
            counts[index] = copied.get(database, False)
            waiting[database] = index
    return counts


def _named(op: Op, names: dict[int, str]) -> str:
    if op.kind is Kind.OPEN:
        names[op.fd] = op.name
    return names.get(op.fd, "")
