"""What is remembered beside the library's database, and what a damaged file costs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from gateway.radios.zigbee.register import Register

if TYPE_CHECKING:
    from pathlib import Path


def test_remembers(tmp_path: Path) -> None:
    register = Register(tmp_path / "r.json")
    register.joined("a", well_known_key=True)
    register.joined("b", well_known_key=False)
    register.forget("c")
    again = Register(tmp_path / "r.json")
    assert (again.well_known, again.forgotten) == ({"a"}, {"c"})
    assert (tmp_path / "r.json").stat().st_mode & 0o777 == 0o600


def test_joining_again_clears_both_marks(tmp_path: Path) -> None:
    register = Register(tmp_path / "r.json")
    register.joined("a", well_known_key=True)
    register.forget("a")
    register.joined("a", well_known_key=False)
    assert (register.well_known, register.forgotten) == (set(), set())


@pytest.mark.parametrize("damage", ["", "{", json.dumps([]), json.dumps({"forgotten": 3})])
def test_a_damaged_file_is_a_new_start(tmp_path: Path, damage: str) -> None:
    (tmp_path / "r.json").write_text(damage)
    assert Register(tmp_path / "r.json").forgotten == set()
