"""A user's schedules by Schedule Entry Lock (CC:004E): reading, writing and clearing them.

Sans-I/O. Not here: what they mean (schedules), and when they are written (session).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.domain.actions import Outcome, Refused, Unconfirmed
from gateway.drivers.zwave_lock import wire
from gateway.drivers.zwave_lock.dialogue import ASKED, Dialect, Dialogue, Word, kept, tell, value_id
from gateway.drivers.zwave_lock.schedules import NAMES, Kind, Raw, raw_of
from gateway.errors import Refusal, Unreachable

if TYPE_CHECKING:
    from collections.abc import Sequence


def read_schedule(
    dialect: Dialect, slot: int, kind: Kind, schedule_id: int
) -> Dialogue[Raw | None]:
    """None where the lock says that there is none.

    Z-Wave JS answers `undefined` both for an empty entry and for silence, but keeps `false` for
    the former, with the time of the report (ScheduleEntryLockCC.ts, `persistSchedule`).
    """
    key = kind.value << 16 | slot << 8 | schedule_id
    value = value_id(dialect, wire.SCHEDULES, "schedule", key)
    before = yield from kept(dialect, "timestamp", value)
    which = {"userId": slot, "slotId": schedule_id}
    for _ in range(ASKED):
        reply = yield dialect.ask(wire.SCHEDULES, f"get{NAMES[kind]}", which)
        if reply.value is not None:
            return raw_of(kind, reply.value)
        told = (yield from kept(dialect, "timestamp", value)) != before
        if told and (yield from kept(dialect, "value", value)) is False:
            return None
    raise Unreachable(f"could not read schedule {schedule_id} of slot {slot}: no answer")


def read_all(dialect: Dialect, slot: int, kind: Kind) -> Dialogue[dict[int, Raw]]:
    """Those of one kind that exist, by schedule id."""
    found: dict[int, Raw] = {}
    for schedule_id in dialect.ids(kind):
        raw = yield from read_schedule(dialect, slot, kind, schedule_id)
        if raw is not None:
            found[schedule_id] = raw
    return found


def read_row(dialect: Dialect, slot: int) -> Dialogue[tuple[Raw, ...] | None]:
    """A user's schedules, of whichever kind; None where there are several kinds.

    Nobody can ask a lock which kind is in force. Entries that are ours stand in a row from the
    first id on, so the first gap ends a kind.
    """
    rows: list[tuple[Raw, ...]] = []
    for kind in dialect.kinds:
        row: list[Raw] = []
        for schedule_id in dialect.ids(kind):
            raw = yield from read_schedule(dialect, slot, kind, schedule_id)
            if raw is None:
                break
            row.append(raw)
        if row:
            rows.append(tuple(row))
    return None if len(rows) > 1 else tuple(rows[0]) if rows else ()


def set_schedule(dialect: Dialect, slot: int, schedule_id: int, raw: Raw) -> Dialogue[Word]:
    which = {"userId": slot, "slotId": schedule_id}
    method = f"set{NAMES[raw.kind]}"
    return (yield from tell(dialect.order(wire.SCHEDULES, method, which, raw.fields())))


def clear_schedule(dialect: Dialect, slot: int, kind: Kind, schedule_id: int) -> Dialogue[Word]:
    which = {"userId": slot, "slotId": schedule_id}
    return (yield from tell(dialect.order(wire.SCHEDULES, f"set{NAMES[kind]}", which)))


def write_row(
    dialect: Dialect, slot: int, kind: Kind, wanted: Sequence[Raw]
) -> Dialogue[Outcome | None]:
    """Write and read them; None when the lock holds these, no others, and no other kind."""
    for other in dialect.kinds:
        if other is not kind:
            yield from clear_row(dialect, slot, (other,))
    ids = dialect.ids(kind)
    for schedule_id, raw in zip(ids, wanted, strict=False):
        word = yield from set_schedule(dialect, slot, schedule_id, raw)
        if isinstance(word, Refusal):
            return Refused(word)
    held = yield from read_all(dialect, slot, kind)
    for schedule_id in ids[len(wanted) :]:
        # Overwritten, not cleared: that could lift the restriction of a living user.
        if schedule_id in held and held[schedule_id] not in wanted:
            word = yield from set_schedule(dialect, slot, schedule_id, wanted[-1])
            if isinstance(word, Refusal):
                return Refused(word)
            again = yield from read_schedule(dialect, slot, kind, schedule_id)
            if again is None:
                del held[schedule_id]
            else:
                held[schedule_id] = again
    if set(held.values()) != set(wanted):
        return Unconfirmed("the lock did not keep the schedule")
    enabled = dialect.order(wire.SCHEDULES, "setEnabled", True, slot)
    word = yield from tell(enabled)
    return Refused(word) if isinstance(word, Refusal) else None


def clear_row(dialect: Dialect, slot: int, kinds: Sequence[Kind] | None = None) -> Dialogue[None]:
    """Ours stand in a row from the first id on, so the first gap ends it."""
    for kind in dialect.kinds if kinds is None else kinds:
        for schedule_id in dialect.ids(kind):
            if (yield from read_schedule(dialect, slot, kind, schedule_id)) is None:
                break
            yield from clear_schedule(dialect, slot, kind, schedule_id)
