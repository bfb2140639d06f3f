"""`python -m tests.simulation`: run seeds, say what they found, tell the story of one that failed.

Exit status 0: every seed kept every promise. 1: some did not. 2: the command line is wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from random import SystemRandom
from typing import TYPE_CHECKING

from tests.simulation import report
from tests.simulation.seeds import Batch, run_many, run_seed, shrink
from tests.simulation.trace import KEPT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.simulation.world import Result

SHOWN = 5
"""Failed seeds told of in full; of the rest the numbers."""


def main(arguments: Sequence[str]) -> int:
    chosen = _parser().parse_args(arguments)
    if chosen.seed is not None:
        return _one(chosen.seed, chosen.without, whole=chosen.trace)
    if chosen.random:
        first = SystemRandom().randrange(10**9)
        chosen.seeds = Batch(first, first + chosen.random)
    results = _batch(chosen.seeds, chosen.jobs, stop_at_first=chosen.stop_at_first)
    if chosen.json:
        lines = [_plain(result) for result in results]
        Path(chosen.json).write_text(json.dumps(lines, indent=1), encoding="utf-8")
    failed = [result for result in results if result.violations]
    print(report.summary(results))
    if not chosen.stop_at_first:
        for result in failed[:SHOWN]:
            print()
            _one(result.seed, [], whole=False)
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=Batch.parse, default=Batch(0, 200), metavar="A:B|N")
    parser.add_argument("--random", type=int, metavar="N", help="N seeds nobody has seen")
    parser.add_argument("--seed", type=int, help="one seed, with its story")
    parser.add_argument("--trace", action="store_true", help="with --seed: everything")
    parser.add_argument(
        "--without",
        type=lambda text: text.split(","),
        default=[],
        metavar="TROUBLE,…",
        help="with --seed: the same world, spared these",
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--stop-at-first", action="store_true", help="at the first violation")
    parser.add_argument("--json", metavar="FILE", help="what each seed gave")
    return parser


def _batch(seeds: Batch, jobs: int, *, stop_at_first: bool) -> list[Result]:
    print(f"seeds {seeds.first} to {seeds.end - 1} on {jobs} processes", flush=True)
    began, told = time.monotonic(), time.monotonic()
    results: list[Result] = []
    failed: Counter[str] = Counter()
    with closing(run_many(seeds, jobs)) as running:
        for result in running:
            results.append(result)
            for rule in sorted({each.rule for each in result.violations}):
                failed[rule] += 1
                if failed[rule] == 1:
                    print(f"  seed {result.seed}: {rule}", flush=True)
            if result.violations and stop_at_first:
                break
            if time.monotonic() - told >= 10:
                told = time.monotonic()
                print(f"  {report.progress(len(results), len(seeds), told - began)}", flush=True)
    return sorted(results, key=lambda result: result.seed)


def _one(seed: int, without: Sequence[str], *, whole: bool) -> int:
    """Its story; one that breaks a promise is shrunk first, unless somebody did already."""
    result = run_seed(seed, without, keep=KEPT)
    if whole:
        print("\n".join(result.story))
    elif result.violations and not without:
        rule = result.violations[0].rule
        print(f"seed {seed} breaks {rule}; looking for what it takes …", flush=True)
        without = shrink(seed, rule)
        result = run_seed(seed, without, keep=KEPT)
    print(report.story(result, without))
    return 1 if result.violations else 0


def _plain(result: Result) -> dict[str, object]:
    violations = [
        {"rule": each.rule, "at": each.at, "sentence": each.sentence} for each in result.violations
    ]
    return asdict(result) | {"violations": violations}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
