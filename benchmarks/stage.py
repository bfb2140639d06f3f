"""What the figures are measured on: doors, a bare program and the daemon as processes of their own.

Everything lives in one temporary directory and on loopback. Not here: any figure.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import signal
import time
from array import array
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any, Self

from benchmarks.doors import address_of
from benchmarks.processes import WAIT_S, Usage, end, launch, until
from firmware_sims.cloud.reference import Json, ReferenceCloud
from firmware_sims.cloud.wire import Wire

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from firmware_sims.cloud.broker import Mosquitto

GATEWAY = "bench"
QUIET_S = 1.0

_CONFIG = """\
[gateway]
id = "{gateway}"
site_zone = "Europe/Zurich"
state_dir = "{folder}/state"
[broker]
host = "{host}"
port = {port}
accept_unsigned = true
reconnect_min_s = 0.2
reconnect_max_s = 2.0
{radio}
[local]
socket = "{folder}/api.sock"
[policy]
lead_s = 0
[time]
trust = "assume"
[logs]
format = "json"
"""
_ZIGBEE = """\
[zigbee]
enabled = true
device = "{}"
channel = 15
"""


# ── processes ───────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Frame:
    """A command of the Door Lock cluster that reached a lock; `user`: its first two bytes."""

    at: float
    lock: int
    command: int
    user: int


class Doors:
    """A world of simulated locks; see `benchmarks.doors` for what can be asked."""

    def __init__(self, process: Process, locks: int) -> None:
        self.locks = locks
        self.radio = ""
        self._process = process
        self._turn = asyncio.Lock()

    async def ask(self, op: str, **arguments: Any) -> Any:
        assert self._process.stdin is not None
        async with self._turn:
            self._process.stdin.write(json.dumps({"op": op, **arguments}).encode() + b"\n")
            return await self._line()

    async def frames(self) -> list[Frame]:
        return [Frame(*each) for each in await self.ask("frames")]

    async def settle(self, quiet_s: float = QUIET_S) -> None:
        """Until nobody has spoken to a lock for a while."""
        async with asyncio.timeout(WAIT_S):
            while await self.ask("quiet_s") < quiet_s:  # noqa: ASYNC110 - it is another process
                await asyncio.sleep(0.1)

    async def ready(self) -> None:
        self.radio = (await self._line())["radio"]

    async def _line(self) -> Any:
        assert self._process.stdout is not None
        async with asyncio.timeout(WAIT_S):
            return json.loads(await self._process.stdout.readline())

    @classmethod
    @asynccontextmanager
    async def running(
        cls, log: Path, module: str, locks: int, *arguments: str
    ) -> AsyncIterator[Self]:
        """A process of a module that makes such a world."""
        process = await launch(log, module, str(locks), *arguments, talks=True)
        try:
            made = cls(process, locks)
            await made.ready()
            yield made
        finally:
            await end(process)


def doors(folder: Path, name: str, locks: int) -> AbstractAsyncContextManager[Doors]:
    return Doors.running(folder / f"{name}-doors.log", "benchmarks.doors", locks)


class Bare:
    """A running bare program. `heard` is called with the time and the message."""

    def __init__(self, process: Process, port: int, name: str) -> None:
        self.usage = Usage(process.pid)
        self.open_s = 0.0
        self.heard: Callable[[float, Json], None] = lambda at, message: None
        self.joined: set[str] = set()
        self._wire = Wire(
            "127.0.0.1", port, f"bench-{name}", f"bare/{name}/up", self._received, Random(0)
        )
        self._down = f"bare/{name}/dn"
        self._done: dict[int, asyncio.Event] = {}
        self._ready = asyncio.Event()
        self._next = 0

    async def order(self, op: str, **arguments: Any) -> float:
        """Send an order and wait until it is carried out; when it was sent."""
        self._next += 1
        done = self._done[self._next] = asyncio.Event()
        at = time.monotonic()
        order = {"op": op, "id": self._next, **arguments}
        self._wire.send(self._down, json.dumps(order).encode())
        async with asyncio.timeout(WAIT_S):
            await done.wait()
        return at

    async def open(self) -> None:
        await self._wire.open()

    async def ready(self) -> None:
        async with asyncio.timeout(WAIT_S):
            await self._ready.wait()

    async def close(self) -> None:
        await self._wire.close()

    def _received(self, _topic: str, payload: bytes) -> None:
        at = time.monotonic()
        message: Json = json.loads(payload)
        self.heard(at, message)
        if "done" in message:
            self._done.pop(message["done"]).set()
        elif "joined" in message:
            self.joined.add(message["joined"])
        elif "ready" in message:
            self.open_s = message["open_s"]
            self._ready.set()


@asynccontextmanager
async def bare(folder: Path, name: str, radio: str, port: int) -> AsyncIterator[Bare]:
    """The bare program on a radio; its zigpy database is `FOLDER/NAME.db`."""
    process = await launch(
        folder / f"{name}-bare.log", "benchmarks.bare", "--radio", radio,
        "--database", str(folder / f"{name}.db"), "--port", str(port), "--name", name,
    )  # fmt: skip
    made = Bare(process, port, name)
    try:
        await made.open()
        await made.ready()
        yield made
    finally:
        await end(process)
        await made.close()


async def join_all(made: Bare, world: Doors) -> None:
    """Form the network and interview every lock."""
    await made.order("admit", seconds=180)
    await world.ask("join")
    await until(lambda: len(made.joined) == world.locks)
    await world.settle()


class Cloud(ReferenceCloud):
    """One that can prepare its messages, so that making them does not count as our time."""

    def __init__(self, broker: Mosquitto) -> None:
        super().__init__(broker.host, broker.port, GATEWAY)
        self._held: list[bytes] | None = None

    def prepared_snapshot(self, chunk_size: int) -> list[bytes]:
        self._held = []
        # Moving ten thousand windows at once is what the guard against mistakes would hold back.
        self.push_snapshot(chunk_size=chunk_size, confirm_removals=True)
        held, self._held = self._held, None
        return held

    def send_raw(self, leaf: str, payload: bytes, *, retain: bool = False) -> None:
        if self._held is None:
            super().send_raw(leaf, payload, retain=retain)
        else:
            self._held.append(payload)


class Daemon:
    """`lock-gateway run` with the cloud it answers to. `radio`: that section of its settings."""

    def __init__(self, folder: Path, radio: str, cloud: Cloud, broker: Mosquitto) -> None:
        self.cloud = cloud
        self.device_ids: list[str] = []
        self.socket = folder / "api.sock"
        self._folder = folder
        self._process: Process | None = None
        self._commits = folder / "commits"
        folder.mkdir()
        (folder / "config.toml").write_text(
            _CONFIG.format(
                gateway=GATEWAY, folder=folder, host=broker.host, port=broker.port, radio=radio
            )
        )

    @property
    def usage(self) -> Usage:
        assert self._process is not None
        return Usage(self._process.pid)

    def adopt(self, database: Path) -> None:
        """Take over the network another program has formed, as zigpy remembers it."""
        state = self._folder / "state"
        state.mkdir(mode=0o700)
        shutil.copy(database, state / "zigbee.db")

    async def start(self, *, timed: bool = False) -> float:
        """When the process was started; returns before it is ready. `timed`: see `commits`."""
        config = str(self._folder / "config.toml")
        words = ["gateway", "run", "--config", config]
        if timed:
            words = ["benchmarks.daemon", config, str(self._commits)]
        at = time.monotonic()
        self._process = await launch(self._folder / "daemon.log", *words)
        return at

    async def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            await end(process)
            await self.cloud.until(lambda: not self.cloud.presence.get("online"))

    async def ensure(self) -> None:
        """Running, as `lock-gateway run`, and heard of by the cloud."""
        if self._process is None:
            await self.start()
            await self.cloud.wait_online(WAIT_S)

    async def known(self, locks: int) -> None:
        """Until the cloud was told of all locks; then `device_ids` is in the order of the doors."""
        await self.cloud.until(lambda: len(self.cloud.devices) >= locks, WAIT_S)
        await self.cloud.wait_online(WAIT_S)
        order = {address_of(number)[-5:]: number for number in range(locks)}
        known = sorted(self.cloud.devices.values(), key=lambda d: order[d["name"].split()[-1]])
        self.device_ids = [device["device_id"] for device in known]

    async def commits(self) -> list[tuple[float, float]]:
        """Begin and end of each commit of a `timed` daemon so far."""
        assert self._process is not None
        self._commits.unlink(missing_ok=True)
        self._process.send_signal(signal.SIGUSR1)
        await until(self._commits.exists)
        data = array("d", self._commits.read_bytes())
        return list(zip(data[::2], data[1::2], strict=True))


# ── two houses ──────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class Pair:
    """Two worlds alike: a bare program on one, the daemon on the other."""

    plain: Doors
    bare: Bare
    ours: Doors
    daemon: Daemon
    folder: Path
    broker: Mosquitto

    async def opening_s(self) -> float:
        """How long a bare program takes to open the daemon's radio, while the daemon is down."""
        async with bare(self.folder, "ours", self.ours.radio, self.broker.port) as again:
            return again.open_s


@asynccontextmanager
async def pair(folder: Path, broker: Mosquitto, locks: int = 10) -> AsyncIterator[Pair]:
    """All locks joined and read; the daemon runs with its stopwatch."""
    async with contextlib.AsyncExitStack() as stack:
        plain = await stack.enter_async_context(doors(folder, "plain", locks))
        ours = await stack.enter_async_context(doors(folder, "ours", locks))
        async with bare(folder, "ours", ours.radio, broker.port) as installer:
            await join_all(installer, ours)
        made = await stack.enter_async_context(bare(folder, "plain", plain.radio, broker.port))
        await join_all(made, plain)
        daemon = await stack.enter_async_context(_daemon(folder, "ours", ours.radio, broker))
        await daemon.start(timed=True)
        await daemon.known(locks)
        await ours.settle()
        yield Pair(plain, made, ours, daemon, folder, broker)


@dataclass(slots=True)
class Crowd:
    """One large world, which first a bare program and then the daemon has had."""

    doors: Doors
    daemon: Daemon
    bare_rss_kb: int


@asynccontextmanager
async def crowd(folder: Path, broker: Mosquitto, locks: int) -> AsyncIterator[Crowd]:
    async with contextlib.AsyncExitStack() as stack:
        world = await stack.enter_async_context(doors(folder, "crowd", locks))
        async with bare(folder, "crowd", world.radio, broker.port) as installer:
            await join_all(installer, world)
        # Again, so that it carries nothing of the joining.
        async with bare(folder, "crowd", world.radio, broker.port) as restarted:
            for number in range(locks):
                await restarted.order("unlock", device=address_of(number))
            rss = restarted.usage.rss_kb()
        daemon = await stack.enter_async_context(_daemon(folder, "crowd", world.radio, broker))
        await daemon.start()
        await daemon.known(locks)
        await world.settle()
        yield Crowd(world, daemon, rss)


@asynccontextmanager
async def _daemon(folder: Path, name: str, radio: str, broker: Mosquitto) -> AsyncIterator[Daemon]:
    """Not started; its radio's network is the one a bare program of that name has formed."""
    async with Cloud(broker) as cloud:
        daemon = Daemon(folder / f"{name}-gateway", _ZIGBEE.format(radio), cloud, broker)
        daemon.adopt(folder / f"{name}.db")
        try:
            yield daemon
        finally:
            await daemon.stop()
