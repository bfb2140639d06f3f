"""`NukiLock`: the protocols of `drivers.api` and `drivers.access` over conversations with a Nuki.

Here: which conversation, with which keys, at what time. Not here: what they say (session, codes,
logbook), who carries them (link), and how a lock becomes ours (family).
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from gateway.domain.actions import Outcome, Refused
from gateway.domain.instant import Instant, after
from gateway.domain.pin_rules import objection
from gateway.domain.windows import zone_info
from gateway.drivers.api import DeviceEvent, DriverInfo, LogRead, Measured, SlotReading, WriteResult
from gateway.drivers.carrier import Settled
from gateway.drivers.clocks import RESOLUTION_MS, wall_clock
from gateway.drivers.listing import House
from gateway.drivers.nuki import codes, commands, logbook, mapping, session, wire
from gateway.drivers.nuki.commands import Action, Proof
from gateway.drivers.nuki.keys import keys_of
from gateway.drivers.nuki.link import Talk
from gateway.drivers.nuki.voice import PinRest
from gateway.errors import Refusal
from gateway.radios.api import Advertised

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from gateway.domain.capabilities import Capabilities
    from gateway.domain.devices import LockClock, LockSchedule
    from gateway.domain.secret import Secret
    from gateway.drivers.access import KeyChange, KeyHolder, Setting, SettingValue
    from gateway.drivers.claims import ClaimedDevice
    from gateway.drivers.nuki.commands import States
    from gateway.drivers.nuki.dialogue import Dialogue
    from gateway.radios.api import RadioEvent
    from gateway.radios.gatt import GattRadio

FAMILY = "nuki"

T = TypeVar("T")


class _Speaks:
    """What is needed to have one conversation, and what was settled on the link by the last."""

    def __init__(
        self,
        device: ClaimedDevice,
        radio: GattRadio,
        chance: random.Random,
    ) -> None:
        self.info = DriverInfo(driver=FAMILY, manufacturer=device.manufacturer, model=device.model)
        self._device = device
        self._radio = radio
        self._chance = chance
        self._zone = zone_info(device.zone)
        self._keys = keys_of(device.keys)
        self._house = House(self._zone, device.numbers.hash_of)
        self._settled = Settled()
        self._rest = PinRest()
        self._told = False
        self._owes_news = False
        self._shown: tuple[int, ...] | None = None

    def _talk(self, deadline_s: float) -> Talk:
        # Whatever was told of the lock before, it may stand otherwise after this.
        self._told = False
        return Talk(
            self._radio,
            self._device.address,
            self._keys,
            self._chance,
            self._device.numbers,
            deadline_s=deadline_s,
            settled=self._settled,
            rest=self._rest,
        )

    async def _converse(self, dialogue: Dialogue[T], deadline_s: float) -> T:
        async with self._talk(deadline_s) as talk:
            return await talk.converse(dialogue)

    async def _look(self, talk: Talk) -> States:
        """Reading the states takes the sign of news off the air."""
        states = await talk.converse(session.get_states())
        self._shown = mapping.shown_by(states)
        return states


class _Keys(_Speaks):
    """`KeyHolders` and `SettingsKeeper`."""

    async def list_keys(self, *, deadline_s: float) -> Sequence[KeyHolder]:
        dialogue = session.list_key_holders(self._keys.auth_id, self._zone)
        return await self._converse(dialogue, deadline_s)

    async def update_key(self, which: str, change: KeyChange, *, deadline_s: float) -> Outcome:
        dialogue = session.update_key_holder(which, self._keys.auth_id, change, self._zone)
        return await self._converse(dialogue, deadline_s)

    async def remove_key(self, which: str, *, deadline_s: float) -> Outcome:
        dialogue = session.remove_key_holder(which, self._keys.auth_id)
        return await self._converse(dialogue, deadline_s)

    async def read_settings(self, *, deadline_s: float) -> Sequence[Setting]:
        return await self._converse(session.read_settings(), deadline_s)

    async def write_setting(self, name: str, value: SettingValue, *, deadline_s: float) -> Setting:
        return await self._converse(session.write_setting(name, value), deadline_s)


class _Codes(_Speaks):
    """`CredentialStore`, `Inventory` and `CodeSwitch`."""

    _capabilities: Capabilities | None = None

    async def read_slot(self, slot: int, *, deadline_s: float) -> SlotReading:
        return await self._converse(codes.read_slot(self._house, slot), deadline_s)

    async def read_slots(self, *, deadline_s: float) -> Sequence[SlotReading]:
        return await self._converse(codes.read_slots(self._house), deadline_s)

    async def program(
        self,
        slot: int,
        digits: Secret,
        schedules: tuple[LockSchedule, ...],
        *,
        deadline_s: float,
        overwrite: bool = False,
    ) -> WriteResult:
        refusal = self._objection(slot, digits)
        if refusal is not None:
            return WriteResult(Refused(refusal))
        dialogue = codes.program(self._house, slot, digits, schedules, overwrite=overwrite)
        return await self._converse(dialogue, deadline_s)

    async def reschedule(
        self, slot: int, schedules: tuple[LockSchedule, ...], *, deadline_s: float
    ) -> WriteResult:
        return await self._converse(codes.reschedule(self._house, slot, schedules), deadline_s)

    async def erase(self, slot: int, *, deadline_s: float) -> WriteResult:
        return await self._converse(codes.erase(self._house, slot), deadline_s)

    async def switch_code(self, slot: int, *, enabled: bool, deadline_s: float) -> WriteResult:
        return await self._converse(codes.switch(self._house, slot, enabled=enabled), deadline_s)

    def _objection(self, slot: int, digits: Secret) -> Refusal | None:
        """What the lock would refuse without saying why."""
        known = self._capabilities
        if known is not None and not known.can_program_online_access_codes:
            return Refusal.UNSUPPORTED
        return Refusal.INVALID if slot < 1 else objection(digits, mapping.LIMITS)


class NukiLock(_Codes, _Keys):
    """A Nuki that knows us. It remembers what its link settled, and nothing that a store would."""

    def restore(self, capabilities: Capabilities) -> None:
        self._capabilities = capabilities

    async def interview(self, *, deadline_s: float) -> Capabilities:
        async with self._talk(deadline_s) as talk:
            config = await talk.converse(session.get_config())
            # They tell whether there is a door sensor, and take the sign of news off the air.
            states = await self._look(talk)
        self._owes_news = True
        manages = self._keys.pin is not None
        self._capabilities = mapping.capabilities_of(config, states, manages=manages)
        return self._capabilities

    def translate(self, event: RadioEvent) -> Sequence[DeviceEvent]:
        """The beacon says that something changed, not what: the log is read, and tells.

        That nothing changed since anybody looked does not say that the log was read.
        """
        if not isinstance(event, Advertised) or event.address != self._device.address:
            return ()
        told = mapping.told_by(event.advertisement)
        if told is None or told.changed is None:
            return ()
        changed = told.changed or self._owes_news
        known, self._told, self._owes_news = self._told, changed, False
        return (Measured(log_news=True),) if changed and not known else ()

    # ── bolt ────────────────────────────────────────────────────────────────────────────────

    async def unlock(self, *, deadline_s: float) -> Outcome:
        return await self._operate(Action.UNLOCK, False, deadline_s)

    async def lock(self, *, deadline_s: float) -> Outcome:
        return await self._operate(Action.LOCK, True, deadline_s)

    async def unlatch(self, *, deadline_s: float) -> Outcome:
        """Unlock and pull the latch: the door springs open."""
        return await self._operate(Action.UNLATCH, None, deadline_s)

    async def _operate(self, action: Action, wanted: bool | None, deadline_s: float) -> Outcome:
        order = commands.operate(action, self._keys.app_id)
        return await self._converse(session.operate(order, wanted), deadline_s)

    async def measure(self, *, deadline_s: float) -> Measured:
        """What is told takes the sign of news off the air: it is told here instead."""
        before = self._shown
        async with self._talk(deadline_s) as talk:
            states = await self._look(talk)
        news = None if before == self._shown else True
        return replace(mapping.measured_from(states), log_news=news)

    # ── clock ───────────────────────────────────────────────────────────────────────────────

    async def read_clock(self, now: Instant, *, deadline_s: float) -> LockClock:
        began = asyncio.get_running_loop().time()
        async with self._talk(deadline_s) as talk:
            return await self._timed(talk, now, began)

    async def set_clock(self, now: Instant, *, deadline_s: float) -> LockClock:
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with self._talk(deadline_s) as talk:
            # Connecting may take seconds: what is told is the time when it is told.
            await talk.ready(Proof.PIN)
            nearest = Instant(after(now, loop.time() - began) + RESOLUTION_MS // 2)
            await talk.converse(session.set_clock(wire.date7(nearest, self._zone)))
            return await self._timed(talk, now, began)

    async def _timed(self, talk: Talk, now: Instant, began: float) -> LockClock:
        await talk.ready(Proof.CHALLENGE)
        question = session.read_clock()
        return await wall_clock(talk, question, wire.instant_of, self._zone, now, began)

    # ── log ─────────────────────────────────────────────────────────────────────────────────

    async def read_log(self, cursor: str | None, *, deadline_s: float) -> LogRead:
        """The states first: what happens after that sets the sign of news again."""
        async with self._talk(deadline_s) as talk:
            states = await self._look(talk)
            read = await talk.converse(logbook.read_log(self._house, cursor))
        return replace(read, events=(*read.events, mapping.measured_from(states)))
