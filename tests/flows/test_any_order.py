"""Anything in any order: orders, edits, faults, restarts and hands at the lock, drawn by lot.

What is asked afterwards is asked of the lock: when all is well again, every code that is wanted
opens, none that is not does, nobody else's code was touched, and every command has its answer.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from gateway.domain.grants import GrantState
from gateway.domain.ids import DeviceId
from gateway.domain.windows import Always, Timed, span_from
from gateway.drivers.api import SlotChange, SlotChanged
from gateway.radios.api import RadioStatus
from gateway.store import reported
from tests.flows.world import Code, World, world

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from gateway.domain.windows import Window
    from tests.flows.sim_lock import SimLock

STEPS = 30
FAULTS = (
    ("program", "answer_lost"), ("program", "not_done"), ("program", "not_delivered"),
    ("program", "ack_only"), ("program", "say:busy"), ("program", "defect"),
    ("reschedule", "answer_lost"), ("reschedule", "say:failed"),
    ("erase", "answer_lost"), ("erase", "not_done"), ("erase", "not_delivered"),
    ("erase", "say:not_authorised"), ("erase", "say:busy"), ("erase", "defect"),
    ("read", "not_delivered"), ("read", "say:failed"), ("read", "not_done"), ("read", "defect"),
)  # fmt: skip


@dataclass
class Order:
    digits: str
    window: Window
    version: int = 1
    suspended: bool = False


@dataclass
class Monkey:
    house: World
    lock: SimLock
    lot: random.Random
    wanted: dict[str, Order] = field(default_factory=dict)
    by_hand: dict[int, str] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)
    names: int = 0

    def window(self) -> Window:
        at = self.house.at
        first = self.lot.choice([-3600, 0, 200, 4000, 90_000])
        last = first + self.lot.choice([60, 600, 7200, 200_000])
        return Always() if self.lot.random() < 0.3 else Timed(at(first), at(last))

    def digits(self) -> str:
        self.names += 1
        return f"{self.lot.randrange(10**5):05d}{self.names:03d}"

    async def send(self, name: str) -> None:
        order = self.wanted[name]
        await self.house.want(
            name, order.digits, order.window, version=order.version, suspended=order.suspended
        )

    async def add(self) -> None:
        digits = self.digits()
        name = f"c{self.names}"
        self.wanted[name] = Order(digits, self.window())
        await self.send(name)

    async def edit(self) -> None:
        if not self.wanted:
            return
        name = self.lot.choice(sorted(self.wanted))
        order = self.wanted[name]
        order.version += 1
        match self.lot.randrange(4):
            case 0:
                order.digits = self.digits()
            case 1:
                order.window = self.window()
            case 2:
                order.digits, order.window = self.digits(), self.window()
            case _:
                order.suspended = not order.suspended
        await self.send(name)

    async def revoke(self) -> None:
        if self.wanted:
            name = self.lot.choice(sorted(self.wanted))
            del self.wanted[name]
            await self.house.revoke(name)

    async def fault(self) -> None:
        self.lock.faults.extend(self.lot.choices(FAULTS, k=self.lot.randrange(1, 4)))

    async def silence(self) -> None:
        self.lock.unreachable = not self.lock.unreachable
        if not self.lock.unreachable:
            self.house.hear()

    async def radio(self) -> None:
        up = self.house.radio.state.status is RadioStatus.UP
        self.house.radio_is(RadioStatus.DOWN if up else RadioStatus.UP)

    async def restart(self) -> None:
        for _ in range(self.lot.randrange(30)):
            await self.house.turn()
        await self.house.restart()

    async def rejoin(self) -> None:
        self.house.leave()
        self.house.rejoin()

    async def echo(self) -> None:
        """Of our own last write, under a wrong source."""
        writes = [s for s in self.lock.spoken if s.what in {"program", "erase"}]
        if writes and (self.house.clock.now() - writes[-1].at) < 5000:
            change = SlotChange.ADDED if writes[-1].what == "program" else SlotChange.REMOVED
            self.house.ring(SlotChanged(writes[-1].slot, change, at_lock=True))

    async def hand(self) -> None:
        """Somebody keys a code into the lock, which does not always say so.

        Not where a write of ours is in doubt, nor where codes cannot be read: what stands in such
        a slot passes for ours, because a code of ours that nobody tracks would be worse.
        """
        if self.lock.masked:
            return
        stored = await self.house.store.fetch(reported.slots_for(DeviceId("dev_1")))
        taken = {*self.lock.holds, *(slot.number for slot in stored if slot.owner is not None)}
        free = [n for n in range(1, self.lock.slots + 1) if n not in taken]
        if free and len(self.by_hand) < 3:
            slot, digits = self.lot.choice(free), self.digits()
            self.lock.holds[slot] = Code(digits)
            self.by_hand[slot] = digits
            if self.lot.random() < 0.5:
                self.house.ring(SlotChanged(slot, SlotChange.ADDED, at_lock=True))

    async def unlock(self) -> None:
        name = f"k{len(self.commands)}"
        self.commands.append(name)
        await self.house.command(name, "unlock", not_after=self.house.at(30))

    async def wait(self) -> None:
        await self.house.advance(self.lot.choice([0.5, 3, 12, 70, 400, 4000]))

    async def play(self) -> None:
        moves: list[Callable[[], Awaitable[None]]] = [
            self.add, self.add, self.edit, self.edit, self.revoke, self.fault, self.fault,
            self.silence, self.radio, self.restart, self.rejoin, self.echo, self.hand, self.unlock,
            self.wait, self.wait, self.wait, self.wait,
        ]  # fmt: skip
        for _ in range(STEPS):
            await self.lot.choice(moves)()

    async def heal(self) -> None:
        self.lock.faults.clear()
        self.lock.unreachable = False
        if self.house.radio.state.status is not RadioStatus.UP:
            self.house.radio_is(RadioStatus.UP)
        self.house.hear()
        await self.house.advance(2 * 86_400)


async def check(monkey: Monkey) -> None:
    house, lock = monkey.house, monkey.lock
    now = house.clock.now()
    for slot, digits in monkey.by_hand.items():
        assert lock.holds.get(slot) == Code(digits), "a code put by hand was touched"
    ours = {n: code.digits for n, code in lock.holds.items() if n not in monkey.by_hand}
    allowed = {}
    for name, order in monkey.wanted.items():
        span = span_from(order.window, now)
        row = await house.grant(name)
        early = span is not None and span.opens_at is not None and span.opens_at - now > 300_000
        if span is not None and not order.suspended:
            allowed[order.digits] = name
        if span is None or order.suspended or early:
            continue
        if row.state in {GrantState.REJECTED, GrantState.REMOVED_EXTERNALLY}:
            continue  # said aloud
        if row.reason == "no_free_slot":
            assert len(lock.holds) == lock.slots
            continue
        assert order.digits in ours.values(), (name, row.state, row.reason)
        assert row.state in {GrantState.ACTIVE, GrantState.PROGRAMMED}
        assert lock.opens(order.digits) == span.holds(now) or not lock.keeps_windows
    strays = set(ours.values()) - set(allowed)
    assert not strays, "a code is on the lock that nobody wants there"
    assert lock.opened <= len(monkey.commands)
    for name in monkey.commands:
        assert await house.result(name) is not None, "a command without an answer"


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("seed", range(8))
async def test_whatever_happened_the_lock_ends_as_it_is_wanted(
    tmp_path: Path, seed: int, masked: bool
) -> None:
    lot = random.Random(seed * 2 + masked)
    async with world(tmp_path) as house:
        lock = house.add_lock(
            slots=lot.choice([4, 10]),
            keeps_windows=lot.random() < 0.5,
            sleepy=lot.random() < 0.3,
            masked=masked,
            delay_s=lot.choice([0.0, 2.0]),
        )
        await house.start()
        if lock.keeps_windows:
            await house.prove_windows()
        await house.advance(60)
        monkey = Monkey(house, lock, lot)
        await monkey.play()
        await monkey.heal()
        await check(monkey)
