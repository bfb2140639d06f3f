"""The settings' models, and the example that must say what they say."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from gateway.config import Settings, load, parse
from gateway.config.models import dotted_keys

EXAMPLE = Path(__file__).parents[3] / "config.example.toml"
LEAST: dict[str, Any] = {"gateway": {"site_zone": "Europe/Berlin"}}


def uncommented() -> str:
    """The example with the settings that have no default switched on."""
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    return "\n".join(re.sub(r"^# (?=\[[a-z.]+\]$|[a-z_]+ = )", "", line) for line in lines)


def leaves(tables: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in tables.items():
        key = prefix + name
        found |= leaves(value, f"{key}.") if isinstance(value, dict) else {key: value}
    return found


def test_the_example_works_and_states_the_defaults() -> None:
    assert load(EXAMPLE, {}) == parse(LEAST, {})


def test_the_example_has_every_key_and_each_sample_value_is_valid() -> None:
    tables = tomllib.loads(uncommented())
    assert list(leaves(tables)) == dotted_keys()
    parse(tables, {})


def test_every_key_written_as_a_default_says_it() -> None:
    written = leaves(tomllib.loads(EXAMPLE.read_text(encoding="utf-8")))
    defaults = leaves(parse(LEAST, {}).model_dump(mode="json", exclude_none=True))
    assert written == defaults


def test_every_key_is_explained_in_the_models_words() -> None:
    text = " ".join(EXAMPLE.read_text(encoding="utf-8").replace("\n# ", " ").split())
    for key in dotted_keys():
        model: Any = Settings
        *path, name = key.split(".")
        for part in path:
            annotation = model.model_fields[part].annotation
            model = annotation if hasattr(annotation, "model_fields") else annotation.__args__[0]
        description = model.model_fields[name].description
        assert description, key
        assert description in text, key
