"""The same digits twice, and more codes than slots: who gives way, and why."""

from __future__ import annotations

from dataclasses import replace

from gateway.domain.capabilities import Capabilities, CodeLimits
from gateway.domain.devices import Device, Known, Slot
from gateway.domain.grants import DesiredGrant, GrantState
from gateway.domain.ids import CredentialId, DeviceId
from gateway.domain.instant import DAY, HOUR, MINUTE, Instant
from gateway.domain.rivals import usable, without_conflicts
from gateway.domain.secret import DigitsFacts, KeyedHash, Weakness
from gateway.domain.wants import Moment, Policy, Want, want_of
from gateway.domain.windows import Always, Timed, Window

NOW = Instant(1_790_000_000_000)
DEVICE = DeviceId("dev_1")
POLICY = Policy()
LOCK = Device(DEVICE, Capabilities(codes=CodeLimits(3)))


def grant(name: str, digits: str = "h", window: Window | None = None) -> DesiredGrant:
    facts = DigitsFacts(KeyedHash(digits), 6, True)
    return DesiredGrant(CredentialId(name), DEVICE, 1, facts, window or Always(), NOW)


def judged(device: Device, *grants: DesiredGrant) -> list[Want]:
    wants = [want_of(device, g, Moment(NOW), POLICY, None) for g in grants]
    return without_conflicts(device, wants, POLICY)


def test_the_first_to_come_keeps_the_digits() -> None:
    first, second = judged(LOCK, grant("a"), grant("b"))
    assert first.present
    assert (second.state, second.reason) == (GrantState.REJECTED, "conflicts_with:a")


def test_who_is_on_the_lock_keeps_them_even_if_later() -> None:
    device = replace(LOCK, slots={1: Slot(1, Known(KeyedHash("h")), CredentialId("b"))})
    first, second = judged(device, grant("a"), grant("b"))
    assert first.reason == "conflicts_with:b"
    assert second.present


def test_disjoint_stays_may_share_digits_but_not_within_the_lead() -> None:
    stay = Timed(NOW, Instant(NOW + DAY))
    apart = Timed(Instant(NOW + 2 * DAY), Instant(NOW + 3 * DAY))
    close = Timed(Instant(NOW + DAY + MINUTE), Instant(NOW + 2 * DAY))
    _, later = judged(LOCK, grant("a", window=stay), grant("b", window=apart))
    assert later.state is GrantState.PENDING
    _, next_door = judged(LOCK, grant("a", window=stay), grant("b", window=close))
    assert next_door.state is GrantState.REJECTED


def test_weak_digits_are_refused_unless_they_are_in_use_already() -> None:
    weak = grant("a")
    weak = replace(weak, digits=DigitsFacts(KeyedHash("h"), 6, True, Weakness.RUN), window=Always())
    assert judged(LOCK, weak)[0].reason == "weak_code"
    used = replace(LOCK, slots={1: Slot(1, Known(KeyedHash("h")), CredentialId("a"))})
    assert judged(used, weak)[0].present


def test_slots_of_others_are_not_counted_as_room() -> None:
    limits = CodeLimits(5, reserved_slots=frozenset({1}))
    policy = Policy(reserved_slots=frozenset({5}), lead_s=HOUR / 1000)
    assert usable(limits, policy) == {2, 3, 4}
