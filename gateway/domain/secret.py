"""Digits, and what may be known of them without knowing them.

`Secret` is the only type in which digits travel; it does not print. `DigitsFacts` is what the
rest of the domain works with: a keyed hash (equality within this gateway, nothing more), the
length and the character set. Hashing itself needs a key and lives in `gateway.store.keyring`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, NewType

KeyedHash = NewType("KeyedHash", str)


class Secret:
    """Digits in flight. `reveal()` is the only way to them, so that each use can be searched for."""

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

    REPEATED = "repeated_digit"
    RUN = "ascending_or_descending_run"
    YEAR = "year"


@dataclass(frozen=True, slots=True)
class DigitsFacts:
    """What planning may know about a secret."""

    hash: KeyedHash
    length: int
    numeric: bool
    weakness: Weakness | None = None


def weakness_of(digits: str) -> Weakness | None:
    """The reasons a code is refused for being guessable: all one digit, a run, or a recent year."""
    if len(set(digits)) == 1:
        return Weakness.REPEATED
    if digits.isascii() and digits.isdigit():
        steps = {(int(b) - int(a)) % 10 for a, b in zip(digits, digits[1:], strict=False)}
        if steps in ({1}, {9}):
            return Weakness.RUN
        if len(digits) == 4 and digits[:2] in {"19", "20"}:
            return Weakness.YEAR
    return None
