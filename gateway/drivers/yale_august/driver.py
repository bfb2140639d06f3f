"""`YaleAugust`: the protocols of `drivers.api` through yalexs-ble.

Codes are held in numbered slots, and what a slot holds is read back with its digits; that a code
is valid at all times is what the lock acknowledged, and cannot be read. The log is taken off the
lock by reading it, so that each record is told once, to us or to the vendor's bridge.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.domain.actions import Confirmed, Outcome, Refused
from gateway.domain.devices import Evidence
from gateway.domain.pin_rules import objection
from gateway.domain.secret import Secret
from gateway.drivers.access import Setting, SettingKind
from gateway.drivers.api import (
    DriverInfo,
    LogRead,
    Measured,
    SlotReading,
    SlotUse,
    WriteResult,
)
from gateway.drivers.yale_august import mapping, wire
from gateway.drivers.yale_august.keys import keys_of
from gateway.drivers.yale_august.talk import Talk, talk
from gateway.errors import (
    DeviceRefused,
    LinkError,
    OutcomeUnknown,
    PeerProtocolError,
    Refusal,
    Unreachable,
)
from gateway.radios.api import Advertised

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractAsyncContextManager

    from gateway.domain.capabilities import Capabilities
    from gateway.domain.devices import LockSchedule
    from gateway.drivers.access import SettingValue
    from gateway.drivers.api import DeviceEvent
    from gateway.drivers.claims import ClaimedDevice
    from gateway.radios.api import RadioEvent
    from gateway.radios.gatt import GattRadio

FAMILY = "yale_august"
AUTO_LOCK = "auto_lock_s"
LONGEST_S = 1800
"""As the vendor's app offers it."""
SETTING_S = 5.0
"""The value follows the acknowledgment at once; a lock without the setting sends none."""


class YaleAugust:
    """A lock whose offline key we were given. ValueError for keys that are none."""

    def __init__(self, device: ClaimedDevice, radio: GattRadio) -> None:
        self.info = DriverInfo(driver=FAMILY, manufacturer=device.manufacturer, model=device.model)
        self._address = device.address
        self._radio = radio
        self._keys = keys_of(device.keys)
        self._capabilities: Capabilities | None = None
        self._state: bytes | None = None

    def _talk(self, deadline_s: float) -> AbstractAsyncContextManager[Talk]:
        return talk(self._radio, self._address, self._keys, deadline_s=deadline_s)

    def restore(self, capabilities: Capabilities) -> None:
        self._capabilities = capabilities

    async def interview(self, *, deadline_s: float) -> Capabilities:
        async with self._talk(deadline_s) as link:
            info = await link.ask(link.lock.lock_info)
            keypad = await _has_keypad(link)
            door = info.door_sense and await _door(link) is not None
        self._capabilities = mapping.capabilities_of(door=door, keypad=keypad)
        return self._capabilities

    def translate(self, event: RadioEvent) -> Sequence[DeviceEvent]:
        """The advertisement says that the lock's state changed, and not to what: its log does."""
        if not isinstance(event, Advertised) or event.address != self._address:
            return ()
        state = wire.state_of(event.advertisement)
        if not state or state == self._state:
            return ()
        self._state = state
        return (Measured(log_news=True),)

    # ── bolt ────────────────────────────────────────────────────────────────────────────────

    async def unlock(self, *, deadline_s: float) -> Outcome:
        async with self._talk(deadline_s) as link:
            return await _operate(link, link.lock.force_unlock)

    async def lock(self, *, deadline_s: float) -> Outcome:
        async with self._talk(deadline_s) as link:
            return await _operate(link, link.lock.force_lock)

    async def measure(self, *, deadline_s: float) -> Measured:
        async with self._talk(deadline_s) as link:
            return await self._measured(link)

    async def _measured(self, link: Talk) -> Measured:
        bolt = await link.ask(link.lock.lock_status)
        has_door = self._capabilities is None or self._capabilities.has_door_sensor
        door = await _door(link) if has_door else None
        battery = await link.ask(link.lock.battery)
        return Measured(
            locked=mapping.locked(bolt.name),
            door_open=door,
            battery_percent=battery.percentage,
            battery_low=battery.percentage <= mapping.LOW_PERCENT,
        )

    # ── codes ───────────────────────────────────────────────────────────────────────────────

    async def read_slot(self, slot: int, *, deadline_s: float) -> SlotReading:
        async with self._talk(deadline_s) as link:
            return await _read(link, slot)

    async def read_slots(self, *, deadline_s: float) -> Sequence[SlotReading]:
        async with self._talk(deadline_s) as link:
            found = [await _read(link, slot) for slot in range(1, mapping.SLOTS + 1)]
        return [reading for reading in found if reading.use is not SlotUse.AVAILABLE]

    async def program(
        self,
        slot: int,
        digits: Secret,
        schedules: tuple[LockSchedule, ...],
        *,
        deadline_s: float,
        overwrite: bool = False,
    ) -> WriteResult:
        refusal = self._objection(slot, digits, schedules)
        if refusal is not None:
            return WriteResult(Refused(refusal))
        async with self._talk(deadline_s) as link:
            before = await _read(link, slot)
            if before.use is not SlotUse.AVAILABLE and not overwrite:
                return WriteResult(Refused(Refusal.INVALID), before)
            try:
                await link.order(lambda: link.lock.set_keycode(slot, digits.reveal()))
            except DeviceRefused as error:
                # The library clears the slot first: an overwrite may have taken the old one.
                return WriteResult(Refused(error.refusal), await _read_back(link, slot))
            after = await _read_back(link, slot)
        if after.use is SlotUse.AVAILABLE:
            raise PeerProtocolError(
                f"could not prove slot {slot} of {self._address}: it took a code and reads empty"
            )
        if after.digits != digits:
            return WriteResult(Refused(Refusal.FAILED), after)
        return WriteResult(_PROVEN, after)

    async def reschedule(
        self, slot: int, schedules: tuple[LockSchedule, ...], *, deadline_s: float
    ) -> WriteResult:
        """It keeps none of ours."""
        return WriteResult(Refused(Refusal.UNSUPPORTED))

    async def erase(self, slot: int, *, deadline_s: float) -> WriteResult:
        async with self._talk(deadline_s) as link:
            before = await _read(link, slot)
            if before.use is SlotUse.AVAILABLE:
                return WriteResult(Confirmed(frozenset({Evidence.READ_BACK})), before)
            try:
                await link.order(lambda: link.lock.clear_keycode(slot))
            except DeviceRefused as error:
                return WriteResult(Refused(error.refusal), await _read_back(link, slot))
            after = await _read_back(link, slot)
        if after.use is not SlotUse.AVAILABLE:
            return WriteResult(Refused(Refusal.FAILED), after)
        return WriteResult(_PROVEN, after)

    def _objection(
        self, slot: int, digits: Secret, schedules: tuple[LockSchedule, ...]
    ) -> Refusal | None:
        """What the lock would not do, or would do in another way."""
        limits = self._capabilities.codes if self._capabilities else None
        if schedules or (self._capabilities is not None and limits is None):
            return Refusal.UNSUPPORTED
        if not 1 <= slot <= mapping.SLOTS:
            return Refusal.INVALID
        return objection(digits, mapping.LIMITS)

    # ── log, settings ───────────────────────────────────────────────────────────────────────

    async def read_log(self, cursor: str | None, *, deadline_s: float) -> LogRead:
        """How the door stands is read with it. `cursor` says nothing: what is read is gone.

        So what was read before the link broke is told, with `more`.
        """
        found: list[DeviceEvent] = []
        async with self._talk(deadline_s) as link:
            try:
                await link.ask(lambda: _drain(link, found))
                found.append(await self._measured(link))
            except LinkError:
                if not found:
                    raise
                return LogRead(found, "", more=True)
        return LogRead(found, "")

    async def read_settings(self, *, deadline_s: float) -> Sequence[Setting]:
        async with self._talk(deadline_s) as link:
            await link.ask(link.lock.auto_lock_status)
            state = await link.hear("AutoLockState", SETTING_S)
        return [] if state is None else [_auto_lock(state)]

    async def write_setting(self, name: str, value: SettingValue, *, deadline_s: float) -> Setting:
        if name != AUTO_LOCK:
            raise DeviceRefused(f"{self._address} has no setting {name}", Refusal.UNSUPPORTED)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LONGEST_S:
            raise DeviceRefused(f"could not set {name}: 0 to {LONGEST_S} seconds", Refusal.INVALID)
        from yalexs_ble import AutoLockMode

        mode = AutoLockMode.TIMER if value else AutoLockMode.OFF
        async with self._talk(deadline_s) as link:
            # Done when the lock has said what it holds now.
            await link.order(lambda: link.lock.set_auto_lock(mode, value))
            state = await link.hear("AutoLockState", SETTING_S)
        if state is None:
            raise OutcomeUnknown(f"could not prove {name}: the lock did not say it again")
        return _auto_lock(state)


_PROVEN = Confirmed(frozenset({Evidence.ACKNOWLEDGED, Evidence.READ_BACK}))


async def _operate(link: Talk, act: Any) -> Outcome:
    """Once: the library's own `lock` and `unlock` would ask first, and its `PushLock` repeats."""
    try:
        await link.order(act)
    except DeviceRefused as error:
        return Refused(error.refusal)
    return Confirmed(frozenset({Evidence.ACKNOWLEDGED}))


async def _drain(link: Talk, found: list[DeviceEvent]) -> None:
    """Raises beyond the 32 records that the library takes at a time."""
    async for record in link.lock.drain_lock_activity():
        happening = mapping.happening_of(record)
        if happening is not None:
            found.append(happening)


async def _has_keypad(link: Talk) -> bool:
    """A lock that has none declines, or does not know the question and says nothing."""
    for _ in range(2):
        try:
            await link.ask(lambda: link.lock.get_keycode(1))
        except DeviceRefused:
            return False
        except Unreachable:
            if not link.lock.is_connected:
                raise
        else:
            return True
    return False


async def _door(link: Talk) -> bool | None:
    return mapping.door_open((await link.ask(link.lock.door_status)).name)


async def _read(link: Talk, slot: int) -> SlotReading:
    digits = await link.ask(lambda: link.lock.get_keycode(slot))
    if digits is None:
        return SlotReading(slot, SlotUse.AVAILABLE)
    return SlotReading(slot, SlotUse.ENABLED, Secret(digits), schedules=())


async def _read_back(link: Talk, slot: int) -> SlotReading:
    """After a write: not being able to read leaves it in doubt."""
    try:
        return await _read(link, slot)
    except (Unreachable, DeviceRefused) as error:
        raise OutcomeUnknown(f"could not prove slot {slot}: {error}") from None


def _auto_lock(state: Any) -> Setting:
    return Setting(AUTO_LOCK, SettingKind.SECONDS, state.duration, 1, LONGEST_S)
