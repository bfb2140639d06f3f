"""`python -m tests.simulation.mutants`: plants every bug of the catalogue and hunts it.

Prints which rule found each, in which seed, and how many seeds it took. A seed counts only where
the unaltered product keeps every promise. Exit 1 when a bug survives, which is a hole in the
simulation, or when the product itself is found guilty.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections import deque

from tests.simulation.mutants.hunt import Hunt, HuntFailed, Product
from tests.simulation.mutants.plant import Mutant, Stale, catalogue, remember


async def hunt_all(hunts: list[Hunt], product: Product, *, limit: int, jobs: int) -> None:
    """The seeds that found a bug before, then small batches of every bug, so that what is found at
    once is told at once."""
    waiting = deque(sorted(hunts, key=lambda hunt: hunt.first is None))
    product.plant()

    async def work() -> None:
        while waiting:
            hunt = waiting.popleft()
            if not hunt.seeds:
                hunt.plant()
            await hunt.go_on(limit)
            if hunt.catch is not None and not await product.survives(hunt.catch.seed):
                print(f"  seed {hunt.catch.seed} does not count: the product fails it", flush=True)
                hunt.catch = None
            if hunt.over(limit):
                hunt.close()
                done = sum(each.over(limit) for each in hunts)
                print(f"{done:3}/{len(hunts)}  {_told(hunt)}", flush=True)
            else:
                waiting.append(hunt)

    # The first failure is raised as it is; what else runs ends with the loop.
    try:
        await asyncio.gather(*(work() for _ in range(jobs)))
    finally:
        product.close()
        for hunt in hunts:
            hunt.close()


def _told(hunt: Hunt) -> str:
    if hunt.catch is not None:
        where = f"seed {hunt.catch.seed}, after {hunt.seeds}"
        what = f"{hunt.catch.rule}, {where}: {hunt.catch.sentence}"
    else:
        what = f"SURVIVED {hunt.seeds} seeds {hunt.trouble}"
    return f"{hunt.key:34} {what}"


def _table(hunts: list[Hunt]) -> str:
    rows = [("mutant", "found by", "seed", "seeds run", "seconds")]
    rows += [
        (
            hunt.key,
            hunt.catch.rule if hunt.catch else f"NOBODY {hunt.trouble}",
            str(hunt.catch.seed) if hunt.catch else "",
            str(hunt.seeds),
            f"{hunt.seconds:.0f}",
        )
        for hunt in hunts
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return "\n".join(
        f"{a:{widths[0]}}  {b:{widths[1]}}  {c:>{widths[2]}}  {d:>{widths[3]}}  {e:>{widths[4]}}"
        for a, b, c, d, e in rows
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("--only", metavar="NAME", nargs="+", help="these bugs, or parts of names")
    parser.add_argument("--limit", type=int, default=300, help="seeds before a bug survives")
    parser.add_argument("--jobs", type=int, default=2, help="processes at once")
    parser.add_argument(
        "--remember", action="store_true", help="store the seeds that found them in the catalogue"
    )
    return parser.parse_args()


def _chosen(only: list[str] | None) -> list[Mutant]:
    return [m for m in catalogue() if not only or any(part in m.key for part in only)]


def main() -> int:
    options = _options()
    hunts = [Hunt(mutant) for mutant in _chosen(options.only)]
    if not hunts:
        print(f"no mutant is called {' or '.join(options.only)}")
        return 2
    product = Product()
    try:
        asyncio.run(hunt_all(hunts, product, limit=options.limit, jobs=options.jobs))
    except (HuntFailed, Stale) as failed:
        print(failed)
        return 2
    print(f"\n{_table(hunts)}\n")
    for guilty in product.guilty:
        print(
            f"The product itself is found guilty, seed {guilty.seed}: "
            f"{guilty.rule}: {guilty.sentence}"
        )
    for hunt in hunts if options.remember else ():
        if hunt.mutant is not None and hunt.catch is not None:
            remember(hunt.mutant, hunt.catch.seed)
    survivors = sum(hunt.catch is None for hunt in hunts)
    print(f"{len(hunts) - survivors} of {len(hunts)} planted bugs were found.")
    return 1 if survivors or product.guilty else 0


if __name__ == "__main__":
    sys.exit(main())
