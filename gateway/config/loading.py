"""From a file and the environment to settings, or to sentences about what is wrong with them.

pydantic-settings turns variables into tables and lays them over the file's. What it does not do is
here: it takes a missing file for an empty one, passes by variables that are no setting, reads
`true` as 1 where a number belongs, and its messages name neither the variable nor a likely key.
"""

from __future__ import annotations

import os
import tomllib
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from gateway.config.models import (
    ENV_DELIMITER,
    ENV_PREFIX,
    Settings,
    close_to,
    dotted_keys,
    environment,
    field_behind,
    hint,
)
from gateway.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pydantic_core import ErrorDetails

COMMAND_LINE = frozenset({"LOCK_GATEWAY_CONFIG", "LOCK_GATEWAY_SIM", "LOCK_GATEWAY_SOCKET"})
"""Variables that are read by the command line and are no settings."""


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
    tables: dict[str, Any] = {"gateway": {}, **data}
    variables = {
        variable.removeprefix(ENV_PREFIX).lower().replace(ENV_DELIMITER, "."): variable
        for variable in sorted(environ)
        if variable.startswith(ENV_PREFIX) and variable not in COMMAND_LINE
    }
    faults: list[str] = []
    laid_over: dict[str, str] = {}
    for key, variable in variables.items():
        fault = _fault_of(key, environ[variable])
        if fault is not None:
            faults.append(f"{variable}: {fault}")
        elif _has_place(tables, key):
            laid_over[variable] = environ[variable]
    token = environment.set(laid_over)
    try:
        settings = Settings(**tables)
    except ValidationError as error:
        faults += [_sentence(detail, variables) for detail in error.errors(include_url=False)]
    finally:
        environment.reset(token)
    if faults:
        raise ConfigError(
            "\n".join([f"could not use {source}:", *(f"  {line}" for line in faults)])
        )
    return settings


def _fault_of(key: str, text: str) -> str | None:
    """What the library would not say of a variable."""
    if key not in dotted_keys():
        return _unknown(key)
    kind = getattr(field_behind(key).annotation, "__name__", "")
    if kind in {"int", "float"} and text.strip().lower() in {"true", "false"}:
        return f"{_KINDS[kind]} is needed, not a true or false"
    return None


def _has_place(tables: Mapping[str, Any], key: str) -> bool:
    """False if the file has a value where the key's table belongs, which then is to be told."""
    table: Any = tables
    for name in key.split(".")[:-1]:
        table = table.get(name, {})
        if not isinstance(table, dict):
            return False
    return True


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


def _sentence(detail: ErrorDetails, variables: Mapping[str, str]) -> str:
    key = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        return _unknown(key)
    if detail["type"] == "missing":
        return f"{key} is missing: {field_behind(key).description}"
    # An item of a list is told by the name of the list's variable.
    said = variables.get(key) or variables.get(key.rpartition(".")[0]) or key
    return f"{said}: {_reason(detail)}"


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
