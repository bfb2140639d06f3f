"""Commands into the journal: what each kind needs, when it is too late, and that it acts once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from gateway.domain.ids import CommandId
from gateway.domain.instant import SECOND, ClockTrust, Instant, to_rfc3339
from gateway.store import events, journal
from gateway.sync.messages import Command
from gateway.sync.orders import KINDS, Reception, Result, receive
from tests.unit.sync.conftest import NOW

if TYPE_CHECKING:
    from gateway.store.database import Store
    from gateway.store.tx import Tx

AT = Reception(NOW, ClockTrust.TRUSTED, fresh=False)


def confirm(tx: Tx, revision: int, now: Instant) -> Result:
    return {"outcome": "confirmed", "revision": revision}


async def give(store: Store, at: Reception = AT, **fields: Any) -> journal.CommandRow:
    text = {"schema": 1, "command_id": "c", **fields}
    command = Command.model_validate_json(json.dumps(text))
    await store.submit(lambda tx: receive(tx, command, at, confirm))
    row = await store.fetch_one(journal.command(CommandId("c")))
    assert row is not None
    return row


@pytest.mark.parametrize("kind", sorted(KINDS))
async def test_every_kind_can_be_given(store: Store, kind: str) -> None:
    by_kind: dict[str, dict[str, Any]] = {
        "revoke": {"credential_id": "x"},
        "revoke_subject": {"subject_id": "s"},
        "rename": {"name": "Door"},
        "confirm_removals": {"revision": 3},
    }
    args = by_kind.get(kind, {})
    row = await give(store, kind=kind, device_id="d1", args=args)
    if kind == "confirm_removals":
        assert row.result == {"outcome": "confirmed", "revision": 3}
    else:
        assert row.result is None
        assert args.items() <= row.body.items()
    assert row.actor == "cloud"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"kind": "dance"}, "unknown_kind"),
        ({"kind": "unlock"}, "no_device"),
        ({"kind": "rename", "device_id": "d"}, "invalid_arguments"),
        ({"kind": "lock", "device_id": "d", "args": {"hard": True}}, "invalid_arguments"),
        ({"kind": "refresh", "device_id": "d", "not_after": to_rfc3339(NOW)}, "expired"),
        ({"kind": "unlock", "device_id": "d", "nonce": "old"}, "not_fresh"),
    ],
)
async def test_refusals_are_answers(store: Store, fields: dict[str, Any], reason: str) -> None:
    row = await give(store, **fields)
    assert row.result is not None
    assert (row.result["outcome"], row.result["reason"]) == ("refused", reason)
    assert row in await store.fetch(journal.untold())
    (event,) = await store.fetch(events.events_after(0, 9))
    assert event.body["reason"] == reason


async def test_deadlines(store: Store) -> None:
    row = await give(store, kind="unlock", device_id="d")
    assert row.not_after == NOW + 30 * SECOND


async def test_no_door_is_opened_long_after_it_was_asked_for(store: Store) -> None:
    row = await give(store, kind="unlock", device_id="d", not_after="2100-01-01T00:00:00Z")
    assert row.not_after == NOW + 120 * SECOND


async def test_some_orders_are_never_too_late(store: Store) -> None:
    row = await give(
        store, kind="revoke", args={"credential_id": "x"}, not_after="2000-01-01T00:00:00Z"
    )
    assert (row.not_after, row.result) == (None, None)


@pytest.mark.parametrize(("fresh", "result"), [(True, None), (False, "not_fresh")])
async def test_an_untrusted_clock(store: Store, fresh: bool, result: str | None) -> None:
    at = Reception(NOW, ClockTrust.UNTRUSTED, fresh=fresh)
    row = await give(store, at, kind="unlock", device_id="d")
    assert (row.result or {}).get("reason") == result


async def test_the_same_id_again_changes_nothing_and_is_told_again(store: Store) -> None:
    first = await give(store, kind="dance")
    await store.submit(lambda tx: journal.told(tx, [first.command_id], NOW))
    again = await give(store, kind="unlock", device_id="d")
    assert (again.kind, again.result) == (first.kind, first.result)
    assert [row.command_id for row in await store.fetch(journal.untold())] == ["c"]
    assert len(await store.fetch(events.events_after(0, 9))) == 1


@pytest.mark.parametrize("off_ms", [-3600 * SECOND, 3600 * SECOND])
async def test_a_fresh_momentary_command_is_not_measured_by_an_unproven_clock(
    store: Store, off_ms: int
) -> None:
    """Somebody waits at the door, and our clock may be hours off either way."""
    at = Reception(Instant(NOW + off_ms), ClockTrust.UNTRUSTED, fresh=True)
    row = await give(store, at, kind="unlock", device_id="d", nonce="n", not_after=to_rfc3339(NOW))
    assert row.result is None
    assert row.not_after == at.now + 30 * SECOND
