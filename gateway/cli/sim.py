"""`lock-gateway sim …`: someone at a simulated door, through the simulators' control socket.

JSON lines, one request and one answer: `{"id": 1, "op": "type_code", "device": "front", …}` and
`{"id": 1, "ok": true, "result": …}` or `{"id": 1, "ok": false, "error": "…"}`. The protocol is
spoken here anew, because the gateway imports no simulator.
"""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.exits import Exit, Failure
from gateway.cli.options import reporting

if TYPE_CHECKING:
    from collections.abc import Callable

SIM_ENV = "LOCK_GATEWAY_SIM"
_TIMEOUT_S = 120.0

app = typer.Typer(
    help="Simulated locks: act at the door, arm faults, read what a lock really holds.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Sim = Annotated[
    str,
    typer.Option(
        "--sim",
        envvar=SIM_ENV,
        show_envvar=True,
        help="The simulators' control socket: a path, or host:port.",
    ),
]
Lock = Annotated[str, typer.Argument(help="The simulated lock's name.")]


def ask(address: str, op: str, **arguments: Any) -> Any:
    """One operation's result; `Failure` when it is refused or nobody answers."""
    try:
        with _connect(address) as connection, connection.makefile("rwb") as stream:
            stream.write(json.dumps({"id": 1, "op": op, **arguments}).encode() + b"\n")
            stream.flush()
            while line := stream.readline():
                answer = json.loads(line)
                if answer.get("id") == 1:
                    break
            else:
                raise Failure(f"could not {op}: the simulator hung up", Exit.NO_DAEMON)
    except TimeoutError as error:
        raise Failure(f"could not {op}: the simulator gave no answer", Exit.TRY_AGAIN) from error
    except (OSError, ValueError) as error:
        raise Failure(
            f"could not reach the simulator at {address}: {error}",
            Exit.NO_DAEMON,
            next_step="Start `python -m firmware_sims zigbee`, or give its socket with --sim.",
        ) from error
    if not answer.get("ok"):
        raise Failure(f"could not {op}: {answer.get('error', 'refused')}", Exit.FAILED)
    return answer.get("result")


def _connect(address: str) -> socket.socket:
    host, colon, port = address.rpartition(":")
    if colon and port.isdigit() and "/" not in host:
        return socket.create_connection((host, int(port)), timeout=_TIMEOUT_S)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(_TIMEOUT_S)
    try:
        connection.connect(str(Path(address)))
    except OSError:
        connection.close()
        raise
    return connection


def _tell(result: Any) -> None:
    print(json.dumps(result, indent=2, ensure_ascii=False) if result is not None else "done")


def _plain(op: str, help_text: str) -> Callable[[str, str], None]:
    def command(device: Lock, sim: Sim) -> None:
        with reporting():
            _tell(ask(sim, op, device=device))

    command.__doc__ = help_text
    return command


for _name, _op, _help in (
    ("jam", "jam", "The bolt meets something and stays half way."),
    ("unjam", "unjam", "Free the bolt."),
    ("out-of-range", "out_of_range", "Carry the lock out of the radio's range."),
    ("in-range", "in_range", "Bring it back."),
    ("join", "join", "Put the lock into joining mode."),
    ("state", "state", "What the lock really holds, digits included."),
):
    app.command(_name)(_plain(_op, _help))


@app.command("type-code")
def type_code(
    device: Lock, code: Annotated[str, typer.Argument(help="The digits typed.")], sim: Sim
) -> None:
    """Type digits at the keypad."""
    with reporting():
        result = ask(sim, "type_code", device=device, code=code)
        _tell(result)
        if isinstance(result, dict) and result.get("opened") is False:
            raise typer.Exit(Exit.FAILED)


@app.command("thumb-turn")
def thumb_turn(
    device: Lock,
    sim: Sim,
    to: Annotated[str, typer.Option(help="locked or unlocked")] = "unlocked",
) -> None:
    """Turn the thumb-turn from the inside."""
    with reporting():
        _tell(ask(sim, "thumb_turn", device=device, to=to))


@app.command()
def arm(
    device: Lock,
    fault: Annotated[str, typer.Argument(help="A fault's name, as `faults` lists them.")],
    sim: Sim,
    on: Annotated[str | None, typer.Option(help="Only for this command of the protocol.")] = None,
    slot: Annotated[int | None, typer.Option(help="Only for this slot.")] = None,
    count: Annotated[int | None, typer.Option(help="How many times.")] = None,
    seconds: Annotated[float | None, typer.Option(help="How long, where it has a length.")] = None,
) -> None:
    """Arm a fault by name."""
    with reporting():
        given = {"on": on, "slot": slot, "count": count, "seconds": seconds}
        chosen = {key: value for key, value in given.items() if value is not None}
        _tell(ask(sim, "arm", device=device, fault=fault, **chosen))


@app.command()
def release(
    device: Lock,
    sim: Sim,
    drop: Annotated[bool, typer.Option("--drop", help="Throw them away instead.")] = False,
) -> None:
    """Send the answers the lock has kept back."""
    with reporting():
        _tell(ask(sim, "release", device=device, drop=drop))


@app.command()
def wait(
    sim: Sim,
    device: Annotated[str | None, typer.Option(help="Of this lock.")] = None,
    kind: Annotated[str | None, typer.Option(help="Of this kind.")] = None,
    fault: Annotated[str | None, typer.Option(help="This fault striking.")] = None,
    after: Annotated[int, typer.Option(help="After this journal entry.")] = 0,
    timeout_s: Annotated[float, typer.Option("--timeout", help="Seconds.")] = 30.0,
) -> None:
    """Wait for something to happen at the locks."""
    with reporting():
        given: dict[str, Any] = {"device": device, "kind": kind, "fault": fault}
        chosen = {key: value for key, value in given.items() if value is not None}
        _tell(ask(sim, "wait", after=after, timeout_s=timeout_s, **chosen))


@app.command()
def call(
    operation: Annotated[str, typer.Argument(help="Any operation of the control socket.")],
    sim: Sim,
    arguments: Annotated[
        list[str] | None, typer.Argument(help="key=value; values as JSON, else as text.")
    ] = None,
) -> None:
    """Any operation, with its arguments as key=value (a code: code='\"0042\"')."""
    with reporting():
        given: dict[str, Any] = {}
        for item in arguments or []:
            key, equals, value = item.partition("=")
            if not equals:
                raise Failure("could not read an argument: it must be key=value", Exit.USAGE)
            given[key] = _value(key, value)
        _tell(ask(sim, operation, **given))


def _value(key: str, text: str) -> Any:
    """Digits stay text under the keys that hold them: a code has leading zeros."""
    if key == "code":
        return text.strip('"')
    try:
        return json.loads(text)
    except ValueError:
        return text
