"""What people on site have a device do beyond codes and bolt: settings, cards, keys, latch.

Each is a command of the journal that `commands` carries out at most once, in the device's lane.
Here: how each is done, and what its answer proves. Not here: journal, lane and air (`commands`),
and looking (`asking`). No number of a card is in a command: a medium goes by its keyed hash.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from gateway.domain.actions import Confirmed, Outcome, Refused
from gateway.domain.devices import Evidence, LockSchedule, YearDay
from gateway.domain.hours import hours_document, hours_of
from gateway.domain.ids import DeviceId
from gateway.domain.instant import from_rfc3339
from gateway.domain.secret import KeyedHash, Secret
from gateway.drivers.access import (
    CardStore,
    CodeSwitch,
    EnrolProgress,
    FingerprintStore,
    KeyChange,
    KeyHolders,
    KeyRevoker,
    Medium,
    MediumKind,
    SettingsKeeper,
    Unlatcher,
    medium_text,
    short_id,
)
from gateway.errors import DeviceRefused, GatewayError, Refusal, StoreBusy, StoreFull
from gateway.scheduler.answers import Ended, refused, result_of, unconfirmed
from gateway.scheduler.policy import MOMENTARY_DEADLINE_S
from gateway.store import devices, media, reported

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gateway.domain.events import Value
    from gateway.drivers.access import SettingValue
    from gateway.drivers.api import Driver
    from gateway.kit.clock import Clock
    from gateway.scheduler.waiting import Entrusted, Onlookers
    from gateway.store.journal import CommandRow
    from gateway.store.keyring import Keyring
    from gateway.store.tx import Tx

CHANGE_DEADLINE_S = 45.0
"""For one conversation: a change, and the listing that proves it."""
ENROL_DEADLINE_S = 60.0
"""Somebody walks up to the lock meanwhile; locks themselves give up after about 30 s."""

KeepKeys = Callable[[DeviceId, Secret], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Reader:
    """Cards and fingers alike: what a driver does with one kind of them."""

    kind: MediumKind
    enrol: Callable[[EnrolProgress], Awaitable[Medium]]
    list: Callable[[], Awaitable[Sequence[Medium]]]
    schedule: Callable[[Secret, tuple[LockSchedule, ...]], Awaitable[Outcome]]
    delete: Callable[[Secret], Awaitable[Outcome]]


def _cards(driver: Driver) -> _Reader | None:
    if not isinstance(driver, CardStore):
        return None
    return _Reader(
        MediumKind.CARD,
        partial(driver.enrol_card, deadline_s=ENROL_DEADLINE_S),
        partial(driver.list_cards, deadline_s=CHANGE_DEADLINE_S),
        partial(driver.schedule_card, deadline_s=CHANGE_DEADLINE_S),
        partial(driver.delete_card, deadline_s=CHANGE_DEADLINE_S),
    )


def _fingers(driver: Driver) -> _Reader | None:
    if not isinstance(driver, FingerprintStore):
        return None
    return _Reader(
        MediumKind.FINGER,
        partial(driver.enrol_fingerprint, deadline_s=ENROL_DEADLINE_S),
        partial(driver.list_fingerprints, deadline_s=CHANGE_DEADLINE_S),
        partial(driver.schedule_fingerprint, deadline_s=CHANGE_DEADLINE_S),
        partial(driver.delete_fingerprint, deadline_s=CHANGE_DEADLINE_S),
    )


Work = Callable[[], Awaitable[Ended]]


class Errands:
    """`keep` puts a device's new keys on the disk, before the device hears of them."""

    def __init__(
        self,
        keyring: Keyring,
        clock: Clock,
        keep: KeepKeys,
        onlookers: Onlookers,
        entrusted: Entrusted,
    ) -> None:
        self._keyring = keyring
        self._clock = clock
        self._keep = keep
        self._onlookers = onlookers
        self._entrusted = entrusted

    def work(self, row: CommandRow, driver: Driver) -> Work | None:
        """How this driver does it; None where it cannot, which is known without asking it."""
        match row.kind:
            case "write_setting" if isinstance(driver, SettingsKeeper):
                return partial(self._write_setting, row, driver)
            case "update_key" if isinstance(driver, KeyHolders):
                return partial(self._update_key, row, driver)
            case "remove_key" if isinstance(driver, KeyHolders):
                return partial(self._remove_key, row, driver)
            case "revoke_keys" if isinstance(driver, KeyRevoker):
                return partial(self._revoke_keys, row, driver)
            case "switch_code" if isinstance(driver, CodeSwitch):
                return partial(self._switch_code, row, driver)
            case "unlatch" if isinstance(driver, Unlatcher):
                return partial(self._unlatch, driver)
            case "add_card" if isinstance(driver, CardStore):
                return partial(self._add_card, row, driver)
        reader = _reader(row.kind, driver)
        if reader is None:
            return None
        steps = {"enrol": self._enrol, "schedule": self._schedule, "delete": self._delete}
        return partial(steps[row.kind.partition("_")[0]], row, reader)

    # ── settings and keys ───────────────────────────────────────────────────────────────

    async def _write_setting(self, row: CommandRow, driver: SettingsKeeper) -> Ended:
        name, value = str(row.body["name"]), _value(row.body["value"])
        try:
            found = await driver.write_setting(name, value, deadline_s=CHANGE_DEADLINE_S)
        except DeviceRefused as error:
            if error.refusal.definite:
                return Ended(refused(error.refusal.value, str(error)))
            return Ended(unconfirmed(str(error)))
        reads = setting_text(found.value)
        if _spread(found.value) != _spread(value):
            return Ended(unconfirmed(f"it reads {reads}"))
        result = result_of(Confirmed(frozenset({Evidence.READ_BACK})))
        return Ended({**result, "reads": reads})

    async def _update_key(self, row: CommandRow, driver: KeyHolders) -> Ended:
        body = row.body
        rescheduled = any(body.get(key) for key in ("always", "opens_at", "hours"))
        change = KeyChange(
            name=body.get("new_name"),
            enabled=body.get("enabled"),
            schedules=_schedules(body) if rescheduled else None,
        )
        which = str(body["key"])
        outcome = await driver.update_key(which, change, deadline_s=CHANGE_DEADLINE_S)
        if outcome == Refused(Refusal.INVALID):
            return Ended(refused("unknown_key"))
        return Ended(result_of(outcome))

    async def _remove_key(self, row: CommandRow, driver: KeyHolders) -> Ended:
        which = str(row.body["key"])
        return Ended(result_of(await driver.remove_key(which, deadline_s=CHANGE_DEADLINE_S)))

    async def _revoke_keys(self, row: CommandRow, driver: KeyRevoker) -> Ended:
        keep = partial(self._keep, DeviceId(row.device_id or ""))
        try:
            outcome = await driver.revoke_keys(keep, deadline_s=CHANGE_DEADLINE_S)
        except (StoreFull, StoreBusy) as error:
            # Our own key could not be kept, so the lock has heard of nothing.
            return Ended(refused("store_full", str(error)))
        return Ended(result_of(outcome))

    async def _switch_code(self, row: CommandRow, driver: CodeSwitch) -> Ended:
        """What was read of codes of others is forgotten, so that planning sees this one anew."""
        slot, enabled = int(row.body["slot"]), bool(row.body["enabled"])
        written = await driver.switch_code(slot, enabled=enabled, deadline_s=CHANGE_DEADLINE_S)
        if written.outcome == Refused(Refusal.INVALID):
            return Ended(refused("empty_slot"))
        device_id = DeviceId(row.device_id or "")

        def look_anew(tx: Tx) -> None:
            reported.forget_unmanaged(tx, device_id)
            devices.update_device(tx, device_id, inventory_done=False)

        return Ended(result_of(written.outcome), look_anew)

    async def _unlatch(self, driver: Unlatcher) -> Ended:
        return Ended(result_of(await driver.unlatch(deadline_s=MOMENTARY_DEADLINE_S)))

    # ── cards and fingers ───────────────────────────────────────────────────────────────

    async def _enrol(self, row: CommandRow, reader: _Reader) -> Ended:
        try:
            learned = await reader.enrol(partial(self._onlookers.tell, row.command_id))
        except DeviceRefused as error:
            nobody = error.refusal is Refusal.FAILED
            return Ended(refused("nothing_learned" if nobody else error.refusal.value, str(error)))
        known = self._hash(reader.kind, learned.number)
        wanted = _schedules(row.body)
        outcome: Outcome = Confirmed(frozenset({Evidence.ACKNOWLEDGED}))
        if wanted:
            set_, cause = await _tried(reader.schedule(learned.number, wanted))
            if not isinstance(set_, Confirmed):
                return await self._unlearn(row, reader, learned.number, cause)
            outcome = set_
        result = result_of(outcome)
        keep = partial(self._name, row, reader.kind, known, wanted)
        return Ended({**result, "medium": short_id(known)}, keep)

    async def _add_card(self, row: CommandRow, driver: CardStore) -> Ended:
        number, wanted = self._entrusted.take(row.command_id), _schedules(row.body)
        if number is None:
            return Ended(refused("number_forgotten"))
        outcome = await driver.add_card(number, wanted, deadline_s=CHANGE_DEADLINE_S)
        if not isinstance(outcome, Confirmed):
            return Ended(result_of(outcome))
        known = self._hash(MediumKind.CARD, number)
        keep = partial(self._name, row, MediumKind.CARD, known, wanted)
        return Ended({**result_of(outcome), "medium": short_id(known)}, keep)

    async def _unlearn(self, row: CommandRow, reader: _Reader, number: Secret, cause: str) -> Ended:
        """What cannot be given its hours would open at all hours: it goes again."""
        gone, why = await _tried(reader.delete(number))
        if isinstance(gone, Confirmed):
            detail = f"its hours could not be set, and it was taken off again: {cause}"
            return Ended(refused("hours_not_set", detail))
        known = self._hash(reader.kind, number)
        result = unconfirmed(
            f"it was learned, its hours could not be set ({cause}), and it could not be taken off"
            f" again ({why}): it may open at all hours; delete it"
        )
        keep = partial(self._name, row, reader.kind, known, ())
        return Ended({**result, "medium": short_id(known)}, keep)

    async def _schedule(self, row: CommandRow, reader: _Reader) -> Ended:
        known, wanted = KeyedHash(str(row.body["medium"])), _schedules(row.body)
        number = await self._find(reader, known)
        if number is None:
            return Ended(refused("unknown_medium"))
        outcome = await reader.schedule(number, wanted)
        if not isinstance(outcome, Confirmed):
            return Ended(result_of(outcome))
        device_id = DeviceId(row.device_id or "")
        return Ended(result_of(outcome), lambda tx: media.reschedule(tx, device_id, known, wanted))

    async def _delete(self, row: CommandRow, reader: _Reader) -> Ended:
        known = KeyedHash(str(row.body["medium"]))
        number = await self._find(reader, known)
        outcome: Outcome = Confirmed(frozenset({Evidence.READ_BACK}))  # the lock lists it no more
        if number is not None:
            outcome = await reader.delete(number)
        if not isinstance(outcome, Confirmed):
            return Ended(result_of(outcome))
        device_id = DeviceId(row.device_id or "")
        return Ended(result_of(outcome), lambda tx: media.forget(tx, device_id, known))

    async def _find(self, reader: _Reader, known: KeyedHash) -> Secret | None:
        for one in await reader.list():
            if self._hash(reader.kind, one.number) == known:
                return one.number
        return None

    def _hash(self, kind: MediumKind, number: Secret) -> KeyedHash:
        return self._keyring.hash(medium_text(kind, number))

    def _name(
        self,
        row: CommandRow,
        kind: MediumKind,
        known: KeyedHash,
        schedules: tuple[LockSchedule, ...],
        tx: Tx,
    ) -> None:
        media.put(
            tx,
            media.MediumRow(
                DeviceId(row.device_id or ""),
                kind.value,
                known,
                str(row.body.get("name", "")),
                schedules,
                self._clock.now(),
                row.actor,
            ),
        )


_READERS: Mapping[str, Callable[[Driver], _Reader | None]] = {"card": _cards, "finger": _fingers}
_MEDIA = frozenset(f"{step}_{of}" for step in ("enrol", "schedule", "delete") for of in _READERS)
_KEY_CHANGES = ("new_name", "enabled", "always", "opens_at", "closes_at")
ERRANDS = _MEDIA | {
    "write_setting", "update_key", "remove_key", "revoke_keys", "switch_code", "unlatch",
    "add_card",
}  # fmt: skip
"""Kinds of commands that are errands. The cloud's contract has none of them."""


def _reader(kind: str, driver: Driver) -> _Reader | None:
    return _READERS[kind.rpartition("_")[2]](driver) if kind in _MEDIA else None


async def _tried(order: Awaitable[Outcome]) -> tuple[Outcome | None, str]:
    """What came of one step of several; None, with the cause, where nobody knows."""
    try:
        outcome = await order
    except GatewayError as error:
        return None, str(error)
    if isinstance(outcome, Confirmed):
        return outcome, ""
    cause = outcome.refusal.value if isinstance(outcome, Refused) else outcome.cause
    return outcome, cause.replace("_", " ")


def _schedules(body: Mapping[str, Any]) -> tuple[LockSchedule, ...]:
    """Between `opens_at` and `closes_at`, in the week's `hours`; without them at all times."""
    opens_at, closes_at = body.get("opens_at"), body.get("closes_at")
    weekly = hours_of(body.get("hours", []))
    if opens_at is None or closes_at is None:
        return weekly
    return (YearDay(from_rfc3339(opens_at), from_rfc3339(closes_at)), *weekly)


def _value(document: object) -> SettingValue:
    return document if isinstance(document, bool | int) else hours_of(document)


def _spread(value: SettingValue | None) -> object:
    """Weekly hours day by day, however they were put together."""
    if not isinstance(value, tuple):
        return value
    return sorted((day, h.start_minute, h.end_minute) for h in value for day in sorted(h.weekdays))


def setting_text(value: SettingValue | None) -> str:
    """For people: `on`, `30`, `mon tue 08:00-18:00`."""
    match value:
        case None:
            return "not told"
        case bool():
            return "on" if value else "off"
        case int():
            return str(value)
        case _:
            each = hours_document(value)
            text = "; ".join(f"{' '.join(h['weekdays'])} {h['from']}-{h['to']}" for h in each)
            return text or "never"


def about(row: CommandRow) -> Value:
    """What an errand was about, for the audit: no number, no key."""
    body = row.body
    with contextlib.suppress(KeyError, ValueError):
        match row.kind:
            case "write_setting":
                return f"{body['name']} = {setting_text(_value(body['value']))}"
            case "update_key":
                changed = [f"{c}={body[c]}" for c in _KEY_CHANGES if body.get(c) is not None]
                if "hours" in body:
                    changed.append(f"hours={setting_text(hours_of(body['hours']))}")
                return f"key {body['key']} {body.get('name') or ''}: {', '.join(changed)}"
            case "remove_key":
                return f"key {body['key']} {body.get('name') or ''}".rstrip()
            case "switch_code":
                return f"slot {body['slot']} {setting_text(bool(body['enabled']))}"
            case "revoke_keys":
                return "all keys on phones"
            case kind if kind in _MEDIA | {"add_card"}:
                known = short_id(KeyedHash(str(body.get("medium") or "")))
                words = [kind.rpartition("_")[2], known, str(body.get("name") or "")]
                return " ".join(word for word in words if word)
    return None
