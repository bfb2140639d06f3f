"""Rows of `devices`: what joined, what it can do, and its standing as last known.

Not here: slots and grants (`reported`), and how a device is spoken to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from gateway.domain.capabilities import Capabilities
from gateway.domain.instant import Instant
from gateway.store import codec
from gateway.store.tx import SHOWN, Select, Tx, Value, assignments

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

    from gateway.domain.ids import DeviceId


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """One device. `None` means not known, or not applicable to this kind of device."""

    device_id: DeviceId
    radio: str
    """Name of the radio that reaches it."""
    address: str
    """EUI-64, MAC or node id: the radio's business."""
    driver: str
    kind: str
    manufacturer: str
    model: str
    name: str
    capabilities: Capabilities
    quirks: tuple[str, ...]
    joined_at: Instant
    removed_at: Instant | None
    well_known_key: bool
    simulated: bool
    reachable: bool | None
    reachable_since: Instant | None
    last_heard_at: Instant | None
    locked: bool | None
    door_open: bool | None
    jammed: bool
    battery_percent: int | None
    battery_low: bool | None
    clock_error_ms: int | None
    clock_bound_ms: int | None
    clock_read_at: Instant | None
    clock_zone_proven: bool | None
    schedules_proven: bool
    repair_paused: str | None
    inventory_done: bool
    recovering: bool
    changed: int
    log_news: bool | None = None
    log_cursor: str | None = None
    log_read_at: Instant | None = None
    interview_due: bool = False


class DeviceColumns(TypedDict, total=False):
    """What `update_device` may write."""

    radio: str
    address: str
    driver: str
    kind: str
    manufacturer: str
    model: str
    name: str
    capabilities: Capabilities
    quirks: tuple[str, ...]
    well_known_key: bool
    simulated: bool
    reachable: bool | None
    reachable_since: Instant | None
    last_heard_at: Instant | None
    locked: bool | None
    door_open: bool | None
    jammed: bool
    battery_percent: int | None
    battery_low: bool | None
    clock_error_ms: int | None
    clock_bound_ms: int | None
    clock_read_at: Instant | None
    clock_zone_proven: bool | None
    schedules_proven: bool
    repair_paused: str | None
    inventory_done: bool
    recovering: bool
    log_news: bool | None
    log_cursor: str | None
    log_read_at: Instant | None
    interview_due: bool


_FLAGS = frozenset(
    {
        "well_known_key", "simulated", "reachable", "locked", "door_open", "jammed",
        "battery_low", "clock_zone_proven", "schedules_proven", "inventory_done", "recovering",
        "log_news", "interview_due",
    }
)  # fmt: skip
_QUIET = frozenset({"last_heard_at"})
"""Columns that alone are no news: nobody is woken for them."""

_SHOWN_ONLY = _QUIET | {"name", "locked", "door_open", "jammed", "battery_percent", "battery_low"}
"""Columns that are told and that planning does not read."""


def all_devices(*, include_removed: bool = False) -> Select[DeviceRow]:
    where = "" if include_removed else " WHERE removed_at IS NULL"
    return Select(f"SELECT * FROM devices{where} ORDER BY joined_at, device_id", (), _row)  # noqa: S608 - one of two texts written here


def device(device_id: DeviceId) -> Select[DeviceRow]:
    return Select("SELECT * FROM devices WHERE device_id = ?", (device_id,), _row)


def device_at(radio: str, address: str) -> Select[DeviceRow]:
    """The device in service at this address; removed ones are never found."""
    return Select(
        "SELECT * FROM devices WHERE radio = ? AND address = ? AND removed_at IS NULL",
        (radio, address),
        _row,
    )


def devices_changed_since(change: int) -> Select[DeviceRow]:
    """Removed ones included, oldest change first."""
    return Select(
        "SELECT * FROM devices WHERE changed > ? ORDER BY changed, device_id", (change,), _row
    )


def add_device(
    tx: Tx,
    device_id: DeviceId,
    *,
    radio: str,
    address: str,
    driver: str,
    kind: str,
    name: str,
    capabilities: Capabilities,
    joined_at: Instant,
    manufacturer: str = "",
    model: str = "",
    quirks: tuple[str, ...] = (),
    well_known_key: bool = False,
    simulated: bool = False,
) -> None:
    """A device that joined for the first time; the same hardware joining again is an update."""
    tx.execute(
        "INSERT INTO devices (device_id, radio, address, driver, kind, manufacturer, model, name,"
        " capabilities, quirks, joined_at, well_known_key, simulated, changed)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            device_id,
            radio,
            address,
            driver,
            kind,
            manufacturer,
            model,
            name,
            codec.encode_capabilities(capabilities),
            codec.encode_names(quirks),
            joined_at,
            well_known_key,
            simulated,
            tx.next_change(),
        ),
    )
    _touch(tx, device_id)
    tx.touch("devices")


def update_device(tx: Tx, device_id: DeviceId, **columns: Unpack[DeviceColumns]) -> bool:
    """Write what differs; False (and nobody is woken) when nothing does or the device is unknown.

    KeyError for a column that may not be written.
    """
    row = tx.execute("SELECT * FROM devices WHERE device_id = ?", (device_id,)).fetchone()
    new = _encode(columns)
    if row is None:
        return False
    differing = {name: value for name, value in new.items() if row[name] != value}
    if not differing:
        return False
    loud = not differing.keys() <= _QUIET
    if loud:
        tx.touch(SHOWN if differing.keys() <= _SHOWN_ONLY else f"device:{device_id}")
        differing["changed"] = tx.next_change()
    tx.execute(
        f"UPDATE devices SET {assignments(differing)} WHERE device_id = :device_id",  # noqa: S608 - names from DeviceColumns
        {**differing, "device_id": device_id},
    )
    return True


def doubt_clock(tx: Tx, device_id: DeviceId) -> None:
    """The lock may have lost its clock, as with a reset: what was read of it holds no longer."""
    row = tx.one(device(device_id))
    if row is not None and row.clock_read_at is not None:
        update_device(tx, device_id, clock_zone_proven=False, clock_read_at=Instant(0))


def forget_clocks(tx: Tx) -> None:
    """They were read, and perhaps set, by a time that was none: each is looked at as if never
    before, for which a battery lock is woken too."""
    for row in tx.all(all_devices()):
        if row.clock_read_at is not None:
            update_device(tx, row.device_id, clock_read_at=None)


def remove_device(tx: Tx, device_id: DeviceId, at: Instant) -> bool:
    """Take it out of service for good; its id is not used again. False if that was done before.

    What its slots held is forgotten: an attempt to reach them has no way any more. Grants stay, in
    the state last proven, with the reason `device_removed`.
    """
    change = tx.next_change()
    removed = tx.execute(
        "UPDATE devices SET removed_at = ?, reachable = NULL, changed = ?"
        " WHERE device_id = ? AND removed_at IS NULL",
        (at, change, device_id),
    )
    if not removed.rowcount:
        return False
    for table in ("slots", "device_keys", "numbers", "readings", "media"):
        tx.execute(f"DELETE FROM {table} WHERE device_id = ?", (device_id,))  # noqa: S608 - one of five names written here
    tx.execute(
        "UPDATE slot_history SET to_at = max(?, from_at) WHERE device_id = ? AND to_at IS NULL",
        (at, device_id),
    )
    tx.execute(
        "UPDATE grants SET reason = 'device_removed', slot = NULL, next_attempt_at = NULL,"
        " erase_due_at = NULL, changed = ? WHERE device_id = ? AND state <> 'erased'",
        (change, device_id),
    )
    _touch(tx, device_id)
    tx.touch("devices")
    return True


def _encode(columns: Mapping[str, object]) -> dict[str, Value]:
    unknown = columns.keys() - DeviceColumns.__annotations__.keys()
    if unknown:
        raise KeyError(f"could not write devices: no such columns: {sorted(unknown)}")
    encoded: dict[str, Value] = {}
    for name, value in columns.items():
        match value:
            case Capabilities():
                encoded[name] = codec.encode_capabilities(value)
            case tuple():
                encoded[name] = codec.encode_names(value)
            case bool():
                encoded[name] = int(value)
            case None | int() | str():
                encoded[name] = value
            case _:
                raise TypeError(f"could not write devices.{name}: {type(value).__name__}")
    return encoded


def _row(row: sqlite3.Row) -> DeviceRow:
    columns: dict[str, Any] = {
        name: bool(value) if name in _FLAGS and value is not None else value
        for name, value in zip(row.keys(), row, strict=True)
    }
    columns["capabilities"] = codec.decode_capabilities(columns["capabilities"])
    columns["quirks"] = codec.decode_names(columns["quirks"])
    return DeviceRow(**columns)


def _touch(tx: Tx, device_id: DeviceId) -> None:
    tx.touch(f"device:{device_id}")
