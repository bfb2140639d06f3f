"""Finding and claiming devices on site: scan, pair; how well one is heard: signal.

Not here: devices of a mesh (`operate.join`), and giving a device back (`operate.remove`).
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.exits import Exit, Failure
from gateway.cli.options import Device, Json, Socket, connect, reporting, secret_from
from gateway.cli.output import print_stream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from gateway.cli.client import Document

REFRESH_S = 1.0
NAME_WIDTH = 15
"""Of the names that locks send themselves, so that none is broken."""

Everything = Annotated[
    bool, typer.Option("--all", help="Also what this gateway does not know how to speak to.")
]
SecretFile = Annotated[
    Path | None,
    typer.Option(
        "--secret-file",
        help="Its PIN or its vendor's key, where it needs one; `-` reads it from stdin.",
        allow_dash=True,
    ),
]
Once = Annotated[bool, typer.Option("--once", help="One table, and done.")]


def add_to(app: typer.Typer) -> None:
    app.command()(scan)
    app.command()(pair)
    app.command()(signal)


def scan(
    socket: Socket = None, json: Json = False, once: Once = False, everything: Everything = False
) -> None:
    """What Bluetooth hears, and what can be claimed; on a terminal it goes on until Ctrl-C."""
    from gateway.cli import output

    with reporting(json):
        client = connect(socket)
        if json or once or not sys.stdout.isatty():
            output.show(client.get("bluetooth"), json, lambda shown: _table(shown, everything))
            return
        from rich.live import Live

        try:
            with Live(console=output.console(), auto_refresh=False) as live:
                while True:
                    shown = output.printable(client.get("bluetooth"))
                    live.update(_table(shown, everything), refresh=True)
                    time.sleep(REFRESH_S)  # noqa: TID251 - a person's terminal
        except KeyboardInterrupt:
            return


def _table(document: Document, everything: bool) -> RenderableType:
    from rich.console import Group
    from rich.table import Table

    known = [item for item in document["devices"] if item["family"] or item["device_id"]]
    shown = document["devices"] if everything else known
    others = len(document["devices"]) - len(shown)
    table = Table(box=None, pad_edge=False)
    for title in ("address", "signal", "heard", "device", "battery", "standing"):
        # An address is typed after it was read; what a device is may take two lines.
        least = NAME_WIDTH if title == "device" else None
        wraps = title in {"device", "standing"}
        table.add_column(title, no_wrap=not wraps, overflow="fold", min_width=least)
    for item in shown:
        battery = item["battery_percent"]
        table.add_row(
            item["address"],
            f"{item['rssi_dbm']} dBm {item['grade']}",
            f"{item['heard_s_ago']:.0f} s ago",
            _called(item),
            "" if battery is None else f"{battery} %",
            _standing(item),
        )
    notes = [f"{hint}." for hint in dict.fromkeys(_hint(item) for item in shown) if hint]
    if others:
        what = (
            "device in range; --all shows it"
            if others == 1
            else "devices in range; --all shows them"
        )
        notes.append(f"{others} other Bluetooth {what}.")
    if not shown:
        return Group("Nothing in range that this gateway speaks to.", *notes)
    return Group(table, *notes)


def _called(item: Document) -> str:
    """Two of one model are told apart by the name that each sends, often printed on it."""
    model, name = item["model"], item["advertised_name"]
    if not model or not name:
        return model or name or "unknown"
    if model == name:
        return f"{item['kind']} {name}"
    return model if name in model else f"{model}\n{name}"


def _hint(item: Document) -> str:
    """What comes next at a device that is not ours, said once for all that need it."""
    if item["device_id"] or not item["hint"]:
        return ""
    return f"{item['model']}, {_STANDING[item['ownership']]}: {item['hint']}"


_STANDING = {
    "claimable": "can be claimed",
    "claimed": "somebody's",
    "needs_key": "needs its vendor's key",
    "unknown": "may be claimed",
    None: "not spoken here",
}


def _standing(item: Document) -> str:
    if item["device_id"]:
        return f"ours: {item['device_name']}"
    return _STANDING[item["ownership"]]


def pair(
    address: Annotated[str, typer.Argument(help="As `scan` shows it.")],
    socket: Socket = None,
    json: Json = False,
    name: Annotated[str | None, typer.Option("--name", help="What to call it.")] = None,
    secret_file: SecretFile = None,
) -> None:
    """Claim one device: from then on it belongs to this gateway."""
    with reporting(json):
        secret = None if secret_file is None else secret_from(secret_file)
        body: Document = {"address": address, "name": name, "secret": secret}
        progress = connect(socket).stream("POST", "pair", body=body)
        try:
            last = print_stream(progress) if json else _watch(progress)
        except KeyboardInterrupt:
            raise Failure(
                "interrupted: the claim is seen through; see `lock-gateway devices`",
                Exit.FAILED,
                "interrupted",
            ) from None
        if last is None or last["stage"] != "ready":
            raise Failure("could not pair: it did not finish", Exit.TRY_AGAIN)
        if not json:
            print(last["detail"])


def _watch(progress: Iterator[Document]) -> Document | None:
    from gateway.cli.output import console, printable

    words = {
        "connecting": "connecting",
        "pairing": "pairing",
        "setting_up": "setting it up",
        "ready": "ready",
    }
    out, last = console(stderr=True), None
    with out.status("pairing"):
        for item in map(printable, progress):
            detail = f": {item['detail']}" if item["detail"] else ""
            out.print(f"{words.get(item['stage'], item['stage'])}{detail}")
            last = item
    return last


def signal(device: Device, socket: Socket = None, json: Json = False) -> None:
    """How well a Bluetooth device is heard, and what connecting to it costs its battery."""
    from gateway.cli import output

    with reporting(json):
        output.show(connect(socket).get("devices", device, "signal"), json, _signal)


def _signal(document: Document) -> RenderableType:
    from rich.console import Group
    from rich.table import Table

    heard = Table(box=None, pad_edge=False)
    for title in ("adapter", "signal", "worst", "best", "heard"):
        heard.add_column(title, overflow="fold")
    for item in document["adapters"]:
        last = item["samples"][-1]["s_ago"]
        heard.add_row(
            item["adapter"],
            f"{item['rssi_dbm']} dBm {item['grade']}",
            f"{item['worst_dbm']} dBm",
            f"{item['best_dbm']} dBm",
            f"{len(item['samples'])} times, {last:.0f} s ago",
        )
    days = Table(box=None, pad_edge=False)
    for title in ("day (UTC)", "connected", "for", ""):
        days.add_column(title)
    for item in document["days"]:
        over = "more than its battery should give" if item["over_budget"] else ""
        days.add_row(
            item["date"], f"{item['connects']} times", f"{item['connected_s']:.0f} s", over
        )
    name = document["device_name"]
    first = heard if document["adapters"] else f"{name} is not heard by any adapter."
    second = days if document["days"] else f"{name} was not connected to lately."
    return Group(first, "", second)
