"""`why`: the answer for every grant state, and what each fact adds to it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from gateway.domain.devices import (
    PURGED_AT_LOCK,
    Evidence,
    Known,
    LockClock,
    Opaque,
    OpaqueReason,
    Slot,
    YearDay,
)
from gateway.domain.grants import DesiredGrant, Enforcement, GrantState, Verdict
from gateway.domain.ids import CredentialId, DeviceId
from gateway.domain.instant import HOUR, MINUTE, ClockTrust, Instant, after, from_rfc3339
from gateway.domain.secret import DigitsFacts, KeyedHash
from gateway.domain.windows import Always, Recurring, Timed, Weekly, Window
from gateway.local.explain import Door, Explanation, Facts, Line, Opens, explain
from gateway.radios.api import RadioState, RadioStatus

if TYPE_CHECKING:
    from collections.abc import Iterable

NOW = from_rfc3339("2026-11-20T14:30:00Z")  # a Friday, 15:30 in Berlin
OPENS = Instant(NOW - HOUR)
CLOSES = Instant(NOW + 2 * HOUR)
NOW_OPEN = Timed(OPENS, CLOSES)
LATER = Timed(Instant(NOW + HOUR), CLOSES)
OVER = Timed(Instant(NOW - 3 * HOUR), OPENS)
HASH = KeyedHash("h")

ON_LOCK = {"opens": Enforcement.ON_LOCK, "closes": Enforcement.ON_LOCK}
BY_GATEWAY = {"opens": Enforcement.BY_GATEWAY, "closes": Enforcement.BY_GATEWAY}


def facts(
    state: GrantState,
    reason: str | None = None,
    window: Window = NOW_OPEN,
    *,
    verdict: dict[str, Any] | None = None,
    grant: dict[str, Any] | None = None,
    **changes: Any,
) -> Facts:
    desired = DesiredGrant(
        credential_id=CredentialId("cred_1"),
        device_id=DeviceId("dev_1"),
        version=3,
        digits=DigitsFacts(HASH, 6, True),
        window=window,
        accepted_at=Instant(NOW - 5 * HOUR),
        name="Guest Ada",
        **(grant or {}),
    )
    given = Facts(
        now=NOW,
        trust=ClockTrust.TRUSTED,
        zone="Europe/Berlin",
        grant=desired,
        verdict=Verdict(desired.grant_id, state, reason, **(verdict or {})),
        since=Instant(NOW - MINUTE),
        door=Door("Front door", "zigbee", RadioState(RadioStatus.UP), True, OPENS),
    )
    return replace(given, **changes)


def slot(*, scheduled: bool = False, known: bool = True) -> Slot:
    return Slot(
        4,
        Known(HASH) if known else Opaque(OpaqueReason.IN_FLIGHT),
        CredentialId("cred_1"),
        (YearDay(OPENS, CLOSES),) if scheduled else (),
        frozenset({Evidence.READ_BACK}),
        Instant(NOW - MINUTE),
    )


def keys(section: Iterable[Line]) -> list[str]:
    return [line.key for line in section]


def text(section: Iterable[Line], key: str) -> str:
    return next(line.text for line in section if line.key == key)


def codes(explanation: Explanation) -> list[str]:
    return [obstacle.code for obstacle in explanation.obstacles]


# ── every state answers the question ────────────────────────────────────────────────────

ANSWERS: dict[GrantState, list[tuple[Facts, Opens, str]]] = {
    GrantState.PENDING: [
        (facts(GrantState.PENDING, window=LATER), Opens.NO, "not due"),
        (facts(GrantState.PENDING, "no_free_slot"), Opens.NO, "every slot"),
    ],
    GrantState.HELD: [(facts(GrantState.HELD, "held_until_check_in"), Opens.NO, "check-in")],
    GrantState.SUSPENDED: [(facts(GrantState.SUSPENDED), Opens.NO, "suspended")],
    GrantState.PROGRAMMING: [
        (facts(GrantState.PROGRAMMING), Opens.NO, "being written"),
        (facts(GrantState.PROGRAMMING, "window_changed", slot=slot()), Opens.UNKNOWN, "changed"),
    ],
    GrantState.PROGRAMMED: [
        (
            facts(GrantState.PROGRAMMED, window=LATER, verdict=ON_LOCK, slot=slot(scheduled=True)),
            Opens.NO,
            "refuses it until Fri 20 Nov 2026 16:30 CET",
        ),
        (
            facts(GrantState.PROGRAMMED, window=LATER, verdict=BY_GATEWAY, slot=slot()),
            Opens.YES,
            "already",
        ),
    ],
    GrantState.ACTIVE: [
        (facts(GrantState.ACTIVE, slot=slot()), Opens.YES, "until Fri 20 Nov 2026 17:30 CET"),
        (facts(GrantState.ACTIVE, window=Always(), slot=slot()), Opens.YES, "at any time"),
    ],
    GrantState.ERASING: [
        (facts(GrantState.ERASING, "revoked", slot=slot()), Opens.YES, "STILL OPENS"),
        (
            facts(GrantState.ERASING, "revoked", slot=slot(known=False)),
            Opens.UNKNOWN,
            "may still open",
        ),
        (
            facts(
                GrantState.ERASING,
                "expired",
                window=OVER,
                verdict=ON_LOCK,
                slot=slot(scheduled=True),
            ),
            Opens.NO,
            "the lock refuses it",
        ),
        # Revoked within its window: the schedule on the lock keeps nobody out.
        (
            facts(GrantState.ERASING, "revoked", verdict=ON_LOCK, slot=slot(scheduled=True)),
            Opens.YES,
            "STILL OPENS",
        ),
    ],
    GrantState.ERASED: [(facts(GrantState.ERASED, "expired", OVER), Opens.NO, "window is over")],
    GrantState.UNCONFIRMED: [
        (
            facts(GrantState.UNCONFIRMED, "answer_missing", slot=slot(known=False)),
            Opens.UNKNOWN,
            "proof is missing",
        )
    ],
    GrantState.REJECTED: [
        (facts(GrantState.REJECTED, "weak_code"), Opens.NO, "guessed"),
        (
            facts(GrantState.REJECTED, "conflicts_with:unmanaged:slot_7"),
            Opens.NO,
            "by hand, in slot 7",
        ),
    ],
    GrantState.MISSED: [(facts(GrantState.MISSED, "expired", OVER), Opens.NO, "before it could")],
    GrantState.EXPIRED_UNUSED: [(facts(GrantState.EXPIRED_UNUSED, None, OVER), Opens.NO, "used")],
    GrantState.REMOVED_EXTERNALLY: [
        (facts(GrantState.REMOVED_EXTERNALLY), Opens.NO, "removed at the lock")
    ],
    GrantState.PAUSED: [
        (facts(GrantState.PAUSED, "write_budget_spent"), Opens.NO, "too often"),
        (facts(GrantState.PAUSED, "write_budget_spent", slot=slot()), Opens.UNKNOWN, "May or"),
    ],
}


def test_every_state_has_an_answer() -> None:
    assert set(ANSWERS) == set(GrantState)


@pytest.mark.parametrize(
    ("given", "opens", "words"),
    [case for cases in ANSWERS.values() for case in cases],
    ids=[f"{state.value}-{i}" for state, cases in ANSWERS.items() for i in range(len(cases))],
)
def test_the_headline_answers(given: Facts, opens: Opens, words: str) -> None:
    found = explain(given)
    assert found.opens_door is opens
    assert words in found.headline
    assert found.state is given.verdict.state
    assert found.planned, "what comes next is always said, also that nothing does"


# ── wanted ──────────────────────────────────────────────────────────────────────────────


def test_a_window_is_told_in_the_sites_zone_and_utc() -> None:
    window = text(explain(facts(GrantState.ACTIVE)).wanted, "window")
    assert "14:30 CET (20 Nov 13:30 UTC)" in window
    assert "17:30 CET (20 Nov 16:30 UTC)" in window


def test_a_recurring_window_tells_its_rule_and_its_present_span() -> None:
    weekly = Recurring((Weekly(frozenset({1, 5}), 15 * 60, 17 * 60),), "Europe/Berlin")
    found = explain(facts(GrantState.ACTIVE, window=weekly))
    assert "Mon Fri 15:00–17:00 (Europe/Berlin)" in text(found.wanted, "window")
    assert "open, closes Fri 20 Nov 2026 17:00 CET, in 1 h 30 min" in text(found.wanted, "span")


def test_restrictions_are_told() -> None:
    found = explain(
        facts(
            GrantState.ERASING,
            "tombstone",
            grant={
                "use_limit": 3,
                "uses": 2,
                "suspended": True,
                "held": True,
                "removed": "revoked",
            },
            orphaned=True,
        )
    )
    assert text(found.wanted, "use_limit") == "2 of 3 uses made"
    assert {"suspended", "held", "removed", "orphaned"} <= set(keys(found.wanted))


# ── proven ──────────────────────────────────────────────────────────────────────────────


def test_what_the_lock_proved_when_and_how() -> None:
    clock = LockClock(-3000, 1000, Instant(NOW - HOUR), zone_proven=True)
    found = explain(
        facts(
            GrantState.ACTIVE,
            slot=slot(scheduled=True),
            verdict={"evidence": frozenset({Evidence.READ_BACK, Evidence.ACKNOWLEDGED})},
            programmed_at=Instant(NOW - HOUR),
            door=Door("Front door", "zigbee", clock=clock, reachable=True),
        )
    )
    assert text(found.proven, "slot") == "slot 4 holds the code, seen 1 min ago"
    assert (
        text(found.proven, "evidence") == "how: read back from the lock, acknowledged by the lock"
    )
    assert "1 h ago" in text(found.proven, "programmed")
    assert "3 s behind (± 1 s), read 1 h ago" in text(found.proven, "lock_clock")


def test_an_assumption_is_never_shown_as_a_proof() -> None:
    assumed = {"evidence": frozenset({Evidence.ASSUMED})}
    found = explain(facts(GrantState.UNCONFIRMED, slot=slot(known=False), verdict=assumed))
    assert "evidence" not in keys(found.proven)
    assert "cannot be told" in text(found.proven, "slot")


# ── planned ─────────────────────────────────────────────────────────────────────────────


def test_a_pending_code_tells_when_it_is_written_opens_and_closes() -> None:
    due = after(NOW, 55 * 60)
    found = explain(facts(GrantState.PENDING, window=LATER, verdict={"next_at": due, **BY_GATEWAY}))
    assert {line.key: line.at for line in found.planned} == {
        "write": due,
        "opens": LATER.opens_at,
        "closes": LATER.closes_at,
    }


def test_the_gateways_erase_is_planned_also_where_the_lock_keeps_the_window() -> None:
    found = explain(facts(GrantState.ACTIVE, slot=slot(scheduled=True), verdict=ON_LOCK))
    assert "the lock refuses it and the gateway erases it" in text(found.planned, "closes")


def test_an_erase_tells_its_next_attempt() -> None:
    found = explain(
        facts(
            GrantState.ERASING,
            "revoked",
            slot=slot(),
            next_attempt_at=after(NOW, 60),
            actions=("erase cred_1 from slot 4",),
            attempts=2,
        )
    )
    assert "when the lock is heard" in text(found.planned, "next_attempt")
    assert text(found.planned, "action") == "now: erase cred_1 from slot 4"
    assert "failed_attempts" in codes(found)


# ── in the way ──────────────────────────────────────────────────────────────────────────


def test_a_device_that_never_joined() -> None:
    found = explain(facts(GrantState.PENDING, door=None))
    assert codes(found) == ["not_joined"]
    assert found.device_name == "dev_1"


def test_an_unreachable_lock_tells_since_when() -> None:
    door = Door("Front door", "zigbee", reachable=False, reachable_since=Instant(NOW - HOUR))
    found = explain(facts(GrantState.ERASING, "revoked", slot=slot(), door=door))
    (obstacle,) = found.obstacles
    assert obstacle.code == "unreachable"
    assert "14:30 CET" in obstacle.text
    assert "batteries" in obstacle.next


def test_an_overdue_erase_asks_for_a_person() -> None:
    found = explain(
        facts(GrantState.ERASING, "revoked", slot=slot(), erase_alarm_at=Instant(NOW - 2 * MINUTE))
    )
    assert codes(found) == ["erase_overdue"]
    assert "person at the door" in found.obstacles[0].next


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"trust": ClockTrust.UNTRUSTED}, "clock_untrusted"),
        ({"door": Door("d", "zigbee", RadioState(RadioStatus.DOWN, "no stick"))}, "radio_down"),
        ({"door": Door("d", "zigbee", reachable=True, removed=True)}, "device_removed"),
        (
            {"door": Door("d", "zigbee", reachable=True, repair_paused=PURGED_AT_LOCK)},
            "repair_paused",
        ),
        ({"door": Door("d", "zigbee")}, "not_heard"),
    ],
)
def test_what_stands_in_the_way_is_named(changes: dict[str, Any], code: str) -> None:
    assert code in codes(explain(facts(GrantState.PROGRAMMING, **changes)))


def test_a_settled_code_does_not_complain_about_the_lock() -> None:
    away = Door("Front door", "zigbee", reachable=False)
    assert codes(explain(facts(GrantState.ERASED, "expired", OVER, door=away))) == []


def test_a_conflict_names_the_other_code_and_the_way_out() -> None:
    found = explain(facts(GrantState.REJECTED, "conflicts_with:cred_9"))
    (obstacle,) = found.obstacles
    assert obstacle.code == "conflicts_with:cred_9"
    assert "cred_9" in obstacle.text
    assert "other digits" in obstacle.next


def test_a_reason_nobody_knows_is_shown_all_the_same() -> None:
    found = explain(facts(GrantState.PAUSED, "brand_new_reason"))
    assert "brand new reason" in found.headline


# ── measured ────────────────────────────────────────────────────────────────────────────


def test_measured_edges_and_uses() -> None:
    found = explain(
        facts(
            GrantState.ERASED,
            "expired",
            OVER,
            early_exposure_ms=300_000,
            late_revocation_ms=850,
            grant={"first_used_at": Instant(NOW - 2 * HOUR)},
            last_used_at=Instant(NOW - HOUR),
        )
    )
    assert "5 min before" in text(found.measured, "early_exposure")
    assert "850 ms after" in text(found.measured, "late_revocation")
    assert "2 h ago" in text(found.measured, "first_used")
    assert "1 h ago" in text(found.measured, "last_used")


def test_an_unused_code_says_so() -> None:
    assert keys(explain(facts(GrantState.ACTIVE)).measured) == ["unused"]
