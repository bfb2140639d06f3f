"""Figures of many locks at once: programming in parallel, memory, a large schedule, standing by."""

from __future__ import annotations

import asyncio
import statistics
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from benchmarks.doors import address_of
from benchmarks.processes import WAIT_S, until
from benchmarks.report import Figure, percentile

if TYPE_CHECKING:
    from benchmarks.stage import Crowd, Daemon, Doors, Frame, Pair
    from firmware_sims.cloud.reference import Json

UNLOCK_DOOR, SET_PIN, GET_PIN = 0x01, 0x05, 0x06
AIR_S, LOCK_S = 0.005, 0.010
"""Each way; so that an exchange takes 10 ms of air and 10 ms of lock."""
CODES = 20
GRANTS_PER_LOCK = 200
CHUNK = 600
STARTED_S = 8.0
ALWAYS = {"kind": "always"}


def credential(number: int, device: str, window: Json) -> Json:
    """One of ours; its digits are unlike those of any other number, and never weak."""
    return {
        "credential_id": f"c{number}",
        "secret": {"digits": f"7{(number * 7919 + 1234567) % 10**7:07d}"},
        "devices": [device],
        "window": window,
    }


# ── programming ─────────────────────────────────────────────────────────────────────────────


async def parallel(pair: Pair) -> list[Figure]:
    """The same codes written and read back on all locks at once; order to the last proof."""
    count = pair.ours.locks
    for world in (pair.plain, pair.ours):
        await world.ask("slow", air_s=AIR_S, lock_s=LOCK_S)
        await world.frames()
    digits = [credential(n, "", ALWAYS)["secret"]["digits"] for n in range(count * CODES)]
    order = {
        address_of(lock): [(slot, digits[lock * CODES + slot]) for slot in range(CODES)]
        for lock in range(count)
    }
    bare_s = []
    for look in (True, False):
        await pair.plain.ask("clear")
        began = await pair.bare.order("program", codes=order, look=look)
        bare_s.append(_last_proof(await pair.plain.frames()) - began)

    before = await pair.ours.ask("codes")
    cloud, devices = pair.daemon.cloud, pair.daemon.device_ids
    batch = [credential(n, devices[n // CODES], ALWAYS) for n in range(count * CODES)]
    commits = len(await pair.daemon.commits())
    began = time.monotonic()
    cloud.push(batch)
    await all_active(pair.daemon, batch)
    await pair.ours.settle()
    commits = len(await pair.daemon.commits()) - commits
    frames = await pair.ours.frames()
    assert await pair.ours.ask("codes") == [held + CODES for held in before]
    ours_s = _last_proof(frames) - began
    for world in (pair.plain, pair.ours):
        await world.ask("slow", air_s=0.0, lock_s=0.0)
    return [
        Figure(
            f"{CODES} codes on each of {count} locks, proven", ours_s, "s", 1.3, bare_s[1],
            relative=True,
            note=f"if the bare program looks into each slot first, as we do: {bare_s[0]:.2f} s;"
            f" {len(frames)} frames, {commits} commits",
        )
    ]  # fmt: skip


def _last_proof(frames: list[Frame]) -> float:
    """When the last code was read back for the first time after it was written."""
    unproven: dict[tuple[int, int], bool] = {}
    last = 0.0
    for frame in frames:
        key = (frame.lock, frame.user)
        if frame.command == SET_PIN:
            unproven[key] = True
        elif frame.command == GET_PIN and unproven.get(key):
            unproven[key] = False
            last = frame.at
    assert unproven, "nothing was written"
    assert not any(unproven.values()), "not every code was read back"
    return last


async def all_active(daemon: Daemon, batch: list[Json], timeout_s: float = WAIT_S) -> None:
    wanted = {(each["credential_id"], device) for each in batch for device in each["devices"]}
    grants = daemon.cloud.grants

    def done() -> bool:
        return all(grants.get(key, {}).get("state") == "active" for key in wanted)

    await until(done, timeout_s)


# ── memory ──────────────────────────────────────────────────────────────────────────────────


async def memory(crowd: Crowd) -> list[Figure]:
    """Resident memory once every lock holds its codes."""
    devices = crowd.daemon.device_ids
    batch = [credential(n, devices[n // CODES], ALWAYS) for n in range(len(devices) * CODES)]
    began = time.monotonic()
    for start in range(0, len(batch), 200):
        crowd.daemon.cloud.push(batch[start : start + 200])
    await all_active(crowd.daemon, batch)
    took = time.monotonic() - began
    await crowd.doors.settle()
    return [
        Figure(
            f"resident memory, {len(devices)} locks × {CODES} codes",
            crowd.daemon.usage.rss_kb() / 1024, "MB", 1.6, crowd.bare_rss_kb / 1024,
            relative=True, note=f"programmed in {took:.0f} s",
        )
    ]  # fmt: skip


# ── a large schedule ────────────────────────────────────────────────────────────────────────


async def snapshot(crowd: Crowd, rounds: int) -> list[Figure]:
    """A whole schedule, new each time, in chunks, while orders go on."""
    grants = GRANTS_PER_LOCK * crowd.doors.locks
    cloud, devices = crowd.daemon.cloud, crowd.daemon.device_ids
    await crowd.doors.frames()
    took, slow = [], []
    for number in range(rounds):
        opens = datetime.now(UTC) + timedelta(days=40 + number)
        window = {
            "kind": "timed",
            "opens_at": opens.isoformat(timespec="seconds"),
            "closes_at": (opens + timedelta(days=3)).isoformat(timespec="seconds"),
        }
        kept = len(cloud.schedule)
        for n in range(kept, grants):
            fresh = credential(n, devices[n % len(devices)], window)
            cloud.schedule[fresh["credential_id"]] = {"version": 1, "kind": "pin"} | fresh
        for old in list(cloud.schedule.values()) if kept >= grants else ():
            if old["window"]["kind"] == "timed":
                cloud.schedule[old["credential_id"]] = old | {
                    "version": old["version"] + 1,
                    "window": window,
                }
        cloud.revision += 1
        chunks = cloud.prepared_snapshot(CHUNK)
        done = asyncio.Event()
        orders = asyncio.create_task(_orders(crowd, done))
        await asyncio.sleep(0.2)
        began = time.monotonic()
        for chunk in chunks:
            cloud.send_raw("desired", chunk)
        await cloud.wait_applied(60)
        ended = time.monotonic()
        took.append(ended - began)
        done.set()
        sent = await orders
        arrived = [f.at for f in await crowd.doors.frames() if f.command == UNLOCK_DOOR]
        slow += [
            end - begin
            for begin, end in zip(sent, arrived, strict=True)
            if end >= began and begin <= ended
        ]
        await crowd.doors.settle()
        await asyncio.sleep(1)
    return [
        Figure(
            f"{grants:,} grants in one snapshot, until hello shows them",
            statistics.median(took), "s", 2,
            note=f"slowest of {rounds}: {max(took):.2f} s; {len(chunks)} chunks",
        ),
        Figure(
            "order → frame meanwhile, p99", 1000 * percentile(slow, 99), "ms", 50,
            note=f"{len(slow)} orders, p50 {1000 * percentile(slow, 50):.1f} ms",
        ),
    ]  # fmt: skip


async def _orders(crowd: Crowd, done: asyncio.Event) -> list[float]:
    """Unlock without pause until told to stop; when each was sent."""
    sent = []
    while not done.is_set():
        sent.append(time.monotonic())
        await crowd.daemon.cloud.command("unlock", crowd.daemon.device_ids[0], timeout_s=30)
    return sent


# ── starting and standing by ────────────────────────────────────────────────────────────────


async def start(pair: Pair, rounds: int) -> list[Figure]:
    """A grant fell due while the process was down: from its start to the first word to the lock."""
    daemon, doors = pair.daemon, pair.ours
    took, opening = [], []
    for number in range(rounds):
        opens = datetime.now(UTC) + timedelta(seconds=2)
        closes = opens + timedelta(days=1)
        window = {
            "kind": "timed",
            "opens_at": opens.isoformat(timespec="milliseconds"),
            "closes_at": closes.isoformat(timespec="milliseconds"),
        }
        await daemon.ensure()
        daemon.cloud.push([credential(90_000 + number, daemon.device_ids[1], window)])
        await daemon.cloud.wait_applied()
        await daemon.stop()
        opening.append(await pair.opening_s())
        await asyncio.sleep(max(0.0, (opens - datetime.now(UTC)).total_seconds()))
        await doors.frames()
        began = await daemon.start()
        frames: list[Frame] = []
        async with asyncio.timeout(60):
            while not frames:
                await asyncio.sleep(0.05)
                frames = await doors.frames()
        took.append(frames[0].at - began)
        await daemon.cloud.wait_grant(f"c{90_000 + number}", daemon.device_ids[1], "active", 30)
        await doors.settle()
    median, bare_open_s = statistics.median(took), statistics.median(opening)
    return [
        Figure(
            "process start → first word to a lock, beyond the radio's start",
            median - bare_open_s, "s", 2,
            note=f"{median:.2f} s in all, {bare_open_s:.2f} s the radio's by the bare program",
        )
    ]  # fmt: skip


async def idle(daemon: Daemon, doors: Doors, seconds: float) -> list[Figure]:
    """Nothing happens; the start is over. Housekeeping that falls into it counts."""
    await asyncio.sleep(STARTED_S)
    began, before = time.monotonic(), daemon.usage.cpu_s()
    await asyncio.sleep(seconds)
    used = daemon.usage.cpu_s() - before
    share = 100 * used / (time.monotonic() - began)
    return [Figure(f"idle processor time, {doors.locks} locks", share, "%", 0.2)]
