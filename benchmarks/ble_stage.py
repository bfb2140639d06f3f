"""What the Bluetooth figures are measured on: one air, the daemon and a bare program in it.

Both are reached as people on site reach them, by HTTP over a unix socket. Not here: any figure.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import ClientSession, ClientTimeout, UnixConnector

from benchmarks.ble_doors import ADAPTERS, SLOTS, address_of, keys_of
from benchmarks.processes import WAIT_S, Usage, end, launch, until
from benchmarks.stage import Cloud, Daemon, Doors

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from firmware_sims.cloud.broker import Mosquitto

OURS, PLAIN = ADAPTERS
LOCKS = 10
"""For each program; those of the bare one come after those of the daemon."""

_BLUETOOTH = f"""\
[bluetooth]
enabled = true
adapters = ["{{}}"]
connections = {SLOTS}
backend = "firmware_sims.ble.bleak_backend:Backend"
"""


@dataclass(frozen=True, slots=True)
class Act:
    """A bolt that was drawn; `linked`: since when the lock had that link."""

    at: float
    lock: int
    linked: float


class BleDoors(Doors):
    """See `benchmarks.ble_doors` for what can be asked."""

    adapters: dict[str, str]

    async def ready(self) -> None:
        self.adapters = (await self._line())["adapters"]

    async def acts(self) -> list[Act]:
        return [Act(*each) for each in await self.ask("acts")]

    async def wait_free(self, lock: int | None = None) -> None:
        """Until nobody is connected to that lock, or to any."""
        async with asyncio.timeout(WAIT_S):
            while True:
                free = await self.ask("free")
                if all(free) if lock is None else free[lock]:
                    return
                await asyncio.sleep(0.05)


def ble_doors(
    folder: Path, name: str, locks: int, interval_s: float = 0.0
) -> AbstractAsyncContextManager[BleDoors]:
    log = folder / f"{name}-doors.log"
    return BleDoors.running(log, "benchmarks.ble_doors", locks, str(interval_s))


class Desk:
    """A program's socket for orders, one connection kept open."""

    def __init__(self, path: Path) -> None:
        self._session = ClientSession(
            "http://localhost", connector=UnixConnector(str(path)),
            timeout=ClientTimeout(total=WAIT_S),
        )  # fmt: skip

    async def post(self, path: str, **body: Any) -> Any:
        """The answer, or the last line of a stream."""
        async with self._session.post(path, json=body) as response:
            assert response.ok, await response.text()
            return json.loads((await response.text()).strip().splitlines()[-1])

    async def get(self, path: str) -> Any:
        async with self._session.get(path) as response:
            assert response.ok, await response.text()
            return await response.json()

    async def close(self) -> None:
        await self._session.close()


@dataclass(frozen=True, slots=True)
class BleBare:
    """The running bare program; see `benchmarks.ble_bare`."""

    usage: Usage
    desk: Desk

    async def unlock(self, lock: int) -> None:
        secret = keys_of(lock).to_secret().reveal()
        await self.desk.post("/unlock", device=address_of(lock), secret=secret)

    async def heard(self) -> dict[str, tuple[int, float]]:
        """By address, since last asked: how often, and the longest silence in seconds."""
        return {address: tuple(each) for address, each in (await self.desk.get("/heard")).items()}


@asynccontextmanager
async def ble_bare(folder: Path, adapter: str) -> AsyncIterator[BleBare]:
    socket = folder / "bare.sock"
    process = await launch(
        folder / "ble-bare.log", "benchmarks.ble_bare", adapter, str(socket), talks=True
    )
    desk = Desk(socket)
    try:
        assert process.stdout is not None
        async with asyncio.timeout(WAIT_S):
            assert await process.stdout.readline(), "the bare program has ended: see its log"
        yield BleBare(Usage(process.pid), desk)
    finally:
        await desk.close()
        await end(process)


@dataclass(slots=True)
class Street:
    """One air with twenty locks: ten are the daemon's, ten the bare program's."""

    doors: BleDoors
    bare: BleBare
    bare_rss_kb: int
    daemon: Daemon
    desk: Desk
    """The daemon's."""


@asynccontextmanager
async def street(folder: Path, broker: Mosquitto) -> AsyncIterator[Street]:
    """All locks of the daemon claimed and read; it runs with its stopwatch."""
    async with contextlib.AsyncExitStack() as stack:
        doors = await stack.enter_async_context(ble_doors(folder, "street", 2 * LOCKS))
        bare = await stack.enter_async_context(ble_bare(folder, doors.adapters[PLAIN]))
        await until_heard(bare, 2 * LOCKS)
        for lock in range(LOCKS, 2 * LOCKS):
            # It does not count its links, and an adapter has few.
            await doors.wait_free(max(LOCKS, lock - SLOTS // 2))
            await bare.unlock(lock)
        bare_rss_kb = bare.usage.rss_kb()
        cloud = await stack.enter_async_context(Cloud(broker))
        section = _BLUETOOTH.format(doors.adapters[OURS])
        daemon = Daemon(folder / "street-gateway", section, cloud, broker)
        stack.push_async_callback(daemon.stop)
        await daemon.start(timed=True)
        await until(daemon.socket.exists)
        desk = Desk(daemon.socket)
        stack.push_async_callback(desk.close)
        await _claim_all(daemon, desk)
        await doors.wait_free()
        await doors.acts()
        yield Street(doors, bare, bare_rss_kb, daemon, desk)


async def until_heard(bare: BleBare, locks: int) -> None:
    """Until the bare program has heard so many devices."""
    seen: set[str] = set()
    async with asyncio.timeout(WAIT_S):
        while len(seen) < locks:
            seen |= (await bare.heard()).keys()
            await asyncio.sleep(0.1)


async def _claim_all(daemon: Daemon, desk: Desk) -> None:
    heard = 0
    async with asyncio.timeout(WAIT_S):
        while heard < 2 * LOCKS:
            await asyncio.sleep(0.1)
            heard = len((await desk.get("/v1/bluetooth"))["devices"])
    for lock in range(LOCKS):
        told = await desk.post(
            "/v1/pair", address=address_of(lock), name=f"Door {lock}",
            secret=keys_of(lock).to_secret().reveal(),
        )  # fmt: skip
        assert told["stage"] == "ready", told
        daemon.device_ids.append(told["detail"])
    await daemon.cloud.until(lambda: len(daemon.cloud.devices) >= LOCKS, WAIT_S)
    await daemon.cloud.wait_online(WAIT_S)
