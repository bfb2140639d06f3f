"""`lock-gateway settings`, `phones`, `revoke-keys`: how a device is set, and whom it obeys.

Not here: the gateway's own configuration (`run`).
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.exits import Exit, Failure
from gateway.cli.hours import weekly, window
from gateway.cli.media import LOOK_S, Always, From, Hours, Until, Why, Yes, hours_text
from gateway.cli.operate import WAIT_S, CommandId, Reason, answer, ask, new_id, order
from gateway.cli.options import Device, Json, Socket, connect, reporting

if TYPE_CHECKING:
    from rich.console import RenderableType

    from gateway.cli.client import Document


def add_to(app: typer.Typer) -> None:
    app.command()(settings)
    app.command()(phones)
    app.command("revoke-keys")(revoke_keys)


def settings(
    device: Device,
    name: Annotated[
        str | None, typer.Argument(help="A setting; without it, all are listed.")
    ] = None,
    value: Annotated[
        str | None,
        typer.Argument(
            help="Its new value: on, off, seconds, or hours: 'mon-fri 08:00-18:00; sat "
            "10:00-12:00', never."
        ),
    ] = None,
    socket: Socket = None,
    json: Json = False,
    reason: Why = None,
    command_id: CommandId = None,
) -> None:
    """A device's own settings: read them, or change one."""
    with reporting(json):
        client = connect(socket)
        if name is None or value is None:
            if name is not None:
                raise Failure(f"could not set {name}: to which value?", Exit.USAGE)
            from gateway.cli import output

            output.show(client.ask("devices", device, "settings", timeout_s=LOOK_S), json, _table)
            return
        if reason is None:
            raise Failure(
                f"could not set {name}: it needs a reason", Exit.USAGE, next_step="Give --reason."
            )
        args = {"name": name, "value": value_of(value)}
        document = order(client, "write_setting", reason, command_id, device=device, args=args)
        reads = (document["result"] or {}).get("reads", value)
        where = document["device_name"]
        answer(document, f"set {name}", f"{where}: {name} is {reads}", json)


def value_of(text: str) -> bool | int | list[dict[str, Any]]:
    """As people write it: `on`, `30`, `mon-fri 08:00-18:00; sat 10:00-12:00`, `never`."""
    word = text.strip().lower()
    if word in {"on", "true", "yes"}:
        return True
    if word in {"off", "false", "no"}:
        return False
    if word.isascii() and word.isdigit() and len(word) < 10:
        return int(word)
    try:
        return [] if word == "never" else weekly(word)
    except Failure:
        raise Failure(
            f"could not read the value {text!r}",
            Exit.USAGE,
            next_step="Write on, off, a number of seconds, 'mon-fri 08:00-18:00', or never.",
        ) from None


def _table(document: Document) -> RenderableType:
    from rich.table import Table

    if not document["settings"]:
        return f"{document['device_name']} has no settings that can be read."
    table = Table(box=None, pad_edge=False)
    for title in ("setting", "value", "takes"):
        table.add_column(title)
    for item in document["settings"]:
        table.add_row(item["name"], _value_text(item), _range(item))
    return table


def _value_text(item: Document) -> str:
    value = item["value"]
    if value is None:
        return "not told"
    match item["kind"]:
        case "switch":
            return "on" if value else "off"
        case "seconds":
            return f"{value} s" if value else "off"
    spans = [f"{' '.join(each['weekdays'])} {each['from']}-{each['to']}" for each in value]
    return "; ".join(spans) or "never"


def _range(item: Document) -> str:
    match item["kind"]:
        case "switch":
            return "on, off"
        case "seconds" if item["low"] is not None and item["high"] is not None:
            bounds = f"{item['low']} to {item['high']} s"
            return f"{bounds}; 0 is off" if item["off"] else bounds
        case "seconds":
            return "seconds; 0 is off"
    return "hours of the week, never"


class KeyAction(Enum):
    LIST = "list"
    DISABLE = "disable"
    ENABLE = "enable"
    RENAME = "rename"
    SCHEDULE = "schedule"
    REMOVE = "remove"


_PAST = {
    KeyAction.DISABLE: "is switched off, and keeps its limits",
    KeyAction.ENABLE: "is switched on, with the limits it had",
    KeyAction.RENAME: "has its new name",
    KeyAction.SCHEDULE: "has its new hours",
    KeyAction.REMOVE: "is obeyed no more",
}


def phones(
    device: Device,
    action: Annotated[
        KeyAction, typer.Argument(help="What to do; without it, list them.")
    ] = KeyAction.LIST,
    key: Annotated[
        str | None, typer.Argument(help="Its name or id, for all but list.", show_default=False)
    ] = None,
    socket: Socket = None,
    json: Json = False,
    name: Annotated[str | None, typer.Option("--name", help="For rename: the new one.")] = None,
    opens: From = None,
    until: Until = None,
    hours: Hours = None,
    always: Always = False,
    reason: Why = None,
    yes: Yes = False,
    command_id: CommandId = None,
) -> None:
    """Phones, bridges and fobs that a lock obeys, where it keeps a list of them."""
    with reporting(json):
        _check(action, key, name, opens, until, hours, always)
        client = connect(socket)
        if key is None:
            from gateway.cli import output

            output.show(client.ask("devices", device, "keys", timeout_s=LOOK_S), json, _keys)
            return
        verb = action.value
        if action is KeyAction.REMOVE and not yes:
            ask(f"Remove the key {key} from {device}?", f"remove the key {key}")
        body: Document = {
            "key": key,
            "reason": reason or f"{verb}d on the command line",
            "command_id": command_id or new_id(),
            "wait_s": WAIT_S,
        }
        match action:
            case KeyAction.DISABLE | KeyAction.ENABLE:
                body["enabled"] = action is KeyAction.ENABLE
            case KeyAction.RENAME:
                body["new_name"] = name
            case KeyAction.SCHEDULE:
                body |= {"always": True} if always else window(client, opens, until, hours)
        place = ("devices", device, "keys", "remove" if action is KeyAction.REMOVE else "update")
        document = client.post(*place, body=body, timeout_s=LOOK_S + WAIT_S)
        who = document["args"].get("name") or document["args"]["key"]
        done = f"{document['device_name']}: {who} {_PAST[action]}"
        answer(document, f"{verb} the key {key}", done, json)


def _check(
    action: KeyAction,
    key: str | None,
    name: str | None,
    opens: str | None,
    until: str | None,
    hours: str | None,
    always: bool,
) -> None:
    """`Failure` where what was typed does not belong together."""
    limited = any(each is not None for each in (opens, until, hours))
    wrong = None
    if action is KeyAction.LIST and key is not None:
        wrong = "list takes no key"
    elif action is not KeyAction.LIST and key is None:
        wrong = "say which: its name or id"
    elif (action is KeyAction.RENAME) != (name is not None):
        wrong = "rename takes the new name, by --name"
    elif opens is not None and until is None:
        wrong = "--from needs --until"
    elif action is KeyAction.SCHEDULE and limited == always:
        wrong = "schedule takes --until, --hours, or --always"
    elif action is not KeyAction.SCHEDULE and (limited or always):
        wrong = "--from, --until, --hours and --always belong to schedule"
    if wrong is not None:
        raise Failure(f"could not {action.value} keys: {wrong}", Exit.USAGE)


def _keys(document: Document) -> RenderableType:
    from rich.table import Table

    from gateway.domain.windows import zone_info

    zone = zone_info(document["zone"])
    table = Table(box=None, pad_edge=False)
    for title in ("id", "name", "kind", "standing", "opens", "uses"):
        table.add_column(title)
    for item in document["keys"]:
        standing = "on" if item["enabled"] else "switched off"
        table.add_row(
            item["id"],
            item["name"],
            item["kind"],
            "this gateway" if item["ours"] else standing,
            hours_text(item["schedules"], zone),
            str(item["uses"]),
        )
    return table


def revoke_keys(
    device: Device,
    reason: Reason,
    socket: Socket = None,
    json: Json = False,
    yes: Yes = False,
    command_id: CommandId = None,
) -> None:
    """Declare void every key that phones carry for a lock. The gateway's own follows."""
    with reporting(json):
        client = connect(socket)
        if not yes:
            ask(f"Declare all keys on phones for {device} void?", "revoke keys")
        document = order(client, "revoke_keys", reason, command_id, device=device)
        where = document["device_name"]
        done = f"{where}: no phone opens it any more; codes, cards and fingers still do"
        answer(document, f"revoke keys of {where}", done, json)
