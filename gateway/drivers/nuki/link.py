"""Carries a conversation to a Nuki over a Bluetooth radio, under one deadline.

Here: the challenge before a command, which messages make up an answer, what silence means. Not
here: the link itself and asking again (carrier); what is said (session, codes, …), its sealing and
the PIN (voice).

Answers come in order, and each command that changes anything begins with a challenge: what was
still to be said of the one before comes before that challenge, and is passed over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.drivers.carrier import Carrier, Settled
from gateway.drivers.nuki.commands import Answer, Channel, Command, Proof, error_in, request
from gateway.drivers.nuki.dialogue import Step, done
from gateway.drivers.nuki.voice import PinRest, Voice
from gateway.drivers.nuki.wire import Message, Op, number
from gateway.drivers.steps import Become
from gateway.errors import OutcomeUnknown, PeerProtocolError, Unreachable

if TYPE_CHECKING:
    import random

    from gateway.drivers.claims import KeepAgreed, Numbers
    from gateway.drivers.nuki.keys import Keys
    from gateway.radios.gatt import GattLink, GattRadio

ANSWER_S = 6.0
"""From one message of an answer to the next."""


class Talk(Carrier[Step, Command, Answer, Proof]):
    """One conversation with a Nuki."""

    def __init__(
        self,
        radio: GattRadio,
        address: str,
        keys: Keys,
        chance: random.Random,
        numbers: Numbers | None = None,
        *,
        deadline_s: float,
        settled: Settled | None = None,
        rest: PinRest | None = None,
        keep: KeepAgreed | None = None,
    ) -> None:
        """With `keep` it is a pairing: on one link only, because what is agreed on goes with it."""
        self.voice = Voice(keys, address, chance, PinRest() if rest is None else rest)
        self._challenge: bytes | None = None
        """Good for one command on the link that it was asked for on."""
        super().__init__(radio, address, numbers, deadline_s=deadline_s, settled=settled, keep=keep)

    async def _do(self, step: Step) -> Any:
        if not isinstance(step, Become):
            return await super()._do(step)
        self.voice.become(step.keys)
        self._challenge = None
        return None

    def _again(self, command: Command, answer: Answer) -> bool:
        """With the wrong one of two PINs it was not even looked at."""
        return command.needs is Proof.PIN and self.voice.heard(answer, self._now())

    async def _say(self, command: Command) -> Answer:
        link = self._open_link()
        challenge, self._challenge = self._challenge, None
        link.drain()
        try:
            await link.write(
                self.voice.characteristic(command.channel),
                self.voice.framed(command, challenge),
                response=True,
                deadline_s=self._left(self._by(ANSWER_S)),
            )
        except OutcomeUnknown as error:
            if command.asks_only:
                raise Unreachable(str(error)) from error
            raise
        return await self._hear(command, ANSWER_S)

    async def _hear(self, command: Command, within_s: float) -> Answer:
        """All that belongs to the answer; whatever else the lock says is no answer to it."""
        entries: list[Message] = []
        count: int | None = None
        while True:
            message = await self._next(command, within_s)
            if message.op == Op.ERROR:
                error, about = error_in(message)
                if about in {0, command.op}:
                    return Answer(message, error)
            elif message.op == command.counted:
                count = number(message.payload, 0, 2)
            elif message.op == command.gathers:
                entries.append(message)
            elif message.op == command.ends:
                if command.counted is not None and count != len(entries):
                    raise Unreachable(f"could not hear all of {self._address}: parts were lost")
                return Answer(message, entries=tuple(entries))
            if count is not None and count == len(entries):
                return Answer(message, entries=tuple(entries))

    async def _next(self, command: Command, within_s: float) -> Message:
        """The next message that can be read, on the command's characteristic."""
        link, strange = self._open_link(), False
        characteristic = self.voice.characteristic(command.channel)
        until = self._by(within_s)
        while True:
            try:
                name, raw = await link.receive(deadline_s=max(0.0, until - self._now()))
            except Unreachable as error:
                if strange:
                    raise PeerProtocolError(
                        f"could not understand {self._address}: what it says is damaged or meant "
                        "for somebody else"
                    ) from error
                if command.asks_only or command.channel is not Channel.DATA:
                    raise
                raise OutcomeUnknown(
                    f"could not tell what {self._address} did: no answer came"
                ) from error
            message = self.voice.read(raw, command) if name == characteristic else None
            if message is not None:
                return message
            strange |= name == characteristic

    async def ready(self, needs: Proof | None = None) -> None:
        """An open link, and on it what the next command must end in."""
        if needs is Proof.PIN:
            self.voice.check_may_manage(self._now())
        await super().ready(needs)

    async def _prove(self, needs: Proof) -> None:
        if needs is not Proof.NONE and self._challenge is None:
            answer = await self._say(request(Op.CHALLENGE))
            self._challenge = done(answer, f"ask {self._address} for a challenge").data

    async def _listen(self, link: GattLink) -> None:
        channel = Channel.PAIRING if self._bound else Channel.DATA
        left_s = self._left(self._by(ANSWER_S))
        await link.listen(self.voice.characteristic(channel), deadline_s=left_s)

    async def _leave(self, error: BaseException | None) -> None:
        self._challenge = None
        await super()._leave(error)
