"""What one model of TTLock can do beyond what every lock has: the ``[skin]`` table of its profile.

Here: the shape of that table and of the features a lock says it has. Not here: behaviour.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from firmware_sims.ble.device import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping


class Feature(IntEnum):
    """Bits of what command 01 answers (vendor's FeatureValue; kind3r, src/constant)."""

    PASSCODE = 0
    CARD = 1
    FINGER = 2
    AUTO_LOCK = 4
    PASSCODE_DELETE = 5
    PASSCODE_MODIFY = 7
    MANUAL_LOCK = 8
    PASSCODE_DISPLAY = 9
    GATEWAY_UNLOCK = 10
    FREEZE = 11
    CYCLIC_PASSCODE = 12
    DOOR_SENSOR = 13
    REMOTE_UNLOCK_SWITCH = 14
    AUDIO = 15
    GET_ADMIN_CODE = 18
    PASSAGE = 22
    LAMP = 25
    TAMPER = 28
    RESET_BUTTON = 29
    PRIVACY = 30
    DEAD_LOCK = 32
    CYCLIC_TOKEN = 34
    UNLOCK_DIRECTION = 36
    ACCESSORY_BATTERY = 42


_LONGEST_PAGE = 200
"""So that a page with its head still fits into a frame."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Times in seconds. ``features`` are bit numbers."""

    scene: int = 2
    group: int = 1
    organisation: int = 1
    name_prefix: str = "K5_"
    variant: str = "b000f4f95365"
    """Six bytes of the advertisement that nobody has explained, hex."""
    features: tuple[int, ...] = tuple(Feature)
    feature_words_sent: int = 2
    hardware: str = "1.3"
    made: str = "20240517"
    idle_disconnect_s: float = 5.0
    dormant_after_s: float = 90.0
    """How long after its last use it sleeps; 0 for never."""
    keypad_awake_s: float = 10.0
    refuses_when_dormant: bool = False
    wrong_crc: bool = False
    strict_crc: bool = False
    """True: a request must have the checksum of the vendor's app. Assumed to be unusual: kind3r's
    client, which computes another, gets on with its locks."""
    management_needs_login: bool = True
    """False: whoever has the key may manage, as roquerodrigo/ttlock-ble takes for granted."""
    log_records: int = 500
    log_page_bytes: int = 120
    log_page_records: int = 255
    log_ends_with_ffff: bool = False
    logs_auto_lock: bool = False
    logs_code_changes: bool = True
    list_page_bytes: int = 120
    list_ends_with_ffff: bool = True
    """False: the list ends with an empty page, as a capture in kind3r's "Bad CRC quest" does."""
    auto_lock_min_s: int = 5
    auto_lock_max_s: int = 900
    finger_touches: int = 4
    learning_s: float = 30.0
    pads_card: bool = False
    """An enrolled card is followed by FF FF FF FF."""
    # A lock that has been claimed before the rehearsal: all three, or none.
    aes_key: str = ""
    admin_ps: int = 0
    unlock_key: int = 0

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> Facts:
        """Check a table; ``SettingsError`` names the key."""
        known: dict[str, Any] = {item.name: getattr(cls(), item.name) for item in fields(cls)}
        unknown = sorted(set(table) - set(known))
        if unknown:
            names = ", ".join(map(repr, unknown))
            raise SettingsError(f"a TTLock has no {names}; known: {', '.join(sorted(known))}")
        values: dict[str, Any] = {}
        for key, value in table.items():
            wanted = list if isinstance(known[key], tuple) else type(known[key])
            if type(value) is not wanted and not (wanted is float and type(value) is int):
                raise SettingsError(f"{key} must be {wanted.__name__}")  # may be a key: not shown
            values[key] = tuple(value) if isinstance(value, list) else value
        facts = cls(**values)
        facts._check()
        return facts

    def _check(self) -> None:
        if not 0 < max(self.log_page_bytes, self.list_page_bytes) <= _LONGEST_PAGE:
            raise SettingsError(f"log_page_bytes and list_page_bytes are at most {_LONGEST_PAGE}")
        claimed = [bool(self.aes_key), bool(self.admin_ps), bool(self.unlock_key)]
        if any(claimed) and not all(claimed):
            raise SettingsError("aes_key, admin_ps and unlock_key belong together")
        for key, size in (("aes_key", 16 if self.aes_key else 0), ("variant", 6)):
            try:
                right = len(bytes.fromhex(getattr(self, key))) == size
            except ValueError:
                right = False
            if not right:
                raise SettingsError(f"{key} must be {size} bytes in hex")

    def has(self, feature: Feature) -> bool:
        """Whether the model says that it can."""
        return feature in self.features

    @property
    def feature_words(self) -> list[int]:
        """Bits 0 to 31, which are also the "special value", then bits 32 to 63 and so on."""
        bits = sum(1 << bit for bit in self.features)
        return [bits >> 32 * word & 0xFFFFFFFF for word in range(self.feature_words_sent)]
