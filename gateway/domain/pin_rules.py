"""Whether a lock will take these digits, told from facts about them and the lock's limits.

Asked before any radio is used: `check` when all that is kept of the digits are facts, `objection`
where the digits themselves are at hand, on their way to the lock. Not here: whether the digits
collide with others on the lock, which takes its slots and the other grants to tell (`reconcile`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.errors import Refusal

if TYPE_CHECKING:
    from gateway.domain.capabilities import CodeLimits
    from gateway.domain.secret import DigitsFacts, Secret


def check(facts: DigitsFacts, limits: CodeLimits) -> Refusal | None:
    """The first reason to refuse, what the lock cannot hold before what is unwise."""
    if not limits.min_length <= facts.length <= limits.max_length:
        return Refusal.LENGTH
    if limits.numeric_only and not facts.numeric:
        return Refusal.CHARSET
    if facts.weakness is not None:
        return Refusal.WEAK
    return None


def objection(digits: Secret, limits: CodeLimits) -> Refusal | None:
    """What the lock cannot hold; `CHARSET` also for a beginning that its keypad does not take."""
    text = digits.reveal()
    if not limits.min_length <= len(text) <= limits.max_length:
        return Refusal.LENGTH
    if limits.numeric_only and not (text.isascii() and text.isdigit()):
        return Refusal.CHARSET
    if set(text) & set(limits.forbidden_digits) or text.startswith(limits.forbidden_prefixes):
        return Refusal.CHARSET
    return None
