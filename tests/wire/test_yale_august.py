"""August and Yale: keys as they are exported, what advertisements and the library's words mean."""

from __future__ import annotations

import json
from typing import Any

import pytest
from yalexs_ble import DoorStatus, LockActivity, LockOperationSource, LockStatus
from yalexs_ble.const import DoorActivity, OperationError

from gateway.domain.events import EventType, Method
from gateway.domain.instant import Instant, to_datetime
from gateway.domain.secret import Secret
from gateway.drivers.yale_august import mapping, wire
from gateway.drivers.yale_august.keys import Keys, keys_of
from gateway.errors import Refusal
from gateway.radios.api import Advertisement

KEY = "00112233445566778899aabbccddeeff"
KEYS = Keys(bytes.fromhex(KEY), 3)
LOCK_DETAIL = {
    "LockID": "ABC", "LockName": "Front", "OfflineKeys": {
        "created": [],
        "loaded": [{"created": "2026-01-01", "key": KEY, "slot": 3, "UserID": "u"}],
        "deleted": [], "loadedhk": [{"key": "ff" * 16, "slot": 256}],
    },
}  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"key": KEY, "slot": 3}),
        json.dumps({"key": KEY.upper(), "slot": "3"}),
        json.dumps({"offline_key": KEY, "offline_slot": 3}),
        json.dumps({"name": "x", "address": "y", "serial": "z", "key": KEY, "slot": 3}),
        json.dumps(LOCK_DETAIL),
        json.dumps([LOCK_DETAIL]),
        json.dumps({"lock": LOCK_DETAIL}),
        json.dumps({"handshakeKey": KEY, "handshakeKeyIndex": 3}),
        json.dumps({"key": ":".join(KEY[i : i + 2] for i in range(0, 32, 2)), "slot": 3}),
        f"{KEY} 3",
        f"  {KEY.upper()}:3\n",
        f"{KEY}, 3",
    ],
)
def test_a_key_is_exported_in_many_ways(text: str) -> None:
    assert keys_of(Secret(text)) == KEYS
    assert keys_of(keys_of(Secret(text)).to_secret()) == KEYS


@pytest.mark.parametrize(
    "text",
    [
        "", "null", "[]", "{}", KEY, f"{KEY} 300", f"{KEY[:-2]} 3",
        json.dumps({"key": KEY}),
        json.dumps({"slot": 3}),
        json.dumps({"key": KEY, "slot": True}),
        json.dumps({"key": KEY, "slot": -1}),
        json.dumps({"key": KEY, "slot": 256}),
        json.dumps({"key": KEY + "00", "slot": 3}),
        json.dumps({"key": "zz" * 16, "slot": 3}),
        json.dumps({"key": 17, "slot": 3}),
        json.dumps({"OfflineKeys": {"loaded": []}}),
        '{"lock":' * 50 + "1" + "}" * 50,
    ],
)  # fmt: skip
def test_what_is_no_key_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match=r"key|slot") as raised:
        keys_of(Secret(text))
    assert KEY not in str(raised.value)
    assert "zz" not in str(raised.value)


def test_keys_do_not_print() -> None:
    assert repr(KEYS) == "Keys(slot=3)"
    assert KEY not in repr(KEYS.to_secret())


def heard(**data: Any) -> Advertisement:
    return Advertisement("A", "M112345", -60, "hci0", 1.0, **data)


def test_the_service_makes_it_one_of_them() -> None:
    assert wire.is_ours(heard(service_uuids=(wire.SERVICE,)))
    assert not wire.is_ours(heard(manufacturer_data={76: b"\x06"}))


def test_what_changes_when_the_state_does() -> None:
    def state(data: dict[int, bytes]) -> bytes:
        return wire.state_of(heard(manufacturer_data=data))

    homekit = bytes.fromhex("0631003ad1f60e1e2c06000500010228")
    assert state({465: b"\x00"}) != state({465: b"\x01"})
    assert state({302: b"\x01"}) == b"\x01"
    assert state({465: b"\xff"}) == b""  # sent at random
    assert state({465: bytes(18)}) == b""  # the lock's id in the cloud
    assert state({465: bytes(18), 302: b"\x00"}) == b"\x00"
    assert state({76: homekit}) == homekit[11:13]
    assert state({76: homekit[:12]}) == b""
    assert state({76: b"\x11\x36abc"}) == b"\x11\x36abc"
    assert state({76: b"\x02\x15abc"}) == b""  # a beacon
    assert state({76: b""}) == b""
    assert state({}) == b""


def test_every_state_of_the_library_has_a_meaning_or_none() -> None:
    bolt = {status.name: mapping.locked(status.name) for status in LockStatus}
    assert {name for name, locked in bolt.items() if locked} == {"LOCKED", "SECUREMODE"}
    assert {name for name, locked in bolt.items() if locked is False} == {"UNLOCKED", "UNLATCHED"}
    door = {status.name: mapping.door_open(status.name) for status in DoorStatus}
    assert {name for name, opened in door.items() if opened} == {"AJAR", "OPENED"}
    assert {name for name, opened in door.items() if opened is False} == {"CLOSED"}


def test_refusals() -> None:
    assert mapping.refusal_of(OperationError.KEYCODE_EXISTING_KEY) is Refusal.DUPLICATE
    assert mapping.refusal_of(OperationError.KEYCODE_NOSPACE) is Refusal.FULL
    assert mapping.refusal_of(OperationError.MECH_POSITION) is Refusal.JAMMED
    assert mapping.refusal_of(OperationError.VBAT_LOW) is Refusal.FAILED
    assert mapping.refusal_of(0x77) is Refusal.FAILED
    assert set(mapping._REFUSALS) <= {error.name for error in OperationError}  # noqa: SLF001


@pytest.mark.parametrize(
    ("source", "method"),
    [
        (LockOperationSource.REMOTE, Method.REMOTE),
        (LockOperationSource.MANUAL, Method.MANUAL),
        (LockOperationSource.AUTO_LOCK, Method.AUTO_LOCK),
        (LockOperationSource.PIN, Method.CODE),
        (LockOperationSource.UNKNOWN, Method.UNKNOWN),
    ],
)
def test_a_record_of_the_log(source: LockOperationSource, method: Method) -> None:
    at = to_datetime(Instant(1_795_000_000_000)).astimezone().replace(tzinfo=None)
    record = LockActivity(at, LockStatus.UNLOCKED, source, slot=7)
    told = mapping.happening_of(record)
    assert told is not None
    assert (told.type, told.method, told.slot) == (EventType.LOCK_UNLOCKED, method, 7)
    assert (told.device_time, told.from_log) == (1_795_000_000_000, True)
    assert mapping.happening_of(LockActivity(at, LockStatus.LOCKING, source)) is None
    assert mapping.happening_of(DoorActivity(at, DoorStatus.OPENED)) is None
