"""Bytes from the broker to models, or a refusal that says which field and never which value.

Here: size, form, depth, schema number, critical names, compressed chunks. Not here: whether a
message may be applied now (`accept`).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import zlib
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from gateway.domain.ids import is_id
from gateway.errors import MessageError
from gateway.sync.connection import MAX_PAYLOAD
from gateway.sync.messages import (
    MAX_ITEMS,
    SCHEMA_RANGE,
    Ack,
    Command,
    Credential,
    Delta,
    Desired,
    Order,
    Snapshot,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_INFLATED: Final = 1024 * 1024
"""Bytes of one decompressed chunk: bounds memory, and how long parsing holds up the loop."""

_TAGS = frozenset({"snapshot", "delta", "always", "timed", "recurring"})
_FIELD = re.compile(r"[a-z_]{1,40}")

_SAFE = frozenset(
    {"value_error", "missing", "extra_forbidden", "literal_error", "string_pattern_mismatch"}
    | {"greater_than_equal", "less_than_equal", "too_long", "too_short", "string_too_long"}
    | {"string_type", "int_type", "bool_type", "list_type", "dict_type", "string_too_short"}
)
"""Kinds of error whose text names what is expected and never what was found."""

M = TypeVar("M", bound=BaseModel)


class MessageRefused(MessageError):
    """`path`: the field at fault. `credential_id`: whose entry it is, when that can be told."""

    def __init__(
        self, message: str, code: str, *, path: str = "", credential_id: str | None = None
    ) -> None:
        super().__init__(message, code)
        self.path = path
        self.credential_id = credential_id


class Form(Generic[M]):
    """How one topic's payload is read."""

    def __init__(self, adapter: TypeAdapter[M], *models: type[BaseModel]) -> None:
        self._adapter = adapter
        self._names = frozenset(name for model in models for name in _names(model))

    def read(self, payload: bytes) -> tuple[M, int]:
        """The message, and how many unknown fields it carried. MessageRefused."""
        _check_form(payload)
        try:
            message = self._adapter.validate_json(payload)
        except ValidationError as error:
            raise _refusal(error, payload) from None  # the original would hold the input
        if isinstance(message, Order):
            unknown = [name for name in message.crit if name not in self._names]
            if unknown:
                raise MessageRefused(
                    f"{len(unknown)} of the fields listed as critical are not known here",
                    "crit_unsupported",
                    path="crit",
                )
        return message, unknown_fields(message)


def _names(model: type[BaseModel]) -> Iterator[str]:
    """Every field name that a model or the models inside it understand, as on the wire."""
    schema = model.model_json_schema(by_alias=True)
    for part in (schema, *schema.get("$defs", {}).values()):
        yield from part.get("properties", {})


@cache
def forms() -> dict[str, Form[Any]]:
    """By the last level of the topic. Built on first use: the schemas cost some milliseconds."""
    desired: TypeAdapter[Snapshot | Delta] = TypeAdapter(Desired)
    return {
        "desired": Form(desired, Snapshot, Delta),
        "commands": Form(TypeAdapter(Command), Command),
        "ack": Form(TypeAdapter(Ack), Ack),
    }


_CREDENTIALS: TypeAdapter[tuple[Credential, ...]] = TypeAdapter(tuple[Credential, ...])


def inflate(chunk: Snapshot) -> tuple[tuple[Credential, ...], int]:
    """The credentials of a snapshot's chunk, packed or not, and the unknown fields in the pack."""
    if chunk.credentials_z is None:
        return chunk.credentials, 0
    try:
        packed = base64.b64decode(chunk.credentials_z, validate=True)
        unpacker = zlib.decompressobj()
        raw = unpacker.decompress(packed, MAX_INFLATED)
        whole = unpacker.eof
    except (binascii.Error, zlib.error):
        raise MessageRefused(
            "could not unpack the credentials: not base64 of zlib",
            "invalid_field",
            path="credentials_z",
        ) from None
    if not whole and len(raw) < MAX_INFLATED:
        raise MessageRefused(
            "could not unpack the credentials: cut off", "invalid_field", path="credentials_z"
        )
    if not whole:
        raise MessageRefused(
            f"could not unpack the credentials: more than {MAX_INFLATED} bytes",
            "too_large",
            path="credentials_z",
        )
    try:
        credentials = _CREDENTIALS.validate_json(raw)
    except ValidationError as error:
        raise _refusal(error, raw, "credentials_z") from None
    if len(credentials) > MAX_ITEMS:
        raise MessageRefused(
            f"more than {MAX_ITEMS} credentials in one chunk", "too_large", path="credentials_z"
        )
    return credentials, sum(map(unknown_fields, credentials))


def read_args(model: type[M], args: dict[str, Any]) -> M:
    """A command's arguments as their model. MessageRefused."""
    try:
        return model.model_validate_json(json.dumps(args))
    except ValidationError as error:
        raise _refusal(error, b"", "args") from None


def unknown_fields(message: object) -> int:
    """How many fields, at any depth, no model knows."""
    if isinstance(message, BaseModel):
        own = len(message.model_extra or ())
        return own + sum(unknown_fields(getattr(message, n)) for n in type(message).model_fields)
    if isinstance(message, tuple):
        return sum(map(unknown_fields, message))
    return 0


def _check_form(payload: bytes) -> None:
    if len(payload) > MAX_PAYLOAD:
        raise MessageRefused(
            f"the payload has {len(payload)} bytes; {MAX_PAYLOAD} are allowed", "too_large"
        )
    if payload.startswith(b"eyJ"):
        raise MessageRefused("signed messages are not supported yet", "signature_unsupported")
    if not payload.startswith(b"{"):
        raise MessageRefused("the payload is not a JSON object", "malformed")


def _refusal(error: ValidationError, payload: bytes, prefix: str = "") -> MessageRefused:
    """The first thing wrong, in our words. Values and unknown names never get into it."""
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    for problem in problems:
        if problem["loc"][-1:] == ("schema",) and len(problem["loc"]) <= 2:
            low, high = SCHEMA_RANGE
            return MessageRefused(
                f"the message's schema is not one of {low} to {high}",
                "schema_unsupported",
                path="schema",
            )
    first = problems[0]
    if first["type"] == "json_invalid":
        return MessageRefused("the payload is not JSON", "malformed", path=prefix)
    loc = tuple(part for part in first["loc"] if part not in _TAGS)
    path = ".".join([prefix] * bool(prefix) + [_segment(part) for part in loc])
    return MessageRefused(
        f"could not accept {path or 'the message'}: {_reason(first)}",
        "invalid_field",
        path=path,
        credential_id=_credential_at(loc, payload),
    )


def _segment(part: int | str) -> str:
    """Names that we did not choose might be anything, even digits."""
    return str(part) if isinstance(part, int) or _FIELD.fullmatch(part) else "?"


def _reason(problem: Any) -> str:
    if problem["type"] in _SAFE:
        return str(problem["msg"]).removeprefix("Value error, ")
    return str(problem["type"]).replace("_", " ")


def _credential_at(loc: tuple[int | str, ...], payload: bytes) -> str | None:
    """The id beside a fault inside a list of credentials."""
    try:
        value = json.loads(payload)
        for part in loc:
            value = value[part]
            if isinstance(part, int):
                found = value["credential_id"]
                return found if isinstance(found, str) and is_id(found) else None
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        pass
    return None
