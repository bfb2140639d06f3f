"""Cards and fingers of a TTLock: commands 05, 06, and 70 for the days they open on.

Here: listing, adding, learning at the door, windows. Not here: the reader (``firmware.tokens``).
Layouts from kind3r/ttlock-sdk-js, ManageICCommand and ManageFRCommand, and domodom30/ttlock-sdk-js,
CyclicDateCommand. Sending a finger's template (06/07) is not simulated: it is refused as an invalid
command. Assumed: weekday 1 is Monday; the answer to a query of 70.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from firmware_sims.ble.ttlock import oplog
from firmware_sims.ble.ttlock.codes import check, page
from firmware_sims.ble.ttlock.core import refusal
from firmware_sims.ble.ttlock.facts import Feature
from firmware_sims.ble.ttlock.fields import Error, Refused, date5, u8, u16
from firmware_sims.ble.ttlock.spec import Spec
from firmware_sims.firmware.model import Answer, Source
from firmware_sims.firmware.schedules import WeekDay, YearDay

if TYPE_CHECKING:
    from collections.abc import Callable

    from firmware_sims.ble.ttlock.core import Core
    from firmware_sims.ble.ttlock.fields import Reader
    from firmware_sims.ble.ttlock.spec import Handler, Table
    from firmware_sims.firmware.tokens import Token

LIST_CARDS, ADD, DELETE, CLEAR, SET_VALIDITY, LIST_FINGERS = 1, 2, 3, 4, 5, 6
LEARNED, WAITING, PROGRESS = 1, 2, 3
FOREVER = YearDay(0, 3_153_167_940)
"""2000-01-01 00:00 to 2099-12-01 23:59: what is learned has it until it is told another."""

_WINDOW_LENGTH = 10
_WEEKLY = 1
_QUERY, _CYCLE_ADD, _CYCLE_REMOVE, _CYCLE_CLEAR = 1, 2, 3, 4
_WHO = {1: Source.FINGER, 2: Source.CARD}


@dataclass(frozen=True, slots=True)
class _Family:
    """What differs between cards and fingers."""

    opcode: int
    source: Source
    unknown: Error
    encode: Callable[[int], bytes]
    sizes: tuple[int, ...]

    def number(self, raw: bytes) -> int:
        """Back from the bytes; `Refused` when there are too few or too many of them."""
        if len(raw) not in self.sizes:
            raise Refused(Error.LENGTH)
        return int.from_bytes(raw, "big")


CARDS = _Family(0x05, Source.CARD, Error.CARD_UNKNOWN, oplog.card, (4, 8))
FINGERS = _Family(0x06, Source.FINGER, Error.FINGER_UNKNOWN, oplog.finger, (6,))


def _list(of: _Family, op: int) -> Handler:
    def handler(core: Core, reader: Reader) -> bytes:
        first = reader.number(2)
        reader.end()
        tokens = core.firmware.tokens
        records = []
        for number in tokens.numbers(of.source):
            window = tokens.held[of.source, number].window or FOREVER
            records.append(of.encode(number) + date5(window.start_s) + date5(window.end_s))
        taken, following = page(records, first, core.facts.list_page_bytes)
        return core.done(op, u16(following) + taken)

    return handler


def _with_window(of: _Family, reader: Reader) -> tuple[int, YearDay]:
    number = of.number(reader.take(max(0, len(reader) - _WINDOW_LENGTH)))
    window = YearDay(reader.local(), reader.local())
    if not window.valid:
        raise Refused(Error.INVALID_PARAMETER)
    return number, window


def _add(of: _Family) -> Handler:
    def handler(core: Core, reader: Reader) -> bytes:
        if not len(reader):
            _learn(core, of)
            return core.done(ADD, u8(WAITING))
        if of is FINGERS:
            raise Refused(Error.INVALID_COMMAND)
        check(core.firmware.tokens.put(of.source, *_with_window(of, reader)))
        return core.done(ADD)

    return handler


def _learn(core: Core, of: _Family) -> None:
    """Wait at the door; what comes of it is pushed, with the command's own echo."""
    firmware, reader = core.firmware, core.firmware.reader
    touches = core.facts.finger_touches if of is FINGERS else 1
    seen = 0
    over = False

    def taken(number: int) -> None:
        nonlocal seen, over
        seen += 1
        if seen < touches:
            core.push(of.opcode, core.done(ADD, u8(PROGRESS)))
            return
        over = True
        reader.reset()
        if firmware.tokens.put(of.source, number, FOREVER) is not Answer.OK:
            core.say(refusal(of.opcode, Error.FULL))
            return
        padding = b"\xff" * 4 if of is CARDS and core.facts.pads_card else b""
        core.push(of.opcode, core.done(ADD, u8(LEARNED) + of.encode(number) + padding))

    def gave_up() -> None:
        if not over and reader.learning:
            reader.reset()
            core.say(refusal(of.opcode, Error.FAILED))

    reader.learn(of.source, taken)
    firmware.timebase.call_later(core.facts.learning_s, gave_up)


def _delete(of: _Family) -> Handler:
    def handler(core: Core, reader: Reader) -> bytes:
        number = of.number(reader.rest())
        if core.firmware.tokens.remove(of.source, number) is not Answer.OK:
            raise Refused(of.unknown)
        return core.done(DELETE)

    return handler


def _clear(of: _Family) -> Handler:
    def handler(core: Core, reader: Reader) -> bytes:
        reader.end()
        core.firmware.tokens.clear(of.source)
        return core.done(CLEAR)

    return handler


def _set_validity(of: _Family) -> Handler:
    def handler(core: Core, reader: Reader) -> bytes:
        number, window = _with_window(of, reader)
        if (of.source, number) not in core.firmware.tokens.held:
            raise Refused(of.unknown)
        check(core.firmware.tokens.put(of.source, number, window))
        return core.done(SET_VALIDITY)

    return handler


# ---- 70: days of the week


def _whose(core: Core, reader: Reader) -> tuple[bytes, list[Token]]:
    """The bytes that name them, and those who are meant: one, or with length 0 all of a kind."""
    who, size = reader.number(1), reader.number(1)
    raw = reader.take(size)
    source = _WHO.get(who)
    if source is None:
        raise Refused(Error.INVALID_PARAMETER)
    held = core.firmware.tokens.held
    name = u8(who) + u8(size) + raw
    if not size:
        return name, [held[source, number] for number in core.firmware.tokens.numbers(source)]
    of = CARDS if source is Source.CARD else FINGERS
    token = held.get((source, of.number(raw)))
    if token is None:
        raise Refused(of.unknown)
    return name, [token]


def _weekly(reader: Reader) -> WeekDay:
    kind, weekday, _, *times = reader.take(7)
    entry = WeekDay(1 << weekday % 7, *times)
    if kind != _WEEKLY or not 1 <= weekday <= 7 or not entry.valid:
        raise Refused(Error.INVALID_PARAMETER)
    return entry


def _entry(day: WeekDay) -> bytes:
    weekday = day.days_mask.bit_length() - 1 or 7
    times = [day.start_hour, day.start_minute, day.end_hour, day.end_minute]
    return bytes([_WEEKLY, weekday, 0, *times]) + bytes(4)


def _cycle(op: int) -> Handler:
    def handler(core: Core, reader: Reader) -> bytes:
        name, tokens = _whose(core, reader)
        if op == _QUERY:
            entries = b"".join(_entry(day) for token in tokens for day in token.weekly)
            return u8(op) + name + entries
        if op == _CYCLE_CLEAR:
            for token in tokens:
                token.weekly.clear()
        else:
            entry = _weekly(reader)
            for token in tokens:
                token.weekly = [day for day in token.weekly if day != entry]
                if op == _CYCLE_ADD:
                    token.weekly.append(entry)
        core.firmware.changed()
        return u8(op) + name

    return handler


def _of(of: _Family, word: str, list_op: int, feature: Feature) -> Table:
    return {
        (of.opcode, list_op): Spec(
            f"list_{word}s", _list(of, list_op), changes=False, feature=feature
        ),
        (of.opcode, ADD): Spec(f"add_{word}", _add(of), feature=feature),
        (of.opcode, DELETE): Spec(f"remove_{word}", _delete(of), feature=feature),
        (of.opcode, CLEAR): Spec(f"clear_{word}s", _clear(of), feature=feature),
        (of.opcode, SET_VALIDITY): Spec(f"set_{word}_window", _set_validity(of), feature=feature),
    }


COMMANDS: Table = {
    **_of(CARDS, "card", LIST_CARDS, Feature.CARD),
    **_of(FINGERS, "finger", LIST_FINGERS, Feature.FINGER),
    (0x70, _QUERY): Spec("get_days", _cycle(_QUERY), changes=False, feature=Feature.CYCLIC_TOKEN),
    (0x70, _CYCLE_ADD): Spec("add_day", _cycle(_CYCLE_ADD), feature=Feature.CYCLIC_TOKEN),
    (0x70, _CYCLE_REMOVE): Spec("remove_day", _cycle(_CYCLE_REMOVE), feature=Feature.CYCLIC_TOKEN),
    (0x70, _CYCLE_CLEAR): Spec("clear_days", _cycle(_CYCLE_CLEAR), feature=Feature.CYCLIC_TOKEN),
}
