"""The link over TLS against a real mosquitto that wants a certificate: in, and every way of not."""

from __future__ import annotations

import asyncio
import gc
import getpass
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from gateway.domain.instant import ClockTrust
from gateway.errors import CloudUnavailable
from gateway.kit.clock import SystemClock
from gateway.store import meta
from gateway.sync import tls
from gateway.sync.connection import Endpoint, Will
from gateway.sync.link import CONNECTIONS
from gateway.sync.mqtt import connect
from tests.broker import NEEDS_BROKER, Mosquitto, mosquitto
from tests.certificates import DAY, Authority, Pair
from tests.sync_house import GATEWAY, house

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

pytestmark = NEEDS_BROKER

DEADLINE_S = 15.0


@pytest.fixture
def ours(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "our-authority")


@pytest.fixture
def stranger(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "somebody-else")


@pytest.fixture(autouse=True)
def _no_socket_is_left_open() -> Iterator[None]:
    """What is dropped open warns when it is collected, and warnings are errors."""
    yield
    gc.collect()


def broker_with(pair: Pair, clients: Authority) -> str:
    """Settings of mosquitto: as this user, so that it may read the key it is lent."""
    return (
        f"user {getpass.getuser()}\n"
        f"cafile {clients.file}\ncertfile {pair.certificate}\nkeyfile {pair.key}\n"
        "require_certificate true\n"
    )


@asynccontextmanager
async def broker(pair: Pair, clients: Authority) -> AsyncIterator[Mosquitto]:
    async with mosquitto(settings=broker_with(pair, clients)) as running:
        yield running


def context(ca: Authority, pair: Pair | None) -> ssl.SSLContext:
    """As the daemon builds it from `[broker.tls]`."""
    return tls.build(ca.file, *((pair.certificate, pair.key) if pair else (None, None)))


async def down(tmp_path: Path, port: int, proof: ssl.SSLContext) -> str:
    """Why the link is down after two tries, which is also what was logged, once."""
    with capture_logs() as logs:
        async with house(tmp_path, port, tls=proof) as gateway, asyncio.timeout(DEADLINE_S):
            while (await gateway.store.fetch_one(meta.integer(CONNECTIONS)) or 0) < 3:
                assert not gateway.link.state.connected
            reason = gateway.link.state.reason
    assert [line["cause"] for line in logs if line["log_level"] == "warning"] == [reason]
    return reason


async def test_both_ends_prove_who_they_are(tmp_path: Path, ours: Authority) -> None:
    async with (
        broker(ours.issue("broker"), ours) as running,
        house(tmp_path, running.port, tls=context(ours, ours.issue(GATEWAY))) as gateway,
        asyncio.timeout(DEADLINE_S),
    ):
        while not gateway.link.state.connected:
            await gateway.store.fetch_one(meta.integer(CONNECTIONS))
        assert gateway.link.state.reason == ""


async def test_a_broker_of_another_authority_is_not_believed(
    tmp_path: Path, ours: Authority, stranger: Authority
) -> None:
    async with broker(stranger.issue("broker"), ours) as running:
        reason = await down(tmp_path, running.port, context(ours, ours.issue(GATEWAY)))
    assert "the broker's certificate is not accepted" in reason
    assert "unable to get local issuer certificate" in reason


async def test_an_expired_certificate_is_not_believed(tmp_path: Path, ours: Authority) -> None:
    expired = ours.issue("broker", begins=-2 * DAY, ends=-DAY)
    async with broker(expired, ours) as running:
        reason = await down(tmp_path, running.port, context(ours, ours.issue(GATEWAY)))
    assert reason.endswith("certificate is not accepted: certificate has expired")


async def test_a_certificate_of_another_host_is_not_believed(
    tmp_path: Path, ours: Authority
) -> None:
    async with broker(ours.issue("broker", address="192.0.2.7"), ours) as running:
        reason = await down(tmp_path, running.port, context(ours, ours.issue(GATEWAY)))
    assert "certificate is not valid for '127.0.0.1'" in reason


@pytest.mark.parametrize("how", ["none", "stranger", "expired"])
async def test_a_broker_that_does_not_believe_us_is_named_as_the_one_who_says_so(
    tmp_path: Path, ours: Authority, stranger: Authority, how: str
) -> None:
    shown = {
        "none": None,
        "stranger": stranger.issue(GATEWAY),
        "expired": ours.issue(f"{GATEWAY}-old", begins=-2 * DAY, ends=-DAY),
    }[how]
    async with broker(ours.issue("broker"), ours) as running:
        reason = await down(tmp_path, running.port, context(ours, shown))
    assert "does it accept our certificate?" in reason


async def test_a_broker_without_tls_is_named(tmp_path: Path, ours: Authority) -> None:
    async with mosquitto() as plain:
        reason = await down(tmp_path, plain.port, context(ours, None))
    assert reason.endswith("does it speak TLS on this port?")


async def test_a_server_that_says_nothing_is_given_up(ours: Authority) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        will = Will("will/a", b"gone", delay_s=1)
        endpoint = Endpoint(
            "127.0.0.1", port, "a", "t/#", will, tls=context(ours, None), connect_timeout_s=0.1
        )
        with pytest.raises(CloudUnavailable, match="no answer in time"):
            async with connect(endpoint, clock=SystemClock(ClockTrust.TRUSTED)):
                pass
