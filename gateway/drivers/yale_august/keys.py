"""The offline key of one lock and its slot: our own text of them, and what exports look like. Pure.

There is no pairing on site: the vendor's account made the key, and only it tells it. Source of the
names: yalexs `lock.py` (`OfflineKeys`, `loaded`, `key`, `slot`), Home Assistant's integrations
yalexs_ble and august (`key`, `slot`; `offline_key`, `offline_slot`). No error repeats a value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.domain.secret import Secret

KEY_SIZE = 16
_KEY_NAMES = ("key", "offline_key", "offlinekey", "handshakekey")
_SLOT_NAMES = ("slot", "offline_slot", "offlineslot", "handshakekeyindex", "keyindex")
_INSIDE = ("offlinekeys", "loaded", "created", "lock", "data", "lockdetail")
"""Where the account's answer keeps them, outermost first."""
_IN_WORDS = re.compile(r"\s*([0-9a-fA-F]{32})[\s,;:/]+(\d{1,3})\s*")


@dataclass(frozen=True, slots=True)
class Keys:
    key: bytes
    slot: int

    def __repr__(self) -> str:
        return f"Keys(slot={self.slot})"

    def to_secret(self) -> Secret:
        """As the store seals it."""
        return Secret(json.dumps({"key": self.key.hex(), "slot": self.slot}))


def keys_of(secret: Secret) -> Keys:
    """From our own text, an export as JSON, or `KEY SLOT`. ValueError repeats none of it."""
    text = secret.reveal()
    words = _IN_WORDS.fullmatch(text)
    if words is not None:
        return Keys(bytes.fromhex(words[1]), _slot(words[2]))
    try:
        told = json.loads(text)
    except ValueError:
        raise ValueError("the key is neither JSON nor a key and its slot") from None
    found = _find(told)
    if found is None:
        raise ValueError("there is no offline key with its slot in it")
    key, slot = found
    return Keys(_key(key), _slot(slot))


def _find(told: object, depth: int = 6) -> tuple[object, object] | None:
    """The first pair of key and slot, the account's answer from outside in."""
    if depth and isinstance(told, list):
        return next((found for item in told if (found := _find(item, depth - 1))), None)
    if not depth or not isinstance(told, Mapping):
        return None
    names = {str(name).lower(): value for name, value in told.items()}
    key = next((names[name] for name in _KEY_NAMES if name in names), None)
    slot = next((names[name] for name in _SLOT_NAMES if name in names), None)
    if key is not None and slot is not None:
        return key, slot
    inside = (names[name] for name in _INSIDE if name in names)
    return next((found for item in inside if (found := _find(item, depth - 1))), None)


def _key(value: object) -> bytes:
    if not isinstance(value, str):
        raise ValueError("the offline key is no text")  # noqa: TRY004 - its text is wrong
    try:
        key = bytes.fromhex("".join(part for part in value if part not in " :-"))
    except ValueError:
        raise ValueError("the offline key is not hex") from None
    if len(key) != KEY_SIZE:
        raise ValueError(f"the offline key has {len(key)} bytes instead of {KEY_SIZE}")
    return key


def _slot(value: object) -> int:
    text = str(value).strip()
    if isinstance(value, bool) or not (text.isascii() and text.isdigit()):
        raise ValueError("the slot of the key is not a number")
    if int(text) > 0xFF:
        raise ValueError("the slot of the key is too large")
    return int(text)
