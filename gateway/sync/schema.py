"""JSON Schemas of the contract, written from the models: `python -m gateway.sync.schema DIR`.

The published ones are in docs/sync/schemas, beside the AsyncAPI document that names them. A test
holds them equal to what this module makes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, TypeAdapter

from gateway.sync import orders
from gateway.sync.messages import Ack, Command, Desired
from gateway.sync.reports import CommandResult, EventBatch, Hello, Presence, Reported

if TYPE_CHECKING:
    from collections.abc import Mapping

DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]


def schemas() -> Mapping[str, Schema]:
    """By file name without its ending: one for each topic, and one for arguments of commands."""
    up: dict[str, type[BaseModel]] = {
        "presence": Presence,
        "hello": Hello,
        "reported": Reported,
        "events": EventBatch,
        "results": CommandResult,
    }
    made = {
        "desired": TypeAdapter(Desired).json_schema(by_alias=True),
        "commands": Command.model_json_schema(by_alias=True),
        "ack": Ack.model_json_schema(by_alias=True),
        "command-args": _arguments(),
    } | {
        name: model.model_json_schema(by_alias=True, mode="serialization")
        for name, model in up.items()
    }
    return {name: {"$schema": DRAFT, **schema} for name, schema in sorted(made.items())}


def _arguments() -> Schema:
    """What `args` holds, by the kind of command."""
    return {
        "title": "Arguments of commands, by kind",
        "type": "object",
        "properties": {
            name: kind.args.model_json_schema(by_alias=True)
            | {"x-device": kind.device, "x-momentary": kind.momentary, "x-lasting": kind.lasting}
            for name, kind in orders.KINDS.items()
        },
    }


def render(schema: Schema) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m gateway.sync.schema DIR\n")
        return 2
    folder = Path(arguments[0])
    folder.mkdir(parents=True, exist_ok=True)
    for name, schema in schemas().items():
        (folder / f"{name}.json").write_text(render(schema), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
