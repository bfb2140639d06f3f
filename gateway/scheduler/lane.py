"""One device, one lane, one thing at a time: plan, choose, perform, look again.

A lane is level-triggered: it keeps no list of things to do, only the last plan, and replans
whenever something it depends on changed. What survives a restart is in the store.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from gateway.domain.actions import (
    Action,
    CheckClock,
    Erase,
    Priority,
    Program,
    ReadLog,
    ReadSlot,
    Reschedule,
)
from gateway.domain.devices import LockSchedule
from gateway.domain.instant import DAY, after
from gateway.domain.reconcile import Plan, inventoried, plan
from gateway.domain.spans import SpanCache
from gateway.drivers.api import Driver
from gateway.errors import StoreBusy, StoreFull
from gateway.kit.tasks import wait_or_sleep
from gateway.scheduler.executor import Ending, Executor, Order
from gateway.scheduler.policy import (
    HEARD_AGAIN_S,
    OFFLINE_AFTER_FAILURES,
    PATIENT,
    STORE_AGAIN_S,
    pause_for,
)
from gateway.scheduler.publish import (
    publish_next_attempt,
    publish_reachability,
    publish_verdicts,
)
from gateway.store.desired import desired_for
from gateway.store.devices import device as device_row
from gateway.store.reported import device_view, shown_for, slots_for

if TYPE_CHECKING:
    from gateway.domain.devices import Device
    from gateway.domain.grants import DesiredGrant, Verdict
    from gateway.domain.ids import CredentialId, DeviceId
    from gateway.domain.wants import Moment, Policy
    from gateway.kit.clock import Clock
    from gateway.scheduler.turns import Turns
    from gateway.store.database import Store

log = structlog.get_logger()

AWAKE_S = 5.0
"""For so long after a conversation a battery lock may be asked one thing more."""

Momentary = Callable[[Driver | None], Awaitable[None]]
"""A command's act, given nobody to speak to while the radio is down; it records its own result."""


_Key = tuple[str, int, str | None, tuple[LockSchedule, ...], int]


@dataclass(slots=True)
class _Retry:
    """Tries of one action in a row. `hurry`: not later than this, because the device was heard."""

    failures: int = 0
    last: float = float("-inf")
    hurry: float = float("inf")


@dataclass(slots=True)
class Situation:
    """What the last plan was made from."""

    device: Device
    grants: dict[CredentialId, DesiredGrant]
    plan: Plan
    verdicts: dict[CredentialId, Verdict] = field(default_factory=dict)


class Lane:
    """See the module's docstring. `run` until cancelled."""

    def __init__(
        self,
        device_id: DeviceId,
        *,
        store: Store,
        clock: Clock,
        executor: Executor,
        policy: Policy,
        zone: str,
        moment: Callable[[], Moment],
        driver: Callable[[], Driver | None],
        turns: Turns,
    ) -> None:
        self.device_id = device_id
        self._store = store
        self._clock = clock
        self._executor = executor
        self._policy = policy
        self._zone = zone
        self._moment = moment
        self._driver = driver
        self._turns = turns
        self._wake = asyncio.Event()
        self._dirty = True
        self._spans: SpanCache[CredentialId] = SpanCache()
        self._heard = False
        self._gone: str | None = None
        self._momentary: deque[Momentary] = deque()
        self._retries: dict[_Key, _Retry] = {}
        self._silent = 0
        self._spoke_at = -AWAKE_S
        self._hush_until = 0.0
        self._unsaid = False
        self._erase_failed_last = False
        self._reachable: bool | None = None
        self.situation: Situation | None = None
        self.busy = False

    # ── from outside ────────────────────────────────────────────────────────────────────

    def look_again(self) -> None:
        """Something this device's plan depends on may have changed."""
        self._dirty = True
        self._wake.set()

    def freshen(self) -> None:
        """The radio or the device came back: earlier failures say nothing about now."""
        self._retries.clear()
        self._hush_until = 0.0
        self.look_again()

    def tick(self) -> None:
        """Time passed; costs nothing unless something is due."""
        if self._unsaid:
            self.look_again()
        elif self._due() or (self._driver() is not None and self._next_action() is not None):
            self._wake.set()

    def gone(self, cause: str) -> None:
        """It left the network, or is not heard any more: nobody can speak to it until it is."""
        self._gone = cause
        self._wake.set()

    def heard(self) -> None:
        """The device is awake and in range now: what waited for it may go at once.

        Its part of a conversation with us is no news: a lock that answers and does not obey would
        be asked again without a pause.
        """
        if not self.busy and (self._silent or self._reachable is not True):
            self._heard = True
            self._wake.set()

    def put(self, act: Momentary) -> None:
        """Queue a momentary command; it goes before everything but an erase."""
        self._momentary.append(act)
        self._wake.set()
        self._turns.hurry(self.device_id)

    def leftovers(self) -> list[Momentary]:
        """Take out what will not be acted upon because the lane ends."""
        acts = list(self._momentary)
        self._momentary.clear()
        return acts

    async def run(self) -> None:
        while True:
            self._wake.clear()
            if self._heard:
                self._heard = False
                await self._was_heard()
            if self._gone is not None:
                cause, self._gone = self._gone, None
                await self._set_reachable(False, cause=cause)
            if self._dirty or self._due():
                await self._replan()
            if not await self._step():
                await wait_or_sleep(self._wake, self._clock, self._idle_s())

    # ── planning ────────────────────────────────────────────────────────────────────────

    def _due(self) -> bool:
        look = self.situation.plan.next_look if self.situation else None
        return look is not None and self._moment().effective >= look

    async def _replan(self) -> None:
        self._dirty = False
        before = self._unsaid
        self._unsaid = not await self._executor.settle_up(self.device_id)
        async with self._turns.turn(self.device_id, hurried=bool(self._momentary)):
            day = self._clock.now() // DAY
            rows, slots, wanted, shown = await self._store.snapshot(
                device_row(self.device_id),
                slots_for(self.device_id),
                desired_for(self.device_id, day),
                shown_for(self.device_id),
            )
        if not rows or rows[0].removed_at is not None:
            self.situation = None
            return
        self._reachable = rows[0].reachable
        device = device_view(rows[0], slots, self._zone)
        moment = self._moment()
        self._spans.keep(grant.credential_id for grant in wanted)
        awake = self._clock.monotonic() - self._spoke_at < AWAKE_S
        decided = plan(device, wanted, moment, self._policy, self._spans, awake=awake)
        self.situation = Situation(
            device,
            {grant.credential_id: grant for grant in wanted},
            decided,
            {verdict.grant_id.credential_id: verdict for verdict in decided.verdicts},
        )
        current = {self._key(action) for action in decided.actions}
        # A write whose effect is being read is not over: it would start again without a pause.
        read = {(a.slot, a.credential_id) for a in decided.actions if isinstance(a, ReadSlot)}
        self._retries = {
            key: retry
            for key, retry in self._retries.items()
            if key in current or (key[1], key[2]) in read
        }
        seen = inventoried(device, moment, self._policy)
        try:
            await publish_verdicts(self._store, device, decided, wanted, shown, moment, seen=seen)
        except (StoreFull, StoreBusy) as error:
            # Codes go on and off the lock all the same; what is shown follows when it can.
            if not before:
                log.warning("could not show how grants stand", cause=str(error))
            self._unsaid = True

    # ── choosing and performing ─────────────────────────────────────────────────────────

    async def _step(self) -> bool:
        """Do the one thing that comes next; False when there is nothing to do now."""
        driver = self._driver()
        action = self._next_action() if driver is not None else None
        erase_first = isinstance(action, Erase) and not self._erase_failed_last
        if self._momentary and not erase_first:
            self._erase_failed_last = False
            act = self._momentary.popleft()
            self.busy = True
            try:
                await act(driver)
            finally:
                self.busy = False
            return True
        if driver is None or action is None or self.situation is None:
            return False
        self.busy = True
        try:
            await self._perform(driver, action, self.situation)
        finally:
            self.busy = False
        return True

    def _next_action(self) -> Action | None:
        if self.situation is None:
            return None
        now = self._clock.monotonic()
        ready = [a for a in self.situation.plan.actions if self._not_before(a) <= now]
        if self._erase_failed_last:
            # One opening that is due may pass a failing erase, so that neither starves.
            for action in ready:
                if not isinstance(action, Erase) and self._urgent(action):
                    return action
        return ready[0] if ready else None

    async def _perform(self, driver: Driver, action: Action, situation: Situation) -> None:
        credential = getattr(action, "credential_id", None)
        grant = situation.grants.get(credential) if credential else None
        verdict = situation.verdicts.get(credential) if credential else None
        ending = await self._executor.perform(
            Order(situation.device, driver, action, grant, verdict)
        )
        self._erase_failed_last = isinstance(action, Erase) and ending is not Ending.DONE
        self._dirty = True
        # Kept also after a success: planning drops it, unless it asks for the very same again.
        retry = self._retries.setdefault(self._key(action), _Retry())
        retry.failures += 1
        retry.last = self._clock.monotonic()
        retry.hurry = float("inf")
        if ending is Ending.STORE and self._urgent(action):
            retry.hurry = retry.last + STORE_AGAIN_S
        unproven = ending in {Ending.UNCONFIRMED, Ending.NOT_DONE}
        if unproven and isinstance(action, Program | Reschedule):
            # A slow lock has it only a moment later: read too soon, the slot would count as empty.
            reading = ReadSlot(action.slot, action.credential_id, action.priority)
            self._retries[self._key(reading)] = _Retry(1, last=retry.last)
        if ending is Ending.DONE:
            self._spoke_at = retry.last
        if ending is Ending.UNREACHABLE:
            self._hush_until = retry.last + PATIENT.after(self._silent + 1)
        await self._note_reachability(ending)
        if grant is not None and ending not in {Ending.DONE, Ending.STALE}:
            now = self._clock.now()
            at = after(now, self._not_before(action) - retry.last)
            with contextlib.suppress(StoreFull, StoreBusy):
                await publish_next_attempt(self._store, grant.grant_id, at, now)

    def _urgent(self, action: Action) -> bool:
        """Somebody stands at the door, will stand there within the lead, or should not get in."""
        if action.priority is Priority.ERASE:
            # Also the reading without which nothing may be erased; when it opens next is nothing.
            return True
        if isinstance(action, CheckClock | ReadLog) or action.priority >= Priority.HOUSEKEEPING:
            return False
        verdict = None
        if action.credential_id is not None and self.situation is not None:
            verdict = self.situation.verdicts.get(action.credential_id)
        if verdict is None:
            return action.priority <= Priority.PROGRAM
        opens_at = verdict.opens_at
        lead_s = self._policy.lead_s
        return opens_at is None or self._moment().effective >= after(opens_at, -lead_s)

    def _not_before(self, action: Action) -> float:
        """When it may be tried, on the monotonic clock. Urgency counts as it is now."""
        urgent = self._urgent(action)
        quiet_until = 0.0 if urgent else self._hush_until
        retry = self._retries.get(self._key(action))
        if retry is None:
            return quiet_until
        pause = pause_for(action, urgent=urgent).after(retry.failures)
        return max(quiet_until, min(retry.last + pause, retry.hurry))

    def _key(self, action: Action) -> _Key:
        """What makes two actions the same attempt: a changed desired value is another one."""
        credential = getattr(action, "credential_id", None)
        grant = self.situation.grants.get(credential) if credential and self.situation else None
        return (
            type(action).__name__,
            getattr(action, "slot", 0),
            credential,
            getattr(action, "schedules", ()),
            grant.version if grant else 0,
        )

    def _idle_s(self) -> float | None:
        """Seconds until the next retry or the next look; None: only a wake-up can help."""
        waits: list[float] = []
        if self.situation is not None:
            if self._driver() is not None:
                now = self._clock.monotonic()
                waits += [self._not_before(a) - now for a in self.situation.plan.actions]
            look = self.situation.plan.next_look
            if look is not None:
                waits.append((look - self._moment().effective) / 1000)
        return max(0.0, min(waits)) if waits else None

    # ── reachability ────────────────────────────────────────────────────────────────────

    async def _was_heard(self) -> None:
        now = self._clock.monotonic()
        self._silent = 0
        self._hush_until = 0.0
        for retry in self._retries.values():
            retry.hurry = max(now, retry.last + HEARD_AGAIN_S)
        if self._reachable is not True:
            await self._set_reachable(True)

    async def _note_reachability(self, ending: Ending) -> None:
        if ending in {Ending.DONE, Ending.REFUSED, Ending.NOT_DONE}:
            self._silent = 0
            if self._reachable is not True:
                await self._set_reachable(True)
        elif ending in {Ending.UNREACHABLE, Ending.UNCONFIRMED}:
            self._silent += 1
            if self._silent >= OFFLINE_AFTER_FAILURES and self._reachable is not False:
                await self._set_reachable(False)

    async def _set_reachable(self, reachable: bool, *, cause: str = "no_answer") -> None:
        with contextlib.suppress(StoreFull, StoreBusy):
            await publish_reachability(
                self._store,
                self.device_id,
                None if reachable else cause,
                self._clock.now(),
                self._clock.trust,
            )
            self._reachable = reachable
