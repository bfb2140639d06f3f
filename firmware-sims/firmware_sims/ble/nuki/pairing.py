"""How somebody comes to be authorised at a Nuki whose button was held down.

Here: the conversation on the pairing characteristic, step by step, with its authenticators. Not
here: the button (``core``) and what an authorisation may do. Steps from ronengr/pyNukiBT, nuki.py,
and I-Connect/NukiBleEsp32, NukiBle.cpp; what each authenticator covers from the example in the
vendor's "Nuki Smart Lock API", against which the tests compute it.

Assumed: what comes out of turn or with a wrong authenticator ends the conversation; the mode ends
with the first who is paired.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from firmware_sims.ble.nuki import crypto, frames
from firmware_sims.ble.nuki.authorizations import NAME_SIZE, Authorization
from firmware_sims.ble.nuki.fields import Error, Reader, Refused, u8
from firmware_sims.ble.nuki.frames import Message
from firmware_sims.ble.nuki.spec import COMPLETE
from firmware_sims.ble.nuki.words import Client, Op

if TYPE_CHECKING:
    from collections.abc import Callable

    from firmware_sims.ble.nuki.core import Core

SEALED_ID = bytes.fromhex("7fffffff")
"""In the place of an authorisation that an Ultra has not given yet (pyNukiBT, nuki.py)."""
NAMES = {
    Op.REQUEST_DATA: "pair.begin",
    Op.PUBLIC_KEY: "pair.key",
    Op.AUTHENTICATOR: "pair.authenticator",
    Op.AUTHORIZATION_DATA: "pair.data",
    Op.AUTHORIZATION_ID_CONFIRMATION: "pair.confirm",
}
_PIN_IS_SET = 1


class Pairing:
    """One connection's conversation. ``key`` is known from the second step on."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._awaited: Op | None = None
        self._peer = b""
        self._nonce = b""
        self._pending: Authorization | None = None
        self.key = b""
        self.sealed = False
        """Whether the next word, and the answer to it, are sealed."""

    def answer(self, message: Message) -> list[Message]:
        """What the lock says to a step; `Refused`."""
        core = self._core
        if not core.pairing:
            raise Refused(Error.NOT_PAIRING)
        awaited, self._awaited = self._awaited, None
        reader = Reader(message.payload)
        if message.op == Op.REQUEST_DATA:
            return self._begin(reader)
        steps: dict[int, Callable[[Reader], list[Message]]] = {
            Op.PUBLIC_KEY: self._take_key,
            Op.AUTHENTICATOR: self._check,
            Op.AUTHORIZATION_DATA: self._admit_ultra if core.facts.ultra else self._admit,
            Op.AUTHORIZATION_ID_CONFIRMATION: self._confirm,
        }
        if message.op != awaited:
            raise Refused(Error.PAIRING_PARAMETER)
        return steps[message.op](reader)

    def open(self, raw: bytes) -> Message:
        """A frame of this conversation; `Refused`."""
        if not self.sealed:
            return frames.read_plain(raw)
        sealed = frames.envelope(raw)
        if sealed.auth_id != SEALED_ID:
            raise Refused(Error.NOT_AUTHORIZED)
        return frames.unseal(self.key, sealed)

    def _challenge(self) -> Message:
        self._nonce = self._core.rng.randbytes(32)
        return Message(Op.CHALLENGE, self._nonce)

    def _begin(self, reader: Reader) -> list[Message]:
        wanted = reader.number(2)
        reader.end()
        if wanted != Op.PUBLIC_KEY:
            raise Refused(Error.PAIRING_PARAMETER)
        self._awaited = Op.PUBLIC_KEY
        return [Message(Op.PUBLIC_KEY, self._core.public_key)]

    def _take_key(self, reader: Reader) -> list[Message]:
        self._peer = reader.take(32)
        reader.end()
        try:
            self.key = crypto.shared_key(self._core.secret, self._peer)
        except crypto.BadBox:
            raise Refused(Error.PAIRING_PARAMETER) from None
        self._awaited = Op.AUTHENTICATOR
        return [self._challenge()]

    def _verify(self, claimed: bytes, *parts: bytes) -> None:
        if not crypto.same(claimed, crypto.authenticator(self.key, *parts)):
            raise Refused(Error.BAD_AUTHENTICATOR)

    def _check(self, reader: Reader) -> list[Message]:
        claimed = reader.take(32)
        reader.end()
        self._verify(claimed, self._peer, self._core.public_key, self._nonce)
        self._awaited = Op.AUTHORIZATION_DATA
        if self._core.facts.ultra:
            self.sealed = True
            return [Message(Op.AUTHORIZATION_INFO, u8(_PIN_IS_SET))]
        return [self._challenge()]

    def _admit(self, reader: Reader) -> list[Message]:
        claimed, signed = reader.take(32), reader.take(1 + 4 + NAME_SIZE + 32)
        reader.end()
        self._verify(claimed, signed, self._nonce)
        inside = Reader(signed)
        client, app_id, name = inside.number(1), inside.number(4), inside.text(NAME_SIZE)
        theirs = inside.take(32)
        if client not in list(Client):
            raise Refused(Error.PAIRING_PARAMETER)
        entry = self._make(Client(client), app_id, name)
        self._nonce = self._core.rng.randbytes(32)
        said = entry.auth_id + self._core.uuid + self._nonce
        self._pending = entry
        self._awaited = Op.AUTHORIZATION_ID_CONFIRMATION
        return [Message(Op.AUTHORIZATION_ID, crypto.authenticator(self.key, said, theirs) + said)]

    def _confirm(self, reader: Reader) -> list[Message]:
        claimed, auth_id = reader.take(32), reader.take(4)
        reader.end()
        self._verify(claimed, auth_id, self._nonce)
        if self._pending is None or auth_id != self._pending.auth_id:
            raise Refused(Error.PAIRING_PARAMETER)
        self._keep(self._pending)
        return [COMPLETE]

    def _admit_ultra(self, reader: Reader) -> list[Message]:
        app_id, name, pin = reader.number(4), reader.text(NAME_SIZE), reader.number(4)
        reader.end()
        self._core.guard.check_pin(pin)
        entry = self._make(Client.APP, app_id, name)
        self._keep(entry)
        return [Message(Op.AUTHORIZATION_ID, entry.auth_id + self._core.uuid)]

    def _make(self, client: Client, app_id: int, name: str) -> Authorization:
        core = self._core
        core.authorizations.check_room(Error.MAX_USERS)
        auth_id = core.authorizations.next_id()
        return Authorization(auth_id, self.key, client, name, core.now(), app_id)

    def _keep(self, entry: Authorization) -> None:
        """An app that pairs again takes the place of what it was (assumed)."""
        held = self._core.authorizations.held
        for known in [known for known in held.values() if known.key == entry.key]:
            del held[known.auth_id]
        held[entry.auth_id] = entry
        self._core.end_pairing()
        self._core.firmware.changed()
