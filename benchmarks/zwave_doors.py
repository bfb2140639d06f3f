"""Simulated Z-Wave locks as a process that can say when the stick was given which frame.

`python -m benchmarks.zwave_doors LOCKS`: a JSON line when ready, then one for each line read. Times
are the machine's monotonic clock, so that processes can compare them; they are taken when the air's
own process has told of a frame, some tenths of a millisecond after the stick had it.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING

from benchmarks.processes import answer
from firmware_sims import profiles
from firmware_sims.world import WorldSpec
from firmware_sims.zwave.running import RunningZwave, run_zwave
from firmware_sims.zwave.spec import ZwaveAirSpec, ZwaveSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firmware_sims.journal import Entry

SLOTS = 30


class ZwaveDoors:
    """What the benchmarks may ask, one method each."""

    def __init__(self, running: RunningZwave) -> None:
        self._locks = list(running.world.zwave.values())
        self._numbers = {lock.name: number for number, lock in enumerate(self._locks)}
        self._frames: dict[int, float] = {}
        self._acts: list[tuple[float, int]] = []
        running.network.heard = self._heard
        running.world.journal.subscribe(self._happened)

    def _heard(self, node_id: int, _at_ms: float) -> None:
        self._frames[node_id] = time.monotonic()

    def _happened(self, entry: Entry) -> None:
        """The frame before a bolt moved is the one that moved it: the host waits for the lock to
        say how it ended a supervised order, before it says anything else to it."""
        if entry["kind"] == "unlocked":
            number = self._numbers[entry["device"]]
            node_id = self._locks[number].radio.node_id
            self._acts.append((self._frames[node_id or 0], number))

    def labels(self) -> list[str]:
        """The text of each lock's QR code."""
        return [lock.label.qr_code for lock in self._locks]

    def announce(self, lock: int) -> None:
        """Offer itself, as one does that was just given its batteries."""
        radio = self._locks[lock].radio
        radio.primes = True
        radio.update()

    def acts(self) -> list[tuple[float, int]]:
        """Since last asked: when the stick had the frame that drew a bolt, and of which lock."""
        told, self._acts = self._acts, []
        return told

    def quiet_s(self) -> float:
        """How long nothing was said to any lock."""
        return time.monotonic() - max(self._frames.values(), default=0.0)

    def codes(self) -> list[int]:
        """How many codes each lock holds."""
        return [len(lock.firmware.users.users) for lock in self._locks]


def world(locks: int) -> WorldSpec:
    """Locks that Z-Wave JS supervises, and that take no time: what remains is the programs' own.

    As a model it does not know: with the HC620 itself it does without supervision.
    """
    overrides = {"slots": SLOTS, "skin": {"product_id": 0x7777}}
    profile = profiles.load("kwikset-620").with_overrides(overrides)
    doors = (ZwaveSpec(f"door-{number}", profile) for number in range(locks))
    return WorldSpec((), zwave=tuple(doors), zwave_air=ZwaveAirSpec(air_s=0.0))


async def run(locks: int) -> None:
    async with run_zwave(world(locks)) as running:
        await answer(ZwaveDoors(running), {"radio": running.serial})


def main(arguments: Sequence[str]) -> None:
    asyncio.run(run(int(arguments[0])))


if __name__ == "__main__":
    main(sys.argv[1:])
