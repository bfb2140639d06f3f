"""Keypad codes of a Nuki: commands 41 to 47.

Here: their payloads and what becomes of them in the firmware's memory, which has numbered slots; a
Nuki gives each code an id that is never given again, and keeps names, times and counters. Not here:
the keypad itself, which the firmware has; its own radio commands (48) are not simulated.

Layouts from ronengr/pyNukiBT, const.py; rules for digits from developer.nuki.io, topic 54: six
digits 1 to 9, not starting with 12, each only once. Assumed: digits against the rules and ids that
do not exist are a bad parameter; a listing begins with the number of entries that follow.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from firmware_sims.ble.nuki.fields import Error, Reader, Refused, datetime7, text, u8, u16, u32
from firmware_sims.ble.nuki.frames import Message
from firmware_sims.ble.nuki.spec import COMPLETE, Spec
from firmware_sims.ble.nuki.terms import Terms
from firmware_sims.ble.nuki.words import Op
from firmware_sims.faults import Fault
from firmware_sims.firmware.model import Answer, Source, UserStatus

if TYPE_CHECKING:
    from firmware_sims.ble.nuki.authorizations import Authorization
    from firmware_sims.ble.nuki.core import Core
    from firmware_sims.ble.nuki.spec import Table

NAME_SIZE = 20
LIST = "list_codes"
_ERRORS = {
    Answer.FAILURE: Error.BAD_PARAMETER,
    Answer.FULL: Error.TOO_MANY_ENTRIES,
    Answer.DUPLICATE: Error.CODE_ALREADY_EXISTS,
    Answer.INVALID: Error.BAD_PARAMETER,
    Answer.DENIED: Error.NOT_AUTHORIZED,
}


@dataclass(slots=True)
class Code:
    """What the lock knows of a code beside digits and whether it is enabled."""

    code_id: int
    name: str
    created_s: int
    last_active_s: int | None = None
    count: int = 0
    terms: Terms = field(default_factory=Terms)


class Codes:
    """By slot of the firmware; a slot that the firmware has lost is no code."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._last = 0
        self.held: dict[int, Code] = {}

    @property
    def present(self) -> dict[int, Code]:
        """Those that are there, by slot, in the order in which they came."""
        users = self._core.firmware.users.users
        return {
            slot: code
            for slot, code in sorted(self.held.items(), key=lambda item: item[1].code_id)
            if slot in users
        }

    def slot_of(self, code_id: int) -> int | None:
        """None when there is no such code."""
        return next((slot for slot, code in self.present.items() if code.code_id == code_id), None)

    def next_id(self) -> int:
        """Takes it."""
        self._last += 1
        return self._last

    def adopt(self, slot: int) -> Code:
        """What is known of a slot, from now on if nothing was."""
        if slot not in self.held:
            self.held[slot] = Code(self.next_id(), "", self._core.now())
        return self.held[slot]

    def by_hand(self, slot: int) -> None:
        """The installer has programmed a slot that was empty."""
        self.held.pop(slot, None)
        self.adopt(slot)

    def used(self, slot: int) -> Code:
        """Somebody came in with it."""
        code = self.adopt(slot)
        code.last_active_s, code.count = self._core.now(), min(0xFFFF, code.count + 1)
        return code

    def dump(self) -> dict[str, Any]:
        """As plain JSON."""
        return {
            "last": self._last,
            "held": [
                [slot, c.code_id, c.name, c.created_s, c.last_active_s, c.count, c.terms.dump()]
                for slot, c in sorted(self.held.items())
            ],
        }

    def load(self, data: dict[str, Any]) -> None:
        """Take up what ``dump`` wrote."""
        self._last = data["last"]
        self.held = {
            slot: Code(code_id, name, created_s, last_active_s, count, Terms(*terms))
            for slot, code_id, name, created_s, last_active_s, count, terms in data["held"]
        }


def _digits(number: int) -> str:
    code = str(number)
    if len(code) != 6 or "0" in code or code.startswith("12"):
        raise Refused(Error.BAD_PARAMETER)
    return code


def _write(core: Core, slot: int, code: str, entry: Code, *, enabled: bool) -> None:
    """Digits, state and terms at once; what the slot held stays when it is refused."""
    firmware, terms = core.firmware, entry.terms
    status = UserStatus.ENABLED if enabled else UserStatus.DISABLED
    answer = firmware.users.set_code(slot, code, status, terms.user_type, Source.RADIO)
    if answer is not Answer.OK:
        raise Refused(_ERRORS[answer])
    core.codes.held[slot] = entry
    firmware.schedules.forget(slot)
    if terms.year_day is not None:
        firmware.schedules.year_day[slot, 1] = terms.year_day
    if terms.week_day is not None:
        firmware.schedules.week_day[slot, 1] = terms.week_day
    firmware.changed()


def _id_message(core: Core, code_id: int, created_s: int) -> list[Message]:
    told = Message(Op.CODE_ID, u16(code_id) + datetime7(created_s))
    return [told, COMPLETE] if core.facts.status_after_ids else [told]


def _need_keypad(core: Core) -> None:
    if not core.facts.keypad:
        raise Refused(Error.UNKNOWN)


def _add(core: Core, _auth: Authorization, reader: Reader) -> list[Message]:
    _need_keypad(core)
    code, name = _digits(reader.number(4)), reader.text(NAME_SIZE)
    terms = Terms.read(reader)
    reader.end()
    if core.firmware.users.holder(code) is not None:
        raise Refused(Error.CODE_ALREADY_EXISTS)
    slot = core.firmware.users.free_slot()
    if slot is None:
        raise Refused(Error.TOO_MANY_ENTRIES)
    entry = Code(core.codes.next_id(), name, core.now(), terms=terms)
    _write(core, slot, code, entry, enabled=True)
    return _id_message(core, entry.code_id, entry.created_s)


def _list(core: Core, _auth: Authorization, reader: Reader) -> list[Message]:
    _need_keypad(core)
    offset, count = reader.number(2), reader.number(2)
    reader.end()
    for slot in core.firmware.users.users:
        core.codes.adopt(slot)
    wanted = list(core.codes.present)[offset : offset + count]
    masked = core.faults.strike(Fault.MASKED_READ, LIST, None) is not None
    messages = [
        Message(Op.CODE_COUNT, u16(len(wanted))),
        *(Message(Op.CODE_ENTRY, _entry(core, slot, masked=masked)) for slot in wanted),
    ]
    return [*messages, COMPLETE] if core.facts.status_after_lists else messages


def _entry(core: Core, slot: int, *, masked: bool) -> bytes:
    user, code = core.firmware.users.users[slot], core.codes.held[slot]
    return (
        u16(code.code_id)
        + u32(0 if masked else int(user.code))
        + text(code.name, NAME_SIZE)
        + u8(user.status is UserStatus.ENABLED)
        + datetime7(code.created_s)
        + datetime7(code.last_active_s)
        + u16(code.count)
        + code.terms.encode()
    )


def _update(core: Core, _auth: Authorization, reader: Reader) -> list[Message]:
    slot = _held(core, reader)
    digits, name, enabled = (
        _digits(reader.number(4)),
        reader.text(NAME_SIZE),
        reader.flag(),
    )
    terms = Terms.read(reader)
    reader.end()
    old = core.codes.held[slot]
    entry = Code(old.code_id, name, old.created_s, old.last_active_s, old.count, terms)
    _write(core, slot, digits, entry, enabled=enabled)
    return [COMPLETE]


def _remove(core: Core, _auth: Authorization, reader: Reader) -> list[Message]:
    slot = _held(core, reader)
    reader.end()
    core.firmware.users.clear_code(slot, Source.RADIO)
    core.firmware.schedules.forget(slot)
    core.codes.held.pop(slot, None)
    core.firmware.changed()
    return [COMPLETE]


def _held(core: Core, reader: Reader) -> int:
    _need_keypad(core)
    slot = core.codes.slot_of(reader.number(2))
    if slot is None:
        raise Refused(Error.BAD_PARAMETER)
    return slot


# ---- for faults


def _slot_of_new(core: Core, _reader: Reader) -> int | None:
    return core.firmware.users.free_slot()


def _slot_of_old(core: Core, reader: Reader) -> int | None:
    return core.codes.slot_of(reader.number(2))


def _pretended_id(core: Core) -> list[Message]:
    return _id_message(core, core.codes.next_id(), core.now())


COMMANDS: Table = {
    (Op.ADD_CODE, None): Spec("add_code", _add, slot=_slot_of_new, pretended=_pretended_id),
    (Op.LIST_CODES, None): Spec(LIST, _list, changes=False),
    (Op.UPDATE_CODE, None): Spec("modify_code", _update, slot=_slot_of_old),
    (Op.REMOVE_CODE, None): Spec("remove_code", _remove, slot=_slot_of_old),
}
