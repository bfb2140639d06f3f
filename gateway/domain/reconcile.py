"""The heart: what should be true of one lock now, and what to do next. A pure function.

`plan` compares what is wanted (`DesiredGrant`) with what the lock last proved (`Device`) and
names actions in order, a verdict for each grant, and the next instant worth looking again. It
performs nothing, remembers nothing, and is called again after every change; retry pauses are the
caller's business, because a plan says what is wanted, not how often it was tried.

Rules kept here, each of them a property in `tests/properties/test_reconcile.py`:
- unmanaged slots are never named in a write; a slot is used only once called empty;
- nothing leaves a code valid outside its window, beyond the stated lead;
- an erase outranks a program; a grant whose window is open is never evicted;
- an opaque slot is read before anything is written to it for the same grant;
- a satisfied world plans nothing, and performing plans on a perfect lock reaches that world.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from gateway.domain.actions import (
    Action,
    Adopt,
    CheckClock,
    Erase,
    Priority,
    Program,
    ReadSlot,
    Reschedule,
)
from gateway.domain.devices import (
    PURGED_AT_LOCK,
    Device,
    Empty,
    Evidence,
    Known,
    LockSchedule,
    Opaque,
    OpaqueReason,
    Slot,
    WeekDay,
    YearDay,
)
from gateway.domain.grants import DesiredGrant, Enforcement, GrantState, Origin, Verdict
from gateway.domain.instant import DAY, SECOND, ClockTrust, Instant, after
from gateway.domain.pin_rules import check
from gateway.domain.probe import PROBE_SCHEDULE
from gateway.domain.windows import Always, Recurring, Span, Timed, Window, span_from

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gateway.domain.capabilities import CodeLimits
    from gateway.domain.ids import CredentialId
    from gateway.domain.secret import KeyedHash


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
    clock_check_s: float = 86_400.0
    clock_believed_s: float = 26 * 3_600.0
    clock_error_s: float = 30.0
    inventory_slots_sleepy: int = 30
    """How many slots of a battery lock are read for the inventory after joining."""
    read_again_s: float = 300.0
    """How long a slot that refused to be read is left alone when a free one is looked for."""
    verify_after_s: float = 120.0
    """When a fresh code is read once more: some locks acknowledge, and delete minutes later."""
    verify_every_s: float = 86_400.0
    """How often a code on a mains-powered lock is read, so that drift is found."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Actions in the order they should be tried; at most one for each slot."""

    actions: tuple[Action, ...]
    verdicts: tuple[Verdict, ...]
    next_look: Instant | None


@dataclass(frozen=True, slots=True)
class _Want:
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


@dataclass(slots=True)
class _Draft:
    """A plan in the making."""

    actions: list[tuple[tuple[int, int, int], Action]] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    checks: list[tuple[Instant, bool, ReadSlot]] = field(default_factory=list)
    """When a satisfied slot is read again, whether its write is fresh, and the reading."""
    looks: list[Instant] = field(default_factory=list)

    def add(self, action: Action, due: Instant | None) -> None:
        slot = 0 if isinstance(action, CheckClock) else action.slot
        self.actions.append(((int(action.priority), due or 0, slot), action))

    def say(self, want: _Want, state: GrantState, reason: str | None, slot: Slot | None) -> None:
        self.verdicts.append(
            Verdict(
                want.grant.grant_id,
                state,
                reason,
                slot.number if slot else None,
                want.opens,
                want.closes,
                slot.evidence if slot else frozenset[Evidence](),
                want.next_at,
                want.span.opens_at if want.span else None,
                want.span.closes_at if want.span else None,
            )
        )


def plan(device: Device, desired: Sequence[DesiredGrant], moment: Moment, policy: Policy) -> Plan:
    """Decide. `desired` holds this device's grants only, tombstoned ones included until erased."""
    draft = _Draft()
    limits = device.capabilities.codes
    ordered = sorted(desired, key=lambda g: (g.accepted_at, g.credential_id))
    if limits is None:
        for grant in ordered:
            draft.say(
                _Want(grant, False, GrantState.REJECTED), GrantState.REJECTED, "no_codes", None
            )
        return Plan((), tuple(draft.verdicts), None)

    held = _slots_by_owner(device)
    wants = [
        _want(device, grant, moment, policy, held.get(grant.credential_id)) for grant in ordered
    ]
    wants = _without_conflicts(device, wants, moment, policy)
    losers = _over_capacity(device, wants, held, limits, policy)

    seekers: list[_Want] = []
    for want in wants:
        slot = held.get(want.grant.credential_id)
        if want.adopts is not None:
            draft.add(Adopt(want.adopts, want.grant.credential_id), None)
            draft.say(want, GrantState.UNCONFIRMED, "found_on_the_lock", None)
        elif slot is not None and want.grant.credential_id in losers:
            evicted = replace(want, present=False, state=GrantState.PENDING, reason=NO_FREE_SLOT)
            _leave(draft, evicted, slot, moment)
        elif not want.present:
            _leave(draft, want, slot, moment)
        elif slot is None:
            seekers.append(want)
        else:
            _keep(draft, device, want, slot, moment, policy)
    _place(draft, device, seekers, losers, limits, moment, policy)
    _housekeep(draft, device, limits, moment, policy)

    draft.actions.sort(key=lambda pair: pair[0])
    looks = draft.looks + [v.next_at for v in draft.verdicts if v.next_at is not None]
    if device.capabilities.has_clock and device.clock and not device.capabilities.sleepy:
        looks.append(after(device.clock.read_at, policy.clock_check_s))
    return Plan(
        tuple(action for _, action in draft.actions),
        tuple(draft.verdicts),
        min((at for at in looks if at > moment.effective), default=None),
    )


# ── what is wanted ──────────────────────────────────────────────────────────────────────


def _want(
    device: Device, grant: DesiredGrant, moment: Moment, policy: Policy, slot: Slot | None
) -> _Want:
    now = moment.effective
    span = span_from(grant.window, now)
    absent = _reason_to_be_absent(device, grant, span)
    is_open = absent is None and span is not None and span.holds(now)
    if grant.origin is Origin.PROBE:
        schedules: tuple[LockSchedule, ...] = (PROBE_SCHEDULE,)
    else:
        schedules = _schedules_on_lock(device, grant.window, moment, policy, slot, is_open=is_open)
    opens, closes = _edges(grant.window, on_lock=bool(schedules))
    if absent is not None:
        state, reason = absent
        kept = slot is not None and slot.schedules and slot.schedules == schedules
        opens, closes = _edges(grant.window, on_lock=bool(kept))
        next_at = span.closes_at if span and state in _WAITS else None
        return _Want(grant, False, state, reason, span, (), opens, closes, next_at)
    assert span is not None  # noqa: S101 - told by _reason_to_be_absent
    edged = span.opens_at is not None or span.closes_at is not None
    if moment.trust is ClockTrust.UNTRUSTED and edged and slot is None:
        return _Want(grant, False, GrantState.PENDING, "clock_untrusted", span, (), opens, closes)
    write_at, on_lock_span = _write_at(grant.window, span, bool(schedules), policy)
    early = write_at is not None and now < write_at
    if early and not _written_since(grant, slot, write_at, moment):
        return _Want(grant, False, GrantState.PENDING, None, span, (), opens, closes, write_at)
    opens_soon = span.opens_at is None or now >= after(span.opens_at, -policy.lead_s)
    turns = span.opens_at if span.opens_at is not None and now < span.opens_at else span.closes_at
    if on_lock_span and isinstance(grant.window, Recurring) and turns is None:
        turns = grant.window.not_after
    return _Want(
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
    """It is on the lock since its time had come; only our clock has forgotten how late it is."""
    return (
        moment.trust is ClockTrust.UNTRUSTED
        and slot is not None
        and grant.programmed_at is not None
        and (write_at is None or grant.programmed_at >= write_at)
    )


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
    moment: Moment,
    policy: Policy,
    slot: Slot | None,
    *,
    is_open: bool,
) -> tuple[LockSchedule, ...]:
    """The schedules by which this lock would keep this window; empty where it cannot be trusted to.

    A restricted code stays restricted, also when the lock's clock has not been read for a while,
    and an unrestricted one is not rewritten while its window is open: both could only make the
    door less safe or the guest less served.
    """
    schedules = _expressed(device, window)
    if not schedules:
        return ()
    if slot is not None and isinstance(slot.content, Known):
        if _kinds(slot.schedules) == _kinds(schedules):
            return schedules
        if not slot.schedules and is_open:
            return ()
    return schedules if enforces_windows(device, moment, policy) else ()


def _kinds(schedules: tuple[LockSchedule, ...]) -> frozenset[type[LockSchedule]]:
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
            # Locks count whole seconds; rounded inwards, so that what is read back compares.
            first, last = -(-opens_at // SECOND) * SECOND, closes_at // SECOND * SECOND
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


# ── who stands in whose way ─────────────────────────────────────────────────────────────


def _without_conflicts(
    device: Device, wants: list[_Want], moment: Moment, policy: Policy
) -> list[_Want]:
    """Refuse what the lock would refuse, or two people would share, before any radio is used."""
    limits = device.capabilities.codes
    assert limits is not None  # noqa: S101 - told by plan()
    unmanaged: dict[KeyedHash, int] = {
        slot.content.hash: number
        for number, slot in sorted(device.slots.items())
        if slot.owner is None and isinstance(slot.content, Known)
    }
    managed: dict[KeyedHash, CredentialId] = {
        slot.content.hash: slot.owner
        for _, slot in sorted(device.slots.items())
        if slot.owner is not None and isinstance(slot.content, Known)
    }
    taken: dict[KeyedHash, list[_Want]] = {}
    result: list[_Want] = []
    # Whoever is proven on the lock with these digits keeps them; else first come, first served.
    for want in sorted(wants, key=lambda w: not _proven(w, managed)):
        if want.state not in {GrantState.PENDING, GrantState.PROGRAMMING}:
            result.append(want)
            continue
        facts = want.grant.digits
        if facts is None:
            result.append(_refuse(want, "digits_destroyed"))
            continue
        # A code in use is not taken away because a newer release is stricter.
        problem = None if _proven(want, managed) else check(facts, limits)
        rivals = taken.setdefault(facts.hash, [])
        rival = next(
            (r for r in rivals if _overlap(r.grant.window, want.grant.window, policy)), None
        )
        holder = managed.get(facts.hash)
        if problem is not None:
            want = _refuse(want, problem.value)
        elif facts.hash in unmanaged and device.recovering:
            want = replace(want, adopts=unmanaged.pop(facts.hash))
        elif facts.hash in unmanaged:
            want = _refuse(want, f"conflicts_with:unmanaged:slot_{unmanaged[facts.hash]}")
        elif rival is not None:
            want = _refuse(want, f"conflicts_with:{rival.grant.credential_id}")
        else:
            rivals.append(want)
            if want.present and holder not in {None, want.grant.credential_id}:
                # The same digits are still on the lock for a window that is over.
                want = replace(want, blocked="waiting_for_erase")
            elif device.recovering and not device.inventory_done:
                want = replace(want, blocked="reading_the_lock")
        result.append(want)
    order = {want.grant.credential_id: n for n, want in enumerate(wants)}
    return sorted(result, key=lambda w: order[w.grant.credential_id])


def _proven(want: _Want, managed: dict[KeyedHash, CredentialId]) -> bool:
    facts = want.grant.digits
    return facts is not None and managed.get(facts.hash) == want.grant.credential_id


def _refuse(want: _Want, reason: str) -> _Want:
    return replace(want, present=False, state=GrantState.REJECTED, reason=reason, next_at=None)


def _overlap(a: Window, b: Window, policy: Policy) -> bool:
    """Whether two windows may be on the lock together; recurring ones by their hull."""
    lead = round(policy.lead_s * 1000)
    a_from, a_to = _hull(a)
    b_from, b_to = _hull(b)
    return (a_to is None or b_from is None or b_from - lead < a_to) and (
        b_to is None or a_from is None or a_from - lead < b_to
    )


def _hull(window: Window) -> tuple[Instant | None, Instant | None]:
    match window:
        case Always():
            return None, None
        case Timed(opens_at, closes_at):
            return opens_at, closes_at
        case Recurring(not_before=not_before, not_after=not_after):
            return not_before, not_after


def _over_capacity(
    device: Device,
    wants: Iterable[_Want],
    held: dict[CredentialId, Slot],
    limits: CodeLimits,
    policy: Policy,
) -> frozenset[CredentialId]:
    """Who goes without a slot: latest opening first, never one whose window is open."""
    present = [want for want in wants if want.present]
    foreign = sum(
        1
        for number, slot in device.slots.items()
        if slot.owner is None
        and not isinstance(slot.content, Empty)
        and slot.content != Opaque(OpaqueReason.UNREAD)
        and number in _usable(limits, policy)
    )
    leaving = sum(1 for want in wants if not want.present and want.grant.credential_id in held)
    room = len(_usable(limits, policy)) - foreign - leaving
    if len(present) <= room:
        return frozenset()

    def rank(want: _Want) -> tuple[bool, bool, int, bool, int, CredentialId]:
        on_lock = want.grant.credential_id in held
        assert want.span is not None  # noqa: S101 - told by the caller
        opens = want.span.opens_at or 0
        return (
            not (on_lock and want.urgent),
            not want.urgent,
            opens,
            not on_lock,
            want.grant.accepted_at,
            want.grant.credential_id,
        )

    ranked = sorted(present, key=rank)
    return frozenset(
        want.grant.credential_id
        for want in ranked[max(room, 0) :]
        if not (want.urgent and want.grant.credential_id in held)
    )


def _usable(limits: CodeLimits, policy: Policy) -> frozenset[int]:
    return frozenset(range(1, limits.slots + 1)) - limits.reserved_slots - policy.reserved_slots


# ── actions ─────────────────────────────────────────────────────────────────────────────


def _slots_by_owner(device: Device) -> dict[CredentialId, Slot]:
    return {
        slot.owner: slot
        for _, slot in sorted(device.slots.items())
        if slot.owner is not None and not isinstance(slot.content, Empty)
    }


def _may_be_anothers(slot: Slot) -> bool:
    """The lock was reset since, or our first write into an empty slot may never have arrived.

    A reading that fails leaves the slot READ_FAILED: then it is erased all the same.
    """
    unproven = slot.content == Opaque(OpaqueReason.IN_FLIGHT) and Evidence.ASSUMED in slot.evidence
    return unproven or slot.content == Opaque(OpaqueReason.UNREAD)


NO_FREE_SLOT = "no_free_slot"
_LAST = Instant(2**62)


def _leave(draft: _Draft, want: _Want, slot: Slot | None, moment: Moment) -> None:
    """Nothing of this grant may be on the lock."""
    if slot is None:
        draft.say(want, want.state, want.reason, None)
        return
    credential_id = want.grant.credential_id
    if _may_be_anothers(slot):
        draft.add(ReadSlot(slot.number, credential_id, Priority.ERASE), slot.observed_at)
    else:
        # Who only makes room goes last: an erase before it may have made room enough.
        due = _LAST if want.reason == NO_FREE_SLOT else slot.observed_at
        draft.add(Erase(slot.number, credential_id), due)
    reason = want.reason or want.state.value
    draft.say(want, GrantState.ERASING, reason, slot)


def _keep(
    draft: _Draft, device: Device, want: _Want, slot: Slot, moment: Moment, policy: Policy
) -> None:
    """This grant belongs on the lock and has a slot."""
    assert want.span is not None  # noqa: S101 - told by the caller
    facts = want.grant.digits
    assert facts is not None  # noqa: S101 - told by the caller
    due = want.span.opens_at
    urgent = Priority.PROGRAM if want.urgent else Priority.READ_BACK
    grant = want.grant
    match slot.content:
        case Opaque(OpaqueReason.MASKED | OpaqueReason.DISABLED):
            _write(draft, device, want, slot, moment, policy)
        case Opaque():
            draft.add(ReadSlot(slot.number, grant.credential_id, urgent), due)
            draft.say(want, GrantState.UNCONFIRMED, "answer_missing", slot)
        case Known(hash=found) if found != facts.hash:
            _write(draft, device, want, slot, moment, policy, reason="digits_changed")
        case Known() if slot.schedules != want.schedules:
            if _kinds(slot.schedules) == _kinds(want.schedules):
                draft.add(Reschedule(slot.number, grant.credential_id, want.schedules), due)
                draft.say(want, GrantState.PROGRAMMING, "window_changed", slot)
            else:
                # Locks do not turn a living user of one kind into one of another.
                _write(draft, device, want, slot, moment, policy, reason="window_changed")
        case _:
            is_open = want.span.holds(moment.effective)
            state = GrantState.ACTIVE if is_open else GrantState.PROGRAMMED
            draft.say(want, state, None, slot)
            _check_later(draft, grant, slot, policy)


_IN_DOUBT = Instant(0)
"""When a slot is due to be read of which the lock said that somebody changed it."""


def _check_later(draft: _Draft, grant: DesiredGrant, slot: Slot, policy: Policy) -> None:
    """Soon after it was written, then daily: what was proven once need not stay."""
    reading = ReadSlot(slot.number, grant.credential_id, Priority.HOUSEKEEPING)
    seen = slot.observed_at
    if seen is None:
        draft.checks.append((_IN_DOUBT, False, reading))
        return
    written = grant.programmed_at
    if written is not None and written <= seen < after(written, policy.verify_after_s):
        draft.checks.append((after(written, policy.verify_after_s), True, reading))
    else:
        draft.checks.append((after(seen, policy.verify_every_s), False, reading))


def _write(
    draft: _Draft,
    device: Device,
    want: _Want,
    slot: Slot | None,
    moment: Moment,
    policy: Policy,
    *,
    number: int = 0,
    reason: str | None = None,
) -> None:
    grant = want.grant
    assert want.span is not None  # noqa: S101 - told by the caller
    if want.blocked is not None:
        draft.say(want, GrantState.PENDING, want.blocked, slot)
        return
    if device.repair_paused is not None and device.repair_paused != PURGED_AT_LOCK:
        draft.say(want, GrantState.PAUSED, device.repair_paused, slot)
        return
    if not want.urgent and grant.identical_writes_today >= policy.identical_writes_per_day:
        draft.looks.append(Instant((moment.effective // DAY + 1) * DAY))
        if want.span.opens_at is not None:
            draft.looks.append(after(want.span.opens_at, -policy.lead_s))
        draft.say(want, GrantState.PAUSED, "write_budget_spent", slot)
        return
    action = Program(
        slot.number if slot else number,
        grant.credential_id,
        want.schedules,
        overwrite=slot is not None,
    )
    draft.add(action, want.span.opens_at)
    doubtful = slot is not None and isinstance(slot.content, Opaque)
    draft.say(want, GrantState.UNCONFIRMED if doubtful else GrantState.PROGRAMMING, reason, slot)


def _place(
    draft: _Draft,
    device: Device,
    seekers: list[_Want],
    losers: frozenset[CredentialId],
    limits: CodeLimits,
    moment: Moment,
    policy: Policy,
) -> None:
    """Find a slot for each: proven empty ones first; one that was never read is read first.

    For the `losers`, for whom there is no room as far as is known, what could not be read before
    is read again: it may be empty.
    """
    if not seekers:
        return
    usable = sorted(_usable(limits, policy))
    empty = [n for n in usable if n in device.slots and _is_free(device.slots[n])]
    unread = [n for n in usable if n not in device.slots or _is_unread(device.slots[n])]
    # A slot that could not be read comes last, so that it cannot hide the ones behind it, and
    # is given a pause, because several of them would be asked in turn without one.
    asked = {n: (n in device.slots and device.slots[n].observed_at) or 0 for n in unread}
    unread.sort(key=lambda n: asked[n])
    pause_ms = round(policy.read_again_s * 1000)
    resting = [n for n in unread if asked[n] > moment.effective - pause_ms]
    draft.looks.extend(Instant(asked[n] + pause_ms) for n in resting)
    unread = [n for n in unread if n not in resting]
    seekers = sorted(
        seekers,
        key=lambda w: (
            w.grant.credential_id in losers,
            not w.urgent,
            (w.span.opens_at if w.span else None) or 0,
            w.grant.accepted_at,
            w.grant.credential_id,
        ),
    )
    for want in seekers:
        if want.blocked is not None:
            draft.say(want, GrantState.PENDING, want.blocked, None)
        elif empty and want.grant.credential_id not in losers:
            _write(draft, device, want, None, moment, policy, number=empty.pop(0))
        elif unread:
            draft.add(
                ReadSlot(
                    unread.pop(0), None, Priority.PROGRAM if want.urgent else Priority.READ_BACK
                ),
                want.span.opens_at if want.span else None,
            )
            draft.say(want, GrantState.PROGRAMMING, "looking_for_a_free_slot", None)
        elif resting:
            draft.say(want, GrantState.PENDING, "looking_for_a_free_slot", None)
        else:
            leaving = any(isinstance(action, Erase) for _, action in draft.actions)
            reason = "waiting_for_erase" if leaving else NO_FREE_SLOT
            draft.say(want, GrantState.PENDING, reason, None)


def _is_free(slot: Slot) -> bool:
    return slot.owner is None and isinstance(slot.content, Empty)


def _is_unread(slot: Slot) -> bool:
    return slot.owner is None and slot.content in {
        Opaque(OpaqueReason.UNREAD),
        Opaque(OpaqueReason.READ_FAILED),
    }


def _housekeep(
    draft: _Draft, device: Device, limits: CodeLimits, moment: Moment, policy: Policy
) -> None:
    """What can wait: the lock's clock, codes that may have vanished, slots nobody looked into."""
    capabilities = device.capabilities
    working = bool(draft.actions)
    if capabilities.has_clock and _clock_may_be_set(draft, moment, policy):
        clock = device.clock
        stale = clock is None or moment.effective - clock.read_at >= policy.clock_check_s * 1000
        # A battery lock is not woken for its clock; it is asked when there is other work.
        if stale and (clock is None or not capabilities.sleepy or working):
            draft.add(CheckClock(), None)
    for due, fresh, reading in draft.checks:
        if capabilities.sleepy and due != _IN_DOUBT and not (working and fresh):
            continue
        if due <= moment.effective:
            draft.add(reading, due)
        elif not capabilities.sleepy:
            draft.looks.append(due)
    if device.inventory_done:
        return
    named = {a.slot for _, a in draft.actions if not isinstance(a, CheckClock)}
    for number in _unseen(device, limits, moment, policy):
        if number not in named:
            draft.add(ReadSlot(number, None, Priority.HOUSEKEEPING), Instant(DAY))


def _clock_may_be_set(draft: _Draft, moment: Moment, policy: Policy) -> bool:
    """Never from a clock of ours that is not believed, nor while an expired code would revive."""
    erasing = any(isinstance(action, Erase) for _, action in draft.actions)
    fell_back = moment.floor - moment.now > policy.clock_error_s * 1000
    return moment.trust is not ClockTrust.UNTRUSTED and not fell_back and not erasing


def _unseen(device: Device, limits: CodeLimits, moment: Moment, policy: Policy) -> list[int]:
    """Slots still to be read for the inventory. One that refuses is asked again after a day."""
    most = limits.slots
    if device.capabilities.sleepy:
        most = min(most, policy.inventory_slots_sleepy)
    asked_lately = moment.effective - policy.verify_every_s * 1000
    return [
        number
        for number in range(1, most + 1)
        if (slot := device.slots.get(number)) is None
        or (_is_unread(slot) and (slot.observed_at or 0) <= asked_lately)
        or slot.content == Opaque(OpaqueReason.UNREAD)
    ]


def inventoried(device: Device, moment: Moment, policy: Policy) -> bool:
    """Whether every slot that the inventory is about was read, or refused to be."""
    limits = device.capabilities.codes
    return limits is not None and not _unseen(device, limits, moment, policy)
