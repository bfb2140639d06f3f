"""Reading a lock's own log (CC:004C) so that each record is told once, whatever crashes. Sans-I/O.

Records stand in numbered places from 1 on, and begin anew at 1 when all are taken; number 0 is the
latest (`DoorLockLogging.getRecord(n)`, `{timestamp, eventType, label, userId, userCode}`; Z-Wave JS
does not tell the place of the latest). The place of the last one told is stored by the house
together with what was told, and its mark with it. An empty place and a lost answer look the same
(`undefined`): the reading ends there, and goes on there next time. Not here: what a record means
(mapping).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.drivers.api import LogRead
from gateway.drivers.log_cursor import Cursor, cursor_of
from gateway.drivers.zwave_lock import wire
from gateway.drivers.zwave_lock.dialogue import Dialect, Dialogue, ask
from gateway.drivers.zwave_lock.mapping import logged, time_of
from gateway.errors import LinkError, PeerProtocolError, ProtocolError, RadioError

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Sequence

    from gateway.domain.events import EventType
    from gateway.drivers.api import Happening

    Told = Counter[tuple[EventType, int | None]]
    """What was told by notifications since the last reading."""

Record = dict[str, object]
LATEST: Final = 0
_BROKEN = (LinkError, RadioError, ProtocolError)


def mark_of(record: Record) -> str:
    """What tells a record from others, without the digits that it may hold."""
    return "/".join(str(record.get(name)) for name in ("timestamp", "eventType", "userId"))


def read_log(dialect: Dialect, text: str | None, slots: int, told: Told) -> Dialogue[LogRead]:
    """`told` loses what is found again: it is not told twice."""
    cursor = cursor_of(text)
    count = yield from ask(dialect.ask(wire.LOGGING, "getRecordsCount"))
    if not isinstance(count, int) or count < 1:
        raise PeerProtocolError("could not read the lock's log: it has no places")
    latest = yield from _record(dialect, LATEST)
    if latest is None or mark_of(latest) == cursor.mark:
        return LogRead((), cursor.encode())
    lost = False
    if cursor.last:
        there = yield from _record(dialect, cursor.last)
        if there is None or mark_of(there) != cursor.mark:
            cursor, lost = Cursor(), True  # it was overwritten, or the log was emptied
    found, ended = yield from _from(dialect, cursor.last, count, mark_of(latest))
    if found:
        place, record = found[-1]
        if not cursor.last:  # in the order of time, as the first place need not be the oldest
            found.sort(key=lambda item: time_of(item[1]) or 0)
            place, record = found[-1] if ended else (place, record)
        cursor = Cursor(place, mark_of(record))
    events = _new([record for _, record in found], slots, told)
    return LogRead(events, cursor.encode(), lost=lost, more=not ended)


def _record(dialect: Dialect, number: int) -> Dialogue[Record | None]:
    """None where there is none, or no answer."""
    reply = yield dialect.ask(wire.LOGGING, "getRecord", number)
    return reply.value if isinstance(reply.value, dict) else None


def _from(
    dialect: Dialect, last: int, count: int, latest: str
) -> Dialogue[tuple[list[tuple[int, Record]], bool]]:
    """What stands behind place `last`, and whether that was all. From the beginning (0): all."""
    found: list[tuple[int, Record]] = []
    for step in range(count):
        place = (last + step) % count + 1
        try:
            record = yield from _record(dialect, place)
        except _BROKEN:
            if not found:
                raise
            return found, False
        if record is None:
            break
        found.append((place, record))
        if last and mark_of(record) == latest:
            break
    return found, True


def _new(records: Sequence[Record], slots: int, told: Told) -> list[Happening]:
    events: list[Happening] = []
    for record in records:
        event = logged(record, slots)
        if event is None:
            continue
        key = (event.type, event.slot)
        if told[key]:
            told[key] -= 1
        else:
            events.append(event)
    return events
