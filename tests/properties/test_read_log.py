"""When a lock's own log is read: after news, daily, never before an erase, never too often."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.actions import CheckClock, Erase, ReadLog
from gateway.domain.capabilities import Capabilities, CodeLimits
from gateway.domain.devices import Device, Empty, Known, LockClock, Slot
from gateway.domain.grants import DesiredGrant
from gateway.domain.ids import CredentialId, DeviceId
from gateway.domain.instant import Instant, after
from gateway.domain.reconcile import Plan, plan
from gateway.domain.secret import KeyedHash
from gateway.domain.wants import Moment, Policy
from gateway.domain.windows import Always

NOW = Instant(1_790_000_000_000)
POLICY = Policy()
WHOSE = CredentialId("gone")
ages = st.none() | st.floats(0, 3 * POLICY.log_every_s)


def decide(
    age_s: float | None,
    *,
    news: bool = False,
    sleepy: bool = True,
    awake: bool = False,
    clock_age_s: float | None = 0.0,
    to_erase: bool = False,
    keeps_log: bool = True,
) -> Plan:
    """For a lock at rest whose log was read `age_s` seconds ago (None: never)."""
    held = Slot(1, Known(KeyedHash("h")), WHOSE) if to_erase else Slot(1, Empty())
    clock = None if clock_age_s is None else LockClock(0, 100, after(NOW, -clock_age_s), True)
    device = Device(
        DeviceId("dev_1"),
        Capabilities(codes=CodeLimits(1), keeps_log=keeps_log, has_clock=True, sleepy=sleepy),
        slots={1: held},
        clock=clock,
        inventory_done=True,
        log_news=news,
        log_read_at=None if age_s is None else after(NOW, -age_s),
    )
    gone = DesiredGrant(
        WHOSE, device.device_id, 1, None, Always(), NOW, removed="tombstone", programmed_once=True
    )
    return plan(device, [gone] if to_erase else [], Moment(NOW), POLICY, awake=awake)


def reads(decided: Plan) -> bool:
    return any(isinstance(action, ReadLog) for action in decided.actions)


@given(st.booleans(), st.booleans())
def test_a_log_that_was_never_read_is_read(sleepy: bool, awake: bool) -> None:
    assert reads(decide(None, sleepy=sleepy, awake=awake))
    assert not reads(decide(None, sleepy=sleepy, awake=awake, keeps_log=False))


@given(ages, st.booleans(), st.booleans())
def test_news_is_read_after_the_pause_and_not_before(
    age_s: float | None, sleepy: bool, awake: bool
) -> None:
    decided = decide(age_s, news=True, sleepy=sleepy, awake=awake)
    assert reads(decided) == (age_s is None or age_s >= POLICY.log_pause_s)
    if age_s is not None and not reads(decided):
        assert decided.next_look is not None
        assert decided.next_look <= after(NOW, POLICY.log_pause_s - age_s)


@given(ages)
def test_without_news_a_battery_lock_is_not_woken(age_s: float | None) -> None:
    assert reads(decide(age_s)) == (age_s is None)


@given(ages)
def test_without_news_it_is_read_daily_where_that_costs_nothing(age_s: float | None) -> None:
    due = age_s is None or age_s >= POLICY.log_every_s
    assert reads(decide(age_s, sleepy=False)) == due
    assert reads(decide(age_s, awake=True)) == due


@given(ages, st.booleans(), st.booleans())
def test_what_must_go_goes_first(age_s: float | None, news: bool, sleepy: bool) -> None:
    decided = decide(age_s, news=news, sleepy=sleepy, to_erase=True)
    assert any(isinstance(action, Erase) for action in decided.actions)
    assert isinstance(decided.actions[0], Erase)


@given(ages, st.booleans(), st.booleans())
def test_it_is_read_before_the_clock_by_which_it_was_written_is_set(
    age_s: float | None, news: bool, sleepy: bool
) -> None:
    decided = decide(age_s, news=news, sleepy=sleepy, clock_age_s=None)
    kinds = [type(action) for action in decided.actions]
    if reads(decided):
        assert kinds.index(ReadLog) < kinds.index(CheckClock)


@given(ages, st.booleans(), st.booleans(), st.booleans())
def test_once_read_it_is_not_read_again_at_once(
    age_s: float | None, news: bool, sleepy: bool, awake: bool
) -> None:
    if reads(decide(age_s, news=news, sleepy=sleepy, awake=awake)):
        assert not reads(decide(0.0, news=False, sleepy=sleepy, awake=awake))
        assert not reads(decide(0.0, news=True, sleepy=sleepy, awake=awake))
