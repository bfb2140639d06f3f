"""The published contract is the one the gateway runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # ships no types
import pytest
import yaml  # type: ignore[import-untyped]  # ships no types

from gateway.sync.parse import forms
from gateway.sync.schema import main, render, schemas
from gateway.sync.topics import Topics

DOCS = Path(__file__).parents[3] / "docs" / "sync"
CONTRACT: dict[str, Any] = yaml.safe_load((DOCS / "asyncapi.yaml").read_text(encoding="utf-8"))
EXAMPLES = [
    pytest.param(name, example["payload"], id=f"{name} {example.get('name', '')}".strip())
    for name, message in CONTRACT["components"]["messages"].items()
    for example in message["examples"]
]


def test_the_schemas_are_those_of_the_models() -> None:
    published = {path.stem: path.read_text(encoding="utf-8") for path in DOCS.glob("schemas/*")}
    made = {name: render(schema) for name, schema in schemas().items()}
    assert published == made, "run: python -m gateway.sync.schema docs/sync/schemas"


def test_they_can_be_written(tmp_path: Path) -> None:
    assert main([str(tmp_path / "new")]) == 0
    assert {path.stem for path in (tmp_path / "new").iterdir()} == set(schemas())
    assert main([]) == 2


def test_every_topic_is_documented_by_its_address() -> None:
    topics = Topics("X")
    channels = CONTRACT["channels"]
    addresses = {name: c["address"].replace("{gateway_id}", "X") for name, c in channels.items()}
    down = {name: topics.down(name) for name in forms()}
    up = {name: topics.up(name) for name in set(addresses) - set(down)}
    assert addresses == down | up
    assert set(addresses) == set(schemas()) - {"command-args"}


def test_every_message_names_its_own_schema() -> None:
    for name, message in CONTRACT["components"]["messages"].items():
        assert message["payload"]["$ref"] == f"schemas/{name}.json"
        assert CONTRACT["channels"][name]["messages"][name]["$ref"].endswith(f"/{name}")


@pytest.mark.parametrize(("name", "payload"), EXAMPLES)
def test_the_examples_are_valid(name: str, payload: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator(schemas()[name]).validate(payload)
    form = forms().get(name)
    if form is not None:
        _, ignored = form.read(json.dumps(payload).encode())
        assert ignored == 0
