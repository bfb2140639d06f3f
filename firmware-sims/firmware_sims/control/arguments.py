"""Whether an operation's arguments fit it, and the error that says what would do."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class OperationError(Exception):
    """The operation cannot be done as asked; the text says what would do."""


_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (float, int),
    "bool": (bool,),
    "None": (type(None),),
}


def check_arguments(op: str, operation: Callable[..., Any], arguments: dict[str, Any]) -> None:
    """Refuse what the operation does not take; a value may be digits and is never repeated."""
    signature = inspect.signature(operation)
    try:
        signature.bind(**arguments)
    except TypeError as cause:
        raise OperationError(f"{op}: {cause}; it takes {_parameters(operation)}") from None
    for name, value in arguments.items():
        parameter = signature.parameters.get(name)
        words = [] if parameter is None else str(parameter.annotation).split(" | ")
        allowed = [kind for word in words for kind in _TYPES.get(word, ())]
        if allowed and type(value) not in allowed:
            raise OperationError(f"{op}: {name} must be {' or '.join(words)}")


def _parameters(operation: Callable[..., Any]) -> str:
    return ", ".join(
        name if value.default is inspect.Parameter.empty else f"{name}={value.default}"
        for name, value in inspect.signature(operation).parameters.items()
    )
