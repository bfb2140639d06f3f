"""Digits, and what may be known of them without knowing them.

`Secret` is the only type in which digits travel; it does not print. `DigitsFacts` is what the
rest of the domain works with: a keyed hash (equality within this gateway, nothing more), the
length and the character set. Hashing itself needs a key and lives in `gateway.store.keyring`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from itertools import pairwise
from typing import Final, NewType, Self

KeyedHash = NewType("KeyedHash", str)


class Secret:
    """Digits in flight. `reveal()` is the only way to them: each use can be searched for."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value: Final = value

    def reveal(self) -> str:
        return self._value

    def __len__(self) -> int:
        return len(self._value)

    def __repr__(self) -> str:
        return "Secret(…)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)


class Weakness(Enum):
    """Why digits would be guessed first."""

    REPEATED = "repeated_pattern"
    RUN = "ascending_or_descending_run"
    YEAR = "year"


@dataclass(frozen=True, slots=True)
class DigitsFacts:
    """What planning may know about a secret. The weakness stays out of the repr: it is a hint."""

    hash: KeyedHash
    length: int
    numeric: bool
    weakness: Weakness | None = field(default=None, repr=False)

    @classmethod
    def of(cls, secret: Secret, keyed_hash: KeyedHash) -> Self:
        digits = secret.reveal()
        return cls(keyed_hash, len(digits), _is_numeric(digits), weakness_of(digits))


def weakness_of(digits: str) -> Weakness | None:
    """Why a code would be guessed first, or None.

    Exactly these, so that whoever chooses codes can tell beforehand (in parentheses, how many of
    the 10,000 four-digit codes each takes, 318 together):
    - one character, or one block, repeated throughout: 7777, 1212, 123123 (100)
    - a run up or down in steps of one, digits going on from 9 to 0: 1234, 8901, 3210, abcd (20)
    - four digits that read as a year from 1900 to 2099 (198 more)
    """
    if any(
        digits == digits[:block] * (len(digits) // block)
        for block in range(1, len(digits) // 2 + 1)
    ):
        return Weakness.REPEATED
    steps = {ord(b) - ord(a) for a, b in pairwise(digits)}
    if _is_numeric(digits):
        steps = {step % 10 for step in steps}
    if steps in ({1}, {-1}, {9}):
        return Weakness.RUN
    if len(digits) == 4 and _is_numeric(digits) and digits[:2] in {"19", "20"}:
        return Weakness.YEAR
    return None


def _is_numeric(digits: str) -> bool:
    """0 to 9 only: what a keypad has. `str.isdigit` alone also takes other scripts' digits."""
    return digits.isascii() and digits.isdigit()
