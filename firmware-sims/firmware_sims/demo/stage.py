"""The stage: broker, cloud, simulated doors and the daemon, each its own process but the cloud.

Everything lives in one temporary directory and on loopback; what was started is ended by its
process handle, in reverse order.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import tomllib
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from firmware_sims.cloud.broker import Mosquitto, mosquitto
from firmware_sims.cloud.reference import ReferenceCloud
from firmware_sims.control import ControlClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

GATEWAY_ID = "demo-gateway"
ZONE = "Europe/Zurich"
START_S = 40.0
END_S = 15.0
LEAD_S = 2.0
ERASE_ALARM_S = 4.0

_CONFIG = """\
[gateway]
id = "{gateway_id}"
site_zone = "{zone}"
site_name = "Demo house"
state_dir = "{state}"

[broker]
host = "{host}"
port = {port}
accept_unsigned = true
reconnect_min_s = 0.2
reconnect_max_s = 2.0

[zigbee]
enabled = true
device = "{radio}"
channel = 15
probe_interval_s = 2.0

[local]
socket = "{socket}"

[policy]
lead_s = {lead}
erase_alarm_s = {alarm}

[clock]
trust = "assume"

[logs]
format = "json"
"""


class Failed(Exception):
    """A process of the stage did not do what it must."""


@dataclass(slots=True)
class Sims:
    """The simulated doors and how to reach them."""

    process: asyncio.subprocess.Process
    radio: str
    control: ControlClient
    nodes: Mapping[str, Mapping[str, Any]]


class Daemon:
    """`lock-gateway run` as a process of its own, started, killed and started again."""

    def __init__(self, config: Path, socket: Path, log: Path) -> None:
        self.config = config
        self.socket = socket
        self.log = log
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Until the local API answers. Failed with the end of the log otherwise."""
        with self.log.open("ab") as out:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "gateway", "run", "--config", str(self.config),
                stdout=out, stderr=out,
            )  # fmt: skip
        async with asyncio.timeout(START_S):
            while True:
                if self._process.returncode is not None:
                    tail = self.log.read_text(errors="replace")[-2000:]
                    raise Failed(f"the daemon ended with {self._process.returncode}: {tail}")
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_unix_connection(str(self.socket))
                    writer.close()
                    return
                await asyncio.sleep(0.05)

    async def kill(self) -> None:
        """As a power cut would: no warning."""
        assert self._process is not None
        self._process.kill()
        await self._process.wait()

    async def stop(self) -> int:
        if self._process is None or self._process.returncode is not None:
            return 0
        self._process.terminate()
        try:
            async with asyncio.timeout(END_S):
                return await self._process.wait()
        except TimeoutError:
            await self.kill()
            return -9

    async def cli(self, *arguments: str) -> tuple[int, str, str]:
        """Run `lock-gateway …` against this daemon: exit code, stdout, stderr."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway", *arguments,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "LOCK_GATEWAY_SOCKET": str(self.socket), "NO_COLOR": "1"},
        )  # fmt: skip
        out, err = await process.communicate()
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()


@dataclass(slots=True)
class Stage:
    """Everything on stage. `device_ids` is filled as the doors join."""

    folder: Path
    broker: Mosquitto
    cloud: ReferenceCloud
    sims: Sims
    daemon: Daemon
    device_ids: dict[str, str]
    received: list[str]
    """Every message the cloud received, as text."""


@asynccontextmanager
async def stage(folder: Path, world: Path) -> AsyncIterator[Stage]:
    """Broker, cloud, doors, daemon; the daemon is started by the caller's first step."""
    async with contextlib.AsyncExitStack() as stack:
        broker = await stack.enter_async_context(mosquitto())
        cloud = await stack.enter_async_context(
            ReferenceCloud(broker.host, broker.port, GATEWAY_ID)
        )
        sims = await stack.enter_async_context(_sims(folder, world))
        socket = folder / "api.sock"
        config = folder / "config.toml"
        config.write_text(
            _CONFIG.format(
                gateway_id=GATEWAY_ID, zone=ZONE, state=folder / "state", host=broker.host,
                port=broker.port, radio=sims.radio, socket=socket, lead=LEAD_S,
                alarm=ERASE_ALARM_S,
            ),
            encoding="utf-8",
        )  # fmt: skip
        daemon = Daemon(config, socket, folder / "daemon.log")
        stack.push_async_callback(daemon.stop)
        received: list[str] = []
        cloud.listener = lambda _, message: received.append(json.dumps(message))
        yield Stage(folder, broker, cloud, sims, daemon, {}, received)


@asynccontextmanager
async def _sims(folder: Path, world: Path) -> AsyncIterator[Sims]:
    control = folder / "doors.sock"
    log = (folder / "sims.log").open("ab")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "firmware_sims", "zigbee", "--world", str(world),
        "--control", str(control), "--state", str(folder / "sims"),
        stdout=asyncio.subprocess.PIPE, stderr=log,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        async with asyncio.timeout(START_S):
            line = await process.stdout.readline()
        if not line:
            raise Failed(f"the simulated doors did not start: {(folder / 'sims.log').read_text()}")
        ready = json.loads(line)
        nodes: Mapping[str, Any] = {n["name"]: n for n in tomllib.loads(world.read_text())["node"]}
        async with ControlClient(ready["control"]) as client:
            yield Sims(process, ready["radio"], client, nodes)
    finally:
        log.close()
        if process.returncode is None:
            process.terminate()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(END_S):
                    await process.wait()
