"""The unmodified pyNukiBT, an independent client of Nuki locks. Not a test itself.

pyNukiBT 0.0.20 imports `async_timeout` and does not require it. From Python 3.11 on that package
hands out asyncio's own `timeout`; where it is not installed, the same is done here.
"""

from __future__ import annotations

import asyncio
import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any


def pynukibt() -> Any:
    """The package."""
    if "async_timeout" not in sys.modules and find_spec("async_timeout") is None:
        stand_in = ModuleType("async_timeout")
        stand_in.timeout = asyncio.timeout  # type: ignore[attr-defined]
        sys.modules["async_timeout"] = stand_in
    return import_module("pyNukiBT")
