"""Writing to the terminal: documents as JSON or as tables, failures on stderr.

Colour is off when the stream is not a terminal or NO_COLOR is set (rich sees to both).
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console, RenderableType

    from gateway.cli.client import Document
    from gateway.cli.exits import Failure


def console(*, stderr: bool = False) -> Console:
    from rich.console import Console  # here, because `--json` needs none of it

    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, soft_wrap=False)


def show(document: Document, as_json: bool, render: Callable[[Document], RenderableType]) -> None:
    """One document: the API's own JSON on one line, or for people."""
    if as_json:
        print(json.dumps(document, ensure_ascii=False))
    else:
        console().print(render(printable(document)))


def printable(value: Any) -> Any:
    """A document whose texts cannot steer a terminal: names come from radios and the cloud."""
    match value:
        case str():
            return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in value)
        case list():
            return [printable(item) for item in value]
        case dict():
            return {key: printable(item) for key, item in value.items()}
        case _:
            return value


def fail(failure: Failure, as_json: bool) -> None:
    if as_json:
        body = {"code": failure.code, "message": str(failure), "next": failure.next_step}
        print(json.dumps({"error": body}, ensure_ascii=False), file=sys.stderr)
        return
    print(f"lock-gateway: {printable(str(failure))}", file=sys.stderr)
    if failure.next_step:
        print(f"  {printable(failure.next_step)}", file=sys.stderr)


def print_stream(progress: Iterator[Document]) -> Document | None:
    """Each document as a line of JSON, as it comes; returns the last."""
    last = None
    for last in progress:
        print(json.dumps(last, ensure_ascii=False), flush=True)
    return last
