"""ZCL from the coordinator's end, as bytes: the frames of the simulated radio, and their fields.

Here: a codec of exactly what a gateway says to a lock and hears from it, with zigpy's field names
and plain values; the tests hold it against zigpy. Not here: who sends what when (`radio`).
Sources: ZCL revision 8 (07-5123-08), 2.4 to 2.6 and 7.3.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from firmware_sims.zigbee import zcl as types
from firmware_sims.zigbee.zcl import General, Malformed, Reader

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

POWER, ALARMS, TIME, DOOR_LOCK = 0x0001, 0x0009, 0x000A, 0x0101

_NOTIFICATIONS = frozenset({(DOOR_LOCK, 0x20), (DOOR_LOCK, 0x21), (ALARMS, 0x00)})

_SPECIFIC = 0x01


class Unspeakable(Exception):
    """No such command or attribute, or values that do not fit; never repeats a value."""


class Answer(NamedTuple):
    """A frame taken apart: its header, and what follows it."""

    specific: bool
    sequence: int
    command: int
    body: bytes


Layout = tuple[tuple[str, int, bool], ...]
"""Fields in order: name, size in bytes (0: a string with its length in front), optional."""


def _layout(text: str) -> Layout:
    """`name:size`, `name:s` for a string; a question mark when the field may be missing."""
    fields = []
    for word in text.split():
        name, size = word.rstrip("?").split(":")
        fields.append((name, 0 if size == "s" else int(size), word.endswith("?")))
    return tuple(fields)


_USER, _SCHEDULE, _STATUS = "user_id:2", "schedule_id:1 user_id:2", "status:1"
_WEEK = "days_mask:1 start_hour:1 start_minute:1 end_hour:1 end_minute:1"
_YEAR = "local_start_time:4 local_end_time:4"

REQUESTS: dict[tuple[int, int], Layout] = {
    (DOOR_LOCK, command): _layout(text)
    for command, text in {
        0x00: "pin_code:s?",
        0x01: "pin_code:s?",
        0x02: "pin_code:s?",
        0x03: "timeout:2 pin_code:s?",
        0x04: "log_index:2",
        0x05: f"{_USER} user_status:1 user_type:1 pin_code:s",
        0x06: _USER,
        0x07: _USER,
        0x08: "",
        0x09: f"{_USER} user_status:1",
        0x0A: _USER,
        0x0B: f"{_SCHEDULE} {_WEEK}",
        0x0C: _SCHEDULE,
        0x0D: _SCHEDULE,
        0x0E: f"{_SCHEDULE} {_YEAR}",
        0x0F: _SCHEDULE,
        0x10: _SCHEDULE,
        0x14: f"{_USER} user_type:1",
        0x15: _USER,
    }.items()
}

_OPTIONAL_WEEK = " ".join(f"{word}?" for word in _WEEK.split())
_OPTIONAL_YEAR = " ".join(f"{word}?" for word in _YEAR.split())

ANSWERS: dict[tuple[int, int], Layout] = {
    **{(DOOR_LOCK, command): _layout(_STATUS) for _, command in REQUESTS},
    **{
        (DOOR_LOCK, command): _layout(text)
        for command, text in {
            0x04: "log_entry_id:2 timestamp:4 event_type:1 source:1 event_id_or_alarm_code:1 "
            "user_id:2 pin:s?",
            0x06: f"{_USER} user_status:1 user_type:1 code:s",
            0x0A: f"{_USER} user_status:1",
            0x0C: f"{_SCHEDULE} {_STATUS} {_OPTIONAL_WEEK}",
            0x0F: f"{_SCHEDULE} {_STATUS} {_OPTIONAL_YEAR}",
            0x15: f"{_USER} user_type:1",
            0x20: "operation_event_source:1 operation_event_code:1 user_id:2 pin:s local_time:4 "
            "data:s?",
            0x21: "program_event_source:1 program_event_code:1 user_id:2 pin:s user_type:1 "
            "user_status:1 local_time:4 data:s?",
        }.items()
    },
    (ALARMS, 0x00): _layout("alarm_code:1 cluster_id:2"),
}

ATTRIBUTE_TYPES: dict[int, dict[int, int]] = {
    DOOR_LOCK: {
        0x0000: types.Type.ENUM8,
        0x0003: types.Type.ENUM8,
        0x0032: types.Type.BOOL,
        **dict.fromkeys(range(0x40, 0x48), types.Type.MAP16),
    },
    POWER: {0x0020: types.Type.UINT8, 0x0021: types.Type.UINT8},
    TIME: {
        0x0000: types.Type.UTC,
        0x0002: types.Type.INT32,
        0x0003: types.Type.UINT32,
        0x0004: types.Type.UINT32,
        0x0005: types.Type.INT32,
    },
}


# ── requests ────────────────────────────────────────────────────────────────────────────


def command(cluster: int, number: int, sequence: int, fields: Mapping[str, object]) -> bytes:
    """A cluster command. `Unspeakable` where zigpy would refuse it as well."""
    layout = REQUESTS.get((cluster, number))
    if layout is None:
        raise Unspeakable("unknown here")
    out = bytearray((_SPECIFIC, sequence, number))
    try:
        known = 0
        for name, size, optional in layout:
            value: Any = fields.get(name)
            if value is None and optional:
                break
            known += 1
            if size:
                out += value.to_bytes(size, "little")
            else:
                raw = value.encode()
                out.append(len(raw))
                out += raw
    except (AttributeError, OverflowError, TypeError, ValueError):
        raise Unspeakable("its fields do not fit") from None
    if known != len(fields):
        raise Unspeakable("its fields do not fit")
    return bytes(out)


def read(sequence: int, attributes: Iterable[int]) -> bytes:
    numbers = b"".join(types.u16(number) for number in attributes)
    return bytes((0, sequence, General.READ_ATTRIBUTES)) + numbers


def write(cluster: int, sequence: int, values: Mapping[int, object]) -> bytes:
    out = bytes((0, sequence, General.WRITE_ATTRIBUTES))
    for number, value in values.items():
        type_id = _type_of(cluster, number)
        try:
            out += types.u16(number) + types.u8(type_id) + types.encode(type_id, int(value))  # type: ignore[call-overload]  # whatever is no number is refused below
        except (OverflowError, TypeError, ValueError):
            raise Unspeakable(f"attribute 0x{number:04x} does not take this value") from None
    return out


def report_me(cluster: int, sequence: int, wishes: Mapping[int, tuple[int, int, int]]) -> bytes:
    """Configure Reporting: attribute -> (least, greatest seconds between reports, change)."""
    out = bytes((0, sequence, General.CONFIGURE_REPORTING))
    for number, (least, greatest, change) in wishes.items():
        type_id = _type_of(cluster, number)
        out += types.u8(0) + types.u16(number) + types.u8(type_id)
        out += types.u16(least) + types.u16(greatest)
        if types.analogue(type_id):
            out += types.encode(type_id, change)
    return out


def _type_of(cluster: int, number: int) -> int:
    try:
        return ATTRIBUTE_TYPES[cluster][number]
    except KeyError:
        raise Unspeakable(f"attribute 0x{number:04x} is unknown here") from None


# ── what comes back ─────────────────────────────────────────────────────────────────────


def parse(payload: bytes) -> Answer:
    """The header. Locks of this house have no manufacturer-specific frames."""
    return Answer(bool(payload[0] & _SPECIFIC), payload[1], payload[2], payload[3:])


def fields(cluster: int, answer: Answer) -> dict[str, object] | None:
    """By name, those that came; None for an unknown command. `Malformed` when it is cut short."""
    layout = ANSWERS.get((cluster, answer.command))
    if layout is None:
        return None
    found: dict[str, object] = {}
    body, at, end = answer.body, 0, len(answer.body)
    for name, size, optional in layout:
        if at >= end and optional:
            break
        if size:
            stop = at + size
            found[name] = int.from_bytes(body[at:stop], "little")
        else:
            length = body[at] if at < end else 0
            stop = at + 1 + (0 if length == 0xFF else length)
            found[name] = "" if length == 0xFF else _text(body[at + 1 : stop])
        if stop > end:
            raise Malformed(f"{name} is cut short")
        at = stop
    return found


def default_response(answer: Answer) -> dict[str, int] | None:
    """Its command id and status; None when the frame is another."""
    if answer.specific or answer.command != General.DEFAULT_RESPONSE:
        return None
    return {"command_id": answer.body[0], "status": answer.body[1]}


def values(answer: Answer) -> dict[int, object]:
    """Attribute values of a read's answer, without those that failed, or of a report."""
    reader = Reader(answer.body)
    found: dict[int, object] = {}
    reported = answer.command == General.REPORT_ATTRIBUTES
    while reader:
        number = reader.u16()
        if not reported and reader.u8():
            continue
        value = reader.value(reader.u8())
        found[number] = _text(value) if isinstance(value, bytes) else value
    return found


def failed(answer: Answer) -> int:
    """The first status that is not success, of a write or of a configuration of reports."""
    return answer.body[0] if answer.body else 0


def is_report(payload: bytes) -> bool:
    return not payload[0] & _SPECIFIC and payload[2] == General.REPORT_ATTRIBUTES


def is_notification(cluster: int, payload: bytes) -> bool:
    """Whether it is a command that a lock sends unasked."""
    return bool(payload[0] & _SPECIFIC) and (cluster, payload[2]) in _NOTIFICATIONS


def _text(raw: bytes) -> str:
    return raw.decode("utf8", "replace")
