"""The reference cloud as a command: push a schedule, give an order, watch what the gateway says.

    python -m firmware_sims.cloud --gateway ID [--host H] [--port P] watch
    python -m firmware_sims.cloud --gateway ID run FILE       hold a schedule, heal, watch
    python -m firmware_sims.cloud --gateway ID push FILE      send it once, wait until applied
    python -m firmware_sims.cloud --gateway ID unlock DEVICE
    python -m firmware_sims.cloud --gateway ID command KIND [DEVICE] [name=value ...]
    python -m firmware_sims.cloud broker [--port P]           a broker of its own, nothing kept

A schedule file: `{"credentials": [...], "tombstones": [...]}` as in the contract; versions may be
left out, and instants may be relative to now: `+90s`, `+15m`, `-1h`, `+2d`.
Exit codes: 0 done, 1 the gateway said no or nothing, 2 wrong arguments.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import re
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from firmware_sims.cloud.broker import BrokerMissing, mosquitto
from firmware_sims.cloud.reference import Json, ReferenceCloud

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_RELATIVE = re.compile(r"([+-]\d+)([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_INSTANTS = frozenset({"opens_at", "closes_at", "not_before", "not_after"})


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    if options.what != "broker" and options.gateway is None:
        print("--gateway is needed", file=sys.stderr)
        return 2
    try:
        return asyncio.run(_run(options))
    except TimeoutError:
        print("no answer from the gateway", file=sys.stderr)
        return 1
    except (OSError, BrokerMissing, ValueError) as error:
        print(error, file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m firmware_sims.cloud")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=1883)
    parser.add_argument("--gateway", help="the gateway's id")
    parser.add_argument("--timeout", type=float, default=20.0, help="seconds to wait for an answer")
    what = parser.add_subparsers(dest="what", required=True)
    what.add_parser("watch", help="print what the gateway says, acknowledge it")
    what.add_parser("broker", help="run a mosquitto on --port, nothing kept")
    for name in ("run", "push"):
        each = what.add_parser(name)
        each.add_argument("file", type=Path)
        each.add_argument("--confirm-removals", action="store_true")
    what.add_parser("unlock").add_argument("device")
    command = what.add_parser("command")
    command.add_argument("kind")
    command.add_argument("device", nargs="?")
    command.add_argument("args", nargs="*", metavar="name=value")
    return parser


async def _run(options: argparse.Namespace) -> int:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    if options.what == "broker":
        async with mosquitto(options.port) as broker:
            print(json.dumps({"ready": True, "host": broker.host, "port": broker.port}), flush=True)
            await stopped.wait()
        return 0
    watching = options.what in {"watch", "run"}
    async with ReferenceCloud(
        options.host, options.port, options.gateway, acknowledge=watching
    ) as cloud:
        if watching:
            cloud.listener = _printer()
        if options.what in {"run", "push"}:
            await _push(cloud, options)
        if watching:
            await stopped.wait()
        elif options.what in {"unlock", "command"}:
            return await _command(cloud, options)
    return 0


async def _push(cloud: ReferenceCloud, options: argparse.Namespace) -> None:
    schedule = _read_schedule(options.file)
    cloud.hello = {}
    cloud.ask(want_hello=True)
    await cloud.until(lambda: cloud.hello, options.timeout)
    cloud.revision = cloud.hello["revision"] + 1
    for credential in schedule.get("credentials", ()):
        full = {"version": cloud.revision, "kind": "pin"} | credential
        cloud.schedule[full["credential_id"]] = full
    cloud.push_snapshot(
        tombstones=schedule.get("tombstones", ()), confirm_removals=options.confirm_removals
    )
    await cloud.wait_applied(options.timeout)
    held = cloud.hello.get("held_count", 0)
    print(f"revision {cloud.revision} applied" + (f", {held} removals held" if held else ""))


async def _command(cloud: ReferenceCloud, options: argparse.Namespace) -> int:
    kind = "unlock" if options.what == "unlock" else options.kind
    pairs = [pair.partition("=") for pair in getattr(options, "args", ())]
    args = {name: _value(text) for name, _, text in pairs}
    answer = await cloud.command(kind, options.device, timeout_s=options.timeout, **args)
    print(json.dumps(answer["result"]))
    return 0 if answer["result"]["outcome"] == "confirmed" else 1


def _value(text: str) -> Any:
    with contextlib.suppress(ValueError):
        return json.loads(text)
    return text


def _read_schedule(path: Path) -> Json:
    schedule: Json = json.loads(path.read_text(encoding="utf-8"))
    now = datetime.now(UTC)
    for credential in schedule.get("credentials", ()):
        window = credential.get("window", {})
        for name in _INSTANTS & window.keys():
            window[name] = _instant(window[name], now)
    return schedule


def _instant(text: str, now: datetime) -> str:
    relative = _RELATIVE.fullmatch(text)
    if relative is None:
        return text
    moment = now + timedelta(**{_UNITS[relative[2]]: int(relative[1])})
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _printer() -> Callable[[str, Json], None]:
    """One line for each thing that happened; a hello only when it says something new."""
    last: list[str] = []

    def show(leaf: str, message: Json) -> None:
        lines = _lines(leaf, message)
        if leaf == "hello" and lines == last:
            return
        if leaf == "hello":
            last[:] = lines
        for line in lines:
            print(f"{datetime.now(UTC):%H:%M:%S}  {leaf:<8}  {line}", flush=True)

    return show


def _lines(leaf: str, message: Json) -> list[str]:
    match leaf:
        case "presence":
            return ["online" if message["online"] else "offline"]
        case "hello":
            held = message.get("held_count", 0)
            return [
                f"revision {message['revision']}, events {message['events']['through']}"
                f" of {message['events']['head']} known, clock {message['clock']['trust']}"
                + (f", {held} removals held" if held else "")
            ]
        case "events":
            return [_event(event) for event in message["events"]]
        case "reported":
            return [_grant(grant) for grant in message.get("grants", ())] + [
                f"{device['device_id']} {device['name']!r}: {_standing(device)}"
                for device in message.get("devices", ())
            ]
        case "results":
            return [f"{message['kind']} {message['command_id']}: {json.dumps(message['result'])}"]
    return [json.dumps(message)]


def _event(event: Json) -> str:
    where = [event[name] for name in ("device_id", "credential_id") if name in event]
    body = json.dumps(event["body"]) if event.get("body") else ""
    return f"#{event['seq']} {event['type']} {' '.join(where)} {body}".rstrip()


def _grant(grant: Json) -> str:
    reason = f" ({grant['reason']})" if "reason" in grant else ""
    evidence = f" [{', '.join(grant['evidence'])}]" if grant.get("evidence") else ""
    return f"{grant['credential_id']}@{grant['device_id']}: {grant['state']}{reason}{evidence}"


def _standing(device: Json) -> str:
    reachable = device.get("reachable")
    words = ["unknown" if reachable is None else "reachable" if reachable else "unreachable"]
    if "locked" in device:
        words.append("locked" if device["locked"] else "unlocked")
    if "battery_percent" in device:
        words.append(f"battery {device['battery_percent']} %")
    return ", ".join(words + device.get("problems", []))


if __name__ == "__main__":
    raise SystemExit(main())
