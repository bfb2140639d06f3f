"""The cloud contract between the gateway and the reference cloud, over a real mosquitto."""

from __future__ import annotations

import asyncio
import json
from random import Random
from typing import TYPE_CHECKING

import pytest

from firmware_sims.cloud.reference import ReferenceCloud, pin, timed
from gateway.domain.events import EventType
from gateway.domain.ids import CredentialId
from gateway.domain.instant import ClockTrust
from gateway.domain.schedule import Tombstone
from gateway.store import desired, events, journal, meta
from gateway.sync.connection import MAX_PAYLOAD
from tests.broker import NEEDS_BROKER, Mosquitto, mosquitto
from tests.sync_house import GATEWAY, House, house

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from firmware_sims.cloud.ledger import Event

pytestmark = NEEDS_BROKER

CANARY = "739154826"


@pytest.fixture
async def broker() -> AsyncIterator[Mosquitto]:
    async with mosquitto() as running:
        yield running


@pytest.fixture
async def gateway(broker: Mosquitto, tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path, broker.port) as running:
        yield running


@pytest.fixture
async def cloud(broker: Mosquitto, gateway: House) -> AsyncIterator[ReferenceCloud]:
    async with ReferenceCloud(broker.host, broker.port, GATEWAY) as running:
        await running.wait_online()
        yield running


def is_type(kind: str) -> Callable[[Event], bool]:
    return lambda event: event["type"] == kind


# --------------------------------------------------------------------------------- schedules


async def test_a_delta_is_applied_and_told(cloud: ReferenceCloud, gateway: House) -> None:
    cloud.push([pin("c1", CANARY, ["dev1", "dev2"], name="Ada")])
    await cloud.wait_applied()

    await cloud.wait_grant("c1", "dev1", "pending")
    grant = await cloud.wait_grant("c1", "dev2", "pending")
    assert grant["version"] == 1
    assert await gateway.store.fetch_one(meta.revision()) == 1
    applied = await cloud.wait_event(is_type("schedule.applied"))
    assert applied["body"]["changed"] == 1


async def test_digits_are_never_told_back(
    cloud: ReferenceCloud, gateway: House, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said: list[str] = []
    cloud.listener = lambda leaf, message: said.append(json.dumps(message))
    cloud.push([pin("c1", CANARY, ["dev1"])])
    await cloud.wait_grant("c1", "dev1", "pending")
    cloud.push([pin("c2", CANARY, ["dev1"], {"kind": "timed", "opens_at": CANARY})])
    await cloud.wait_event(is_type("schedule.refused"))

    assert not any(CANARY in text for text in said)
    assert CANARY not in "".join(capsys.readouterr())
    files = await asyncio.to_thread(lambda: [path.read_bytes() for path in tmp_path.iterdir()])
    assert not any(CANARY.encode() in content for content in files)


async def test_a_tombstone_removes(cloud: ReferenceCloud, gateway: House) -> None:
    cloud.push([pin("c1", "48392017", ["dev1"])])
    cloud.push([], [{"credential_id": "c1"}])
    grant = await cloud.wait_grant("c1", "dev1", "erased")
    assert grant["removed"] == "tombstone"
    await cloud.wait_applied()


async def test_a_snapshot_in_shuffled_and_repeated_chunks(
    cloud: ReferenceCloud, gateway: House
) -> None:
    for number in range(45):
        cloud.schedule[f"c{number}"] = pin(
            f"c{number}", f"{48392000 + number}", ["dev1"], version=1
        )
    cloud.revision = 7

    def shuffled(chunks: list[dict[str, object]]) -> list[dict[str, object]]:
        return Random(3).sample(chunks * 2, len(chunks) * 2)

    cloud.push_snapshot(chunk_size=10, order=shuffled)
    await cloud.wait_applied()
    assert len(await gateway.store.fetch(desired.grant_lines())) == 45


async def test_unpacked_and_packed_snapshots_mean_the_same(
    cloud: ReferenceCloud, gateway: House
) -> None:
    cloud.schedule["c1"] = pin("c1", "48392017", ["dev1"], version=1)
    for revision, packed in ((1, True), (2, False)):
        cloud.revision = revision
        cloud.push_snapshot(packed=packed)
        await cloud.wait_applied()
    assert len(await gateway.store.fetch(desired.grant_lines())) == 1


async def test_a_gap_is_healed_by_a_snapshot(cloud: ReferenceCloud, gateway: House) -> None:
    cloud.push([pin("c1", "48392017", ["dev1"])])
    await cloud.wait_applied()
    cloud.faults.drop = 1.0
    cloud.push([pin("c2", "58392017", ["dev1"])])
    cloud.faults.drop = 0.0
    cloud.push([pin("c3", "68392017", ["dev1"])])

    await cloud.wait_applied()
    lines = await gateway.store.fetch(desired.grant_lines())
    assert {line.credential_id for line in lines} == {"c1", "c2", "c3"}


async def test_a_lost_last_delta_is_healed_by_the_hello(
    cloud: ReferenceCloud, gateway: House
) -> None:
    cloud.push([pin("c1", "48392017", ["dev1"])])
    await cloud.wait_applied()
    cloud.faults.drop = 1.0
    cloud.push([pin("c2", "58392017", ["dev1"])])
    cloud.faults.drop = 0.0
    await cloud.wait_applied()
    assert len(await gateway.store.fetch(desired.grant_lines())) == 2


async def test_a_lost_revocation_is_carried_out_all_the_same(
    cloud: ReferenceCloud, gateway: House
) -> None:
    cloud.push([pin("c1", "48392017", ["dev1"]), pin("c2", "58392017", ["dev1"])])
    await cloud.wait_applied()
    cloud.faults.drop = 1.0
    cloud.push([], [{"credential_id": "c1"}])
    cloud.faults.drop = 0.0
    await cloud.wait_grant("c1", "dev1", "erased")
    await cloud.wait_applied()
    assert cloud.graves == []
    lines = await gateway.store.fetch(desired.grant_lines())
    assert {line.credential_id for line in lines} == {"c2"}


async def test_a_wrong_hash_applies_nothing_and_asks_for_the_whole(
    cloud: ReferenceCloud, gateway: House
) -> None:
    cloud.send(
        "desired",
        kind="delta",
        revision=1,
        previous=0,
        hash="0" * 64,
        credentials=[pin("c1", "48392017", ["dev1"], version=1)],
    )
    await cloud.until(lambda: cloud.hello.get("want") == "snapshot")
    assert await gateway.store.fetch_one(meta.revision()) == 0
    assert await gateway.store.fetch(desired.grant_lines()) == []
    refused = await cloud.wait_event(is_type("schedule.refused"))
    assert refused["body"]["code"] == "hash_mismatch"


async def test_an_older_schedule_never_replaces_a_newer_one(
    cloud: ReferenceCloud, gateway: House
) -> None:
    cloud.push([pin("c1", "48392017", ["dev1"])])
    await cloud.wait_applied()
    old = dict(cloud.schedule)
    cloud.push([], [{"credential_id": "c1"}])
    await cloud.wait_applied()

    cloud.schedule, cloud.revision = old, 1
    cloud.push_snapshot()
    before = cloud.hello
    await cloud.until(lambda: cloud.hello is not before)
    assert cloud.hello["revision"] == 2
    assert await gateway.store.fetch(desired.grant_lines()) == []


async def test_an_invalid_message_is_refused_whole_and_names_the_field(
    cloud: ReferenceCloud, gateway: House
) -> None:
    bad = pin("c2", CANARY, ["dev1"], timed("2026-11-20T12:00:00Z", "2026-11-20T11:00:00Z"))
    cloud.push([pin("c1", "48392017", ["dev1"]), bad])
    refused = await cloud.wait_event(is_type("schedule.refused"))
    assert refused["body"]["credential_id"] == "c2"
    assert refused["body"]["path"] == "credentials.1.window"
    assert await gateway.store.fetch(desired.grant_lines()) == []


# ------------------------------------------------------------------------- removals withheld


async def test_a_careless_mass_deletion_is_held_and_reported(
    cloud: ReferenceCloud, gateway: House
) -> None:
    cloud.push([pin(f"c{n}", f"{48392000 + n}", ["dev1"]) for n in range(5)])
    cloud.push([pin("new", "99992017", ["dev1"])], [{"credential_id": f"c{n}"} for n in range(5)])
    held = await cloud.wait_event(is_type("schedule.removals_held"))
    assert held["body"]["count"] == 5
    await cloud.wait_applied()
    assert cloud.hello["held_count"] == 5
    assert len(await gateway.store.fetch(desired.grant_lines())) == 6  # the addition passed

    answer = await cloud.command("confirm_removals", revision=2)
    assert answer["result"]["grants"] == 5
    await cloud.until(lambda: cloud.hello.get("held_count") == 0)
    assert len(await gateway.store.fetch(desired.grant_lines())) == 1
    cloud.push([pin("newer", "89992017", ["dev1"])])  # the hashes still agree
    await cloud.wait_applied()
    assert not cloud.find_event(is_type("schedule.refused"))


async def test_an_explicit_mass_deletion_passes(cloud: ReferenceCloud, gateway: House) -> None:
    cloud.push([pin(f"c{n}", f"{48392000 + n}", ["dev1"]) for n in range(5)])
    cloud.push([], [{"credential_id": f"c{n}"} for n in range(5)], confirm_removals=True)
    await cloud.wait_applied()
    await cloud.wait_grant("c4", "dev1", "erased")
    assert cloud.hello["held_count"] == 0


async def test_a_careless_snapshot_keeps_whom_it_would_lock_out(
    cloud: ReferenceCloud, gateway: House
) -> None:
    cloud.push([pin(f"c{n}", f"{48392000 + n}", ["dev1"]) for n in range(4)])
    await cloud.wait_applied()
    cloud.schedule["c0"] = cloud.schedule["c0"] | {"version": 2, "secret": {"digits": "11112222"}}
    del cloud.schedule["c1"]
    cloud.revision = 2
    cloud.push_snapshot(tombstones=[{"credential_id": "c1"}])
    await cloud.wait_applied()

    assert {
        (item["credential_id"], item.get("version")) for item in cloud.hello["held_removals"]
    } == {("c0", 2), ("c1", None)}
    lines = await gateway.store.fetch(desired.grant_lines())
    assert {(line.credential_id, line.version) for line in lines} == {
        (f"c{n}", 1) for n in range(4)
    }
    cloud.push([pin("c5", "77776666", ["dev1"])])  # a delta on top still agrees
    await cloud.wait_applied()
    assert not cloud.find_event(is_type("schedule.refused"))


async def test_what_was_revoked_is_not_brought_back_by_the_schedule(
    cloud: ReferenceCloud, gateway: House
) -> None:
    cloud.push([pin("c1", "48392017", ["dev1"]), pin("c2", "58392017", ["dev1"])])
    await cloud.wait_applied()
    await gateway.store.submit(
        lambda tx: desired.tombstone(
            tx, Tombstone(CredentialId("c1")), 1, gateway.clock.now(), "revoked"
        )
    )
    cloud.revision = 2
    cloud.push_snapshot()
    await cloud.wait_applied()
    lines = await gateway.store.fetch(desired.grant_lines())
    assert {line.credential_id for line in lines} == {"c2"}
    cloud.push([pin("c3", "68392017", ["dev1"])])
    await cloud.wait_applied()
    assert not cloud.find_event(is_type("schedule.refused"))

    cloud.push([pin("c1", "48392018", ["dev1"])])  # a newer version is a new order
    await cloud.wait_applied()
    lines = await gateway.store.fetch(desired.grant_lines())
    assert {line.credential_id for line in lines} == {"c1", "c2", "c3"}


# ------------------------------------------------------------------------------------ events


async def test_events_arrive_in_order_and_the_watermark_follows(
    cloud: ReferenceCloud, gateway: House
) -> None:
    await gateway.happen(450)
    epoch = gateway.store.opened.epoch
    await cloud.until(lambda: epoch in cloud.ledgers and cloud.ledgers[epoch].watermark == 450)
    assert [event["seq"] for event in cloud.events()] == list(range(1, 451))
    await gateway_knows(cloud, gateway, 450)


async def gateway_knows(cloud: ReferenceCloud, gateway: House, seq: int) -> None:
    """Until the gateway stored the cloud's watermark; a hello says so."""
    cloud.ask(want_hello=True)
    await cloud.until(lambda: cloud.hello.get("events", {}).get("through") == seq)
    assert await gateway.store.fetch_one(events.watermark()) == seq


async def test_a_killed_broker_loses_no_event(
    broker: Mosquitto, cloud: ReferenceCloud, gateway: House
) -> None:
    epoch = gateway.store.opened.epoch
    await gateway.happen(50)
    await broker.kill()
    await gateway.happen(50)
    await broker.start()
    await gateway.happen(50)
    await cloud.until(
        lambda: epoch in cloud.ledgers and cloud.ledgers[epoch].watermark == 150, timeout_s=20
    )
    assert cloud.presence["connection"] >= 2
    assert [event["body"]["number"] for event in cloud.events()] == [*range(50)] * 3


async def test_a_cloud_that_was_away_gets_what_it_missed(
    cloud: ReferenceCloud, gateway: House
) -> None:
    epoch = gateway.store.opened.epoch
    await gateway.happen(10)
    await cloud.until(lambda: epoch in cloud.ledgers and cloud.ledgers[epoch].watermark == 10)
    await cloud.go_away()
    await gateway.happen(300)
    await cloud.come_back()
    await cloud.until(lambda: cloud.ledgers[epoch].watermark == 310, timeout_s=20)


async def test_lost_batches_are_asked_for(cloud: ReferenceCloud, gateway: House) -> None:
    epoch = gateway.store.opened.epoch
    cloud.faults.drop, cloud.faults.repeat, cloud.faults.reorder = 0.4, 0.2, 0.2
    await gateway.happen(200)
    cloud.faults.drop = 0.0
    cloud.faults.reorder = 0.0
    await gateway.happen(1)
    await cloud.until(
        lambda: epoch in cloud.ledgers and cloud.ledgers[epoch].watermark == 201, timeout_s=20
    )


async def test_an_acknowledgement_of_what_does_not_exist_is_refused(
    cloud: ReferenceCloud, gateway: House
) -> None:
    cloud.send("ack", epoch=gateway.store.opened.epoch, events_through=10_000)
    refused = await cloud.wait_event(is_type("gateway.message_refused"))
    assert refused["body"]["code"] == "beyond_head"


async def test_an_acknowledgement_of_another_epoch_changes_nothing(
    cloud: ReferenceCloud, gateway: House
) -> None:
    await gateway.happen(3)
    cloud.send("ack", epoch="another", events_through=3, want_hello=True)
    epoch = gateway.store.opened.epoch
    await cloud.until(lambda: epoch in cloud.ledgers and cloud.ledgers[epoch].watermark == 3)
    await gateway_knows(cloud, gateway, 3)


# ---------------------------------------------------------------------------------- commands


async def test_the_same_command_gets_the_same_answer_and_acts_once(
    cloud: ReferenceCloud, gateway: House
) -> None:
    first = await cloud.command("paint_it_black", "dev1", command_id="cmd-1")
    again = await cloud.command("paint_it_black", "dev1", command_id="cmd-1")
    assert first == again
    assert first["result"] == {"outcome": "refused", "reason": "unknown_kind"}
    await gateway.happen(1)
    await cloud.wait_event(is_type("lock.unlocked"))
    assert len([e for e in cloud.events() if e["type"] == "audit.command"]) == 1


async def test_an_expired_command_is_refused_without_an_act(
    cloud: ReferenceCloud, gateway: House
) -> None:
    answer = await cloud.command("unlock", "dev1", not_after="2020-01-01T00:00:00Z")
    assert answer["result"] == {"outcome": "refused", "reason": "expired"}
    assert await gateway.store.fetch(journal.open_commands()) == []


async def test_a_momentary_command_is_journaled_with_a_deadline(
    cloud: ReferenceCloud, gateway: House
) -> None:
    cloud.send("commands", command_id="cmd-1", kind="unlock", device_id="dev1")
    cloud.send("commands", command_id="cmd-2", kind="revoke", args={"credential_id": "c1"},
               not_after="2020-01-01T00:00:00Z")  # fmt: skip
    await cloud.command("nonsense", command_id="cmd-3")
    unlock, revoke = await gateway.store.fetch(journal.open_commands())
    assert unlock.not_after == unlock.received_at + 30_000
    assert (revoke.kind, revoke.not_after) == ("revoke", None)
    assert revoke.body == {"credential_id": "c1"}


async def test_an_answer_given_later_is_told_and_survives_a_restart(
    broker: Mosquitto, tmp_path: Path
) -> None:
    async with ReferenceCloud(broker.host, broker.port, GATEWAY) as cloud:
        async with house(tmp_path, broker.port) as gateway:
            await cloud.wait_online()
            cloud.send("commands", command_id="cmd-1", kind="unlock", device_id="dev1")
            await cloud.command("nonsense", command_id="cmd-2")
            now = gateway.clock.now()
            result = {"outcome": "confirmed"}
            command_id = (await gateway.store.fetch(journal.open_commands()))[0].command_id
            await gateway.store.submit(lambda tx: journal.finish(tx, command_id, result, now))
            await cloud.until(lambda: "cmd-1" in cloud.results)
        await cloud.until(lambda: not cloud.presence["online"])
        async with house(tmp_path, broker.port):
            await cloud.wait_online()
            answer = await cloud.command("unlock", "dev1", command_id="cmd-1")
            assert answer["result"] == {"outcome": "confirmed"}


async def test_with_an_untrusted_clock_a_momentary_command_needs_our_nonce(
    broker: Mosquitto, tmp_path: Path
) -> None:
    async with (
        house(tmp_path, broker.port, trust=ClockTrust.UNTRUSTED) as gateway,
        ReferenceCloud(broker.host, broker.port, GATEWAY) as cloud,
    ):
        await cloud.wait_online()
        answer = await cloud.command("unlock", "dev1")
        assert answer["result"] == {"outcome": "refused", "reason": "not_fresh"}
        cloud.ask(want_hello=True)
        await cloud.until(lambda: cloud.hello)
        cloud.send("commands", command_id="cmd-f", kind="unlock", device_id="dev1",
                   nonce=cloud.hello["nonce"])  # fmt: skip
        await cloud.command("nonsense")
        assert [c.command_id for c in await gateway.store.fetch(journal.open_commands())] == [
            "cmd-f"
        ]


# ------------------------------------------------------------------------- what is not taken


async def test_a_retained_command_is_refused(broker: Mosquitto, tmp_path: Path) -> None:
    async with ReferenceCloud(broker.host, broker.port, GATEWAY) as cloud:
        order = {"schema": 1, "command_id": "old", "kind": "unlock", "device_id": "dev1"}
        cloud.send_raw("commands", json.dumps(order).encode(), retain=True)
        async with house(tmp_path, broker.port) as gateway:
            refused = await cloud.wait_event(is_type("gateway.message_refused"))
            assert refused["body"]["code"] == "retained"
            assert await gateway.store.fetch(journal.open_commands()) == []


@pytest.mark.parametrize(
    ("leaf", "payload", "code"),
    [
        ("commands", b"eyJhbGciOiJFZERTQSJ9.e30.c2ln", "signature_unsupported"),
        ("commands", b"not json", "malformed"),
        ("commands", b'{"schema":1', "malformed"),
        ("commands", b'{"schema":2,"command_id":"a","kind":"unlock"}', "schema_unsupported"),
        (
            "commands",
            b'{"schema":1,"command_id":"a","kind":"lock","crit":["x"]}',
            "crit_unsupported",
        ),
        ("commands", b'{"schema":1,"command_id":"a/b","kind":"unlock"}', "invalid_field"),
        ("commands", b"{" + b" " * MAX_PAYLOAD + b"}", "too_large"),
        ("commands", b'{"a":' * 5000, "malformed"),
        ("trust", b"{}", "unknown_topic"),
        ("a/b/c", b"{}", "unknown_topic"),
    ],
    ids=lambda value: value[:24] if isinstance(value, (bytes, str)) else None,
)
async def test_what_cannot_be_accepted_is_recorded_and_stops_nothing(
    cloud: ReferenceCloud, gateway: House, leaf: str, payload: bytes, code: str
) -> None:
    cloud.send_raw(leaf, payload)
    refused = await cloud.wait_event(is_type("gateway.message_refused"))
    assert refused["body"]["code"] == code
    answer = await cloud.command("nonsense")
    assert answer["result"]["reason"] == "unknown_kind"


async def test_unsigned_orders_are_refused_unless_allowed(
    broker: Mosquitto, tmp_path: Path
) -> None:
    async with (
        house(tmp_path, broker.port, accept_unsigned=False) as gateway,
        ReferenceCloud(broker.host, broker.port, GATEWAY) as cloud,
    ):
        await cloud.wait_online()
        cloud.send("commands", command_id="c", kind="unlock", device_id="dev1")
        refused = await cloud.wait_event(is_type("gateway.message_refused"))
        assert refused["body"]["code"] == "unsigned"
        assert await gateway.store.fetch(journal.open_commands()) == []


async def test_unknown_fields_are_ignored(cloud: ReferenceCloud, gateway: House) -> None:
    cloud.push([pin("c1", "48392017", ["dev1"], colour="blue")])
    await cloud.wait_applied()


async def test_a_flood_of_refusals_does_not_fill_the_ledger(
    cloud: ReferenceCloud, gateway: House
) -> None:
    for _ in range(100):
        cloud.send_raw("commands", b"junk")
    await cloud.command("nonsense")
    await cloud.wait_event(is_type("audit.command"))
    refused = [e for e in cloud.events() if e["type"] == "gateway.message_refused"]
    assert 1 <= len(refused) <= 21


# ---------------------------------------------------------------------------------- presence


async def test_presence_and_an_orderly_end(broker: Mosquitto, tmp_path: Path) -> None:
    async with ReferenceCloud(broker.host, broker.port, GATEWAY) as cloud:
        async with house(tmp_path, broker.port) as gateway:
            await cloud.wait_online()
            await cloud.until(lambda: cloud.hello)
            assert gateway.link.state.connected
        await cloud.until(lambda: cloud.presence["online"] is False)


async def test_the_link_says_why_it_is_down_and_comes_back(
    broker: Mosquitto, gateway: House, cloud: ReferenceCloud
) -> None:
    await broker.stop()
    async with asyncio.timeout(10):
        while gateway.link.state.connected:
            await gateway.happen(1)
    assert gateway.link.state.reason
    await broker.start()
    await cloud.until(lambda: cloud.presence["connection"] >= 2)


async def test_everything_is_reported_on_request(cloud: ReferenceCloud, gateway: House) -> None:
    cloud.push([pin(f"c{n}", f"{48392000 + n}", ["dev1"]) for n in range(600)])
    await cloud.wait_grant("c599", "dev1", "pending")
    cloud.grants.clear()
    chunks: set[int] = set()
    cloud.listener = lambda leaf, m: chunks.add(m["chunk"]) if leaf == "reported" else None
    cloud.ask(want_reported=True)
    await cloud.until(lambda: len(cloud.grants) == 600)
    assert chunks == {1, 2}


async def test_an_event_of_every_type_can_be_told(cloud: ReferenceCloud, gateway: House) -> None:
    for kind in EventType:
        await gateway.happen(1, kind)
    await cloud.until(lambda: len({event["type"] for event in cloud.events()}) == len(EventType))
