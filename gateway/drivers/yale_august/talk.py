"""One conversation through yalexs-ble, which connects by itself over a device that is lent to it.

Here: the library, its errors turned into ours, hanging up. Not here: what is said. It is imported
when the first lock is there. Its errors and its logs quote frames that may hold a PIN, so that
nothing of either goes any further.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING, Any

from gateway.drivers.yale_august.mapping import refusal_of
from gateway.errors import DeviceRefused, OutcomeUnknown, Refusal, Unreachable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

    from gateway.drivers.yale_august.keys import Keys
    from gateway.radios.gatt import GattRadio

ATTEMPTS = 3
HANG_UP_S = 5.0


class Talk:
    """`lock`: the library's. `heard` gathers the states that it tells beside its answers."""

    def __init__(self, address: str, keys: Keys, device: object, until: float) -> None:
        self.heard: list[Any] = []
        self._news = asyncio.Event()
        self._address = address
        self._until = until
        self.lock: Any = _library().Lock(
            lambda: device, keys.key.hex(), keys.slot, address, self._told
        )

    def _told(self, states: Iterable[Any]) -> None:
        self.heard += states
        self._news.set()

    async def open(self) -> None:
        """Connect and prove the key. Nothing is changed by it."""
        what = f"could not connect to {self._address}"
        library = _library()
        try:
            async with asyncio.timeout_at(self._until):
                await self.lock.connect(max_attempts=ATTEMPTS)
        except library.AuthError:
            raise DeviceRefused(
                f"{what}: it does not know this key in this slot; export it anew from the "
                "vendor's account",
                Refusal.NOT_AUTHORISED,
            ) from None
        except TimeoutError:
            raise Unreachable(f"{what}: no answer in time") from None
        except _troubles() as error:
            raise Unreachable(f"{what}: {_cause(error)}") from None

    async def ask(self, question: Callable[[], Awaitable[Any]]) -> Any:
        """It changes nothing: whatever goes wrong is `Unreachable`, or the lock's no."""
        return await self._do(question, Unreachable)

    async def order(self, act: Callable[[], Awaitable[Any]]) -> Any:
        """Once begun, whatever goes wrong but the lock's no is `OutcomeUnknown`."""
        if not self.lock.is_connected:
            raise Unreachable(f"could not speak to {self._address}: the link is lost")
        return await self._do(act, OutcomeUnknown)

    async def hear(self, kind: str, within_s: float) -> Any:
        """The next state of that type, told already or to come; None in time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while True:
                    for state in reversed(self.heard):
                        if type(state).__name__ == kind:
                            return state
                    self._news.clear()
                    await self._news.wait()
        return None

    async def _do(
        self,
        act: Callable[[], Awaitable[Any]],
        lost: type[Unreachable] | type[OutcomeUnknown],
    ) -> Any:
        library = _library()
        try:
            async with asyncio.timeout_at(self._until):
                return await act()
        except (library.OperationFailedError, library.KeycodeError) as error:
            refusal = refusal_of(error.error)
            raise DeviceRefused(f"{self._address} declines: {refusal.value}", refusal) from None
        except _troubles() as error:
            raise lost(f"could not tell what {self._address} did: {_cause(error)}") from None

    async def close(self) -> None:
        """The place that was lent goes back with the link: it has to be over."""
        with suppress(*_troubles()):
            async with asyncio.timeout(HANG_UP_S):
                await self.lock.disconnect()
        client = self.lock.client
        if client is not None and client.is_connected:
            with suppress(*_troubles()):
                async with asyncio.timeout(HANG_UP_S):
                    await client.disconnect()


@asynccontextmanager
async def talk(
    radio: GattRadio, address: str, keys: Keys, *, deadline_s: float
) -> AsyncIterator[Talk]:
    """Connected, and the key is proven. Raises `DeviceRefused`, or what a radio raises."""
    until = asyncio.get_running_loop().time() + deadline_s
    _library()
    async with radio.borrow(address, deadline_s=deadline_s) as device:
        conversation = Talk(address, keys, device, until)
        try:
            await conversation.open()
            yield conversation
        finally:
            await conversation.close()


@cache
def _library() -> Any:
    import yalexs_ble

    # At DEBUG and INFO it logs frames in clear, and what it warns of is told by us.
    logging.getLogger("yalexs_ble").setLevel(logging.CRITICAL)
    return yalexs_ble


def _cause(error: Exception) -> str:
    """Whose fault it is. The library's own words may quote what was exchanged."""
    kind = type(error).__name__
    if isinstance(error, (KeyError, AttributeError, AssertionError)):
        return f"the system's Bluetooth cannot be used for it ({kind})"
    if isinstance(error, ValueError):
        return f"its answer makes no sense ({kind})"
    return f"the link was lost or never came to be ({kind})"


@cache
def _troubles() -> tuple[type[Exception], ...]:
    """What bleak and the library raise when the air or the lock is at fault.

    `ValueError`: bytes of the lock that make no sense. `AttributeError`, `KeyError` and
    `AssertionError`: a bus that dies within a call (`radios.ble.plain` names the same for bleak).
    """
    import yalexs_ble.lock

    bleak_error: type[Exception] = yalexs_ble.lock.BleakError  # type: ignore[attr-defined]  # bleak itself is the radio's
    return (
        _library().YaleXSBLEError,
        bleak_error,
        OSError,
        EOFError,
        TimeoutError,
        ValueError,
        AssertionError,
        AttributeError,
        KeyError,
    )
