"""The real daemon started on disks that a power cut may leave, without its stick.

It must come up and say, in its first hello, what was promised; what it still has to tell must be
what it told before. Not here: which disks (`replay`).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from firmware_sims.cloud.reference import ReferenceCloud
from firmware_sims.demo.stage import Daemon
from tests.powercut.promises import as_stamped

if TYPE_CHECKING:
    from pathlib import Path

    from tests.house.house import House
    from tests.powercut.images import Image
    from tests.powercut.promises import Promises

AT_ONCE = 2
UP_S = 30.0


class Boots:
    """`add` disks, then `done`. Each daemon is a gateway of its own at the house's broker."""

    def __init__(self, house: House, folder: Path) -> None:
        self._house = house
        self._folder = folder
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._tasks: list[asyncio.Task[None]] = []
        self.started = 0
        self.findings: list[str] = []

    async def add(self, what: str, image: Image, promises: Promises) -> None:
        """Returns when the disk is written; it is started when there is room."""
        name = f"boot-{len(self._tasks)}"
        folder = self._folder / name
        state = folder / "state"
        state.mkdir(mode=0o700, parents=True)
        for file, data in image.items():
            (state / file).touch(0o600)
            (state / file).write_bytes(data)
        told = (promises.epoch, promises.revision, promises.head, promises.change)
        events = dict(promises.events)
        self._tasks.append(asyncio.create_task(self._one(what, name, folder, told, events)))

    async def done(self) -> None:
        await asyncio.gather(*self._tasks)

    async def _one(
        self,
        what: str,
        name: str,
        folder: Path,
        told: tuple[str, int, int, int],
        events: dict[int, dict[str, object]],
    ) -> None:
        broker = self._house.stage.broker
        async with self._slots, ReferenceCloud(broker.host, broker.port, name) as cloud:
            daemon = Daemon(
                self._house.stage.daemon.config,
                folder / "api.sock",
                folder / "daemon.log",
                {
                    "LOCK_GATEWAY_GATEWAY__ID": name,
                    "LOCK_GATEWAY_GATEWAY__STATE_DIR": str(folder / "state"),
                    "LOCK_GATEWAY_LOCAL__SOCKET": str(folder / "api.sock"),
                    "LOCK_GATEWAY_ZIGBEE__ENABLED": "false",
                },
            )
            await daemon.launch()
            try:
                await cloud.until(lambda: cloud.hello, UP_S)
                await cloud.until(
                    lambda: cloud.hello["events"]["through"] == cloud.hello["events"]["head"]
                    or cloud.ledgers, UP_S,
                )  # fmt: skip
            except TimeoutError:
                tail = daemon.log.read_text(errors="replace")[-500:]
                self.findings.append(f"{what}: the daemon does not come up: {tail}")
                return
            finally:
                await daemon.kill()
            self.started += 1
            self.findings += [f"{what}: {word}" for word in _differs(cloud, told, events)]


def _differs(
    cloud: ReferenceCloud,
    told: tuple[str, int, int, int],
    events: dict[int, dict[str, object]],
) -> list[str]:
    epoch, revision, head, change = told
    hello = cloud.hello
    found = []
    if epoch and hello["epoch"] != epoch:
        found.append("it has another epoch")
    for name, there, before in (
        ("revision", hello["revision"], revision),
        ("head", hello["events"]["head"], head),
        ("change", hello["change"], change),
    ):
        if there < before:
            found.append(f"it says {name} {there}, {before} was told")
    found += [
        f"event {event['seq']} is another"
        for event in cloud.events()
        if events.get(event["seq"], as_stamped(event)) != as_stamped(event)
    ]
    return found
