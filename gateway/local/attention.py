"""What somebody should look at now, most urgent first. Pure: rows in, lines out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.domain.grants import GrantState
from gateway.domain.instant import ClockTrust, Instant
from gateway.local.documents import time
from gateway.local.timewords import REASONS, SOURCES, STEPS, off_by, stands
from gateway.local.walltime import duration, relative
from gateway.local.words import explain_reason
from gateway.radios.api import RadioState, RadioStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from gateway.domain.ids import DeviceId
    from gateway.local.queries import Code
    from gateway.store.devices import DeviceRow
    from gateway.timekeeping.view import Disbelief

Document = dict[str, Any]


def find(
    rows: Iterable[DeviceRow],
    codes: Iterable[Code],
    radios: Mapping[str, RadioState],
    trust: ClockTrust,
    now: Instant,
    disbelief: Disbelief | None = None,
    keyless: frozenset[DeviceId] = frozenset(),
) -> list[Document]:
    """`codes` are those of `queries.needing_attention`, in its order. `keyless`: keys are lost."""
    listed = list(codes)
    return [
        *(_overdue(code, now) for code in listed if code.row.state is GrantState.ERASING),
        *_gateway(radios, trust, disbelief),
        *(_keyless(row) for row in rows if row.device_id in keyless),
        *(item for row in rows for item in _device(row, now)),
        *(_code(code) for code in listed if code.row.state is not GrantState.ERASING),
    ]


def _item(
    code: str,
    text: str,
    step: str = "",
    *,
    device_id: str | None = None,
    credential_id: str | None = None,
    since: Instant | None = None,
) -> Document:
    return {
        "code": code,
        "text": text,
        "next": step,
        "device_id": device_id,
        "credential_id": credential_id,
        "since": time(since),
    }


def _overdue(code: Code, now: Instant) -> Document:
    due = code.row.erase_due_at
    late = f", due {relative(due, now)}" if due is not None else ""
    return _item(
        "erase_overdue",
        f"{code.name} may still open {code.door}: its erase is overdue{late}",
        "Check the lock's batteries and range; it is erased the moment the lock is heard.",
        device_id=code.row.device_id,
        credential_id=code.row.credential_id,
        since=due,
    )


def _gateway(
    radios: Mapping[str, RadioState], trust: ClockTrust, disbelief: Disbelief | None
) -> Iterator[Document]:
    if trust is ClockTrust.UNTRUSTED:
        words = explain_reason("clock_untrusted")
        yield _item("clock_untrusted", words.text, words.next)
    if disbelief is not None and stands(disbelief):
        yield _item(
            "time_refused",
            f"{SOURCES[disbelief.source]} says {off_by(disbelief.difference_ms)} and is not "
            f"believed: {REASONS[disbelief.reason]}",
            STEPS[disbelief.reason],
            since=disbelief.at,
        )
    for name, state in sorted(radios.items()):
        if state.status is RadioStatus.UP:
            continue
        why = f": {state.reason}" if state.reason else ""
        yield _item(
            "radio_down",
            f"the radio {name} is {state.status.value}{why}",
            "Check that the stick is plugged in; the gateway opens it again by itself.",
        )


def _keyless(row: DeviceRow) -> Document:
    return _item(
        "keys_lost",
        f"{row.name} cannot be spoken to: its keys are lost",
        "Restore devices.json from a backup, or reset it at the device, remove it with --force "
        "and pair it again.",
        device_id=row.device_id,
    )


def _device(row: DeviceRow, now: Instant) -> Iterator[Document]:
    if row.reachable is False:
        since = row.reachable_since
        away = f" for {duration(max(0, now - since))}" if since is not None else ""
        yield _item(
            "unreachable",
            f"{row.name} does not answer{away}",
            "Check its batteries and the distance.",
            device_id=row.device_id,
            since=since,
        )
    if row.jammed:
        yield _item("jammed", f"{row.name}: the bolt is jammed", device_id=row.device_id)
    if row.battery_low:
        yield _item(
            "battery_low",
            f"{row.name}: its batteries are low",
            "Change them soon.",
            device_id=row.device_id,
        )
    if row.repair_paused:
        words = explain_reason(row.repair_paused)
        yield _item(
            "repair_paused",
            f"{row.name}: repair is paused: {words.text}",
            words.next,
            device_id=row.device_id,
        )


def _code(code: Code) -> Document:
    row = code.row
    words = explain_reason(row.reason) if row.reason else None
    why = f": {words.text}" if words else ""
    return _item(
        row.state.value if row.state is not GrantState.PENDING else "no_free_slot",
        f"{code.name} at {code.door} is {row.state.value}{why}",
        words.next if words else "",
        device_id=code.row.device_id,
        credential_id=code.row.credential_id,
        since=row.since,
    )
