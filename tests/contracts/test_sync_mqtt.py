"""The MQTT adapter against a real mosquitto: what the protocol of `connection` promises."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest

from firmware_sims.cloud.broker import free_port
from gateway.domain.instant import ClockTrust
from gateway.errors import CloudUnavailable
from gateway.kit.clock import SystemClock
from gateway.sync.connection import Connection, Delivery, Endpoint, PublishRefused, Will
from gateway.sync.mqtt import INBOX, connect
from tests.broker import NEEDS_BROKER, Mosquitto, mosquitto

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager

pytestmark = NEEDS_BROKER

CLOCK = SystemClock(ClockTrust.TRUSTED)


@pytest.fixture
async def broker() -> AsyncIterator[Mosquitto]:
    async with mosquitto() as running:
        yield running


def client(
    port: int, name: str, subscribe: str = "t/#", **more: float
) -> AbstractAsyncContextManager[Connection]:
    will = Will(f"will/{name}", f"{name} is gone".encode(), delay_s=1)
    endpoint = Endpoint("127.0.0.1", port, name, subscribe, will, **more)  # type: ignore[arg-type]  # by name
    return connect(endpoint, clock=CLOCK)


async def take(connection: Connection, count: int) -> list[Delivery]:
    found: list[Delivery] = []
    async with asyncio.timeout(15):
        async for delivery in connection.deliveries():
            delivery.ack()
            found.append(delivery)
            if len(found) == count:
                break
    return found


async def test_messages_arrive_in_order_though_the_window_is_small(broker: Mosquitto) -> None:
    async with client(broker.port, "a") as reader, client(broker.port, "b") as writer:
        sent = [b"%d" % number for number in range(500)]
        async with asyncio.TaskGroup() as group:
            for payload in sent:
                group.create_task(writer.publish("t/x", payload))
        assert [delivery.payload for delivery in await take(reader, 500)] == sent
        assert reader.peer_address == "127.0.0.1"


async def test_more_than_the_inbox_holds_waits_in_the_socket(broker: Mosquitto) -> None:
    async with client(broker.port, "a") as reader, client(broker.port, "b") as writer:
        async with asyncio.TaskGroup() as group:
            for number in range(INBOX * 3):
                group.create_task(writer.publish("t/x", b"%d" % number))
        assert len(await take(reader, INBOX * 3)) == INBOX * 3


async def test_the_broker_says_when_nobody_listens(broker: Mosquitto) -> None:
    async with client(broker.port, "a", "t/a") as connection:
        assert await connection.publish("t/a", b"x")
        assert not await connection.publish("t/b", b"x")


async def test_properties_travel(broker: Mosquitto) -> None:
    async with client(broker.port, "a") as reader, client(broker.port, "b") as writer:
        await writer.publish("t/x", b"1", retain=True, expiry_s=60, correlation=b"\x00\x01")
        (delivery,) = await take(reader, 1)
        assert delivery.correlation == b"\x00\x01"
    async with client(broker.port, "c") as late:
        (kept,) = await take(late, 1)
        assert kept.retained


async def test_a_topic_that_is_none_is_refused_and_the_line_stands(broker: Mosquitto) -> None:
    async with client(broker.port, "a") as connection:
        for topic in ("t/#", "t/+", "", "t/\x00", "t/" + "x" * 70_000):
            with pytest.raises(PublishRefused):
                await connection.publish(topic, b"x")
        assert await connection.publish("t/x", b"x")


async def test_when_the_broker_dies_every_waiter_learns_at_once(broker: Mosquitto) -> None:
    async with client(broker.port, "a") as connection:
        reading = asyncio.ensure_future(take(connection, 1))
        writing = [asyncio.ensure_future(connection.publish("q/x", b"x")) for _ in range(5_000)]
        await broker.kill()
        async with asyncio.timeout(5):
            results = await asyncio.gather(reading, *writing, return_exceptions=True)
        assert isinstance(results[0], CloudUnavailable)
        assert any(isinstance(result, CloudUnavailable) for result in results[1:])
        assert {type(result) for result in results[1:]} <= {bool, CloudUnavailable}
        with pytest.raises(CloudUnavailable):
            await connection.publish("t/x", b"x")


async def test_an_error_of_ours_leaves_the_will_and_an_end_takes_it_back(
    broker: Mosquitto,
) -> None:
    async with client(broker.port, "watch", "will/#") as watcher:
        async with client(broker.port, "polite"):
            pass
        with pytest.raises(ZeroDivisionError):
            async with client(broker.port, "rude"):
                raise ZeroDivisionError
        (will,) = await take(watcher, 1)
        assert will.payload == b"rude is gone"


async def test_who_comes_back_in_time_is_not_said_to_be_gone(broker: Mosquitto) -> None:
    async with client(broker.port, "watch", "will/#") as watcher:
        with pytest.raises(ZeroDivisionError):
            async with client(broker.port, "brief"):
                raise ZeroDivisionError
        async with client(broker.port, "brief"):
            with pytest.raises(ZeroDivisionError):
                async with client(broker.port, "other"):
                    raise ZeroDivisionError
            (will,) = await take(watcher, 1)
            assert will.payload == b"other is gone"


async def test_the_same_client_id_elsewhere_ends_this_one(broker: Mosquitto) -> None:
    async with client(broker.port, "twin") as first, client(broker.port, "twin"):
        with pytest.raises(CloudUnavailable):
            await take(first, 1)


async def test_nobody_there() -> None:
    with pytest.raises(CloudUnavailable, match="could not connect"):
        async with client(free_port(), "a"):
            pass


async def test_a_server_that_says_nothing_is_given_up() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(CloudUnavailable, match="no answer"),
    ):
        async with client(silent.getsockname()[1], "a", connect_timeout_s=0.1):
            pass


async def test_a_server_that_talks_nonsense_is_left() -> None:
    async def babble(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\x20\x03\x00\x00\x00" + b"\x30\xff\xff\xff\x7f" + b"\xff" * 4096)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(babble, "127.0.0.1", 0) as server:
        with pytest.raises(CloudUnavailable):
            async with client(server.sockets[0].getsockname()[1], "a") as connection:
                await take(connection, 1)


async def test_giving_up_while_dialling_leaves_nothing_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        attempt = asyncio.ensure_future(client(silent.getsockname()[1], "a").__aenter__())
        accepted = asyncio.get_running_loop().run_in_executor(None, silent.accept)
        peer, _ = await accepted
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt
        with peer:
            peer.setblocking(False)
            async with asyncio.timeout(5):
                while await asyncio.get_running_loop().sock_recv(peer, 4096):
                    pass
