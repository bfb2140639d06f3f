"""Figures of Z-Wave: from an order to the frame at the stick, memory of both processes of ours.

Both programs have a Z-Wave JS server of their own, the same version; what is compared is what is
above it, and what it keeps because of that.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from benchmarks.latency import REST_S, Span, figures
from benchmarks.locks import ALWAYS, CODES, all_active, credential
from benchmarks.report import Figure
from benchmarks.zwave_stage import LOCKS

if TYPE_CHECKING:
    from benchmarks.zwave_stage import Mesh, ZwaveDoors

CODES_WAIT_S = 600.0
SERVER = "@zwave-js/server"


async def command(mesh: Mesh, count: int) -> list[Figure]:
    """MQTT order to the frame of `DoorLock.set`, turn by turn with the bare program."""
    ours: list[Span] = []
    plain: list[float] = []
    for turn in range(count):
        lock = turn % LOCKS
        at = time.monotonic()
        result = await mesh.daemon.cloud.command("unlock", mesh.daemon.device_ids[lock])
        assert result["result"]["outcome"] == "confirmed", result
        ours.append((at, await _frame(mesh.ours, lock)))
        at = await mesh.bare.order("unlock", node=mesh.nodes[lock])
        plain.append(await _frame(mesh.plain, lock) - at)
    return figures(
        "order → frame at the Z-Wave stick", ours, plain, await mesh.daemon.commits(),
        syncs=2, factor=1.3,
    )  # fmt: skip


async def _frame(doors: ZwaveDoors, lock: int) -> float:
    """When the stick had the only one since last asked that drew a bolt."""
    await asyncio.sleep(REST_S)
    ((at, moved),) = await doors.acts()
    assert moved == lock
    return at


async def memory(mesh: Mesh) -> list[Figure]:
    """Resident memory once every lock holds its codes, from here on without the stopwatch."""
    await mesh.daemon.stop()
    await mesh.daemon.ensure()
    devices, before = mesh.daemon.device_ids, await mesh.ours.ask("codes")
    batch = [credential(n, devices[n // CODES], ALWAYS) for n in range(len(devices) * CODES)]
    began = time.monotonic()
    mesh.daemon.cloud.push(batch)
    await all_active(mesh.daemon, batch, CODES_WAIT_S)
    took = time.monotonic() - began
    digits = [each["secret"]["digits"] for each in batch]
    for lock, node in enumerate(mesh.nodes):
        mine = digits[lock * CODES : (lock + 1) * CODES]
        await mesh.bare.order("program", node=node, codes=list(enumerate(mine, start=1)))
    for doors, held in ((mesh.ours, before), (mesh.plain, [0] * LOCKS)):
        after = await doors.ask("codes")
        assert after == [number + CODES for number in held], after
    what = f"{LOCKS} Z-Wave locks × {CODES} codes"
    return [
        Figure(
            f"resident memory, {what}", mesh.daemon.usage.rss_kb() / 1024, "MB", 1.6,
            mesh.bare.usage.rss_kb() / 1024, relative=True, note=f"programmed in {took:.0f} s",
        ),
        Figure(
            f"resident memory of the Z-Wave JS server, {what}",
            mesh.daemon.usage.child(SERVER).rss_kb() / 1024, "MB", 1.3,
            mesh.bare.server.rss_kb() / 1024, relative=True,
            note="beside that of the bare program, which has written and read the same codes",
        ),
    ]  # fmt: skip
