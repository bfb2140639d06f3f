"""Instants, durations and windows as people at the site read them. Pure.

Every time of day is told in the site's zone and, where it matters, in UTC as well.
"""

from __future__ import annotations

from gateway.domain.instant import Instant, to_datetime
from gateway.domain.windows import Always, Recurring, Timed, Weekly, Window, zone_info

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def clock_time(at: Instant, zone: str) -> str:
    """`Fri 20 Nov 2026 15:00 CET`; seconds only where there are any."""
    moment = to_datetime(at).astimezone(zone_info(zone))
    pattern = "%H:%M:%S" if moment.second else "%H:%M"
    return f"{_DAYS[moment.weekday()]} {moment.day} {moment:%b %Y} {moment:{pattern}} {moment:%Z}"


def short_time(at: Instant, now: Instant, zone: str) -> str:
    """`15:00` today, `Sun 11:00` on one of the next six days, else with the date."""
    here = zone_info(zone)
    moment = to_datetime(at).astimezone(here)
    pattern = "%H:%M:%S" if moment.second else "%H:%M"
    away = (moment.date() - to_datetime(now).astimezone(here).date()).days
    if away == 0:
        return f"{moment:{pattern}}"
    day = _DAYS[moment.weekday()] if 0 < away < 7 else f"{moment.day} {moment:%b}"
    if abs(away) > 180:
        day += f" {moment.year}"
    return f"{day} {moment:{pattern}}"


def with_utc(at: Instant, zone: str) -> str:
    """The site's time, and UTC in brackets where it differs."""
    local = clock_time(at, zone)
    if to_datetime(at).astimezone(zone_info(zone)).utcoffset():
        utc = to_datetime(at)
        pattern = "%d %b %H:%M:%S" if utc.second else "%d %b %H:%M"
        return f"{local} ({utc:{pattern}} UTC)"
    return local


def duration(milliseconds: int) -> str:
    """Two units at most: `850 ms`, `42 s`, `5 min 3 s`, `2 h 10 min`, `3 d 4 h`."""
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    left = round(milliseconds / 1000)
    parts: list[str] = []
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
        elif parts:
            break
    return " ".join(parts[:2])


def relative(at: Instant, now: Instant) -> str:
    """`in 5 min`, `3 s ago`, `now`."""
    if abs(at - now) < 1000:
        return "now"
    return f"in {duration(at - now)}" if at > now else f"{duration(now - at)} ago"


def window_text(window: Window, zone: str) -> str:
    """A window in one line, in the site's zone (a recurrence: in its own)."""
    match window:
        case Always():
            return "always"
        case Timed(opens_at, closes_at):
            return f"{with_utc(opens_at, zone)} until {with_utc(closes_at, zone)}"
        case Recurring():
            text = ", ".join(_rule_text(rule) for rule in window.rules) + f" ({window.zone})"
            if window.not_before is not None:
                text += f", not before {with_utc(window.not_before, zone)}"
            if window.not_after is not None:
                text += f", not after {with_utc(window.not_after, zone)}"
            return text


def window_short(window: Window, now: Instant, zone: str) -> str:
    """A window for one cell of a table, in the site's zone."""
    match window:
        case Always():
            return "always"
        case Timed(opens_at, closes_at):
            return f"{short_time(opens_at, now, zone)} – {short_time(closes_at, now, zone)}"
        case Recurring(rules=rules, not_before=first, not_after=last):
            text = ", ".join(_rule_text(rule) for rule in rules)
            if first is not None:
                text += f", from {short_time(first, now, zone)}"
            if last is not None:
                text += f", until {short_time(last, now, zone)}"
            return text


def _rule_text(rule: Weekly) -> str:
    if len(rule.weekdays) == 7:
        days = "every day"
    else:
        days = " ".join(_DAYS[day - 1] for day in sorted(rule.weekdays))
    wraps = " next day" if rule.end_minute <= rule.start_minute else ""
    return f"{days} {_minute(rule.start_minute)}–{_minute(rule.end_minute)}{wraps}"


def _minute(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"
