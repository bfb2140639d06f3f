"""Reason codes in words: what it means, whose move it is, what to do next. Pure, one table.

A code that is not in the table is shown as it is: a new reason must never hide.
"""

from __future__ import annotations

from typing import NamedTuple

from gateway.domain.devices import PURGED_AT_LOCK, Evidence


class Words(NamedTuple):
    """`next` is what somebody should do; empty when the gateway goes on by itself."""

    text: str
    next: str = ""


_NEW_DIGITS = "The cloud must send other digits for this code."

_REASONS = {
    "duplicate_code": Words("the lock says these digits are already on it", _NEW_DIGITS),
    "full": Words("the lock says it is full", "Remove codes from this lock that nobody needs."),
    "length": Words("the code is shorter or longer than this lock accepts", _NEW_DIGITS),
    "charset": Words("the code has characters this lock's keypad cannot take", _NEW_DIGITS),
    "weak_code": Words("the code would be guessed first (a run, a year, one digit)", _NEW_DIGITS),
    "not_authorised": Words(
        "the lock does not let the gateway write codes", "Remove the lock and join it again."
    ),
    "unsupported": Words(
        "this lock cannot do what the code asks for", "Change the code, or use another lock."
    ),
    "invalid_value": Words("the lock calls the value invalid", "Change the code in the cloud."),
    "busy": Words("the lock was busy"),
    "jammed": Words("the bolt is jammed", "Free the bolt at the door."),
    "failed": Words("the lock reported a failure without a reason"),
    "no_codes": Words("this device holds no codes", "Assign the code to another lock."),
    "digits_destroyed": Words(
        "its digits were destroyed after an earlier erase", "The cloud must send the code again."
    ),
    "waiting_for_erase": Words("the same digits are still on the lock for another code"),
    "clock_untrusted": Words(
        "the gateway does not know the time since it started, and opens nothing by guess",
        "Restore the network, so that the clock can be set; `lock-gateway clock` says more.",
    ),
    "expired": Words("its window is over"),
    "use_limit_reached": Words("it was used as often as allowed"),
    "held_until_check_in": Words("it waits for the check-in message"),
    "answer_missing": Words("the lock's answer to the last write is missing"),
    "window_changed": Words("its window was changed; the lock still keeps the former one"),
    "looking_for_a_free_slot": Words("the gateway is looking for a free slot on the lock"),
    "no_free_slot": Words(
        "every slot of the lock is taken", "Remove codes from this lock that nobody needs."
    ),
    "write_budget_spent": Words(
        "the same code was written too often today; the rest of the battery is kept for the door",
        "Check the lock's radio range and batteries; it goes on tomorrow, or when the code opens.",
    ),
    PURGED_AT_LOCK: Words(
        "the codes were cleared at the lock itself, which is respected",
        "Ask who cleared it; `lock-gateway resume` puts the codes back.",
    ),
    "tombstone": Words("the cloud removed it"),
    "revoked": Words("it was revoked"),
    "device_dropped": Words("the cloud no longer wants it on this lock"),
    "device_removed": Words("the lock was removed from this gateway"),
    "suspended": Words("it is suspended"),
}


def explain_reason(code: str) -> Words:
    """The words for a reason code, also for those that carry a name (`conflicts_with:…`)."""
    if code.startswith("conflicts_with:unmanaged"):
        slot = code.rpartition(":slot_")[2] if ":slot_" in code else ""
        where = f", in slot {slot} of the lock" if slot else " at the lock"
        return Words(
            f"somebody set the same digits by hand{where}",
            "The cloud must send other digits, or the code at the lock must go. "
            "The gateway never touches a code it did not set.",
        )
    if code.startswith("conflicts_with:"):
        return Words(f"the code {code.split(':', 1)[1]} has the same digits", _NEW_DIGITS)
    return _REASONS.get(code, Words(code.replace("_", " ")))


EVIDENCE = {
    Evidence.ACKNOWLEDGED: "acknowledged by the lock",
    Evidence.READ_BACK: "read back from the lock",
    Evidence.USED_AT_KEYPAD: "used at the keypad",
    Evidence.DUPLICATE_ANSWER: "the lock called a repeat a duplicate",
    Evidence.ASSUMED: "assumed, not proven",
}


def evidence_text(evidence: frozenset[Evidence]) -> str:
    """How it is known, strongest first."""
    return ", ".join(EVIDENCE[item] for item in _STRONGEST if item in evidence)


_STRONGEST = (
    Evidence.USED_AT_KEYPAD,
    Evidence.READ_BACK,
    Evidence.DUPLICATE_ANSWER,
    Evidence.ACKNOWLEDGED,
    Evidence.ASSUMED,
)
