"""The version is written twice, so that asking for it costs nothing: the two agree."""

from __future__ import annotations

import tomllib
from pathlib import Path

import gateway


def test_the_package_says_what_the_project_says() -> None:
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    assert gateway.__version__ == tomllib.loads(text)["project"]["version"]
