"""What a command of a command class is to a simulated lock: its name, its slot, what it does.

Here: the shapes that all command classes share, supervision's status, numbers. Not here: the
command classes themselves (`cc_*`), and the way of a frame (`application`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from firmware_sims.firmware.model import Answer
    from firmware_sims.zwave.application import ZwaveApplication

CONTROLLER = 1
"""The node id of whoever includes; the only one that these locks talk to."""


class CC(IntEnum):
    """Command classes that the locks speak (SDS13548, list of defined command classes)."""

    BASIC = 0x20
    USER_CREDENTIAL = 0x83
    ASSOCIATION_GROUP_INFO = 0x59
    DEVICE_RESET_LOCALLY = 0x5A
    ZWAVE_PLUS_INFO = 0x5E
    DOOR_LOCK_LOGGING = 0x4C
    SCHEDULE_ENTRY_LOCK = 0x4E
    DOOR_LOCK = 0x62
    USER_CODE = 0x63
    SUPERVISION = 0x6C
    CONFIGURATION = 0x70
    NOTIFICATION = 0x71
    MANUFACTURER_SPECIFIC = 0x72
    BATTERY = 0x80
    ASSOCIATION = 0x85
    VERSION = 0x86
    TIME_PARAMETERS = 0x8B
    SECURITY_2 = 0x9F


class SupervisionStatus(IntEnum):
    """CC:006C.01.02, Status."""

    NO_SUPPORT = 0x00
    WORKING = 0x01
    FAIL = 0x02
    SUCCESS = 0xFF


@dataclass(frozen=True, slots=True)
class Get:
    """What is answered by a report, be it a question or an order.

    `apply` returns the report; `masked` the same with its digits kept back; `pretend` that of an
    order which was not carried out, None for a question.
    """

    name: str
    apply: Callable[[], bytes]
    slot: int | None = None
    masked: Callable[[], bytes] | None = None
    pretend: Callable[[Answer], bytes | None] = lambda _answer: None


@dataclass(frozen=True, slots=True)
class Set:
    """An order, answered only when it is supervised.

    `refused` is called with the reason where the lock tells of a refusal by other means too.
    """

    name: str
    apply: Callable[[], Answer]
    slot: int | None = None
    refused: Callable[[Answer], None] = lambda _answer: None


Handler = Callable[["ZwaveApplication", bytes], Get | Set]
"""From the bytes behind command class and command; `IndexError` and `ValueError` when malformed."""

Commands = dict[tuple[int, int], Handler]


def housekeeping(name: str, report: Callable[[ZwaveApplication, bytes], bytes]) -> Handler:
    """A question about the radio's side; its name has a dot, see `faults.ArmedFault`."""

    def handler(app: ZwaveApplication, payload: bytes) -> Get:
        return Get(f"cc.{name}", lambda: report(app, payload))

    return handler


def u16(value: int) -> bytes:
    return value.to_bytes(2, "big")
