"""Our own small documents in JSON columns: windows, capabilities, lock schedules, evidence.

Strict both ways: a document with an unknown kind, an unknown key or a value of the wrong type is
damage (StoreUnreadable). A missing key takes the default, so that columns written by an older
release are read by a newer one. Not here: messages of the cloud (`sync.messages`).
"""

from __future__ import annotations

import json
from dataclasses import fields
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from gateway.domain.capabilities import Capabilities, CodeLimits, ScheduleSupport
from gateway.domain.devices import Evidence, LockSchedule, WeekDay, YearDay
from gateway.domain.instant import Instant
from gateway.domain.windows import Always, Recurring, Timed, Weekly, Window
from gateway.errors import StoreUnreadable

if TYPE_CHECKING:
    from collections.abc import Iterable

Document = dict[str, Any]


def dump(value: object) -> str:
    """Compact and with sorted keys: equal values are equal text."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def load(text: str) -> Any:
    """JSON of any form: every caller checks what it got."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise StoreUnreadable(f"could not read a stored document: {error}") from error


# ── windows ─────────────────────────────────────────────────────────────────────────────


def encode_window(window: Window) -> str:
    match window:
        case Always():
            return '{"kind":"always"}'
        case Timed(opens_at, closes_at):
            return dump({"kind": "timed", "opens_at": opens_at, "closes_at": closes_at})
        case Recurring(rules, zone, not_before, not_after):
            return dump(
                {
                    "kind": "recurring",
                    "rules": [
                        [sorted(rule.weekdays), rule.start_minute, rule.end_minute]
                        for rule in rules
                    ],
                    "zone": zone,
                    "not_before": not_before,
                    "not_after": not_after,
                }
            )


@lru_cache(maxsize=1024)
def decode_window(text: str) -> Window:
    document = _document(text)
    try:
        match document:
            case {"kind": "always", **rest} if not rest:
                return Always()
            case {"kind": "timed", "opens_at": int(a), "closes_at": int(b), **rest} if not rest:
                return Timed(_instant(a), _instant(b))
            case {
                "kind": "recurring",
                "rules": list(rules),
                "zone": str(zone),
                "not_before": a,
                "not_after": b,
                **rest,
            } if not rest:
                return Recurring(
                    tuple(Weekly(*_week(rule)) for rule in rules), zone, _maybe(a), _maybe(b)
                )
            case _:
                raise _damage("window")
    except ValueError as error:
        raise _damage("window") from error


# ── schedules on the lock ───────────────────────────────────────────────────────────────


def encode_schedules(schedules: Iterable[LockSchedule]) -> str:
    items: list[list[object]] = []
    for schedule in schedules:
        match schedule:
            case YearDay(opens_at, closes_at):
                items.append(["year_day", opens_at, closes_at])
            case WeekDay(weekdays, start, end):
                items.append(["week_day", sorted(weekdays), start, end])
    return dump(items)


def decode_schedules(text: str) -> tuple[LockSchedule, ...]:
    if text == "[]":
        return ()
    found: list[LockSchedule] = []
    for item in _list(text):
        match item:
            case ["year_day", int(a), int(b)]:
                found.append(YearDay(_instant(a), _instant(b)))
            case ["week_day", *rest]:
                found.append(WeekDay(*_week(rest)))
            case _:
                raise _damage("schedule")
    return tuple(found)


# ── evidence and plain lists ────────────────────────────────────────────────────────────


def encode_evidence(evidence: Iterable[Evidence]) -> str:
    return dump(sorted(item.value for item in evidence))


@lru_cache(maxsize=64)
def decode_evidence(text: str) -> frozenset[Evidence]:
    try:
        return frozenset(Evidence(item) for item in _list(text))
    except (ValueError, TypeError) as error:
        raise _damage("evidence") from error


def encode_names(names: Iterable[str]) -> str:
    return dump(list(names))


def decode_names(text: str) -> tuple[str, ...]:
    names = _list(text)
    if not all(isinstance(name, str) for name in names):
        raise _damage("list of names")
    return tuple(names)


# ── capabilities ────────────────────────────────────────────────────────────────────────


def encode_capabilities(capabilities: Capabilities) -> str:
    document = _plain(capabilities)
    document["schedules"] = _plain(capabilities.schedules)
    if capabilities.codes is not None:
        document["codes"] = _plain(capabilities.codes)
        document["codes"]["reserved_slots"] = sorted(capabilities.codes.reserved_slots)
        document["codes"]["forbidden_prefixes"] = list(capabilities.codes.forbidden_prefixes)
    return dump(document)


@lru_cache(maxsize=256)
def decode_capabilities(text: str) -> Capabilities:
    document = _document(text)
    codes, schedules = document.pop("codes", None), document.pop("schedules", {})
    _check(document, Capabilities, allow_none=True)
    if codes is not None:
        codes = dict(codes)
        reserved = codes.pop("reserved_slots", [])
        digits, prefixes = codes.pop("forbidden_digits", ""), codes.pop("forbidden_prefixes", [])
        if not isinstance(digits, str) or not _are_texts(prefixes):
            raise _damage("CodeLimits.forbidden_digits or forbidden_prefixes")
        _check(codes, CodeLimits)
        codes = CodeLimits(
            **codes,
            forbidden_digits=digits,
            forbidden_prefixes=tuple(prefixes),
            reserved_slots=frozenset(_integers(reserved)),
        )
    _check(schedules, ScheduleSupport)
    return Capabilities(**document, codes=codes, schedules=ScheduleSupport(**schedules))


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _plain(value: Capabilities | CodeLimits | ScheduleSupport) -> Document:
    return {field.name: getattr(value, field.name) for field in fields(value)}


def _check(document: Document, kind: type, *, allow_none: bool = False) -> None:
    """Only known keys, and each of the type its annotation names (bool, int, or None with both)."""
    annotations = {field.name: str(field.type) for field in fields(kind)}
    for key, value in document.items():
        annotation = annotations.get(key)
        wanted = int if annotation == "int" else bool
        if annotation is None or not (
            type(value) is wanted or (allow_none and value is None and "None" in annotation)
        ):
            raise _damage(f"{kind.__name__}.{key}")


# ── small checks ────────────────────────────────────────────────────────────────────────


def _document(text: str) -> Document:
    value = load(text)
    if not isinstance(value, dict):
        raise _damage("document")
    return value


def _list(text: str) -> list[Any]:
    value = load(text)
    if not isinstance(value, list):
        raise _damage("list")
    return value


def _week(item: object) -> tuple[frozenset[int], int, int]:
    match item:
        case [list(days), int(start), int(end)]:
            return frozenset(_integers(days)), start, end
        case _:
            raise _damage("weekly rule")


def _integers(items: object) -> list[int]:
    if not isinstance(items, list) or not all(type(item) is int for item in items):
        raise _damage("list of numbers")
    return items


def _instant(value: object) -> Instant:
    if type(value) is not int:
        raise _damage("instant")
    return Instant(value)


def _maybe(value: object) -> Instant | None:
    return None if value is None else _instant(value)


def _damage(what: str) -> StoreUnreadable:
    return StoreUnreadable(f"could not read a stored {what}: not of the form this release writes")
