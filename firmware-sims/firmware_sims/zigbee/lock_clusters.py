"""The clusters of a lock that are not the lock: Basic, Power, Identify, Alarms, Time, Poll Control.

Here: their attributes over the firmware model. Not here: the Door Lock cluster (``door_lock``).
Attribute numbers and types: ZCL 8, 3.2, 3.3, 3.5, 3.11, 3.12, 3.16.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from firmware_sims.clock import DAY_S, LOCK_EPOCH
from firmware_sims.zigbee.zcl import Status, Type, Value, wall_time
from firmware_sims.zigbee.zcl_cluster import Attribute, Cluster, Get, Set, constant

if TYPE_CHECKING:
    from firmware_sims.firmware.lock import LockFirmware
    from firmware_sims.profiles import Profile

BASIC, POWER, IDENTIFY, ALARMS, TIME, POLL_CONTROL = 0x0000, 0x0001, 0x0003, 0x0009, 0x000A, 0x0020
OTA_UPGRADE = 0x0019

BATTERY_VOLTAGE, BATTERY_PERCENTAGE = 0x0020, 0x0021
ALARM, CHECK_IN = 0x00, 0x00


def setting(
    lock: LockFirmware,
    key: str,
    type_id: int,
    *,
    highest: int | None = None,
    reportable: bool = False,
) -> Attribute:
    """A writable attribute that is a setting of the firmware; above ``highest`` it is refused."""

    def read() -> Value:
        value = lock.settings[key]
        return value.encode("latin-1") if isinstance(value, str) else value

    def write(value: Value) -> Status:
        if highest is not None and int(value) > highest:
            return Status.INVALID_VALUE
        lock.settings[key] = value.decode("latin-1") if isinstance(value, bytes) else value
        lock.changed()
        return Status.SUCCESS

    return Attribute(type_id, read, write, reportable)


def build(lock: LockFirmware) -> dict[int, Cluster]:
    """Those of these clusters that the profile lists, by cluster id."""
    makers = {
        BASIC: _basic,
        POWER: _power,
        IDENTIFY: _identify,
        ALARMS: _alarms,
        TIME: _time,
        POLL_CONTROL: _poll_control,
    }
    return {
        cluster_id: makers[cluster_id](lock)
        for cluster_id in lock.profile.input_clusters
        if cluster_id in makers
    }


def clients(profile: Profile) -> dict[int, Cluster]:
    """The client sides, by cluster id: hosts read attributes of these too (ZCL 8, 11.10)."""
    version = {0x0002: constant(Type.UINT32, 0x0000_0100)}  # CurrentFileVersion of the OTA client
    return {
        cluster_id: Cluster(cluster_id, version if cluster_id == OTA_UPGRADE else {})
        for cluster_id in profile.output_clusters
    }


def _basic(lock: LockFirmware) -> Cluster:
    profile = lock.profile
    return Cluster(
        BASIC,
        {
            0x0000: constant(Type.UINT8, 8),
            0x0001: constant(Type.UINT8, 1),
            0x0002: constant(Type.UINT8, 1),
            0x0003: constant(Type.UINT8, 1),
            0x0004: constant(Type.STRING, profile.manufacturer.encode()),
            0x0005: constant(Type.STRING, profile.model.encode()),
            0x0007: constant(Type.ENUM8, 0x03),  # battery
            0x4000: constant(Type.STRING, profile.software.encode()),
        },
    )


def _power(lock: LockFirmware) -> Cluster:
    whole = lock.profile.battery_percent_is_whole
    return Cluster(
        POWER,
        {
            BATTERY_VOLTAGE: Attribute(
                Type.UINT8, lambda: round(lock.battery_mv / 100), reportable=True
            ),
            BATTERY_PERCENTAGE: Attribute(
                Type.UINT8,
                lambda: round(lock.battery_percent * (1 if whole else 2)),
                reportable=True,
            ),
        },
    )


def _identify(lock: LockFirmware) -> Cluster:
    lock.define_setting("identify_time", 0)
    return Cluster(
        IDENTIFY, {0x0000: setting(lock, "identify_time", Type.UINT16)}, received=frozenset({0, 1})
    )


def _alarms(lock: LockFirmware) -> Cluster:
    # A lock keeps its alarms in its own log; the alarm table of this cluster stays empty.
    return Cluster(
        ALARMS,
        {0x0000: constant(Type.UINT16, 0)},
        received=frozenset({0, 1, 2, 3}),
        generated=frozenset({ALARM, 1}),
    )


def _time(lock: LockFirmware) -> Cluster:
    clock = lock.clock

    def write_utc(value: Value) -> Status:
        clock.set_utc(int(value) + LOCK_EPOCH)
        lock.changed()
        return Status.SUCCESS

    def zone(field: str, epoch: int = 0) -> tuple[Get, Set]:
        def read() -> Value:
            value: int = getattr(clock.zone, field)
            return max(0, value - epoch) if epoch else value

        def write(value: Value) -> Status:
            if not epoch and abs(int(value)) > DAY_S:  # ZCL 8, 3.12.2.2.3 and 3.12.2.2.6
                return Status.INVALID_VALUE
            clock.adjust_zone(**{field: int(value) + epoch})
            lock.changed()
            return Status.SUCCESS

        return read, write

    lock.define_setting("time_status", 0)
    standard, start = zone("standard_offset_s"), zone("dst_start", LOCK_EPOCH)
    end, shift = zone("dst_end", LOCK_EPOCH), zone("dst_shift_s")
    return Cluster(
        TIME,
        {
            0x0000: Attribute(
                Type.UTC, lambda: wall_time(int(clock.utc()) - LOCK_EPOCH), write_utc
            ),
            0x0001: setting(lock, "time_status", Type.MAP8),
            0x0002: Attribute(Type.INT32, *standard),
            0x0003: Attribute(Type.UINT32, *start),
            0x0004: Attribute(Type.UINT32, *end),
            0x0005: Attribute(Type.INT32, *shift),
            0x0006: Attribute(
                Type.UINT32,
                lambda: wall_time(int(clock.utc()) + clock.zone.standard_offset_s - LOCK_EPOCH),
            ),
            0x0007: Attribute(Type.UINT32, lambda: wall_time(clock.local())),
        },
    )


def _poll_control(lock: LockFirmware) -> Cluster:
    # Intervals in quarter seconds (ZCL 8, 3.16.4); one hour between check-ins is the default.
    lock.define_setting("checkin_interval", 14_400)
    lock.define_setting("fast_poll_timeout", 40)
    return Cluster(
        POLL_CONTROL,
        {
            0x0000: setting(lock, "checkin_interval", Type.UINT32),
            0x0001: constant(Type.UINT32, max(1, round(lock.profile.poll_interval_s * 4))),
            0x0002: constant(Type.UINT16, 2),
            0x0003: setting(lock, "fast_poll_timeout", Type.UINT16),
        },
        received=frozenset({0, 1}),
        generated=frozenset({CHECK_IN}),
    )
