"""Z-Wave locks in a house of their own, for the contract suite of drivers.

Here: what the suite asks of a house (`zigbee_house.House` answers the same), over the real radio,
the unmodified Z-Wave JS server and simulated firmware; opened when the first such lock is met. Not
here: any expectation.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Self

from firmware_sims.control.client import ControlClient
from gateway.drivers.catalog import lock_for_ccs
from gateway.drivers.zwave_lock.driver import ZwaveCodeLock
from tests.radios.zwave.zwave_house import SUPERVISED, ZONE, House, house, missing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from types import TracebackType

    from gateway.radios.api import RadioEvent

OPEN = {"wrong_code_limit": 0}
"""No keypad ends in a lockout: the wrong codes of all tests together are not one visitor's."""
LOCKS: Mapping[str, Mapping[str, Any]] = {
    "zwave": {**SUPERVISED, "overrides": {**SUPERVISED["overrides"], **OPEN}},
    "zwave-quiet": {"profile": "kwikset-620", "overrides": OPEN},
    "zwave-windows": {"profile": "zwave-deadbolt", "timezone": ZONE, "overrides": OPEN},
    "zwave-credentials": {"profile": "zwave-credentials", "overrides": OPEN},
    "zwave-kept-back": {
        "profile": "zwave-credentials",
        "overrides": {**OPEN, "skin": {"reads_back": False}},
    },
}
"""By name, as in a world file. Z-Wave JS uses no Supervision with the second; the last one never
shows a PIN."""
QUIET = ("zwave-quiet",)
CREDENTIALS = ("zwave-credentials", "zwave-kept-back")
"""They speak User Credential: reports answer every command, and a refusal without a word is
answered by none."""

__all__ = ["CREDENTIALS", "LOCKS", "QUIET", "ZwaveStreet", "missing"]


class ZwaveStreet:
    """The house behind it is opened once, and closed with this."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._stack = AsyncExitStack()
        self._home: House | None = None
        self._door: ControlClient | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    async def open(self) -> None:
        if self._home is None:
            home = await self._stack.enter_async_context(house(self._state, LOCKS))
            control = ControlClient(home.sim.control)
            self._door = await self._stack.enter_async_context(control)
            for name in LOCKS:
                await home.join(name)
            self._home = home

    @property
    def home(self) -> House:
        assert self._home is not None
        return self._home

    @property
    def door(self) -> ControlClient:
        assert self._door is not None
        return self._door

    @property
    def events(self) -> list[RadioEvent]:
        return self.home.events

    async def until(self, true: Callable[[], object]) -> None:
        await self.home.until(true)

    async def state(self, name: str) -> dict[str, Any]:
        """What the lock really holds."""
        found: dict[str, Any] = await self.door.call("state", device=name)
        return found

    def driver(self, name: str) -> ZwaveCodeLock:
        node_id = self.home.lock(name).radio.node_id
        node = self.home.node(f"{self.home.sim.network.home_id:08x}:{node_id}")
        driver = lock_for_ccs(node, self.home.radio, ZONE)
        assert isinstance(driver, ZwaveCodeLock)
        return driver
