"""The bare program of the Bluetooth figures: bleak as its manual shows, and aiohttp for orders.

It scans all the time, connects, says what a TTLock wants to hear in the gateway's own frames, and
lets a link linger as long as the gateway does. No store, no retries, no deadlines.
`python -m benchmarks.ble_bare ADAPTER SOCKET`
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from typing import TYPE_CHECKING

from aiohttp import web
from bleak import BleakClient, BleakScanner

from firmware_sims.ble.bleak_backend import Backend
from gateway.domain.secret import Secret
from gateway.drivers.ttlock import commands, crypto, wire
from gateway.drivers.ttlock.keys import keys_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bleak.backends.characteristic import BleakGATTCharacteristic
    from bleak.backends.device import BLEDevice
    from bleak.backends.scanner import AdvertisementData

    from gateway.drivers.ttlock.commands import Answer, Command
    from gateway.drivers.ttlock.keys import Keys

LINGER_S = 3.0


class Ear:
    """How often each device was heard since last asked, and its longest silence."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._heard: dict[str, tuple[int, float, float]] = {}

    def hear(self, address: str) -> None:
        now = time.monotonic()
        count, last, longest = self._heard.get(address, (0, self._began, 0.0))
        self._heard[address] = count + 1, now, max(longest, now - last)

    def take(self) -> dict[str, tuple[int, float]]:
        """By address: how often, and the longest silence in seconds, until now. Begins anew."""
        now, heard = time.monotonic(), self._heard
        self._began, self._heard = now, {}
        return {
            address: (count, max(longest, now - last))
            for address, (count, last, longest) in heard.items()
        }


class Lock:
    """One lock with the link to it, if there is one."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._client: BleakClient | None = None
        self._frames: asyncio.Queue[wire.Frame] = asyncio.Queue()
        self._reassembler = wire.Reassembler()
        self._number = 0
        self._closing: asyncio.TimerHandle | None = None
        self._hanging_up: asyncio.Task[None] | None = None

    async def unlock(self, device: BLEDevice, adapter: str) -> None:
        if self._closing is not None:
            self._closing.cancel()
        client = self._client
        if client is None or not client.is_connected:
            client = BleakClient(device, **Backend().client(adapter))
            await client.connect()
            await client.start_notify(wire.NOTIFY, self._notified)
            self._client = client
            answer = await self._ask(client, commands.check_user(self._keys))
            self._number = commands.number(answer.data, 0, 4, "the lock's number")
        answer = await self._ask(client, commands.unlock(int(time.time())))
        assert answer.error is None, answer
        self._closing = asyncio.get_running_loop().call_later(LINGER_S, self._close)

    async def _ask(self, client: BleakClient, command: Command) -> Answer:
        payload = command.payload
        if command.summed:
            payload = commands.u32(self._number + self._keys.unlock_key) + payload
        cipher = crypto.encrypt(payload, self._keys.aes)
        for part in wire.chunks(wire.encode(self._keys.version, command.code, cipher)):
            await client.write_gatt_char(wire.WRITE, part, response=False)
        while True:
            frame = await self._frames.get()
            plain = crypto.decrypt(frame.payload, self._keys.aes)
            answer = None if plain is None else commands.answer_of(plain)
            if answer is not None and answer.code == command.code:
                return answer

    def _notified(self, _sender: BleakGATTCharacteristic, data: bytearray) -> None:
        for frame in self._reassembler.feed(bytes(data)):
            self._frames.put_nowait(frame)

    def _close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            self._hanging_up = asyncio.get_running_loop().create_task(client.disconnect())


class BleBare:
    """`POST /unlock` with a device and its key; `GET /heard` since last asked."""

    def __init__(self, adapter: str) -> None:
        self._adapter = adapter
        self._ear = Ear()
        self._seen: dict[str, BLEDevice] = {}
        self._locks: dict[str, Lock] = {}

    async def run(self, path: str) -> None:
        await Backend().open(self._adapter)
        scanner = BleakScanner(self._advertised, **Backend().scanner(self._adapter))
        application = web.Application()
        application.add_routes([web.post("/unlock", self._unlock), web.get("/heard", self._heard)])
        runner = web.AppRunner(application)
        await runner.setup()
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        async with scanner:
            await web.UnixSite(runner, path).start()
            print(json.dumps({"ready": True}), flush=True)
            await stop.wait()
        await runner.cleanup()

    def _advertised(self, device: BLEDevice, _data: AdvertisementData) -> None:
        self._seen[device.address] = device
        self._ear.hear(device.address)

    async def _unlock(self, request: web.Request) -> web.Response:
        order = await request.json()
        address = order["device"]
        lock = self._locks.get(address)
        if lock is None:
            lock = self._locks[address] = Lock(keys_of(Secret(order["secret"])))
        await lock.unlock(self._seen[address], self._adapter)
        return web.json_response({"done": True})

    async def _heard(self, _request: web.Request) -> web.Response:
        return web.json_response(self._ear.take())


def main(arguments: Sequence[str]) -> None:
    adapter, path = arguments
    asyncio.run(BleBare(adapter).run(path))


if __name__ == "__main__":
    main(sys.argv[1:])
