"""The cloud's own MQTT client, and the ways its network may misbehave.

paho with its thread; callbacks are handed to the event loop. Faults are drawn from a seeded source.
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.subscribeoptions import SubscribeOptions

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from paho.mqtt.properties import Properties
    from paho.mqtt.reasoncodes import ReasonCode

_CONNECT_S = 10.0


@dataclass
class Faults:
    """Chances from 0 to 1, for each message either way; `delay_s` is the longest delay."""

    drop: float = 0.0
    repeat: float = 0.0
    reorder: float = 0.0
    delay_s: float = 0.0


class Wire:
    """`received(topic, payload)` is called on the event loop for everything under `pattern`."""

    def __init__(
        self,
        host: str,
        port: int,
        client_id: str,
        pattern: str,
        received: Callable[[str, bytes], None],
        random: Random,
    ) -> None:
        self.faults = Faults()
        self._host, self._port = host, port
        self._client_id = client_id
        self._pattern = pattern
        self._received = received
        self._random = random
        self._loop = asyncio.get_running_loop()
        self._client: Client | None = None
        self._subscribed = asyncio.Event()
        self._kept_back: list[tuple[str, bytes]] = []

    async def open(self) -> None:
        """Connect and subscribe; paho reconnects by itself afterwards."""
        client = Client(
            CallbackAPIVersion.VERSION2, self._client_id, protocol=MQTTProtocolVersion.MQTTv5
        )
        client.reconnect_delay_set(min_delay=1, max_delay=2)
        client.on_socket_open = _no_delay
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_disconnect = self._on_disconnect
        self._client = client
        await self._loop.run_in_executor(None, client.connect, self._host, self._port, 30)
        client.loop_start()
        async with asyncio.timeout(_CONNECT_S):
            await self._subscribed.wait()

    async def close(self) -> None:
        client, self._client = self._client, None
        self._subscribed.clear()
        if client is not None:
            client.disconnect()
            await self._loop.run_in_executor(None, client.loop_stop)

    async def connected(self) -> None:
        await self._subscribed.wait()

    def send(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Subject to the faults. Silently nothing while away: the network is like that."""
        for each in self._misbehave((topic, payload)):
            if self._client is not None:
                self._client.publish(each[0], each[1], qos=1, retain=retain)

    def _misbehave(self, message: tuple[str, bytes]) -> list[tuple[str, bytes]]:
        """What goes out now instead of `message`."""
        faults, draw = self.faults, self._random.random
        if draw() < faults.drop:
            return []
        out = [message] * (2 if draw() < faults.repeat else 1)
        if draw() < faults.reorder:
            self._kept_back.extend(out)
            return []
        out += self._kept_back
        self._kept_back.clear()
        return out

    def _arrived(self, topic: str, payload: bytes) -> None:
        for each in self._misbehave((topic, payload)):
            delay = self._random.uniform(0, self.faults.delay_s)
            if delay:
                self._loop.call_later(delay, self._received, *each)
            else:
                self._received(*each)

    # ------------------------------------------------------------------- in paho's thread

    def _on_connect(
        self, client: Client, _u: Any, _f: Any, reason: ReasonCode, _p: Properties | None
    ) -> None:
        if not reason.is_failure:
            client.subscribe(self._pattern, options=SubscribeOptions(qos=1))

    def _on_subscribe(
        self, _c: Client, _u: Any, _m: int, _r: list[ReasonCode], _p: Properties | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._subscribed.set)

    def _on_message(self, _c: Client, _u: Any, message: MQTTMessage) -> None:
        self._loop.call_soon_threadsafe(self._arrived, message.topic, bytes(message.payload))

    def _on_disconnect(
        self, _c: Client, _u: Any, _f: Any, _r: ReasonCode, _p: Properties | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._subscribed.clear)


def _no_delay(_c: Client, _u: Any, sock: Any) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
