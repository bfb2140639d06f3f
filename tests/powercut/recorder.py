"""The recorder's other half: building it, asking for it, and reading what it wrote.

Not here: what it does inside the process (`recorder.c`), what the record means (`images`, `wire`).
"""

from __future__ import annotations

import fcntl
import shutil
import struct
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.powercut.images import Kind, Op

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = Path(__file__).with_name("recorder.c")

_HEAD = struct.Struct("<IBBHiiqq")
_CREATED, _TRUNCATED, _FOLDER = 1, 2, 4


class NoCompiler(Exception):
    """The words say what to install."""


@dataclass(frozen=True, slots=True)
class Fault:
    """From the `first` call on, `count` calls fail with `error` (errno)."""

    of_sync: bool
    first: int
    count: int
    error: int

    def __str__(self) -> str:
        return f"{'s' if self.of_sync else 'w'}{self.first}:{self.error}x{self.count}"


def build(folder: Path) -> Path:
    """The shared object, compiled anew into `folder`."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise NoCompiler(
            "no C compiler for the recorder of writes;"
            " run: sudo apt-get install gcc libc6-dev (or: bash tools/setup_powercut.sh)"
        )
    target = folder / "recorder.so"
    command = [compiler, "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    ran = subprocess.run(
        [*command, "-o", str(target), str(SOURCE), "-ldl", "-pthread"],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    if ran.returncode:
        raise NoCompiler(f"the recorder of writes could not be compiled:\n{ran.stderr[-2000:]}")
    return target


def environment(recorder: Path, folder: Path, log: Path, *faults: Fault) -> dict[str, str]:
    """What a process needs to be recorded."""
    return {
        "LD_PRELOAD": str(recorder),
        "POWERCUT_DIR": str(folder.resolve()),
        "POWERCUT_LOG": str(log),
        "POWERCUT_FAULTS": ",".join(map(str, faults)),
    }


@contextmanager
def between_calls(log: Path) -> Iterator[None]:
    """While it lasts, the recorded process is in no call: the moment to kill it."""
    with log.open("rb") as record:
        fcntl.flock(record, fcntl.LOCK_EX)
        yield


def read(log: Path) -> Iterator[Op]:
    """In order. A record that its process did not live to finish ends it: its call was the last."""
    raw = log.read_bytes()
    at = 0
    while at + _HEAD.size <= len(raw):
        size, kind, flags, _, fd, error, number, at_ns = _HEAD.unpack_from(raw, at)
        if at + size > len(raw):
            return
        yield _op(Kind(kind), flags, fd, error, number, at_ns, raw[at + _HEAD.size : at + size])
        at += size


def _op(kind: Kind, flags: int, fd: int, error: int, number: int, at_ns: int, data: bytes) -> Op:
    match kind:
        case Kind.OPEN:
            return Op(
                kind, fd, data.decode(), at_ns=at_ns, created=bool(flags & _CREATED),
                emptied=bool(flags & _TRUNCATED), folder=bool(flags & _FOLDER),
            )  # fmt: skip
        case Kind.UNLINK:
            return Op(kind, fd, data.decode(), at_ns=at_ns)
        case Kind.RENAME:
            old, new = data.split(b"\0")
            return Op(kind, fd, old.decode(), data=new, at_ns=at_ns)
        case Kind.FAILED:
            return Op(kind, fd, number=number, error=error, of_sync=flags == ord("s"), at_ns=at_ns)
    return Op(kind, fd, number=number, data=data, at_ns=at_ns)
