"""Why a code does or does not open a door now, and what comes next. Pure: facts in, sentences out.

Here: the reasoning of `why`. Not here: where the facts come from (`facts`), JSON (`documents`), and
how it looks on a terminal (`gateway.cli.render`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from gateway.domain.devices import Evidence, Known, LockClock, Slot
from gateway.domain.grants import DesiredGrant, Enforcement, GrantState, Verdict
from gateway.domain.instant import ClockTrust, Instant
from gateway.domain.wants import CLOCK_UNTRUSTED
from gateway.domain.windows import Always, Span, span_from
from gateway.local.walltime import clock_time, duration, relative, window_text, with_utc
from gateway.local.words import evidence_text, explain_reason
from gateway.radios.api import RadioState, RadioStatus


class Opens(Enum):
    """Whether the code opens the door at this moment, as far as it is proven."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Line:
    """One fact. `key` is stable, for machines; `text` for people; `at`: when, if it has a time."""

    key: str
    text: str
    at: Instant | None = None


@dataclass(frozen=True, slots=True)
class Obstacle:
    """What stands in the way. `next`: what somebody can do; empty when only waiting helps."""

    code: str
    text: str
    next: str = ""


@dataclass(frozen=True, slots=True)
class Door:
    """The lock as the store knows it."""

    name: str
    radio: str
    radio_state: RadioState | None = None
    reachable: bool | None = None
    reachable_since: Instant | None = None
    last_heard_at: Instant | None = None
    removed: bool = False
    repair_paused: str | None = None
    clock: LockClock | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything `explain` looks at. `door` None: the device has never joined."""

    now: Instant
    trust: ClockTrust
    zone: str
    grant: DesiredGrant
    verdict: Verdict
    since: Instant
    door: Door | None
    slot: Slot | None = None
    attempts: int = 0
    next_attempt_at: Instant | None = None
    programmed_at: Instant | None = None
    erased_at: Instant | None = None
    erase_due_at: Instant | None = None
    erase_alarm_at: Instant | None = None
    early_exposure_ms: int | None = None
    late_revocation_ms: int | None = None
    last_used_at: Instant | None = None
    orphaned: bool = False
    actions: tuple[str, ...] = ()
    """The plan's actions for this grant, readable."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """One screen. `headline` alone must answer the question."""

    credential_id: str
    credential_name: str
    device_id: str
    device_name: str
    state: GrantState
    reason: str | None
    opens_door: Opens
    headline: str
    wanted: tuple[Line, ...]
    proven: tuple[Line, ...]
    planned: tuple[Line, ...]
    obstacles: tuple[Obstacle, ...]
    measured: tuple[Line, ...]


def explain(facts: Facts) -> Explanation:
    grant, verdict = facts.grant, facts.verdict
    span = span_from(grant.window, facts.now)
    opens_door = _opens_door(facts, span)
    return Explanation(
        credential_id=grant.credential_id,
        credential_name=grant.name,
        device_id=grant.device_id,
        device_name=facts.door.name if facts.door else grant.device_id,
        state=verdict.state,
        reason=verdict.reason,
        opens_door=opens_door,
        headline=_headline(facts, span, opens_door),
        wanted=tuple(_wanted(facts, span)),
        proven=tuple(_proven(facts)),
        planned=tuple(_planned(facts, span)),
        obstacles=tuple(_obstacles(facts)),
        measured=tuple(_measured(facts)),
    )


# ── the answer ──────────────────────────────────────────────────────────────────────────

_ABSENT = frozenset(
    {
        GrantState.PENDING,
        GrantState.HELD,
        GrantState.SUSPENDED,
        GrantState.ERASED,
        GrantState.REJECTED,
        GrantState.MISSED,
        GrantState.EXPIRED_UNUSED,
        GrantState.REMOVED_EXTERNALLY,
    }
)


def _opens_door(facts: Facts, span: Span | None) -> Opens:
    """Never optimistic in either direction: what is not proven is unknown."""
    lock_keeps = facts.slot is not None and bool(facts.slot.schedules)
    is_open = span is not None and span.holds(facts.now)
    match facts.verdict.state:
        case state if state in _ABSENT:
            return Opens.NO
        case GrantState.ACTIVE:
            return Opens.YES
        case GrantState.PROGRAMMED | GrantState.ERASING if lock_keeps and not is_open:
            return Opens.NO
        case GrantState.PROGRAMMED:
            return Opens.YES
        case GrantState.ERASING if facts.slot and isinstance(facts.slot.content, Known):
            return Opens.YES
        case GrantState.PROGRAMMING | GrantState.PAUSED if facts.slot is None:
            return Opens.NO
        case _:
            return Opens.UNKNOWN


def _headline(facts: Facts, span: Span | None, opens_door: Opens) -> str:
    zone, verdict = facts.zone, facts.verdict
    because = f": {explain_reason(verdict.reason).text}" if verdict.reason else ""
    until = (
        f" until {clock_time(span.closes_at, zone)}" if span and span.closes_at is not None else ""
    )
    opening = span.opens_at if span else None
    starts = f" until {clock_time(opening, zone)}" if opening is not None else ""
    match verdict.state:
        case GrantState.PENDING if verdict.reason is None:
            return f"Does not open the door yet: it is not due on the lock{_on(facts)}."
        case GrantState.PENDING:
            return f"Does not open the door yet{because}."
        case GrantState.HELD:
            return f"Does not open the door: held{because}."
        case GrantState.SUSPENDED:
            return "Does not open the door: suspended; its window is kept for when it is enabled."
        case GrantState.PROGRAMMING if opens_door is Opens.NO:
            return f"Does not open the door yet: being written to the lock{because}."
        case GrantState.PROGRAMMING:
            return f"Being changed on the lock{because}."
        case GrantState.PROGRAMMED if opens_door is Opens.NO:
            return f"On the lock, which refuses it{starts}."
        case GrantState.PROGRAMMED:
            begins = relative(opening, facts.now) if opening is not None else "soon"
            return f"Opens the door already: written ahead of its window, which begins {begins}."
        case GrantState.ACTIVE:
            return f"Opens the door{until or ' at any time'}."
        case GrantState.ERASING if opens_door is Opens.NO:
            return f"To be erased{because}. Still stored, but the lock refuses it now."
        case GrantState.ERASING if opens_door is Opens.YES:
            return f"Must go{because}. IT STILL OPENS THE DOOR until the erase is proven."
        case GrantState.ERASING:
            return f"Must go{because}. It may still open the door until the erase is proven."
        case GrantState.ERASED:
            return f"Does not open the door: erased{because}."
        case GrantState.UNCONFIRMED:
            return f"May or may not open the door: the proof is missing{because}."
        case GrantState.REJECTED:
            return f"Does not open the door: refused for good{because}."
        case GrantState.MISSED:
            return "Never opened the door: its window closed before it could be written."
        case GrantState.EXPIRED_UNUSED:
            return "Does not open the door: it expired without being used."
        case GrantState.REMOVED_EXTERNALLY:
            return "Does not open the door: it was removed at the lock, which is respected."
        case GrantState.PAUSED:
            doubt = "Does not open" if opens_door is Opens.NO else "May or may not open"
            return f"{doubt} the door: repair is paused{because}."


def _on(facts: Facts) -> str:
    at = facts.verdict.next_at
    return f" before {clock_time(at, facts.zone)}" if at is not None else ""


# ── the sections ────────────────────────────────────────────────────────────────────────


def _wanted(facts: Facts, span: Span | None) -> list[Line]:
    grant, zone, now = facts.grant, facts.zone, facts.now
    lines = [Line("window", window_text(grant.window, zone))]
    if not isinstance(grant.window, Always):
        lines.append(_span_line(span, now, zone))
    if grant.use_limit is not None:
        lines.append(Line("use_limit", f"{grant.uses} of {grant.use_limit} uses made"))
    if grant.suspended:
        lines.append(Line("suspended", "suspended: not on the lock, window and history kept"))
    if grant.held:
        lines.append(Line("held", "held until check-in"))
    if grant.removed is not None:
        lines.append(Line("removed", f"to be gone: {explain_reason(grant.removed).text}"))
    if facts.orphaned:
        lines.append(
            Line(
                "orphaned",
                "missing from the cloud's last snapshot, without an order to remove it: kept "
                "until its window ends",
            )
        )
    lines.append(
        Line(
            "accepted",
            f"version {grant.version}, accepted {with_utc(grant.accepted_at, zone)}",
            grant.accepted_at,
        )
    )
    return lines


def _span_line(span: Span | None, now: Instant, zone: str) -> Line:
    if span is None:
        return Line("span", "over")
    if span.holds(now):
        if span.closes_at is None:
            return Line("span", "open, without an end")
        left = relative(span.closes_at, now)
        return Line(
            "span", f"open, closes {clock_time(span.closes_at, zone)}, {left}", span.closes_at
        )
    opens_at = span.opens_at if span.opens_at is not None else now
    due = relative(opens_at, now)
    return Line("span", f"opens {clock_time(opens_at, zone)}, {due}", opens_at)


def _proven(facts: Facts) -> list[Line]:
    zone, now, slot = facts.zone, facts.now, facts.slot
    lines: list[Line] = []
    if slot is not None:
        lines.append(_slot_line(slot, facts))
        kept = "kept by the lock" if slot.schedules else "not kept by the lock"
        if not isinstance(facts.grant.window, Always):
            lines.append(Line("schedule", f"window {kept}"))
    elif facts.verdict.slot is None:
        lines.append(Line("slot", "in no slot of the lock"))
    evidence = facts.verdict.evidence
    if evidence and evidence != {Evidence.ASSUMED}:
        lines.append(Line("evidence", f"how: {evidence_text(evidence)}"))
    if facts.programmed_at is not None:
        lines.append(_when("programmed", "last proven on the lock", facts.programmed_at, facts))
    if facts.erased_at is not None:
        lines.append(_when("erased", "proven gone", facts.erased_at, facts))
    if facts.door and facts.door.clock and slot is not None and slot.schedules:
        clock = facts.door.clock
        lines.append(
            Line(
                "lock_clock",
                f"lock's clock {duration(abs(clock.error_ms))} "
                f"{'ahead' if clock.error_ms >= 0 else 'behind'} "
                f"(± {duration(clock.bound_ms)}), read {relative(clock.read_at, now)}",
                clock.read_at,
            )
        )
    lines.append(Line("since", f"in this state since {with_utc(facts.since, zone)}", facts.since))
    return lines


def _slot_line(slot: Slot, facts: Facts) -> Line:
    when = f", seen {relative(slot.observed_at, facts.now)}" if slot.observed_at is not None else ""
    if isinstance(slot.content, Known):
        what = "holds the code"
    else:
        what = "is occupied or in doubt; its content cannot be told"
    return Line("slot", f"slot {slot.number} {what}{when}", slot.observed_at)


def _when(key: str, text: str, at: Instant, facts: Facts) -> Line:
    return Line(key, f"{text} {with_utc(at, facts.zone)}, {relative(at, facts.now)}", at)


def _planned(facts: Facts, span: Span | None) -> list[Line]:
    verdict, now = facts.verdict, facts.now
    lines = [Line("action", f"now: {action}") for action in facts.actions]
    if facts.next_attempt_at is not None and (facts.actions or verdict.state in _WORKING):
        again = "next attempt"
        if verdict.state is GrantState.ERASING:
            again = "tried again when the lock is heard, at the latest"
        lines.append(_when("next_attempt", again, facts.next_attempt_at, facts))
    if facts.erase_due_at is not None and verdict.state is GrantState.ERASING:
        lines.append(_when("erase_due", "should have been gone", facts.erase_due_at, facts))
    present = verdict.state in {GrantState.PROGRAMMED, GrantState.ACTIVE}
    due = verdict.next_at
    if due is not None and due > now and verdict.state is GrantState.PENDING:
        lines.append(_when("write", "written to the lock", due, facts))
    if span and span.opens_at is not None and span.opens_at > now and _wanted_then(facts):
        how = _keeper(verdict.opens, "the lock begins to accept it", "opens")
        lines.append(_when("opens", how, span.opens_at, facts))
    if span and span.closes_at is not None and (present or _wanted_then(facts)):
        how = _keeper(verdict.closes, "the lock refuses it and the gateway erases it", "erased")
        lines.append(_when("closes", how, span.closes_at, facts))
    if not lines:
        lines.append(Line("nothing", "nothing: it stays as it is until something changes"))
    return lines


_WORKING = frozenset(
    {
        GrantState.PROGRAMMING,
        GrantState.ERASING,
        GrantState.UNCONFIRMED,
        GrantState.PAUSED,
        GrantState.PENDING,
    }
)
_COMING = frozenset(
    {
        GrantState.PENDING,
        GrantState.PROGRAMMING,
        GrantState.PROGRAMMED,
        GrantState.ACTIVE,
        GrantState.UNCONFIRMED,
    }
)


def _wanted_then(facts: Facts) -> bool:
    return facts.verdict.state in _COMING


def _keeper(who: Enforcement, on_lock: str, by_gateway: str) -> str:
    return on_lock if who is Enforcement.ON_LOCK else f"{by_gateway} by the gateway"


def _obstacles(facts: Facts) -> list[Obstacle]:
    verdict, door = facts.verdict, facts.door
    found: list[Obstacle] = []
    if verdict.reason is not None and verdict.state not in {GrantState.ERASING, GrantState.ERASED}:
        words = explain_reason(verdict.reason)
        found.append(Obstacle(verdict.reason, words.text, words.next))
    if facts.erase_alarm_at is not None and verdict.state is GrantState.ERASING:
        told = relative(facts.erase_alarm_at, facts.now)
        found.append(
            Obstacle(
                "erase_overdue",
                f"the erase is overdue; the cloud was told {told}",
                "Until the lock is heard, only a person at the door can keep it shut.",
            )
        )
    if verdict.state in _SETTLED:
        return found
    if door is None:
        found.append(
            Obstacle(
                "not_joined",
                "no device with this id has joined this gateway",
                "Join the lock, or correct the device id in the cloud.",
            )
        )
        return found
    found += _door_obstacles(facts, door)
    if facts.attempts:
        found.append(Obstacle("failed_attempts", f"{facts.attempts} attempts without success"))
    if facts.trust is ClockTrust.UNTRUSTED and verdict.reason != CLOCK_UNTRUSTED:
        words = explain_reason(CLOCK_UNTRUSTED)
        found.append(Obstacle(CLOCK_UNTRUSTED, words.text, words.next))
    return found


_SETTLED = frozenset(
    {
        GrantState.ERASED,
        GrantState.REJECTED,
        GrantState.MISSED,
        GrantState.EXPIRED_UNUSED,
        GrantState.REMOVED_EXTERNALLY,
    }
)


def _door_obstacles(facts: Facts, door: Door) -> list[Obstacle]:
    found: list[Obstacle] = []
    if door.removed:
        found.append(Obstacle("device_removed", "the lock was removed from this gateway"))
    radio = door.radio_state
    if radio is not None and radio.status is not RadioStatus.UP:
        why = f": {radio.reason}" if radio.reason else ""
        found.append(
            Obstacle(
                "radio_down",
                f"the radio {door.radio} is {radio.status.value}{why}",
                "Check that the stick is plugged in; the gateway opens it again by itself.",
            )
        )
    if door.reachable is False:
        since = (
            f" since {with_utc(door.reachable_since, facts.zone)}"
            if door.reachable_since is not None
            else ""
        )
        found.append(
            Obstacle(
                "unreachable",
                f"the lock does not answer{since}",
                "Check its batteries and the distance; it is served the moment it is heard.",
            )
        )
    elif door.reachable is None:
        found.append(Obstacle("not_heard", "the lock was not heard since the gateway started"))
    paused = door.repair_paused
    if paused is not None and paused != facts.verdict.reason:
        words = explain_reason(paused)
        found.append(Obstacle("repair_paused", f"repair is paused: {words.text}", words.next))
    return found


def _measured(facts: Facts) -> list[Line]:
    lines: list[Line] = []
    early = facts.early_exposure_ms
    if early is not None and not isinstance(facts.grant.window, Always):
        exposed = f"{duration(early)} before" if early else "not before"
        lines.append(Line("early_exposure", f"on the lock {exposed} its window opened"))
    if facts.late_revocation_ms is not None:
        lines.append(
            Line(
                "late_revocation",
                f"gone {duration(facts.late_revocation_ms)} after it should have been",
            )
        )
    if facts.grant.first_used_at is not None:
        lines.append(_when("first_used", "first used", facts.grant.first_used_at, facts))
        if facts.last_used_at is not None and facts.last_used_at != facts.grant.first_used_at:
            lines.append(_when("last_used", "last used", facts.last_used_at, facts))
    else:
        lines.append(Line("unused", "never used"))
    return lines
