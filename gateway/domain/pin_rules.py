"""Whether a lock will take these digits, told from facts about them and the lock's limits.

Asked before any radio is used. Not here: whether the digits collide with others on the lock, which
takes the lock's slots and the other grants to tell (`reconcile`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.errors import Refusal

if TYPE_CHECKING:
    from gateway.domain.capabilities import CodeLimits
    from gateway.domain.secret import DigitsFacts


def check(facts: DigitsFacts, limits: CodeLimits) -> Refusal | None:
    """The first reason to refuse, what the lock cannot hold before what is unwise."""
    if not limits.min_length <= facts.length <= limits.max_length:
        return Refusal.LENGTH
    if limits.numeric_only and not facts.numeric:
        return Refusal.CHARSET
    if facts.weakness is not None:
        return Refusal.WEAK
    return None
