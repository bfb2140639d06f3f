"""Carries a conversation to a TTLock over a Bluetooth radio, under one deadline.

Here: asyncio, the link and what was settled on it (login, the number it gave), chunks and
encryption, what silence means. Not here: what is said (session, codes, …) and what it means.

A link that somebody was let down on is not used again: a late answer could be taken for another's.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self, TypeVar

from gateway.drivers.conversing import converse
from gateway.drivers.numbering import Numbering
from gateway.drivers.ttlock import commands, crypto, mapping, wire
from gateway.drivers.ttlock.commands import Answer, Command, Login, answer_of
from gateway.drivers.ttlock.dialogue import (
    Agree,
    Await,
    Become,
    Dialogue,
    Give,
    HeardVersion,
    Keep,
    LoadNumbers,
    Prove,
    Recall,
    Step,
    done,
)
from gateway.errors import (
    DeviceRefused,
    LinkError,
    LocalProtocolError,
    OutcomeUnknown,
    PeerProtocolError,
    Refusal,
    Unreachable,
)

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType

    from gateway.drivers.claims import KeepAgreed, Numbers
    from gateway.drivers.ttlock.keys import Keys
    from gateway.radios.gatt import GattLink, GattRadio

ANSWER_S = 5.0
"""How long the lock may take to answer; the motor runs before it does."""
CONNECT_S = 20.0
"""Of one attempt; in the field some take 40 s, and are better begun anew."""
LINGER_S = 3.0
"""The lock itself drops a link that was silent for 5 s."""
KEPT_S = 5.0
"""How long a listing is as good as a new one, on a link on which nothing was ordered since."""
ASKED = 3
"""How often a question is asked. An order is given once."""

_WRONG_TIME = (mapping.KEY_EXPIRED, mapping.KEY_NOT_YET_VALID)

T = TypeVar("T")


@dataclass(slots=True)
class Settled:
    """What holds on one link, and goes with it."""

    link: GattLink | None = None
    login: Login = Login.NONE
    number: int = 0
    kept: object = None
    kept_at: float = 0.0
    reassembler: wire.Reassembler = field(default_factory=wire.Reassembler)


class Talk:
    """One conversation. Use as a context: leaving it lets the link linger, or breaks it."""

    def __init__(
        self,
        radio: GattRadio,
        address: str,
        keys: Keys,
        numbers: Numbers | None = None,
        *,
        deadline_s: float,
        settled: Settled | None = None,
        keep: KeepAgreed | None = None,
    ) -> None:
        """With `keep` it is a pairing: on one link only, because what is agreed on goes with it."""
        self.keys = keys
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
        self._frames: deque[wire.Frame] = deque()
        self._version = keys.version

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
                until = min(self._until, self._loop.time() + within_s)
                return await self._hear(command, until)
            case LoadNumbers():
                return Numbering(await self._their_numbers().load())
            case Give(slot, code):
                await self._their_numbers().give(slot, code)
            case Recall():
                return await self._recall()
            case Keep(what):
                self._settled.kept, self._settled.kept_at = what, self._loop.time()
            case Prove(login):
                await self.ready(login)
            case Become(keys):
                self.keys = keys
                self._settled.login = Login.NONE
            case Agree(keys):
                await self._agree(keys)
            case HeardVersion():
                return self._version
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
        await self.ready(Login.NONE)
        fresh = self._loop.time() - self._settled.kept_at <= KEPT_S
        return self._settled.kept if fresh else None

    # ── one exchange ────────────────────────────────────────────────────────────────────────

    async def _exchange(self, command: Command) -> Answer:
        left = self._asked if command.asks_only else 1
        while True:
            left -= 1
            await self.ready(command.needs)
            try:
                return await self._say(command)
            except LinkError as error:
                await self._leave(error)
                if not left or self._loop.time() >= self._until:
                    raise

    async def _say(self, command: Command) -> Answer:
        settled, link = self._settled, self._open_link()
        if not command.asks_only:
            settled.kept = None
        payload = command.payload
        if command.summed:
            payload = commands.u32(settled.number + self.keys.unlock_key) + payload
        frame = wire.encode(self.keys.version, command.code, crypto.encrypt(payload, self.keys.aes))
        link.drain()
        self._frames.clear()
        settled.reassembler = wire.Reassembler()
        until = min(self._until, self._loop.time() + ANSWER_S)
        parts = list(wire.chunks(frame))
        for index, part in enumerate(parts, 1):
            try:
                await link.write(wire.WRITE, part, response=False, deadline_s=self._left(until))
            except OutcomeUnknown as error:
                # Without its last part the lock has no frame, and a question changes nothing.
                if index < len(parts) or command.asks_only:
                    raise Unreachable(str(error)) from error
                raise
        return await self._hear(command, until)

    async def _hear(self, command: Command, until: float) -> Answer:
        """The next word about this command; whatever else the lock says is no answer to it."""
        link, strange = self._open_link(), False
        while True:
            while self._frames:
                frame = self._frames.popleft()
                plain = crypto.decrypt(frame.payload, self.keys.aes)
                answer = None if plain is None else answer_of(plain)
                if answer is None:
                    strange |= frame.crc_right
                elif answer.code == command.code and not _is_push(answer):
                    self._version = frame.version
                    return answer
            try:
                name, value = await link.receive(deadline_s=max(0.0, until - self._loop.time()))
            except Unreachable as error:
                if strange:
                    raise PeerProtocolError(
                        f"could not understand {self._address}: it speaks with another key; it "
                        "was reset or has another owner: pair it again"
                    ) from error
                if command.asks_only:
                    raise
                raise OutcomeUnknown(
                    f"could not tell what {self._address} did: no answer came"
                ) from error
            if name == wire.NOTIFY:
                self._frames += self._settled.reassembler.feed(value)

    def _left(self, until: float) -> float:
        left_s = min(until, self._until) - self._loop.time()
        if left_s <= 0:
            raise Unreachable(f"could not speak to {self._address}: the time is over")
        return left_s

    # ── the link ────────────────────────────────────────────────────────────────────────────

    async def ready(self, login: Login) -> None:
        """A link on which we are logged in as at least that."""
        tries = self._asked
        while True:
            tries -= 1
            try:
                await self._connect()
                await self._log_in(login)
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
            fresh = Settled(link)
            for name in Settled.__slots__:
                setattr(self._settled, name, getattr(fresh, name))
        await link.listen(wire.NOTIFY, deadline_s=self._left(self._loop.time() + ANSWER_S))

    async def _log_in(self, login: Login) -> None:
        settled = self._settled
        if settled.login >= login:
            return
        if login is Login.USER:
            answer = await self._say(commands.check_user(self.keys))
            if answer.error in _WRONG_TIME and self.keys.admin_ps is not None:
                login = Login.ADMIN  # a lock that lost its time still knows its owner
            else:
                self._take_number(answer)
        if login is Login.ADMIN:
            if self.keys.admin_ps is None:
                raise DeviceRefused(
                    f"could not manage {self._address}: the key we have may only open it",
                    Refusal.NOT_AUTHORISED,
                )
            self._take_number(await self._say(commands.check_admin(self.keys)))
            done(await self._say(commands.check_random()), f"log in at {self._address}")
        settled.login = login

    def _take_number(self, answer: Answer) -> None:
        done(answer, f"log in at {self._address}")
        self._settled.number = commands.number(answer.data, 0, 4, "the lock's number")

    def _open_link(self) -> GattLink:
        if self._link is None:
            raise Unreachable(f"could not speak to {self._address}: the link is lost")
        return self._link

    async def _leave(self, error: BaseException | None) -> None:
        """Let go of the link; with an error it is broken, so that nothing late comes over it."""
        context, self._context = self._context, None
        if not self._bound:
            self._link = None
        if context is None:
            return
        if error is None:
            await context.__aexit__(None, None, None)
        else:
            await context.__aexit__(type(error), error, error.__traceback__)


def _is_push(answer: Answer) -> bool:
    """The lock tells of a use in the same words as of its state, only longer."""
    return answer.code == wire.Code.STATUS and len(answer.data) >= 15
