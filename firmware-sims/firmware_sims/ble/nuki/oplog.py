"""The log of a Nuki: entries with rising numbers in a ring, and how they are read.

Here: the ring, the entries' data, commands 31 and 34. Not here: what is written when (``chronicle``
and ``motor``). Layouts from ronengr/pyNukiBT, const.py, LogEntry.

Assumed: ascending from 0 is from the oldest that is left, descending from 0 from the newest; with
logging off nothing but the switching itself is written.
"""

from __future__ import annotations

from collections import deque
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Any

from firmware_sims.ble.nuki.authorizations import NAME_SIZE, NOBODY, Authorization
from firmware_sims.ble.nuki.fields import Error, Refused, datetime7, text, u8, u16, u32
from firmware_sims.ble.nuki.frames import Message
from firmware_sims.ble.nuki.spec import COMPLETE, Spec
from firmware_sims.ble.nuki.words import Action, Completion, KeypadSource, LogType, Op, Trigger

if TYPE_CHECKING:
    from firmware_sims.ble.nuki.core import Core
    from firmware_sims.ble.nuki.fields import Reader
    from firmware_sims.ble.nuki.spec import Table

_ASCENDING, _DESCENDING = 0, 1


@dataclass(frozen=True, slots=True)
class Entry:
    """``at_s`` on the lock's clock; ``auth_id`` in hex."""

    index: int
    at_s: int
    auth_id: str
    name: str
    type: int
    data: str

    def encode(self, data_size: int) -> bytes:
        """As in an answer."""
        return (
            u32(self.index)
            + datetime7(self.at_s)
            + bytes.fromhex(self.auth_id)
            + text(self.name, NAME_SIZE)
            + u8(self.type)
            + bytes.fromhex(self.data).ljust(data_size, b"\0")
        )


def action_data(action: Action, trigger: Trigger, completion: Completion, flags: int = 0) -> bytes:
    """Of types 2, 3 and 4."""
    return bytes([action, trigger, flags, completion])


def keypad_data(
    action: Action, source: KeypadSource, completion: Completion, code_id: int = 0
) -> bytes:
    """Of type 5."""
    return bytes([action, source, completion]) + u16(code_id)


class Log:
    """The last entries."""

    def __init__(self, depth: int) -> None:
        self.entries: deque[Entry] = deque(maxlen=depth)
        self._last = 0
        self.enabled = True
        self.door_enabled = True

    def __len__(self) -> int:
        return len(self.entries)

    def add(
        self,
        at_s: int,
        kind: LogType,
        data: bytes,
        *,
        auth_id: bytes = NOBODY,
        name: str = "",
    ) -> None:
        """Write one, unless logging is off."""
        if not self.enabled and kind is not LogType.LOGGING:
            return
        self._last += 1
        self.entries.append(Entry(self._last, at_s, auth_id.hex(), name, kind, data.hex()))

    def read(self, start: int, count: int, order: int) -> list[Entry]:
        """``count`` entries from the one numbered ``start`` on, up or down."""
        if order == _ASCENDING:
            found = [entry for entry in self.entries if entry.index >= start]
        else:
            found = [entry for entry in reversed(self.entries) if not start or entry.index <= start]
        return found[:count]

    def clear(self) -> None:
        """Forget the entries and what was switched; the numbers go on."""
        self.entries.clear()
        self.enabled = self.door_enabled = True

    def dump(self) -> dict[str, Any]:
        """As plain JSON."""
        return {
            "last": self._last,
            "enabled": self.enabled,
            "door_enabled": self.door_enabled,
            "entries": [list(astuple(entry)) for entry in self.entries],
        }

    def load(self, data: dict[str, Any]) -> None:
        """Take up what ``dump`` wrote."""
        self._last, self.enabled = data["last"], data["enabled"]
        self.door_enabled = data["door_enabled"]
        self.entries.clear()
        self.entries.extend(Entry(*entry) for entry in data["entries"])


def _read(core: Core, _auth: Authorization, reader: Reader) -> list[Message]:
    start, count, order = reader.number(4), reader.number(2), reader.number(1)
    total = reader.flag()
    reader.end()
    if order not in (_ASCENDING, _DESCENDING):
        raise Refused(Error.BAD_PARAMETER)
    log, size = core.log, core.facts.log_data_size
    messages = [
        Message(Op.LOG_ENTRY, entry.encode(size)) for entry in log.read(start, count, order)
    ]
    if total:
        sensor = core.firmware.profile.has_door_sensor
        number = u8(log.enabled) + u16(len(log)) + u8(sensor) + u8(sensor and log.door_enabled)
        messages.insert(0, Message(Op.LOG_COUNT, number))
    return [*messages, COMPLETE]


def _enable(core: Core, auth: Authorization, reader: Reader) -> list[Message]:
    enabled = reader.flag()
    reader.end()
    if enabled != core.log.enabled:
        core.log.enabled = enabled
        core.write(LogType.LOGGING, u8(enabled), auth)
    return [COMPLETE]


COMMANDS: Table = {
    (Op.REQUEST_LOG, None): Spec("read_log", _read, changes=False),
    (Op.ENABLE_LOGGING, None): Spec("enable_logging", _enable),
}
