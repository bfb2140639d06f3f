"""The keys of one lock: our own text of them, and what a vendor's export looks like. Pure.

Sources: roquerodrigo/ttlock-ble `crypto.py` and `models/virtual_key.py` for the cloud's fields and
their disguise; kind3r/ttlock-sdk-js `src/store/TTLockData.ts`. No error here repeats a value.
"""

from __future__ import annotations

import json
from base64 import b64decode
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.domain.secret import Secret
from gateway.drivers.ttlock.crypto import KEY_SIZE
from gateway.drivers.ttlock.wire import DEFAULT_VERSION, Version, crc8

if TYPE_CHECKING:
    from collections.abc import Mapping

_U32 = 0xFFFF_FFFF
_FLAG_POS_MAX = 0xFF_FFFF


@dataclass(frozen=True, slots=True)
class Keys:
    """`admin_ps` is None for a key that may open and not manage.

    `flag_pos` is the count of revocations that the key has lived through: the lock refuses a key
    with less than its own. `uid` names us in the lock's log.
    """

    aes: bytes
    unlock_key: int
    admin_ps: int | None
    version: Version = DEFAULT_VERSION
    flag_pos: int = 0
    uid: int = 0

    def __repr__(self) -> str:
        return f"Keys(admin={self.admin_ps is not None})"

    def to_secret(self) -> Secret:
        """As the store seals it."""
        return Secret(
            json.dumps(
                {
                    "aes": self.aes.hex(),
                    "unlock_key": self.unlock_key,
                    "admin_ps": self.admin_ps,
                    "lock_version": list(self.version),
                    "flag_pos": self.flag_pos,
                    "uid": self.uid,
                }
            )
        )


def keys_of(secret: Secret) -> Keys:
    """From our own text or a vendor's export, as JSON. ValueError repeats none of it.

    A vendor's key is one object, or the first of a list, with `aesKeyStr`, `lockKey` (or
    `unlockKey`), `adminPwd` (or `adminPs`), `lockVersion`, `lockFlagPos`, `uid`.
    """
    try:
        told = json.loads(secret.reveal())
    except ValueError:
        raise ValueError("the key is not JSON") from None
    if isinstance(told, list) and told:
        told = told[0]
    if not isinstance(told, dict):
        raise ValueError("the key is not a JSON object")  # noqa: TRY004 - its text is wrong
    return _own(told) if "aes" in told else _vendor(told)


def _own(told: Mapping[str, object]) -> Keys:
    version = told.get("lock_version")
    if not isinstance(version, list) or len(version) != 5:
        raise ValueError("lock_version is not five numbers")
    admin_ps = told.get("admin_ps")
    return Keys(
        _aes(told.get("aes")),
        _number(told.get("unlock_key"), "unlock_key"),
        None if admin_ps is None else _number(admin_ps, "admin_ps"),
        Version(*(_number(part, "lock_version", 0xFFFF) for part in version)),
        _number(told.get("flag_pos", 0), "flag_pos", _FLAG_POS_MAX),
        _number(told.get("uid", 0), "uid"),
    )


def _vendor(told: Mapping[str, object]) -> Keys:
    unlock_key = _first(told, "lockKey", "unlockKey", "noKeyPwd")
    admin_ps = _first(told, "adminPwd", "adminPs")
    version = told.get("lockVersion")
    if isinstance(version, str):
        try:
            version = json.loads(version)
        except ValueError:
            raise ValueError("lockVersion is not JSON") from None
    if not isinstance(version, dict):
        raise ValueError("lockVersion is missing")  # noqa: TRY004 - its text is wrong
    names = ("protocolType", "protocolVersion", "scene", "groupId", "orgId")
    if unlock_key is None:
        raise ValueError("lockKey is missing")
    return Keys(
        _aes(told.get("aesKeyStr")),
        _number(undisguised(unlock_key), "lockKey"),
        None if admin_ps is None else _number(undisguised(admin_ps), "adminPwd"),
        Version(*(_number(version.get(name, 0), name, 0xFFFF) for name in names)),
        _number(told.get("lockFlagPos") or 0, "lockFlagPos", _FLAG_POS_MAX),
        _number(told.get("uid") or 0, "uid"),
    )


def _first(told: Mapping[str, object], *names: str) -> str | None:
    for name in names:
        value = told.get(name)
        if value not in {None, ""}:
            return str(value)
    return None


def undisguised(field: str) -> str:
    """The cloud hides a number: base64 of the decimals of its bytes, comma between them.

    The last of the bytes, XOR the CRC-8 of the count of those before it, is what each of the others
    was XORed with (vendor's libLockCore). Up to ten characters are the number itself.
    """
    if len(field) <= 10:
        return field
    try:
        hidden = [int(part) & 0xFF for part in b64decode(field, validate=True).split(b",") if part]
    except ValueError:
        raise ValueError("a number of the vendor's key cannot be read") from None
    if len(hidden) < 2:
        raise ValueError("a number of the vendor's key cannot be read")
    mask = crc8(bytes(((len(hidden) - 1) & 0xFF,))) ^ hidden[-1]
    return bytes(byte ^ mask for byte in hidden[:-1]).decode("latin-1")


def _aes(text: object) -> bytes:
    """Hex in one piece, or its bytes with a comma, dot, colon or space between them."""
    if not isinstance(text, str):
        raise ValueError("the AES key is missing")  # noqa: TRY004 - its text is wrong
    parts = text.strip()
    for separator in (".", ":", "-", " "):
        parts = parts.replace(separator, ",")
    try:
        if "," in parts:
            key = bytes(int(part, 16) for part in parts.split(",") if part)
        else:
            key = bytes.fromhex(parts)
    except ValueError:
        raise ValueError("the AES key is not hex") from None
    if len(key) != KEY_SIZE:
        raise ValueError(f"the AES key has {len(key)} bytes instead of {KEY_SIZE}")
    return key


def _number(value: object, name: str, most: int = _U32) -> int:
    text = str(value).strip()
    if isinstance(value, bool) or not (text.isascii() and text.isdigit()):
        raise ValueError(f"{name} is not a number")
    if int(text) > most:
        raise ValueError(f"{name} is too large")
    return int(text)
