"""What the Z-Wave figures are measured on: two worlds alike, the daemon on one, a bare program on
the other. Each has its own unmodified Z-Wave JS server and its own simulated stick and locks.

Not here: any figure.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.ble_stage import Desk
from benchmarks.processes import WAIT_S, Usage, end, launch, until
from benchmarks.stage import Bare, Cloud, Daemon, Doors
from firmware_sims.zwave.network import node_command
from gateway.radios.zwave.process import PACKAGES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from firmware_sims.cloud.broker import Mosquitto

LOCKS = 5
"""For each program."""
HOST = "127.0.0.1"

_ZWAVE = """\
[zwave]
enabled = true
device = "{}"
"""
_SERVER = PACKAGES / "node_modules/@zwave-js/server/dist-esm/bin/server.js"
_KEYS = ("S0_Legacy", "S2_Unauthenticated", "S2_Authenticated", "S2_AccessControl")


class ZwaveDoors(Doors):
    """See `benchmarks.zwave_doors` for what can be asked."""

    async def labels(self) -> list[str]:
        told: list[str] = await self.ask("labels")
        return told

    async def acts(self) -> list[tuple[float, int]]:
        """When the stick had the frame that drew a bolt, and of which lock."""
        return [(at, lock) for at, lock in await self.ask("acts")]


def zwave_doors(folder: Path, name: str) -> AbstractAsyncContextManager[ZwaveDoors]:
    log = folder / f"{name}-zwave-doors.log"
    return ZwaveDoors.running(log, "benchmarks.zwave_doors", LOCKS)


class ZwaveBare(Bare):
    """The running bare program and the server it is a client of; see `benchmarks.zwave_bare`."""

    server: Usage

    async def admit(self, world: ZwaveDoors, lock: int, label: str) -> str:
        """Its node id, once it has joined and was asked what it is."""
        before = set(self.joined)
        await world.ask("announce", lock=lock)
        await self.order("admit", qr=label)
        (node,) = self.joined - before
        return node


@asynccontextmanager
async def zwave_bare(folder: Path, radio: str, port: int) -> AsyncIterator[ZwaveBare]:
    """A bare program on a broker's port, with a server of its own, whose cache is in `folder`."""
    async with _server(folder, radio) as (server, url):
        process = await launch(
            folder / "zwave-bare.log", "benchmarks.zwave_bare",
            "--server", url, "--port", str(port), "--name", "zwave",
        )  # fmt: skip
        made = ZwaveBare(process, port, "zwave")
        made.server = server
        try:
            await made.open()
            await made.ready()
            yield made
        finally:
            await end(process)
            await made.close()


@asynccontextmanager
async def _server(folder: Path, radio: str) -> AsyncIterator[tuple[Usage, str]]:
    """The server as it comes, with keys, a cache and without a log."""
    config = folder / "zwave-server.json"
    config.write_text(
        json.dumps(
            {
                "securityKeys": {name: f"{n + 1:032x}" for n, name in enumerate(_KEYS)},
                "storage": {"cacheDir": str(folder / "zwave-cache")},
                "logConfig": {"enabled": False},
            }
        )
    )
    port = _free_port()
    with (folder / "zwave-server.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            node_command(), str(_SERVER), radio, f"--config={config}", f"--host={HOST}",
            f"--port={port}", "--disable-dns-sd", stdout=log, stderr=log,
        )  # fmt: skip
    try:
        await until(lambda: process.returncode is not None or _listens(port))
        assert process.returncode is None, "the server has ended: see its log"
        yield Usage(process.pid), f"ws://{HOST}:{port}"
    finally:
        await end(process)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return not probe.connect_ex((HOST, port))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(slots=True)
class Mesh:
    """Two worlds alike: a bare program on one, the daemon on the other."""

    plain: ZwaveDoors
    bare: ZwaveBare
    nodes: list[str]
    """Of the bare program's locks, in the order of the doors."""
    ours: ZwaveDoors
    daemon: Daemon


@asynccontextmanager
async def mesh(folder: Path, broker: Mosquitto) -> AsyncIterator[Mesh]:
    """All locks joined and read; the daemon runs with its stopwatch."""
    async with contextlib.AsyncExitStack() as stack:
        plain = await stack.enter_async_context(zwave_doors(folder, "plain"))
        ours = await stack.enter_async_context(zwave_doors(folder, "ours"))
        async with zwave_bare(folder, plain.radio, broker.port) as installer:
            labels = await plain.labels()
            nodes = [await installer.admit(plain, n, label) for n, label in enumerate(labels)]
        # Again, so that it carries nothing of the joining.
        bare = await stack.enter_async_context(zwave_bare(folder, plain.radio, broker.port))
        cloud = await stack.enter_async_context(Cloud(broker))
        daemon = Daemon(folder / "zwave-gateway", _ZWAVE.format(ours.radio), cloud, broker)
        stack.push_async_callback(daemon.stop)
        await daemon.start(timed=True)
        await until(daemon.socket.exists)
        desk = Desk(daemon.socket)
        stack.push_async_callback(desk.close)
        await _join_all(ours, daemon, desk)
        for node in nodes:  # once each, so that its keys are agreed upon anew
            await bare.order("unlock", node=node)
        for world in (plain, ours):
            await world.acts()
        yield Mesh(plain, bare, nodes, ours, daemon)


async def _join_all(ours: ZwaveDoors, daemon: Daemon, desk: Desk) -> None:
    await _until_up(desk)
    for lock, label in enumerate(await ours.labels()):
        await ours.ask("announce", lock=lock)
        told = await desk.post("/v1/join", radio="zwave", qr=label, name=f"Door {lock}")
        assert told["stage"] == "ready", told
        daemon.device_ids.append(told["detail"])
    await daemon.cloud.until(lambda: len(daemon.cloud.devices) >= LOCKS, WAIT_S)
    await ours.settle()


async def _until_up(desk: Desk) -> None:
    async with asyncio.timeout(WAIT_S):
        status = ""
        while status != "up":
            # It takes seconds and nothing is measured yet; oftener would only slow its coming up.
            await asyncio.sleep(0.1)
            status = (await desk.get("/v1/status"))["radios"][0]["status"]
