"""The shell around the conversations: carries their words over a radio, under one deadline.

Here: asyncio and the deadline. Not here: what a write must prove (session), what words mean
(mapping), what a lock is asked when it is met (interview).
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from gateway.domain.actions import Outcome, Refused
from gateway.domain.capabilities import Capabilities
from gateway.domain.windows import zone_info
from gateway.drivers.api import DeviceEvent, DriverInfo, Measured, SlotReading, WriteResult
from gateway.drivers.clocks import halfway
from gateway.drivers.conversing import converse
from gateway.drivers.withdrawing import Extend
from gateway.drivers.zcl_lock import clock, mapping, session, wire
from gateway.drivers.zcl_lock.dialogue import Dialect, Dialogue, Step, read_slot
from gateway.drivers.zcl_lock.interview import interview
from gateway.errors import LinkError, Refusal, Unreachable
from gateway.radios.api import (
    AttributeReported,
    BindAndReport,
    ClusterRadio,
    ClusterReply,
    ClusterRequest,
    NodeInfo,
    RadioEvent,
    ReadAttributes,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.domain.devices import LockClock, LockSchedule
    from gateway.domain.instant import Instant
    from gateway.domain.secret import Secret
    from gateway.drivers.zcl_lock.facts import ModelFacts

ANSWER_S = 4.0
"""How long a lock that is awake may take to answer; zigpy waits 5 s."""
POLL_S = 9.0
"""More for one that sleeps: its parent keeps a frame for 7.68 s."""
ASKED = 2
"""How often a question is asked, or a report asked for. An order is given once: a slow lock would
carry it out twice."""

T = TypeVar("T")
_DONE = ClusterReply(0, {})
_DOOR = (int(wire.Attr.LOCK_STATE), int(wire.Attr.DOOR_STATE))


class ZclLock:
    """A lock by the Door Lock cluster. All it remembers is what the interview told it."""

    def __init__(
        self, node: NodeInfo, radio: ClusterRadio, site_zone: str, facts: ModelFacts
    ) -> None:
        self._node = node
        self._radio = radio
        self._facts = facts
        self._zone = zone_info(site_zone)
        self._endpoint = next(
            endpoint
            for endpoint in node.endpoints
            if wire.DOOR_LOCK in endpoint.input_clusters
            and facts.endpoint in (None, endpoint.endpoint)
        )
        self._patience_s = max(ANSWER_S, 1.5 * facts.slow_s) + (POLL_S if node.sleepy else 0.0)
        self._capabilities: Capabilities | None = None
        self.info = DriverInfo(
            driver="zcl_lock",
            manufacturer=node.manufacturer,
            model=node.model,
            quirks=facts.names,
        )

    def restore(self, capabilities: Capabilities) -> None:
        """Of an earlier interview, so that a known lock is not asked again after a restart."""
        self._capabilities = capabilities

    async def interview(self, *, deadline_s: float) -> Capabilities:
        dialogue = interview(
            self._dialect(Capabilities()), self._endpoint, self._facts, sleepy=self._node.sleepy
        )
        self._capabilities = await self._converse(dialogue, deadline_s)
        return self._capabilities

    def translate(self, event: RadioEvent) -> Sequence[DeviceEvent]:
        if getattr(event, "address", None) != self._node.address:
            return ()
        return mapping.translate(event, self._facts, self._zone)

    async def read_slot(self, slot: int, *, deadline_s: float) -> SlotReading:
        return await self._converse(read_slot(await self._met(deadline_s), slot), deadline_s)

    async def program(
        self,
        slot: int,
        digits: Secret,
        schedules: tuple[LockSchedule, ...],
        *,
        deadline_s: float,
        overwrite: bool = False,
    ) -> WriteResult:
        dialect = await self._met(deadline_s)
        refusal = self._objection(slot, digits)
        if refusal is not None:
            return WriteResult(Refused(refusal))
        dialogue = session.program(dialect, slot, digits, schedules, overwrite=overwrite)
        return await self._converse(dialogue, deadline_s)

    async def reschedule(
        self, slot: int, schedules: tuple[LockSchedule, ...], *, deadline_s: float
    ) -> WriteResult:
        dialogue = session.reschedule(await self._met(deadline_s), slot, schedules)
        return await self._converse(dialogue, deadline_s)

    async def erase(self, slot: int, *, deadline_s: float) -> WriteResult:
        return await self._converse(session.erase(await self._met(deadline_s), slot), deadline_s)

    async def erase_unless(
        self, slot: int, spared: Callable[[SlotReading], bool], *, deadline_s: float
    ) -> WriteResult:
        dialogue = session.erase(await self._met(deadline_s), slot, spared)
        return await self._converse(dialogue, deadline_s)

    async def measure(self, *, deadline_s: float) -> Measured:
        found = Measured()
        asked = [ReadAttributes(self._endpoint.endpoint, wire.DOOR_LOCK, _DOOR)]
        if wire.POWER in self._endpoint.input_clusters:
            power = wire.POWER
            asked.append(ReadAttributes(self._endpoint.endpoint, power, (wire.BATTERY_PERCENT,)))
        for read in asked:
            reply = await self._radio.read(self._node.address, read, deadline_s=deadline_s)
            for attribute, value in reply.fields.items():
                found = self._added(found, read, int(attribute), value)
        return found

    def _added(
        self, found: Measured, read: ReadAttributes, attribute: int, value: object
    ) -> Measured:
        """What an attribute means when it is read is what it means when it is reported."""
        report = AttributeReported(
            self._node.address, read.endpoint, read.cluster_id, attribute, value
        )
        for event in self.translate(report):
            if isinstance(event, Measured):
                news = {
                    name: told
                    for name in Measured.__slots__
                    if (told := getattr(event, name)) is not None
                }
                found = replace(found, **news)
        return found

    async def unlock(self, *, deadline_s: float) -> Outcome:
        return await self._operate(wire.Command.UNLOCK_DOOR, deadline_s)

    async def lock(self, *, deadline_s: float) -> Outcome:
        return await self._operate(wire.Command.LOCK_DOOR, deadline_s)

    async def _operate(self, command: wire.Command, deadline_s: float) -> Outcome:
        dialect = self._dialect(Capabilities())
        return await self._converse(session.operate(dialect, command), deadline_s)

    def _objection(self, slot: int, digits: Secret) -> Refusal | None:
        """What the lock would refuse without saying why."""
        limits = self._capabilities.codes if self._capabilities else None
        if limits is None:
            return Refusal.UNSUPPORTED
        if not 1 <= slot <= limits.slots or slot in limits.reserved_slots:
            return Refusal.INVALID
        if not limits.min_length <= len(digits) <= limits.max_length:
            return Refusal.LENGTH
        text = digits.reveal()
        return None if text.isascii() and text.isdigit() else Refusal.CHARSET

    async def _met(self, deadline_s: float) -> Dialect:
        """The dialect, after an interview if there was none."""
        capabilities = self._capabilities or await self.interview(deadline_s=deadline_s)
        return self._dialect(capabilities)

    def _dialect(self, capabilities: Capabilities) -> Dialect:
        return Dialect(
            self._endpoint.endpoint,
            self._zone,
            self._facts.slot_offset,
            self._facts.first_schedule,
            capabilities.schedules.week_day,
            capabilities.schedules.year_day,
            shows_digits=capabilities.codes is not None and capabilities.codes.reads_back_digits,
        )

    async def _converse(self, dialogue: Dialogue[T], deadline_s: float) -> T:
        loop = asyncio.get_running_loop()
        until = loop.time() + deadline_s

        async def do(step: Step) -> ClusterReply:
            nonlocal until
            if isinstance(step, Extend):
                until = max(until, loop.time() + step.exchanges * self._patience_s)
                return _DONE
            return await self._exchange(step, until)

        return await converse(dialogue, do)

    async def _exchange(self, step: Step, until: float) -> ClusterReply:
        loop = asyncio.get_running_loop()
        harmless = isinstance(step, ReadAttributes | BindAndReport) or (
            isinstance(step, ClusterRequest) and step.asks_only
        )
        for _ in range(ASKED - 1 if harmless else 0):
            try:
                return await self._carry(step, until - loop.time())
            except LinkError:
                continue
        return await self._carry(step, until - loop.time())

    async def _carry(self, step: Step, left_s: float) -> ClusterReply:
        if left_s <= 0:
            raise Unreachable(f"could not speak to {self._node.address}: the time is over")
        left_s = min(left_s, self._patience_s)
        address = self._node.address
        if isinstance(step, ClusterRequest):
            return await self._radio.request(address, step, deadline_s=left_s)
        if isinstance(step, ReadAttributes):
            return await self._radio.read(address, step, deadline_s=left_s)
        if isinstance(step, BindAndReport):
            await self._radio.bind(address, step, deadline_s=left_s)
        elif not isinstance(step, Extend):
            await self._radio.write(address, step, deadline_s=left_s)
        return _DONE


class ZclLockWithClock(ZclLock):
    """A lock that serves the Time cluster, so that its clock can be read and set."""

    async def read_clock(self, now: Instant, *, deadline_s: float) -> LockClock:
        endpoint = self._endpoint.endpoint
        return await halfway(
            self._converse(clock.read_clock(endpoint, now, self._zone), deadline_s), now
        )

    async def set_clock(self, now: Instant, *, deadline_s: float) -> LockClock:
        endpoint = self._endpoint.endpoint
        return await halfway(
            self._converse(clock.set_clock(endpoint, now, self._zone), deadline_s), now
        )
