"""What is known of a Z-Wave lock model beforehand; the values come from `quirks.toml`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Switch:
    """A setting that is one configuration parameter of one byte, with its values for off and on.

    `unsigned`: the byte is 0 to 255 and not -128 to 127.
    """

    name: str
    parameter: int
    off: int
    on: int
    unsigned: bool = True


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """Deviations of one model; the defaults are the specification's, or the careful choice.

    `slots` stands in for a lock that does not tell its number of users. `length_parameter`: the
    configuration parameter (CC:0070) that holds the one length which all codes have. `slow_s`: what
    one command may take. Without `keeps_schedules` the lock's own claim to keep them is not
    believed. `reads_back_digits` is False for a lock that masks its codes.
    """

    names: tuple[str, ...] = ()
    slots: int = 0
    min_length: int = 4
    max_length: int = 8
    reserved_slots: frozenset[int] = frozenset()
    length_parameter: int = 0
    keeps_schedules: bool = True
    reads_back_digits: bool = True
    slow_s: float = 0.0
    switches: tuple[Switch, ...] = ()
