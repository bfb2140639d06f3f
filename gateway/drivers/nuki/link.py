"""Carries a conversation to a Nuki over a Bluetooth radio, under one deadline.

Here: asyncio, the link, the challenge before a command, which messages make up an answer, what
silence means. Not here: what is said (session, codes, …), its sealing and the PIN (voice).

A link that somebody was let down on is not used again: a late answer could be taken for another's.
Answers come in order, and each command that changes anything begins with a challenge: what was
still to be said of the one before comes before that challenge, and is passed over.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TypeVar

from gateway.drivers.conversing import converse
from gateway.drivers.nuki.commands import Answer, Channel, Command, Proof, error_in, request
from gateway.drivers.nuki.dialogue import (
    Agree,
    Await,
    Become,
    Dialogue,
    Give,
    Keep,
    LoadNumbers,
    Recall,
    Step,
    done,
)
from gateway.drivers.nuki.voice import PinRest, Voice
from gateway.drivers.nuki.wire import Message, Op, number
from gateway.drivers.numbering import Numbering
from gateway.errors import (
    DeviceRefused,
    LinkError,
    LocalProtocolError,
    OutcomeUnknown,
    PeerProtocolError,
    Unreachable,
)

if TYPE_CHECKING:
    import random
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType

    from gateway.drivers.claims import KeepAgreed, Numbers
    from gateway.drivers.nuki.keys import Keys
    from gateway.radios.gatt import GattLink, GattRadio

ANSWER_S = 6.0
"""From one message of an answer to the next."""
CONNECT_S = 20.0
"""Of one attempt."""
LINGER_S = 3.0
KEPT_S = 5.0
"""How long a listing is as good as a new one, on a link on which nothing was ordered since."""
ASKED = 3
"""How often a question is asked. An order is given once."""

T = TypeVar("T")


@dataclass(slots=True)
class Settled:
    """What holds on one link, and goes with it. `challenge` is good for one command."""

    link: GattLink | None = None
    challenge: bytes | None = None
    kept: object = None
    kept_at: float = 0.0


class Talk:
    """One conversation. Use as a context: leaving it lets the link linger, or breaks it."""

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
        self._radio = radio
        self._address = address
        self._numbers = numbers
        self._loop = asyncio.get_running_loop()
        self._until = self._loop.time() + deadline_s
        self._settled = Settled() if settled is None else settled
        self._keep_agreed = keep
        self._bound = keep is not None
        self._asked = 1 if self._bound else ASKED
        self._context: AbstractAsyncContextManager[GattLink] | None = None
        self._link: GattLink | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # A device's own "no" leaves the link as good as it was.
        spoilt = error is not None and not isinstance(error, DeviceRefused)
        await self._leave(error if spoilt else None)

    async def converse(self, dialogue: Dialogue[T]) -> T:
        return await converse(dialogue, self._do)

    async def _do(self, step: Step) -> Any:
        match step:
            case Command():
                return await self._exchange(step)
            case Await(command, within_s):
                return await self._hear_on(command, within_s)
            case LoadNumbers():
                return Numbering(await self._their_numbers().load())
            case Give(slot, code, handle):
                await self._their_numbers().give(slot, code, handle)
            case Recall():
                return await self._recall()
            case Keep(what):
                self._settled.kept, self._settled.kept_at = what, self._loop.time()
            case Become(keys):
                self.voice.become(keys)
                self._settled.challenge = None
            case Agree(keys):
                await self._agree(keys)
        return None

    async def _agree(self, keys: Keys) -> None:
        if self._keep_agreed is None:
            raise LocalProtocolError(f"could not pair with {self._address}: nobody keeps the keys")
        await self._keep_agreed(keys.to_secret())

    def _their_numbers(self) -> Numbers:
        if self._numbers is None:
            raise LocalProtocolError(f"could not number codes of {self._address}: it is not ours")
        return self._numbers

    async def _recall(self) -> object:
        """Only from a link that is open: what was kept on another may be old."""
        await self.ready()
        fresh = self._loop.time() - self._settled.kept_at <= KEPT_S
        return self._settled.kept if fresh else None

    # ── one exchange ────────────────────────────────────────────────────────────────────────

    async def _exchange(self, command: Command) -> Answer:
        left = self._asked if command.asks_only else 1
        while True:
            left -= 1
            await self.ready(command.proof)
            try:
                answer = await self._say(command)
            except LinkError as error:
                await self._leave(error)
                if not left or self._loop.time() >= self._until:
                    raise
            else:
                if command.proof is not Proof.PIN or not self.voice.heard(
                    answer, self._loop.time()
                ):
                    return answer
                left += 1  # with the wrong PIN it was not even looked at

    async def _say(self, command: Command) -> Answer:
        settled, link = self._settled, self._open_link()
        challenge, settled.challenge = settled.challenge, None
        if not command.asks_only:
            settled.kept = None
        link.drain()
        until = min(self._until, self._loop.time() + ANSWER_S)
        try:
            await link.write(
                self.voice.characteristic(command.channel),
                self.voice.framed(command, challenge),
                response=True,
                deadline_s=self._left(until),
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

    async def _hear_on(self, command: Command, within_s: float) -> Answer:
        try:
            return await self._hear(command, within_s)
        except LinkError as error:
            await self._leave(error)
            raise

    async def _next(self, command: Command, within_s: float) -> Message:
        """The next message that can be read, on the command's characteristic."""
        link, strange = self._open_link(), False
        characteristic = self.voice.characteristic(command.channel)
        until = min(self._until, self._loop.time() + within_s)
        while True:
            try:
                name, raw = await link.receive(deadline_s=max(0.0, until - self._loop.time()))
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

    def _left(self, until: float) -> float:
        left_s = min(until, self._until) - self._loop.time()
        if left_s <= 0:
            raise Unreachable(f"could not speak to {self._address}: the time is over")
        return left_s

    # ── the link ────────────────────────────────────────────────────────────────────────────

    async def ready(self, proof: Proof = Proof.NONE) -> None:
        """An open link, and on it what the next command must end in."""
        if proof is Proof.PIN:
            self.voice.check_may_manage(self._loop.time())
        tries = self._asked
        while True:
            tries -= 1
            try:
                await self._connect()
                if proof is not Proof.NONE and self._settled.challenge is None:
                    answer = await self._say(request(Op.CHALLENGE))
                    told = done(answer, f"ask {self._address} for a challenge")
                    self._settled.challenge = told.data
            except LinkError as error:
                await self._leave(error)
                if not tries or self._loop.time() >= self._until:
                    raise Unreachable(str(error)) from error
            else:
                return

    async def _connect(self) -> None:
        if self._link is not None and self._link.connected:
            return
        if self._link is not None and self._bound:
            raise Unreachable(f"could not go on with {self._address}: the link broke")
        await self._leave(Unreachable("the link is lost") if self._context is not None else None)
        left_s = self._left(self._loop.time() + CONNECT_S)
        context = self._radio.connect(self._address, deadline_s=left_s, linger_s=LINGER_S)
        link = await context.__aenter__()
        self._context, self._link = context, link
        if self._settled.link is not link:
            self._settled.link, self._settled.challenge, self._settled.kept = link, None, None
        channel = Channel.PAIRING if self._bound else Channel.DATA
        left_s = self._left(self._loop.time() + ANSWER_S)
        await link.listen(self.voice.characteristic(channel), deadline_s=left_s)

    def _open_link(self) -> GattLink:
        if self._link is None:
            raise Unreachable(f"could not speak to {self._address}: the link is lost")
        return self._link

    async def _leave(self, error: BaseException | None) -> None:
        """Let go of the link; with an error it is broken, so that nothing late comes over it."""
        context, self._context = self._context, None
        self._settled.challenge = None
        if not self._bound:
            self._link = None
        if context is None:
            return
        if error is None:
            await context.__aexit__(None, None, None)
        else:
            await context.__aexit__(type(error), error, error.__traceback__)
