"""What a command must bring with it: a challenge that is fresh, and the owner's PIN.

Here: both, and what too many wrong PINs do. Not here: who asks, and for what (``commands``).

Assumed: after so many wrong PINs every PIN is refused for a while; a challenge is good once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from firmware_sims.ble.nuki.fields import Error, Refused

if TYPE_CHECKING:
    import random

    from firmware_sims.ble.nuki.facts import Facts
    from firmware_sims.clock import Timebase


class Guard:
    """``pin`` is the owner's; challenges are by authorisation."""

    def __init__(self, facts: Facts, timebase: Timebase, rng: random.Random) -> None:
        self._facts, self._timebase, self._rng = facts, timebase, rng
        self.pin = facts.security_pin
        self._wrong, self._locked_until = 0, 0.0
        self._challenges: dict[bytes, bytes] = {}

    def challenge(self, auth_id: bytes) -> bytes:
        """A new one for that authorisation; the one before is worth nothing now."""
        self._challenges[auth_id] = nonce = self._rng.randbytes(32)
        return nonce

    def check_challenge(self, auth_id: bytes, nonce: bytes) -> None:
        """`Refused` unless it is the last one, not used yet."""
        if self._challenges.pop(auth_id, None) != nonce:
            raise Refused(Error.BAD_NONCE)

    def check_pin(self, pin: int) -> None:
        """`Refused` when it is wrong, or when it has been too often."""
        now = self._timebase.now()
        if now < self._locked_until:
            raise Refused(Error.TOO_MANY_PIN_ATTEMPTS)
        if pin == self.pin:
            self._wrong = 0
            return
        self._wrong += 1
        if self._wrong >= self._facts.pin_attempts:
            self._wrong = 0
            self._locked_until = now + self._facts.pin_lockout_s
        raise Refused(Error.BAD_PIN)

    def forget_challenges(self) -> None:
        """Those that were given are worth nothing."""
        self._challenges.clear()

    def power_lost(self) -> None:
        """Nothing but the PIN is in flash."""
        self._challenges.clear()
        self._wrong, self._locked_until = 0, 0.0
