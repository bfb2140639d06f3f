"""SECRETS: whether digits stand in a text, told from the numbers that any text is full of."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

_DATES: Final = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?")
_RUNS: Final = re.compile(
    r"""(?:([A-Za-z_]+)["']?[=:]\ ?-?)?    # a name, as in a log line or in JSON, and a sign
        (?<![0-9A-Fa-f.])(?<!0x)          # a number, not a decimal's end or part of a longer one
        ([0-9]{3,16})
        (?![0-9A-Fa-f]|\.[0-9])""",
    re.VERBOSE,
)
_AS_HEX: Final = re.compile(r"(?:3[0-9]){3,}")


def found(text: str, digits: Container[str], shortest: int, numbers: Container[str]) -> list[str]:
    """The digits that stand in `text`, as such or as hexadecimal ASCII.

    Dates, decimals, parts of hexadecimal numbers, and numbers under a name in `numbers` are taken
    for what they are.
    """
    runs = [run for name, run in _RUNS.findall(_DATES.sub(" ", text)) if name not in numbers]
    for run in _AS_HEX.findall(text):
        runs += _parts(bytes.fromhex(run).decode(), shortest)
    return [run for run in runs if len(run) >= shortest and run in digits]


def _parts(run: str, shortest: int) -> Iterator[str]:
    for begin in range(len(run)):
        for end in range(begin + shortest, len(run) + 1):
            yield run[begin:end]
