"""Weekly hours as documents and journals have them, to and from those a lock keeps. Pure.

`[{"weekdays": ["mon", "tue"], "from": "08:00", "to": "18:30"}]`, as the cloud writes recurring
windows; no hours wrap midnight.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from gateway.domain.devices import WeekDay

if TYPE_CHECKING:
    from collections.abc import Iterable

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")


def hours_document(hours: Iterable[WeekDay]) -> list[dict[str, list[str] | str]]:
    return [
        {
            "weekdays": [WEEKDAYS[day - 1] for day in sorted(each.weekdays)],
            "from": f"{each.start_minute // 60:02d}:{each.start_minute % 60:02d}",
            "to": f"{each.end_minute // 60:02d}:{each.end_minute % 60:02d}",
        }
        for each in hours
    ]


def hours_of(document: object) -> tuple[WeekDay, ...]:
    """ValueError, in words for people, for anything that is not of that form."""
    if not isinstance(document, list):
        raise ValueError("weekly hours are a list")  # noqa: TRY004 - a document, not a defect
    return tuple(_one(each) for each in document)


def _one(document: object) -> WeekDay:
    if not isinstance(document, dict) or document.keys() != {"weekdays", "from", "to"}:
        raise ValueError("weekly hours have `weekdays`, `from` and `to`")
    days = document["weekdays"]
    if not isinstance(days, list) or not days or not all(day in WEEKDAYS for day in days):
        raise ValueError(f"weekdays are some of {', '.join(WEEKDAYS)}")
    start, end = _minute(document["from"]), _minute(document["to"])
    if start >= end:
        raise ValueError("hours end later on the same day than they begin")
    return WeekDay(frozenset(WEEKDAYS.index(day) + 1 for day in days), start, end)


def _minute(text: object) -> int:
    found = _TIME.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise ValueError("a time reads like 08:30")
    return int(found[1]) * 60 + int(found[2])
