"""The bare program of the Z-Wave figures: zwave-js-server-python and paho as their manuals show.

It is a client of a Z-Wave JS server that somebody else has started, and asks it for just what the
daemon asks it for. No store, no retries, no deadlines.
`python -m benchmarks.zwave_bare --server URL --port MQTT_PORT --name NAME`
"""

from __future__ import annotations

import argparse
import asyncio
from typing import TYPE_CHECKING, Any

from aiohttp import ClientSession
from zwave_js_server.client import Client
from zwave_js_server.const import CommandClass

from benchmarks.orders import Orders

if TYPE_CHECKING:
    from zwave_js_server.model.controller import Controller
    from zwave_js_server.model.endpoint import Endpoint

UNSECURED, ENABLED = 0, 1
SUCCESS = {"status": 0xFF}
"""How a supervised order ends that was carried out (CC:006C)."""


class ZwaveBare:
    """Orders are in `_obey`; see `benchmarks.orders`."""

    def __init__(self, client: Client, port: int, name: str) -> None:
        self._client = client
        self._orders = Orders(port, name, self._obey)
        self._ready: asyncio.Queue[int] = asyncio.Queue()

    async def run(self) -> None:
        driver_ready = asyncio.Event()
        listening = asyncio.create_task(self._client.listen(driver_ready))
        await driver_ready.wait()
        self._controller.on("node added", self._added)
        await self._orders.run()
        await self._client.disconnect()
        await listening

    @property
    def _controller(self) -> Controller:
        assert self._client.driver is not None
        return self._client.driver.controller

    def _added(self, event: dict[str, Any]) -> None:
        event["node"].on("ready", lambda ready: self._ready.put_nowait(ready["node"].node_id))

    async def _obey(self, order: dict[str, Any]) -> None:
        match order["op"]:
            case "admit":
                await self._controller.async_provision_smart_start_node(order["qr"])
                self._orders.publish({"joined": str(await self._ready.get())})
            case "unlock":
                await self._told(order["node"], CommandClass.DOOR_LOCK, UNSECURED)
            case "program":
                for slot, code in order["codes"]:
                    await self._program(order["node"], slot, code)

    async def _program(self, node: str, slot: int, code: str) -> None:
        """Write a code and prove it by reading it back."""
        await self._told(node, CommandClass.USER_CODE, slot, ENABLED, code)
        held = await self._lock(node).async_invoke_cc_api(CommandClass.USER_CODE, "get", slot)
        assert held["userIdStatus"] == ENABLED, held

    async def _told(self, node: str, command_class: CommandClass, *arguments: int | str) -> None:
        told = await self._lock(node).async_invoke_cc_api(command_class, "set", *arguments)
        assert told == SUCCESS, told

    def _lock(self, node: str) -> Endpoint:
        return self._controller.nodes[int(node)].endpoints[0]


async def run(options: argparse.Namespace) -> None:
    async with ClientSession() as session:
        client = Client(options.server, session)
        await client.connect()
        await ZwaveBare(client, options.port, options.name).run()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.zwave_bare")
    parser.add_argument("--server", required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--port", type=int, required=True)
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
