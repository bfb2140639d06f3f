"""How many slots of a lock that is new are looked into."""

from __future__ import annotations

import pytest

from gateway.domain.actions import ReadSlot
from gateway.domain.capabilities import Capabilities, CodeLimits
from gateway.domain.devices import Device, Empty, Slot
from gateway.domain.ids import DeviceId
from gateway.domain.instant import ClockTrust, Instant
from gateway.domain.reconcile import inventoried, plan
from gateway.domain.wants import Moment, Policy

NOW = Instant(1_790_000_000_000)
MOMENT = Moment(NOW, ClockTrust.TRUSTED, NOW)
POLICY = Policy()


def lock(*, sleepy: bool = False, on_battery: bool = False, read: int = 0) -> Device:
    can = Capabilities(codes=CodeLimits(250), sleepy=sleepy, on_battery=on_battery)
    slots = {number: Slot(number, Empty(), observed_at=NOW) for number in range(1, read + 1)}
    return Device(DeviceId("dev_1"), can, zone="Europe/Berlin", slots=slots)


def looks(device: Device) -> list[int]:
    actions = plan(device, [], MOMENT, POLICY).actions
    return [action.slot for action in actions if isinstance(action, ReadSlot)]


def test_a_lock_on_the_mains_is_read_through() -> None:
    assert looks(lock()) == list(range(1, 251))


@pytest.mark.parametrize(("sleepy", "on_battery"), [(True, False), (False, True), (True, True)])
def test_batteries_are_not_spent_on_slots_that_nobody_uses(
    *, sleepy: bool, on_battery: bool
) -> None:
    most = POLICY.inventory_slots_sleepy
    assert looks(lock(sleepy=sleepy, on_battery=on_battery)) == list(range(1, most + 1))
    seen = lock(sleepy=sleepy, on_battery=on_battery, read=most)
    assert looks(seen) == []
    assert inventoried(seen, MOMENT, POLICY)
