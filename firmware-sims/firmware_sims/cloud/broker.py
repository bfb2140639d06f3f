"""A mosquitto of our own on a loopback port, for the demo and for tests. Nothing is persisted.

Not the machine's broker: its service is neither used nor touched.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

HOST = "127.0.0.1"
_START_S = 60.0

_CONFIG = """\
listener {port} {host}
allow_anonymous true
persistence false
set_tcp_nodelay true
max_packet_size 1048576
max_inflight_messages 20
max_queued_messages 5000
log_dest stdout
log_type error
log_type warning
"""


class BrokerMissing(Exception):
    """There is no mosquitto on this machine: `apt-get install mosquitto`."""


def find_mosquitto() -> str | None:
    """Debian puts it into /usr/sbin, which is not on every user's PATH."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


class Mosquitto:
    """One broker process. `stop` and `start` keep the port; `kill` gives it no time to say bye."""

    def __init__(self, folder: Path, port: int, settings: str = "") -> None:
        self.host = HOST
        self.port = port
        self._config = folder / "mosquitto.conf"
        self._log = folder / "mosquitto.log"
        text = _CONFIG.format(port=port, host=HOST) + settings
        self._config.write_text(text, encoding="utf-8")
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    async def start(self) -> None:
        """Returns once connections are accepted. BrokerMissing, or RuntimeError with its words."""
        binary = find_mosquitto()
        if binary is None:
            raise BrokerMissing("could not start a broker: mosquitto is not installed")
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                binary, "-c", str(self._config), stdout=log, stderr=log
            )
        async with asyncio.timeout(_START_S):
            while not await self._answers():
                if self._process.returncode is not None:
                    said = self._log.read_text(encoding="utf-8", errors="replace")
                    raise RuntimeError(f"mosquitto ended at once: {said}")

    async def stop(self) -> None:
        await self._end(kill=False)

    async def kill(self) -> None:
        await self._end(kill=True)

    async def _end(self, *, kill: bool) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.kill() if kill else process.terminate()
        await process.wait()

    async def _answers(self) -> bool:
        try:
            _, writer = await asyncio.open_connection(self.host, self.port)
        except OSError:
            # Refused at once on loopback: give the process a moment of the two cores.
            await asyncio.sleep(0.02)
            return False
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return True


@asynccontextmanager
async def mosquitto(port: int | None = None, settings: str = "") -> AsyncIterator[Mosquitto]:
    """A running broker on `port`, or on a free one. `settings`: more lines of its configuration."""
    with tempfile.TemporaryDirectory(prefix="mosquitto-") as folder:
        broker = Mosquitto(Path(folder), port or free_port(), settings)
        try:
            await broker.start()
            yield broker
        finally:
            await broker.kill()
