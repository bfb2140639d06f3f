"""The shell around the conversations: carries their words over a radio, under one deadline.

Here: asyncio, the deadline, what the lock says by itself meanwhile. Not here: what a write must
prove (session, bolt), what words mean (mapping), what a lock is asked when it is met (interview).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from gateway.domain.actions import Outcome, Refused
from gateway.domain.pin_rules import objection
from gateway.domain.windows import zone_info
from gateway.drivers.api import (
    DeviceEvent,
    DriverInfo,
    Happening,
    LogRead,
    Measured,
    SlotReading,
    WriteResult,
)
from gateway.drivers.clocks import halfway
from gateway.drivers.conversing import converse
from gateway.drivers.withdrawing import Extend
from gateway.drivers.zwave_lock import bolt, clock, logbook, mapping, session, settings, wire
from gateway.drivers.zwave_lock.clock import Hands
from gateway.drivers.zwave_lock.dialogue import (
    Dialect,
    Dialogue,
    Overheard,
    Pause,
    Step,
    Store,
    ask_fields,
)
from gateway.drivers.zwave_lock.interview import Node, acquaint, interview
from gateway.drivers.zwave_lock.wire import Access, Mode
from gateway.errors import LinkError, Refusal, Unreachable
from gateway.radios.command_classes import CcCall, CcReply, Notified, Supervision

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gateway.domain.capabilities import Capabilities
    from gateway.domain.devices import LockClock, LockSchedule
    from gateway.domain.instant import Instant
    from gateway.domain.secret import Secret
    from gateway.drivers.access import Setting, SettingValue
    from gateway.drivers.zwave_lock.facts import ModelFacts
    from gateway.radios.api import RadioEvent
    from gateway.radios.command_classes import CcEndpoint, CcNode, CcRadio

ANSWER_S = 12.0
"""How long Z-Wave JS may take to have a frame delivered, with its repeats, beams and nonces, and
to wait for the report; a node that does not answer is given up after 3 to 10 s."""
HEAR_S = 1.0
"""How long after a refusal the lock may take to tell why."""
ASKED = 3
"""How often a question is asked. An order is given once: a slow lock would carry it out twice."""
AGAIN_S = 0.5
"""Before a question is asked again: two ends that speak at once lose each other's nonces, and find
them again when one is silent (CC:009F)."""
_DONE = CcReply(Supervision.NONE, value=True)
T = TypeVar("T")


def door_lock_of(node: CcNode) -> CcEndpoint | None:
    """The endpoint that has the lock."""
    return next((each for each in node.endpoints if wire.DOOR_LOCK in each.versions), None)


class ZwaveLock:
    """A lock by Door Lock (CC:0062). All it remembers is what the lock told it."""

    def __init__(self, node: CcNode, radio: CcRadio, site_zone: str, facts: ModelFacts) -> None:
        endpoint = door_lock_of(node)
        if endpoint is None:
            raise ValueError("a node without Door Lock is no lock")
        self._address = node.address
        self._radio = radio
        self._facts = facts
        self._node = Node(endpoint.versions, node.sleepy, on_battery=not node.mains_powered)
        self._plain = Dialect(zone_info(site_zone), endpoint.endpoint, self._node.store)
        self._known: Dialect | None = None
        self._patience_s = ANSWER_S + 1.5 * facts.slow_s
        self._capabilities: Capabilities | None = None
        self._writing: frozenset[int] = frozenset()
        self.info = DriverInfo(
            driver="zwave_lock",
            manufacturer=node.manufacturer,
            model=node.model,
            quirks=facts.names,
        )

    def restore(self, capabilities: Capabilities) -> None:
        """Of an earlier interview, so that a known lock is not asked again after a restart."""
        self._capabilities = capabilities

    async def interview(self, *, deadline_s: float) -> Capabilities:
        def dialogue() -> Dialogue[tuple[Dialect, Capabilities]]:
            dialect = yield from acquaint(self._plain, self._node, self._facts)
            return dialect, (yield from interview(dialect, self._node, self._facts))

        self._known, found = await self._converse(dialogue(), deadline_s)
        self._capabilities = found
        return found

    def translate(self, event: RadioEvent) -> Sequence[DeviceEvent]:
        if getattr(event, "address", None) != self._address:
            return ()
        return mapping.translate(event, self._slots, self._writing, has_door=self._has_door)

    @property
    def _slots(self) -> int:
        codes = self._capabilities.codes if self._capabilities else None
        return codes.slots if codes else 0

    @property
    def _has_door(self) -> bool:
        return bool(self._capabilities and self._capabilities.has_door_sensor)

    # ── bolt and telemetry ──────────────────────────────────────────────────────────────

    async def unlock(self, *, deadline_s: float) -> Outcome:
        return await self._converse(bolt.operate(self._plain, Mode.UNSECURED), deadline_s)

    async def lock(self, *, deadline_s: float) -> Outcome:
        return await self._converse(bolt.operate(self._plain, Mode.SECURED), deadline_s)

    async def measure(self, *, deadline_s: float) -> Measured:
        def dialogue() -> Dialogue[Measured]:
            told = yield from ask_fields(self._plain.ask(wire.DOOR_LOCK, "get"))
            found = mapping.measured(told, has_door=self._has_door)
            if not self._node.has(wire.BATTERY):
                return found
            told = yield from ask_fields(self._plain.ask(wire.BATTERY, "get"))
            level = mapping.percent(told.get("level"))
            if level is None:
                return replace(found, battery_low=True)  # 0xFF says that, and no level
            power = mapping.battery(level)
            return replace(found, battery_percent=level, battery_low=power.battery_low)

        return await self._converse(dialogue(), deadline_s)

    # ── settings, of those models that are known to have them ───────────────────────────

    async def read_settings(self, *, deadline_s: float) -> Sequence[Setting]:
        dialogue = settings.read_settings(self._plain, self._facts.switches)
        return await self._converse(dialogue, deadline_s)

    async def write_setting(self, name: str, value: SettingValue, *, deadline_s: float) -> Setting:
        dialogue = settings.write_setting(self._plain, self._facts.switches, name, value)
        return await self._converse(dialogue, deadline_s)

    # ── carrying conversations ──────────────────────────────────────────────────────────

    async def _converse(self, dialogue: Dialogue[T], deadline_s: float) -> T:
        talk = _Talk(self._radio, self._address, self._patience_s, deadline_s)
        with talk.listening():
            return await converse(dialogue, talk.do)


class ZwaveCodeLock(ZwaveLock):
    """One that keeps codes, by User Code or User Credential."""

    async def read_slot(self, slot: int, *, deadline_s: float) -> SlotReading:
        return await self._about(slot, lambda dialect: session.read_slot(dialect, slot), deadline_s)

    async def program(
        self,
        slot: int,
        digits: Secret,
        schedules: tuple[LockSchedule, ...],
        *,
        deadline_s: float,
        overwrite: bool = False,
    ) -> WriteResult:
        if self._capabilities is None:
            await self.interview(deadline_s=deadline_s)
        refusal = self._objection(slot, digits)
        if refusal is not None:
            return WriteResult(Refused(refusal))
        return await self._about(
            slot,
            lambda dialect: session.program(dialect, slot, digits, schedules, overwrite=overwrite),
            deadline_s,
        )

    async def reschedule(
        self, slot: int, schedules: tuple[LockSchedule, ...], *, deadline_s: float
    ) -> WriteResult:
        return await self._about(
            slot, lambda dialect: session.reschedule(dialect, slot, schedules), deadline_s
        )

    async def erase(self, slot: int, *, deadline_s: float) -> WriteResult:
        return await self._about(slot, lambda dialect: session.erase(dialect, slot), deadline_s)

    async def erase_unless(
        self, slot: int, spared: Callable[[SlotReading], bool], *, deadline_s: float
    ) -> WriteResult:
        return await self._about(
            slot, lambda dialect: session.erase(dialect, slot, spared), deadline_s
        )

    def _objection(self, slot: int, digits: Secret) -> Refusal | None:
        """What the lock would refuse without saying why."""
        limits = self._capabilities.codes if self._capabilities else None
        if limits is None:
            return Refusal.UNSUPPORTED
        if not 1 <= slot <= limits.slots or slot in limits.reserved_slots:
            return Refusal.INVALID
        return objection(digits, limits)

    async def _about(
        self, slot: int, begin: Callable[[Dialect], Dialogue[T]], deadline_s: float
    ) -> T:
        """A conversation about one slot, which what the lock tells meanwhile is not news of."""

        def dialogue() -> Dialogue[T]:
            if self._known is None:  # restored, and not spoken with since
                self._known = yield from acquaint(self._plain, self._node, self._facts)
            return (yield from begin(self._known))

        self._writing |= {slot}
        try:
            return await self._converse(dialogue(), deadline_s)
        finally:
            self._writing -= {slot}


class _Clock(ZwaveLock):
    """One with a clock that can be read and set."""

    async def read_clock(self, now: Instant, *, deadline_s: float) -> LockClock:
        hands = Hands(self._node.versions)
        return await halfway(
            self._converse(clock.read_clock(self._plain, hands, now), deadline_s), now
        )

    async def set_clock(self, now: Instant, *, deadline_s: float) -> LockClock:
        hands = Hands(self._node.versions)
        return await halfway(
            self._converse(clock.set_clock(self._plain, hands, now), deadline_s), now
        )


class _Log(ZwaveLock):
    """One that writes down what happens at the door."""

    def __init__(self, node: CcNode, radio: CcRadio, site_zone: str, facts: ModelFacts) -> None:
        super().__init__(node, radio, site_zone, facts)
        self._told: logbook.Told = Counter()

    def translate(self, event: RadioEvent) -> Sequence[DeviceEvent]:
        told = super().translate(event)
        for each in told:
            if isinstance(each, Happening):
                self._told[each.type, each.slot] += 1
        return told

    async def read_log(self, cursor: str | None, *, deadline_s: float) -> LogRead:
        """What was told by notifications is not told again; after a restart nobody remembers."""
        told = Counter(self._told)
        dialogue = logbook.read_log(self._plain, cursor, self._slots, told)
        read = await self._converse(dialogue, deadline_s)
        if read.more:
            self._told = told
        else:
            self._told.clear()
        return read


class ZwaveLockWithClock(ZwaveCodeLock, _Clock):
    """Codes and a clock."""


class ZwaveLockWithLog(ZwaveCodeLock, _Log):
    """Codes and a log."""


class ZwaveLockWithBoth(ZwaveCodeLock, _Clock, _Log):
    """Codes, a clock and a log."""


def kind_of(node: CcNode) -> type[ZwaveLock] | None:
    """What a node is as a lock; None for one that is none."""
    endpoint = door_lock_of(node)
    if endpoint is None:
        return None
    found = Node(endpoint.versions, node.sleepy)
    if found.store is Store.NONE:
        return ZwaveLock
    kinds: dict[tuple[bool, bool], type[ZwaveLock]] = {
        (False, False): ZwaveCodeLock,
        (True, False): ZwaveLockWithClock,
        (False, True): ZwaveLockWithLog,
        (True, True): ZwaveLockWithBoth,
    }
    return kinds[found.has_clock, found.has(wire.LOGGING)]


class _Talk:
    """One conversation: its deadline, and what the lock says by itself while it lasts."""

    def __init__(self, radio: CcRadio, address: str, patience_s: float, deadline_s: float) -> None:
        self._radio = radio
        self._address = address
        self._patience_s = patience_s
        self._loop = asyncio.get_running_loop()
        self._until = self._loop.time() + deadline_s
        self._heard: list[RadioEvent] = []
        self._news = asyncio.Event()

    @contextmanager
    def listening(self) -> Iterator[None]:
        take_off = self._radio.listen(self._hear)
        try:
            yield
        finally:
            take_off()

    def _hear(self, event: RadioEvent) -> None:
        if getattr(event, "address", None) == self._address:
            self._heard.append(event)
            self._news.set()

    async def do(self, step: Step) -> CcReply:
        if isinstance(step, Extend):
            self._until = max(self._until, self._loop.time() + step.exchanges * self._patience_s)
        elif isinstance(step, Pause):
            await self._pause(step.seconds)
        elif isinstance(step, Overheard):
            return CcReply(Supervision.NONE, await self._overheard(step))
        else:
            return await self._exchange(step)
        return _DONE

    async def _pause(self, seconds: float) -> None:
        """Shorter where the lock tells that it has arrived."""
        self._news.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout_at(min(self._until, self._loop.time() + seconds)):
                await self._news.wait()

    async def _overheard(self, what: Overheard) -> bool:
        until = min(self._until, self._loop.time() + HEAR_S)
        with suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                while not any(_is_it(what, event) for event in self._heard):
                    self._news.clear()
                    await self._news.wait()
        return any(_is_it(what, event) for event in self._heard)

    async def _exchange(self, call: CcCall) -> CcReply:
        for _ in range(ASKED - 1 if call.asks_only else 0):
            try:
                return await self._carry(call)
            except LinkError:
                await self._pause(AGAIN_S)
        return await self._carry(call)

    async def _carry(self, call: CcCall) -> CcReply:
        left_s = self._until - self._loop.time()
        if left_s <= 0:
            raise Unreachable(f"could not speak to {self._address}: the time is over")
        return await self._radio.call(self._address, call, deadline_s=min(left_s, self._patience_s))


def _is_it(what: Overheard, event: RadioEvent) -> bool:
    if what.event is Access.JAMMED:
        return mapping.is_jam(event)
    return (
        isinstance(event, Notified)
        and (event.type, event.event) == (wire.ACCESS_CONTROL, what.event)
        and event.parameters.get("userId") in {None, what.user_id}
    )
