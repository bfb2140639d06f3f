"""The gateway's time as rich renderables, for 80 columns and up. Pure: documents in.

Not here: asking for them (`clock`), and every other document (`render`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from gateway.domain.instant import SECOND, Instant, from_rfc3339
from gateway.local.timewords import off_by
from gateway.local.walltime import clock_time, duration, relative, with_utc

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rich.console import RenderableType

    from gateway.cli.client import Document

_LABELS = {
    "trusted": (" PROVEN ", "bold white on green"),
    "holdover": (" PROVEN, SOURCE AWAY ", "bold black on yellow"),
    "untrusted": (" NOT PROVEN ", "bold white on red"),
}
_LOCKS = 5
"""More would not fit on one screen; the farthest off come first."""


def clock(document: Document) -> RenderableType:
    """`lock-gateway clock`: one screen."""
    now, zone = from_rfc3339(document["now"]), document["zone"]
    parts: list[RenderableType] = [
        Text.assemble(
            _LABELS.get(document["trust"], (document["trust"], "bold")),
            "  ",
            (with_utc(_second(now), zone), "bold"),
        ),
        Text(document["headline"]),
        *_listed("for the doors", document["doors"], "• "),
        *_listed("what to do", document["next"], "→ "),
        Text(),
        _facts(document, now, zone),
    ]
    clocks = document["lock_clocks"]
    if clocks:
        parts += [
            Text(),
            Text.assemble(
                ("clocks of the locks", "bold cyan"), ("  hints: nothing follows them", "dim")
            ),
            Padding(_lock_clocks(clocks[:_LOCKS], now), (0, 0, 0, 2)),
        ]
    if len(clocks) > _LOCKS:
        parts.append(Padding(Text(_others(clocks[_LOCKS:]), style="dim"), (0, 0, 0, 2)))
    return Group(*parts)


def challenge(document: Document) -> RenderableType:
    """What a technician does with the nonce."""
    minutes = duration(round(document["remaining_s"] * SECOND))
    return Text(
        f"Good for {minutes} and one token. Sign as a JWS (EdDSA):\n"
        f'  header  typ "{document["type"]}", kid one of: {", ".join(document["issuers"])}\n'
        f'  claims  aud "{document["gateway_id"]}", nonce the line above, now as RFC 3339\n'
        "Then `lock-gateway clock set -`, and paste it. docs/operations.md has a recipe."
    )


def told(document: Document) -> RenderableType:
    """What came of a token."""
    return Text.assemble(
        _LABELS.get(document["trust"], (document["trust"], "bold")),
        f"  {clock_time(_second(from_rfc3339(document['now'])), document['zone'])}\n",
        document["headline"],
        "".join(f"\n• {line}" for line in document["doors"]),
    )


def _listed(title: str, lines: Iterable[str], mark: str) -> list[RenderableType]:
    shown: list[RenderableType] = [_item(mark, line) for line in lines]
    return [Text(), Text(title, style="bold cyan"), *shown] if shown else []


def _item(mark: str, line: str) -> Table:
    table = Table.grid()
    table.add_column(no_wrap=True)
    table.add_column()
    table.add_row(Text(f"  {mark}"), Text(line))
    return table


def _facts(document: Document, now: Instant, zone: str) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    table.add_row("zone", zone)
    table.add_row("source", _source(document))
    if document["error_ms"] is not None:
        table.add_row("error", f"at most {duration(document['error_ms'])}")
    table.add_row("floor", _floor(document["floor"], zone))
    table.add_row("wall clock", _differing(document["wall"], document["wall_difference_ms"], zone))
    table.add_row("kernel", _kernel(document["kernel"]))
    rtc = document["rtc"]
    off_ms = from_rfc3339(rtc) - now if rtc else 0
    table.add_row("RTC", _differing(rtc, off_ms, zone) if rtc else Text("none", style="dim"))
    up = duration(round(document["uptime_s"] * SECOND))
    table.add_row("machine", f"up {up}, boot {document['boot_id'][:8]}")
    table.add_row("last jump", _jump(document["last_jump"], now))
    table.add_row("last refused", _refused(document["last_refused"], now))
    table.add_row("waits for", _waits(document["waits_for"]))
    return table


def _source(document: Document) -> Text:
    if document["source"] is None:
        return Text("none since the machine started", style="bold red")
    proven, adopted = (
        duration(round(document[key] * SECOND)) for key in ("proven_s_ago", "adopted_s_ago")
    )
    proves = "authenticated" if document["authenticated"] else "not authenticated"
    return Text.assemble(
        document["source_text"], (f"  {proves}\nheard {proven} ago, followed for {adopted}", "dim")
    )


def _floor(floor: str | None, zone: str) -> Text:
    if floor is None:
        return Text("none: no time was ever proven here", style="yellow")
    at = clock_time(_second(from_rfc3339(floor)), zone)
    return Text.assemble(f"{at}", ("  proven: it is no earlier", "dim"))


def _differing(at: str, off_ms: int, zone: str) -> Text:
    """A clock that is not the house's: the same, or how far off."""
    if abs(off_ms) < 2 * SECOND:
        return Text("the same, within 2 s")
    away = Text(off_by(off_ms), style="yellow")
    return away.append(f"  {clock_time(_second(from_rfc3339(at)), zone)}", style="dim")


def _kernel(kernel: Mapping[str, Any]) -> Text:
    if kernel["synchronised"]:
        return Text(f"synchronised, within {duration(kernel['max_error_ms'])}")
    return Text("not synchronised by any time service", style="yellow")


def _jump(jump: Mapping[str, Any] | None, now: Instant) -> Text:
    if jump is None:
        return Text("none", style="dim")
    way = "forward" if jump["by_ms"] >= 0 else "back"
    by, ago = duration(abs(jump["by_ms"])), relative(from_rfc3339(jump["at"]), now)
    return Text(f"the wall clock was set {way} by {by}, {ago}")


def _refused(refused: Mapping[str, Any] | None, now: Instant) -> Text:
    if refused is None:
        return Text("none", style="dim")
    when = "still" if refused["still"] else relative(from_rfc3339(refused["at"]), now)
    text = Text.assemble(
        f"{refused['source_text']}, {off_by(refused['difference_ms'])}, ",
        (when, "bold red" if refused["still"] else ""),
    )
    return text.append(f"\n{refused['reason_text']}", style="dim")


def _waits(waits_for: str | None) -> Text:
    return Text("nobody", style="dim") if waits_for is None else Text(waits_for, style="yellow")


def _lock_clocks(clocks: Iterable[Mapping[str, Any]], now: Instant) -> Table:
    table = Table.grid(padding=(0, 2))
    for item in clocks:
        found = item["clock"]
        if found is None:
            table.add_row(item["name"], Text("not read yet", style="dim"), "")
            continue
        bound = "" if found["bound_ms"] is None else f" ± {duration(found['bound_ms'])}"
        read = f"read {relative(from_rfc3339(found['read_at']), now)}"
        table.add_row(item["name"], f"{off_by(found['error_ms'])}{bound}", Text(read, style="dim"))
    return table


def _others(clocks: list[Mapping[str, Any]]) -> str:
    read = [item["clock"]["error_ms"] for item in clocks if item["clock"] is not None]
    unread = len(clocks) - len(read)
    parts = [f"{len(read)} more, at most {duration(abs(read[0]))} off"] if read else []
    return ", ".join(parts + ([f"{unread} not read yet"] if unread else []))


def _second(at: Instant) -> Instant:
    """Nobody reads fractions."""
    return Instant(at // SECOND * SECOND)
