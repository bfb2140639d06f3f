"""Commands at a door: unlock, lock, unlatch, join, probe, remove; and how a result is told.

Not here: commands about records and codes (`manage`), commands that only look (`main`).
"""

from __future__ import annotations

import re
import secrets  # noqa: TID251 - a process of its own, which nobody repeats
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.exits import Exit, Failure
from gateway.cli.options import Device, Json, Socket, connect, reporting
from gateway.cli.output import print_stream
from gateway.cli.probe import probe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.cli.client import Client, Document

Reason = Annotated[str, typer.Option("--reason", help="Why; it is written to the audit.")]
CommandId = Annotated[
    str | None,
    typer.Option("--id", help="The command's id: the same id never acts twice.", hidden=True),
]

WAIT_S = 100.0
"""The device may be busy with something else first; what is momentary expires long before."""

_REFUSALS = {
    "unreachable": ("the lock did not hear it", "Check its batteries and the distance."),
    "radio_unavailable": ("the radio is down", "See `lock-gateway status`."),
    "unknown_device": ("there is no such device", "See `lock-gateway devices`."),
    "expired": ("it waited longer than it may", "Give the command again."),
    "unsupported": ("the device cannot do that", ""),
    "not_authorised": ("the lock does not let the gateway do that", ""),
    "codes_on_lock": (
        "codes of ours are still on it",
        "Revoke them first, or use --force: then they stay on the lock and keep opening it.",
    ),
    "not_released": (
        "it did not give us up",
        "Wake it up and come nearer; with --force it goes, keeps our keys and has to be reset.",
    ),
    "jammed": ("the bolt is jammed", "Free it at the door."),
    "unknown_credential": ("nothing of it is left to revoke", "See `lock-gateway codes --all`."),
    "invalid_name": ("a name has 1 to 64 letters", ""),
    "invalid_value": ("the device does not take that", "See `lock-gateway settings DEVICE`."),
    "nothing_learned": (
        "nobody came in time, or the lock could not read it",
        "Give the command again while standing at the door.",
    ),
    "hours_not_set": (
        "the lock did not take its hours, and it was taken off again",
        "Give the command again, or enrol it without hours.",
    ),
    "unknown_medium": ("it is not on the lock any more", ""),
    "unknown_key": ("the lock does not know it any more", "See `lock-gateway phones DEVICE`."),
    "empty_slot": ("no code is in that slot", "See `lock-gateway device DEVICE`."),
    "number_forgotten": (
        "its number is kept only while somebody waits, and nobody did",
        "Give the command again.",
    ),
    "still_joined": (
        "it is still in its network",
        "Run `lock-gateway leave` and press its button, then remove it; with --force it goes from "
        "here only.",
    ),
    "full": ("the lock's memory is full", "Delete what nobody needs."),
    "busy": ("the device is busy, or its batteries are empty", "Try again in a moment."),
    "store_full": ("nothing can be written down: the disk is full", "Make room first."),
}


_TOLD = frozenset({"still_joined", "unsupported", "invalid_value", "hours_not_set"})
"""Whose detail says more than the words here."""


def add_to(app: typer.Typer) -> None:
    app.command()(unlock)
    app.command()(lock)
    app.command()(unlatch)
    app.command()(join)
    app.command()(leave)
    app.command()(probe)
    app.command()(remove)


def unlock(
    device: Device,
    reason: Reason,
    socket: Socket = None,
    json: Json = False,
    command_id: CommandId = None,
) -> None:
    """Unlock a door now, once. Never repeated by itself; audited with the reason."""
    _momentary("unlock", device, reason, socket, json, command_id)


def lock(
    device: Device,
    reason: Reason,
    socket: Socket = None,
    json: Json = False,
    command_id: CommandId = None,
) -> None:
    """Lock a door now, once."""
    _momentary("lock", device, reason, socket, json, command_id)


def unlatch(
    device: Device,
    reason: Reason,
    socket: Socket = None,
    json: Json = False,
    command_id: CommandId = None,
) -> None:
    """Unlock and pull the latch now, once: the door springs open, where the lock can do that."""
    _momentary("unlatch", device, reason, socket, json, command_id)


def _momentary(
    kind: str, device: str, reason: str, socket: Any, as_json: bool, command_id: str | None
) -> None:
    with reporting(as_json):
        document = order(connect(socket), kind, reason, command_id, device=device)
        name = document["device_name"]
        answer(document, f"{kind} {name}", f"{name}: {kind}ed", as_json)


def order(
    client: Client, kind: str, reason: str, command_id: str | None = None, **more: Any
) -> Document:
    """Give a command and wait for its end; `more` says what it is about."""
    body = {
        "command_id": command_id or new_id(),
        "kind": kind,
        "reason": reason,
        "wait_s": WAIT_S,
        **more,
    }
    return client.post("commands", body=body, timeout_s=WAIT_S + 10)


def new_id() -> str:
    return f"cli_{secrets.token_hex(8)}"


def answer(document: Document, what: str, done: str, as_json: bool) -> None:
    """Show a command's result; `Failure` unless it is confirmed."""
    from gateway.cli.output import printable

    if as_json:
        import json

        print(json.dumps(document, ensure_ascii=False))
    result = document["result"]
    if result is None:
        raise Failure(
            f"could not see the end of it: {what} is {document['state']}",
            Exit.TRY_AGAIN,
            "unfinished",
            f"It goes on as command {document['command_id']}; see `lock-gateway events`.",
        )
    match result.get("outcome"):
        case "confirmed":
            if not as_json and done:
                print(printable(done))
        case "unconfirmed":
            raise Failure(
                f"could not confirm: {what} may or may not have happened: "
                f"{result.get('detail', 'the answer is missing')}",
                Exit.TRY_AGAIN,
                "unconfirmed",
                "Look at the door before you give it again.",
            )
        case _:
            code = str(result.get("reason", "refused"))
            text, step = _REFUSALS.get(code, (code.replace("_", " "), ""))
            if code in _TOLD and result.get("detail"):
                text = f"{text} ({result['detail']})"
            raise Failure(f"could not {what}: {text}", Exit.FAILED, code, step)


def remove(
    device: Device,
    socket: Socket = None,
    json: Json = False,
    reason: Reason = "removed on the command line",
    force: Annotated[
        bool, typer.Option("--force", help="Also with codes of ours on it, or without its word.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove a device from the gateway and from its radio's network."""
    with reporting(json):
        client = connect(socket)
        found = client.get("devices", device)["device"]
        name, device_id = found["name"], found["device_id"]
        if not yes:
            ask(f"Remove {name} ({device_id}) from this gateway?", f"remove {name}")
        document = client.delete(
            "devices",
            device_id,
            body={
                "command_id": new_id(),
                "force": force,
                "reason": reason,
                "wait_s": WAIT_S,
            },
            timeout_s=WAIT_S + 10,
        )
        answer(document, f"remove {name}", f"{name}: removed", json)


def ask(question: str, what: str) -> None:
    """Go on only if somebody says so; `Failure` otherwise."""
    from gateway.cli.output import printable

    if not sys.stdin.isatty():
        raise Failure(f"could not {what}: nobody to ask", Exit.USAGE, next_step="Use --yes.")
    if not typer.confirm(printable(question), err=True):
        raise Failure(f"did not {what}", Exit.FAILED, "declined")


def join(
    socket: Socket = None,
    json: Json = False,
    install_code: Annotated[
        str | None,
        typer.Option(
            "--install-code",
            help="The device's install code, as printed on it (hex); `-` reads it from stdin.",
        ),
    ] = None,
    eui64: Annotated[
        str | None, typer.Option("--eui64", help="Its address: 16 hex digits, colons allowed.")
    ] = None,
    radio: Annotated[
        str | None, typer.Option("--radio", help="Which network: zigbee or zwave.")
    ] = None,
    pin: Annotated[
        str | None,
        typer.Option(
            "--pin", help="Z-Wave: the first five digits of the DSK on its label; `-`: stdin."
        ),
    ] = None,
    qr: Annotated[
        str | None,
        typer.Option("--qr", help="Z-Wave: the text of its QR code, 90…; `-`: stdin."),
    ] = None,
    replace: Annotated[
        str | None,
        typer.Option("--replace", help="Z-Wave: the device that has failed, whose place it takes."),
    ] = None,
    allow_well_known_key: Annotated[
        bool,
        typer.Option(
            "--allow-well-known-key",
            help="Admit a device without an install code; anybody near can listen to its keys.",
        ),
    ] = False,
    name: Annotated[str | None, typer.Option("--name", help="What to call it.")] = None,
    seconds: Annotated[
        int, typer.Option("--seconds", min=10, max=180, help="How long to wait for it.")
    ] = 180,
) -> None:
    """Admit one device. Ctrl-C closes the network again."""
    with reporting(json):
        body = {
            "install_code": _hex(install_code, "install code"),
            "eui64": _hex(eui64, "EUI-64"),
            "allow_well_known_key": allow_well_known_key,
            "name": name,
            "seconds": seconds,
        }
        proofs = {"radio": radio, "pin": _typed(pin), "qr": _typed(qr), "replaces": replace}
        body |= {key: value for key, value in proofs.items() if value is not None}
        if not allow_well_known_key and install_code is None and pin is None and qr is None:
            raise Failure(
                "could not open the network: no install code given",
                Exit.USAGE,
                next_step="Give --install-code and --eui64 (of Z-Wave: --pin or --qr) from the "
                "device's label, or choose --allow-well-known-key.",
            )
        progress = connect(socket).stream("POST", "join", body=body)
        try:
            last = print_stream(progress) if json else _watch(progress, seconds)
        except KeyboardInterrupt:
            raise Failure(
                "interrupted: the network is closed", Exit.FAILED, "interrupted"
            ) from None
        device_id = _conclude(last)
        if not json:
            print(device_id)


def leave(
    socket: Socket = None,
    json: Json = False,
    seconds: Annotated[
        int, typer.Option("--seconds", min=10, max=180, help="How long to wait for it.")
    ] = 60,
) -> None:
    """Let one Z-Wave device out of whatever network it is in: press its button meanwhile."""
    opened = "network open: press the device's button as its manual says of exclusion"
    with reporting(json):
        progress = connect(socket).stream("POST", "leave", body={"seconds": seconds})
        try:
            last = print_stream(progress) if json else _watch(progress, seconds, opened)
        except KeyboardInterrupt:
            raise Failure(
                "interrupted: nobody is let out any more", Exit.FAILED, "interrupted"
            ) from None
        if last is None or last["stage"] != "left":
            raise Failure(
                "could not find a device in time: nobody has left",
                Exit.TRY_AGAIN,
                "nobody_left",
                "Bring it near, and press its button as its manual says of exclusion.",
            )


def _typed(text: str | None) -> str | None:
    """Arguments are visible to every process of the machine: `-` reads a line of stdin."""
    return sys.stdin.readline().strip() if text == "-" else text


def _hex(text: str | None, what: str) -> str | None:
    """Hex digits without the separators people copy along; never repeats the text."""
    if text is None:
        return None
    if text == "-":  # arguments are visible to every process of the machine
        text = sys.stdin.readline()
    bare = re.sub(r"[\s:-]", "", text)
    if not re.fullmatch(r"(?:[0-9A-Fa-f]{2})+", bare):
        raise Failure(f"could not read the {what}: it is not hexadecimal", Exit.USAGE)
    return bare.lower()


def _watch(
    progress: Iterator[Document],
    seconds: int,
    opened: str = "network open: put the device into joining mode",
) -> Document | None:
    """A bar that runs down with the time left, and a line for each stage."""
    from rich.progress import BarColumn, Progress, TextColumn

    from gateway.cli.output import console, printable

    words = {
        "open": opened,
        "found": "found",
        "interviewing": "asking what it can do",
        "ready": "ready",
        "left": "has left the network",
        "closed": "network closed",
        "failed": "failed",
    }
    last: Document | None = None
    out = console(stderr=True)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[left]}"),
        console=out,
        transient=True,
    ) as bar:
        task = bar.add_task(words["open"], total=seconds, completed=seconds, left=f"{seconds} s")
        for item in map(printable, progress):
            left = max(0, round(item["remaining_s"]))
            text = words.get(item["stage"], item["stage"])
            if last is None or last["stage"] != item["stage"]:
                who = f" {item['address']}" if item["address"] else ""
                detail = f"  {item['detail']}" if item["detail"] else ""
                out.print(f"{text}{who}{detail}")
            bar.update(task, description=text, completed=left, left=f"{left} s left")
            last = item
    return last


def _conclude(last: Document | None) -> str:
    """The new device's id."""
    stage = last["stage"] if last else "closed"
    detail = last["detail"] if last else ""
    if stage == "ready":
        return detail
    if stage == "failed":
        raise Failure(f"could not admit the device: {detail or 'it did not finish'}", Exit.FAILED)
    raise Failure(
        "could not find a device in time: the network is closed again",
        Exit.TRY_AGAIN,
        "nothing_joined",
        "Reset the device, bring it near, and try again.",
    )
