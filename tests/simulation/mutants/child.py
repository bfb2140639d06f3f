"""Runs the simulation in a process of its own, upon the copy of the product it is given.

`python -m tests.simulation.mutants.child FOLDER ARGS...`; exits 3 when the product that was
imported is not the copy in FOLDER.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import gateway

WRONG_PRODUCT = 3


def main() -> None:
    folder = Path(sys.argv[1]).resolve()
    found = Path(gateway.__file__).resolve()
    if not found.is_relative_to(folder):
        sys.stderr.write(f"imported {found}, which is not the copy in {folder}\n")
        sys.exit(WRONG_PRODUCT)
    sys.argv = ["simulation", *sys.argv[2:]]
    runpy.run_module("tests.simulation", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
