"""`python -m tests.bluez [options] [pytest options]`: boot the machine, run the tests, figures.

    --limit S   the machine is ended after so many seconds (default 1800)
    --keep      leave the folder of results, also when all is well

Everything else goes to pytest inside: `-k lingering`. Exit codes: 0 all chosen tests passed; 1 one
did not, or the machine ended without a word, or its time was over; 69 it cannot run here, and what
is missing. The logs are kept unless all is well.
"""

from __future__ import annotations

import argparse
import asyncio
import compileall
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.table import Table

from gateway.domain.instant import ClockTrust
from gateway.kit.clock import SystemClock
from tests.bluez.machine import PROJECT, CannotRun, Kernel, fetched, run, write_initramfs
from tests.bluez.plugin import FIGURES

if TYPE_CHECKING:
    from collections.abc import Sequence

EX_UNAVAILABLE: Final = 69
LIMIT_S: Final = 1800.0
TESTS: Final = (
    "tests/contracts/test_ble_radio.py",
    "tests/contracts/test_ttlock_radio.py",
    "tests/bluez/differences.py",
)
# Only what is needed is imported, through an emulated processor and a slow file system.
_PYTEST: Final = (
    "-p", "pytest_asyncio.plugin", "-p", "tests.bluez.plugin", "-p", "no:cacheprovider",
    "--noconftest", "-v", "--tb=short",
)  # fmt: skip

_clock = SystemClock(ClockTrust.TRUSTED)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bluez")
    parser.add_argument("--limit", type=float, default=LIMIT_S)
    parser.add_argument("--keep", action="store_true")
    options, more = parser.parse_known_args(arguments)
    console = Console(highlight=False, markup=False, soft_wrap=True)
    try:
        kernel = fetched()
    except CannotRun as missing:
        console.print(f"BlueZ cannot be run here: {missing}")
        return EX_UNAVAILABLE
    results = Path(tempfile.mkdtemp(prefix="bluez-vm-"))
    code = 1
    try:
        code = asyncio.run(_boot(console, kernel, results, options.limit, more))
    except CannotRun as missing:
        console.print(f"BlueZ cannot be run here: {missing}")
        code = EX_UNAVAILABLE
    finally:
        if code not in (0, EX_UNAVAILABLE) or options.keep:
            console.print(f"logs of the machine, bluetoothd and the tests: {results}")
        else:
            shutil.rmtree(results, ignore_errors=True)
    return code


async def _boot(
    console: Console, kernel: Kernel, results: Path, limit_s: float, more: Sequence[str]
) -> int:
    for folder in ("gateway", "firmware-sims", "tests"):  # inside, that takes minutes
        compileall.compile_dir(PROJECT / folder, quiet=2)
    initramfs = results / "initramfs"
    write_initramfs(kernel, initramfs, [*_PYTEST, *TESTS, *more])
    console.print(
        f"booting {kernel.image.name} under QEMU; the time before each line is in seconds"
    )
    began = _clock.monotonic()
    first_test_s: float | None = None

    def say(line: str) -> None:
        nonlocal first_test_s
        passed = _clock.monotonic() - began
        if first_test_s is None and "collected" in line:
            first_test_s = passed
        console.print(f"{passed:7.1f}  {line}")

    try:
        status = await run(kernel, initramfs, results, say, limit_s)
    except TimeoutError:
        console.print(f"not done after {limit_s:.0f} s, so the machine was ended")
        return 1
    finally:
        initramfs.unlink(missing_ok=True)
    if status is None:
        console.print("the machine ended without a word")
        return 1
    _tell(console, results, first_test_s, _clock.monotonic() - began)
    return 0 if status == 0 else 1


def _tell(console: Console, results: Path, first_test_s: float | None, all_s: float) -> None:
    table = Table("figure", "ms", title="Over BlueZ, emulated", title_justify="left")
    path = results / FIGURES
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            name, milliseconds = json.loads(line)
            table.add_row(name, f"{milliseconds:.0f}")
        console.print(table)
    if first_test_s is not None:
        console.print(f"{first_test_s:.0f} s until the first test, {all_s:.0f} s in all")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
