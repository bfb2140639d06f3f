"""From an order to the air, and from the keypad to the cloud, beside the bare program.

Commits are taken out of our own time one by one, as they were measured in the same run: what is
left is compared, and how many there were is a figure of its own.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import TYPE_CHECKING

from benchmarks.doors import address_of
from benchmarks.report import Figure, percentile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.stage import Doors, Pair
    from firmware_sims.cloud.reference import Json

UNLOCK_DOOR = 0x01
CODE, CODE_SLOT = "905173", 29
REST_S = 0.1
"""Between orders, so that what follows one (acknowledgements, reports) is not in the next."""

Span = tuple[float, float]


async def command(pair: Pair, count: int) -> list[Figure]:
    """MQTT order to frame, one after another, turn by turn with the bare program."""
    await pair.plain.frames()
    await pair.ours.frames()
    cloud, lock = pair.daemon.cloud, 0
    ours, bare = [], []
    for _ in range(count):
        ours.append(time.monotonic())
        result = await cloud.command("unlock", pair.daemon.device_ids[lock])
        assert result["result"]["outcome"] == "confirmed", result
        await asyncio.sleep(REST_S / 2)
        bare.append(await pair.bare.order("unlock", device=address_of(lock)))
        await asyncio.sleep(REST_S / 2)
    spans = list(zip(ours, await _unlocks(pair.ours), strict=True))
    plain = [end - begin for begin, end in zip(bare, await _unlocks(pair.plain), strict=True)]
    return figures("order → frame", spans, plain, await pair.daemon.commits(), syncs=2)


async def event(pair: Pair, count: int) -> list[Figure]:
    """The last key pressed to the message a subscriber gets."""
    cloud, device = pair.daemon.cloud, pair.daemon.device_ids[0]
    cloud.push(
        [
            {
                "credential_id": "keypad",
                "secret": {"digits": CODE},
                "devices": [device],
                "window": {"kind": "always"},
            }
        ]
    )
    await cloud.wait_grant("keypad", device, "active")
    assert await pair.plain.ask("set_by_hand", lock=0, slot=CODE_SLOT, code=CODE) == "ok"
    await asyncio.sleep(1)
    heard: asyncio.Queue[float] = asyncio.Queue()

    def of_cloud(leaf: str, message: Json) -> None:
        if leaf == "events" and any(e["type"] == "lock.unlocked" for e in message["events"]):
            heard.put_nowait(time.monotonic())

    def of_bare(at: float, message: Json) -> None:
        if "operated" in message:
            heard.put_nowait(at)

    cloud.listener, pair.bare.heard = of_cloud, of_bare
    ours, bare = [], []
    for _ in range(count):
        ours.append(await _typed(pair.ours, heard))
        bare.append(await _typed(pair.plain, heard))
    cloud.listener = lambda leaf, message: None
    plain = [end - begin for begin, end in bare]
    return figures("keypad → subscriber", ours, plain, await pair.daemon.commits(), syncs=1)


async def _typed(doors: Doors, heard: asyncio.Queue[float]) -> Span:
    at, opened = await doors.ask("type_code", lock=0, code=CODE)
    assert opened
    async with asyncio.timeout(10):
        told = await heard.get()
    await asyncio.sleep(REST_S)
    return at, told


async def _unlocks(doors: Doors) -> list[float]:
    return [frame.at for frame in await doors.frames() if frame.command == UNLOCK_DOOR]


def figures(
    name: str,
    spans: Sequence[Span],
    plain: Sequence[float],
    commits: Sequence[Span],
    *,
    syncs: int,
    factor: float = 1.5,
) -> list[Figure]:
    """Of `spans`, ours, without the commits in each; `syncs`: how many there may be."""
    inside = [
        [min(b, end) - max(a, begin) for a, b in commits if a < end and b > begin]
        for begin, end in spans
    ]
    whole = [end - begin for begin, end in spans]
    own = [total - sum(waits) for total, waits in zip(whole, inside, strict=True)]
    sync_ms = 1000 * statistics.median(wait for waits in inside for wait in waits)
    counted = statistics.median(len(waits) for waits in inside)
    made = [
        Figure(
            f"{name}: commits on the way", counted, "", syncs,
            note=f"one takes {sync_ms:.2f} ms; at most {max(map(len, inside))} seen",
        )
    ]  # fmt: skip
    for percent in (50, 95):
        total = percentile(whole, percent) * 1000
        made.append(
            Figure(
                f"{name}, p{percent}, without them", percentile(own, percent) * 1000, "ms", factor,
                percentile(plain, percent) * 1000, relative=True,
                note=f"with them {total:.2f} ms; {len(whole)} times",
            )
        )  # fmt: skip
    return made
