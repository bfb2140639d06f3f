"""Names of the things that happen, as written to the ledger and told to the cloud."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.domain.ids import CredentialId, DeviceId
    from gateway.domain.instant import Instant

Value = str | int | bool | None | list[str] | list[int]


class EventType(Enum):
    LOCK_LOCKED = "lock.locked"
    LOCK_UNLOCKED = "lock.unlocked"
    LOCK_JAMMED = "lock.jammed"
    LOCK_JAM_CLEARED = "lock.jam_cleared"
    DOOR_OPENED = "door.opened"
    DOOR_CLOSED = "door.closed"
    DOOR_FORCED = "door.forced"
    ACCESS_DENIED = "access.denied"
    ACCESS_LOCKOUT = "access.lockout"
    TAMPER = "tamper.detected"
    BATTERY_LOW = "battery.low"
    BATTERY_REPLACED = "battery.replaced"
    METER_RESET_SUSPECTED = "meter.reset_suspected"
    DEVICE_JOINED = "device.joined"
    DEVICE_REMOVED = "device.removed"
    DEVICE_ONLINE = "device.online"
    DEVICE_OFFLINE = "device.offline"
    DEVICE_TIME_WRONG = "device.time_wrong"
    DEVICE_TIME_SET = "device.time_set"
    DEVICE_SCHEDULES_PROVEN = "device.schedules_proven"
    DEVICE_SCHEDULES_NOT_KEPT = "device.schedules_not_kept"
    DEVICE_LOG_LOST = "device.log_lost"
    DEVICE_SUSPECT = "device.suspect"
    CREDENTIAL_PROGRAMMED = "credential.programmed"
    CREDENTIAL_FOUND = "credential.found_on_lock"
    CREDENTIAL_ERASED = "credential.erased"
    CREDENTIAL_REJECTED = "credential.rejected"
    CREDENTIAL_UNCONFIRMED = "credential.unconfirmed"
    CREDENTIAL_FIRST_USED = "credential.first_used"
    CREDENTIAL_USED = "credential.used"
    CREDENTIAL_EXPIRED_UNUSED = "credential.expired_unused"
    CREDENTIAL_MISSED = "credential.missed"
    CREDENTIAL_REMOVED_EXTERNALLY = "credential.removed_externally"
    CREDENTIAL_PAUSED = "credential.paused"
    CREDENTIAL_ERASE_OVERDUE = "credential.erase_overdue"
    CREDENTIAL_NO_FREE_SLOT = "credential.no_free_slot"
    CODES_CLEARED_AT_LOCK = "codes.cleared_at_lock"
    UNMANAGED_CODE_FOUND = "codes.unmanaged_found"
    OTHER_CONTROLLER_SUSPECTED = "device.other_controller_suspected"
    GATEWAY_STARTED = "gateway.started"
    GATEWAY_STORE_RESET = "gateway.store_reset"
    GATEWAY_STORAGE_LOW = "gateway.storage_low"
    GATEWAY_RADIO_DOWN = "gateway.radio_down"
    GATEWAY_RADIO_UP = "gateway.radio_up"
    GATEWAY_MESSAGE_REFUSED = "gateway.message_refused"
    GATEWAY_EVENTS_GAP = "gateway.events_gap"
    GATEWAY_TIME_UNTRUSTED = "gateway.time_untrusted"
    GATEWAY_TIME_PROVEN = "gateway.time_proven"
    GATEWAY_TIME_CORRECTED = "gateway.time_corrected"
    GATEWAY_TIME_REFUSED = "gateway.time_refused"
    GATEWAY_TIME_FLOOR_LOWERED = "gateway.time_floor_lowered"
    SCHEDULE_APPLIED = "schedule.applied"
    SCHEDULE_REFUSED = "schedule.refused"
    SCHEDULE_REMOVALS_HELD = "schedule.removals_held"
    AUDIT_COMMAND = "audit.command"
    AUDIT_PROBED = "audit.schedules_probed"
    AUDIT_REVEALED = "audit.code_revealed"
    AUDIT_TIME_TOLD = "audit.time_told"


class Method(Enum):
    """By what means something was opened or closed."""

    MANUAL = "manual"
    KEYPAD = "keypad"
    CODE = "code"
    CARD = "card"
    FINGERPRINT = "fingerprint"
    REMOTE = "remote"
    AUTO_LOCK = "auto_lock"
    SCHEDULE = "schedule"
    MECHANICAL_KEY = "mechanical_key"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that happened, before it is numbered. `body` holds no secret."""

    type: EventType
    at: Instant
    device_id: DeviceId | None = None
    credential_id: CredentialId | None = None
    device_time: Instant | None = None
    body: Mapping[str, Value] = field(default_factory=dict)
