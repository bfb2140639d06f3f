"""`lock-gateway clock …`: the gateway's time, and how a technician tells it.

Not here: how it looks (`clockface`), and whom the gateway believes. No message repeats a token.
"""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from gateway.cli.exits import Exit, Failure
from gateway.cli.options import Json, Socket, connect, reporting

LONGEST = 8192
"""Characters read from stdin; a token has a few hundred."""


class _Commands(TyperGroup):
    # Any: what these are named in typer differs between its releases.
    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Who forgets `set` has typed a token, and the library would repeat it."""
        if args[0] not in self.commands:
            ctx.fail("there is no such command; did you mean `clock set TOKEN`?")
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=_Commands,
    invoke_without_command=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def clock(context: typer.Context, socket: Socket = None, json: Json = False) -> None:
    """What time it is here, who says so, what that means for the doors, and what to do."""
    context.obj = (socket, json)
    if context.invoked_subcommand is not None:
        return
    with reporting(json):
        document = connect(socket).get("clock")
        from gateway.cli import clockface, output

        output.show(document, json, clockface.clock)


@app.command()
def challenge(context: typer.Context, socket: Socket = None, json: Json = False) -> None:
    """Print a nonce for a technician's token; how to sign goes to stderr."""
    socket, json = _given(context, socket, json)
    with reporting(json):
        document = connect(socket).post("clock", "challenge", body={})
        from gateway.cli import clockface, output

        if json:
            output.show(document, json, clockface.clock)
            return
        print(output.printable(document["challenge"]))
        sys.stdout.flush()
        output.console(stderr=True).print(clockface.challenge(output.printable(document)))


@app.command("set")
def set_(
    context: typer.Context,
    token: Annotated[
        list[str],
        typer.Argument(metavar="TOKEN", help="The signed token; - reads it from stdin."),
    ],
    socket: Socket = None,
    json: Json = False,
) -> None:
    """Hand in the token that answers the challenge."""
    socket, json = _given(context, socket, json)
    with reporting(json):
        document = connect(socket).post("clock", "token", body={"token": _token(token)})
        from gateway.cli import clockface, output

        output.show(document, json, clockface.told)


def _given(context: typer.Context, socket: Socket, json: bool) -> tuple[Socket, bool]:
    """Options may stand before the command as well."""
    of_group: tuple[Socket, bool] = context.obj
    return socket or of_group[0], json or of_group[1]


def _token(words: list[str]) -> str:
    """In one piece again: mails and terminals wrap it, and no blank belongs to it."""
    if words == ["-"]:
        if sys.stdin.isatty():
            print("The token, then Enter:", file=sys.stderr)
            words = [sys.stdin.readline(LONGEST)]
        else:
            words = [sys.stdin.read(LONGEST)]
    token = "".join("".join(words).split())
    if not token:
        raise Failure("could not tell the time: no token came", Exit.USAGE)
    return token
