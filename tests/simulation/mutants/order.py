"""Which worlds a bug is hunted in first: those that have most of what its story needs.

A bug names troubles of `swarm` (`needs = ["cuts_per_h", "not signed_time"]`); the worlds of many
seeds are drawn, which costs next to nothing, and played in the order of how well they fit. What
does not fit at all comes last, in the order of seeds. Not here: playing them (`hunt`).
"""

from __future__ import annotations

from bisect import bisect_right
from functools import cache
from random import Random
from typing import TYPE_CHECKING

from tests.simulation import swarm

if TYPE_CHECKING:
    from collections.abc import Sequence

DRAWN = 3000
"""Seeds whose worlds are looked at."""
_NOT = "not "


def order(needs: Sequence[str]) -> list[int]:
    """Seeds, the most promising first; without needs 0, 1, 2 and so on. ValueError for a need that
    is no trouble."""
    fits = [1.0] * DRAWN
    for need in needs:
        for seed, fit in enumerate(_fits(need)):
            fits[seed] *= fit
    return sorted(range(DRAWN), key=lambda seed: (-fits[seed], seed))


@cache
def _fits(need: str) -> list[float]:
    """By seed, 0 to 1: the share of worlds that have no more of it; 0 where there is none of it.
    The other way round for what must not be there."""
    name = need.removeprefix(_NOT)
    if name in {"zone", "start"} or not hasattr(_worlds()[0], name):
        raise ValueError(f"there is no such trouble: {need}")
    worst = [abs(float(getattr(world, name))) for world in _worlds()]
    ranked = sorted(worst)
    shares = [bisect_right(ranked, value) / len(ranked) if value else 0.0 for value in worst]
    return [1.0 - share for share in shares] if need.startswith(_NOT) else shares


@cache
def _worlds() -> list[swarm.Swarm]:
    return [swarm.draw(Random(f"{seed}/swarm")) for seed in range(DRAWN)]
