"""Looking at a device for somebody who waits: its settings, its cards and fingers, its key holders.

It takes the device's lane and the air like everything that speaks, and changes nothing. Not here:
changes (`errands`), and what planning reads (`executor`).
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

import structlog

from gateway.domain.actions import Priority
from gateway.drivers.access import (
    CardStore,
    FingerprintStore,
    KeyHolders,
    MediumKind,
    SettingsKeeper,
)
from gateway.errors import GatewayError, RadioUnavailable, RequestError, Unreachable
from gateway.kit.tasks import wait_or_sleep

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from gateway.domain.ids import DeviceId
    from gateway.drivers.access import KeyHolder, Medium, Setting
    from gateway.drivers.api import Driver
    from gateway.kit.clock import Clock
    from gateway.radios.arbiter import Arbiter

log = structlog.get_logger()

DEADLINE_S = 40.0
"""For one conversation; a lock may list some hundred cards."""
PATIENCE_S = 100.0
"""For the lane's turn and the conversation together."""

T = TypeVar("T")


class Lanes(Protocol):
    """What asking needs of the scheduler."""

    def put(self, device_id: DeviceId, act: Callable[[Driver | None], Awaitable[None]]) -> bool:
        """Queue an act; False when there is no such device. None: nobody to speak to."""
        ...

    def driver(self, device_id: DeviceId) -> Driver | None:
        """Who can speak to the device now."""
        ...


class Asking:
    """Raises `RequestError` (`unsupported`) where a device has no such thing, before any radio is
    used, `RadioUnavailable`, and what speaking to a device raises."""

    def __init__(self, clock: Clock, arbiter: Arbiter, lanes: Lanes) -> None:
        self._clock = clock
        self._arbiter = arbiter
        self._lanes = lanes

    async def settings(self, device_id: DeviceId) -> Sequence[Setting]:
        driver = self._driver(device_id, "read its settings")
        if not isinstance(driver, SettingsKeeper):
            raise unsupported("read its settings", "has none that can be read")
        return await self._ask(device_id, partial(driver.read_settings, deadline_s=DEADLINE_S))

    async def media(self, device_id: DeviceId, kind: MediumKind) -> Sequence[Medium]:
        """What the lock holds, in its own order."""
        driver = self._driver(device_id, f"list its {kind.value}s")
        if kind is MediumKind.CARD:
            if not isinstance(driver, CardStore):
                raise unsupported("list its cards", "has no cards that can be listed")
            return await self._ask(device_id, partial(driver.list_cards, deadline_s=DEADLINE_S))
        if not isinstance(driver, FingerprintStore):
            raise unsupported("list its fingers", "has no fingers that can be listed")
        return await self._ask(device_id, partial(driver.list_fingerprints, deadline_s=DEADLINE_S))

    async def keys(self, device_id: DeviceId) -> Sequence[KeyHolder]:
        driver = self._driver(device_id, "list its keys")
        if not isinstance(driver, KeyHolders):
            raise unsupported("list its keys", "does not tell whom it obeys")
        return await self._ask(device_id, partial(driver.list_keys, deadline_s=DEADLINE_S))

    def _driver(self, device_id: DeviceId, what: str) -> Driver:
        driver = self._lanes.driver(device_id)
        if driver is None:
            raise RadioUnavailable(f"could not {what}: nobody can speak to it now")
        return driver

    async def _ask(self, device_id: DeviceId, question: Callable[[], Awaitable[T]]) -> T:
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        async def act(driver: Driver | None) -> None:
            if answer.done():
                return  # nobody waits for it any more
            if driver is None:
                _fail(answer, RadioUnavailable("could not ask it: nobody can speak to it now"))
                return
            try:
                async with self._arbiter.airtime(Priority.MOMENTARY):
                    found = await question()
            except asyncio.CancelledError:
                _fail(answer, Unreachable("could not ask the device: it was removed meanwhile"))
                raise
            except GatewayError as error:
                _fail(answer, error)
            except Exception as error:
                # Somebody waits for the answer: of a defect as well.
                log.exception("asking a device met a defect of ours", device=device_id)
                _fail(answer, RequestError(f"a defect of ours: {type(error).__name__}", "internal"))
            else:
                if not answer.done():
                    answer.set_result(found)

        if not self._lanes.put(device_id, act):
            raise RequestError(f"there is no device {device_id}", "unknown_device")
        done = asyncio.Event()
        answer.add_done_callback(lambda _: done.set())
        try:
            await wait_or_sleep(done, self._clock, PATIENCE_S)
            if not answer.done():
                raise Unreachable("could not ask the device: it is busy with something else")
            return await answer
        finally:
            if not answer.cancel() and not answer.cancelled():
                answer.exception()  # looked at, also where the caller has gone away


def unsupported(what: str, why: str) -> RequestError:
    return RequestError(f"could not {what}: this device {why}", "unsupported")


def _fail(answer: asyncio.Future[T], error: GatewayError) -> None:
    if not answer.done():
        answer.set_exception(error)
