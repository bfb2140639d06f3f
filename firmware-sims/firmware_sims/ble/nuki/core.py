"""What a Nuki is beside its mechanics: keys, who may speak, PIN, challenges, log, configuration.

Here: the state that every command works on. Not here: commands, frames and the radio
(``peripheral``), the motor (``motor``), challenges and the PIN (``guard``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from firmware_sims.ble.nuki import crypto, settings, states
from firmware_sims.ble.nuki.authorizations import NOBODY, Authorization, Authorizations
from firmware_sims.ble.nuki.codes import Codes
from firmware_sims.ble.nuki.guard import Guard
from firmware_sims.ble.nuki.motor import Motor
from firmware_sims.ble.nuki.oplog import Log
from firmware_sims.ble.nuki.talk import Talk
from firmware_sims.ble.nuki.words import Client
from firmware_sims.clock import LOCK_EPOCH, ZoneRules

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from firmware_sims.ble.nuki.facts import Facts
    from firmware_sims.ble.nuki.frames import Message
    from firmware_sims.ble.nuki.words import LogType
    from firmware_sims.clock import Timer
    from firmware_sims.faults import Faults
    from firmware_sims.firmware.lock import LockFirmware


class Core:
    """One lock's own state over the firmware model.

    ``push(message)`` says something unasked to whoever is connected; ``news()`` is called when the
    advertisement may have another value.
    """

    def __init__(
        self,
        firmware: LockFirmware,
        faults: Faults,
        facts: Facts,
        *,
        address: str,
        rng: random.Random,
    ) -> None:
        self.firmware, self.faults, self.facts, self.rng = firmware, faults, facts, rng
        self.address = address
        mac = bytes.fromhex(address.replace(":", ""))
        self.nuki_id = facts.nuki_id or int.from_bytes(mac[-4:], "big")
        self.secret = rng.randbytes(32)
        self.uuid = rng.randbytes(16)
        self.push: Callable[[Message], None] = lambda _message: None
        self.news: Callable[[], None] = lambda: None
        self.reboot: Callable[[], None] = lambda: None
        self.pairing_until: Timer | None = None
        self.authorizations = Authorizations(facts.authorizations)
        self.codes = Codes(self)
        self.log = Log(facts.log_records)
        self.config = settings.Config(self)
        self.motor = Motor(self)
        self.guard = Guard(facts, firmware.timebase, rng)
        self.talk = Talk(lambda _messages: None)
        """Of the command that is being carried out."""
        self.unread = True
        """Its state has changed since anybody read it."""
        self._telling = False
        # A naive clock has no rule of summer time, whatever the site's are.
        self._site = firmware.clock.zone
        if facts.clock == "local":
            firmware.clock.zone = self._fixed_zone()
        firmware.permits = self._permits
        if facts.auth_key:
            auth_id, key = facts.auth_id.to_bytes(4, "little"), bytes.fromhex(facts.auth_key)
            before = Authorization(auth_id, key, Client.APP, "before", self.now())
            self.authorizations.put(before)

    # ---- time

    def now(self) -> int:
        """The lock's clock as it is on the air, in seconds since 2000-01-01."""
        clock = self.firmware.clock
        return clock.local() if self.facts.clock == "local" else int(clock.utc()) - LOCK_EPOCH

    def set_time(self, seconds: int) -> None:
        """Command 21: from now on the clock shows this."""
        clock = self.firmware.clock
        offset = 0
        if self.facts.clock == "local":
            clock.zone = self._fixed_zone()
            offset = clock.zone.standard_offset_s
        clock.set_utc(seconds + LOCK_EPOCH - offset)
        self.firmware.changed()

    @property
    def offset_minutes(self) -> int:
        """How far the local day is from UTC, as far as the lock knows."""
        clock = self.firmware.clock
        return clock.zone.offset_s(clock.utc()) // 60

    def _fixed_zone(self) -> ZoneRules:
        return ZoneRules(standard_offset_s=self._site.offset_s(self.firmware.timebase.now()))

    def _permits(self, slot: int) -> bool:
        """Whether the terms of a code permit now: the firmware's question at the keypad."""
        entry = self.codes.held.get(slot)
        return entry is None or entry.terms.open_at(self.now(), self.firmware.clock.local())

    # ---- who may

    @property
    def public_key(self) -> bytes:
        """What a pairing begins with."""
        return crypto.public_key(self.secret)

    @property
    def pairing(self) -> bool:
        """Whether the button was held down just now."""
        return self.pairing_until is not None

    def start_pairing(self) -> bool:
        """Somebody holds the button down; False where that does nothing."""
        if not self.firmware.powered or not self.config["pairing_enabled"]:
            return False
        self.end_pairing()
        self.pairing_until = self.firmware.timebase.call_later(
            self.facts.pairing_window_s, self.end_pairing
        )
        self.state_changed()
        return True

    def end_pairing(self) -> None:
        """Time is up, or somebody has paired."""
        if self.pairing_until is not None:
            self.pairing_until.cancel()
            self.pairing_until = None
            self.state_changed()

    def link_over(self) -> None:
        """Nobody is connected any more."""
        if not self.facts.nonces_survive_link:
            self.guard.forget_challenges()

    # ---- what it says

    def write(self, kind: LogType, data: bytes, auth: Authorization | None = None) -> None:
        """Add to the log."""
        auth_id, name = (NOBODY, "") if auth is None else (auth.auth_id, auth.name)
        self.write_as(kind, data, auth_id, name)

    def write_as(self, kind: LogType, data: bytes, auth_id: bytes, name: str) -> None:
        """Add to the log under a name of its own."""
        self.log.add(self.now(), kind, data, auth_id=auth_id, name=name)
        self.firmware.changed()

    def state_changed(self) -> None:
        """Something in its states has another value: say so on the air and on the link.

        Within a lock action the states belong to the conversation about it; else they follow in a
        moment, so that the answer to a command goes first.
        """
        self.unread = True
        self.firmware.changed()
        if self.motor.talk is not None:
            self.motor.talk.say(states.message(self))
        elif not self._telling:
            self._telling = True
            self.firmware.timebase.call_later(0.0, self._tell)
        self.news()

    def _tell(self) -> None:
        self._telling = False
        if self.motor.talk is None:
            self.push(states.message(self))

    # ---- what ends

    def power_lost(self) -> None:
        """What is not in flash is gone."""
        self.motor.stop()
        self.guard.power_lost()
        if self.pairing_until is not None:
            self.pairing_until.cancel()
            self.pairing_until = None
        self.unread = True

    def forget(self) -> None:
        """What a factory reset takes, beside the firmware's own memory; its keys stay its own."""
        self.power_lost()
        self.authorizations.held.clear()
        self.codes.held.clear()
        self.log.clear()
        self.guard.pin = self.facts.security_pin if self.facts.ultra else 0
        self.config.reset()
        self.motor.calibrated = True
        if self.facts.clock == "local":
            self.firmware.clock.zone = self._fixed_zone()

    def dump(self) -> dict[str, Any]:
        """Everything but the connection."""
        return {
            "secret": self.secret.hex(),
            "uuid": self.uuid.hex(),
            "pin": self.guard.pin,
            "unread": self.unread,
            "authorizations": self.authorizations.dump(),
            "codes": self.codes.dump(),
            "log": self.log.dump(),
            "config": self.config.dump(),
            "motor": self.motor.dump(),
        }

    def load(self, data: dict[str, Any]) -> None:
        """Take up what ``dump`` wrote."""
        self.secret, self.uuid = bytes.fromhex(data["secret"]), bytes.fromhex(data["uuid"])
        self.guard.pin, self.unread = data["pin"], data["unread"]
        self.authorizations.load(data["authorizations"])
        self.codes.load(data["codes"])
        self.log.load(data["log"])
        self.config.load(data["config"])
        self.motor.load(data["motor"])
