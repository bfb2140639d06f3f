"""How the bare programs hear of orders: paho, as its manual shows.

Topics: `bare/NAME/dn` takes orders, `bare/NAME/up` has answers and happenings. Not here: what is
done about an order (each program's own).
"""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from typing import TYPE_CHECKING, Any, cast

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from paho.mqtt.client import MQTTMessage


class Orders:
    """`obey` is run as a task for each order; its end is told as done."""

    def __init__(
        self, port: int, name: str, obey: Callable[[dict[str, Any]], Coroutine[Any, Any, None]]
    ) -> None:
        self._port = port
        self._obey = obey
        self._up = f"bare/{name}/up"
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._mqtt = Client(
            CallbackAPIVersion.VERSION2, f"bare-{name}", protocol=MQTTProtocolVersion.MQTTv5
        )
        self._mqtt.on_socket_open = lambda _c, _u, sock: cast("socket.socket", sock).setsockopt(
            socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
        )
        self._mqtt.on_connect = lambda client, *_: client.subscribe(f"bare/{name}/dn", 1)
        self._mqtt.on_subscribe = self._on_subscribe
        self._mqtt.on_message = self._on_message
        self._open_s = 0.0

    async def run(self, open_s: float = 0.0) -> None:
        """Take orders until the process is asked to end. `open_s`: how long its radio has taken."""
        self._open_s = open_s
        self._mqtt.connect("127.0.0.1", self._port)
        self._mqtt.loop_start()
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, stop.set)
        await stop.wait()
        self._mqtt.disconnect()
        self._mqtt.loop_stop()

    def publish(self, message: dict[str, Any]) -> None:
        self._mqtt.publish(self._up, json.dumps(message), qos=1)

    def start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _on_subscribe(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self.publish, {"ready": True, "open_s": self._open_s})

    def _on_message(self, _c: Client, _u: Any, message: MQTTMessage) -> None:
        order = json.loads(message.payload)
        self._loop.call_soon_threadsafe(lambda: self.start(self._carry_out(order)))

    async def _carry_out(self, order: dict[str, Any]) -> None:
        await self._obey(order)
        self.publish({"done": order["id"]})
