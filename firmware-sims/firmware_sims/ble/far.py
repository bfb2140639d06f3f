"""Devices in the air of another process: each has a line to a controller there.

Here: carrying a world's devices over the door of a hub. Not here: the hub, which alone decides who
is heard where; its process keeps range and adapters.
"""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING, Any

from firmware_sims.ble.host import CarriedPeripheral
from firmware_sims.ble.stream import AddressError, open_line
from firmware_sims.simulated import WorldError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from firmware_sims.ble.stream import HciLine
    from firmware_sims.world import World


class FarPlace:
    """A place that is not ours to change; without power the line is cut."""

    def __init__(self, name: str, line: HciLine) -> None:
        self._name = name
        self._line = line

    @property
    def in_range(self) -> bool:
        return True

    @in_range.setter
    def in_range(self, here: bool) -> None:
        self._refuse()

    def set_in_range(self, here: bool, adapter: str | None = None) -> None:
        self._refuse()

    def set_rssi(self, dbm: int, adapter: str | None = None) -> None:
        self._refuse()

    def _refuse(self) -> None:
        raise WorldError(f"where {self._name!r} stands is known to the process of the air only")

    def set_powered(self, powered: bool) -> None:
        """The chip of a device that lost its power comes back with the process."""
        if not powered:
            self._line.close()

    def state(self) -> dict[str, Any]:
        return {"in_range": True}


@contextlib.asynccontextmanager
async def far_air(
    world: World, door: str, told: Callable[[str, bool], None]
) -> AsyncIterator[None]:
    """Carry a world's devices to the `door` of a hub until left; `WorldError` if nobody is there.

    `told` is called with a device's name, and True when a link begins, False when it ends.
    """
    async with contextlib.AsyncExitStack() as stack:
        for device in world.ble.values():
            try:
                line = await open_line(door, lambda: None)
            except (OSError, AddressError) as cause:
                raise WorldError(f"there is no air at {door}: {cause}") from cause
            stack.callback(line.close)
            carried = CarriedPeripheral(
                device.peripheral,
                line.source,
                line.sink,
                mtu=device.spec.mtu,
                told=partial(told, device.name),
            )
            stack.push_async_callback(carried.stop)
            device.place = FarPlace(device.name, line)
            await carried.start()
        yield
