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

from firmware_sims.cloud.broker import HOST, Mosquitto, free_port, mosquitto
from firmware_sims.cloud.reference import ReferenceCloud
from firmware_sims.control import ControlClient

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping
    from pathlib import Path

GATEWAY_ID = "demo-gateway"
ZONE = "Europe/Zurich"
START_S = 180.0
END_S = 60.0
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

[zwave]
enabled = {zwave}
device = "{zwave_radio}"
probe_interval_s = 2.0

[bluetooth]
enabled = {bluetooth}
adapters = {adapters}
backend = "firmware_sims.ble.bleak_backend:Backend"

[local]
socket = "{socket}"

[policy]
lead_s = {lead}
erase_alarm_s = {alarm}

[time]
trust = "assume"

[logs]
format = "json"
"""


class Failed(Exception):
    """A process of the stage did not do what it must."""


class Sims:
    """The simulated doors as a process; `stop` and `start` keep the stick's port and all memory."""

    def __init__(self, folder: Path, world: Path) -> None:
        tables = tomllib.loads(world.read_text())
        self.nodes: Mapping[str, Mapping[str, Any]] = {
            node["name"]: node for node in tables.get("node", ())
        }
        self.bluetooth: Mapping[str, Mapping[str, Any]] = {
            device["name"]: device for device in tables.get("ble", ())
        }
        self.zwave: Mapping[str, Mapping[str, Any]] = {
            lock["name"]: lock for lock in tables.get("zwave", ())
        }
        self._folder = folder
        self._world = world
        self._port = free_port()
        self._zwave_port = free_port()
        self._process: asyncio.subprocess.Process | None = None
        self._control: ControlClient | None = None

    @property
    def radio(self) -> str:
        """Where the stick is, as the daemon's settings name it."""
        return f"tcp://{HOST}:{self._port}"

    @property
    def zwave_radio(self) -> str:
        """The same of the Z-Wave stick; nobody is there where no lock of the world speaks it."""
        return f"tcp://{HOST}:{self._zwave_port}"

    @property
    def adapter(self) -> str:
        """The Bluetooth adapter, the same before and after a stop; its folder has a short name."""
        return f"unix://{self._folder}/air/hci0.sock"

    @property
    def control(self) -> ControlClient:
        """Who to ask. Failed while they are stopped."""
        if self._control is None:
            raise Failed("the simulated doors are not running")
        return self._control

    async def start(self) -> None:
        """Until they can be asked. Failed with their words otherwise."""
        control, log = self._folder / "doors.sock", self._folder / "sims.log"
        (self._folder / "air").mkdir(exist_ok=True)
        with log.open("ab") as errors:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "firmware_sims", "world", "--world", str(self._world),
                "--listen", f"{HOST}:{self._port}", "--control", str(control),
                "--zwave-listen", f"{HOST}:{self._zwave_port}",
                "--adapters", str(self._folder / "air"), "--state", str(self._folder / "sims"),
                stdout=asyncio.subprocess.PIPE, stderr=errors,
            )  # fmt: skip
        out = self._process.stdout
        async with asyncio.timeout(START_S):
            line = b"" if out is None else await out.readline()
        if not line:
            raise Failed(f"the simulated doors did not start: {log.read_text()}")
        self._control = await ControlClient(json.loads(line)["control"]).__aenter__()

    async def stop(self) -> None:
        control, self._control = self._control, None
        if control is not None:
            await control.__aexit__(None, None, None)
        if self._process is not None and self._process.returncode is None:
            await _end(self._process)


class Daemon:
    """`lock-gateway run` as a process of its own, started, killed and started again."""

    def __init__(
        self, config: Path, socket: Path, log: Path, environ: Mapping[str, str] | None = None
    ) -> None:
        self.config = config
        self.socket = socket
        self.log = log
        self.environ = {**os.environ, "NO_COLOR": "1", **(environ or {})}
        """Settings here (LOCK_GATEWAY_…) win over those of the file."""
        self._process: asyncio.subprocess.Process | None = None

    @property
    def process(self) -> asyncio.subprocess.Process:
        """The latest one. Failed before the first."""
        if self._process is None:
            raise Failed("the daemon was not started yet")
        return self._process

    async def launch(self) -> None:
        """Returns as soon as the process exists."""
        with self.log.open("ab") as out:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "gateway", "run", "--config", str(self.config),
                stdout=out, stderr=out, env=self.environ,
            )  # fmt: skip

    async def start(self) -> None:
        """Until the local API answers. Failed with the end of the log otherwise."""
        await self.launch()
        async with asyncio.timeout(START_S):
            while True:
                if self.process.returncode is not None:
                    tail = self.log.read_text(errors="replace")[-2000:]
                    raise Failed(f"the daemon ended with {self.process.returncode}: {tail}")
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_unix_connection(str(self.socket))
                    writer.close()
                    return
                await asyncio.sleep(0.05)

    async def kill(self) -> None:
        """As a power cut would: no warning."""
        self.process.kill()
        await self.process.wait()

    async def stop(self) -> int:
        if self._process is None or self._process.returncode is not None:
            return 0
        return await _end(self._process)

    async def cli(self, *arguments: str, typed: str = "") -> tuple[int, str, str]:
        """Run `lock-gateway …` against this daemon: exit code, stdout, stderr.

        `typed`: what it finds on its standard input, for what is no argument of a command.
        """
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway", *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env={**self.environ, "LOCK_GATEWAY_SOCKET": str(self.socket)},
        )  # fmt: skip
        try:
            out, err = await process.communicate(typed.encode())
            return await process.wait(), out.decode(), err.decode()
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.terminate()
                await process.wait()

    async def follow(self, *arguments: str) -> AsyncGenerator[dict[str, Any]]:
        """The lines of a command that streams JSON, as they come; closing ends it."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway", *arguments,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "LOCK_GATEWAY_SOCKET": str(self.socket), "NO_COLOR": "1"},
        )  # fmt: skip
        try:
            if process.stdout is not None:
                async for line in process.stdout:
                    yield json.loads(line)
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.terminate()
            await process.wait()


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
async def stage(
    folder: Path, world: Path, environ: Mapping[str, str] | None = None
) -> AsyncIterator[Stage]:
    """Broker, cloud, doors, daemon; the daemon is started by the caller's first step.

    `environ`: settings of the daemon that differ from the stage's.
    """
    async with contextlib.AsyncExitStack() as stack:
        broker = await stack.enter_async_context(mosquitto())
        cloud = await stack.enter_async_context(
            ReferenceCloud(broker.host, broker.port, GATEWAY_ID)
        )
        sims = Sims(folder, world)
        stack.push_async_callback(sims.stop)
        await sims.start()
        socket = folder / "api.sock"
        config = folder / "config.toml"
        config.write_text(
            _CONFIG.format(
                gateway_id=GATEWAY_ID, zone=ZONE, state=folder / "state", host=broker.host,
                port=broker.port, radio=sims.radio, socket=socket, lead=LEAD_S,
                alarm=ERASE_ALARM_S, bluetooth=str(bool(sims.bluetooth)).lower(),
                adapters=json.dumps([sims.adapter]),
                zwave=str(bool(sims.zwave)).lower(), zwave_radio=sims.zwave_radio,
            ),
            encoding="utf-8",
        )  # fmt: skip
        daemon = Daemon(config, socket, folder / "daemon.log", environ)
        stack.push_async_callback(daemon.stop)
        received: list[str] = []
        cloud.listener = lambda _, message: received.append(json.dumps(message))
        yield Stage(folder, broker, cloud, sims, daemon, {}, received)


async def _end(process: asyncio.subprocess.Process) -> int:
    """Its exit code; -9 if it had to be killed."""
    process.terminate()
    try:
        async with asyncio.timeout(END_S):
            return await process.wait()
    except TimeoutError:
        process.kill()
        return await process.wait()
