"""The heart: what should be true of one lock now, and what to do next. A pure function.

`plan` compares what is wanted (`DesiredGrant`) with what the lock last proved (`Device`) and
names actions in order, a verdict for each grant, and the next instant worth looking again. It
performs nothing, remembers nothing, and is called again after every change; retry pauses are the
caller's business, because a plan says what is wanted, not how often it was tried.

Rules kept here, each of them a property in `tests/properties/test_reconcile.py`:
- unmanaged slots are never named in a write; a slot is used only once called empty;
- nothing leaves a code valid outside its window, beyond the stated lead;
- a code and its schedules are written so often a day, and what is wrong meanwhile does not stay;
- an erase outranks a program, unless that ends what opens wrongly as well;
- a grant whose window is open is never evicted;
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
    ReadLog,
    ReadSlot,
    Reschedule,
)
from gateway.domain.devices import (
    Device,
    Empty,
    Evidence,
    Known,
    Opaque,
    OpaqueReason,
    Slot,
)
from gateway.domain.grants import DesiredGrant, Enforcement, GrantState, Verdict
from gateway.domain.instant import DAY, ClockTrust, Instant, after

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.domain.capabilities import CodeLimits
    from gateway.domain.ids import CredentialId
    from gateway.domain.spans import SpanCache


from gateway.domain.restraint import (
    BUDGET_SPENT,
    goes_on_at,
    must_go,
    opens_wrongly,
    reason_to_wait,
)
from gateway.domain.rivals import over_capacity, usable, without_conflicts
from gateway.domain.wants import CLOCK_UNTRUSTED, Moment, Policy, Want, kinds, want_of


@dataclass(frozen=True, slots=True)
class Plan:
    """Actions in the order they should be tried; at most one for each slot."""

    actions: tuple[Action, ...]
    verdicts: tuple[Verdict, ...]
    next_look: Instant | None


@dataclass(slots=True)
class _Draft:
    """A plan in the making."""

    actions: list[tuple[tuple[int, int, int], Action]] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    checks: list[tuple[Instant, bool, ReadSlot]] = field(default_factory=list)
    """When a satisfied slot is read again, whether its write is fresh, and the reading."""
    looks: list[Instant] = field(default_factory=list)

    def add(self, action: Action, due: Instant | None) -> None:
        slot = 0 if isinstance(action, CheckClock | ReadLog) else action.slot
        self.actions.append(((int(action.priority), due or 0, slot), action))

    def say(self, want: Want, state: GrantState, reason: str | None, slot: Slot | None) -> None:
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


def plan(
    device: Device,
    desired: Sequence[DesiredGrant],
    moment: Moment,
    policy: Policy,
    spans: SpanCache[CredentialId] | None = None,
    *,
    awake: bool = False,
) -> Plan:
    """Decide. `desired` holds this device's grants only, tombstoned ones included until erased.

    `spans` remembers recurring spans from one plan to the next; it changes no answer. `awake`: it
    was spoken with a moment ago, so that one word more costs its battery little.
    """
    draft = _Draft()
    limits = device.capabilities.codes
    ordered = sorted(desired, key=lambda g: (g.accepted_at, g.credential_id))
    if limits is None:
        for grant in ordered:
            draft.say(
                Want(grant, False, GrantState.REJECTED), GrantState.REJECTED, "no_codes", None
            )
        _housekeep(draft, device, None, moment, policy, awake=awake)
        return _finished(draft, device, moment, policy)

    held = _slots_by_owner(device)
    wants = [
        want_of(device, grant, moment, policy, held.get(grant.credential_id), spans)
        for grant in ordered
    ]
    wants = without_conflicts(device, wants, policy)
    untrusted = moment.trust is ClockTrust.UNTRUSTED
    losers = over_capacity(device, wants, held, limits, policy, untrusted=untrusted)

    seekers: list[Want] = []
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
    _housekeep(draft, device, limits, moment, policy, awake=awake)
    return _finished(draft, device, moment, policy)


def _finished(draft: _Draft, device: Device, moment: Moment, policy: Policy) -> Plan:
    draft.actions.sort(key=lambda pair: pair[0])
    looks = draft.looks + [v.next_at for v in draft.verdicts if v.next_at is not None]
    if device.capabilities.has_clock and device.clock and not device.capabilities.sleepy:
        looks.append(after(device.clock.read_at, policy.clock_check_s))
    return Plan(
        tuple(action for _, action in draft.actions),
        tuple(draft.verdicts),
        min((at for at in looks if at > moment.effective), default=None),
    )


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


def _leave(draft: _Draft, want: Want, slot: Slot | None, moment: Moment) -> None:
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
    draft: _Draft, device: Device, want: Want, slot: Slot, moment: Moment, policy: Policy
) -> None:
    """This grant belongs on the lock and has a slot."""
    assert want.span is not None  # noqa: S101 - told by the caller
    facts = want.grant.digits
    assert facts is not None  # noqa: S101 - told by the caller
    due = want.span.opens_at
    grant = want.grant
    wrong = opens_wrongly(want, slot, moment)
    urgent = Priority.PROGRAM if want.urgent else Priority.READ_BACK
    match slot.content:
        case Opaque(OpaqueReason.MASKED | OpaqueReason.DISABLED):
            _write(draft, device, want, slot, moment, policy)
        case Opaque():
            reading = Priority.ERASE if wrong else urgent
            draft.add(ReadSlot(slot.number, grant.credential_id, reading), due)
            draft.say(want, GrantState.UNCONFIRMED, "answer_missing", slot)
        case Known(hash=found) if found != facts.hash:
            _write(draft, device, want, slot, moment, policy, reason="digits_changed")
        case Known() if slot.schedules != want.schedules:
            if kinds(slot.schedules) == kinds(want.schedules):
                if (waits := reason_to_wait(device, want, slot, policy)) is not None:
                    _wait(draft, want, slot, moment, policy, waits)
                    return
                pace = Priority.ERASE if wrong else Priority.PROGRAM
                draft.add(Reschedule(slot.number, grant.credential_id, want.schedules, pace), due)
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
    want: Want,
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
        _wait(draft, want, slot, moment, policy, want.blocked, GrantState.PENDING)
        return
    waits = reason_to_wait(device, want, slot, policy)
    if moment.trust is ClockTrust.UNTRUSTED and want.span.edged:
        # Also where it replaces what is on the lock: that may be gone, since its time was over.
        waits = CLOCK_UNTRUSTED
    if waits is not None:
        _wait(draft, want, slot, moment, policy, waits)
        return
    wrong = slot is not None and opens_wrongly(want, slot, moment)
    action = Program(
        slot.number if slot else number,
        grant.credential_id,
        want.schedules,
        overwrite=slot is not None,
        priority=Priority.ERASE if wrong else Priority.PROGRAM,
    )
    draft.add(action, want.span.opens_at)
    doubtful = slot is not None and isinstance(slot.content, Opaque)
    draft.say(want, GrantState.UNCONFIRMED if doubtful else GrantState.PROGRAMMING, reason, slot)


def _wait(
    draft: _Draft,
    want: Want,
    slot: Slot | None,
    moment: Moment,
    policy: Policy,
    reason: str,
    state: GrantState = GrantState.PAUSED,
) -> None:
    """Nothing is written for it now; what opens at a wrong time meanwhile does not stay."""
    if reason == BUDGET_SPENT:
        draft.looks.extend(goes_on_at(want, moment, policy))
    if slot is not None and must_go(want, slot, moment):
        gone = replace(want, present=False, state=state, reason=reason)
        _leave(draft, gone, slot, moment)
        return
    if slot is not None and want.closes is Enforcement.ON_LOCK:
        want = replace(want, closes=Enforcement.BY_GATEWAY)  # the lock keeps other schedules
    draft.say(want, state, reason, slot)


def _place(
    draft: _Draft,
    device: Device,
    seekers: list[Want],
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
    numbers = sorted(usable(limits, policy))
    empty = [n for n in numbers if n in device.slots and _is_free(device.slots[n])]
    unread = [n for n in numbers if n not in device.slots or _is_unread(device.slots[n])]
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


_UNREAD = (Opaque(OpaqueReason.UNREAD), Opaque(OpaqueReason.READ_FAILED))


def _is_unread(slot: Slot) -> bool:
    return slot.owner is None and slot.content in _UNREAD


def _housekeep(
    draft: _Draft,
    device: Device,
    limits: CodeLimits | None,
    moment: Moment,
    policy: Policy,
    *,
    awake: bool,
) -> None:
    """What can wait: the lock's clock, codes that may have vanished, slots nobody looked into.

    `limits`: None for what holds no codes, and may have a clock or a log all the same.
    """
    capabilities = device.capabilities
    working = bool(draft.actions)
    if capabilities.keeps_log:
        # Before the clock: what the lock wrote by a wrong one is understood until it is set right.
        _read_log(draft, device, moment, policy, in_touch=working or awake)
    if capabilities.has_clock and _clock_may_be_set(draft, moment, policy):
        clock = device.clock
        stale = clock is None or moment.effective - clock.read_at >= policy.clock_check_s * 1000
        # A battery lock is not woken for its clock; it is asked when there is other work. The work
        # goes first, and is over by the time that the clock's turn comes.
        if stale and (clock is None or not capabilities.sleepy or working or awake):
            draft.add(CheckClock(), None)
    for due, fresh, reading in draft.checks:
        if capabilities.sleepy and due != _IN_DOUBT and not (working and fresh):
            continue
        if due <= moment.effective:
            draft.add(reading, due)
        elif not capabilities.sleepy:
            draft.looks.append(due)
    if limits is None or device.inventory_done:
        return
    named = {a.slot for _, a in draft.actions if not isinstance(a, CheckClock | ReadLog)}
    for number in _unseen(device, limits, moment, policy):
        if number not in named:
            draft.add(ReadSlot(number, None, Priority.HOUSEKEEPING), Instant(DAY))


def _read_log(
    draft: _Draft, device: Device, moment: Moment, policy: Policy, *, in_touch: bool
) -> None:
    """When the lock says that there is news, and daily: what it says may be missed.

    A battery lock without news is not woken for it, but asked while it is spoken with anyway.
    """
    last = device.log_read_at
    if last is None:
        draft.add(ReadLog(), None)
        return
    pause_s = policy.log_pause_s if device.log_news else policy.log_every_s
    due = after(last, pause_s)
    wanted = device.log_news or in_touch or not device.capabilities.sleepy
    if wanted and due <= moment.effective:
        draft.add(ReadLog(), None)
    elif wanted:
        draft.looks.append(due)


def _clock_may_be_set(draft: _Draft, moment: Moment, policy: Policy) -> bool:
    """Never from a clock of ours that is not believed, nor while an expired code would revive."""
    erasing = any(isinstance(action, Erase) for _, action in draft.actions)
    fell_back = moment.floor - moment.now > policy.clock_error_s * 1000
    return moment.trust is not ClockTrust.UNTRUSTED and not fell_back and not erasing


def _unseen(device: Device, limits: CodeLimits, moment: Moment, policy: Policy) -> list[int]:
    """Slots still to be read for the inventory. One that refuses is asked again after a day."""
    most = limits.slots
    if device.capabilities.sleepy or device.capabilities.on_battery:
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
