"""Frames, keys and fields of the Nuki protocol, against what the vendor publishes and pyNukiBT.

The example of a pairing is the vendor's ("Nuki Smart Lock API"), as several public clients have it
in their tests: nothing in it was computed by this project.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.instant import from_datetime
from gateway.domain.secret import Secret
from gateway.drivers.nuki import commands, crypto, session, settings, wire
from gateway.drivers.nuki.commands import Answer, Code, Command
from gateway.drivers.nuki.keys import Keys, keys_of, pin_of
from gateway.drivers.nuki.schedules import Terms
from gateway.drivers.nuki.session import Identity
from gateway.drivers.nuki.wire import Message, Op
from gateway.drivers.steps import Agree, Become
from gateway.errors import PeerProtocolError
from tests.pynukibt import pynukibt

if TYPE_CHECKING:
    from collections.abc import Iterable

SECRET = bytes.fromhex("8caa54672307bffdf5ea183fc607158d2011d008eca6a1088614ff0853a5aa07")
OURS = bytes.fromhex("f88127ccf48023b5cbe9101d24baa8a368da94e8c2e3cde2ded29ce96ab50c15")
THEIRS = bytes.fromhex("2fe57da347cd62431528daac5fbb290730fff684afc4cfc2ed90995f58cb3b74")
SHARED = bytes.fromhex("217fcb0f18caf284e9bdea0b94b83b8d10867ed706bfdedbd2381f4cb3b8f730")
NONCE = bytes.fromhex("52afe0a664b4e9b56dc6bd4cb718a6c9fed6be17a7411072aa0d315378140577")
SAID = (
    "0100030027a7",
    f"0300{OURS.hex()}9241",
    "0500b09a0d3979a029e5fd027b519eaa200bc14ad3e163d3be4563843e021073bcb1c357",
    "0600cf1b9e7801e3196e6594e76d57908ee500aad5c33f4b6e0bbea0ddef82967bfc00000000004d617263"
    "2028546573742900000000000000000000000000000000000000000052afe0a664b4e9b56dc6bd4cb718a6"
    "c9fed6be17a7411072aa0d31537814057769f2",
    "1e003a41b91a66fbc4d22efefbb7272140829695a3917433d5beb981b76166d13f8a02000000cdf5",
)
HEARD = (
    f"0300{THEIRS.hex()}9db9",
    "04006cd4163d159050c798553eaa57e278a579affcbc56f09fc57fe879e51c42df17c3df",
    "0400e0742cfea39cb46109385bf91286a3c02f40ee86b0b62fc34033094de41e2c0d7fe1",
    "07003a270a2e453443c3790e657cebe634b03f0102f45681b4067c661d46e6e15edf0200000083b33643c6"
    "d97ef77ed51c02a277cbf7ea479915982f13c61d997a56678ad77791bfa7e95229a3dd34f87132bf3e3c97"
    "db9f",
    "0e00009dd7",
)
READ_STATES = bytes.fromhex(
    "37917f1af31ec5940705f34d1e5550607d5b2f9fe7d496b6020000001a00670d124926004366532e8d927a33fe84"
    "e782a9594d39157d065e"
)
US = Identity(SECRET, NONCE, 0, "Marc (Test)", kind=0)
CHALLENGE, PIN = bytes(range(32)), 4711
OUR_TERMS = Terms(
    True,
    wire.u16(2026) + bytes((7, 6, 16, 0, 0)),
    wire.u16(2026) + bytes((10, 6, 11, 30, 0)),
    0b1010000,
    510,
    1020,
)


@pytest.fixture(scope="module", params=["lock", "ultra"])
def theirs(request: pytest.FixtureRequest) -> Any:
    const = pynukibt().const
    return const.NukiLockConst if request.param == "lock" else const.NukiUltraConst


def paired(heard: Iterable[str], pin: int | None = None) -> tuple[list[str], list[Keys], Keys]:
    """What is said, whom we become, and the keys in the end."""
    dialogue = session.pair(US, pin, ultra=pin is not None)
    said, became = list[str](), list[Keys]()
    answers = iter(heard)
    step = next(dialogue)
    try:
        while True:
            reply: Answer | None = None
            if isinstance(step, Become):
                became.append(step.keys)
            elif isinstance(step, Agree):
                assert step.keys == became[-1]  # before the last word: it may be lost
            else:
                assert isinstance(step, Command)
                said.append(wire.plain(Message(step.op, step.payload)).hex())
                message = wire.read_plain(bytes.fromhex(next(answers)))
                assert message is not None
                assert message.op == step.ends
                reply = Answer(message)
            step = dialogue.send(reply)
    except StopIteration as stop:
        return said, became, stop.value


# ── what the vendor publishes ───────────────────────────────────────────────────────────────


def test_the_checksum_has_its_published_check_value() -> None:
    assert wire.crc16(b"123456789") == 0x29B1


def test_the_keys_of_the_example() -> None:
    assert crypto.public_key(SECRET) == OURS
    assert crypto.shared_key(SECRET, THEIRS) == SHARED
    assert crypto.shared_key(SECRET, bytes(31)) is None


def test_we_pair_word_for_word_as_the_example_does() -> None:
    said, became, keys = paired(HEARD)
    assert tuple(said) == SAID
    assert (keys.shared, keys.auth_id) == (SHARED, bytes.fromhex("02000000"))
    assert became[-1] == keys  # before the last word: it may be lost, and the lock knows us


def test_a_lock_that_does_not_prove_its_key_gets_no_last_word() -> None:
    forged = wire.read_plain(bytes.fromhex(HEARD[3]))
    assert forged is not None
    payload = forged.payload[:-1] + bytes((forged.payload[-1] ^ 1,))
    raw = wire.plain(Message(Op.AUTHORISATION_ID, payload)).hex()
    with pytest.raises(PeerProtocolError, match="does not prove its key"):
        paired([*HEARD[:3], raw])


def test_the_sealed_frame_of_the_example() -> None:
    auth_id, message = READ_STATES[24:28], Message(Op.REQUEST_DATA, wire.u16(Op.STATES))
    assert wire.read_sealed(READ_STATES, SHARED, auth_id) == message
    assert wire.sealed(message, SHARED, auth_id, READ_STATES[:24]) == READ_STATES


# ── what is no frame ────────────────────────────────────────────────────────────────────────


@given(st.integers(0, len(READ_STATES) - 1), st.integers(1, 255))
def test_nothing_that_was_altered_is_read(at: int, by: int) -> None:
    altered = bytearray(READ_STATES)
    altered[at] ^= by
    # The name outside is not sealed: whose frame it is, is read inside.
    expected = wire.read_sealed(READ_STATES, SHARED, READ_STATES[24:28])
    read = wire.read_sealed(bytes(altered), SHARED, READ_STATES[24:28])
    assert read == (expected if 24 <= at < 28 else None)


@given(st.binary(max_size=80))
def test_noise_is_no_frame(noise: bytes) -> None:
    assert wire.read_sealed(noise, SHARED, bytes(4)) is None
    message = wire.read_plain(noise)
    assert message is None or wire.plain(message) == noise


def test_a_frame_for_somebody_else_is_none() -> None:
    raw = wire.sealed(Message(Op.STATUS, b"\0"), SHARED, b"\2\0\0\0", bytes(24))
    assert wire.read_sealed(raw, SHARED, b"\3\0\0\0") is None


# ── pyNukiBT reads what we write ────────────────────────────────────────────────────────────


def _proven(theirs: Any) -> bytes:
    return CHALLENGE + PIN.to_bytes(theirs.NukiSecurityPinDataType.sizeof(), "little")


def _same_terms(read: Any) -> None:
    assert read.time_limited == 1
    assert read.allowed_from_date == datetime(2026, 7, 6, 16, 0)  # noqa: DTZ001 - the lock's are naive
    assert read.allowed_until_date == datetime(2026, 10, 6, 11, 30)  # noqa: DTZ001
    assert (read.allowed_weekdays.monday, read.allowed_weekdays.wednesday) == (1, 1)
    assert sum(read.allowed_weekdays[day] for day in ("tuesday", "sunday", "saturday")) == 0
    assert (read.allowed_from_time.hour, read.allowed_from_time.minute) == (8, 30)
    assert (read.allowed_until_time.hour, read.allowed_until_time.minute) == (17, 0)


def test_they_read_the_codes_that_we_add_and_update(theirs: Any) -> None:
    added = theirs.AddKeypadCode.parse(
        commands.add_code(Secret("583926"), "slot 4", OUR_TERMS).payload + _proven(theirs)
    )
    assert (added.code, added.name, added.security_pin) == (583926, "slot 4", 4711)
    _same_terms(added)
    order = commands.update_code(7, Secret("583926"), "slot 4", OUR_TERMS, enabled=False)
    updated = theirs.UpdatedKeypadCode.parse(order.payload + _proven(theirs))
    assert (updated.code_id, updated.code, updated.enabled) == (7, 583926, 0)
    _same_terms(updated)


def test_they_read_our_orders(theirs: Any) -> None:
    order = commands.operate(commands.Action.UNLATCH, 99).payload + CHALLENGE
    told = theirs.LockActionMsg.parse(order[:6] + bytes(20) + order[6:])
    assert (str(told.lock_action), told.app_id) == ("UNLATCH", 99)
    log = theirs.RequestLogEntries.parse(commands.read_log(12, 50).payload + _proven(theirs))
    assert (log.start_index, log.count, log.sort_order, log.total_count) == (12, 50, 0, 0)
    at = from_datetime(datetime(2026, 7, 6, 10, 5, 9, tzinfo=UTC))
    clock = commands.set_clock(wire.date7(at, ZoneInfo("Europe/Berlin")))
    assert theirs.UpdateTime.parse(clock.payload + _proven(theirs)).time == datetime(  # noqa: DTZ001
        2026, 7, 6, 12, 5, 9
    )


# ── we read what pyNukiBT writes ────────────────────────────────────────────────────────────

WHEN = datetime(2026, 7, 6, 12, 0, 0)  # noqa: DTZ001 - the lock's are naive
THEIR_TERMS = {
    "time_limited": 1,
    "allowed_from_date": datetime(2026, 7, 6, 16, 0),  # noqa: DTZ001
    "allowed_until_date": datetime(2026, 10, 6, 11, 30),  # noqa: DTZ001
    "allowed_weekdays": {
        day: day in {"monday", "wednesday"}
        for day in (
            "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday",
        )
    },
    "allowed_from_time": {"hour": 8, "minute": 30},
    "allowed_until_time": {"hour": 17, "minute": 0},
}  # fmt: skip


def test_we_read_their_codes(theirs: Any) -> None:
    raw = theirs.KeypadCodeEntry.build(
        {
            "code_id": 7, "code": 583926, "name": "guest", "enabled": 1, "date_created": WHEN,
            "date_last_active": WHEN, "lock_count": 3, **THEIR_TERMS,
        }
    )  # fmt: skip
    code = commands.code_of(Message(Op.CODE, raw))
    assert code == Code(7, Secret("583926"), "guest", True, OUR_TERMS)


def test_we_read_their_authorisations(theirs: Any) -> None:
    raw = theirs.AuthorizationEntry.build(
        {
            "auth_id": b"\5\0\0\0", "id_type": "FOB", "name": "fob", "enabled": 0,
            "remote_allowed": 1, "date_created": WHEN, "date_last_active": WHEN,
            "lock_count": 9, **THEIR_TERMS,
        }
    )  # fmt: skip
    entry = commands.authorisation_of(Message(Op.AUTHORISATION, raw))
    assert (entry.id, entry.kind, entry.name) == (b"\5\0\0\0", 2, "fob")
    assert (entry.enabled, entry.remote, entry.uses) == (False, True, 9)
    assert entry.terms == OUR_TERMS


@pytest.mark.parametrize("door", [None, "DOOR_OPENED"])
def test_we_read_their_states(theirs: Any, door: str | None) -> None:
    raw = theirs.KeyturnerStates.build(
        {
            "nuki_state": "DOOR_MODE", "lock_state": "UNLATCHED", "trigger": "BUTTON",
            "current_time": WHEN, "timezone_offset": 120, "critical_battery_state": 0b10101001,
            "config_update_count": 4, "lock_n_go_timer": 0, "last_lock_action": "UNLATCH",
            "last_lock_action_trigger": "SYSTEM",
            "last_lock_action_completion_status": "MOTOR_BLOCKED",
            "door_sensor_state": door, "nightmode_active": None, "accessory_battery_state": None,
            "remote_access_status": None, "ble_strength": None, "wifi_strength": None,
            "wifi_status": None, "mqtt_status": None, "thread_status": None,
        }
    )  # fmt: skip
    states = commands.states_of(Message(Op.STATES, raw))
    assert (states.nuki_state, states.lock_state, states.trigger) == (2, 5, 2)
    assert wire.wall_of(states.date) == WHEN.replace(tzinfo=UTC)
    assert (states.battery, states.config_count, states.last) == (0b10101001, 4, (3, 0, 1))
    assert states.door == (None if door is None else 3)


def test_a_configuration_goes_back_as_it_came_but_for_what_changes(theirs: Any) -> None:
    told = {
        "name": "front", "latitude": 52.5, "longitude": 13.25,
        "auto_unlatch": 0, "pairing_enabled": 1, "button_enabled": 1, "led_enabled": 1,
        "led_brightness": 3, "timezone_offset": 60, "dst_mode": 1, "fob_action_1": 1,
        "fob_action_2": 2, "fob_action_3": 3, "single_lock": 0, "advertising_mode": "SLOW",
        "timezone_id": "EUROPE_BERLIN",
    }  # fmt: skip
    more = {
        "nuki_id": 0x01020304, "current_time": WHEN, "has_fob": 1, "has_keypad": 1,
        "firmware_version": [3, 9, 5],
        "hardware_revision": [10, 6], "homekit_status": 0, "device_type": "SMARTLOCK_3_4",
        "capabilities": 0, "has_keypad_v2": 0, "matter_status": "UNAVAILABLE",
    }  # fmt: skip
    raw = theirs.Config.build({**told, **more})
    config = settings.config_of(Message(Op.CONFIG, raw))
    assert config.has_keypad
    assert config.device_type == 4
    after = settings.changed(settings.PLANS["button"], raw, False)
    read = theirs.Newconfig.parse(settings.write_config(after).payload + _proven(theirs))
    for name, value in {**told, "button_enabled": 0}.items():
        assert (str(read[name]) if isinstance(value, str) else read[name]) == value, name


def test_an_advanced_configuration_too_also_with_fields_that_we_do_not_know(theirs: Any) -> None:
    plan = settings.PLANS["auto_lock_s"]
    told = {
        "unlocked_position_offset_degrees": -90, "locked_position_offset_degrees": 10,
        "single_locked_position_offset_degrees": 0,
        "unlocked_to_locked_transition_offset_degrees": 180, "lock_n_go_timeout": 20,
        "single_button_press_action": "INTELLIGENT", "double_button_press_action": "LOCK_N_GO",
        "detached_cylinder": 1, "battery_type": "LITHIUM", "automatic_battery_type_detection": 0,
        "unlatch_duration": 3, "auto_lock_timeout": 300, "auto_unlock_disabled": 1,
        "night_mode_enabled": 1, "night_mode_start_time": {"hour": 22, "minute": 0},
        "night_mode_end_time": {"hour": 6, "minute": 30}, "night_mode_auto_lock_enabled": 1,
        "night_mode_auto_unlock_disabled": 0, "night_mode_immediate_lock_on_start": 1,
        "auto_lock_enabled": 0, "immediate_auto_lock_enabled": 0, "auto_update_enabled": 1,
    }  # fmt: skip
    raw = theirs.AdvancedConfig.build({"total_degrees": 1080, **told}) + b"\2\1"
    assert settings.setting_of("auto_lock_s", plan, raw).value == 0
    after = settings.changed(plan, raw, 120)
    assert settings.setting_of("auto_lock_s", plan, after).value == 120
    assert settings.setting_of("auto_lock_s", plan, settings.changed(plan, after, 0)).value == 0
    read = theirs.NewAdvancedConfig.parse(settings.write_advanced(after).payload + _proven(theirs))
    assert (str(read.motor_speed), read.night_mode_slow_speed) == ("GENTLE", 1)
    for name, value in {**told, "auto_lock_timeout": 120, "auto_lock_enabled": 1}.items():
        kept = read[name]
        if isinstance(value, dict):
            assert (kept.hour, kept.minute) == tuple(value.values()), name
        else:
            assert (str(kept) if isinstance(value, str) else kept) == value, name


# ── keys and PINs ───────────────────────────────────────────────────────────────────────────


def test_keys_come_back_from_their_text_and_show_nothing() -> None:
    keys = Keys(SHARED, b"\2\0\0\0", 77, True, 482913, 482914)
    assert keys_of(keys.to_secret()) == keys
    assert SHARED.hex() not in repr(keys)
    assert "48291" not in repr(keys)


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"shared": "00", "auth_id": "00000000", "app_id": 1, "ultra": false}']
)
def test_what_is_not_our_text_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ValueError, match="keys") as caught:
        keys_of(Secret(text))
    assert not text or text not in str(caught.value)


@pytest.mark.parametrize("digits", ["471", "47111", "4a11", "٤٧١١"])
def test_a_pin_has_four_digits(digits: str) -> None:
    with pytest.raises(ValueError, match="has 4 digits"):
        pin_of(Secret(digits), ultra=False)
    assert pin_of(Secret(" 0471 "), ultra=False) == 471
    assert pin_of(Secret("482913"), ultra=True) == 482913
