"""What a TTLock's words mean to the house: every error, advertisement and kind of record."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from gateway.domain.events import EventType, Method
from gateway.domain.instant import from_datetime
from gateway.domain.secret import KeyedHash, Secret
from gateway.domain.windows import zone_info
from gateway.drivers.api import Happening, Measured, SlotChange, SlotChanged
from gateway.drivers.ttlock import mapping
from gateway.drivers.ttlock.commands import Feature, Features, Status
from gateway.drivers.ttlock.records import Log, Record
from gateway.errors import Refusal
from gateway.radios.api import Advertisement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.drivers.api import DeviceEvent

ZONE = zone_info("Europe/Berlin")
ADDRESS = "38:38:E5:1D:71:FE"
CAPTURED = bytes.fromhex("0503021064B000F4F95365FE711DE53838")
"""kind3r/ttlock-sdk-js: scene 2, dormant, 100 %."""
NOON = from_datetime(datetime(2026, 7, 6, 10, 0, 5, tzinfo=UTC))


def heard(block: bytes, address: str = ADDRESS) -> Advertisement:
    data = {int.from_bytes(block[:2], "little"): block[2:]}
    return Advertisement(address, "K5_fe711d", -60, "hci0", 0.0, data)


def with_flags(flags: int, scene: int = 2, battery: int = 77) -> Advertisement:
    return heard(bytes((5, 3, scene, flags, battery)) + CAPTURED[5:])


def record(type_: int, code: str | None = None, other: str | None = None) -> Record:
    return Record(
        type_,
        bytes((26, 7, 6, 12, 0, 5)),
        88,
        Secret(f"{type_}"),
        None if code is None else Secret(code),
        None if other is None else Secret(other),
    )


def told(one: Record, *, emptied: bool = False) -> Sequence[DeviceEvent]:
    slots = {hash_of(Secret("583920")): 4}
    return mapping.told_in(one, slots.get, hash_of, ZONE, emptied=emptied)


def hash_of(digits: Secret) -> KeyedHash:
    return KeyedHash(f"hash of {digits.reveal()}")


# ── advertisement ───────────────────────────────────────────────────────────────────────────


def test_the_captured_advertisement() -> None:
    found = mapping.told_by(heard(CAPTURED))
    assert found is not None
    assert (found.type, found.version, found.scene, found.address) == (5, 3, 2, ADDRESS)
    assert not found.setting_mode
    assert mapping.measured_by(found) == Measured(battery_percent=100, log_news=False)


@pytest.mark.parametrize(
    ("flags", "locked"), [(0x00, True), (0x01, False), (0x08, True), (0x10, None), (0x11, False)]
)
def test_a_dormant_lock_says_nothing_of_its_bolt(flags: int, locked: bool | None) -> None:
    found = mapping.told_by(with_flags(flags))
    assert found is not None
    assert mapping.measured_by(found) == Measured(locked, None, 77, None, log_news=False)


def test_a_parking_lock_has_another_use_for_that_bit() -> None:
    found = mapping.told_by(with_flags(0x10, scene=mapping.PARKING))
    assert found is not None
    assert found.unlocked is False


def test_news_in_the_log_and_pairing_mode() -> None:
    found = mapping.told_by(with_flags(0x06))
    assert found is not None
    assert found.log_news
    assert found.setting_mode


def test_other_protocols_have_their_numbers_further_back() -> None:
    block = bytes((1, 2, 3, 4, 10, 1, 0, 2, 0x01, 55)) + CAPTURED[-6:]
    found = mapping.told_by(heard(block))
    assert found is not None
    assert (found.type, found.version, found.scene, found.unlocked) == (10, 1, 2, True)


def test_a_battery_that_is_no_percentage_is_not_told() -> None:
    found = mapping.told_by(with_flags(0, battery=255))
    assert found is not None
    assert found.battery_percent is None


@pytest.mark.parametrize(
    "advertisement",
    [
        heard(CAPTURED, "AA:BB:CC:DD:EE:FF"),
        heard(b"\x12\x19" + CAPTURED[2:]),
        heard(b"\x34\x12" + CAPTURED[2:]),
        heard(b"\xff\xff" + CAPTURED[2:]),
        heard(CAPTURED[:8]),
        heard(bytes((9, 9, 0, 0, 3, 1, 0, 2, 0, 9)) + CAPTURED[-6:]),
        Advertisement(ADDRESS, "x", -60, "hci0", 0.0),
    ],
    ids=["another's address", "update", "wristband", "empty", "short", "older", "nothing"],
)
def test_what_is_no_lock_of_this_family(advertisement: Advertisement) -> None:
    assert mapping.told_by(advertisement) is None


# ── errors ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("error", "refusal"),
    [
        (0x03, Refusal.NOT_AUTHORISED),
        (0x0D, Refusal.NOT_AUTHORISED),
        (0x0F, Refusal.LENGTH),
        (0x13, Refusal.FAILED),
        (0x14, Refusal.DUPLICATE),
        (0x15, Refusal.INVALID),
        (0x16, Refusal.FULL),
        (0x1B, Refusal.UNSUPPORTED),
        (0x1E, Refusal.JAMMED),
        (0x24, Refusal.BUSY),
        (0xEE, Refusal.FAILED),
    ],
)
def test_errors(error: int, refusal: Refusal) -> None:
    assert mapping.refusal_of(error) is refusal
    assert mapping.why(error)


def test_a_general_failure_says_nothing_of_what_was_done() -> None:
    assert not mapping.refusal_of(0x13).definite


# ── abilities ───────────────────────────────────────────────────────────────────────────────


def test_abilities() -> None:
    all_of_them = Features(90, ~Feature.NO_CLOCK)
    found = mapping.capabilities_of(all_of_them, manages=True)
    assert found.has_clock
    assert found.has_door_sensor
    assert (found.can_enrol_cards, found.can_enrol_fingers) == (True, True)
    user = mapping.capabilities_of(all_of_them, manages=False)
    assert user.can_remotely_unlock
    assert user.can_program_online_access_codes is False
    assert user.reports_events is False
    bare = mapping.capabilities_of(Features(90, Feature.NO_CLOCK), manages=True)
    assert bare.has_clock is False
    assert bare.has_door_sensor is None
    assert bare.can_remotely_lock is False
    assert (bare.can_enrol_cards, bare.can_enrol_fingers) == (False, False)
    assert bare.can_program_online_access_codes is False


def test_the_state_of_a_door() -> None:
    assert mapping.measured_from(Status(40, True, True)) == Measured(False, False, 40)
    assert mapping.measured_from(Status(200, None, None)) == Measured()


# ── log ─────────────────────────────────────────────────────────────────────────────────────


def test_every_record_with_a_name_has_a_meaning_or_a_reason_for_none() -> None:
    for type_ in Log:
        means = bool(told(record(type_, "583920")))
        assert means is not (type_ in mapping._MEANS_NOTHING), type_.name  # noqa: SLF001 - the table
    assert told(record(250)) == ()


def test_a_code_that_was_used() -> None:
    known = hash_of(Secret("583920"))
    assert told(record(Log.CODE_UNLOCK, "583920", "583920")) == (
        Happening(EventType.LOCK_UNLOCKED, Method.CODE, 4, None, NOON, from_log=True, code=known),
    )
    assert told(record(Log.CODE_UNLOCK, "9999", "583920"))[0] == Happening(
        EventType.LOCK_UNLOCKED, Method.CODE, 4, None, NOON, from_log=True, code=known
    )
    (strange,) = told(record(Log.CODE_UNLOCK, "111333"))
    assert isinstance(strange, Happening)
    assert (strange.method, strange.slot) == (Method.KEYPAD, None)


def test_a_code_of_ours_that_was_refused_by_the_locks_clock_proves_that_it_keeps_windows() -> None:
    (ours,) = told(record(Log.CODE_EXPIRED, "583920"))
    (other,) = told(record(Log.CODE_EXPIRED, "111333"))
    assert isinstance(ours, Happening)
    assert isinstance(other, Happening)
    assert (ours.type, ours.reason, ours.schedule_refused) == (
        EventType.ACCESS_DENIED, "schedule", True,
    )  # fmt: skip
    assert not other.schedule_refused


@pytest.mark.parametrize(
    ("type_", "event", "method"),
    [
        (Log.APP_UNLOCK, EventType.LOCK_UNLOCKED, Method.REMOTE),
        (Log.GATEWAY_UNLOCK, EventType.LOCK_UNLOCKED, Method.REMOTE),
        (Log.CARD_UNLOCK, EventType.LOCK_UNLOCKED, Method.CARD),
        (Log.FINGERPRINT_UNLOCK, EventType.LOCK_UNLOCKED, Method.FINGERPRINT),
        (Log.KEY_UNLOCK, EventType.LOCK_UNLOCKED, Method.MECHANICAL_KEY),
        (Log.INSIDE_UNLOCK, EventType.LOCK_UNLOCKED, Method.MANUAL),
        (Log.PASSAGE_UNLOCK, EventType.LOCK_UNLOCKED, Method.SCHEDULE),
        (Log.APP_LOCK, EventType.LOCK_LOCKED, Method.REMOTE),
        (Log.AUTO_LOCK, EventType.LOCK_LOCKED, Method.AUTO_LOCK),
        (Log.WRONG_CODE, EventType.ACCESS_DENIED, Method.KEYPAD),
        (Log.CARD_EXPIRED, EventType.ACCESS_DENIED, Method.CARD),
        (Log.APP_DEADLOCKED, EventType.ACCESS_DENIED, Method.REMOTE),
        (Log.SYSTEM_LOCKED, EventType.ACCESS_LOCKOUT, Method.UNKNOWN),
        (Log.TAMPER, EventType.TAMPER, Method.UNKNOWN),
        (Log.ILLEGAL_UNLOCK, EventType.DOOR_FORCED, Method.UNKNOWN),
        (Log.DOOR_OPENED, EventType.DOOR_OPENED, Method.UNKNOWN),
        (Log.DOOR_CLOSED, EventType.DOOR_CLOSED, Method.UNKNOWN),
        (Log.LOCK_TIMEOUT, EventType.LOCK_JAMMED, Method.UNKNOWN),
    ],
)
def test_what_happened_and_how(type_: Log, event: EventType, method: Method) -> None:
    (found,) = told(record(type_))
    assert isinstance(found, Happening)
    assert (found.type, found.method, found.slot, found.device_time) == (event, method, None, NOON)
    assert found.from_log


@pytest.mark.parametrize(
    ("type_", "change"),
    [
        (Log.CODE_MODIFIED, SlotChange.CHANGED),
        (Log.CODE_DELETED, SlotChange.REMOVED),
        (Log.CODE_SQUEEZED_OUT, SlotChange.REMOVED),
        (Log.CODE_ADDED, SlotChange.ADDED),
    ],
)
def test_old_news_of_a_code_makes_the_house_look(type_: Log, change: SlotChange) -> None:
    assert told(record(type_, "583920")) == (SlotChanged(4, change, at_lock=False),)
    assert told(record(type_, "111333")) == ()


def test_all_codes_cleared_is_believed_when_there_are_none() -> None:
    one = record(Log.CODES_CLEARED)
    assert told(one, emptied=True) == (SlotChanged(None, SlotChange.REMOVED, at_lock=True),)
    assert told(one) == (SlotChanged(None, SlotChange.REMOVED, at_lock=False),)


def test_a_lock_that_lost_its_time_has_records_without_one() -> None:
    lost = Record(Log.KEY_UNLOCK, b"\xff" * 6, 255, Secret("x"))
    (found,) = told(lost)
    assert isinstance(found, Happening)
    assert found.device_time is None
    assert mapping.battery_in(lost) is None
    assert mapping.battery_in(record(Log.KEY_UNLOCK)) == Measured(battery_percent=88)


def test_no_result_carries_digits() -> None:
    for type_ in Log:
        assert "583920" not in repr(told(record(type_, "583920", "583920")))
