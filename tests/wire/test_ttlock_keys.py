"""Keys of a TTLock: our own text, and the vendor's export in its several forms.

Origin of the disguised numbers: roquerodrigo/ttlock-ble 0.1.11 from PyPI undoes them alike
(`decode_password`).
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.domain.secret import Secret
from gateway.drivers.ttlock.keys import Keys, keys_of, undisguised
from gateway.drivers.ttlock.wire import Version

AES = bytes(range(0x10, 0x20))
UNLOCK = "OTksOTgsMTA5LDEwOCwxMTEsMTEwLDEwNSwxMDQsMTUy"
ADMIN = "OTgsMTA5LDEwOCwxMTEsMTEwLDEwNSwxMDQsMTA3LDE1Mg=="
KEYS = Keys(AES, 98765432, 87654321, Version(5, 3, 2, 1, 9), flag_pos=7, uid=4711)
EXPORT: dict[str, Any] = {
    "aesKeyStr": "10,11,12,13,14,15,16,17,18,19,1a,1b,1c,1d,1e,1f",
    "lockKey": UNLOCK,
    "adminPwd": ADMIN,
    "lockVersion": {
        "protocolType": 5, "protocolVersion": 3, "scene": 2, "groupId": 1, "orgId": 9,
    },
    "lockFlagPos": 7,
    "uid": 4711,
    "lockAlias": "front door",
}  # fmt: skip


def secret(told: object) -> Secret:
    return Secret(json.dumps(told))


def test_our_own_text_comes_back() -> None:
    assert keys_of(KEYS.to_secret()) == KEYS
    user = Keys(AES, 1, None)
    assert keys_of(user.to_secret()) == user


def test_disguised_numbers() -> None:
    assert undisguised(UNLOCK) == "98765432"
    assert undisguised(ADMIN) == "87654321"
    assert undisguised("98765432") == "98765432"


def test_a_vendors_export() -> None:
    assert keys_of(secret(EXPORT)) == KEYS
    assert keys_of(secret([EXPORT])) == KEYS


@pytest.mark.parametrize(
    "text",
    [
        AES.hex(),
        AES.hex().upper(),
        ".".join(f"{byte:02x}" for byte in AES),
        ":".join(f"{byte:02X}" for byte in AES),
        " ".join(f"{byte:02x}" for byte in AES),
        " 10,11,12,13,14,15,16,17,18,19,1a,1b,1c,1d,1e,1f, ",
    ],
)
def test_the_aes_key_in_its_forms(text: str) -> None:
    assert keys_of(secret({**EXPORT, "aesKeyStr": text})).aes == AES


def test_other_names_and_missing_parts() -> None:
    told = {**EXPORT, "unlockKey": "98765432", "adminPs": "87654321"}
    del told["lockKey"], told["adminPwd"], told["uid"], told["lockFlagPos"]
    told["lockVersion"] = json.dumps(EXPORT["lockVersion"])
    found = keys_of(secret(told))
    assert (found.unlock_key, found.admin_ps, found.flag_pos, found.uid) == (
        98765432, 87654321, 0, 0,
    )  # fmt: skip
    del told["adminPs"]
    assert keys_of(secret(told)).admin_ps is None


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"aesKeyStr": "zz"}, "not hex"),
        ({"aesKeyStr": "1011"}, "2 bytes"),
        ({"aesKeyStr": None}, "missing"),
        ({"lockKey": ""}, "lockKey"),
        ({"lockKey": "not base64 at all"}, "cannot be read"),
        ({"lockKey": "MQ=="}, "not a number"),
        ({"lockVersion": None}, "lockVersion"),
        ({"lockVersion": "x"}, "lockVersion"),
        ({"lockFlagPos": 1 << 24}, "too large"),
        ({"uid": "x"}, "uid"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_repeated(change: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match) as caught:
        keys_of(secret({**EXPORT, **change}))
    for value in (*change.values(), "98765432", "87654321", AES.hex()):
        assert not (isinstance(value, str) and len(value) > 4 and value in str(caught.value))


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"aes": "00"}', '{"aes": "00", "uid": 1}'])
def test_what_is_no_key(text: str) -> None:
    with pytest.raises(ValueError, match=r"key|AES|lock_version|lockKey|missing|number"):
        keys_of(Secret(text))
