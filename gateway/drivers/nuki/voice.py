"""How we speak to one Nuki: sealed with our key, proved by challenge and security PIN. No I/O.

Here: bytes of a command from its parts, messages from bytes, and when the PIN is not told. Not
here: the link (link).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.drivers.nuki import crypto, mapping, wire
from gateway.drivers.nuki.commands import Answer, Channel, Command, Proof
from gateway.drivers.nuki.wire import Message, Op
from gateway.errors import DeviceRefused, LocalProtocolError, Refusal

if TYPE_CHECKING:
    import random

    from gateway.drivers.nuki.keys import Keys

WRONG_PIN_REST_S = 3600.0
LOCKED_OUT_REST_S = 600.0
"""How long no PIN is told after the lock said that ours is wrong, or that there were too many."""


@dataclass(slots=True)
class PinRest:
    """After a wrong PIN the lock is left alone: each try counts, and shuts out its owner too."""

    until: float = 0.0
    error: int = 0
    use_other: bool = False
    """The PIN is the other of the two that it may be."""

    def check(self, now: float, address: str) -> None:
        if now < self.until:
            raise DeviceRefused(
                f"could not manage {address}: {mapping.why(self.error)}",
                mapping.refusal_of(self.error),
            )

    def heard(self, error: int, now: float) -> None:
        if error == mapping.WRONG_PIN:
            self.until, self.error = now + WRONG_PIN_REST_S, error
        elif error in mapping.PIN_LOCKED_OUT:
            self.until, self.error = now + LOCKED_OUT_REST_S, error


class Voice:
    """`keys` are those that we speak with at the moment."""

    def __init__(self, keys: Keys, address: str, chance: random.Random, rest: PinRest) -> None:
        self.keys = keys
        self._address = address
        self._chance = chance
        self._rest = rest

    @property
    def pin(self) -> int | None:
        """The one that the lock is told."""
        return self.keys.other_pin if self._rest.use_other else self.keys.pin

    def become(self, keys: Keys) -> None:
        self.keys = keys
        self._rest.use_other = False

    def check_may_manage(self, now: float) -> None:
        """`DeviceRefused` when the PIN is not known, or is not told for a while."""
        if self.keys.pin is None:
            raise DeviceRefused(
                f"could not manage {self._address}: its security PIN is not known",
                Refusal.NOT_AUTHORISED,
            )
        self._rest.check(now, self._address)

    def heard(self, answer: Answer, now: float) -> bool:
        """Of a command with the PIN. Whether to say it again, with the other one that it may be."""
        doubt = self.keys.other_pin is not None and not self._rest.use_other
        if answer.error == mapping.WRONG_PIN and doubt:
            self._rest.use_other = True
            return True
        if answer.error is not None:
            self._rest.heard(answer.error, now)
        return False

    def characteristic(self, channel: Channel) -> str:
        if channel is Channel.DATA:
            return wire.DATA
        return wire.ULTRA_PAIRING if self.keys.ultra else wire.PAIRING

    def framed(self, command: Command, challenge: bytes | None) -> bytes:
        message = Message(command.op, command.payload + self._proof(command.needs, challenge))
        if command.channel is Channel.PAIRING:
            return wire.plain(message)
        nonce = self._chance.randbytes(crypto.NONCE_SIZE)
        return wire.sealed(message, self.keys.shared, self.keys.auth_id, nonce)

    def _proof(self, proof: Proof, challenge: bytes | None) -> bytes:
        if proof is Proof.NONE:
            return b""
        if challenge is None:
            raise LocalProtocolError(f"could not speak to {self._address}: no challenge was asked")
        if proof is Proof.CHALLENGE:
            return challenge
        return challenge + (self.pin or 0).to_bytes(self.keys.pin_size, "little")

    def read(self, raw: bytes, command: Command) -> Message | None:
        """None for what does not belong to this conversation.

        In the clear a lock says that it could not open what it was sent. Anybody could say so, and
        then of an order nobody knows whether it was carried out: it is heard of questions only,
        and one comes before each order.
        """
        if command.channel is Channel.PAIRING:
            return wire.read_plain(raw)
        message = wire.read_sealed(raw, self.keys.shared, self.keys.auth_id)
        if message is None and (command.asks_only or command.channel is not Channel.DATA):
            message = wire.read_plain(raw)
            return message if message is not None and message.op == Op.ERROR else None
        return message
