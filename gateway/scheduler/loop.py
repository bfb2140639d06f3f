"""The scheduler: lanes for the fleet, woken by whatever may change a plan.

Triggers only wake; truth is re-derived by planning. A wall-clock jump wakes every lane at once,
and a tick every 30 s makes sure that no missed trigger can matter for longer than that.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from gateway.domain.events import EventType, Fact, Value
from gateway.domain.ids import DeviceId
from gateway.domain.instant import DAY
from gateway.domain.reconcile import Plan, plan
from gateway.errors import RequestError, StoreBusy, StoreError, StoreFull
from gateway.kit.tasks import wait_or_sleep
from gateway.scheduler.asking import Asking
from gateway.scheduler.commands import Commands
from gateway.scheduler.doorbell import Doorbell
from gateway.scheduler.doubts import reap_attempts
from gateway.scheduler.errands import Errands
from gateway.scheduler.executor import Executor
from gateway.scheduler.lane import Lane, Momentary
from gateway.scheduler.publish import next_alarm, publish_strays, raise_overdue_erases
from gateway.scheduler.turns import Turns
from gateway.scheduler.waiting import Entrusted, Onlookers
from gateway.store import events, reported
from gateway.store.desired import desired_for
from gateway.store.devices import device as device_row
from gateway.store.tx import SHOWN

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.domain.wants import Moment, Policy
    from gateway.drivers.api import DeviceEvent, Driver
    from gateway.kit.clock import Clock
    from gateway.radios.arbiter import Arbiter
    from gateway.scheduler.fleet import Fleet
    from gateway.store.database import Store
    from gateway.store.keyring import Keyring
    from gateway.store.tx import Tx

log = structlog.get_logger()

TICK_S = 30.0
ALARM_PACE_S = 1.0
"""Overdue erases are looked for no more often than this."""
STRAYS_S = 3600.0
JUMP_S = 2.0
"""A clock that moved by this much against the monotonic one was set."""
PLANS_AT_ONCE = 2
"""As many as the store has readers."""
STORE_PAUSE_S = 5.0


@dataclass(frozen=True, slots=True)
class Settings:
    """A site's choices, as the scheduler needs them."""

    policy: Policy
    zone: str
    erase_alarm_s: float = 45.0
    """The cloud hears within 60 s of the due time; the alarm is raised a little before."""


class Scheduler:
    """See the module's docstring. `run` until cancelled."""

    def __init__(
        self,
        store: Store,
        keyring: Keyring,
        clock: Clock,
        fleet: Fleet,
        settings: Settings,
        arbiter: Arbiter,
        moment: Callable[[], Moment],
        write_time: Callable[[Tx], None] | None = None,
    ) -> None:
        """`write_time`: writes down what is known of the time, with each attempt."""
        self._store = store
        self._clock = clock
        self._fleet = fleet
        self._settings = settings
        self._moment = moment
        self._doorbell = Doorbell(store, clock)
        self._executor = Executor(
            store,
            keyring,
            clock,
            arbiter,
            lambda: settings.policy.clock_error_s,
            self._doorbell.write_log,
            write_time,
        )
        self.asking = Asking(clock, arbiter, self)
        self.onlookers = Onlookers()
        self.entrusted = Entrusted()
        errands = Errands(keyring, clock, fleet.keep_keys, self.onlookers, self.entrusted)
        self._commands = Commands(store, clock, arbiter, self, errands)
        self._alarm_wake = asyncio.Event()
        self._strays_wake = asyncio.Event()
        self._lanes: dict[DeviceId, Lane] = {}
        self._turns = Turns(PLANS_AT_ONCE)
        self._tasks: asyncio.TaskGroup | None = None
        self._runs: dict[DeviceId, asyncio.Task[None]] = {}
        self._radio_up: dict[str, bool] = {}
        fleet.listen(self)

    async def run(self) -> None:
        self._lanes.clear()
        self._runs.clear()
        try:
            left = await reap_attempts(self._store, self._clock.now())
        except (StoreFull, StoreBusy) as error:
            # Their slots are in flight since they began; only the record of the attempts is late.
            log.error("attempts that were cut off stay open until the next start", cause=str(error))
            left = 0
        if left:
            log.warning(
                "attempts were cut off by the last stop; their slots are read first", count=left
            )
        leave = self._store.subscribe(self._on_change)
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                tasks.create_task(self._fleet.run(), name="fleet")
                tasks.create_task(self._doorbell.run(), name="doorbell")
                tasks.create_task(self._commands.run(), name="commands")
                tasks.create_task(self._tick(), name="tick")
                tasks.create_task(self._alarm(), name="alarm")
                tasks.create_task(self._strays(), name="strays")
        finally:
            self._tasks = None
            leave()

    async def view(self, device_id: DeviceId) -> Plan:
        """What planning wants of a device now, made afresh."""
        rows, slots, wanted = await self._store.snapshot(
            device_row(device_id),
            reported.slots_for(device_id),
            desired_for(device_id, self._clock.now() // DAY),
        )
        if not rows or rows[0].removed_at is not None:
            raise RequestError(f"there is no device {device_id}", "unknown_device")
        device = reported.device_view(rows[0], slots, self._settings.zone)
        return plan(device, wanted, self._moment(), self._settings.policy)

    # ── what commands need ──────────────────────────────────────────────────────────────

    def put(self, device_id: DeviceId, act: Momentary) -> bool:
        lane = self._lanes.get(device_id)
        if lane is None:
            return False
        lane.put(act)
        return True

    def driver(self, device_id: DeviceId) -> Driver | None:
        return self._fleet.driver(device_id) if device_id in self._lanes else None

    async def forget(self, device_id: DeviceId, *, force: bool) -> None:
        await self._fleet.forget(device_id, force=force)

    def look_again(self, device_id: DeviceId | None = None) -> None:
        lanes = self._lanes.values() if device_id is None else [self._lanes.get(device_id)]
        for lane in lanes:
            if lane is not None:
                lane.look_again()

    def time_changed(self) -> None:
        """Whether it is due may have changed for everything at once."""
        self.look_again()
        self._alarm_wake.set()
        self._strays_wake.set()

    # ── what the fleet tells ────────────────────────────────────────────────────────────

    def member_joined(self, device_id: DeviceId) -> None:
        if device_id in self._lanes:
            self._lanes[device_id].freshen()
            return
        if self._tasks is None:
            return
        lane = Lane(
            device_id,
            store=self._store,
            clock=self._clock,
            executor=self._executor,
            policy=self._settings.policy,
            zone=self._settings.zone,
            moment=self._moment,
            driver=lambda: self._fleet.driver(device_id),
            turns=self._turns,
        )
        self._lanes[device_id] = lane
        self._runs[device_id] = self._tasks.create_task(self._guard(lane), name=f"lane {device_id}")

    def member_left(self, device_id: DeviceId) -> None:
        lane = self._lanes.pop(device_id, None)
        run = self._runs.pop(device_id, None)
        if run is not None:
            run.cancel()
        if lane is not None and self._tasks is not None:
            for act in lane.leftovers():
                self._tasks.create_task(_answer(act), name=f"unanswered {device_id}")

    def member_gone(self, device_id: DeviceId, cause: str) -> None:
        lane = self._lanes.get(device_id)
        if lane is not None:
            lane.gone(cause)

    def member_heard(self, device_id: DeviceId) -> None:
        lane = self._lanes.get(device_id)
        if lane is not None:
            lane.heard()

    def member_rang(self, device_id: DeviceId, event: DeviceEvent) -> None:
        self._doorbell.ring(device_id, event)

    def radio_changed(self, name: str, *, up: bool) -> None:
        if self._tasks is not None and self._radio_up.get(name) is not up:
            self._radio_up[name] = up
            self._tasks.create_task(self._tell_radio(name, up=up), name=f"radio {name}")
        if up:
            for lane in self._lanes.values():
                lane.freshen()

    async def _tell_radio(self, name: str, *, up: bool) -> None:
        kind = EventType.GATEWAY_RADIO_UP if up else EventType.GATEWAY_RADIO_DOWN
        now, trust = self._clock.now(), self._clock.trust
        body: dict[str, Value] = {"radio": name}
        with contextlib.suppress(StoreError):

            def write(tx: Tx) -> None:
                events.append(tx, Fact(kind, now, body=body), trust)

            await self._store.submit(write)

    # ── time and change ─────────────────────────────────────────────────────────────────

    def _on_change(self, topics: frozenset[str]) -> None:
        if topics & {"schedule", "devices"}:
            self._strays_wake.set()
        if "schedule" in topics:
            self._alarm_wake.set()
            self.look_again()
            return
        if SHOWN in topics:  # when an erase is due is shown
            self._alarm_wake.set()
        for topic in sorted(topics):
            if topic.startswith("device:"):
                self._alarm_wake.set()
                self.look_again(DeviceId(topic.removeprefix("device:")))

    async def _guard(self, lane: Lane) -> None:
        """A lane lives through what the store may do; anything else is a defect and is seen."""
        silent = False
        while True:
            try:
                await lane.run()
            except StoreError as error:
                if not silent:
                    log.error("a lane waits for the store", device=lane.device_id, cause=str(error))
                silent = True
            except Exception:
                log.exception("a lane failed; it starts again", device=lane.device_id)
            await self._clock.sleep(STORE_PAUSE_S)
            lane.freshen()

    async def _tick(self) -> None:
        offset = self._clock.now() / 1000 - self._clock.monotonic()
        while True:
            await self._clock.sleep(TICK_S)
            drifted = self._clock.now() / 1000 - self._clock.monotonic()
            if abs(drifted - offset) > JUMP_S:
                self.time_changed()
            offset = drifted
            for lane in self._lanes.values():
                lane.tick()

    async def _alarm(self) -> None:
        """Sleeps until an erase will be overdue; what moves that instant wakes it, at its pace."""
        after_ms = round(self._settings.erase_alarm_s * 1000)
        while True:
            self._alarm_wake.clear()
            wait_s: float | None = STORE_PAUSE_S
            with contextlib.suppress(StoreError):
                now = self._moment().effective
                await raise_overdue_erases(self._store, now, self._clock.trust, after_ms)
                alarm = await next_alarm(self._store, after_ms)
                wait_s = None if alarm is None else max(ALARM_PACE_S, (alarm - now) / 1000)
            await wait_or_sleep(self._alarm_wake, self._clock, wait_s)
            await self._clock.sleep(ALARM_PACE_S)

    async def _strays(self) -> None:
        """Grants for devices that are not here have no lane to speak for them."""
        while True:
            self._strays_wake.clear()
            wait_s = STRAYS_S
            try:
                await publish_strays(self._store, self._moment().effective, self._clock.trust)
            except StoreError:
                wait_s = STORE_PAUSE_S
            await wait_or_sleep(self._strays_wake, self._clock, wait_s)


async def _answer(act: Momentary) -> None:
    """Nobody is left to carry it out; it says so itself."""
    await act(None)
