"""Rows of the store to wire reports. Pure: no asyncio, no logging, no clock."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from gateway.domain.schedule import schedule_hash
from gateway.sync.reports import (
    CommandResult,
    DeviceModel,
    EventModel,
    GrantModel,
    ReadingModel,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import BaseModel

    from gateway.domain.capabilities import Capabilities
    from gateway.store.devices import DeviceRow
    from gateway.store.events import EventRow
    from gateway.store.journal import CommandRow
    from gateway.store.readings import ReadingRow
    from gateway.store.reported import GrantRow

EMPTY_HASH: Final = schedule_hash(())
"""Of the schedule of a gateway that never got one."""


def encode(model: BaseModel) -> bytes:
    """JSON by wire names; what is not known is left out."""
    return model.model_dump_json(by_alias=True, exclude_none=True).encode()


def event(row: EventRow) -> EventModel:
    return EventModel(
        seq=row.seq,
        at=row.at,
        trust=row.trust.value,
        corrected_at=row.corrected_at,
        type=row.type.value,
        device_time=row.device_time,
        device_id=row.device_id,
        credential_id=row.credential_id,
        body=dict(row.body),
    )


def grant(row: GrantRow) -> GrantModel:
    return GrantModel(
        credential_id=row.credential_id,
        device_id=row.device_id,
        version=row.version,
        state=row.state.value,
        since=row.since,
        reason=row.reason,
        removed=row.removed,
        orphaned=row.orphaned,
        evidence=tuple(sorted(item.value for item in row.evidence)),
        attempts=row.attempts,
        next_attempt_at=row.next_attempt_at,
        slot=row.slot,
        opens=row.opens.value,
        closes=row.closes.value,
        early_exposure_s=_seconds(row.early_exposure_ms),
        late_revocation_s=_seconds(row.late_revocation_ms),
        uses=row.uses,
        first_used_at=row.first_used_at,
        last_used_at=row.last_used_at,
    )


def device(row: DeviceRow, readings: Iterable[ReadingRow] = ()) -> DeviceModel:
    """`readings`: this device's."""
    return DeviceModel(
        device_id=row.device_id,
        name=row.name,
        kind=row.kind,
        manufacturer=row.manufacturer,
        model=row.model,
        capabilities=capabilities(row.capabilities),
        joined_at=row.joined_at,
        removed=row.removed_at is not None,
        simulated=row.simulated,
        reachable=row.reachable,
        reachable_since=row.reachable_since,
        last_heard_at=row.last_heard_at,
        locked=row.locked,
        door_open=row.door_open,
        battery_percent=row.battery_percent,
        battery_low=row.battery_low,
        clock_error_ms=row.clock_error_ms,
        clock_bound_ms=row.clock_bound_ms,
        problems=_problems(row),
        readings=tuple(
            ReadingModel(quantity=one.quantity, value=one.value, unit=one.unit, at=one.at)
            for one in readings
        ),
    )


def capabilities(value: Capabilities) -> dict[str, Any]:
    """Flags that are absent are left out: the device will never have them."""
    flags = {
        field.name: getattr(value, field.name)
        for field in fields(value)
        if isinstance(getattr(value, field.name), bool)
    }
    constraints: dict[str, Any] = {
        "schedules": {
            "week_day": value.schedules.week_day,
            "year_day": value.schedules.year_day,
            "granularity_s": value.schedules.granularity_s,
        }
    }
    if value.codes is not None:
        constraints["codes"] = {
            "slots": value.codes.slots,
            "reserved_slots": sorted(value.codes.reserved_slots),
            "min_length": value.codes.min_length,
            "max_length": value.codes.max_length,
            "numeric_only": value.codes.numeric_only,
            "forbidden_digits": value.codes.forbidden_digits,
            "forbidden_prefixes": list(value.codes.forbidden_prefixes),
        }
    return flags | {"constraints": constraints}


def command_result(row: CommandRow, epoch: str) -> CommandResult:
    return CommandResult(
        epoch=epoch,
        command_id=row.command_id,
        kind=row.kind,
        device_id=row.device_id,
        received_at=row.received_at,
        finished_at=row.finished_at,
        result=dict(row.result or {}),
    )


def _problems(row: DeviceRow) -> tuple[str, ...]:
    """Codes, not sentences; a reader can translate them."""
    found = []
    if row.reachable is False:
        found.append("unreachable")
    if row.jammed:
        found.append("jammed")
    if row.battery_low:
        found.append("battery_low")
    if row.repair_paused is not None:
        found.append("repair_paused")
    if row.well_known_key:
        found.append("joined_with_well_known_key")
    return tuple(found)


def _seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000
