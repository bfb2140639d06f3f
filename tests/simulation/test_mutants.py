"""Every planted bug still fits the product; that each is found is `make mutants`' to say."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

import pytest

from tests.simulation import swarm
from tests.simulation.mutants.__main__ import hunt_all
from tests.simulation.mutants.child import WRONG_PRODUCT
from tests.simulation.mutants.hunt import Hunt, Product
from tests.simulation.mutants.order import DRAWN, order
from tests.simulation.mutants.plant import (
    CATALOGUE,
    ROOT,
    Change,
    Mutant,
    Stale,
    catalogue,
    copy,
    planted,
    remember,
)

if TYPE_CHECKING:
    from pathlib import Path

MUTANTS = catalogue()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.key)
def test_fits_and_compiles(mutant: Mutant) -> None:
    texts = planted(mutant)
    for name, text in texts.items():
        assert text != (ROOT / "gateway" / name).read_text(encoding="utf-8")
        compile(text, name, "exec")
    assert sorted(order(mutant.needs)) == list(range(DRAWN))
    assert mutant.name
    assert mutant.why.endswith(".")


def test_no_bug_is_a_mere_misprint(tmp_path: Path) -> None:
    """A name that does not exist would be found by any line that runs, and prove nothing."""
    for mutant in MUTANTS:
        for name, text in planted(mutant).items():
            path = tmp_path / mutant.key / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--select=F821,F823,E9"]
    found = subprocess.run([*command, tmp_path], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout


def test_a_bug_that_no_longer_fits_says_so() -> None:
    gone = Mutant("gone", "n", "w.", (Change("errors.py", "no such text", ""),))
    with pytest.raises(Stale, match=r"gateway/errors\.py: the product changed: renew mutant gone"):
        planted(gone)
    twice = Mutant("twice", "n", "w.", (Change("errors.py", "class ", ""),))
    with pytest.raises(Stale, match="not once"):
        planted(twice)


def test_the_worlds_that_have_most_of_what_a_bug_needs_come_first() -> None:
    first, *_, last = order(["cuts_per_h", "hour_twice", "not signed_time"])
    world, other = (swarm.draw(Random(f"{seed}/swarm")) for seed in (first, last))
    assert (world.hour_twice, world.signed_time) == (True, False)
    assert world.cuts_per_h > 2
    assert not (other.cuts_per_h and other.hour_twice and not other.signed_time)
    assert order([])[:3] == [0, 1, 2]
    for wrong in ("earthquakes_per_h", "not zone"):
        with pytest.raises(ValueError, match=f"no such trouble: {wrong}"):
            order([wrong])


def test_the_seed_that_found_a_bug_is_stored_for_the_next_time(tmp_path: Path) -> None:
    for key in ("uses-counted-per-door", "end-inclusive"):
        (before,) = [mutant for mutant in MUTANTS if mutant.key == key]
        (tmp_path / f"{key}.toml").write_bytes((CATALOGUE / f"{key}.toml").read_bytes())
        for seed in (17, 4711):
            remember(before, seed, tmp_path)
            (after,) = [mutant for mutant in catalogue(tmp_path) if mutant.key == key]
            assert after == replace(before, first=seed)


def test_the_copy_is_what_runs_or_nothing_does(tmp_path: Path) -> None:
    copy(None, tmp_path)
    child = [sys.executable, "-m", "tests.simulation.mutants.child", str(tmp_path)]
    said = subprocess.run(child, cwd=ROOT, capture_output=True, text=True, check=False)
    assert said.returncode == WRONG_PRODUCT
    assert "is not the copy" in said.stderr


def deadly() -> Mutant:
    """A bug that shows in the first world, whatever else happens there."""
    mutant = next(mutant for mutant in MUTANTS if mutant.key == "written-ahead-unrestricted")
    return replace(mutant, first=0)


def hunted(mutant: Mutant, product: Product) -> Hunt:
    """A hunt that ends with the seed that found the bug before."""
    hunt = Hunt(mutant)
    asyncio.run(hunt_all([hunt], product, limit=1, jobs=1))
    return hunt


def test_the_seed_that_found_a_bug_is_played_first() -> None:
    product = Product()
    hunt = hunted(deadly(), product)
    assert hunt.catch is not None
    assert (hunt.catch.seed, hunt.seeds) == (0, 1)
    assert product.guilty == []


def test_a_seed_counts_only_where_the_product_itself_survives_it() -> None:
    mutant = deadly()
    product = Product(Hunt(mutant))
    hunt = hunted(mutant, product)
    assert hunt.catch is None
    assert [catch.seed for catch in product.guilty] == [0]
