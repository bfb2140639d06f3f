"""Telling systemd: ready, how it goes, still alive, stopping. Without systemd, nothing happens.

The protocol is sd_notify(3): datagrams of `NAME=value` lines to the socket in `NOTIFY_SOCKET`.
A notification that cannot be sent is logged once and never stops the gateway.
"""

from __future__ import annotations

import asyncio
import os
import socket
from typing import TYPE_CHECKING, Self

import structlog

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.kit.clock import Clock

log = structlog.get_logger()


class Notifier:
    """`address` as in NOTIFY_SOCKET, `watchdog_s` the period within which systemd wants a sign."""

    def __init__(self, address: str | None = None, watchdog_s: float | None = None) -> None:
        self._address = address
        self._watchdog_s = watchdog_s
        self._failed = False

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Self:
        period = environ.get("WATCHDOG_USEC", "")
        # Meant for another process when WATCHDOG_PID names one: sd_watchdog_enabled(3).
        meant = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        watchdog_s = int(period) / 1e6 if period.isdecimal() and int(period) and meant else None
        return cls(environ.get("NOTIFY_SOCKET") or None, watchdog_s)

    async def ready(self, status: str = "") -> None:
        await self._send("READY=1", status)

    async def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        await self._send("", text)

    async def stopping(self) -> None:
        await self._send("STOPPING=1", "")

    async def watchdog(self, clock: Clock) -> None:
        """A sign of life at half the period; returns at once if systemd wants none.

        It proves that the event loop turns, not that each task gets on: that is the supervisor's.
        """
        if self._address is None or self._watchdog_s is None:
            return
        while True:
            await self._send("WATCHDOG=1", "")
            await clock.sleep(self._watchdog_s / 2)

    async def _send(self, state: str, status: str) -> None:
        if self._address is None:
            return
        lines = [state] if state else []
        if status:
            lines.append("STATUS=" + " ".join(status.split()))
        address = self._address
        if address.startswith("@"):  # abstract namespace, unix(7)
            address = "\0" + address[1:]
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
                sock.setblocking(False)
                sock.connect(address)
                await asyncio.get_running_loop().sock_sendall(sock, "\n".join(lines).encode())
        except OSError as error:
            if not self._failed:
                log.warning("could not notify systemd", cause=error.strerror)
            self._failed = True
        else:
            self._failed = False
