"""From a file and the environment to settings, or to sentences about what is wrong with them."""

from __future__ import annotations

import copy
import os
import tomllib
from typing import TYPE_CHECKING, Any, get_origin

from pydantic import ValidationError, create_model

from gateway.config.models import (
    Section,
    Settings,
    close_to,
    dotted_keys,
    hint,
    section_behind,
)
from gateway.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pydantic_core import ErrorDetails

ENV_PREFIX = "LOCK_GATEWAY_"
ENV_DELIMITER = "__"


def load(path: Path, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read and check the file at `path`. Raises ConfigError with one line for each fault."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ConfigError(f"could not read {path}: {reason}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"could not read {path}: not TOML: {error}") from error
    return parse(data, environ, source=str(path))


def parse(
    data: Mapping[str, Any], environ: Mapping[str, str], *, source: str = "settings"
) -> Settings:
    """Check a file's tables, laid over by the environment's. Raises ConfigError."""
    # Without [gateway] the sentence should name the key that is missing in it, not the table.
    tables: dict[str, Any] = {"gateway": {}, **copy.deepcopy(dict(data))}
    faults = _overlay(tables, environ)
    try:
        settings = Settings.model_validate(tables)
    except ValidationError as error:
        faults += [_sentence(detail) for detail in error.errors(include_url=False)]
    if faults:
        raise ConfigError(
            "\n".join([f"could not use {source}:", *(f"  {line}" for line in faults)])
        )
    return settings


def _overlay(data: dict[str, Any], environ: Mapping[str, str]) -> list[str]:
    """Write the environment's values into `data`; what cannot be read is returned as sentences."""
    faults: list[str] = []
    for variable in sorted(environ):
        # One without a delimiter is not a setting: LOCK_GATEWAY_CONFIG belongs to the command line.
        if not variable.startswith(ENV_PREFIX) or ENV_DELIMITER not in variable:
            continue
        path = variable.removeprefix(ENV_PREFIX).lower().split(ENV_DELIMITER)
        try:
            _set(data, path, environ[variable])
        except KeyError:
            faults.append(f"{variable}: {_unknown('.'.join(path))}")
        except ValidationError as error:
            detail = error.errors(include_url=False)[0]
            faults.append(f"{variable}: {_reason(detail)}")
    return faults


def _set(data: dict[str, Any], path: list[str], text: str) -> None:
    """Raises KeyError for a key that does not exist, ValidationError for text that does not fit."""
    model: type[Section] = Settings
    table = data
    for name in path[:-1]:
        section = section_behind(model.model_fields[name].annotation)
        if section is None:
            raise KeyError(name)
        model = section
        inner = table.get(name, {})
        if not isinstance(inner, dict):
            return  # the file is wrong here, and is told so by validation
        table[name] = inner
        table = inner
    field = model.model_fields[path[-1]]
    if section_behind(field.annotation) is not None:
        raise KeyError(path[-1])
    listed = get_origin(field.annotation) is tuple
    # Outside the strict models, so that text is read as what the key takes.
    lax = create_model("Value", value=(field.annotation or str, field))
    table[path[-1]] = lax.model_validate({"value": text.split(",") if listed else text}).value  # type: ignore[attr-defined]  # declared in the line above


# --------------------------------------------------------------------------- sentences

_KINDS = {
    "bool": "true or false",
    "float": "a number",
    "int": "a whole number",
    "string": "text in quotes",
    "path": "a path in quotes",
    "tuple": "a list",
    "model": "a table",
}
_TOML_KINDS = {
    bool: "a true or false",
    dict: "a table",
    float: "a fraction",
    int: "a whole number",
    list: "a list",
    str: "text",
}


def _sentence(detail: ErrorDetails) -> str:
    key = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        return _unknown(key)
    if detail["type"] == "missing":
        return f"{key} is missing: {_description(key)}"
    return f"{key}: {_reason(detail)}"


def _reason(detail: ErrorDetails) -> str:
    """What is wrong with a value, without repeating the value: it may be a secret out of place."""
    fault, _, tail = detail["type"].partition("_")
    if tail in {"type", "parsing", "from_float"} and fault in _KINDS:
        given = _TOML_KINDS.get(type(detail["input"]), "a date or time")
        return f"{_KINDS[fault]} is needed, not {given}"
    return detail["msg"].replace("Input should", "it should")


def _unknown(key: str) -> str:
    section, _, name = key.rpartition(".")
    known = dotted_keys()
    siblings = {k.rpartition(".")[2]: k for k in known if k.rpartition(".")[0] == section}
    tables = {k.partition(".")[0]: f"[{k.partition('.')[0]}]" for k in known}
    elsewhere = [k for k in known if k.rpartition(".")[2] == name]
    close = [siblings[k] for k in close_to(name, siblings)] if section else elsewhere
    close += elsewhere
    close += [tables[k] for k in close_to(key, tables)] + close_to(key, known)
    return f"{key} is not a setting{hint(close)}"


def _description(key: str) -> str:
    model: type[Section] = Settings
    *tables, name = key.split(".")
    for table in tables:
        model = section_behind(model.model_fields[table].annotation) or model
    return model.model_fields[name].description or ""
