"""What a reading makes of a slot record: empty only on the lock's word, never ours by hope."""

from __future__ import annotations

import pytest

from gateway.domain.devices import Empty, Evidence, Known, Opaque, OpaqueReason, Slot
from gateway.domain.ids import CredentialId
from gateway.domain.instant import Instant
from gateway.domain.secret import KeyedHash, Secret
from gateway.drivers.api import SlotReading, SlotUse
from gateway.scheduler.judge import Finding, Standing, interpret

OWNER = CredentialId("c1")
NEW, OLD = KeyedHash("h:2222"), KeyedHash("h:1111")
AT = Instant(1000)


def judge(reading: SlotReading, before: Slot | None) -> Finding:
    return interpret(
        reading,
        before=before,
        wanted=NEW,
        formerly_ours={OLD},
        hash_of=lambda secret: KeyedHash(f"h:{secret.reveal()}"),
        at=AT,
    )


def slot(content: Known | Opaque, owner: CredentialId | None = OWNER, *evidence: Evidence) -> Slot:
    return Slot(1, content, owner, evidence=frozenset(evidence))


FLYING = Opaque(OpaqueReason.IN_FLIGHT)


@pytest.mark.parametrize(
    ("digits", "standing", "owner"),
    [
        ("2222", Standing.OURS, OWNER),
        ("1111", Standing.OURS_OLD, OWNER),
        ("9999", Standing.FOREIGN, None),
    ],
)
def test_readable_digits_tell_whose_they_are(
    digits: str, standing: Standing, owner: CredentialId | None
) -> None:
    found = judge(SlotReading(1, SlotUse.ENABLED, Secret(digits)), slot(FLYING))
    assert (found.standing, found.slot.owner) == (standing, owner)
    assert found.slot.content == Known(KeyedHash(f"h:{digits}"))


def test_digits_equal_to_ours_in_a_slot_that_is_not_are_not_ours() -> None:
    found = judge(SlotReading(1, SlotUse.ENABLED, Secret("2222")), slot(FLYING, None))
    assert found.standing is Standing.FOREIGN


def test_only_the_lock_says_empty() -> None:
    found = judge(SlotReading(1, SlotUse.AVAILABLE), slot(Known(NEW)))
    assert (found.standing, found.slot.content, found.slot.owner) == (
        Standing.NOTHING, Empty(), None,
    )  # fmt: skip


def test_masked_digits_keep_a_proof_and_make_none() -> None:
    masked = SlotReading(1, SlotUse.ENABLED)
    kept = judge(masked, slot(Known(NEW), OWNER, Evidence.ACKNOWLEDGED))
    assert (kept.standing, kept.slot.content) == (Standing.OURS, Known(NEW))
    doubt = judge(masked, slot(FLYING))
    assert (doubt.standing, doubt.slot.content) == (
        Standing.UNREADABLE, Opaque(OpaqueReason.MASKED),
    )  # fmt: skip
    arrived = judge(masked, slot(FLYING, OWNER, Evidence.ASSUMED))
    assert (arrived.standing, arrived.slot.content) == (Standing.OURS, Known(NEW))


def test_a_disabled_code_of_ours_stays_ours_and_a_foreign_one_foreign() -> None:
    disabled = SlotReading(1, SlotUse.DISABLED, Secret("2222"))
    assert judge(disabled, slot(FLYING)).slot.owner == OWNER
    assert judge(disabled, None).standing is Standing.FOREIGN


def test_a_restriction_whose_schedules_are_not_known_is_no_proof() -> None:
    found = judge(SlotReading(1, SlotUse.ENABLED, Secret("2222"), restricted=True), slot(FLYING))
    assert found.slot.content == Opaque(OpaqueReason.READ_FAILED)


def test_evidence_is_not_forgotten_by_reading_the_same_again() -> None:
    before = slot(Known(NEW), OWNER, Evidence.USED_AT_KEYPAD)
    found = judge(SlotReading(1, SlotUse.ENABLED, Secret("2222")), before)
    assert found.slot.evidence == {Evidence.USED_AT_KEYPAD, Evidence.READ_BACK}
