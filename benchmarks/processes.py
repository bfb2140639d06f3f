"""Programs as processes: starting, ending, awaiting, answering questions, what they take."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Callable, Mapping

WAIT_S = 120.0
POLL_S = 0.02
_TICKS_S = 1 / os.sysconf("SC_CLK_TCK")


async def launch(log: Path, module: str, *arguments: str, talks: bool = False) -> Process:
    pipe = asyncio.subprocess.PIPE if talks else None
    with log.open("ab") as out:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, *arguments, stdin=pipe, stdout=pipe or out, stderr=out,
            limit=2**24,
        )  # fmt: skip


async def answer(who: object, ready: Mapping[str, Any]) -> None:
    """Be one that `talks`: a JSON line when ready, then one for each line read, until the last.

    A line read names a method of `who` as `op`, and its arguments.
    """
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(lines), sys.stdin
    )
    print(json.dumps(ready), flush=True)
    while line := await lines.readline():
        order: dict[str, Any] = json.loads(line)
        act: Callable[..., Any] = getattr(who, order.pop("op"))
        print(json.dumps(act(**order)), flush=True)


async def end(process: Process) -> None:
    if process.returncode is None:
        process.terminate()
        try:
            async with asyncio.timeout(15):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


async def until(probe: Callable[[], object], timeout_s: float = WAIT_S) -> None:
    """Poll a cheap condition. TimeoutError."""
    async with asyncio.timeout(timeout_s):
        while not probe():  # noqa: ASYNC110 - what is asked is in another process
            await asyncio.sleep(POLL_S)


class Usage:
    """What a process takes of the machine, as the kernel counts it."""

    def __init__(self, pid: int) -> None:
        self._proc = Path(f"/proc/{pid}")

    def child(self, word: str) -> Usage:
        """The only child whose command line has that word."""
        children = (self._proc / "task" / self._proc.name / "children").read_text().split()
        (found,) = [
            pid for pid in children if word in Path(f"/proc/{pid}/cmdline").read_bytes().decode()
        ]
        return Usage(int(found))

    def rss_kb(self) -> int:
        status = (self._proc / "status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if "VmRSS" in line)

    def cpu_s(self) -> float:
        """User and system time of all threads; in ticks of 10 ms."""
        fields = (self._proc / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * _TICKS_S
