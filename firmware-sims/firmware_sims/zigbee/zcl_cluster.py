"""A ZCL cluster as data: its attributes, and the numbers of its commands.

Here: the values. Not here: the commands that act on them (``zcl_server``, ``zcl_reporting``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from firmware_sims.zigbee import zcl
from firmware_sims.zigbee.zcl import Status

Get = Callable[[], zcl.Value]
Set = Callable[[zcl.Value], Status]


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute: how to read it, how to write it (None: read only), and if it reports."""

    type_id: int
    get: Get
    set: Set | None = None
    reportable: bool = False

    @property
    def access(self) -> int:
        """The access field of extended discovery (ZCL 8, 2.5.23.1.3): read, write, report."""
        return 1 | (2 if self.set else 0) | (4 if self.reportable else 0)


@dataclass(slots=True)
class Cluster:
    """One server cluster: its attributes and the numbers of its commands."""

    cluster_id: int
    attributes: dict[int, Attribute]
    received: frozenset[int] = frozenset()
    generated: frozenset[int] = frozenset()


def constant(type_id: int, value: zcl.Value) -> Attribute:
    """An attribute that never changes."""
    return Attribute(type_id, lambda: value)
