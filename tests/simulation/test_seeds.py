"""Two hundred worlds in every run of the tests, and the proof that a seed is one story."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.simulation import __main__ as command
from tests.simulation.seeds import Batch

if TYPE_CHECKING:
    from pathlib import Path

SEEDS = Batch(0, 200)
TWICE = Batch(1_000, 1_004)


def test_every_promise_is_kept_in_two_hundred_worlds() -> None:
    assert command.main(["--seeds", f"{SEEDS.first}:{SEEDS.end}", "--jobs", "1"]) == 0


def test_a_seed_tells_the_same_story_in_another_process(tmp_path: Path) -> None:
    """Byte for byte, under another order of hashes."""
    digests = []
    for hash_seed in ("1", "2"):
        file = tmp_path / f"{hash_seed}.json"
        arguments = ["--seeds", f"{TWICE.first}:{TWICE.end}", "--jobs", "1", "--json", str(file)]
        subprocess.run(
            [sys.executable, "-m", "tests.simulation", *arguments],
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            check=False,
            capture_output=True,
        )
        digests.append([one["digest"] for one in json.loads(file.read_text(encoding="utf-8"))])
    assert len(digests[0]) == len(TWICE)
    assert digests[0] == digests[1]
