"""A machine under User-Mode Linux: its disk image, its power, and what is found on the disk.

The root file system is the host's own, read-only (hostfs), so that the project's environment is
there; the state directory is an ext4 image behind `ubd`, and survives. Killing the kernel's
processes is the power cut: what the guest's page cache held and had not written is gone, what its
block layer had completed is in the image. A disk that reorders or loses what it acknowledged is
not modelled; the write-log replay does that. Not here: what runs inside (`guest`), and what is
expected of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.domain.instant import ClockTrust
from gateway.kit.clock import SystemClock
from gateway.store import events, meta
from tests.powercut.uml import guest
from tests.powercut.uml.line import Line

if TYPE_CHECKING:
    from collections.abc import Sequence

PROJECT: Final = Path(__file__).parents[3]
KERNEL: Final = "linux.uml"
NEEDED: Final = {KERNEL: "user-mode-linux", "mke2fs": "e2fsprogs", "e2fsck": "e2fsprogs",
                 "debugfs": "e2fsprogs", "mosquitto": "mosquitto"}  # fmt: skip
STATE: Final = "/run/state/lock-gateway"
"""The daemon's state directory, inside."""

_PATH: Final = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin:/usr/local/sbin"
_MEMORY: Final = "256M"
_IMAGE_SIZE: Final = "96M"
_UP_S: Final = 60.0
_GONE_S: Final = 10.0
_TICK_S: Final = 0.02

_clock = SystemClock(ClockTrust.TRUSTED)

_INIT: Final = """\
#!/bin/sh
mount -t proc proc /proc &&
mount -t sysfs sys /sys &&
mount -t tmpfs -o mode=0755 run /run &&
mkdir /run/state &&
mount -t ext4 /dev/ubda /run/state &&
cd {project} &&
export HOME=/run TMPDIR=/run NO_COLOR=1 PYTHONDONTWRITEBYTECODE=1 &&
exec {guest}
echo "init: failed with $?"
"""


class CannotRun(Exception):
    """This machine lacks something; the text names it and how to get it."""


class Unsound(Exception):
    """What is on the disk after a power cut is not a sound store; the text says how."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a store says after a power cut, before anybody has opened it to work with."""

    epoch: str
    counts: dict[str, int]


def tool(name: str) -> str:
    """Where a needed program is. CannotRun."""
    found = shutil.which(name, path=_PATH)
    if found is None:
        package = NEEDED[name]
        raise CannotRun(f"{name} is missing: apt-get install {package}, or tools/setup_powercut.sh")
    return found


def check_machine() -> None:
    """CannotRun if User-Mode Linux or a tool is missing here."""
    if sys.platform != "linux" or os.uname().machine != "x86_64":
        raise CannotRun("User-Mode Linux runs on x86-64 Linux only")
    for name in NEEDED:
        tool(name)


def swallows_sync() -> str:
    """The library that makes every fsync do nothing, for the control. CannotRun."""
    found = sorted(Path("/usr/lib").glob("*/libeatmydata.so"))
    if not found:
        raise CannotRun(
            "libeatmydata.so is missing: apt-get install libeatmydata1, or tools/setup_powercut.sh"
        )
    return str(found[0])


@dataclass(frozen=True, slots=True)
class Boot:
    """How the machine wakes. `step_s`: how wrong its clock is. `preload`: a library's path."""

    step_s: float = 0.0
    synchronised: bool = True
    preload: str = ""


class Machine:
    """One machine with one disk. At most one boot at a time."""

    def __init__(self, folder: Path, radio: str, broker: tuple[str, int], config: Path) -> None:
        self.folder = folder
        self.image = folder / "state.ext4"
        self.log = folder / "daemon.log"
        self.console = folder / "console.log"
        self._radio, self._broker, self._config = radio, broker, config
        self._process: asyncio.subprocess.Process | None = None
        self._line: Line | None = None
        self._carrying: asyncio.Task[None] | None = None

    @property
    def line(self) -> Line:
        if self._line is None:
            raise RuntimeError("the machine is off")
        return self._line

    async def format(self, content: Path) -> None:
        """A new disk that holds `content`."""
        self.image.unlink(missing_ok=True)
        await _run("mke2fs", "-q", "-t", "ext4", "-b", "4096", "-d", str(content),
                   str(self.image), _IMAGE_SIZE)  # fmt: skip

    async def probe(self) -> None:
        """Whether a kernel comes up here at all. CannotRun with its last words."""
        script = self.folder / "probe.sh"
        script.write_text("#!/bin/sh\necho it-runs\nexec sleep 3600\n", encoding="utf-8")
        script.chmod(0o755)
        await self._start(script)
        try:
            async with asyncio.timeout(_UP_S):
                while "it-runs" not in self._console() and not self._dead():
                    await _clock.sleep(_TICK_S)
        except TimeoutError:
            pass
        finally:
            await self.cut()
        if "it-runs" not in self._console():
            raise CannotRun(f"its kernel does not come up: {self._console()}")

    async def power_on(self, how: Boot) -> None:
        """Returns as soon as the kernel's process exists."""
        self._line = line = Line(self._broker, self.log)
        with line.theirs:
            fd = line.theirs.fileno()
            await self._start(
                self._init(how), f"ubda={self.image}", f"ssl0=tty:{self._radio}", f"ssl1=fd:{fd}",
                pass_fds=(fd,),
            )  # fmt: skip
        self._carrying = asyncio.create_task(line.run())

    async def until_up(self) -> None:
        """Until the daemon's process exists. TimeoutError with the console's end."""
        try:
            async with asyncio.timeout(_UP_S):
                while "boot_id" not in self.line.notes and not self._dead():
                    await _clock.sleep(_TICK_S)
        except TimeoutError:
            pass
        if "boot_id" not in self.line.notes:
            raise TimeoutError(f"the machine did not come up: {self._console()}")

    async def _start(self, init: Path, *more: str, pass_fds: tuple[int, ...] = ()) -> None:
        with self.console.open("wb") as console:
            self._process = await asyncio.create_subprocess_exec(
                tool(KERNEL), f"mem={_MEMORY}", "umid=machine", f"uml_dir={self.folder}/uml/",
                "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro", f"init={init}",
                "quiet", "con=null", "con0=null,fd:1", "ssl=null", *more,
                stdin=asyncio.subprocess.DEVNULL, stdout=console, stderr=console,
                # A group to end as one, but not a session: it would own the stick's terminal.
                process_group=0, pass_fds=pass_fds,
            )  # fmt: skip

    def _dead(self) -> bool:
        return self._process is None or self._process.returncode is not None

    def _console(self) -> str:
        return self.console.read_text(errors="replace")[-1000:]

    def _init(self, how: Boot) -> Path:
        """The script that the kernel starts; nothing of the command line has to be quoted."""
        inside = [sys.executable, "-S", "-E", guest.__file__, f"--step={how.step_s}"]
        inside += ["--synchronised"] if how.synchronised else []
        preload = ["env", f"LD_PRELOAD={how.preload}"] if how.preload else []
        daemon = [*preload, sys.executable, "-m", "gateway", "run", "--config", str(self._config)]
        script = self.folder / "init.sh"
        script.write_text(
            _INIT.format(
                project=shlex.quote(str(PROJECT)), guest=shlex.join([*inside, "--", *daemon])
            ),
            encoding="utf-8",
        )  # fmt: skip
        script.chmod(0o755)
        return script

    async def cut(self) -> None:
        """The power goes, now. Returns when nothing of the machine is left."""
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
            async with asyncio.timeout(_GONE_S):
                while _group_lives(process.pid):
                    await _clock.sleep(_TICK_S)
        if self._carrying is not None:
            await self._carrying
        self._line = self._carrying = None

    async def examine(self) -> Found | None:
        """The disk as it is, on a copy: the file system mends by its journal, the store is whole.

        Unsound otherwise. None: cut so early in the first start that there is no store yet.
        """
        copy, found = self.folder / "copy.ext4", self.folder / "found"
        shutil.rmtree(found, ignore_errors=True)
        found.mkdir()
        await _run("cp", "--sparse=always", str(self.image), str(copy))
        # 1: mended, which replaying the journal is; 4: left unmended.
        await _run("e2fsck", "-fp", str(copy), allowed=(0, 1))
        await _run("debugfs", "-R", f'rdump /lock-gateway "{found}"', str(copy))
        state = found / "lock-gateway"
        aside = sorted(path.name for path in state.glob("*.damaged*"))
        if aside:
            raise Unsound(f"set aside: {', '.join(aside)}")
        for name in ("state.db", "zigbee.db"):
            if (state / name).exists():
                _sound(state / name)
        if not (state / "state.db").exists():
            return None
        with contextlib.closing(sqlite3.connect(state / "state.db")) as database:
            epoch, *counts = (
                database.execute(asked.sql, asked.params).fetchone()[0]
                for asked in (meta.epoch(), meta.revision(), meta.change(), events.head())
            )
        return Found(epoch, dict(zip(("revision", "change", "head"), counts, strict=True)))


def _sound(path: Path) -> None:
    try:
        with contextlib.closing(sqlite3.connect(path)) as database:
            lines = database.execute("PRAGMA integrity_check").fetchall()
            lines += database.execute("PRAGMA foreign_key_check").fetchall()
    except sqlite3.DatabaseError as error:
        raise Unsound(f"{path.name}: {error}") from error
    if lines != [("ok",)]:
        raise Unsound(f"{path.name}: {lines[:3]}")


def _group_lives(group: int) -> bool:
    """Whether a process of it may still act; one that only waits to be reaped holds nothing."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, its_group = path.read_text().rpartition(")")[2].split()[:3]
            if int(its_group) == group and state not in "ZX":
                return True
    return False


async def _run(name: str, *arguments: str, allowed: Sequence[int] = (0,)) -> None:
    """Unsound with its words when it ends otherwise."""
    process = await asyncio.create_subprocess_exec(
        shutil.which(name, path=_PATH) or name, *arguments,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    if process.returncode not in allowed:
        raise Unsound(f"{name} ended with {process.returncode}: {said.decode(errors='replace')}")
