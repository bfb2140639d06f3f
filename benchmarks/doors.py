"""The simulated doors as a process that can say when a frame reached which lock.

`python -m benchmarks.doors LOCKS`: one JSON line when ready, then one line for each line read.
Times are the machine's monotonic clock, so that processes can compare them.
"""

from __future__ import annotations

import asyncio
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from benchmarks.processes import answer
from firmware_sims import profiles
from firmware_sims.running import RunningWorld, run_zigbee
from firmware_sims.world import AirSpec, NodeSpec, WorldSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

DOOR_LOCK = 0x0101
SLOTS = 30


class Doors:
    """What the benchmarks may ask, one method each."""

    def __init__(self, running: RunningWorld) -> None:
        self._running = running
        self._nodes = [running.network.nodes[name] for name in running.world.locks]

    def join(self) -> None:
        for node in self._nodes:
            node.start_joining()

    def frames(self) -> list[tuple[float, int, int, int]]:
        """Since last asked: when, the lock's number, the command, the first two bytes after it."""
        told = [
            (f.time, number, f.payload[2], int.from_bytes(f.payload[3:5], "little"))
            for number, node in enumerate(self._nodes)
            for f in node.frames_received
            if f.cluster == DOOR_LOCK and f.payload[0] & 1
        ]
        for node in self._nodes:
            node.frames_received.clear()
        return sorted(told)

    def quiet_s(self) -> float:
        """How long nothing was said to any lock."""
        last = [n.frames_received[-1].time for n in self._nodes if n.frames_received]
        return time.monotonic() - max(last, default=0.0)

    def codes(self) -> list[int]:
        """How many codes each lock holds."""
        return [len(lock.firmware.users.users) for lock in self._running.world.locks.values()]

    def clear(self) -> None:
        """Every code is gone, without a word."""
        for lock in self._running.world.locks.values():
            lock.firmware.users.users.clear()

    def set_by_hand(self, lock: int, slot: int, code: str) -> str:
        return str(self._lock(lock).firmware.keypad.set_code_by_hand(slot, code).value)

    def type_code(self, lock: int, code: str) -> tuple[float, bool]:
        """When the last key was pressed, and whether the door opened."""
        at = time.monotonic()
        return at, self._lock(lock).firmware.keypad.type_code(code).opened

    def slow(self, air_s: float, lock_s: float) -> None:
        """From now on: the air takes so long each way, a lock so long for a command."""
        for path in (self._running.network.air.down, self._running.network.air.up):
            path.latency_s = air_s
        for lock in self._running.world.locks.values():
            lock.firmware.profile = replace(lock.firmware.profile, command_time_s=lock_s)

    def _lock(self, number: int) -> Any:
        return self._running.world.locks[f"door-{number}"]


def ieee_of(number: int) -> int:
    return 0x000D6F000F100000 + number


def address_of(number: int) -> str:
    return ieee_of(number).to_bytes(8, "big").hex(":")


def world(locks: int) -> WorldSpec:
    """Locks without schedules and without delay: what remains is the programs' own time."""
    profile = profiles.load("kwikset-smartcode").with_overrides({"slots": SLOTS})
    nodes = (NodeSpec(f"door-{number}", profile, ieee_of(number)) for number in range(locks))
    return WorldSpec(tuple(nodes), air=AirSpec(0.0))


async def run(locks: int) -> None:
    async with run_zigbee(world(locks)) as running:
        await answer(Doors(running), {"radio": running.radio})


def main(arguments: Sequence[str]) -> None:
    asyncio.run(run(int(arguments[0])))


if __name__ == "__main__":
    main(sys.argv[1:])
