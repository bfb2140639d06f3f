"""`lock-gateway cards DEVICE …` and `fingers DEVICE …`: list, enrol, add, schedule, delete.

Not here: codes (the cloud orders those), and what a change proves (the daemon).
"""

from __future__ import annotations

from datetime import datetime, tzinfo
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.exits import Exit, Failure
from gateway.cli.hours import window
from gateway.cli.operate import WAIT_S, CommandId, answer, ask, new_id
from gateway.cli.options import Device, Json, Socket, connect, reporting, secret_from

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from gateway.cli.client import Client, Document

LOOK_S = 130.0
"""The daemon waits for the lock's turn, then for the lock."""
ADD_S = 250.0
"""As long as the daemon keeps a card's number for the lock's turn."""


class Action(Enum):
    LIST = "list"
    ENROL = "enrol"
    ADD = "add"
    SCHEDULE = "schedule"
    DELETE = "delete"


What = Annotated[Action, typer.Argument(help="What to do; without it, list them.")]
Which = Annotated[
    str | None,
    typer.Argument(
        help="For schedule and delete: a name, an id, or the last four digits.", show_default=False
    ),
]
Name = Annotated[str | None, typer.Option("--name", help="For enrol and add: whose it is.")]
NumberFile = Annotated[
    Path | None,
    typer.Option(
        "--number-file",
        help="For add: the card's number in decimal; `-` reads it from stdin.",
        allow_dash=True,
    ),
]
From = Annotated[
    str | None,
    typer.Option("--from", help="Opens from then, in the site's zone: 2026-12-24T15:00."),
]
Until = Annotated[
    str | None, typer.Option("--until", help="Opens until then; without it, at all times.")
]
Hours = Annotated[
    str | None,
    typer.Option("--hours", help="Opens then only: 'mon-fri 08:00-18:00; sat 10:00-12:00'."),
]
Always = Annotated[bool, typer.Option("--always", help="For schedule: at all times.")]
Reveal = Annotated[
    bool, typer.Option("--reveal", help="List with whole numbers. Every reveal is audited.")
]
Why = Annotated[str | None, typer.Option("--reason", help="Why; it is written to the audit.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def add_to(app: typer.Typer) -> None:
    app.command()(cards)
    app.command()(fingers)


def cards(
    device: Device,
    action: What = Action.LIST,
    card: Which = None,
    socket: Socket = None,
    json: Json = False,
    name: Name = None,
    number_file: NumberFile = None,
    opens: From = None,
    until: Until = None,
    hours: Hours = None,
    always: Always = False,
    reveal: Reveal = False,
    reason: Why = None,
    yes: Yes = False,
    command_id: CommandId = None,
) -> None:
    """The cards a lock opens to, and their hours. The lock itself learns a card held to it."""
    with reporting(json):
        given = _Given(action, card, name, opens, until, always, reveal, reason, yes, command_id)
        given.number_file, given.hours = number_file, hours
        _run("card", connect(socket), device, given, json)


def fingers(
    device: Device,
    action: What = Action.LIST,
    finger: Which = None,
    socket: Socket = None,
    json: Json = False,
    name: Name = None,
    opens: From = None,
    until: Until = None,
    hours: Hours = None,
    always: Always = False,
    reveal: Reveal = False,
    reason: Why = None,
    yes: Yes = False,
    command_id: CommandId = None,
) -> None:
    """The fingers a lock opens to, and their hours. The lock itself learns a finger laid on it."""
    with reporting(json):
        given = _Given(action, finger, name, opens, until, always, reveal, reason, yes, command_id)
        given.hours = hours
        _run("finger", connect(socket), device, given, json)


class _Given:
    """What was typed. `Failure` where it does not belong together."""

    def __init__(
        self,
        action: Action,
        which: str | None,
        name: str | None,
        opens: str | None,
        until: str | None,
        always: bool,
        reveal: bool,
        reason: str | None,
        yes: bool,
        command_id: str | None,
    ) -> None:
        self.action = action
        self.which = which
        self.name = name
        self.opens = opens
        self.until = until
        self.always = always
        self.reveal = reveal
        self.yes = yes
        self.number_file: Path | None = None
        self.hours: str | None = None
        self.body: Document = {
            "reason": reason or f"{_DONE.get(action, '')} on the command line",
            "command_id": command_id or new_id(),
        }

    def window(self, client: Client) -> Document:
        return window(client, self.opens, self.until, self.hours)

    def check(self, kind: str) -> None:
        named = self.action in {Action.SCHEDULE, Action.DELETE}
        limited = any(each is not None for each in (self.opens, self.until, self.hours))
        wrong = None
        if named and self.which is None:
            wrong = f"say which {kind}: its name, its id, or its last four digits"
        elif not named and self.which is not None:
            wrong = f"{self.action.value} takes no {kind}; --name says whose it is"
        elif self.action is Action.ADD and kind != "card":
            wrong = "only the lock itself can learn one: enrol it"
        elif self.action in {Action.ENROL, Action.ADD} and not self.name:
            wrong = "--name says whose it is"
        elif self.action not in {Action.ENROL, Action.ADD} and self.name:
            wrong = "--name belongs to enrol and add"
        elif (self.action is Action.ADD) != (self.number_file is not None):
            wrong = "add takes the card's number, by --number-file"
        elif limited and self.action in {Action.LIST, Action.DELETE}:
            wrong = "--from, --until and --hours belong to enrol, add and schedule"
        elif self.opens is not None and self.until is None:
            wrong = "--from needs --until"
        elif self.action is Action.SCHEDULE and limited == self.always:
            wrong = "schedule takes --until, --hours, or --always"
        elif self.reveal and self.action is not Action.LIST:
            wrong = "--reveal belongs to the list"
        if wrong is not None:
            raise Failure(f"could not {self.action.value} {kind}s: {wrong}", Exit.USAGE)


_DONE = {
    Action.ENROL: "enrolled",
    Action.ADD: "added",
    Action.SCHEDULE: "scheduled",
    Action.DELETE: "deleted",
}


def _run(kind: str, client: Client, device: str, given: _Given, as_json: bool) -> None:
    given.check(kind)
    match given.action:
        case Action.LIST:
            _list(kind, client, device, given, as_json)
        case Action.ENROL:
            _enrol(kind, client, device, given, as_json)
        case Action.ADD:
            _add(client, device, given, as_json)
        case Action.SCHEDULE | Action.DELETE:
            _change(kind, client, device, given, as_json)


def _list(kind: str, client: Client, device: str, given: _Given, as_json: bool) -> None:
    from gateway.cli import output

    place = ("devices", device, f"{kind}s")
    if given.reveal:
        shown = client.post(*place, "reveal", body={}, timeout_s=LOOK_S)
    else:
        shown = client.ask(*place, timeout_s=LOOK_S)
    output.show(shown, as_json, _table)


def _change(kind: str, client: Client, device: str, given: _Given, as_json: bool) -> None:
    verb = given.action.value
    if given.action is Action.DELETE and not given.yes:
        ask(f"Delete that {kind} at {device}?", f"delete the {kind}")
    body = {
        **given.body,
        kind: given.which,
        "wait_s": WAIT_S,
        **given.window(client),
    }
    place = ("devices", device, f"{kind}s", verb)
    document = client.post(*place, body=body, timeout_s=LOOK_S + WAIT_S)
    where = document["device_name"]
    who = document["args"].get("name") or document["args"]["medium"][:8]
    done = {
        Action.DELETE: f"{where}: the {kind} {who} is deleted and opens no more",
        Action.SCHEDULE: f"{where}: the {kind} {who} has its new hours",
    }
    answer(document, f"{verb} the {kind}", done[given.action], as_json)


def _add(client: Client, device: str, given: _Given, as_json: bool) -> None:
    assert given.number_file is not None  # noqa: S101 - checked with the rest of what was typed
    number = secret_from(given.number_file)
    body = {
        **given.body,
        "name": given.name,
        "number": number,
        **given.window(client),
    }
    document = client.post("devices", device, "cards", "add", body=body, timeout_s=ADD_S)
    done = f"{document['device_name']}: opens to the card of {given.name}"
    answer(document, "add the card", done, as_json)


def _enrol(kind: str, client: Client, device: str, given: _Given, as_json: bool) -> None:
    from gateway.cli.output import print_stream

    body = {**given.body, "name": given.name, **given.window(client)}
    progress = client.stream("POST", "devices", device, f"{kind}s", "enrol", body=body)
    try:
        last = print_stream(progress) if as_json else _watch(kind, progress)
    except KeyboardInterrupt:
        raise Failure(
            "interrupted: the lock may still wait for it, for about half a minute",
            Exit.FAILED,
            "interrupted",
            f"`lock-gateway {kind}s {device}` shows whether it was learned.",
        ) from None
    if last is None or last["stage"] != "ended":
        raise Failure("could not see the end of it", Exit.TRY_AGAIN, "unfinished")
    done = f"{last['device_name']}: opens to the {kind} of {given.name}"
    # With --json the stream has been printed already.
    answer(last, f"enrol a {kind}", "" if as_json else done, as_json=False)


def _watch(kind: str, progress: Iterator[Document]) -> Document | None:
    from gateway.cli.output import console, printable

    words = {
        "waiting": "hold the card to the lock now"
        if kind == "card"
        else "lay the finger on the lock now",
        "scanned": "lift the finger and lay it on again" if kind == "finger" else "seen, once more",
        "done": "learned",
    }
    out, last = console(stderr=True), None
    with out.status("asking the lock to learn"):
        for item in map(printable, progress):
            if item["stage"] in words:
                out.print(words[item["stage"]])
            last = item
    return last


def _table(document: Document) -> RenderableType:
    from rich.console import Group
    from rich.table import Table

    from gateway.domain.windows import zone_info

    kind, zone = document["kind"], zone_info(document["zone"])
    revealed = any("number" in item for item in document["media"])
    table = Table(box=None, pad_edge=False)
    for title in ("id", "number" if revealed else "ends in", "name", "opens", "enrolled"):
        table.add_column(title)
    for item in document["media"]:
        table.add_row(
            item["id"],
            item["number"] if revealed else item["ending"],
            item["name"] or "(not enrolled here)",
            hours_text(item["schedules"], zone),
            _enrolled(item, zone),
        )
    notes = [
        f"{item['name']} ({item['id']}) was enrolled here and is not on the lock any more."
        for item in document["gone"]
    ]
    if not document["media"]:
        return Group(f"{document['device_name']} opens to no {kind}.", *notes)
    return Group(table, *notes)


def _enrolled(item: Document, zone: tzinfo) -> str:
    if item["added_at"] is None:
        return ""
    at = datetime.fromisoformat(item["added_at"]).astimezone(zone)
    return f"{at:%Y-%m-%d}"


def hours_text(schedules: list[dict[str, Any]] | None, zone: tzinfo) -> str:
    if schedules is None:
        return "the lock does not tell"
    words = []
    for each in schedules:
        if each["kind"] == "timed":
            edges = [datetime.fromisoformat(each[key]) for key in ("opens_at", "closes_at")]
            words.append(" to ".join(f"{at.astimezone(zone):%Y-%m-%d %H:%M}" for at in edges))
        else:
            words.append(f"{' '.join(each['weekdays'])} {each['from']}-{each['to']}")
    return ", ".join(words) or "always"
