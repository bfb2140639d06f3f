"""The lock's clock: reading it, setting it, and proving its zone. Sans-I/O.

`TimeParameters.get()` tells an instant (an ISO date of whole seconds). A lock with Time only tells
its local time (`getTime`, `getDate`). `node.set_date_and_time` sets what there is, and the zone by
Time version 2; Schedule Entry Lock has a time offset of its own from version 2 on (Node.ts,
`setDateAndTime`; ScheduleEntryLockCC.d.ts, TimeCC.d.ts).

Time Parameters is UTC by the specification (CC:008B), but Z-Wave JS gives and reads local time
there unless the lock supports Time version 2 or asks others for the time (TimeParametersCC.ts,
`shouldUseLocalTime`, zwave-js/zwave-js#311). It sets the offset of Schedule Entry Lock all the
same: the lock then adds the zone to what is local already, and every window is off by that. So a
lock that was given local time is told that it is in no zone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from gateway.domain.devices import LockClock
from gateway.domain.instant import Instant, from_datetime, to_rfc3339
from gateway.drivers.zwave_lock import wire
from gateway.drivers.zwave_lock.dialogue import Dialect, Dialogue, Pause, ask, ask_fields, tell
from gateway.drivers.zwave_lock.schedules import Offsets, offsets
from gateway.errors import DeviceRefused, PeerProtocolError, Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

RESOLUTION_MS: Final = 1000
TRIED: Final = 2
"""How often it is set: twice does no harm, and the second time is a moment late."""
AGAIN_S: Final = 0.5
ZONED: Final = 2
"""The version of Time and of Schedule Entry Lock that has an offset."""


@dataclass(frozen=True, slots=True)
class Hands:
    """Which command classes show this lock's time: versions by class."""

    versions: Mapping[int, int]

    def has(self, command_class: int, version: int = 1) -> bool:
        return self.versions.get(command_class, 0) >= version


def read_clock(dialect: Dialect, hands: Hands, now: Instant) -> Dialogue[LockClock]:
    """`error_ms` as if the answer had been given at `now`; the shell adds what the way took."""
    if hands.has(wire.TIME_PARAMETERS):
        told = yield from ask(dialect.ask(wire.TIME_PARAMETERS, "get"))
        moment = datetime.fromisoformat(told) if isinstance(told, str) else None
    else:
        date = yield from ask_fields(dialect.ask(wire.TIME, "getDate"))
        time = yield from ask_fields(dialect.ask(wire.TIME, "getTime"))
        moment = _moment({**date, **time}, dialect)
    if moment is None or moment.tzinfo is None:
        raise PeerProtocolError("could not read the lock's clock: it has no time")
    # The lock tells whole seconds, so the truth lies half a second later on average.
    lock_ms = from_datetime(moment) + RESOLUTION_MS // 2
    proven = yield from _zone_proven(dialect, hands, now)
    return LockClock(lock_ms - now, RESOLUTION_MS // 2, now, proven)


def _moment(told: Mapping[str, object], dialect: Dialect) -> datetime | None:
    names = ("year", "month", "day", "hour", "minute", "second")
    numbers = [value for name in names if isinstance(value := told.get(name), int)]
    if len(numbers) != len(names):
        return None
    year, month, day, hour, minute, second = numbers
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=dialect.zone)
    except ValueError:
        return None


def _zone_proven(dialect: Dialect, hands: Hands, now: Instant) -> Dialogue[bool]:
    """By the offsets that the lock tells. One that has none lives by the local time it was given,
    which its clock shows: right if that is."""
    zone = offsets(now, dialect.zone)
    if hands.has(wire.TIME, ZONED):
        told = yield from ask_fields(dialect.ask(wire.TIME, "getTimezone"))
        if _offsets_of(told) != zone:
            return False
    if hands.has(wire.SCHEDULES, ZONED):
        told = yield from ask_fields(dialect.ask(wire.SCHEDULES, "getTimezone"))
        return _offsets_of(told) == (yield from _beyond_clock(dialect, hands, now))
    return True


def _offsets_of(told: Mapping[str, object]) -> tuple[object, object]:
    return told.get("standardOffset"), told.get("dstOffset")


def _beyond_clock(dialect: Dialect, hands: Hands, now: Instant) -> Dialogue[Offsets]:
    """What the lock has to add to its clock to have local time."""
    utc = hands.has(wire.TIME, ZONED)
    if not utc:
        question = {"commandClass": wire.TIME}
        told = yield from ask_fields(dialect.ask(wire.NO_CLASS, "endpoint.controls_cc", question))
        utc = told.get("controlled") is True
    return offsets(now, dialect.zone) if utc else Offsets(0, 0)


def set_clock(dialect: Dialect, hands: Hands, now: Instant) -> Dialogue[LockClock]:
    """Sets time and zone, then reads them."""
    date = to_rfc3339(Instant(now + RESOLUTION_MS // 2))
    for _ in range(TRIED):
        reply = yield dialect.order(wire.TIME_PARAMETERS, "node.set_date_and_time", {"date": date})
        if isinstance(reply.value, dict) and reply.value.get("success") is True:
            break
        yield Pause(AGAIN_S)  # no reason is told: it may merely not have been understood
    else:
        raise DeviceRefused("could not set the lock's clock: it did not take it", Refusal.FAILED)
    if hands.has(wire.SCHEDULES, ZONED):
        zone = yield from _beyond_clock(dialect, hands, now)
        fields = {"standardOffset": zone.standard, "dstOffset": zone.summer}
        yield from tell(dialect.order(wire.SCHEDULES, "setTimezone", fields))
    return (yield from read_clock(dialect, hands, now))
