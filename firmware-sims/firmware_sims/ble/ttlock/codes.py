"""Keypad codes of a TTLock: commands 03, 07, 44, 53, 65, 31.

Here: their payloads and what becomes of them in the firmware's memory, which has numbered slots;
a TTLock has none, so a new code takes the lowest free one. Not here: the keypad itself.

Layouts from kind3r/ttlock-sdk-js, ManageKeyboardPasswordCommand and GetKeyboardPasswordsCommand.
Assumed: the start of a permanent code is kept, listed and not enforced; the end of a window is the
first minute in which the code is refused; a one-time code that was used stays in the list; a code
of one type may be modified into another; the type in a removal is not looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from firmware_sims.ble.ttlock.facts import Feature
from firmware_sims.ble.ttlock.fields import Error, Reader, Refused, date5, text, u8, u16
from firmware_sims.ble.ttlock.spec import Spec
from firmware_sims.firmware.model import Answer, Source, UserStatus, UserType
from firmware_sims.firmware.schedules import WeekDay, YearDay

if TYPE_CHECKING:
    from firmware_sims.ble.ttlock.core import Core
    from firmware_sims.ble.ttlock.spec import Table

CLEAR, ADD, REMOVE, MODIFY, RECOVER = 1, 2, 3, 5, 6
PERMANENT, COUNT, PERIOD, CYCLIC = 1, 2, 3, 4
END_OF_LIST = 0xFFFF
_NEVER_S = 3_155_760_000  # 2100-01-01
_SEEDS_LENGTH = 61
_ERASE_LENGTH = 10

_EVERY_DAY = 0b1111111
_WEEKEND = 0b1000001
_CYCLES = {5: _WEEKEND, 6: _EVERY_DAY, 7: _EVERY_DAY ^ _WEEKEND} | {
    8 + day: 1 << (day + 1) % 7 for day in range(7)
}
"""Days (bit 0 Sunday) of the cloud's keyboardPwdType for cyclic codes: weekend, daily, workdays,
Monday to Sunday. That the u16 in a recovery is this number is assumed; so is the whole day."""

ERRORS = {
    Answer.FAILURE: Error.FAILED,
    Answer.FULL: Error.FULL,
    Answer.DUPLICATE: Error.PASSCODE_EXISTS,
    Answer.INVALID: Error.INVALID_PARAMETER,
    Answer.DENIED: Error.NO_PERMISSION,
}


def check(answer: Answer) -> None:
    """`Refused` unless the firmware took it."""
    if answer is not Answer.OK:
        raise Refused(ERRORS[answer])


@dataclass(frozen=True, slots=True)
class _Terms:
    """When a code opens."""

    type: UserType
    window: YearDay
    uses: int | None = None
    cycle: int | None = None


def _terms(kind: int, reader: Reader) -> _Terms:
    start = reader.local()
    if kind == CYCLIC:
        cycle = reader.number(2)
        reader.end()
        if cycle not in _CYCLES:
            raise Refused(Error.INVALID_PARAMETER)
        return _Terms(UserType.WEEK_DAY, YearDay(start, _NEVER_S), cycle=cycle)
    end = reader.local() if len(reader) else _NEVER_S
    reader.end()
    if kind == PERMANENT:
        return _Terms(UserType.UNRESTRICTED, YearDay(start, _NEVER_S))
    window = YearDay(start, end)
    if end == _NEVER_S or not window.valid:
        raise Refused(Error.LENGTH if end == _NEVER_S else Error.INVALID_PARAMETER)
    return _Terms(UserType.YEAR_DAY, window, uses=1 if kind == COUNT else None)


def _check_digits(core: Core, code: str) -> None:
    profile = core.firmware.profile
    if not profile.min_code_length <= len(code) <= profile.max_code_length:
        raise Refused(Error.PASSCODE_LENGTH)
    if code == core.firmware.settings["erase_code"]:
        raise Refused(Error.PASSCODE_EXISTS)


def _kind(reader: Reader) -> int:
    kind = reader.number(1)
    if kind not in (PERMANENT, COUNT, PERIOD, CYCLIC):
        raise Refused(Error.INVALID_PARAMETER)
    return kind


def _put(core: Core, slot: int, code: str, terms: _Terms) -> None:
    """Write a code with its terms; what the slot held stays when it is refused."""
    firmware = core.firmware
    holder = firmware.users.holder(code)
    if holder is not None and holder != slot:
        raise Refused(Error.PASSCODE_EXISTS)
    schedules = firmware.schedules
    schedules.forget(slot)
    schedules.year_day[slot, 1] = terms.window
    core.cycles.pop(slot, None)
    if terms.cycle is not None:
        core.cycles[slot] = terms.cycle
        days = _CYCLES[terms.cycle]
        schedules.week_day[slot, 1] = WeekDay(days, 0, 0, 23, 59)
    check(
        firmware.users.set_code(
            slot, code, UserStatus.ENABLED, terms.type, Source.RADIO, uses=terms.uses
        )
    )


def _add_new(core: Core, code: str, terms: _Terms, original: str) -> None:
    _check_digits(core, code)
    if core.firmware.users.holder(code) is not None:
        raise Refused(Error.PASSCODE_EXISTS)
    slot = core.firmware.users.free_slot()
    if slot is None:
        raise Refused(Error.FULL)
    core.originals[slot] = original
    _put(core, slot, code, terms)


def _held(core: Core, code: str) -> int:
    """The slot of a code that may be changed over the air."""
    slot = core.firmware.users.holder(code)
    if slot is None or slot == core.firmware.profile.master_slot:
        raise Refused(Error.PASSCODE_UNKNOWN)
    return slot


def _add(core: Core, reader: Reader) -> bytes:
    kind, code = _kind(reader), reader.digits()
    if kind == CYCLIC:
        raise Refused(Error.INVALID_PARAMETER)
    _add_new(core, code, _terms(kind, reader), code)
    return core.done(ADD)


def _recover(core: Core, reader: Reader) -> bytes:
    kind, original, code = _kind(reader), reader.digits(), reader.digits()
    if kind == CYCLIC:
        core.need_feature(Feature.CYCLIC_PASSCODE)
    _add_new(core, code, _terms(kind, reader), original)
    return core.done(RECOVER)


def _modify(core: Core, reader: Reader) -> bytes:
    kind, old, new = _kind(reader), reader.digits(), _optional_digits(reader)
    slot = _held(core, old)
    new = new or old
    _check_digits(core, new)
    user = core.firmware.users.users[slot]
    core.originals.setdefault(slot, old)
    if not len(reader):
        check(
            core.firmware.users.set_code(
                slot, new, user.status, user.type, Source.RADIO, uses=user.uses_left
            )
        )
    elif kind == CYCLIC:
        raise Refused(Error.INVALID_PARAMETER)
    else:
        _put(core, slot, new, _terms(kind, reader))
    return core.done(MODIFY)


def _optional_digits(reader: Reader) -> str:
    """No new code at all: the old one stays and only its time changes (assumed)."""
    size = reader.number(1)
    return Reader(u8(size) + reader.take(size)).digits() if size else ""


def _remove(core: Core, reader: Reader) -> bytes:
    _kind(reader)
    code = reader.digits()
    reader.end()
    slot = _held(core, code)
    check(core.firmware.users.clear_code(slot, Source.RADIO))
    core.originals.pop(slot, None)
    core.cycles.pop(slot, None)
    return core.done(REMOVE)


def _clear(core: Core, _reader: Reader) -> bytes:
    check(core.firmware.users.clear_all(Source.RADIO))
    core.originals.clear()
    core.cycles.clear()
    return core.done(CLEAR)


# ---- the list


def _record(core: Core, slot: int) -> bytes:
    user = core.firmware.users.users[slot]
    window = core.firmware.schedules.year_day.get((slot, 1), YearDay(0, _NEVER_S))
    head = text(user.code) + text(core.originals.get(slot, user.code)) + date5(window.start_s)
    if slot in core.cycles:
        body = u8(CYCLIC) + head + u16(core.cycles[slot])
    elif user.type is UserType.YEAR_DAY:
        kind = PERIOD if user.uses_left is None else COUNT
        body = u8(kind) + head + date5(window.end_s)
    else:
        body = u8(PERMANENT) + head
    return u8(len(body)) + body


def page(records: list[bytes], first: int, budget: int) -> tuple[bytes, int]:
    """Records from a place on, as many as fit, and the place of the next or END_OF_LIST."""
    taken = b""
    for place in range(first, len(records)):
        if taken and len(taken) + len(records[place]) > budget:
            return taken, place
        taken += records[place]
    return taken, END_OF_LIST


def _list(core: Core, reader: Reader) -> bytes:
    first = reader.number(2)
    reader.end()
    master = core.firmware.profile.master_slot
    slots = sorted(slot for slot in core.firmware.users.users if slot != master)
    records, following = page(
        [_record(core, slot) for slot in slots], first, core.facts.list_page_bytes
    )
    if not records:
        return u16(0)
    if following == END_OF_LIST and not core.facts.list_ends_with_ffff:
        following = len(slots)
    return u16(2 + len(records)) + u16(following) + records


# ---- the codes that are not a guest's


def _raw_digits(reader: Reader) -> str:
    """Digits as bytes 0 to 9, filled up with FF."""
    raw = reader.rest().rstrip(b"\xff")
    if any(digit > 9 for digit in raw):
        raise Refused(Error.INVALID_PARAMETER)
    return "".join(map(str, raw))


def _set_erase_code(core: Core, reader: Reader) -> bytes:
    if len(reader) != _ERASE_LENGTH:
        raise Refused(Error.LENGTH)
    code = _raw_digits(reader)
    users = core.firmware.users
    holder = users.holder(code)
    if holder is not None:
        is_admin = holder == core.firmware.profile.master_slot
        raise Refused(Error.ADMIN_IS_ERASE if is_admin else Error.PASSCODE_EXISTS)
    core.set("erase_code", code)
    return b""


def _set_admin_code(core: Core, reader: Reader) -> bytes:
    code = _raw_digits(reader)
    firmware = core.firmware
    if code and code == firmware.settings["erase_code"]:
        raise Refused(Error.ADMIN_IS_ERASE)
    _check_digits(core, code)
    check(firmware.keypad.set_code_by_hand(firmware.profile.master_slot, code))
    return b""


def _get_admin_code(core: Core, _reader: Reader) -> bytes:
    user = core.firmware.users.users.get(core.firmware.profile.master_slot)
    return text("" if user is None else user.code)


def _set_seeds(core: Core, reader: Reader) -> bytes:
    """The year and ten times 12 and 36 bits, from which the cloud's own codes are made.

    How they are made is not public: such codes do not open this lock, until they are recovered.
    """
    seeds = reader.rest()
    if len(seeds) != _SEEDS_LENGTH:
        raise Refused(Error.LENGTH)
    core.seeds = seeds
    core.firmware.changed()
    return b""


# ---- whose code it is, for faults


def _slot_of_new(core: Core, _reader: Reader) -> int | None:
    return core.firmware.users.free_slot()


def _slot_of_old(core: Core, reader: Reader) -> int | None:
    reader.take(1)
    return core.firmware.users.holder(reader.digits())


COMMANDS: Table = {
    (0x03, ADD): Spec("add_code", _add, slot=_slot_of_new),
    (0x03, REMOVE): Spec("remove_code", _remove, slot=_slot_of_old),
    (0x03, MODIFY): Spec(
        "modify_code", _modify, slot=_slot_of_old, feature=Feature.PASSCODE_MODIFY
    ),
    (0x03, RECOVER): Spec("recover_code", _recover, slot=_slot_of_new),
    (0x03, CLEAR): Spec("clear_codes", _clear),
    (0x07, None): Spec("list_codes", _list, changes=False),
    (0x44, None): Spec("set_erase_code", _set_erase_code),
    (0x53, None): Spec("set_admin_code", _set_admin_code),
    (0x65, None): Spec(
        "get_admin_code", _get_admin_code, changes=False, feature=Feature.GET_ADMIN_CODE
    ),
    (0x31, None): Spec("set_code_seeds", _set_seeds),
}
