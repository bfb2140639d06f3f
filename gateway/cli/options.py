"""Options that many commands share, and the one frame in which a command's failures end.

Not here: any command (`main`, `operate`, `run`, `sim`).
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.exits import Exit, Failure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.cli.client import Client

DEFAULT_SOCKET = Path("/run/lock-gateway/api.sock")
SOCKET_ENV = "LOCK_GATEWAY_SOCKET"

Json = Annotated[
    bool, typer.Option("--json", help="Print the local API's document (docs/local-api.md).")
]
Socket = Annotated[
    Path | None,
    typer.Option(
        "--socket",
        envvar=SOCKET_ENV,
        show_envvar=True,
        help=f"The gateway's socket; else {DEFAULT_SOCKET}.",
        show_default=False,
    ),
]
Device = Annotated[str, typer.Argument(help="A device's id or name, or the start of one.")]


def connect(socket: Path | None) -> Client:
    """The client for `--socket`, the environment or the default, in this order."""
    from gateway.cli.client import Client  # here, because `--help` needs no HTTP

    return Client(socket or DEFAULT_SOCKET)


def secret_from(path: Path) -> str:
    """Never from an argument: those are visible to every process of the machine. `-` is stdin."""
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    except OSError as error:
        raise Failure(f"could not read {path}: {error.strerror}", Exit.USAGE) from error
    except UnicodeDecodeError as error:
        raise Failure(f"could not read {path}: it is not text", Exit.USAGE) from error
    if not text.strip():
        raise Failure(f"could not read {path}: it is empty", Exit.USAGE)
    return text.strip()


@contextlib.contextmanager
def reporting(as_json: bool = False) -> Iterator[None]:
    """Turn every way a command ends into its exit code, with the reason on stderr."""
    from gateway.cli.output import fail

    try:
        yield
    except Failure as failure:
        fail(failure, as_json)
        raise typer.Exit(failure.exit_code) from None
    except BrokenPipeError:
        # Whoever read our output has had enough; Python would complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        raise typer.Exit(Exit.OK) from None
