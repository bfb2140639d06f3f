"""What goes wrong in a world, each kind by itself, at the rates its swarm gives.

A trouble is one coroutine that waits and does; all of them end with `heal`. Not here: what the
gateway should make of it (`judge`).
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from firmware_sims.faults import Fault
from gateway.housekeeping import Kept
from tests.simulation.broker import KEPT_BY_BRIDGE
from tests.simulation.disk import Cut
from tests.simulation.life import Ending
from tests.simulation.mishaps import WRITES, Mishaps, could_be_anybodys

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from random import Random

    from tests.simulation.radio import SimDoor
    from tests.simulation.world import World

HOUR = 3600.0
FORGETFUL = Kept(0, 2)
"""A month of a small site in the hours of a world: what the cloud has goes at the next look."""
ALL_WRITES = "set_*"


class Troubles:
    """`begin`, and `heal` for good."""

    def __init__(self, world: World, source: Callable[[str], Random]) -> None:
        """`source`: randomness by name."""
        self._world = world
        self._swarm = world.swarm
        self._rng = source("troubles")
        self._source = source
        self._tasks: list[asyncio.Task[None]] = []
        self._hurried = False

    def begin(self) -> None:
        swarm, world = self._swarm, self._world
        broker, air = world.broker, world.air
        broker.loss_up, broker.loss_down = swarm.loss_up, swarm.loss_down
        broker.duplicate, broker.reorder = swarm.duplicate, swarm.reorder
        broker.half_open = swarm.half_open
        broker.delay_s = (0.01, 0.01 + swarm.delay_s)
        air.loss_request, air.loss_answer = swarm.loss_request, swarm.loss_answer
        air.duplicate = swarm.duplicate_frames
        air.latency_s = (0.01, 0.02 + swarm.latency_s)
        for door in world.doors:
            self._arm(door)
        for rate, act in (
            (swarm.flaps_per_h, self._flap),
            (swarm.outages_per_h, self._outage),
            (swarm.amnesia_per_h, self._amnesia),
            (swarm.hostile_per_h, self._hostile),
            (swarm.away_per_h, self._away),
            (swarm.stick_per_h, self._stick),
            (swarm.jams_per_h, self._jam),
            (swarm.by_hand_per_h, self._by_hand),
            (swarm.foreign_per_h, self._foreign),
            (swarm.resets_per_h, self._reset),
            (swarm.cuts_per_h, self._cut),
            (swarm.kills_per_h, self._kill),
            (swarm.ntp_away_per_h, self._ntp_away),
            (swarm.ntp_lies_per_h, self._ntp_lies),
            (swarm.steps_per_h, self._step),
            (swarm.disk_full_per_h, self._disk_full),
            (swarm.replays_per_h, self._replay),
            (swarm.moves_per_h, self._move),
            (swarm.recodes_per_h, self._recode),
        ):
            if rate:
                self._spawn(self._often(rate, act))
        mishaps = Mishaps(world, self._spawn)
        for rate, mishap in (
            (swarm.dark_per_h, mishaps.dark),
            (swarm.keyed_per_h, mishaps.key_in),
            (swarm.rejoins_per_h, mishaps.rejoin),
            (swarm.worn_per_h, mishaps.wear),
            (swarm.stuffed_per_h, mishaps.stuff),
            (swarm.stood_in_per_h, mishaps.stand_in),
            (swarm.stolen_per_h, mishaps.steal),
            (swarm.clings_per_h, mishaps.cling),
            (swarm.mistakes_per_h, mishaps.mistake),
            (swarm.parcels_per_h, mishaps.parcel),
        ):
            if rate:
                self._spawn(self._by_itself(rate, mishap))
        if swarm.short_memory:
            world.site.kept = FORGETFUL
        if swarm.buried_s:
            world.cloud.buried_s = swarm.buried_s
        world.cloud.on_command = self._commanded
        if swarm.cut_at_order or swarm.cut_at_schedule:
            topics = world.cloud.topics
            chances = {
                topics.down("commands"): (swarm.cut_at_order, self._source("_delivered")),
                topics.down("desired"): (swarm.cut_at_schedule, self._source("_scheduled")),
            }
            broker.on_delivered = partial(self._delivered, chances)

    def heal(self) -> None:
        """Everything works from now on; what was damaged stays damaged."""
        for task in self._tasks:
            task.cancel()
        world = self._world
        world.cloud.on_command = lambda _command, _late_s: None
        broker, air, machine = world.broker, world.air, world.machine
        broker.on_delivered = lambda _topic: None
        broker.loss_up = broker.loss_down = broker.duplicate = broker.reorder = 0.0
        broker.half_open = 0.0
        broker.delay_s = (0.01, 0.05)
        broker.up = True
        air.loss_request = air.loss_answer = air.duplicate = 0.0
        air.latency_s = (0.01, 0.05)
        air.stick_up = True
        for door in world.doors:
            door.in_range = True
            door.faults.disarm()
            door.unjam()
        world.disk.full = False
        world.disk.cut_in = None
        machine.wrong_at_next_boot(None)
        machine.time_service(0.0)
        world.cloud.mend()
        world.good_again()

    def _arm(self, door: SimDoor) -> None:
        swarm = self._swarm
        for rate, fault, on in (
            (swarm.not_applied, Fault.NOT_APPLIED, WRITES),
            (swarm.deleted_later, Fault.DELETED_LATER, WRITES),
            (swarm.busy, Fault.BUSY, "*"),
            (swarm.masked, Fault.MASKED_READ, "get_pin_code"),
            (swarm.withheld, Fault.ANSWER_LOST, ALL_WRITES),
        ):
            if rate:
                door.faults.arm(fault=fault, on=on, rate=rate, count=None)

    async def _often(self, per_h: float, act: Callable[[], Coroutine[None, None, None]]) -> None:
        while True:
            await asyncio.sleep(self._rng.expovariate(per_h / HOUR))
            await act()

    async def _by_itself(
        self, per_h: float, act: Callable[[Random], Coroutine[None, None, None]]
    ) -> None:
        """As `_often`, with randomness of its own, so that it changes nothing of another."""
        rng = self._source(f"_{act.__name__}")
        while True:
            await asyncio.sleep(rng.expovariate(per_h / HOUR))
            await act(rng)

    def _spawn(self, coroutine: Coroutine[None, None, None]) -> None:
        self._tasks.append(asyncio.ensure_future(coroutine))

    # ── the link ────────────────────────────────────────────────────────────────────────

    async def _flap(self) -> None:
        self._world.broker.flap()

    async def _outage(self) -> None:
        broker = self._world.broker
        broker.up = False
        left_s = self._rng.expovariate(1 / self._swarm.outage_s)
        if self._swarm.blamed and self._rng.random() < 0.7:
            # "Have you tried turning it off and on again?"
            patience_s = left_s * self._rng.random()
            left_s -= patience_s
            await asyncio.sleep(patience_s)
            self._world.end_life(Ending.POWER, self._rng.uniform(2, 20))
        await asyncio.sleep(left_s)
        broker.up = True

    async def _amnesia(self) -> None:
        self._world.broker.amnesia()

    async def _hostile(self) -> None:
        """Now and then it is no malice: a schedule from which some are missing by mistake."""
        live = list(self._world.bookings.live)
        if live and self._rng.random() < 0.2:
            some = self._rng.sample(live, self._rng.randint(1, len(live)))
            self._world.cloud.lapse(some, self._rng.uniform(10, 900))
        else:
            self._world.cloud.misbehave()

    async def _replay(self) -> None:
        ago = self._rng.randint(1, KEPT_BY_BRIDGE)
        self._world.broker.replay(ago, self._rng.randint(1, ago))

    async def _recode(self) -> None:
        self._world.bookings.recode(self._rng)

    async def _move(self) -> None:
        self._world.bookings.leave(self._rng)

    # ── the air and the doors ───────────────────────────────────────────────────────────

    async def _away(self) -> None:
        door = self._rng.choice(self._world.doors)
        door.in_range = False
        self._world.range_changed(door)
        await asyncio.sleep(self._rng.expovariate(1 / self._swarm.away_s))
        door.in_range = True
        self._world.range_changed(door)

    async def _stick(self) -> None:
        self._world.stick(up=False)
        await asyncio.sleep(self._rng.expovariate(1 / 120.0))
        self._world.stick(up=True)

    async def _jam(self) -> None:
        door = self._rng.choice(self._world.doors)
        door.jam()
        await asyncio.sleep(self._rng.uniform(10, 900))
        door.unjam()

    async def _by_hand(self) -> None:
        """Somebody with the master code, or the reset button of one slot."""
        door = self._rng.choice(self._world.doors)
        slots = range(door.profile.first_slot, door.profile.last_slot + 1)
        if self._rng.random() < 0.6:
            slot, digits = self._rng.choice(slots), self._world.some_digits(self._rng)
            if not could_be_anybodys(self._world, door):
                door.set_by_hand(slot, digits)
        else:
            door.clear_by_hand(self._rng.choice(slots))

    async def _foreign(self) -> None:
        """Another controller on the same lock."""
        door = self._rng.choice(self._world.doors)
        slots = range(door.profile.first_slot, door.profile.last_slot + 1)
        slot, digits = self._rng.choice(slots), self._world.some_digits(self._rng)
        if self._rng.random() < 0.5:
            self._world.witness.foreign(lambda: door.foreign_write(slot, digits))
        else:
            self._world.witness.foreign(lambda: door.foreign_erase(slot))

    async def _reset(self) -> None:
        self._rng.choice(self._world.doors).factory_reset()

    # ── power, time, disk ───────────────────────────────────────────────────────────────

    async def _cut(self) -> None:
        off_s = self._rng.expovariate(1 / self._swarm.cut_s)
        if self._rng.random() < self._swarm.wrong_boot:
            self._world.machine.wrong_at_next_boot(self._swarm.wrong_boot_s)
        if self._rng.random() < self._swarm.cut_at_commit:
            cut = self._rng.choice(list(Cut))
            self._world.cut_in(self._rng.randint(1, 12), cut, off_s)
        else:
            self._world.end_life(Ending.POWER, off_s)

    def _commanded(self, command: dict[str, Any], late_s: float) -> None:
        swarm, draw = self._swarm, self._rng.random
        if swarm.cut_at_command and draw() < swarm.cut_at_command:
            self._spawn(self._cut_at_command(late_s))
        again = swarm.impatient and command["kind"] == "unlock" and not self._hurried
        if again and draw() < 0.5:
            self._hurried = True
            self._once_more(command["device_id"])
            self._hurried = False

    def _once_more(self, device_id: str) -> None:
        """The door does not open at once, and somebody presses the button of the app again."""
        until = int(self._world.true()) + self._rng.choice((10, 10, 30)) * 1000
        for _ in range(self._rng.randint(1, 8)):
            late_s = self._rng.uniform(0.5, 8)
            self._world.cloud.command(
                "unlock", device_id, not_after=until, fresh=True, late_s=late_s
            )

    async def _cut_at_command(self, late_s: float) -> None:
        """A strike that is let go draws on the gateway's own supply, or somebody presses the button
        of the rack as the door does not open at once: it is back seconds later."""
        await asyncio.sleep(late_s)
        if self._rng.random() < self._swarm.cut_at_commit:
            cut = self._rng.choice(list(Cut))
            self._world.cut_in(self._rng.randint(1, 4), cut, self._rng.uniform(1, 10))
            return
        await asyncio.sleep(self._rng.expovariate(1.0))
        if self._rng.random() < 0.5:
            self._world.end_life(Ending.POWER, self._rng.uniform(1, 10))
        else:
            await self._kill()

    def _delivered(self, chances: Mapping[str, tuple[float, Random]], topic: str) -> None:
        """The power goes while what was ordered is being written down, or just after."""
        chance, rng = chances.get(topic, (0.0, self._rng))
        if chance and rng.random() < chance:
            self._world.cut_in(rng.randint(1, 4), rng.choice(list(Cut)), rng.uniform(1, 10))

    async def _kill(self) -> None:
        self._world.end_life(Ending.KILLED, 0.0)

    async def _ntp_away(self) -> None:
        self._world.machine.time_service(None)
        await asyncio.sleep(self._rng.expovariate(1 / (2 * HOUR)))
        self._world.machine.time_service(0.0)

    async def _ntp_lies(self) -> None:
        self._world.machine.time_service(self._swarm.lie_s)
        await asyncio.sleep(self._rng.expovariate(1 / (HOUR / 2)))
        self._world.machine.time_service(0.0)

    async def _step(self) -> None:
        self._world.machine.step(self._swarm.step_s)

    async def _disk_full(self) -> None:
        self._world.disk_full(full=True)
        await asyncio.sleep(self._rng.expovariate(1 / 300.0))
        self._world.disk_full(full=False)
