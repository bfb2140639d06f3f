"""Codes of nine digits lived with in every way, then searched for wherever they must not be."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from firmware_sims.cloud.wire import Wire
from firmware_sims.demo.steps import rfc, soon
from tests.house.disguise import disguises, sightings, wrappings
from tests.house.house import ALWAYS, Door, House, house, needs_broker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = needs_broker

CANARIES = {
    "programmed": "739154826",
    "renewed": "618250937",
    "newer": "684091573",
    "rejected": "927436185",
    "too_long": "851607394",
    "revoked": "593718260",
    "revealed": "746029183",
    "mistyped": "962815074",
    "malformed": "835074619",
    "ordered": "670493825",
    "by_hand": "708362915",
    "future": "914650372",
    "suspended": "826193407",
    "killed": "657381920",
}


@dataclass(slots=True)
class Evidence:
    """What was said and written while the house ran."""

    said: dict[str, bytes] = field(default_factory=dict)

    def add(self, where: str, *texts: str) -> None:
        self.said[where] = "\n".join(texts).encode()


@pytest.mark.parametrize("name", wrappings(CANARIES["programmed"]))
def test_the_search_would_find_it(name: str) -> None:
    data = wrappings(CANARIES["programmed"])[name]
    assert list(sightings({"canary": CANARIES["programmed"]}, {"somewhere": b"junk" + data}))


def test_the_search_finds_each_disguise_and_nothing_else() -> None:
    for needle in disguises(CANARIES["programmed"]).values():
        assert list(sightings({"canary": CANARIES["programmed"]}, {"somewhere": needle}))
    assert not list(sightings(CANARIES, {"somewhere": Random(1).randbytes(100_000)}))


@pytest_asyncio.fixture(name="house")
async def _house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    doors = (
        # Puts digits into its events, mistyped ones too.
        Door("front", "nimly", {"slots": 12, "max_code_length": 10, "command_time_s": 0.0}),
        Door("side", "kwikset-smartcode", {"slots": 12}),
    )
    folder = tmp_path_factory.mktemp("house")
    async with house(folder, *doors, logs__level="debug") as running:
        running.codes.update(CANARIES)
        yield running


async def _live(house: House, evidence: Evidence) -> None:
    """Everything that a code can meet."""
    front, always = ["front"], ALWAYS
    await house.at("front", "set_code_by_hand", slot=7, code=CANARIES["by_hand"])
    house.codes["rejected"] = CANARIES["by_hand"]
    house.codes["renewed"] = CANARIES["renewed"]
    later = {"kind": "timed", "opens_at": rfc(soon(9000)), "closes_at": rfc(soon(9999))}
    house.cloud.push(
        [
            house.credential("programmed", front, always),
            house.credential("renewed", front, always),
            house.credential("revoked", front, always),
            house.credential("revealed", front, always),
            house.credential("rejected", front, always),
            house.credential("too_long", ["side"], always),
            house.credential("future", front, later),
            house.credential("suspended", front, always, suspended=True),
        ]
    )
    for name in ("programmed", "renewed", "revoked", "revealed"):
        await house.until_held("front", name)
    await house.grant("rejected", "front", "rejected")
    await house.grant("too_long", "side", "rejected")
    for name in ("programmed", "by_hand", "revoked"):
        assert (await house.types("front", name))["opened"]
    house.cloud.push([], [{"credential_id": "revoked"}])
    await house.until_gone("front", "revoked")
    house.codes["renewed"] = CANARIES["newer"]
    house.cloud.push([house.credential("renewed", front, always, version=2)], confirm_removals=True)
    await house.until_held("front", "renewed")
    for name in ("mistyped", "future"):
        assert not (await house.types("front", name))["opened"]
    await house.event("access.denied")
    await _say_wrong_things(house)
    await _ask_locally(house, evidence)

    house.codes["killed"] = CANARIES["killed"]
    await house.at("front", "arm", fault="withhold-answer", on="set_pin_code", count=1)
    house.cloud.push([house.credential("killed", front, always)])
    await house.at("front", "wait", fault="withhold-answer", timeout_s=30)
    await house.stage.daemon.kill()
    await house.at("front", "release", drop=True)
    await house.up()
    await house.grant("killed", "front", "active")
    await house.caught_up()


async def _say_wrong_things(house: House) -> None:
    digits, before = CANARIES["malformed"], house.head
    for text in (
        f'{{"schema":1,"digits":"{digits}',
        f'{{"schema":1,"kind":"delta","{digits}":1}}',
        f'{{"schema":1,"kind":"{digits}"}}',
        json.dumps({"schema": 1, "kind": "delta", "revision": int(digits), "previous": digits}),
    ):
        house.cloud.send_raw("desired", text.encode())
        await house.event("schedule.refused", before)
        before = house.head
    ordered = CANARIES["ordered"]
    for args in ({ordered: 1}, {"reason": {"code": ordered}}, {"code": ordered}):
        answer = await house.cloud.command("unlock", house.id_of("front"), **args)
        assert answer["result"]["reason"] == "invalid_arguments"
    for fields in ({"crit": [ordered]}, {"nonce": ordered * 9}, {"args": [ordered]}):
        order = {"schema": 1, "command_id": "x", "kind": "lock", **fields}
        house.cloud.send_raw("commands", json.dumps(order).encode())
        await house.event("gateway.message_refused", before)
        before = house.head


async def _ask_locally(house: House, evidence: Evidence) -> None:
    front = house.id_of("front")
    for words in (
        ("status",), ("devices",), ("device", front), ("codes", "--all"), ("plan",),
        ("why", "programmed", front), ("why", "rejected", front), ("events",),
        ("unlock", front, "--reason", "canary"), ("why", "nobody", front),
    ):  # fmt: skip
        for form in ((), ("--json",)):
            _, out, err = await house.stage.daemon.cli(*words, *form)
            evidence.add(" ".join([*words, *form]), out, err)
    _, out, _ = await house.stage.daemon.cli("codes", "--credential", "revealed", "--reveal")
    assert CANARIES["revealed"] in out.replace(" ", "")  # the one place, asked for and audited
    await house.event("audit.code_revealed", credential_id="revealed")


async def test_no_digit_and_no_key_is_anywhere(house: House) -> None:
    evidence, heard = Evidence(), list[bytes]()
    topics = house.cloud.topics
    broker = house.stage.broker
    wire = Wire(
        broker.host, broker.port, "canary", topics.up("#"),
        lambda topic, payload: heard.append(topic.encode() + b" " + payload), Random(1),
    )  # fmt: skip
    await wire.open()
    try:
        await _live(house, evidence)
    finally:
        await wire.close()
    report = house.stage.folder / "report.json"
    house.line.report(report)
    state = house.stage.folder / "state"
    running = {path.name: path.read_bytes() for path in state.rglob("*") if path.is_file()}
    await house.stage.daemon.stop()

    key = state / "store.key"
    places = evidence.said | {
        "messages to the cloud": b"\n".join(heard),
        "the log": house.stage.daemon.log.read_bytes(),
        "the report": report.read_bytes(),
        **{f"{name}, running": data for name, data in running.items() if name != key.name},
        **{p.name: p.read_bytes() for p in state.rglob("*") if p.is_file() and p != key},
    }
    assert {"state.db, running", "state.db-wal, running", "zigbee.db", "state.db"} <= set(places)
    assert len(heard) > 30
    held = b"".join(p.read_bytes() for p in (house.stage.folder / "sims").iterdir())
    assert list(sightings(CANARIES, {"the locks themselves": held}))  # the search sees
    assert list(sightings(CANARIES, places)) == []
    spelled = key.read_text().strip()
    assert list(sightings({"key": spelled}, places)) == []
    raw = bytes.fromhex(spelled)
    assert not [name for name, data in places.items() if raw in data or b64encode(raw) in data]
