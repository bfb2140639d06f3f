"""Figures of Bluetooth: opening a door, hearing a crowd while links are busy, memory.

Both programs reach the simulated air through the same host, in their own process; so a figure
holds the simulated host's time and memory twice, and BlueZ and its kernel not at all.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from contextlib import asynccontextmanager
from random import Random
from typing import TYPE_CHECKING, NoReturn

import structlog

from benchmarks.ble_bare import Ear
from benchmarks.ble_doors import address_of, keys_of
from benchmarks.ble_stage import LOCKS, OURS, PLAIN, ble_bare, ble_doors, until_heard
from benchmarks.latency import REST_S, Span, figures
from benchmarks.locks import ALWAYS, CODES, all_active, credential
from benchmarks.processes import WAIT_S
from benchmarks.report import Figure
from firmware_sims.ble.bleak_backend import Backend, adapter_at
from gateway.domain.instant import ClockTrust
from gateway.drivers.claims import ClaimedDevice
from gateway.drivers.ttlock.family import TtLockFamily
from gateway.kit.clock import SystemClock
from gateway.radios.api import Advertised, RadioStatus
from gateway.radios.ble import BleRadio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from pathlib import Path

    from benchmarks.ble_stage import BleDoors, Street
    from gateway.domain.devices import Numbered
    from gateway.domain.secret import KeyedHash, Secret
    from gateway.radios.api import RadioEvent

CODES_WAIT_S = 600.0
ADDED_MS = 10.0
"""Journal, planning and two threads that write and read; nobody at a door can tell."""

# ── opening a door ──────────────────────────────────────────────────────────────────────────


async def unlock(street: Street, count: int) -> list[Figure]:
    """Local order to bolt, turn by turn with the bare program: first with a link to be made,
    which is the common case: a door was quiet before somebody came. Then over the one that lingers.
    """
    cold, warm = [], []
    bare_cold, bare_warm = [], []

    async def ours(lock: int) -> None:
        told = await street.desk.post(
            "/v1/commands", kind="unlock", device=street.daemon.device_ids[lock], reason="bench"
        )
        assert told["result"]["outcome"] == "confirmed", told

    async def plain(lock: int) -> None:
        await street.bare.unlock(lock + LOCKS)

    for turn in range(count):
        lock = turn % LOCKS
        cold += await _ordered(street.doors, ours, lock, lock, fresh=True)
        warm += await _ordered(street.doors, ours, lock, lock, fresh=False)
        bare_cold += await _ordered(street.doors, plain, lock, lock + LOCKS, fresh=True)
        bare_warm += await _ordered(street.doors, plain, lock, lock + LOCKS, fresh=False)
    commits = await street.daemon.commits()
    name = "unlock by Bluetooth, connecting"
    plain_s = [end - begin for begin, end in bare_cold]
    return [
        *figures(name, cold, plain_s, commits, syncs=2),
        _added(warm, [end - begin for begin, end in bare_warm], commits),
    ]


def _added(spans: Sequence[Span], plain: Sequence[float], commits: Sequence[Span]) -> Figure:
    """A bound, because the bare program has next to nothing to do over an open link."""
    _, own, _ = figures("", spans, plain, commits, syncs=2)
    assert own.bare is not None
    return Figure(
        "unlock over a lingering link, p50, beyond the bare program",
        own.measured - own.bare, "ms", ADDED_MS,
        note=f"without commits {own.measured:.1f} ms, bare {own.bare:.1f} ms; {own.note}",
    )  # fmt: skip


async def _ordered(
    doors: BleDoors, order: Callable[[int], Awaitable[None]], lock: int, acts: int, *, fresh: bool
) -> list[Span]:
    """One order; none where the link was not as `fresh` wants it, for other reasons than ours."""
    if fresh:
        await doors.wait_free(acts)
        await asyncio.sleep(REST_S)  # so that it was heard again
    await doors.acts()
    at = time.monotonic()
    await order(lock)
    (act,) = [each for each in await doors.acts() if each.lock == acts]
    await asyncio.sleep(REST_S)
    return [(at, act.at)] if (act.linked > at) is fresh else []


# ── memory ──────────────────────────────────────────────────────────────────────────────────


async def memory(street: Street) -> list[Figure]:
    """Resident memory once every lock holds its codes, from here on without the stopwatch."""
    await street.daemon.stop()
    await street.daemon.ensure()
    devices = street.daemon.device_ids
    before = (await street.doors.ask("codes"))[:LOCKS]
    batch = [credential(n, devices[n // CODES], ALWAYS) for n in range(len(devices) * CODES)]
    began = time.monotonic()
    street.daemon.cloud.push(batch)
    await all_active(street.daemon, batch, CODES_WAIT_S)
    took = time.monotonic() - began
    after = (await street.doors.ask("codes"))[:LOCKS]
    assert after == [held + CODES for held in before], after
    stack_mb = (await _rss_kb(_STACK) - await _rss_kb(_BLEAK)) / 1024
    return [
        Figure(
            f"resident memory, {LOCKS} Bluetooth locks × {CODES} codes",
            street.daemon.usage.rss_kb() / 1024, "MB", 1.6, street.bare_rss_kb / 1024,
            relative=True,
            note=f"programmed in {took:.0f} s; in both {stack_mb:.0f} MB of simulated host",
        )
    ]  # fmt: skip


_BLEAK = "import bleak, aiohttp, cryptography.hazmat.primitives.ciphers"
_STACK = f"{_BLEAK}, firmware_sims.ble.bleak_backend"


async def _rss_kb(imports: str) -> int:
    """What an interpreter takes that has done nothing but import."""
    code = f"{imports}\nprint(open('/proc/self/status').read())"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE
    )
    told, _ = await process.communicate()
    lines = told.decode().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


# ── a crowd ─────────────────────────────────────────────────────────────────────────────────

HEARD, LINKED = 50, 5
INTERVAL_S = 0.03
"""Of connection events: about what the kernel asks for (30 to 50 ms)."""
SILENCE_S = 3.0
"""Locks advertise here twice a second."""
DEADLINE_S = 20.0


async def crowd(folder: Path, seconds: float) -> list[Figure]:
    """Fifty locks advertise; five more have links over which they are asked without pause.

    The bare scanner has an adapter of its own in the same air, and no link.
    """
    async with (
        ble_doors(folder, "crowd", HEARD + LINKED, INTERVAL_S) as doors,
        ble_bare(folder, doors.adapters[PLAIN]) as bare,
        _radio(doors.adapters[OURS]) as radio,
    ):
        ear, heard = Ear(), {address_of(number) for number in range(HEARD)}

        def listen(event: RadioEvent) -> None:
            if isinstance(event, Advertised):
                ear.hear(event.address)

        radio.listen(listen)
        radio.watch(frozenset(address_of(number) for number in range(HEARD + LINKED)))
        await until_heard(bare, HEARD + LINKED)
        talks = [_Talk(radio, HEARD + number) for number in range(LINKED)]
        tasks = [asyncio.create_task(talk.run()) for talk in talks]
        try:
            async with asyncio.timeout(WAIT_S):
                await asyncio.gather(*(talk.talking.wait() for talk in talks))
            for talk in talks:
                talk.answers = 0
            await bare.heard()
            ear.take()
            await asyncio.sleep(seconds)
            ours, plain = ear.take(), await bare.heard()
            assert not any(task.done() for task in tasks), [task for task in tasks if task.done()]
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    assert heard <= plain.keys(), "the bare scanner has missed devices"
    rates = [
        sum(told.get(address, (0, 0.0))[0] for address in heard) / HEARD / seconds
        for told in (ours, plain)
    ]
    silences = [
        max(told.get(address, (0, seconds))[1] for address in heard) for told in (ours, plain)
    ]
    answers = sum(talk.answers for talk in talks) / seconds
    return [
        Figure(
            f"{HEARD} locks heard while {LINKED} links exchange, each",
            rates[0], "/s", 0.9, rates[1], relative=True, at_least=True,
            note=f"the bare scanner has no link; {answers:.0f} questions answered a second",
        ),
        Figure(
            "the longest silence of any of them", silences[0], "s", SILENCE_S, silences[1]
        ),
    ]  # fmt: skip


class _Talk:
    """One lock that is asked its state, over one link, again and again."""

    def __init__(self, radio: BleRadio, lock: int) -> None:
        self.talking = asyncio.Event()
        self.answers = 0
        clock = SystemClock(ClockTrust.TRUSTED)
        keys = keys_of(lock).to_secret()
        device = ClaimedDevice(address_of(lock), "TTLock", "V3", keys, _NoNumbers(), "UTC")
        self._lock = TtLockFamily(Random(lock), clock.now).driver(device, radio)

    async def run(self) -> NoReturn:
        while True:
            await self._lock.measure(deadline_s=DEADLINE_S)
            self.answers += 1
            self.talking.set()


class _NoNumbers:
    """Slot numbers of a lock without codes."""

    def hash_of(self, digits: Secret) -> KeyedHash:
        raise NotImplementedError

    async def load(self) -> Sequence[Numbered]:
        return ()

    async def give(self, slot: int, code: KeyedHash, handle: int | None = None) -> None:
        raise NotImplementedError


@asynccontextmanager
async def _radio(adapter: str) -> AsyncIterator[BleRadio]:
    """The gateway's radio in this process, up; only its warnings are told."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    radio = BleRadio(
        [adapter], clock=SystemClock(ClockTrust.TRUSTED), connections=LINKED, backend=Backend()
    )
    up = asyncio.Event()
    radio.listen(lambda _: up.set() if radio.state.status is RadioStatus.UP else None)
    running = asyncio.create_task(radio.run(), name="bluetooth radio")
    try:
        async with asyncio.timeout(WAIT_S):
            await up.wait()
        yield radio
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        adapter_at(adapter).close()
