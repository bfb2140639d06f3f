"""User Code (CC:0063), versions 1 and 2: numbered slots of digits.

Here: classic and extended commands, capabilities, the checksum. Not here: the memory itself
(`firmware.users`). The user ids of this command class are the firmware's slots.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from firmware_sims.firmware.model import Answer, Source, UserStatus, UserType
from firmware_sims.zwave.commands import CC, Commands, Get, Set, u16

if TYPE_CHECKING:
    from firmware_sims.zwave.application import ZwaveApplication

AVAILABLE, ENABLED, DISABLED, NOT_AVAILABLE = 0x00, 0x01, 0x02, 0xFE
_STATUS = {UserStatus.ENABLED: ENABLED, UserStatus.DISABLED: DISABLED}
_KEYS = bytes((0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xFF, 0x03))
"""Bit mask of ASCII 0 to 9, CC:0063.02.07."""


def entry(app: ZwaveApplication, slot: int) -> tuple[int, str]:
    """Status and digits, as a report tells them."""
    if not app.firmware.users.exists(slot):
        return NOT_AVAILABLE, ""
    user = app.firmware.users.users.get(slot)
    return (AVAILABLE, "") if user is None else (_STATUS[user.status], user.code)


def report(app: ZwaveApplication, slot: int, *, masked: bool = False) -> bytes:
    """CC:0063.01.03; a slot without digits has four times the digit zero, in binary."""
    status, code = entry(app, slot)
    digits = b"*" * len(code) if masked else code.encode()
    return bytes((CC.USER_CODE, 0x03, slot & 0xFF, status)) + (digits or bytes(4))


def _store(app: ZwaveApplication, slot: int, status: int, code: bytes) -> Set:
    """Write or erase one slot. A duplicate is also told by a notification (CC:0071, 06/0F)."""
    users = app.firmware.users
    if status == AVAILABLE:
        if slot == 0:
            return Set("clear_all_pin_codes", lambda: users.clear_all(Source.RADIO))
        return Set("clear_pin_code", lambda: users.clear_code(slot, Source.RADIO), slot)

    def apply() -> Answer:
        wanted = {ENABLED: UserStatus.ENABLED, DISABLED: UserStatus.DISABLED}.get(status)
        digits = code.decode("ascii", "replace")
        if wanted is None:
            return Answer.INVALID
        length = app.code_length
        if length is not None and len(digits) != length:
            return Answer.INVALID
        present = users.users.get(slot)
        kept = UserType.UNRESTRICTED if present is None else present.type
        return users.set_code(slot, digits, wanted, kept, Source.RADIO)

    return Set("set_pin_code", apply, slot, app.code_refused)


def _set(app: ZwaveApplication, payload: bytes) -> Set:
    return _store(app, payload[0], payload[1], payload[2:])


def _get(app: ZwaveApplication, payload: bytes) -> Get:
    slot = payload[0]
    return Get(
        "get_pin_code",
        lambda: report(app, slot),
        slot,
        lambda: report(app, slot, masked=True),
    )


def _number_get(app: ZwaveApplication, _payload: bytes) -> Get:
    slots = app.firmware.profile.last_slot
    told = bytes((CC.USER_CODE, 0x05, min(slots, 0xFF)))
    if app.version(CC.USER_CODE) >= 2:
        told += u16(slots)
    return Get("cc.user_code_number_get", lambda: told)


# ---- version 2


def _capabilities_get(_app: ZwaveApplication, _payload: bytes) -> Get:
    """No admin code; checksum and several codes in one report and set; statuses 0 to 2."""
    return Get(
        "cc.user_code_capabilities_get",
        lambda: (
            bytes((CC.USER_CODE, 0x07, 0x01, 0b00000111, 0xE1, 0b00000001))
            + bytes((len(_KEYS),))
            + _KEYS
        ),
    )


def _keypad_mode_get(_app: ZwaveApplication, _payload: bytes) -> Get:
    return Get("cc.keypad_mode_get", lambda: bytes((CC.USER_CODE, 0x0A, 0x00)))


def _extended_set(app: ZwaveApplication, payload: bytes) -> Set:
    """CC:0063.02.0B; a set of several codes is taken one after the other."""
    orders = []
    rest = payload[1:]
    for _ in range(payload[0]):
        slot, status, length = int.from_bytes(rest[:2], "big"), rest[2], rest[3] & 0x0F
        orders.append(_store(app, slot, status, rest[4 : 4 + length]))
        rest = rest[4 + length :]
    if len(orders) == 1:
        return orders[0]

    def apply() -> Answer:
        answers = [order.apply() for order in orders]
        return next((answer for answer in answers if answer is not Answer.OK), Answer.OK)

    return Set("set_pin_code", apply)


def _extended_get(app: ZwaveApplication, payload: bytes) -> Get:
    slot, more = int.from_bytes(payload[:2], "big"), payload[2] & 1

    def apply(*, masked: bool = False) -> bytes:
        told = bytearray()
        taken = sorted(number for number in app.firmware.users.users if number >= slot)
        wanted = [slot, *(taken[1:] if taken[:1] == [slot] else taken)][: 3 if more else 1]
        for number in wanted:
            status, code = entry(app, number)
            digits = b"*" * len(code) if masked else code.encode()
            told += u16(number) + bytes((status, len(digits))) + digits
        following = next((number for number in taken if number > wanted[-1]), 0)
        return bytes((CC.USER_CODE, 0x0D, len(wanted))) + bytes(told) + u16(following)

    return Get("get_pin_code", apply, slot, lambda: apply(masked=True))


def _checksum_get(app: ZwaveApplication, _payload: bytes) -> Get:
    """CC:0063.02.12: CRC-CCITT over id, status and digits of all that are not available."""

    def apply() -> bytes:
        data = bytearray()
        for slot in sorted(app.firmware.users.users):
            status, code = entry(app, slot)
            data += u16(slot) + bytes((status,)) + code.encode()
        return bytes((CC.USER_CODE, 0x12)) + u16(crc_ccitt(bytes(data)) if data else 0)

    return Get("get_user_code_checksum", apply)


def crc_ccitt(data: bytes) -> int:
    """Polynomial 0x1021 from 0x1D0F, CC:0056."""
    crc = 0x1D0F
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc


USER_CODE: Commands = {
    (CC.USER_CODE, 0x01): _set,
    (CC.USER_CODE, 0x02): _get,
    (CC.USER_CODE, 0x04): _number_get,
}
USER_CODE_V2: Commands = {
    (CC.USER_CODE, 0x06): _capabilities_get,
    (CC.USER_CODE, 0x09): _keypad_mode_get,
    (CC.USER_CODE, 0x0B): _extended_set,
    (CC.USER_CODE, 0x0C): _extended_get,
    (CC.USER_CODE, 0x11): _checksum_get,
}
