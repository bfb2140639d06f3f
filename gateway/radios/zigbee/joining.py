"""Adding one node to the network, and removing one.

At most one order at a time, at most 180 s. A node that joins meanwhile but was not ordered is
sent away again. zigpy cannot rotate the network key, so a join under the well-known key only
flags the node, and says that the key should be changed.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gateway.errors import LinkError, RadioBusy, RadioError, RadioRefused
from gateway.radios.api import JoinProgress, JoinStage
from gateway.radios.zigbee.plain import translated

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from gateway.kit.clock import Clock
    from gateway.radios.api import JoinOrder
    from gateway.radios.zigbee.register import Register
    from gateway.radios.zigbee.stack import Application

LONGEST_S = 180
TICK_S = 1.0
"""How often progress is told while nothing happens."""

WELL_KNOWN_NOTICE = (
    "joined under the well-known key: whoever listened has the network key. This radio cannot "
    "rotate it; form the network anew when all nodes have install codes"
)


class Joining:
    """Hears of joins from the radio and tells them to whoever ordered one.

    `application()` gives the one in use or raises `RadioUnavailable`.
    """

    def __init__(
        self,
        clock: Clock,
        register: Register,
        application: Callable[[], Application],
    ) -> None:
        self._clock = clock
        self._register = register
        self._application = application
        self._order: JoinOrder | None = None
        self._wanted: str | None = None
        self._known: frozenset[str] = frozenset()
        self._news: asyncio.Queue[JoinProgress] = asyncio.Queue()

    # ── what the radio tells ────────────────────────────────────────────────────────────────

    def found(self, address: str) -> bool:
        """A node has joined or come back. False when it is to be sent away."""
        if self._order is None or (address in self._known and address != self._wanted):
            return address not in self._register.forgotten
        if self._wanted not in (None, address):
            return False
        self._wanted = address
        self._register.joined(address, well_known_key=self._order.install_code is None)
        self._news.put_nowait(JoinProgress(JoinStage.FOUND, 0, address))
        self._news.put_nowait(JoinProgress(JoinStage.INTERVIEWING, 0, address))
        return True

    def ready(self, address: str) -> None:
        if self._is_awaited(address):
            under_well_known = address in self._register.well_known
            detail = WELL_KNOWN_NOTICE if under_well_known else ""
            self._news.put_nowait(JoinProgress(JoinStage.READY, 0, address, detail))

    def failed(self, address: str) -> None:
        if self._is_awaited(address):
            self._news.put_nowait(
                JoinProgress(JoinStage.FAILED, 0, address, "it did not answer the interview")
            )

    def interrupted(self) -> None:
        """The radio went down."""
        self._news.put_nowait(JoinProgress(JoinStage.FAILED, 0, None, "the radio went away"))

    def _is_awaited(self, address: str) -> bool:
        return self._order is not None and address == self._wanted

    # ── what is ordered ─────────────────────────────────────────────────────────────────────

    async def open(self, order: JoinOrder, known: frozenset[str]) -> AsyncIterator[JoinProgress]:
        _check(order)
        if self._order is not None:
            raise RadioBusy("could not open the network: another join is under way")
        application = self._application()
        self._order, self._known = order, known
        self._wanted = order.address.lower() if order.address else None
        self._news = asyncio.Queue()
        seconds = max(1, min(order.duration_s, LONGEST_S))
        try:
            with translated("open the network", changes=False):
                if order.install_code is not None and self._wanted is not None:
                    await _admit(application, self._wanted, order.install_code, seconds)
                else:
                    await application.admit_anyone(seconds)
            async for progress in self._follow(seconds):
                yield progress
        finally:
            self._order = self._wanted = None
            try:
                with translated("close the network", changes=False):
                    await self._application().permit(0)
            except (RadioError, LinkError):
                pass  # the stick is gone: it closes by its own timer and at every start

    async def _follow(self, seconds: int) -> AsyncIterator[JoinProgress]:
        until = self._clock.monotonic() + seconds
        progress = JoinProgress(JoinStage.OPEN, seconds, self._wanted)
        yield progress
        while (left := until - self._clock.monotonic()) > 0:
            try:
                async with asyncio.timeout(min(left, TICK_S)):
                    progress = await self._news.get()
            except TimeoutError:
                pass  # nothing new: the same stage again, with less time
            left = max(0.0, until - self._clock.monotonic())
            yield JoinProgress(progress.stage, left, progress.address, progress.detail)
            if progress.stage in (JoinStage.READY, JoinStage.FAILED):
                return
        yield JoinProgress(JoinStage.CLOSED, 0, self._wanted, "nothing joined in time")


def _check(order: JoinOrder) -> None:
    if order.install_code is None:
        if not order.allow_well_known_key:
            raise RadioRefused(
                "could not open the network: no install code, and the well-known key was not chosen"
            )
    elif order.address is None:
        raise RadioRefused("could not open the network: an install code belongs to one address")


async def _admit(application: Application, address: str, code: bytes, seconds: int) -> None:
    try:
        await application.admit(address, code, seconds)
    except ValueError:
        # The library's message repeats the code.
        raise RadioRefused(
            "could not open the network: the install code or the address is mistyped"
        ) from None
