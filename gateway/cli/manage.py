"""Commands about records and codes: revoke, resume, rename, refresh, switch-code.

Each enters the journal, none moves a bolt. Not here: commands at a door (`operate`), commands that
only look (`main`).
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.operate import WAIT_S, CommandId, Reason, answer, ask, new_id, order
from gateway.cli.options import Device, Json, Socket, connect, reporting

if TYPE_CHECKING:
    from gateway.cli.client import Client


def add_to(app: typer.Typer) -> None:
    app.command()(revoke)
    app.command()(resume)
    app.command()(rename)
    app.command()(refresh)
    app.command("switch-code")(switch_code)


def revoke(
    credential: Annotated[str, typer.Argument(help="A credential's id or name.")],
    reason: Reason,
    lock: Annotated[
        str | None, typer.Argument(help="Only at this lock; without it, everywhere.")
    ] = None,
    socket: Socket = None,
    json: Json = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    command_id: CommandId = None,
) -> None:
    """Take a code back, at once. It is gone for good, until the cloud sends it anew."""
    with reporting(json):
        client = connect(socket)
        credential_id, name, device_id, doors = _meant(client, credential, lock)
        if not yes:
            ask(f"Revoke {name} ({credential_id}) at {doors}?", f"revoke {name}")
        document = order(
            client, "revoke", reason, command_id, credential=credential_id, device=device_id
        )
        done = (
            f"{name}: revoked at {doors}. It opens until it is erased there: see "
            f"`lock-gateway codes --credential {credential_id}`."
        )
        answer(document, f"revoke {name}", done, json)


def _meant(client: Client, credential: str, lock: str | None) -> tuple[str, str, str | None, str]:
    """Credential's id and name, device's id if only one is meant, and the doors in words."""
    if lock is not None:
        one = client.get("why", credential, lock)
        name = one["credential_name"] or one["credential_id"]
        return one["credential_id"], name, one["device_id"], one["device_name"]
    codes = client.get("codes", credential=credential)["codes"]
    if not codes:
        return credential, credential, None, "every lock"
    first = codes[0]
    held = [code for code in codes if code["removed"] is None] or codes
    doors = ", ".join(code["device_name"] or code["device_id"] for code in held)
    return first["credential_id"], first["name"] or first["credential_id"], None, doors


def resume(
    lock: Device,
    reason: Reason,
    socket: Socket = None,
    json: Json = False,
    command_id: CommandId = None,
) -> None:
    """Put codes back on a lock where somebody cleared them, and keep them there again."""
    with reporting(json):
        document = order(connect(socket), "resume_repair", reason, command_id, device=lock)
        name = document["device_name"]
        back = (document["result"] or {}).get("grants", 0)
        answer(
            document, f"resume {name}", f"{name}: repair resumed, codes to put back: {back}", json
        )


def rename(
    lock: Device,
    name: Annotated[str, typer.Argument(help="Its new name, 1 to 64 letters.")],
    socket: Socket = None,
    json: Json = False,
    reason: Reason = "renamed on the command line",
) -> None:
    """Call a device something else. Its id stays."""
    with reporting(json):
        document = order(connect(socket), "rename", reason, device=lock, name=name)
        former = document["device_name"]
        answer(document, f"rename {former}", f"{former}: now called {name.strip()}", json)


def refresh(
    lock: Device,
    socket: Socket = None,
    json: Json = False,
    reason: Reason = "refreshed on the command line",
) -> None:
    """Read anew which slots of a lock are free and which hold codes of others."""
    with reporting(json):
        document = order(connect(socket), "refresh", reason, device=lock)
        name = document["device_name"]
        answer(document, f"refresh {name}", f"{name}: slots that are not ours are read anew", json)


class Switch(Enum):
    ON = "on"
    OFF = "off"


def switch_code(
    lock: Device,
    slot: Annotated[int, typer.Argument(help="Its slot, as `device` shows it.", min=1)],
    to: Annotated[Switch, typer.Argument(help="Off: it opens nothing. On: as it was before.")],
    reason: Reason,
    socket: Socket = None,
    json: Json = False,
    command_id: CommandId = None,
) -> None:
    """Switch a code of others off or on, on a lock that can; its limits stay as they are."""
    with reporting(json):
        body = {
            "slot": slot,
            "enabled": to is Switch.ON,
            "reason": reason,
            "command_id": command_id or new_id(),
            "wait_s": WAIT_S,
        }
        place = ("devices", lock, "codes", "switch")
        document = connect(socket).post(*place, body=body, timeout_s=WAIT_S + 10)
        what = f"switch the code in slot {slot} {to.value}"
        done = f"{document['device_name']}: the code in slot {slot} is {to.value}"
        answer(document, what, done, json)
