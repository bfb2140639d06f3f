"""Carries a conversation to one device over a Bluetooth radio, under one deadline.

Here: asyncio, the link from connecting to letting go, what holds on it, what is asked again, and
the steps that are not said (steps). Not here: how something is said and heard, and what a link must
prove before (a family's link).

A link that somebody was let down on is not used again: a late answer could be taken for another's.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar

from gateway.drivers.conversing import converse
from gateway.drivers.numbering import Numbering
from gateway.drivers.steps import Agree, Await, Give, Keep, LoadNumbers, Recall
from gateway.errors import DeviceRefused, LinkError, LocalProtocolError, Unreachable

if TYPE_CHECKING:
    from collections.abc import Generator
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType

    from gateway.domain.secret import Secret
    from gateway.drivers.claims import KeepAgreed, Numbers
    from gateway.radios.gatt import GattLink, GattRadio

CONNECT_S = 20.0
"""Of one attempt; in the field some take 40 s, and are better begun anew."""
LINGER_S = 3.0
"""A TTLock itself drops a link that was silent for 5 s."""
KEPT_S = 5.0
"""How long a listing is as good as a new one, on a link on which nothing was ordered since."""
ASKED = 3
"""How often a question is asked. An order is given once."""


class Command(Protocol):
    """One thing to say. `needs`: what a link must have proved. `asks_only`: it changes nothing."""

    @property
    def asks_only(self) -> bool: ...

    @property
    def needs(self) -> Any: ...


S = TypeVar("S")
C = TypeVar("C", bound=Command)
A = TypeVar("A")
N = TypeVar("N")
T = TypeVar("T")


@dataclass(slots=True)
class Settled:
    """What holds on one link, and goes with it."""

    link: GattLink | None = None
    kept: object = None
    kept_at: float = 0.0

    def begin(self, link: GattLink) -> None:
        """Nothing holds on a new link yet."""
        for field in fields(self):
            setattr(self, field.name, field.default)
        self.link = link


class Carrier(ABC, Generic[S, C, A, N]):
    """One conversation. Use as a context: leaving it lets the link linger, or breaks it.

    A family's steps, commands, answers, and what a link must have proved before a command.
    """

    def __init__(
        self,
        radio: GattRadio,
        address: str,
        numbers: Numbers | None,
        *,
        deadline_s: float,
        settled: Settled | None = None,
        keep: KeepAgreed | None = None,
    ) -> None:
        """With `keep` it is a pairing: on one link only, because what is agreed on goes with it."""
        self._radio = radio
        self._address = address
        self._numbers = numbers
        self._loop = asyncio.get_running_loop()
        self._until = self._now() + deadline_s
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

    async def converse(self, dialogue: Generator[S, Any, T]) -> T:
        return await converse(dialogue, self._do)

    async def _do(self, step: Any) -> Any:
        match step:
            case Await(command, within_s):
                try:
                    return await self._hear(command, within_s)
                except LinkError as error:
                    await self._leave(error)
                    raise
            case LoadNumbers():
                return Numbering(await self._their_numbers().load())
            case Give(slot, code, handle):
                await self._their_numbers().give(slot, code, handle)
            case Recall():
                # Only from a link that is open: what was kept on another may be old.
                await self.ready()
                fresh = self._now() - self._settled.kept_at <= KEPT_S
                return self._settled.kept if fresh else None
            case Keep(what):
                self._settled.kept, self._settled.kept_at = what, self._now()
            case Agree(keys):
                await self._agree(keys.to_secret())
            case _:
                return await self._exchange(step)
        return None

    async def _agree(self, keys: Secret) -> None:
        if self._keep_agreed is None:
            raise LocalProtocolError(f"could not pair with {self._address}: nobody keeps the keys")
        await self._keep_agreed(keys)

    def _their_numbers(self) -> Numbers:
        if self._numbers is None:
            raise LocalProtocolError(f"could not number codes of {self._address}: it is not ours")
        return self._numbers

    # ── one exchange ────────────────────────────────────────────────────────────────────────

    @abstractmethod
    async def _say(self, command: C) -> A:
        """Say it on the open link, and hear the answer."""

    @abstractmethod
    async def _hear(self, command: C, within_s: float) -> A: ...

    def _again(self, command: C, answer: A) -> bool:
        """Whether the answer shows that the command was not even looked at."""
        return False

    async def _exchange(self, command: C) -> A:
        left = self._asked if command.asks_only else 1
        while True:
            left -= 1
            await self.ready(command.needs)
            if not command.asks_only:
                self._settled.kept = None
            try:
                answer = await self._say(command)
            except LinkError as error:
                await self._leave(error)
                if not left or self._now() >= self._until:
                    raise
            else:
                if not self._again(command, answer):
                    return answer
                left += 1

    def _now(self) -> float:
        """The loop's time."""
        return self._loop.time()

    def _by(self, within_s: float) -> float:
        """The time then, or that of the deadline."""
        return min(self._until, self._now() + within_s)

    def _left(self, until: float) -> float:
        left_s = until - self._now()
        if left_s <= 0:
            raise Unreachable(f"could not speak to {self._address}: the time is over")
        return left_s

    # ── the link ────────────────────────────────────────────────────────────────────────────

    @abstractmethod
    async def _listen(self, link: GattLink) -> None:
        """Before anything is said on a link."""

    @abstractmethod
    async def _prove(self, needs: N) -> None:
        """Have the open link prove that, if it has not."""

    async def ready(self, needs: N | None = None) -> None:
        """An open link that has proved what the next command needs."""
        tries = self._asked
        while True:
            tries -= 1
            try:
                await self._connect()
                if needs is not None:
                    await self._prove(needs)
            except LinkError as error:
                await self._leave(error)
                if not tries or self._now() >= self._until:
                    raise Unreachable(str(error)) from error
            else:
                return

    async def _connect(self) -> None:
        if self._link is not None and self._link.connected:
            return
        if self._link is not None and self._bound:
            raise Unreachable(f"could not go on with {self._address}: the link broke")
        await self._leave(Unreachable("the link is lost") if self._context is not None else None)
        left_s = self._left(self._by(CONNECT_S))
        context = self._radio.connect(self._address, deadline_s=left_s, linger_s=LINGER_S)
        link = await context.__aenter__()
        self._context, self._link = context, link
        if self._settled.link is not link:
            self._settled.begin(link)
        await self._listen(link)

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
