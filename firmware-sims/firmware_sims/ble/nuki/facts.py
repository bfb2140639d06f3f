"""What one model of Nuki can do and how long it takes: the ``[skin]`` table of its profile.

Here: the shape of that table. Not here: behaviour. What no source states is "assumed".
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from firmware_sims.ble.device import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Facts:
    """Times in seconds."""

    name: str = ""
    """What the owner calls it; empty for ``Nuki_`` and its id, as it leaves the factory."""
    nuki_id: int = 0
    """0 for one made from the last four bytes of the address."""
    ultra: bool = False
    """Pairs with a PIN of six digits in place of a second challenge (pyNukiBT, nuki.py)."""
    device_type: int = 4
    """Of the configuration: 0 generation 1 or 2, 4 generation 3 or 4, 5 Ultra (pyNukiBT)."""
    hardware: tuple[int, ...] = (10, 6)
    clock: str = "local"
    """What its clock and the dates of its windows are in: "local", naive, as technyon/nuki_hub
    sets it, or "utc", as ronengr/pyNukiBT and the vendor's remark on dates have it
    (developer.nuki.io, topic 39789). Hours of a day are local in both."""
    state_extras: int = 3
    """How many of the optional last fields of its states there are (by length, pyNukiBT)."""
    log_data_size: int = 5
    """Bytes that the data of a log entry is filled up to; 0 for none (pyNukiBT: "Nuki3 has
    padding, Nuki4 doesn't")."""
    status_after_ids: bool = False
    status_after_lists: bool = True
    """Whether a status ends the answers of 41 and of 43; I-Connect/NukiBleEsp32 needs neither, and
    counts the entries of a listing."""
    log_records: int = 500
    authorizations: int = 200
    security_pin: int = field(default=0, repr=False)
    """As the factory or the owner has left it; 0 for none on a lock that is no Ultra."""
    pin_attempts: int = 5
    pin_lockout_s: float = 60.0
    pairing_window_s: float = 30.0
    turn_s: float = 2.0
    """How long the motor takes to turn the key; to pull the latch ``unlatch_s`` more."""
    unlatch_s: float = 1.5
    hold_latch_s: float = 3.0
    """How long the latch is held then; the advanced configuration's value, at the start."""
    lock_n_go_s: int = 20
    calibration_s: float = 12.0
    reboot_s: float = 4.0
    critical_percent: int = 20
    motor_percent: int = 3
    """Below it the motor does not move."""
    idle_disconnect_s: float = 20.0
    advertising_s: float = 0.5
    sleeps_after_s: float = 30.0
    """How long after its last use it counts as asleep, for the fault that makes it deaf then."""
    keypad: bool = True
    nonces_survive_link: bool = True
    """A challenge belongs to an authorisation and not to a connection (API: error 22)."""
    # A lock that somebody has paired with before the rehearsal: his id, and the shared key in hex.
    auth_id: int = 1
    auth_key: str = field(default="", repr=False)

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> Facts:
        """Check a table; ``SettingsError`` names the key."""
        known: dict[str, Any] = {item.name: getattr(cls(), item.name) for item in fields(cls)}
        unknown = sorted(set(table) - set(known))
        if unknown:
            names = ", ".join(map(repr, unknown))
            raise SettingsError(f"a Nuki has no {names}; known: {', '.join(sorted(known))}")
        values: dict[str, Any] = {}
        for key, value in table.items():
            wanted = list if isinstance(known[key], tuple) else type(known[key])
            if type(value) is not wanted and not (wanted is float and type(value) is int):
                raise SettingsError(f"{key} must be {wanted.__name__}")  # may be a PIN: not shown
            values[key] = tuple(value) if isinstance(value, list) else value
        facts = cls(**values)
        facts._check()
        return facts

    def _check(self) -> None:
        if self.clock not in ("local", "utc"):
            raise SettingsError('clock must be "local" or "utc"')
        if not 0 <= self.security_pin < (10**6 if self.ultra else 10**4):
            raise SettingsError("security_pin has too many digits")
        if not 0 <= self.nuki_id < 2**32 or not 0 < self.auth_id < 2**32:
            raise SettingsError("nuki_id and auth_id must fit into 32 bits")
        try:
            right = len(bytes.fromhex(self.auth_key)) in (0, 32)
        except ValueError:
            right = False
        if not right:
            raise SettingsError("auth_key must be 32 bytes in hex")

    @property
    def pin_size(self) -> int:
        """Bytes of a PIN in a command."""
        return 4 if self.ultra else 2
