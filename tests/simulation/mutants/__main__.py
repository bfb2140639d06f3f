"""`python -m tests.simulation.mutants`: plants every bug of the catalogue and hunts it.

Prints which rule found each and how many seeds it took. Exit 1 when one survives: then it is the
simulation that has a hole. Seeds that found something are run upon the unaltered product as well,
where they must find nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections import deque

from tests.simulation.mutants.hunt import Hunt, HuntFailed
from tests.simulation.mutants.plant import Mutant, Stale, catalogue

FIRST_BATCH = 8
GROWTH = 3


async def hunt_all(hunts: list[Hunt], *, limit: int, jobs: int) -> Hunt:
    """Small batches of every bug first, so that what is found at once is told at once.

    Returns the hunt of the unaltered product through the seeds that found something.
    """
    waiting = deque(hunts)
    for hunt in hunts:
        hunt.plant()

    async def work() -> None:
        while waiting:
            hunt = waiting.popleft()
            last = min(limit, max(FIRST_BATCH, hunt.seeds * GROWTH))
            await hunt.run(hunt.seeds, last)
            if hunt.catch is None and not hunt.trouble and hunt.seeds < limit:
                waiting.append(hunt)
            else:
                print(f"{_ended(hunts):3}/{len(hunts)}  {_told(hunt)}", flush=True)

    def _ended(hunts: list[Hunt]) -> int:
        return sum(bool(h.catch or h.trouble or h.seeds >= limit) for h in hunts)

    # The first failure is raised as it is; what else runs ends with the loop.
    await asyncio.gather(*(work() for _ in range(jobs)))
    return await _innocent(sorted({hunt.catch.seed for hunt in hunts if hunt.catch}))


async def _innocent(seeds: list[int]) -> Hunt:
    """Run the unaltered product upon seeds that found a bug."""
    product = Hunt(None)
    product.plant()
    for seed in seeds:
        if product.catch is None:
            await product.run(seed, seed + 1)
    return product


def _told(hunt: Hunt) -> str:
    if hunt.catch is not None:
        what = f"{hunt.catch.rule}, seed {hunt.catch.seed}: {hunt.catch.sentence}"
    else:
        what = f"SURVIVED {hunt.seeds} seeds {hunt.trouble}"
    return f"{hunt.key:34} {what}"


def _table(hunts: list[Hunt]) -> str:
    rows = [("mutant", "found by", "seeds", "seconds")]
    rows += [
        (
            hunt.key,
            hunt.catch.rule if hunt.catch else f"NOBODY {hunt.trouble}",
            str(hunt.seeds),
            f"{hunt.seconds:.0f}",
        )
        for hunt in hunts
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        f"{a:{widths[0]}}  {b:{widths[1]}}  {c:>{widths[2]}}  {d:>{widths[3]}}"
        for a, b, c, d in rows
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("--only", metavar="NAME", nargs="+", help="these bugs, or parts of names")
    parser.add_argument("--limit", type=int, default=300, help="seeds before a bug survives")
    parser.add_argument("--jobs", type=int, default=2, help="processes at once")
    return parser.parse_args()


def _chosen(only: list[str] | None) -> list[Mutant]:
    return [m for m in catalogue() if not only or any(part in m.key for part in only)]


def main() -> int:
    options = _options()
    hunts = [Hunt(mutant) for mutant in _chosen(options.only)]
    if not hunts:
        print(f"no mutant is called {' or '.join(options.only)}")
        return 2
    try:
        guilty = asyncio.run(hunt_all(hunts, limit=options.limit, jobs=options.jobs))
    except (HuntFailed, Stale) as failed:
        print(failed)
        return 2
    print(f"\n{_table(hunts)}\n")
    if guilty.catch is not None:
        print(
            f"The product itself is found guilty, seed {guilty.catch.seed}: "
            f"{guilty.catch.rule}: {guilty.catch.sentence}"
        )
        return 1
    survivors = sum(hunt.catch is None for hunt in hunts)
    print(f"{len(hunts) - survivors} of {len(hunts)} planted bugs were found.")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
