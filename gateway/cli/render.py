"""The local API's documents as rich renderables, for 80 columns and up. Pure: documents in.

Here: how things look. Not here: asking for them (`client`), and writing to the terminal (`output`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from gateway.cli.measures import measured
from gateway.domain.instant import Instant, from_rfc3339
from gateway.local.walltime import clock_time, duration, relative, short_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rich.console import RenderableType

    from gateway.cli.client import Document

MASK = "••••••"
"""Always this wide, so that it does not tell the length."""

STATE_STYLES = {
    "active": "bold green",
    "programmed": "green",
    "pending": "cyan",
    "held": "cyan",
    "suspended": "yellow",
    "programming": "blue",
    "unconfirmed": "bold yellow",
    "erasing": "bold red",
    "rejected": "red",
    "missed": "red",
    "paused": "yellow",
    "erased": "dim",
    "expired_unused": "dim",
    "removed_externally": "magenta",
}

_OPENS = {
    "yes": ("OPENS", "bold white on green"),
    "no": ("DOES NOT OPEN", "bold white on red"),
    "unknown": ("NOT PROVEN", "bold black on yellow"),
}


def state(name: str) -> Text:
    return Text(name.replace("_", " "), style=STATE_STYLES.get(name, ""))


def status(document: Document) -> RenderableType:
    """`lock-gateway status`: the gateway, its links, its doors, and what needs somebody."""
    gateway, zone = document["gateway"], document["gateway"]["zone"]
    now = from_rfc3339(gateway["now"])
    facts = _facts()
    facts.add_row(
        "gateway",
        Text.assemble(
            (gateway["id"], "bold"), f"  version {gateway['version']}  {clock_time(now, zone)}"
        ),
    )
    facts.add_row("clock", _clock(gateway))
    facts.add_row("cloud", _cloud(document["cloud"], now))
    for radio in document["radios"]:
        facts.add_row("radio", _radio(radio))
    if not document["radios"]:
        facts.add_row("radio", Text("none configured", style="yellow"))
    facts.add_row("schedule", f"revision {document['schedule']['revision']}")
    all_devices, sensors = document["devices"], document["sensors"]
    locks = {key: count - sensors[key] for key, count in all_devices.items()}
    facts.add_row("locks", _counts(locks, _STANDINGS))
    if sensors["total"]:
        facts.add_row("sensors", _counts(sensors, _STANDINGS))
    facts.add_row("codes", _states(document["codes"]["by_state"]))
    facts.add_row("events", _events_waiting(document["events"]))
    parts: list[RenderableType] = [facts]
    attention = document["attention"]
    if attention:
        parts += [Text(), Text("needs attention", style="bold red")]
        parts += [_attention(item) for item in attention]
    return Group(*parts)


def _facts() -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    return table


def _clock(gateway: Mapping[str, Any]) -> Text:
    words = {
        "trusted": ("trusted", "green"),
        "holdover": ("holdover: proven since the start, its source is away", "yellow"),
        "untrusted": ("not proven since the start: see `lock-gateway clock`", "bold red"),
    }
    text = Text(*words.get(gateway["trust"], (gateway["trust"], "")))
    if gateway["time_error_ms"] is not None:
        source = gateway["time_source"].replace("_", " ")
        text.append(f"  {source}, within {duration(gateway['time_error_ms'])}", style="dim")
    return text


def _cloud(cloud: Mapping[str, Any], now: Instant) -> Text:
    since = ""
    if cloud["since"]:
        since = f" for {duration(max(0, now - from_rfc3339(cloud['since'])))}"
    if cloud["connected"]:
        return Text.assemble(("connected", "green"), f"{since}  {cloud['broker']}")
    return Text.assemble(("away", "yellow"), f"{since}  {cloud['reason'] or cloud['broker']}")


def _radio(radio: Mapping[str, Any]) -> Text:
    style = {"up": "green", "opening": "yellow"}.get(radio["status"], "bold red")
    reason = f"  {radio['reason']}" if radio["reason"] else ""
    return Text.assemble(f"{radio['name']}  ", (radio["status"], style), reason)


_STANDINGS = ("reachable", "unreachable", "unknown")


def _counts(counts: Mapping[str, int], keys: Iterable[str]) -> Text:
    text = Text(f"{counts['total']}")
    styles = {"reachable": "green", "unreachable": "bold red", "unknown": "yellow"}
    for key in keys:
        if counts[key]:
            text.append(f"  {counts[key]} {key}", style=styles.get(key, ""))
    return text


def _states(by_state: Mapping[str, int]) -> Text:
    if not by_state:
        return Text("none")
    text = Text()
    for name in STATE_STYLES:
        if by_state.get(name):
            text.append(f"{by_state[name]} ").append_text(state(name)).append("  ")
    return text


def _events_waiting(events: Mapping[str, int]) -> str:
    if events["waiting"]:
        return f"{events['head']}, {events['waiting']} not yet acknowledged by the cloud"
    return f"{events['head']}, all acknowledged by the cloud"


def _attention(item: Mapping[str, Any]) -> RenderableType:
    text = Text.assemble(("• ", "red"), item["text"])
    if item["next"]:
        text.append(f"\n{item['next']}", style="dim")
    return Padding(text, (0, 0, 0, 2))


def devices(document: Document) -> RenderableType:
    """`lock-gateway devices`."""
    if not document["devices"]:
        return Text("no device has joined; start with `lock-gateway join`")
    now, zone = from_rfc3339(document["now"]), document["zone"]
    table = Table(box=None, header_style="dim", pad_edge=False)
    for column in ("NAME", "ID", "MODEL", "LINK", "BOLT", "BATTERY", "CODES"):
        table.add_column(column, overflow="fold", justify="right" if column == "CODES" else "left")
    for item in document["devices"]:
        table.add_row(
            Text(item["name"], style="bold"),
            item["device_id"],
            f"{item['manufacturer']} {item['model']}".strip(),
            _link(item, now, zone),
            _bolt(item),
            _battery(item),
            str(item["codes"]["total"]),
        )
    return table


def _link(item: Mapping[str, Any], now: Instant, zone: str) -> Text:
    if item["reachable"] is None:
        return Text("not heard", style="yellow")
    if item["reachable"]:
        return Text("reachable", style="green")
    since = item["reachable_since"]
    when = f" since {short_time(from_rfc3339(since), now, zone)}" if since else ""
    return Text(f"away{when}", style="bold red")


def _bolt(item: Mapping[str, Any]) -> Text:
    if item["kind"] != "lock":
        return Text("none", style="dim")
    if item["jammed"]:
        return Text("jammed", style="bold red")
    if item["locked"] is None:
        return Text("?", style="dim")
    return Text("locked") if item["locked"] else Text("unlocked", style="yellow")


def _battery(item: Mapping[str, Any]) -> Text:
    percent = item["battery_percent"]
    if item["battery_low"]:
        return Text("low" if percent is None else f"{percent} % low", style="bold red")
    return Text("?", style="dim") if percent is None else Text(f"{percent} %")


def device(document: Document) -> RenderableType:
    """`lock-gateway device ID`."""
    now, zone = from_rfc3339(document["now"]), document["zone"]
    item = document["device"]
    facts = _facts()
    facts.add_row("name", Text(item["name"], style="bold"))
    facts.add_row("id", item["device_id"])
    facts.add_row("model", f"{item['manufacturer']} {item['model']}  ({item['driver']})")
    facts.add_row("radio", f"{item['radio']}  {item['address']}")
    facts.add_row("link", _link(item, now, zone))
    if item["last_heard_at"]:
        facts.add_row("last heard", relative(from_rfc3339(item["last_heard_at"]), now))
    if item["kind"] == "lock":
        facts.add_row("bolt", _bolt(item))
    facts.add_row("battery", _battery(item))
    if item["clock"]:
        clock = item["clock"]
        ahead = "ahead" if clock["error_ms"] >= 0 else "behind"
        facts.add_row(
            "its clock",
            f"{duration(abs(clock['error_ms']))} {ahead}, read "
            f"{relative(from_rfc3339(clock['read_at']), now)}",
        )
    for reading in item["readings"]:
        when = relative(from_rfc3339(reading["at"]), now)
        facts.add_row(reading["quantity"].replace("_", " "), f"{measured(reading)}  {when}")
    if item["kind"] == "lock":
        keeps = "yes, proven" if item["schedules_proven"] else "not proven: kept by the gateway"
        facts.add_row("keeps windows", keeps)
        slots = item["slots"]
        others = _others(slots["listed"])
        facts.add_row(
            "slots",
            f"{slots['total']}: {slots['managed']} managed, {slots['unmanaged']} set by others"
            f"{f' (in {others})' if others else ''}, "
            f"{slots['free']} free, {slots['unread']} not read",
        )
    if item["quirks"]:
        facts.add_row("quirks", ", ".join(item["quirks"]))
    for flag, text in _FLAGS:
        if item[flag]:
            facts.add_row("note", Text(text, style="yellow"))
    if item["repair_paused"]:
        facts.add_row("repair", Text(f"paused: {item['repair_paused']}", style="yellow"))
    facts.add_row("joined", clock_time(from_rfc3339(item["joined_at"]), zone))
    parts: list[RenderableType] = [facts]
    if document["codes"]:
        parts += [Text(), _code_table(document["codes"], now, zone, None, with_door=False)]
    return Group(*parts)


def _others(slots: Iterable[Mapping[str, Any]]) -> str:
    """Numbers of slots that hold codes of others, switched-off ones marked."""
    held = [one for one in slots if one["credential_id"] is None and one["content"] != "empty"]
    return ", ".join(
        f"{one['slot']} off" if one["reason"] == "disabled" else str(one["slot"])
        for one in held
        if one["reason"] not in {"unread", "read_failed"}
    )


_FLAGS = (
    ("well_known_key", "joined under the well-known key, which anybody can listen to"),
    ("simulated", "simulated"),
)


def codes(document: Document, digits: Mapping[str, str] | None = None) -> RenderableType:
    """`lock-gateway codes`. `digits`: revealed ones by credential, else masked."""
    now, zone = from_rfc3339(document["now"]), document["zone"]
    if not document["codes"]:
        return Text("no codes")
    return _code_table(document["codes"], now, zone, digits)


def _code_table(
    items: Iterable[Mapping[str, Any]],
    now: Instant,
    zone: str,
    digits: Mapping[str, str] | None,
    *,
    with_door: bool = True,
) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False)
    columns = ["CODE", "DOOR", "STATE", "WINDOW", "DIGITS"]
    for column in columns if with_door else [c for c in columns if c != "DOOR"]:
        table.add_column(column, overflow="fold", no_wrap=column == "DIGITS")
    for item in items:
        name = Text(item["name"] or item["credential_id"], style="bold")
        if item["name"].casefold() not in ("", item["credential_id"].casefold()):
            name.append(f"\n{item['credential_id']}", style="dim not bold")
        shown = state(item["state"])
        if item["reason_text"]:
            shown.append(f"\n{item['reason_text']}", style="dim not bold")
        row: list[RenderableType] = [name]
        if with_door:
            row.append(item["device_name"])
        row += [shown, _validity(item, now, zone), _digits(item, digits)]
        table.add_row(*row)
    return table


def _validity(item: Mapping[str, Any], now: Instant, zone: str) -> Text:
    text = Text(item["window_text"])
    if item["window"]["kind"] == "recurring" and item["opens_at"]:
        opens = from_rfc3339(item["opens_at"])
        if opens > now:
            text.append(f"\nnext {short_time(opens, now, zone)}", style="dim")
    if item["use_limit"] is not None:
        text.append(f"\n{item['uses']} of {item['use_limit']} uses", style="dim")
    return text


def _digits(item: Mapping[str, Any], digits: Mapping[str, str] | None) -> Text:
    if not item["has_digits"]:
        return Text("destroyed", style="dim")
    if digits is None or item["credential_id"] not in digits:
        return Text(MASK, style="dim")
    return Text(digits[item["credential_id"]], style="bold")


def plan(document: Document) -> RenderableType:
    """`lock-gateway plan`: what would be done now, lock by lock."""
    now, zone = from_rfc3339(document["now"]), document["zone"]
    parts: list[RenderableType] = []
    for item in document["devices"]:
        title = Text.assemble((item["name"], "bold"), f"  {item['device_id']}")
        parts.append(title)
        actions = _folded(item["actions"])
        lines = [Text(f"{number}. {line}") for number, line in enumerate(actions[:_ACTIONS], 1)]
        if len(actions) > _ACTIONS:
            lines.append(Text(f"and {len(actions) - _ACTIONS} more", style="dim"))
        if not lines:
            lines = [Text("nothing to do: the lock holds what is wanted", style="green")]
        if item["next_look"]:
            at = from_rfc3339(item["next_look"])
            lines.append(
                Text(f"next look {short_time(at, now, zone)}, {relative(at, now)}", style="dim")
            )
        parts += [Padding(line, (0, 0, 0, 2)) for line in lines]
    return Group(*parts) if parts else Text("no device has joined")


_ACTIONS = 20
_READ = re.compile(r"read slot (\d+)")


def _folded(actions: Iterable[str]) -> list[str]:
    """An inventory is one line: runs of `read slot N` become `read slots N to M`."""
    folded: list[str] = []
    run: list[int] = []

    def close() -> None:
        if len(run) > 2:
            folded.append(f"read slots {run[0]} to {run[-1]}")
        else:
            folded.extend(f"read slot {number}" for number in run)
        run.clear()

    for action in actions:
        read = _READ.fullmatch(action)
        if read is None or (run and int(read[1]) != run[-1] + 1):
            close()
        if read is None:
            folded.append(action)
        else:
            run.append(int(read[1]))
    close()
    return folded


def why(document: Document) -> RenderableType:
    """`lock-gateway why CREDENTIAL LOCK`: one screen."""
    label, style = _OPENS[document["opens_door"]]
    name = document["credential_name"] or document["credential_id"]
    parts: list[RenderableType] = [
        Text.assemble(
            (f" {label} ", style),
            "  ",
            (name, "bold"),
            " at ",
            (document["device_name"], "bold"),
            "  ",
            state(document["state"]),
        ),
        Text(document["headline"]),
        Text(f"{document['credential_id']} @ {document['device_id']}", style="dim"),
    ]
    for title, key in (
        ("wanted", "wanted"),
        ("proven by the lock", "proven"),
        ("planned", "planned"),
        ("measured", "measured"),
    ):
        if document[key]:
            parts += [Text(), Text(title, style="bold cyan")]
            parts += [Padding(Text(line["text"]), (0, 0, 0, 2)) for line in document[key]]
    obstacles = document["obstacles"]
    parts += [Text(), Text("in the way", style="bold cyan")]
    if not obstacles:
        parts.append(Padding(Text("nothing", style="green"), (0, 0, 0, 2)))
    for obstacle in obstacles:
        text = Text(obstacle["text"], style="yellow")
        if obstacle["next"]:
            text.append(f"\n→ {obstacle['next']}", style="not bold default")
        parts.append(Padding(text, (0, 0, 0, 2)))
    return Group(*parts)


def event(item: Mapping[str, Any], zone: str) -> Text:
    """One line of `lock-gateway events`."""
    local = clock_time(from_rfc3339(item["at"]), zone).split(" ", 1)[1]
    who = [item["device_name"] or item["device_id"], item["credential_id"]]
    told = {key: value for key, value in item["body"].items() if value is not None}
    body = "  ".join(f"{key}={_plain(value)}" for key, value in told.items())
    return Text.assemble(
        (f"{item['seq']:>6}  ", "dim"),
        f"{local}  ",
        (item["type"], _event_style(item["type"])),
        "  ",
        " ".join(part for part in who if part),
        ("  " + body if body else "", "dim"),
    )


def _plain(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


_ALARMS = ("jammed", "forced", "tamper", "lockout", "overdue", "suspect", "offline", "rejected")


def _event_style(name: str) -> str:
    if any(word in name for word in _ALARMS):
        return "bold red"
    return "cyan" if name.startswith(("lock.", "access.", "door.", "credential.used")) else ""
