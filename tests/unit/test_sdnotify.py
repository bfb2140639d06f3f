"""Notices to systemd, received on a socket as systemd would."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from gateway.domain.instant import Instant
from gateway.kit.clock import ManualClock, settle
from gateway.sdnotify import Notifier

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.setblocking(False)
        yield sock


def notifier(systemd: socket.socket, **environ: str) -> Notifier:
    return Notifier.from_environment({"NOTIFY_SOCKET": systemd.getsockname(), **environ})


def heard(systemd: socket.socket) -> list[str]:
    found = []
    while True:
        try:
            found.append(systemd.recv(4096).decode())
        except BlockingIOError:
            return found


async def test_each_notice_is_one_datagram(systemd: socket.socket) -> None:
    told = notifier(systemd)
    await told.ready("4 locks")
    await told.status("no cloud\nsince noon")
    await told.stopping()
    assert heard(systemd) == ["READY=1\nSTATUS=4 locks", "STATUS=no cloud since noon", "STOPPING=1"]


async def test_an_abstract_socket() -> None:
    name = f"lock-gateway-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(f"\0{name}")
        sock.setblocking(False)
        await Notifier(f"@{name}").ready()
        assert heard(sock) == ["READY=1"]


async def test_the_watchdog_gets_a_sign_at_half_its_period(systemd: socket.socket) -> None:
    clock = ManualClock(Instant(0))
    watchdog = asyncio.create_task(notifier(systemd, WATCHDOG_USEC="10000000").watchdog(clock))
    await settle()
    assert heard(systemd) == ["WATCHDOG=1"]
    await clock.advance(14.9)
    assert heard(systemd) == ["WATCHDOG=1"] * 2
    watchdog.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watchdog


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"WATCHDOG_USEC": "0"},
        {"WATCHDOG_USEC": "soon"},
        {"WATCHDOG_USEC": "10000000", "WATCHDOG_PID": "1"},
    ],
)
async def test_no_watchdog_asked_for(systemd: socket.socket, environ: dict[str, str]) -> None:
    await notifier(systemd, **environ).watchdog(ManualClock(Instant(0)))
    assert heard(systemd) == []


async def test_without_systemd_nothing_happens() -> None:
    told = Notifier.from_environment({})
    await told.ready()
    await told.watchdog(ManualClock(Instant(0)))


async def test_a_socket_that_is_gone_is_said_once_and_harms_nothing(tmp_path: Path) -> None:
    told = Notifier(str(tmp_path / "gone"))
    with capture_logs() as lines:
        await told.ready()
        await told.status("still here")
    assert [line["event"] for line in lines] == ["could not notify systemd"]
