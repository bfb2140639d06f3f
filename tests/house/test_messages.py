"""Messages that no cloud should send: each is refused in words, and the house goes on."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from firmware_sims.cloud.reference import pack
from firmware_sims.demo.steps import Document, rfc, soon
from gateway.sync.connection import MAX_PAYLOAD
from tests.house.house import ALWAYS, Door, House, house, needs_broker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = [*needs_broker, pytest.mark.asyncio(loop_scope="module")]

DIGITS = "739154826"


@pytest_asyncio.fixture(loop_scope="module", scope="module", name="house")
async def _house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with house(tmp_path_factory.mktemp("house"), Door("front"), Door("side")) as running:
        await running.give("resident", "front")
        yield running


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def _goes_on(house: House) -> AsyncIterator[None]:
    """Whatever a test did: nothing was lost, and the main job is done afterwards."""
    yield
    await house.cloud.wait_applied()
    await house.works()
    assert len(await house.held("front", "resident")) == 1
    assert DIGITS not in "".join(house.stage.received)


# ------------------------------------------------------------------------------- not a message


def _as_bytes(fields: Document) -> bytes:
    return json.dumps({"schema": 1} | fields).encode()


def _delta(**fields: Any) -> bytes:
    return _as_bytes(
        {"kind": "delta", "revision": 10_000, "previous": 9_999, "hash": "0" * 64} | fields
    )


def _credential(**fields: Any) -> Document:
    return {
        "credential_id": "bad",
        "version": 1,
        "kind": "pin",
        "secret": {"digits": DIGITS},
        "devices": ["dev_1"],
        "window": ALWAYS,
    } | fields


def _order(**fields: Any) -> bytes:
    return _as_bytes({"command_id": "bad-order", "kind": "lock", "device_id": "dev_1"} | fields)


def _snapshot(packed: str) -> bytes:
    place = {"kind": "snapshot", "chunk": 1, "chunks": 1, "revision": 10_000, "hash": "0" * 64}
    return _as_bytes(place | {"credentials_z": packed})


PACKED = pack([_credential()])

REFUSED = {
    "malformed": ("desired", b'{"schema":1,"digits":"' + DIGITS.encode(), "malformed", None),
    "empty": ("commands", b"", "malformed", None),
    "a list": ("desired", b"[" + _delta() + b"]", "malformed", None),
    "not UTF-8": (
        "commands",
        _order(reason=DIGITS).replace(b"lock", b"l\xf6ck"),
        "malformed",
        None,
    ),
    "UTF-16": ("desired", _delta().decode().encode("utf-16"), "malformed", None),
    "deep": ("desired", b'{"a":' * 20_000, "malformed", None),
    "oversized": ("desired", _delta(note="x" * MAX_PAYLOAD), "too_large", None),
    "wrong type": ("desired", _delta(revision="10000"), "invalid_field", "revision"),
    "digits as a number": (
        "desired",
        _delta(credentials=[_credential(secret={"digits": int(DIGITS)})]),
        "invalid_field",
        "credentials.0.secret.digits",
    ),
    "unknown version": ("desired", _delta(schema=2), "schema_unsupported", "schema"),
    "unknown kind": ("desired", _delta(kind="purge"), "invalid_field", None),
    "unknown in a window": (
        "desired",
        _delta(credentials=[_credential(window={"kind": "always", "floor": 3})]),
        "invalid_field",
        "credentials.0.window.floor",
    ),
    "critical": ("commands", _order(crit=["two_man_rule"]), "crit_unsupported", "crit"),
    "JWS": ("desired", b"eyJhbGciOiJFZERTQSJ9.e30.c2ln", "signature_unsupported", None),
    "truncated snapshot": (
        "desired",
        _snapshot(PACKED[: len(PACKED) // 8 * 4]),
        "invalid_field",
        "credentials_z",
    ),
    "snapshot of noise": ("desired", _snapshot("!" * 40), "invalid_field", "credentials_z"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_refused_in_words(house: House, name: str) -> None:
    leaf, payload, code, path = REFUSED[name]
    before, revision = house.head, house.cloud.hello["revision"]
    house.cloud.send_raw(leaf, payload)

    kind = "schedule.refused" if leaf == "desired" else "gateway.message_refused"
    told = await house.event(kind, before)
    assert (told["body"]["code"], told["body"]["topic"]) == (code, leaf)
    assert told["body"]["bytes"] == len(payload)
    assert told["body"]["detail"]
    assert f'"refusal": "{code}"' in house.stage.daemon.log.read_text()
    if path is not None:
        assert told["body"]["path"] == path
    assert house.cloud.hello["revision"] in {revision, house.cloud.revision}


async def test_what_exceeds_the_connections_limit_never_arrives(house: House) -> None:
    """The broker keeps it back (MQTT 5, 3.1.2.11.4), and the link lives."""
    connection = house.cloud.presence["connection"]
    house.cloud.send_raw("desired", _delta(note="x" * 4 * MAX_PAYLOAD))
    await house.works("side")
    assert house.cloud.presence["connection"] == connection


# ------------------------------------------------------------------------- out of their place


async def test_a_gap_is_noticed_and_healed(house: House) -> None:
    house.cloud.faults.drop = 1.0
    house.cloud.push([house.credential("lost", ["side"], ALWAYS)])
    house.cloud.faults.drop = 0.0
    house.cloud.push([house.credential("after_the_gap", ["side"], ALWAYS)])
    for name in ("lost", "after_the_gap"):
        await house.until_held("side", name)
    await house.take("lost", "side")
    await house.take("after_the_gap", "side")


async def test_a_repeated_delta_acts_once(house: House) -> None:
    before = house.head
    house.cloud.faults.repeat = 1.0
    house.cloud.push([house.credential("twice", ["side"], ALWAYS)])
    house.cloud.faults.repeat = 0.0
    await house.until_held("side", "twice")
    await house.cloud.wait_applied()
    writes = await house.applied("side", "set_pin_code")
    await house.take("twice", "side")
    await house.caught_up()
    told = [e for e in house.cloud.events() if e["seq"] > before]
    assert sum(e["type"] == "schedule.applied" for e in told) == 2  # one comes, one goes
    assert await house.applied("side", "set_pin_code") == writes


async def test_an_old_revision_brings_nothing_back(house: House) -> None:
    house.cloud.push([house.credential("former", ["side"], ALWAYS)])
    await house.until_held("side", "former")
    revision, digest = house.cloud.revision, house.cloud.hash
    fields = {"credentials": [copy.deepcopy(house.cloud.schedule["former"])]}
    await house.take("former", "side")

    writes = await house.applied("side", "set_pin_code")
    house.cloud.send(
        "desired", kind="delta", revision=revision, previous=revision - 1, hash=digest, **fields
    )
    house.cloud.send(
        "desired", kind="snapshot", chunk=1, chunks=1, revision=revision, hash=digest, **fields
    )
    before = house.cloud.hello
    await house.cloud.until(lambda: house.cloud.hello is not before)
    await house.works("side")
    assert await house.applied("side", "set_pin_code") == writes + 1  # that of the proof
    assert not await house.held("side", "former")


async def test_a_wrong_hash_applies_nothing_and_is_healed(house: House) -> None:
    before = house.head
    house.cloud.send(
        "desired",
        kind="delta",
        revision=house.cloud.revision + 1,
        previous=house.cloud.revision,
        hash="0" * 64,
        credentials=[_credential(devices=[house.id_of("front")])],
    )
    told = await house.event("schedule.refused", before)
    assert told["body"]["code"] == "hash_mismatch"
    await house.cloud.until(lambda: house.cloud.hello.get("want") is None)
    assert ("bad", house.id_of("front")) not in house.cloud.grants


async def test_half_a_snapshot_changes_nothing(house: House) -> None:
    house.cloud.revision += 1
    house.cloud.push_snapshot(
        chunk_size=1, order=lambda chunks: [c | {"chunks": 2} for c in chunks]
    )
    await house.works("side")  # a delta on the revision before does not fit: healed by the whole
    assert len(await house.held("front", "resident")) == 1


async def test_what_is_retained_is_refused(house: House) -> None:
    """Published while we listen, and found when we come back."""
    order = {"command_id": "retained", "kind": "unlock", "device_id": house.id_of("front")}
    unlocked = await house.applied("front", "unlock_door")
    before = house.head
    house.cloud.send_raw("commands", _as_bytes(order), retain=True)
    told = await house.event("gateway.message_refused", before)
    assert told["body"]["code"] == "retained"

    await house.stage.daemon.stop()
    before = house.head
    await house.up()
    told = await house.event("gateway.message_refused", before)
    assert told["body"]["code"] == "retained"

    before = house.head
    house.cloud.send_raw("commands", b"", retain=True)  # takes it away from the broker
    await house.event("gateway.message_refused", before)
    house.cloud.send_raw("desired", _delta(), retain=True)
    told = await house.event("schedule.refused", before)
    assert told["body"]["code"] == "retained"
    house.cloud.send_raw("desired", b"", retain=True)
    await house.event("schedule.refused", told["seq"])
    assert await house.applied("front", "unlock_door") == unlocked


# ----------------------------------------------------------------------------------- commands


async def test_an_expired_unlock_is_answered_and_not_done(house: House) -> None:
    unlocked = await house.applied("front", "unlock_door")
    answer = await house.cloud.command("unlock", house.id_of("front"), not_after=rfc(soon(-1)))
    assert answer["result"] == {"outcome": "refused", "reason": "expired"}
    assert await house.applied("front", "unlock_door") == unlocked


async def test_the_same_order_moves_the_bolt_once(house: House) -> None:
    front, order = house.id_of("front"), house.cloud.next_command_id()
    unlocked = await house.applied("front", "unlock_door")
    first = await house.cloud.command("unlock", front, command_id=order)
    again = await house.cloud.command("unlock", front, command_id=order)
    other = await house.cloud.command("lock", front, command_id=order)
    assert first["result"]["outcome"] == "confirmed"
    assert first == again == other
    assert await house.applied("front", "unlock_door") == unlocked + 1


@pytest.mark.parametrize(
    ("kind", "device", "reason"),
    [
        ("unlock", "dev_nowhere", "unknown_device"),
        ("remove_device", "dev_nowhere", "unknown_device"),
        ("rename", "dev_nowhere", "unknown_device"),
        ("refresh", "dev_nowhere", "unknown_device"),
        ("resume_repair", "dev_nowhere", "unknown_device"),
        ("unlock", None, "no_device"),
        ("open_sesame", "dev_nowhere", "unknown_kind"),
    ],
)
async def test_an_order_that_cannot_be_done_is_answered(
    house: House, kind: str, device: str | None, reason: str
) -> None:
    args: Document = {"name": "new"} if kind == "rename" else {}
    answer = await house.cloud.command(kind, device, **args)
    assert (answer["result"]["outcome"], answer["result"]["reason"]) == ("refused", reason)


async def test_the_digits_of_a_bad_order_are_not_repeated(house: House) -> None:
    answer = await house.cloud.command("lock", house.id_of("front"), code=DIGITS)
    assert answer["result"]["reason"] == "invalid_arguments"
    assert DIGITS not in json.dumps(answer)


# ---------------------------------------------------------------------------------------- last


async def test_a_flood_does_not_drown_the_house(house: House) -> None:
    """Comes last: it spends the allowance of refusals that are told one by one."""
    before = house.head
    for _ in range(200):
        house.cloud.send_raw("commands", b"noise")
        house.cloud.send_raw("desired", b"noise")
    await house.works()
    await house.caught_up()
    told = [e for e in house.cloud.events() if e["seq"] > before]
    assert len([e for e in told if e["type"].endswith("refused")]) <= 21
    house.dense()
