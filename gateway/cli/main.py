"""The command tree, and the commands that only look. Each imports what it needs when it runs.

Elsewhere: commands that act (`operate`, `manage`, `bluetooth`, `settings`,
`media`, `clock`), that start processes
(`run`), that play with simulators (`sim`).
"""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.cli import bluetooth, clock, manage, media, operate, run, settings, sim
from gateway.cli.options import SOCKET_ENV, Device, Json, Socket, connect, reporting

app = typer.Typer(
    name="lock-gateway",
    help="On-premises gateway for door locks.",
    epilog="Exit codes: 0 done, 1 refused or failed, 2 usage, 3 no daemon, 4 not permitted, "
    "75 not confirmed or try again, 78 configuration.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _common(
    socket: Socket = None,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    import os

    if version:
        from importlib.metadata import version as version_of

        print(f"lock-gateway {version_of('lock-gateway')}")
        raise typer.Exit
    if socket is not None:
        os.environ[SOCKET_ENV] = str(socket)


@app.command()
def status(socket: Socket = None, json: Json = False) -> None:
    """How the gateway stands: cloud, radios, locks, codes, and what needs somebody."""
    with reporting(json):
        document = connect(socket).get("status")
        from gateway.cli import output, render

        output.show(document, json, render.status)


@app.command()
def devices(socket: Socket = None, json: Json = False) -> None:
    """Every device that has joined."""
    with reporting(json):
        document = connect(socket).get("devices")
        from gateway.cli import output, render

        output.show(document, json, render.devices)


@app.command()
def device(device: Device, socket: Socket = None, json: Json = False) -> None:
    """One device: link, battery, clock, slots, and its codes."""
    with reporting(json):
        document = connect(socket).get("devices", device)
        from gateway.cli import output, render

        output.show(document, json, render.device)


@app.command()
def codes(
    socket: Socket = None,
    json: Json = False,
    device: Annotated[str | None, typer.Option(help="Only those of this device.")] = None,
    credential: Annotated[str | None, typer.Option(help="Only this credential.")] = None,
    state: Annotated[str | None, typer.Option(help="Only those in this state.")] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also those that are over and gone.")
    ] = False,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Show digits. Every reveal is audited.")
    ] = False,
) -> None:
    """The codes, door by door, and how each stands."""
    with reporting(json):
        client = connect(socket)
        document = client.get(
            "codes",
            device=device,
            credential=credential,
            state=state,
            all=1 if everything else None,
        )
        digits: dict[str, str] | None = None
        if reveal:
            ids = {item["credential_id"] for item in document["codes"] if item["has_digits"]}
            digits = {
                one: client.post("codes", one, "reveal", body={})["digits"] for one in sorted(ids)
            }
            for item in document["codes"]:
                item["digits"] = digits.get(item["credential_id"])
        from gateway.cli import output, render

        output.show(document, json, lambda shown: render.codes(shown, digits))


@app.command()
def plan(
    device: Annotated[str | None, typer.Argument(help="A device; without it, all.")] = None,
    socket: Socket = None,
    json: Json = False,
) -> None:
    """What the gateway would do now, and why it will look again when."""
    with reporting(json):
        client = connect(socket)
        document = client.get("plan") if device is None else client.get("plan", device)
        from gateway.cli import output, render

        output.show(document, json, render.plan)


@app.command()
def why(
    credential: Annotated[str, typer.Argument(help="A credential's id or name.")],
    lock: Device,
    socket: Socket = None,
    json: Json = False,
) -> None:
    """Why a code does or does not open a door, in one screen."""
    with reporting(json):
        document = connect(socket).get("why", credential, lock)
        from gateway.cli import output, render

        output.show(document, json, render.why)


@app.command()
def events(
    socket: Socket = None,
    json: Json = False,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as they happen.")] = False,
    after: Annotated[int | None, typer.Option(help="Only those with a higher number.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", help="How many of the latest.")] = 50,
) -> None:
    """What happened, in order; with --follow until interrupted."""
    import json as jsonlib

    with reporting(json):
        client = connect(socket)
        stream = client.stream(
            "GET", "events", follow=1 if follow else None, after=after, limit=limit
        )
        if json:
            for item in stream:
                print(jsonlib.dumps(item, ensure_ascii=False), flush=True)
            return
        zone = client.get("status")["gateway"]["zone"]
        from gateway.cli import output, render

        console = output.console()
        try:
            for item in stream:
                console.print(render.event(output.printable(item), zone), soft_wrap=True)
        except KeyboardInterrupt:
            return


operate.add_to(app)
manage.add_to(app)
bluetooth.add_to(app)
settings.add_to(app)
media.add_to(app)
run.add_to(app)
app.add_typer(clock.app, name="clock")
app.add_typer(sim.app, name="sim")
