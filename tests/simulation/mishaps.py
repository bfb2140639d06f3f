"""What happens to a house besides, each kind by itself, with randomness of its own.

A mishap is a coroutine function of the world; how often it happens is the swarm's. Troubles with
randomness in common, and the end of all of it, are in `troubles`. `asyncio.sleep` is virtual time:
the loop of the world jumps to whatever is due next (`loop`). Not here: what the gateway should make
of it (`judge`).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from firmware_sims.faults import Fault
from tests.simulation.life import Ending

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from random import Random

    from tests.simulation.radio import SimDoor
    from tests.simulation.world import World

WRITES = "set_pin_code"
ERASES = "clear_pin_code"
SPARED_SLOTS = 3
"""A landlord who knows that the slots are few leaves some."""


class Mishaps:
    """`spawn`: to let something go on by itself until the troubles are over."""

    def __init__(self, world: World, spawn: Callable[[Coroutine[None, None, None]], None]) -> None:
        self._world = world
        self._spawn = spawn

    # ── orders ──────────────────────────────────────────────────────────────────────────

    async def steal(self, rng: Random) -> None:
        self._world.bookings.steal(rng)

    async def mistake(self, rng: Random) -> None:
        """Somebody clears away the wrong ones, is asked whether that is meant, and mends it."""
        names = self._world.bookings.open_now()
        if len(names) > 1:
            some = rng.sample(names, rng.randint(2, len(names)))
            self._world.cloud.mistake(some, rng.uniform(60, 900))

    async def parcel(self, rng: Random) -> None:
        parcel = self._world.bookings.parcel(rng)
        self._spawn(self._courier(parcel, rng))

    async def _courier(self, parcel: dict[str, Any], rng: Random) -> None:
        """Comes again and again, also when the code is used up."""
        world = self._world
        doors = [door for door in world.doors if world.witness.device(door) in parcel["devices"]]
        await asyncio.sleep(rng.uniform(300, 600))
        while True:
            door = rng.choice(doors)
            if world.witness.typed(door, parcel["secret"]["digits"]):
                await asyncio.sleep(rng.uniform(2, 30))
                door.shut()
            await asyncio.sleep(rng.uniform(60, 900))

    # ── the doors ───────────────────────────────────────────────────────────────────────

    async def key_in(self, rng: Random) -> None:
        """The landlord gives somebody a code at the keypad, in the first slot that is free; as
        likely as not because the gateway cannot do it now."""
        door = rng.choice(self._world.doors)
        if rng.random() < 0.5:
            while self._world.alive and door.in_range:  # noqa: ASYNC110 - looking is free
                await asyncio.sleep(30)
        taken = door.codes()
        slots = range(door.profile.first_slot, door.profile.last_slot + 1)
        free = [slot for slot in slots if slot not in taken]
        if len(free) > SPARED_SLOTS:
            digits = "".join(rng.choice("0123456789") for _ in range(6))
            if not could_be_anybodys(self._world, door):
                door.set_by_hand(free[0], digits)

    async def stand_in(self, rng: Random) -> None:
        """Somebody waits before a lock that the gateway cannot reach, and the landlord keys in a
        code, in one of the first slots that are free; soon after it can be reached again.

        Not where digits cannot be read back: what stands in a slot that was about to be written
        when the power failed can be anybody's there (ARCHITECTURE.md, *Known limits*)."""
        door = rng.choice(self._world.doors)
        if not door.in_range or not door.profile.send_pin_over_the_air:
            return
        door.in_range = False
        self._world.range_changed(door)
        await asyncio.sleep(rng.uniform(5, 120))
        taken = door.codes()
        free = [slot for slot in self._world.witness.usable(door) if slot not in taken]
        if len(free) > SPARED_SLOTS:
            digits = "".join(rng.choice("0123456789") for _ in range(6))
            door.set_by_hand(free[rng.choice((0, 0, 1))], digits)
        await asyncio.sleep(rng.uniform(60, 900))
        door.in_range = True
        self._world.range_changed(door)

    async def rejoin(self, rng: Random) -> None:
        """A lock is reset to how it left the factory, and admitted anew when somebody notices."""
        door = rng.choice(self._world.doors)
        if door.joined:
            door.factory_reset(leaves_network=True)
            self._world.range_changed(door)
            await asyncio.sleep(rng.uniform(60, 900))
            await self._world.admit(door)

    async def wear(self, rng: Random) -> None:
        """A lock says yes to every code and stores none, until somebody sees to it."""
        door = rng.choice(self._world.doors)
        armed = door.faults.arm(fault=Fault.NOT_APPLIED, on=WRITES, rate=1.0, count=None)
        await asyncio.sleep(rng.uniform(600, 3600))
        door.faults.disarm(armed.number)

    async def cling(self, rng: Random) -> None:
        """A lock says yes to every erase and keeps the code, until somebody sees to it."""
        door = rng.choice(self._world.doors)
        armed = door.faults.arm(fault=Fault.NOT_APPLIED, on=ERASES, rate=1.0, count=None)
        await asyncio.sleep(rng.uniform(300, 2400))
        door.faults.disarm(armed.number)

    # ── power and disk ──────────────────────────────────────────────────────────────────

    async def dark(self, rng: Random) -> None:
        """The power of the building fails; the gateway is back long before the network is."""
        world, swarm = self._world, self._world.swarm
        off_s = rng.expovariate(1 / swarm.cut_s)
        world.machine.time_service(None)
        world.broker.up = False
        if swarm.guess_s:
            world.machine.wrong_at_next_boot(swarm.guess_s)
        world.end_life(Ending.POWER, off_s)
        await asyncio.sleep(off_s + rng.expovariate(1 / swarm.dark_s))
        world.machine.time_service(0.0)
        world.broker.up = True

    async def stuff(self, rng: Random) -> None:
        """Something fills the disk, and it stays so until somebody comes."""
        self._world.disk_full(full=True)
        await asyncio.sleep(rng.uniform(600, 5400))
        self._world.disk_full(full=False)


def could_be_anybodys(world: World, door: SimDoor) -> bool:
    """What is keyed in now, where the gateway was about to write when it lost the power or the
    lock: digits that cannot be read back (ARCHITECTURE.md, *Known limits*)."""
    reached = world.alive and door.in_range and world.air.stick_up
    return not reached and not door.profile.send_pin_over_the_air
