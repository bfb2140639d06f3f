"""The simulated Nuki's frames and fields: the vendor's example, pyNukiBT's codec, round trips."""

from __future__ import annotations

import hmac
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.secret import SecretBox

from firmware_sims.ble.nuki import crypto, frames
from firmware_sims.ble.nuki.authorizations import Authorization
from firmware_sims.ble.nuki.fields import Error, Reader, Refused, datetime7, u16, u32
from firmware_sims.ble.nuki.frames import Message
from firmware_sims.ble.nuki.oplog import Entry
from firmware_sims.ble.nuki.terms import Terms
from firmware_sims.ble.nuki.words import Client
from firmware_sims.clock import LOCK_EPOCH
from tests.pynukibt import pynukibt
from tests.unit.sims.nuki_bench import (
    ALWAYS,
    COMPLETE,
    PIN,
    Bench,
    Phone,
    added,
    changed_code,
    listing,
    moment,
    new_code,
    owner,
    terms,
)

if TYPE_CHECKING:
    from collections.abc import Callable

# The example of a pairing in the vendor's "Nuki Smart Lock API", as several public clients have it
# in their tests: nothing here was computed by this project.
CLIENT_SECRET = bytes.fromhex("8caa54672307bffdf5ea183fc607158d2011d008eca6a1088614ff0853a5aa07")
CLIENT = bytes.fromhex("f88127ccf48023b5cbe9101d24baa8a368da94e8c2e3cde2ded29ce96ab50c15")
LOCK = bytes.fromhex("2fe57da347cd62431528daac5fbb290730fff684afc4cfc2ed90995f58cb3b74")
SHARED = bytes.fromhex("217fcb0f18caf284e9bdea0b94b83b8d10867ed706bfdedbd2381f4cb3b8f730")
REQUEST_KEY = "0100030027a7"
LOCKS_KEY = f"0300{LOCK.hex()}9db9"
CLIENTS_KEY = f"0300{CLIENT.hex()}9241"
CHALLENGE = "04006cd4163d159050c798553eaa57e278a579affcbc56f09fc57fe879e51c42df17c3df"
AUTHENTICATOR = "0500b09a0d3979a029e5fd027b519eaa200bc14ad3e163d3be4563843e021073bcb1c357"
CHALLENGE_2 = "0400e0742cfea39cb46109385bf91286a3c02f40ee86b0b62fc34033094de41e2c0d7fe1"
DATA = (
    "0600cf1b9e7801e3196e6594e76d57908ee500aad5c33f4b6e0bbea0ddef82967bfc00000000004d61726320285465"
    "73742900000000000000000000000000000000000000000052afe0a664b4e9b56dc6bd4cb718a6c9fed6be17a74110"
    "72aa0d31537814057769f2"
)
ID = (
    "07003a270a2e453443c3790e657cebe634b03f0102f45681b4067c661d46e6e15edf0200000083b33643c6d97ef77e"
    "d51c02a277cbf7ea479915982f13c61d997a56678ad77791bfa7e95229a3dd34f87132bf3e3c97db9f"
)
CONFIRMATION = "1e003a41b91a66fbc4d22efefbb7272140829695a3917433d5beb981b76166d13f8a02000000cdf5"
STATUS = "0e00009dd7"
READ_STATES = bytes.fromhex(
    "37917f1af31ec5940705f34d1e5550607d5b2f9fe7d496b6020000001a00670d124926004366532e8d927a33fe84e7"
    "82a9594d39157d065e"
)
NONCES = st.binary(min_size=24, max_size=24)
KEYS = st.binary(min_size=32, max_size=32)
IDS = st.binary(min_size=4, max_size=4)


def told(raw: str) -> bytes:
    return frames.read_plain(bytes.fromhex(raw)).payload


# ---- what the vendor publishes


def test_the_checksum_is_the_published_one() -> None:
    assert frames.crc(b"123456789") == 0x29B1  # CRC-16/CCITT-FALSE, its check value


@pytest.mark.parametrize(
    "raw",
    [REQUEST_KEY, LOCKS_KEY, CLIENTS_KEY, CHALLENGE, AUTHENTICATOR, DATA, ID, CONFIRMATION, STATUS],
)
def test_plain_frames_of_the_example(raw: str) -> None:
    message = frames.read_plain(bytes.fromhex(raw))
    assert message.op == int.from_bytes(bytes.fromhex(raw)[:2], "little")
    assert frames.plain(message).hex() == raw


def test_the_key_of_the_example() -> None:
    assert crypto.public_key(CLIENT_SECRET) == CLIENT
    assert crypto.shared_key(CLIENT_SECRET, LOCK) == SHARED


def test_every_authenticator_of_the_example() -> None:
    data, given_id = told(DATA), told(ID)
    signed, their_nonce = data[32:], data[-32:]
    assert told(AUTHENTICATOR) == crypto.authenticator(SHARED, CLIENT, LOCK, told(CHALLENGE))
    assert data[:32] == crypto.authenticator(SHARED, signed, told(CHALLENGE_2))
    assert given_id[:32] == crypto.authenticator(SHARED, given_id[32:], their_nonce)
    confirmed = told(CONFIRMATION)
    assert confirmed[:32] == crypto.authenticator(SHARED, confirmed[32:], given_id[-32:])


def test_the_sealed_frame_of_the_example() -> None:
    sealed = frames.envelope(READ_STATES)
    assert frames.unseal(SHARED, sealed) == Message(0x01, u16(0x0C))
    again = frames.seal(SHARED, sealed.auth_id, Message(0x01, u16(0x0C)), sealed.nonce)
    assert again == READ_STATES


# ---- round trips, and what is no frame


@given(KEYS, NONCES, IDS, st.integers(0, 0xFFFF), st.binary(max_size=120))
def test_a_box_is_the_one_that_libsodium_makes(
    key: bytes, nonce: bytes, auth_id: bytes, op: int, payload: bytes
) -> None:
    raw = frames.seal(key, auth_id, Message(op, payload), nonce)
    inside = SecretBox(key).decrypt(raw[30:], raw[:24])
    assert inside[:-2] == auth_id + u16(op) + payload
    assert frames.unseal(key, frames.envelope(raw)) == Message(op, payload)


@given(KEYS, NONCES, IDS, st.data())
def test_one_bit_off_is_not_authorised_or_no_frame(
    key: bytes, nonce: bytes, auth_id: bytes, data: st.DataObject
) -> None:
    raw = bytearray(frames.seal(key, auth_id, Message(1, b"\x04\0"), nonce))
    place = data.draw(st.integers(0, len(raw) * 8 - 1))
    raw[place // 8] ^= 1 << place % 8
    with pytest.raises(Refused) as refused:
        frames.unseal(key, frames.envelope(bytes(raw)))
    assert refused.value.error in (Error.NOT_AUTHORIZED, Error.BAD_LENGTH)


@given(st.binary(max_size=80))
def test_any_bytes_are_refused_and_nothing_worse(raw: bytes) -> None:
    for read in (frames.read_plain, lambda data: frames.unseal(bytes(32), frames.envelope(data))):
        try:
            message = read(raw)
        except Refused:
            continue
        assert frames.plain(message) == raw


@given(st.lists(st.builds(Message, st.integers(0, 0xFFFF), st.binary(max_size=90))))
def test_messages_packed_as_one_answer(messages: list[Message]) -> None:
    assert frames.unpack(frames.pack(messages)) == messages


TIMES = st.none() | st.integers(0, 3_155_759_999)
MINUTES = st.integers(0, 24 * 60 - 1)


@given(st.builds(Terms, st.booleans(), TIMES, TIMES, st.integers(0, 0x7F), MINUTES, MINUTES))
def test_terms_come_back(when: Terms) -> None:
    reader = Reader(when.encode())
    if when.start_s is not None and when.end_s is not None and when.end_s <= when.start_s:
        with pytest.raises(Refused):
            Terms.read(reader)
        return
    assert Terms.read(reader) == when
    reader.end()


# ---- pyNukiBT's codec, both ways


@pytest.fixture(scope="module")
def theirs() -> Any:
    """The constants of an ordinary lock, with its constructs."""
    return pynukibt().NukiLockConst


def when(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds + LOCK_EPOCH, UTC).replace(tzinfo=None)


def days(mask: int) -> dict[str, bool]:
    names = ("sunday", "saturday", "friday", "thursday", "wednesday", "tuesday", "monday")
    return {name: bool(mask >> bit & 1) for bit, name in enumerate(names)}


START, END = moment(7, 6, 15, 0), moment(7, 8, 11, 0)
WINDOW = terms(START, END, 0x41, (9, 30), (17, 0))
THEIR_WINDOW = {
    "time_limited": 1,
    "allowed_from_date": when(START),
    "allowed_until_date": when(END),
    "allowed_weekdays": days(0x41),
    "allowed_from_time": {"hour": 9, "minute": 30},
    "allowed_until_time": {"hour": 17, "minute": 0},
}
PROOF = {"nonce": bytes(range(32)), "security_pin": PIN}
TAIL = bytes(range(32)) + u16(PIN)


def test_their_new_code_is_ours(theirs: Any) -> None:
    built = theirs.AddKeypadCode.build({"code": 482913, "name": "Zoë", **THEIR_WINDOW, **PROOF})
    assert built == new_code(482913, "Zoë", WINDOW) + TAIL


def test_their_changed_code_is_ours(theirs: Any) -> None:
    built = theirs.UpdatedKeypadCode.build(
        {"code_id": 7, "code": 482913, "name": "Zoë", "enabled": 0, **THEIR_WINDOW, **PROOF}
    )
    assert built == changed_code(7, 482913, "Zoë", WINDOW, enabled=False) + TAIL


def test_they_read_our_list_of_codes(theirs: Any) -> None:
    bench = Bench()
    phone = owner(bench)
    code_id = added(phone, 482913, WINDOW)
    bench.time.advance(4 * 3600)
    phone = Phone(bench, phone.key)
    assert bench.types("482913") == "opened"
    (raw,) = listing(phone)
    entry = theirs.KeypadCodeEntry.parse(raw)
    assert theirs.KeypadCodeEntry.sizeof() == len(raw)
    assert (entry.code_id, entry.code, entry.name, entry.enabled) == (code_id, 482913, "guest", 1)
    assert (entry.lock_count, entry.time_limited) == (1, 1)
    assert entry.date_created == when(moment(7, 6, 12, 0))
    assert entry.date_last_active == when(moment(7, 6, 16, 0))
    assert (entry.allowed_from_date, entry.allowed_until_date) == (when(START), when(END))
    assert {name: bool(entry.allowed_weekdays[name]) for name in days(0)} == days(0x41)
    assert (entry.allowed_from_time.hour, entry.allowed_from_time.minute) == (9, 30)
    assert (entry.allowed_until_time.hour, entry.allowed_until_time.minute) == (17, 0)


def test_they_read_our_authorisations(theirs: Any) -> None:
    raw = Authorization(u32(9), bytes(32), Client.FOB, "fob", START, remote=False).encode()
    entry = theirs.AuthorizationEntry.parse(raw)
    assert theirs.AuthorizationEntry.sizeof() == len(raw)
    assert (entry.auth_id, int(entry.id_type), entry.name) == (u32(9), 2, "fob")
    assert (entry.enabled, entry.remote_allowed, entry.date_last_active) == (1, 0, None)


@pytest.mark.parametrize("extras", range(10))
def test_they_read_our_states_at_every_length(theirs: Any, extras: int) -> None:
    bench = Bench(state_extras=extras)
    phone = owner(bench)
    bench.firmware.set_battery(64)
    raw = phone.states()
    assert len(raw) == 18 + extras
    states = theirs.KeyturnerStates.parse(raw)
    assert (str(states.nuki_state), str(states.lock_state)) == ("DOOR_MODE", "LOCKED")
    assert states.current_time == when(moment(7, 6, 12, 0))
    assert states.timezone_offset == 120
    assert (states.critical_battery_state >> 2) * 2 == 64
    assert str(states.door_sensor_state) == ("DOOR_CLOSED" if extras else "None")


def test_they_read_our_configuration_and_battery(theirs: Any) -> None:
    bench = Bench()
    phone = owner(bench)
    config = theirs.Config.parse(phone.do(0x14, pin=None)[0].payload)
    assert (config.nuki_id, config.name) == (0x721A2B3C, "Nuki_721A2B3C")
    assert list(config.firmware_version) == [3, 9, 5]
    assert (config.has_keypad, config.timezone_offset) == (1, 120)
    assert str(config.device_type) == "SMARTLOCK_3_4"
    advanced_raw = phone.do(0x36, pin=None)[0].payload
    advanced = theirs.AdvancedConfig.parse(advanced_raw)
    assert theirs.AdvancedConfig.sizeof() == len(advanced_raw)
    assert (advanced.lock_n_go_timeout, advanced.unlatch_duration) == (20, 3)
    report_raw = phone.ask(0x01, u16(0x11))[0].payload
    report = theirs.BatteryReport.parse(report_raw)
    assert theirs.BatteryReport.sizeof() == len(report_raw)
    assert (report.battery_voltage, report.critical_battery_state) == (6000, 0)


def test_their_configuration_is_taken(theirs: Any) -> None:
    bench = Bench()
    phone = owner(bench)
    config = theirs.Config.parse(phone.do(0x14, pin=None)[0].payload)
    proof = {"nonce": bytes(32), "security_pin": 0}
    new = {**config, **proof, "name": "front door", "led_brightness": 5}
    assert phone.do(0x13, theirs.Newconfig.build(new)[:-34]) == [COMPLETE]
    advanced = theirs.AdvancedConfig.parse(phone.do(0x36, pin=None)[0].payload)
    changed = {**advanced, **proof, "auto_lock_enabled": 1, "auto_lock_timeout": 45}
    for speed in ({}, {"motor_speed": 0, "night_mode_slow_speed": 1}):
        built = theirs.NewAdvancedConfig.build({**changed, **speed})
        assert phone.do(0x35, built[:-34]) == [COMPLETE]
    state = bench.state
    assert (state["config"]["name"], state["config"]["led_brightness"]) == ("front door", 5)
    assert bench.firmware.settings["auto_relock_s"] == 45
    assert state["config_count"] == 3


@pytest.mark.parametrize("padded", [5, 0])
@pytest.mark.parametrize(
    ("kind", "data", "expected"),
    [
        (1, "01", {"logging_enabled": 1}),
        (2, "01020000", {"lock_action": "UNLOCK", "trigger": "BUTTON", "flags": 0}),
        (3, "00000001", {"completion_status": "MOTOR_BLOCKED"}),
        (4, "00000000", {"completion_status": "SUCCESS"}),
        (5, "0101e00700", {"source": 1, "completion_status": "INVALID_CODE", "code_id": 7}),
        (6, "03", {"door_status": 3}),
        (7, "00", {"logging_enabled": 0}),
    ],
)
def test_they_read_our_log(
    theirs: Any, padded: int, kind: int, data: str, expected: dict[str, Any]
) -> None:
    raw = Entry(12, START, "09000000", "gateway", kind, data).encode(padded)
    entry = theirs.LogEntry.parse(raw)
    assert (entry.index, entry.auth_id, entry.name) == (12, u32(9), "gateway")
    assert entry.timestamp == when(START)
    read = {name: entry.data[name] for name in expected}
    assert {k: str(v) if isinstance(v, str) else v for k, v in read.items()} == expected


def asked(bench: Bench, phone: Phone, build: Callable[[bytes], bytes], op: int) -> list[Message]:
    return phone.ask(op, build(phone.challenge()))


def test_their_requests_are_ours(theirs: Any) -> None:
    bench = Bench()
    phone = owner(bench)
    requests: dict[int, Callable[[bytes], bytes]] = {
        0x0D: lambda nonce: theirs.LockActionMsg.build(
            {"lock_action": "UNLOCK", "app_id": 7, "flags": 0, "name_suffix": "x", "nonce": nonce}
        ),
        0x20: lambda nonce: theirs.VerifySecurityPin.build({"nonce": nonce, "security_pin": PIN}),
        0x21: lambda nonce: theirs.UpdateTime.build(
            {"time": when(START), "nonce": nonce, "security_pin": PIN}
        ),
        0x31: lambda nonce: theirs.RequestLogEntries.build(
            {
                "start_index": 0,
                "count": 5,
                "sort_order": 1,
                "total_count": 1,
                "nonce": nonce,
                "security_pin": PIN,
            }
        ),
        0x25: lambda nonce: theirs.UpdatedAuthorizationEntry.build(
            {
                "auth_id": phone.key.auth_id if phone.key else b"",
                "name": "me",
                "enabled": 1,
                "remote_allowed": 1,
                **THEIR_WINDOW,
                "nonce": nonce,
                "security_pin": PIN,
            }
        ),
        0x0B: lambda nonce: theirs.AuthorizationDataInvite.build(
            {
                "name": "aunt",
                "id_type": "APP",
                "shared_key": bytes(32),
                "remote_allowed": 1,
                **THEIR_WINDOW,
                "nonce": nonce,
                "security_pin": PIN,
            }
        ),
    }
    for op, build in requests.items():
        answers = asked(bench, phone, build, op)
        assert answers[-1].op in (0x0C, 0x0E), hex(op)
        bench.time.advance(3)
    state = bench.state
    assert state["wall_clock"].startswith("2026-07-06T15:00")
    assert [entry["name"] for entry in state["authorizations"]] == ["me", "aunt"]
    assert state["lock_state"] == "unlocked"


def test_whole_frames_of_theirs_are_ours(theirs: Any) -> None:
    auth_id, key = u32(2), SHARED
    built = theirs.NukiMessage.build(
        {"auth_id": auth_id, "command": "REQUEST_DATA", "payload": {"command": "KEYTURNER_STATES"}}
    )
    raw = bytes(24) + auth_id + u16(len(built) + 16) + crypto.seal(key, bytes(24), built)
    assert frames.unseal(key, frames.envelope(raw)) == Message(0x01, u16(0x0C))
    told_back = frames.seal(key, auth_id, Message(0x0E, b"\0"), bytes(24))
    read = theirs.NukiMessage.parse(SecretBox(key).decrypt(told_back[30:], told_back[:24]))
    assert str(read.payload.status) == "COMPLETED"
    plain = theirs.NukiUnencryptedMessage.parse(frames.plain(Message(0x12, b"\x10\x01\0")))
    assert str(plain.payload.error_code) == "P_ERROR_NOT_PAIRING"
    assert SimpleNamespace(**plain.payload).command_identifier == "REQUEST_DATA"


def test_no_time_is_zeros() -> None:
    assert datetime7(None) == bytes(7)
    assert Reader(bytes(7)).datetime() is None
    assert hmac.compare_digest(ALWAYS, Terms().encode())
