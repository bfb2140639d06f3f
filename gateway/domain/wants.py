"""What is wanted of one lock now: which grants belong on it, behind which schedules, until when.

Time, trust, windows and a site's policy become `Want`s here. Not here: who must give way to whom
(`rivals`) and what to do about it (`reconcile`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.domain.devices import (
    Device,
    Known,
    LockSchedule,
    Slot,
    WeekDay,
    YearDay,
)
from gateway.domain.grants import DesiredGrant, Enforcement, GrantState, Origin
from gateway.domain.instant import SECOND, ClockTrust, Instant, after
from gateway.domain.probe import PROBE_SCHEDULE
from gateway.domain.spans import SpanCache
from gateway.domain.windows import Always, Recurring, Span, Timed, Window, told_twice

if TYPE_CHECKING:
    from gateway.domain.ids import CredentialId


@dataclass(frozen=True, slots=True)
class Moment:
    """Now, and how far it may be believed. `floor` is the highest time ever proven."""

    now: Instant
    trust: ClockTrust = ClockTrust.TRUSTED
    floor: Instant = Instant(0)  # noqa: RUF009 - an int: immutable

    @property
    def effective(self) -> Instant:
        """The time to act on: never earlier than the floor, and only the floor when untrusted."""
        if self.trust is ClockTrust.UNTRUSTED:
            return self.floor
        return max(self.now, self.floor)


@dataclass(frozen=True, slots=True)
class Policy:
    """A site's choices. Durations in seconds."""

    lead_s: float = 300.0
    """How long before an opening a code is written where only writing opens the door."""
    write_ahead_s: float = 14 * 86_400.0
    """How long before an opening a code is written where the lock keeps the window."""
    reserved_slots: frozenset[int] = frozenset()
    identical_writes_per_day: int = 10
    """Tries to write one code or its schedules, unless somebody would stand before a shut door."""
    clock_check_s: float = 86_400.0
    clock_believed_s: float = 26 * 3_600.0
    clock_error_s: float = 30.0
    log_every_s: float = 86_400.0
    """How often a lock's own log is read without news of it."""
    log_pause_s: float = 60.0
    """What happens at a busy door is read together, not record by record."""
    inventory_slots_sleepy: int = 30
    """How many slots of a lock with batteries are read for the inventory after joining."""
    read_again_s: float = 300.0
    """How long a slot that refused to be read is left alone when a free one is looked for."""
    verify_after_s: float = 120.0
    """When a fresh code is read once more: some locks acknowledge, and delete minutes later."""
    verify_every_s: float = 86_400.0
    """How often a code on a mains-powered lock is read, so that drift is found."""


CLOCK_UNTRUSTED = "clock_untrusted"
"""Why what time decides about is not written."""


@dataclass(frozen=True, slots=True)
class Want:
    """One grant's wish: present or not, and why."""

    grant: DesiredGrant
    present: bool
    state: GrantState
    """The state to show while nothing of it is on the lock."""
    reason: str | None = None
    span: Span | None = None
    schedules: tuple[LockSchedule, ...] = ()
    opens: Enforcement = Enforcement.NONE
    closes: Enforcement = Enforcement.NONE
    next_at: Instant | None = None
    urgent: bool = False
    """Its window is open, or it opens within the lead."""
    blocked: str | None = None
    """What must happen before anything is written for it."""
    adopts: int | None = None
    """The slot in which its code was found after the database had been lost."""


def want_of(
    device: Device,
    grant: DesiredGrant,
    moment: Moment,
    policy: Policy,
    slot: Slot | None,
    spans: SpanCache[CredentialId] | None = None,
) -> Want:
    """`spans` only saves work."""
    now = moment.effective
    span = (spans or SpanCache()).span_from(grant.credential_id, grant.window, now)
    if moment.trust is ClockTrust.UNTRUSTED and grant.digits is None:
        span = None  # they were destroyed because its window was over; our clock has forgotten that
    absent = _reason_to_be_absent(device, grant, span)
    is_open = absent is None and span is not None and span.holds(now)
    if grant.origin is Origin.PROBE:
        schedules: tuple[LockSchedule, ...] = (PROBE_SCHEDULE,)
    else:
        schedules = _schedules_on_lock(
            device, grant.window, span, moment, policy, slot, is_open=is_open
        )
    opens, closes = _edges(grant.window, on_lock=bool(schedules))
    if absent is not None:
        state, reason = absent
        kept = slot is not None and slot.schedules and slot.schedules == schedules
        opens, closes = _edges(grant.window, on_lock=bool(kept))
        next_at = span.closes_at if span and state in _WAITS else None
        return Want(grant, False, state, reason, span, (), opens, closes, next_at)
    assert span is not None  # noqa: S101 - told by _reason_to_be_absent
    if moment.trust is ClockTrust.UNTRUSTED and span.edged and slot is None:
        return Want(grant, False, GrantState.PENDING, CLOCK_UNTRUSTED, span, (), opens, closes)
    write_at, on_lock_span = _write_at(grant.window, span, bool(schedules), policy)
    early = write_at is not None and now < write_at
    if early and not _written_since(grant, slot, write_at, moment):
        return Want(grant, False, GrantState.PENDING, None, span, (), opens, closes, write_at)
    opens_soon = span.opens_at is None or now >= after(span.opens_at, -policy.lead_s)
    turns = span.opens_at if span.opens_at is not None and now < span.opens_at else span.closes_at
    if on_lock_span and isinstance(grant.window, Recurring) and turns is None:
        turns = grant.window.not_after
    return Want(
        grant,
        True,
        GrantState.PROGRAMMING,
        None,
        span,
        schedules,
        opens,
        closes,
        turns,
        urgent=opens_soon,
    )


def _written_since(
    grant: DesiredGrant, slot: Slot | None, write_at: Instant | None, moment: Moment
) -> bool:
    """It is on the lock since its time had come; only our clock has forgotten how late it is.

    Nothing that has an edge is begun without a proven time, so that a write which was cut off tells
    as much of it as one that was proven.
    """
    if moment.trust is not ClockTrust.UNTRUSTED or slot is None:
        return False
    written = [at for at in (grant.programmed_at, grant.held_since) if at is not None]
    return bool(written) and (write_at is None or max(written) >= write_at)


_WAITS = {GrantState.SUSPENDED, GrantState.HELD}


def _reason_to_be_absent(
    device: Device, grant: DesiredGrant, span: Span | None
) -> tuple[GrantState, str | None] | None:
    if grant.removed is not None:
        return GrantState.ERASED, grant.removed
    if grant.refused is not None:
        return GrantState.REJECTED, grant.refused
    if grant.use_limit is not None and grant.uses >= grant.use_limit:
        return GrantState.ERASED, "use_limit_reached"
    if span is None:
        if grant.removed_externally:
            return GrantState.REMOVED_EXTERNALLY, "expired"
        return (GrantState.ERASED if grant.programmed_once else GrantState.MISSED), "expired"
    if grant.removed_externally:
        return GrantState.REMOVED_EXTERNALLY, None
    if grant.suspended:
        return GrantState.SUSPENDED, None
    if grant.held:
        return GrantState.HELD, "held_until_check_in"
    if grant.origin is Origin.PROBE and not device.capabilities.schedules.year_day:
        return GrantState.REJECTED, "unsupported"
    return None


def _write_at(
    window: Window, span: Span, on_lock: bool, policy: Policy
) -> tuple[Instant | None, bool]:
    """From when the code may be on the lock; None: already. And whether the lock keeps the span."""
    if on_lock and isinstance(window, Recurring):
        # The lock keeps the weekly edges, we keep the bounds.
        if window.not_before is None:
            return None, True
        return after(window.not_before, -policy.lead_s), True
    if span.opens_at is None:
        return None, on_lock
    ahead = policy.write_ahead_s if on_lock else policy.lead_s
    return after(span.opens_at, -ahead), on_lock


def _edges(window: Window, *, on_lock: bool) -> tuple[Enforcement, Enforcement]:
    if isinstance(window, Always):
        return Enforcement.NONE, Enforcement.NONE
    who = Enforcement.ON_LOCK if on_lock else Enforcement.BY_GATEWAY
    return who, who


def _schedules_on_lock(
    device: Device,
    window: Window,
    span: Span | None,
    moment: Moment,
    policy: Policy,
    slot: Slot | None,
    *,
    is_open: bool,
) -> tuple[LockSchedule, ...]:
    """The schedules by which this lock would keep this window; empty where it cannot be trusted to.

    A restricted code stays restricted, also when the lock's clock has not been read for a while,
    and an unrestricted one is not rewritten while its window is open: both could only make the
    door less safe or the guest less served. Nor is one rewritten without a proven time: until then
    the gateway keeps its window, by what it knows of the time.
    """
    schedules = _expressed(device, window)
    if not schedules or isinstance(window, Always):
        return ()
    if span is not None and told_twice(window, span, device.zone):
        return ()  # the lock's local time cannot tell this one: the gateway keeps it
    if slot is not None and isinstance(slot.content, Known):
        if kinds(slot.schedules) == kinds(schedules):
            return schedules
        if not slot.schedules and (is_open or moment.trust is ClockTrust.UNTRUSTED):
            return ()
    return schedules if enforces_windows(device, moment, policy) else ()


def kinds(schedules: tuple[LockSchedule, ...]) -> frozenset[type[LockSchedule]]:
    return frozenset(type(schedule) for schedule in schedules)


def enforces_windows(device: Device, moment: Moment, policy: Policy) -> bool:
    """Whether this lock may be believed to keep a window now; the flag shown is computed so."""
    clock = device.clock
    return (
        device.schedules_proven
        and clock is not None
        and clock.zone_proven
        and abs(clock.error_ms) + clock.bound_ms <= policy.clock_error_s * 1000
        and moment.effective - clock.read_at <= policy.clock_believed_s * 1000
    )


def _expressed(device: Device, window: Window) -> tuple[LockSchedule, ...]:
    support = device.capabilities.schedules
    match window:
        case Always():
            return ()
        case Timed(opens_at, closes_at):
            # Locks count whole seconds or minutes; rounded inwards, so that what is read back
            # compares.
            step = max(1, support.edge_s) * SECOND
            first, last = -(-opens_at // step) * step, closes_at // step * step
            if not support.year_day or first >= last:
                return ()
            return (YearDay(Instant(first), Instant(last)),)
        case Recurring(rules=rules):
            entries = tuple(
                WeekDay(rule.weekdays, rule.start_minute, rule.end_minute) for rule in rules
            )
            fits = len(entries) <= support.week_day and all(
                e.start_minute < e.end_minute <= 1439 for e in entries
            )
            return entries if fits and window.zone == device.zone else ()
