"""Plays seeds in a process of its own, upon the copy of the product it is given.

`python -m tests.simulation.mutants.child FOLDER SEED...` plays them until one breaks a promise, and
writes what each gave to `report.json` in FOLDER. Exits 3 when the product that was imported is not
the copy in FOLDER.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import gateway
from tests.simulation.seeds import run_seed

WRONG_PRODUCT = 3
REPORT = "report.json"


def main() -> None:
    folder = Path(sys.argv[1]).resolve()
    found = Path(gateway.__file__).resolve()
    if not found.is_relative_to(folder):
        sys.stderr.write(f"imported {found}, which is not the copy in {folder}\n")
        sys.exit(WRONG_PRODUCT)
    worlds = []
    for seed in map(int, sys.argv[2:]):
        violations = run_seed(seed).violations
        told = [{"rule": each.rule, "sentence": each.sentence} for each in violations]
        worlds.append({"seed": seed, "violations": told})
        if violations:
            break
    (folder / REPORT).write_text(json.dumps(worlds, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
