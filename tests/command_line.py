"""The installed command as a process of its own, for tests. Not a test itself."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import NamedTuple

DEADLINE_S = 120.0


def heeds_interrupts() -> None:
    """In a child before it runs: whoever is started in a shell's background ignores Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Ran(NamedTuple):
    code: int
    out: str
    err: str


async def lock_gateway(*arguments: str, stdin: str = "", **environ: str) -> Ran:
    """Run to the end, 80 columns wide, in an environment of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "COLUMNS": "80", "PYTHONUTF8": "1", **environ},
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(stdin.encode()), DEADLINE_S)
    assert process.returncode is not None
    return Ran(process.returncode, out.decode(), err.decode())
