"""What a TTLock is beside its mechanics: keys, the login of a connection, its log and its modes.

Here: the state that every command works on. Not here: commands (``commands`` and its neighbours),
frames and the radio (``peripheral``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from firmware_sims.ble.ttlock.fields import Error, Refused, u8
from firmware_sims.ble.ttlock.frames import FACTORY_KEY, Version
from firmware_sims.ble.ttlock.oplog import OperationLog
from firmware_sims.ble.ttlock.passage import Passage
from firmware_sims.clock import LOCK_EPOCH, ZoneRules
from firmware_sims.firmware.model import ALL_SLOTS, BoltState, OperatingMode

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from firmware_sims.ble.ttlock.facts import Facts, Feature
    from firmware_sims.firmware.lock import LockFirmware


class Level(IntEnum):
    """Who is on the connection."""

    NOBODY = 0
    USER = 1
    ADMIN = 2


@dataclass(slots=True)
class Keys:
    """What makes somebody an administrator."""

    aes: bytes = field(repr=False)
    admin_ps: int = field(repr=False)
    unlock_key: int = field(repr=False)


@dataclass(slots=True)
class Session:
    """What one connection has said of itself; gone with the connection.

    ``ps`` is the lock's challenge. ``new_key`` and ``new_keys`` are those of a claim that is not
    finished.
    """

    level: Level = Level.NOBODY
    ps: int | None = None
    asked_admin: bool = False
    uid: int = 0
    flag_pos: int = 0
    new_key: bytes | None = field(default=None, repr=False)
    new_keys: Keys | None = field(default=None, repr=False)


class Core:
    """One lock's own state over the firmware model.

    Switches that only this family has are settings of the firmware, so that a factory reset
    restores them. ``say(plaintext)`` sends something unasked while connected.
    """

    def __init__(
        self, firmware: LockFirmware, facts: Facts, *, address: str, rng: random.Random
    ) -> None:
        self.firmware, self.facts, self.rng = firmware, facts, rng
        self.address = address
        self.version = Version(
            scene=facts.scene, group=facts.group, organisation=facts.organisation
        )
        self.log = OperationLog(facts.log_records)
        self.session = Session()
        self.say: Callable[[bytes], None] = lambda _plaintext: None
        self.keys: Keys | None = None
        if facts.aes_key:
            self.keys = Keys(bytes.fromhex(facts.aes_key), facts.admin_ps, facts.unlock_key)
        self.flag_pos = 0
        self.seeds = b""
        self.passage: list[Passage] = []
        self.originals: dict[int, str] = {}
        self.cycles: dict[int, int] = {}
        self.acting: tuple[int, int] = (0, 0)
        """User and record id of the app's command that is being carried out."""
        for key, default in _SETTINGS.items():
            firmware.define_setting(key, default)
        # The wall clock is all such a lock has: no rule of summer time, whatever the site's are.
        self._site = firmware.clock.zone
        firmware.clock.zone = self._fixed_zone()
        firmware.imposed_mode = self._mode

    # ---- keys

    @property
    def setting_mode(self) -> bool:
        """Whether nobody has claimed it."""
        return self.keys is None

    @property
    def aes(self) -> bytes:
        """The key that frames are under at this moment."""
        if self.session.new_key is not None:
            return self.session.new_key
        return FACTORY_KEY if self.keys is None else self.keys.aes

    def need(self, level: Level | None) -> None:
        """`Refused` unless the connection has logged in as at least that; None: whoever it is."""
        if level is None:
            return
        if self.session.new_keys is not None:
            return  # whoever is claiming it
        if self.keys is None:
            raise Refused(Error.NO_ADMIN)
        if self.session.level >= level:
            return
        if level is Level.ADMIN and not self.facts.management_needs_login:
            return
        raise Refused(
            Error.NOT_LOGGED_IN if self.session.level is Level.NOBODY else Error.NO_PERMISSION
        )

    def need_feature(self, feature: Feature) -> None:
        """`Refused` where the model cannot do it."""
        if not self.facts.has(feature):
            raise Refused(Error.INVALID_COMMAND)

    def forget_terms(self, slot: int) -> None:
        """Somebody at the keypad has changed the code there, or (``ALL_SLOTS``) taken them all."""
        for key in [*self.originals, *self.cycles] if slot == ALL_SLOTS else [slot]:
            self.originals.pop(key, None)
            self.cycles.pop(key, None)

    def forget(self) -> None:
        """What a factory reset takes, beside the firmware's own memory."""
        self.keys = None
        self.session = Session()
        self.flag_pos = 0
        self.seeds = b""
        self.passage.clear()
        self.originals.clear()
        self.cycles.clear()
        self.log.clear()
        self.firmware.clock.zone = self._fixed_zone()

    # ---- what it says of itself

    @property
    def battery(self) -> int:
        """Whole percent."""
        return round(self.firmware.battery_percent)

    @property
    def unlocked(self) -> bool:
        """Anything but a bolt that is out."""
        return self.firmware.bolt.state is not BoltState.LOCKED

    @property
    def door_closed(self) -> bool:
        """As far as it knows."""
        return not (self.firmware.profile.has_door_sensor and self.firmware.bolt.door_open)

    def status(self) -> bytes:
        """Battery, bolt, door: what a push of state says."""
        return bytes([self.battery, self.unlocked, self.door_closed])

    def done(self, op: int, data: bytes = b"") -> bytes:
        """The usual answer of a command that has operations."""
        return u8(self.battery) + u8(op) + data

    def push(self, echo: int, data: bytes) -> None:
        """Say something unasked."""
        self.say(answer(echo, data))

    def write(self, record: int, tail: bytes = b"") -> int:
        """Add to the operation log; returns the record's number."""
        return self.log.write(record, tail, self.firmware.clock.local(), self.battery).number

    # ---- settings and modes

    def setting(self, key: str) -> int:
        """One switch or number."""
        return int(self.firmware.settings[key])

    def set(self, key: str, value: int | str) -> None:
        """Change one."""
        self.firmware.settings[key] = value
        self.firmware.changed()

    def set_local(self, local_s: int) -> None:
        """Command 43: from now on the wall clock shows this."""
        clock = self.firmware.clock
        clock.zone = self._fixed_zone()
        clock.set_utc(local_s + LOCK_EPOCH - clock.zone.standard_offset_s)
        self.firmware.changed()

    def _fixed_zone(self) -> ZoneRules:
        """The site's distance from UTC now, for good: the lock is never told of another."""
        return ZoneRules(standard_offset_s=self._site.offset_s(self.firmware.timebase.now()))

    def _mode(self) -> OperatingMode | None:
        if self.setting("bolted_inside") or self.setting("dead_locked"):
            return OperatingMode.PRIVACY
        if self.setting("frozen"):
            return OperatingMode.VACATION
        local_s = self.firmware.clock.local()
        if any(entry.open_at(local_s) for entry in self.passage):
            return OperatingMode.PASSAGE
        return None

    # ---- what survives a restart

    def dump(self) -> dict[str, Any]:
        """Everything but the connection."""
        return {
            "keys": None
            if self.keys is None
            else [self.keys.aes.hex(), self.keys.admin_ps, self.keys.unlock_key],
            "flag_pos": self.flag_pos,
            "seeds": self.seeds.hex(),
            "passage": [entry.encode().hex() for entry in self.passage],
            "originals": [[slot, code] for slot, code in sorted(self.originals.items())],
            "cycles": [[slot, cycle] for slot, cycle in sorted(self.cycles.items())],
            "log": self.log.dump(),
        }

    def load(self, data: dict[str, Any]) -> None:
        """Take up what ``dump`` wrote."""
        keys = data["keys"]
        self.keys = None if keys is None else Keys(bytes.fromhex(keys[0]), keys[1], keys[2])
        self.flag_pos = data["flag_pos"]
        self.seeds = bytes.fromhex(data["seeds"])
        self.passage = [Passage.decode(bytes.fromhex(entry)) for entry in data["passage"]]
        self.originals = dict(data["originals"])
        self.cycles = dict(data["cycles"])
        self.log.load(data["log"])


def answer(echo: int, data: bytes = b"") -> bytes:
    """The payload of everything that went well."""
    return bytes([echo, 1]) + data


def refusal(echo: int, error: Error) -> bytes:
    """The payload of everything that did not."""
    return bytes([echo, 0, error])


_SETTINGS: dict[str, int | str] = {
    "remote_unlock": 1,
    "show_passcode": 1,
    "audio": 1,
    "audio_volume": 3,
    "audio_language": 0,
    "frozen": 0,
    "dead_locked": 0,
    "bolted_inside": 0,
    "lamp_s": 0,
    "door_sensor": 1,
    "switches": 0,
    "unlock_direction": 0,
}
