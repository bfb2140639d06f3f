"""The simulated TTLock and ttlock-ble, a client of somebody else, over the simulated air.

The client needs Python 3.12 or newer and is no dependency of the project: firmware-sims/interop/
ttlock/drive.py says how to get it. Where it is not there, this says so and is skipped.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

DRIVE = Path(__file__).parents[2] / "firmware-sims" / "interop" / "ttlock" / "drive.py"
DEADLINE_S = 120.0


def _interpreter() -> Path:
    named = os.environ.get("TTLOCK_INTEROP_PYTHON")
    return Path(named) if named else DRIVE.parent / ".venv" / "bin" / "python"


@pytest.mark.slow
async def test_an_independent_client_is_content() -> None:
    interpreter = _interpreter()
    if not interpreter.exists():
        pytest.skip(
            "no Python >= 3.12 with ttlock-ble: make firmware-sims/interop/ttlock/.venv as "
            "drive.py says, or name an interpreter in TTLOCK_INTEROP_PYTHON"
        )
    process = await asyncio.create_subprocess_exec(
        *(str(interpreter), str(DRIVE)),
        env={**os.environ, "PYTHON": sys.executable},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        said, _ = await asyncio.wait_for(process.communicate(), DEADLINE_S)
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    assert process.returncode == 0, said.decode()
    assert said.decode().rstrip().endswith("all held")
