"""Small files: whole, private, replaced. After a power cut: tests/powercut/test_recorder.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.kit.files import write_whole

if TYPE_CHECKING:
    from pathlib import Path


def test_a_new_file_is_private_and_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    write_whole(path, b"one")
    assert path.read_bytes() == b"one"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_the_old_one_is_replaced_whatever_a_former_try_left(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    write_whole(path, b"one")
    left = tmp_path / "x.json.new"
    left.write_bytes(b"longer than what comes")
    left.chmod(0o644)
    write_whole(path, b"two")
    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_the_old_one_stays_when_the_new_one_cannot_be_written(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    write_whole(path, b"one")
    (tmp_path / "x.json.new").mkdir()
    with pytest.raises(OSError, match=r"x\.json\.new"):
        write_whole(path, b"two")
    assert path.read_bytes() == b"one"
