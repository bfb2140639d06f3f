"""Rows as JSON: what is counted, and what is never told."""

from __future__ import annotations

import json

from gateway.domain.capabilities import Capabilities, CodeLimits
from gateway.domain.devices import Empty, Evidence, Known, Opaque, OpaqueReason, Slot
from gateway.domain.ids import CredentialId, DeviceId
from gateway.domain.instant import Instant
from gateway.domain.secret import KeyedHash
from gateway.domain.windows import Recurring, Weekly
from gateway.local import documents
from gateway.store.devices import DeviceRow

ADA = CredentialId("ada")
SLOTS = [
    Slot(1, Known(KeyedHash("secret-hash")), ADA, evidence=frozenset({Evidence.READ_BACK})),
    Slot(2, Opaque(OpaqueReason.IN_FLIGHT), ADA),
    Slot(3, Known(KeyedHash("x"))),
    Slot(4, Opaque(OpaqueReason.MASKED)),
    Slot(5, Empty(), observed_at=Instant(0)),
    Slot(6, Opaque(OpaqueReason.UNREAD)),
]


def row(slots: int) -> DeviceRow:
    return DeviceRow(
        device_id=DeviceId("dev_1"), radio="zigbee", address="a", driver="d", kind="lock",
        manufacturer="m", model="x", name="Front", quirks=(), joined_at=Instant(0),
        capabilities=Capabilities(codes=CodeLimits(slots, reserved_slots=frozenset({9, 2}))),
        removed_at=None, well_known_key=False, simulated=False, reachable=None,
        reachable_since=None, last_heard_at=None, locked=None, door_open=None, jammed=False,
        battery_percent=None, battery_low=None, clock_error_ms=None, clock_bound_ms=None,
        clock_read_at=None, clock_zone_proven=None, schedules_proven=False, repair_paused=None,
        recovering=False,
        inventory_done=False, changed=1,
    )  # fmt: skip


def test_slots_are_ours_others_free_or_not_known() -> None:
    assert documents.slot_counts(row(10), SLOTS) == {
        "total": 10,
        "managed": 2,
        "unmanaged": 2,
        "free": 1,
        "unread": 5,  # the one marked so, and four that were never looked into
    }


def test_a_slot_tells_its_owner_but_never_what_it_holds() -> None:
    told = [documents.slot(slot) for slot in SLOTS]
    assert [item["content"] for item in told] == [
        "known", "opaque", "known", "opaque", "empty", "opaque",
    ]  # fmt: skip
    assert told[1]["reason"] == "in_flight"
    assert "secret-hash" not in json.dumps(told)


def test_capabilities_are_plain_json() -> None:
    document = documents.capabilities(row(10))
    assert document["codes"]["reserved_slots"] == [2, 9]
    assert document["can_remotely_unlock"] is None
    json.dumps(document)


def test_a_recurring_window_reads_like_the_clouds() -> None:
    window = Recurring((Weekly(frozenset({7, 1}), 1320, 1440),), "UTC", not_after=Instant(0))
    assert documents.window(window) == {
        "kind": "recurring",
        "rules": [{"weekdays": ["mon", "sun"], "from": "22:00", "to": "24:00"}],
        "zone": "UTC",
        "not_before": None,
        "not_after": "1970-01-01T00:00:00.000Z",
    }
