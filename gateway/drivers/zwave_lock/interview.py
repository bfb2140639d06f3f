"""Getting to know a lock: its limits. Repeatable, and a sans-I/O conversation.

Z-Wave JS has interviewed the node before (associations, so that it tells us what happens). What a
lock lacks is skipped; a way that breaks ends it with the error. `getUsersCount()` and
`getRecordsCount()` tell a number, `getNumSlots()` `{numWeekDaySlots, numYearDaySlots,
numDailyRepeatingSlots}`, `UserCode.getCapabilities()` `{supportedUserIDStatuses,
supportedASCIIChars, …}`, `Notification.getSupportedEvents(type)` numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from gateway.domain.capabilities import Capabilities, CodeLimits, ScheduleSupport
from gateway.drivers.zwave_lock import wire
from gateway.drivers.zwave_lock.dialogue import (
    Dialect,
    Dialogue,
    Store,
    ask,
    ask_fields,
    kept,
    value_id,
)
from gateway.drivers.zwave_lock.wire import Access, UserStatus
from gateway.errors import DeviceRefused, PeerProtocolError, Unreachable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.drivers.zwave_lock.facts import ModelFacts

WEEK: Final = 7
"""A week-day entry has one weekday: this many are needed for one of ours, at worst."""


@dataclass(frozen=True, slots=True)
class Node:
    """What the network knows of the lock: `versions` by command class, at its endpoint."""

    versions: Mapping[int, int]
    sleepy: bool
    on_battery: bool = False

    def has(self, command_class: int, version: int = 1) -> bool:
        return self.versions.get(command_class, 0) >= version

    @property
    def store(self) -> Store:
        if self.has(wire.USER_CREDENTIAL):
            return Store.CREDENTIALS
        return Store.USER_CODE if self.has(wire.USER_CODE) else Store.NONE

    @property
    def has_clock(self) -> bool:
        return self.has(wire.TIME_PARAMETERS) or self.has(wire.TIME)


def acquaint(dialect: Dialect, node: Node, facts: ModelFacts) -> Dialogue[Dialect]:
    """How the lock wants to be spoken to about codes and schedules."""
    store = node.store
    if store is Store.CREDENTIALS and node.has(wire.USER_CODE) and not (yield from _users(dialect)):
        store = Store.USER_CODE  # it has both, and User Credential is switched off
    dialect = replace(dialect, store=store)
    if store is not Store.USER_CODE:
        # User Credential has schedules of its own (Active Schedule, CC:00A4), which Z-Wave JS 15
        # does not speak: the gateway keeps the windows.
        return dialect
    if node.has(wire.USER_CODE, 2):
        told = yield from ask_fields(dialect.ask(wire.USER_CODE, "getCapabilities"))
        statuses = told.get("supportedUserIDStatuses")
        disables = isinstance(statuses, list | tuple) and UserStatus.DISABLED in statuses
        dialect = replace(dialect, disables=disables)
    if node.has(wire.SCHEDULES) and facts.keeps_schedules:
        told = yield from ask_fields(dialect.ask(wire.SCHEDULES, "getNumSlots"))
        dialect = replace(
            dialect,
            year_day=_number(told.get("numYearDaySlots")),
            week_day=_number(told.get("numWeekDaySlots")),
            daily=_number(told.get("numDailyRepeatingSlots")),
        )
    return dialect


def interview(dialect: Dialect, node: Node, facts: ModelFacts) -> Dialogue[Capabilities]:
    """`dialect` comes from `acquaint`."""
    codes = yield from _codes(dialect, node, facts)
    return Capabilities(
        can_remotely_unlock=True,
        can_remotely_lock=True,
        can_program_online_access_codes=True if codes else None,
        reports_events=True,
        reports_attribution=True if codes else None,
        has_door_sensor=(yield from _has_door(dialect, node)),
        has_clock=True if node.has_clock else None,
        keeps_log=(yield from _keeps_log(dialect, node)),
        sleepy=node.sleepy,
        on_battery=node.on_battery,
        codes=codes,
        schedules=ScheduleSupport(
            week_day=dialect.daily or dialect.week_day // WEEK,
            year_day=dialect.year_day,
            granularity_s=60,
            edge_s=60,
        ),
    )


def _number(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _codes(dialect: Dialect, node: Node, facts: ModelFacts) -> Dialogue[CodeLimits | None]:
    if dialect.store is Store.NONE:
        return None
    shortest, longest, slots = facts.min_length, facts.max_length, facts.slots
    shown = facts.reads_back_digits
    if dialect.store is Store.CREDENTIALS:
        slots, shortest, longest, hashed = yield from _credentials(dialect)
        shown = shown and not hashed
    elif not slots:
        slots = _number((yield from ask(dialect.ask(wire.USER_CODE, "getUsersCount"))))
    if not slots:
        return None
    if facts.length_parameter:
        call = dialect.ask(wire.CONFIGURATION, "get", facts.length_parameter)
        length = _number((yield from ask(call)))
        if shortest <= length <= longest:
            shortest = longest = length
    return CodeLimits(
        slots=slots,
        min_length=shortest,
        max_length=longest,
        reserved_slots=facts.reserved_slots,
        reads_back_digits=shown,
        reads_back_occupancy=True,
    )


def _users(dialect: Dialect) -> Dialogue[int]:
    """None at all: the lock has both command classes and keeps to User Code (UserCredentialCC.ts,
    `interview`)."""
    told = yield from ask_fields(dialect.ask(wire.USER_CREDENTIAL, "getUserCapabilities"))
    return _number(told.get("numberOfSupportedUsers"))


def _credentials(dialect: Dialect) -> Dialogue[tuple[int, int, int, int]]:
    """Slots that are both a user's and a PIN's, the lengths of a PIN, and of its hash: that is 0
    where PINs can be read back (CC:0083.01.0C.11.021).

    `getCredentialCapabilities()` holds a map, which does not cross as JSON: the value that its
    report leaves is read instead (`UserCredentialCCValues`).
    """
    users = yield from _users(dialect)
    yield from ask(dialect.ask(wire.USER_CREDENTIAL, "getCredentialCapabilities"))
    key = wire.CREDENTIAL_PIN
    value = value_id(dialect, wire.USER_CREDENTIAL, "credentialCapabilities", key)
    pins = yield from kept(dialect, "value", value)
    if not isinstance(pins, dict):
        return 0, 0, 0, 0
    return (
        min(users, _number(pins.get("numberOfCredentialSlots"))),
        _number(pins.get("minCredentialLength")),
        _number(pins.get("maxCredentialLength")),
        _number(pins.get("maxCredentialHashLength")),
    )


def _has_door(dialect: Dialect, node: Node) -> Dialogue[bool | None]:
    """By what it can tell of: version 4 of Door Lock says so, and else the events that it has."""
    if node.has(wire.DOOR_LOCK, 4):
        told = yield from ask_fields(dialect.ask(wire.DOOR_LOCK, "getCapabilities"))
        if told.get("doorSupported") is True:
            return True
    if not node.has(wire.NOTIFICATION, 3):
        return None
    call = dialect.ask(wire.NOTIFICATION, "getSupportedEvents", wire.ACCESS_CONTROL)
    try:
        events = yield from ask(call)
    except (DeviceRefused, PeerProtocolError, Unreachable):
        return None  # not every lock answers; nothing hangs on it
    return True if isinstance(events, list | tuple) and Access.DOOR_OPEN in events else None


def _keeps_log(dialect: Dialect, node: Node) -> Dialogue[bool | None]:
    if not node.has(wire.LOGGING):
        return None
    count = _number((yield from ask(dialect.ask(wire.LOGGING, "getRecordsCount"))))
    return True if count else None
