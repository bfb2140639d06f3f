"""When something opens, as people type it: times on the site's wall, hours of the week.

Not here: how they are shown (`media.hours_text`).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Any

from gateway.cli.exits import Exit, Failure

if TYPE_CHECKING:
    from gateway.cli.client import Client, Document

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN = re.compile(r"([a-z,\s-]+)\s([0-2][0-9]:[0-5][0-9])-([0-2][0-9]:[0-5][0-9])")


def window(client: Client, opens: str | None, until: str | None, hours: str | None) -> Document:
    """What the local API takes: RFC 3339, from times as a clock on the site's wall shows them."""
    from gateway.domain.windows import zone_info

    found: Document = {} if hours is None else {"hours": weekly(hours)}
    if until is None:
        return found
    zone = zone_info(client.get("devices")["zone"])
    # From now on is from this minute on: locks round a beginning up to their own whole minutes.
    now = datetime.now(UTC).replace(second=0, microsecond=0)  # noqa: TID251 - a person's now
    begins = now if opens is None else _time(opens, zone)
    return {**found, "opens_at": _rfc3339(begins), "closes_at": _rfc3339(_time(until, zone))}


def weekly(text: str) -> list[dict[str, Any]]:
    """`mon-fri 08:00-18:00; sat 10:00-12:00`. `Failure` for what is no hours."""
    return [_span(part, text) for part in text.strip().lower().split(";")]


def _span(part: str, text: str) -> dict[str, Any]:
    found = _SPAN.fullmatch(part.strip())
    days = _days(found[1]) if found is not None else []
    if found is None or not days:
        raise Failure(
            f"could not read the hours {text!r}",
            Exit.USAGE,
            next_step="Write 'mon-fri 08:00-18:00; sat 10:00-12:00'.",
        )
    return {"weekdays": days, "from": found[2], "to": found[3]}


def _days(text: str) -> list[str]:
    """`mon-fri`, `sat,sun`; nothing for what is no day."""
    found: list[str] = []
    for word in re.split(r"[,\s]+", text.strip()):
        first, _, last = word.partition("-")
        if first not in _DAYS or (last or first) not in _DAYS:
            return []
        start, end = _DAYS.index(first), _DAYS.index(last or first)
        found += _DAYS[start : end + 1]
    return sorted(set(found), key=_DAYS.index)


def _time(text: str, zone: tzinfo) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Failure(
            f"could not read the time {text!r}", Exit.USAGE, next_step="Write 2026-12-24T15:00."
        ) from None
    return moment.replace(tzinfo=zone) if moment.tzinfo is None else moment


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
