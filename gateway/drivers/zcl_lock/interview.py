"""Getting to know a lock: its limits, and its promise to tell us what happens. Repeatable.

A sans-I/O conversation. What a lock lacks is skipped; a link that breaks ends it with the error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.drivers.zcl_lock import wire
from gateway.drivers.zcl_lock.dialogue import Dialect, Dialogue, read_user
from gateway.drivers.zcl_lock.mapping import capabilities_of
from gateway.drivers.zcl_lock.wire import Attr
from gateway.errors import DeviceRefused, OutcomeUnknown, PeerProtocolError, Refusal, Unreachable
from gateway.radios.api import BindAndReport, EndpointInfo, ReadAttributes, WriteAttributes

if TYPE_CHECKING:
    from gateway.domain.capabilities import Capabilities
    from gateway.drivers.zcl_lock.facts import ModelFacts

LIMITS = (
    Attr.PIN_USERS,
    Attr.WEEK_DAY_PER_USER,
    Attr.YEAR_DAY_PER_USER,
    Attr.MAX_PIN_LENGTH,
    Attr.MIN_PIN_LENGTH,
    Attr.DOOR_STATE,
    Attr.SEND_PIN_OVER_THE_AIR,
    Attr.KEYPAD_OPERATION_EVENTS,
    Attr.RF_OPERATION_EVENTS,
    Attr.MANUAL_OPERATION_EVENTS,
    Attr.RFID_OPERATION_EVENTS,
    Attr.KEYPAD_PROGRAMMING_EVENTS,
    Attr.RF_PROGRAMMING_EVENTS,
    Attr.RFID_PROGRAMMING_EVENTS,
)
_EVENT_MASKS = LIMITS[7:]

# (least, greatest seconds between reports, change worth one): at once for the bolt and the door,
# hourly to twice a day for a battery, as the radio of a sleepy lock is paid for from it.
_BOLT = (0, 3600, 1)
_BATTERY = (3600, 43_200, 2)


def interview(
    dialect: Dialect, endpoint: EndpointInfo, facts: ModelFacts, *, sleepy: bool
) -> Dialogue[Capabilities]:
    # First of all: what happens at a lock that joined again is heard by nobody until then.
    yield from _optional(BindAndReport(endpoint.endpoint, wire.DOOR_LOCK, {}))
    attributes = dict((yield ReadAttributes(endpoint.endpoint, wire.DOOR_LOCK, LIMITS)).fields)
    yield from _open_its_mouth(endpoint.endpoint, attributes, facts)
    reports = {int(Attr.LOCK_STATE): _BOLT}
    if str(int(Attr.DOOR_STATE)) in attributes:
        reports[int(Attr.DOOR_STATE)] = _BOLT
    yield from _optional(BindAndReport(endpoint.endpoint, wire.DOOR_LOCK, reports))
    if wire.POWER in endpoint.input_clusters:
        battery = {wire.BATTERY_PERCENT: _BATTERY}
        yield from _optional(BindAndReport(endpoint.endpoint, wire.POWER, battery))
    if wire.ALARMS in endpoint.input_clusters:
        yield from _optional(BindAndReport(endpoint.endpoint, wire.ALARMS, {}))
    return capabilities_of(
        attributes,
        facts,
        sleepy=sleepy,
        has_clock=wire.TIME in endpoint.input_clusters,
        reads_slots=(yield from _reads_slots(dialect)),
    )


def _open_its_mouth(
    endpoint: int, attributes: dict[str, object], facts: ModelFacts
) -> Dialogue[None]:
    """Ask for every event; and for PINs over the air where they cannot be proven otherwise."""
    for mask in _EVENT_MASKS:
        value = attributes.get(str(int(mask)))
        if isinstance(value, int) and value != wire.EVERY_EVENT:
            write = WriteAttributes(endpoint, wire.DOOR_LOCK, {int(mask): wire.EVERY_EVENT})
            yield from _optional(write)
    key = str(int(Attr.SEND_PIN_OVER_THE_AIR))
    if facts.sends_pin_over_the_air and attributes.get(key) in (False, 0):
        write = WriteAttributes(endpoint, wire.DOOR_LOCK, {int(Attr.SEND_PIN_OVER_THE_AIR): True})
        if (yield from _optional(write)):
            attributes[key] = True


def _optional(step: WriteAttributes | BindAndReport) -> Dialogue[bool]:
    """Whether the lock agreed."""
    try:
        yield step
    except DeviceRefused:
        return False
    except OutcomeUnknown as error:
        # Being told the same again does no harm: whoever asks may take it for silence.
        raise Unreachable(str(error)) from error
    return True


def _reads_slots(dialect: Dialect) -> Dialogue[bool]:
    """Some locks take codes and tell nothing: found out by asking for one slot."""
    try:
        yield from read_user(dialect, 1)
    except DeviceRefused as refused:
        return refused.refusal is not Refusal.UNSUPPORTED
    except PeerProtocolError:
        return True
    return True
