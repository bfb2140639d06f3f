"""`TtLock`: the protocols of `drivers.api` and `drivers.access` over conversations with a TTLock.

Here: which conversation, with which keys, at what time. Not here: what they say (session, codes,
media_session, logbook), who carries them (link), and how a lock becomes ours (family).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from gateway.domain.actions import Outcome, Refused
from gateway.domain.instant import Instant, after
from gateway.domain.windows import zone_info
from gateway.drivers.access import Medium
from gateway.drivers.api import DeviceEvent, DriverInfo, LogRead, Measured, SlotReading, WriteResult
from gateway.drivers.clocks import RESOLUTION_MS, wall_clock
from gateway.drivers.listing import House
from gateway.drivers.ttlock import (
    codes,
    commands,
    logbook,
    mapping,
    media,
    media_session,
    session,
    wire,
)
from gateway.drivers.ttlock.commands import Features, Login
from gateway.drivers.ttlock.keys import keys_of
from gateway.drivers.ttlock.link import Settled, Talk
from gateway.errors import OutcomeUnknown, RadioError, Refusal, Unreachable
from gateway.radios.api import Advertised

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.domain.capabilities import Capabilities
    from gateway.domain.devices import LockClock, LockSchedule
    from gateway.domain.secret import Secret
    from gateway.drivers.access import EnrolProgress, KeepKeys, Setting, SettingValue
    from gateway.drivers.claims import ClaimedDevice
    from gateway.drivers.ttlock.dialogue import Dialogue
    from gateway.radios.api import RadioEvent
    from gateway.radios.gatt import GattRadio

FAMILY = "ttlock"

T = TypeVar("T")


class _Speaks:
    """What is needed to have one conversation, and what was settled on the link by the last."""

    def __init__(self, device: ClaimedDevice, radio: GattRadio, now: Callable[[], Instant]) -> None:
        self.info = DriverInfo(driver=FAMILY, manufacturer=device.manufacturer, model=device.model)
        self._device = device
        self._radio = radio
        self._now = now
        self._zone = zone_info(device.zone)
        self._keys = keys_of(device.keys)
        self._house = House(self._zone, device.numbers.hash_of)
        self._settled = Settled()
        self._suspected = False

    def _talk(self, deadline_s: float) -> Talk:
        return Talk(
            self._radio,
            self._device.address,
            self._keys,
            self._device.numbers,
            deadline_s=deadline_s,
            settled=self._settled,
        )

    async def _converse(self, dialogue: Dialogue[T], deadline_s: float) -> T:
        async with self._talk(deadline_s) as talk:
            return await talk.converse(dialogue)


class _Media(_Speaks):
    """`CardStore` and `FingerprintStore`."""

    async def list_cards(self, *, deadline_s: float) -> Sequence[Medium]:
        return await self._list(media.Medium.CARD, deadline_s)

    async def list_fingerprints(self, *, deadline_s: float) -> Sequence[Medium]:
        return await self._list(media.Medium.FINGERPRINT, deadline_s)

    async def add_card(
        self, card: Secret, schedules: tuple[LockSchedule, ...], *, deadline_s: float
    ) -> Outcome:
        async with self._talk(deadline_s) as talk:
            weekly = await self._keeps_hours(talk)
            order = media_session.add_card(card, schedules, self._zone, weekly=weekly)
            return await talk.converse(order)

    async def enrol_card(self, progress: EnrolProgress, *, deadline_s: float) -> Medium:
        return await self._enrol(media.Medium.CARD, progress, deadline_s)

    async def enrol_fingerprint(self, progress: EnrolProgress, *, deadline_s: float) -> Medium:
        return await self._enrol(media.Medium.FINGERPRINT, progress, deadline_s)

    async def schedule_card(
        self, card: Secret, schedules: tuple[LockSchedule, ...], *, deadline_s: float
    ) -> Outcome:
        return await self._schedule(media.Medium.CARD, card, schedules, deadline_s)

    async def schedule_fingerprint(
        self, number: Secret, schedules: tuple[LockSchedule, ...], *, deadline_s: float
    ) -> Outcome:
        return await self._schedule(media.Medium.FINGERPRINT, number, schedules, deadline_s)

    async def delete_card(self, card: Secret, *, deadline_s: float) -> Outcome:
        return await self._converse(media_session.delete(media.Medium.CARD, card), deadline_s)

    async def delete_fingerprint(self, number: Secret, *, deadline_s: float) -> Outcome:
        dialogue = media_session.delete(media.Medium.FINGERPRINT, number)
        return await self._converse(dialogue, deadline_s)

    async def _list(self, medium: media.Medium, deadline_s: float) -> Sequence[Medium]:
        async with self._talk(deadline_s) as talk:
            weekly = await self._keeps_hours(talk)
            return await talk.converse(media_session.tell_media(medium, self._zone, weekly=weekly))

    async def _enrol(
        self, medium: media.Medium, progress: EnrolProgress, deadline_s: float
    ) -> Medium:
        dialogue = media_session.enrol(medium, progress)
        return Medium(await self._converse(dialogue, deadline_s))

    async def _schedule(
        self,
        medium: media.Medium,
        which: Secret,
        schedules: tuple[LockSchedule, ...],
        deadline_s: float,
    ) -> Outcome:
        async with self._talk(deadline_s) as talk:
            weekly = await self._keeps_hours(talk)
            order = media_session.schedule(medium, which, schedules, self._zone, weekly=weekly)
            return await talk.converse(order)

    async def _keeps_hours(self, talk: Talk) -> bool:
        features: Features = await talk.converse(session.get_features())
        return features.has(commands.Feature.CYCLIC_CARD_OR_FINGERPRINT)


class TtLock(_Media):
    """A TTLock that is ours. It remembers what its link has proved, and nothing else."""

    def __init__(self, device: ClaimedDevice, radio: GattRadio, now: Callable[[], Instant]) -> None:
        super().__init__(device, radio, now)
        self._capabilities: Capabilities | None = None

    def restore(self, capabilities: Capabilities) -> None:
        self._capabilities = capabilities

    async def interview(self, *, deadline_s: float) -> Capabilities:
        features = await self._converse(session.get_features(), deadline_s)
        manages = self._keys.admin_ps is not None
        self._capabilities = mapping.capabilities_of(features, manages=manages)
        return self._capabilities

    def translate(self, event: RadioEvent) -> Sequence[DeviceEvent]:
        if not isinstance(event, Advertised) or event.address != self._device.address:
            return ()
        told = mapping.told_by(event.advertisement)
        if told is None:
            return ()
        if told.setting_mode:
            known, self._suspected = self._suspected, True
            return () if known else mapping.WAS_RESET
        self._suspected = False
        return (mapping.measured_by(told),)

    # ── codes ───────────────────────────────────────────────────────────────────────────────

    async def read_slot(self, slot: int, *, deadline_s: float) -> SlotReading:
        return await self._converse(codes.read_slot(self._house, slot), deadline_s)

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

    def _objection(self, slot: int, digits: Secret) -> Refusal | None:
        """What the lock would refuse without saying why."""
        known = self._capabilities
        if known is not None and not known.can_program_online_access_codes:
            return Refusal.UNSUPPORTED
        if slot < 1:
            return Refusal.INVALID
        if not mapping.MIN_DIGITS <= len(digits) <= mapping.MAX_DIGITS:
            return Refusal.LENGTH
        text = digits.reveal()
        return None if text.isascii() and text.isdigit() else Refusal.CHARSET

    # ── bolt ────────────────────────────────────────────────────────────────────────────────

    async def unlock(self, *, deadline_s: float) -> Outcome:
        order = commands.unlock(self._record_id())
        return await self._converse(session.operate(order), deadline_s)

    async def lock(self, *, deadline_s: float) -> Outcome:
        order = commands.lock(self._record_id())
        return await self._converse(session.operate(order), deadline_s)

    def _record_id(self) -> int:
        """By which the lock's log names this use; unix seconds, as the vendor's app has it."""
        return self._now() // 1000

    async def measure(self, *, deadline_s: float) -> Measured:
        return await self._converse(session.get_status(), deadline_s)

    # ── clock ───────────────────────────────────────────────────────────────────────────────

    async def read_clock(self, now: Instant, *, deadline_s: float) -> LockClock:
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with self._talk(deadline_s) as talk:
            return await self._timed(talk, now, began)

    async def set_clock(self, now: Instant, *, deadline_s: float) -> LockClock:
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with self._talk(deadline_s) as talk:
            # Connecting may take seconds: what is told is the time when it is told.
            await talk.ready(Login.ADMIN)
            at = after(now, loop.time() - began)
            nearest = Instant(at + RESOLUTION_MS // 2)
            await talk.converse(session.set_clock(wire.date6(nearest, self._zone)))
            try:
                return await self._timed(talk, now, began)
            except (Unreachable, RadioError) as error:
                raise OutcomeUnknown(f"could not prove the clock that was set: {error}") from error

    async def _timed(self, talk: Talk, now: Instant, began: float) -> LockClock:
        await talk.ready(Login.NONE)
        question = session.read_clock()
        return await wall_clock(talk, question, wire.instant_of, self._zone, now, began)

    # ── log, settings, keys ─────────────────────────────────────────────────────────────────

    async def read_log(self, cursor: str | None, *, deadline_s: float) -> LogRead:
        return await self._converse(logbook.read_log(self._house, cursor), deadline_s)

    async def read_settings(self, *, deadline_s: float) -> Sequence[Setting]:
        async with self._talk(deadline_s) as talk:
            features: Features = await talk.converse(session.get_features())
            return await talk.converse(session.read_settings(features))

    async def write_setting(self, name: str, value: SettingValue, *, deadline_s: float) -> Setting:
        async with self._talk(deadline_s) as talk:
            features: Features = await talk.converse(session.get_features())
            return await talk.converse(session.write_setting(features, name, value))

    async def revoke_keys(self, keep: KeepKeys, *, deadline_s: float) -> Outcome:
        if self._keys.admin_ps is None:
            return Refused(Refusal.NOT_AUTHORISED)
        following = session.next_keys(self._keys)
        # On the disk first: a key that is ahead of the lock still opens it, one behind does not.
        await keep(following.to_secret())
        self._keys = following
        self._settled = Settled()
        return await self._converse(session.revoke(following), deadline_s)
