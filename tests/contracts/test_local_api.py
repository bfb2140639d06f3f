"""The local API as docs/local-api.md promises it, against a real server, store and planner."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from gateway.domain.events import EventType, Fact
from gateway.domain.grants import GrantState
from gateway.domain.ids import CredentialId, DeviceId, GrantId
from gateway.domain.instant import ClockTrust, Instant, after
from gateway.domain.secret import Secret
from gateway.domain.timebelief import Source
from gateway.errors import ConfigError, RadioRefused, RadioUnavailable, RequestError
from gateway.local.access import Access
from gateway.local.server import LocalServer
from gateway.radios.api import JoinOrder, RadioState, RadioStatus
from gateway.store import devices, journal, reported
from tests.local_house import CANARY, DEADLINE_S, FRONT, NOW, SAUNA, House, open_house
from tests.signer import Signer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

DOCUMENT = Path(__file__).parents[2] / "docs" / "local-api.md"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as opened:
        yield opened


# ── looking ─────────────────────────────────────────────────────────────────────────────


async def test_status_tells_how_everything_stands(house: House) -> None:
    document = await house.get("/v1/status")
    assert document["schema"] == 1
    assert document["gateway"]["id"] == "gw_test"
    assert document["gateway"]["trust"] == "trusted"
    assert document["gateway"]["epoch"]
    assert document["cloud"]["connected"] is True
    assert document["radios"] == [{"name": "zigbee", "status": "up", "reason": ""}]
    assert document["devices"] == {"total": 2, "reachable": 2, "unreachable": 0, "unknown": 0}
    assert document["codes"]["total"] == 7
    assert document["codes"]["by_state"]["active"] == 1
    assert document["events"]["waiting"] == 3
    assert [item["code"] for item in document["attention"]] == ["rejected"]


async def test_status_puts_an_overdue_erase_first(house: House) -> None:
    house.operations.radios["zigbee"] = RadioState(RadioStatus.DOWN, "no stick")
    house.clock.trust = ClockTrust.UNTRUSTED

    def write(tx: Any) -> None:
        devices.update_device(tx, FRONT, reachable=False, reachable_since=NOW, battery_low=True)
        reported.update_grant(
            tx, GrantId(CredentialId("cred_ada"), FRONT), NOW, state=GrantState.ERASING,
            erase_due_at=NOW, erase_alarm_at=NOW,
        )  # fmt: skip

    await house.store.submit(write)
    attention = (await house.get("/v1/status"))["attention"]
    assert [item["code"] for item in attention] == [
        "erase_overdue", "clock_untrusted", "radio_down", "unreachable", "battery_low", "rejected",
    ]  # fmt: skip
    assert "Ada may still open Front door" in attention[0]["text"]
    assert all(item["next"] for item in attention)


async def test_devices_and_one_of_them(house: House) -> None:
    listed = (await house.get("/v1/devices"))["devices"]
    assert [item["device_id"] for item in listed] == [FRONT, SAUNA]
    assert listed[0]["codes"]["total"] == 5
    document = await house.get(f"/v1/devices/{FRONT}")
    device = document["device"]
    assert device["model"] == "YRD226"
    assert device["quirks"] == ["yale_clock"]
    assert device["capabilities"]["codes"]["slots"] == 10
    assert device["slots"]["managed"] == 1
    assert device["slots"]["free"] == 9
    assert device["slots"]["listed"][0]["credential_id"] == "cred_ada"
    assert {code["credential_id"] for code in document["codes"]} == {
        "cred_ada", "cred_bob", "cred_clean", "cred_weak",
    }  # fmt: skip


@pytest.mark.parametrize("reference", [FRONT, "Front door", "front DOOR", "fro", "dev_f"])
async def test_a_device_is_found_by_id_name_or_beginning(house: House, reference: str) -> None:
    assert (await house.get(f"/v1/devices/{reference}"))["device"]["device_id"] == FRONT


async def test_what_fits_nothing_or_several_is_refused_with_a_hint(house: House) -> None:
    status, document = await house.call("GET", "/v1/devices/Frunt door")
    assert (status, document["error"]["code"]) == (404, "unknown_device")
    assert "Front door" in document["error"]["next"]
    status, document = await house.call("GET", "/v1/devices/dev_")
    assert (status, document["error"]["code"]) == (409, "ambiguous")
    assert SAUNA in document["error"]["next"]


async def test_codes_and_their_filters(house: House) -> None:
    async def ids(query: str = "") -> list[tuple[str, str]]:
        codes = (await house.get(f"/v1/codes{query}"))["codes"]
        return [(code["credential_id"], code["device_id"]) for code in codes]

    everything = await ids("?all=1")
    assert ("cred_gone", FRONT) in everything
    assert set(everything) - set(await ids()) == {("cred_gone", FRONT)}
    assert await ids("?device=sauna") == [("cred_bob", SAUNA)]
    assert set(await ids("?credential=Bob")) == {("cred_bob", FRONT), ("cred_bob", SAUNA)}
    assert await ids("?state=rejected") == [("cred_weak", FRONT)]
    status, document = await house.call("GET", "/v1/codes?state=open")
    assert status == 400
    assert "active" in document["error"]["next"]


async def test_a_code_carries_its_window_standing_and_measures(house: House) -> None:
    (code,) = (await house.get("/v1/codes?credential=cred_ada"))["codes"]
    assert code["state"] == "active"
    assert code["window"]["kind"] == "timed"
    assert code["window_text"] == "14:30 – 17:30"
    assert code["closes"] == "by_gateway"
    assert code["evidence"] == ["read_back"]
    assert code["early_exposure_s"] == 300.0
    assert code["late_revocation_s"] is None
    assert code["uses"] == 1
    assert code["has_digits"] is True
    (weekly,) = (await house.get("/v1/codes?credential=Cleaner"))["codes"]
    assert weekly["window"]["rules"] == [
        {"weekdays": ["mon", "thu"], "from": "09:00", "to": "11:00"}
    ]


async def test_plans_name_what_is_done_next(house: House) -> None:
    every = (await house.get("/v1/plan"))["devices"]
    assert [item["device_id"] for item in every] == [FRONT, SAUNA]
    (sauna,) = (await house.get("/v1/plan/Sauna"))["devices"]
    assert sauna["actions"] == []
    assert sauna["next_look"] == "2026-11-20T15:25:00.000Z"
    (verdict,) = sauna["verdicts"]
    assert (verdict["credential_id"], verdict["state"]) == ("cred_bob", "pending")


async def test_why_explains_a_grant_from_the_stores_own_rows(house: House) -> None:
    document = await house.get("/v1/why/Ada/Front%20door")
    assert document["opens_door"] == "yes"
    assert document["headline"] == "Opens the door until Fri 20 Nov 2026 17:30 CET."
    proven = {line["key"]: line["text"] for line in document["proven"]}
    assert proven["slot"].startswith("slot 1 holds the code")
    measured = {line["key"] for line in document["measured"]}
    assert {"early_exposure", "first_used"} <= measured
    refused = await house.get("/v1/why/cred_weak/front")
    assert refused["opens_door"] == "no"
    assert refused["obstacles"][0]["code"] == "weak_code"


async def test_why_knows_devices_that_never_joined_and_codes_long_gone(house: House) -> None:
    away = await house.get("/v1/why/Away/dev_unjoined")
    assert [item["code"] for item in away["obstacles"]] == ["not_joined"]
    gone = await house.get("/v1/why/Gone/front")
    assert gone["opens_door"] == "no"


async def test_why_for_the_wrong_door_names_the_right_ones(house: House) -> None:
    status, document = await house.call("GET", "/v1/why/Ada/Sauna")
    assert (status, document["error"]["code"]) == (404, "unknown_grant")
    assert "Front door" in document["error"]["next"]


# ── streams ─────────────────────────────────────────────────────────────────────────────


async def lines(house: House, method: str, path: str, body: Any = None) -> list[dict[str, Any]]:
    connector = aiohttp.UnixConnector(str(house.socket))
    async with (
        asyncio.timeout(DEADLINE_S),
        aiohttp.ClientSession(connector=connector) as session,
        session.request(method, f"http://local{path}", json=body) as response,
    ):
        assert response.status == 200, await response.text()
        assert response.content_type == "application/x-ndjson"
        return [json.loads(line) async for line in response.content]


async def test_events_come_in_order_of_their_numbers(house: House) -> None:
    found = await lines(house, "GET", "/v1/events")
    assert [item["seq"] for item in found] == [1, 2, 3]
    assert found[1]["type"] == "credential.used"
    assert found[1]["device_name"] == "Front door"
    assert found[1]["body"] == {"slot": 1}
    assert [item["seq"] for item in await lines(house, "GET", "/v1/events?limit=1")] == [3]
    assert [item["seq"] for item in await lines(house, "GET", "/v1/events?after=1")] == [2, 3]
    assert (await house.call("GET", "/v1/events?after=-1"))[0] == 400


async def test_following_tells_events_as_they_happen(house: House) -> None:
    connector = aiohttp.UnixConnector(str(house.socket))
    async with (
        asyncio.timeout(DEADLINE_S),
        aiohttp.ClientSession(connector=connector) as session,
        session.get("http://local/v1/events?follow=1&after=2") as response,
    ):
        assert json.loads(await response.content.readline())["seq"] == 3
        await house.append(Fact(EventType.LOCK_LOCKED, NOW, SAUNA))
        told = json.loads(await response.content.readline())
        assert (told["seq"], told["type"], told["device_name"]) == (4, "lock.locked", "Sauna")


JOIN = {"install_code": "83fed3407a939723a5c639b26916d505c3b5", "eui64": "0011223344556677"}


async def test_join_streams_its_progress(house: House) -> None:
    found = await lines(house, "POST", "/v1/join", {**JOIN, "name": " Cellar ", "seconds": 60})
    assert [item["stage"] for item in found] == ["open", "found", "ready"]
    assert found[-1]["detail"] == FRONT
    ((order, name),) = house.operations.orders
    assert order.address == "00:11:22:33:44:55:66:77"
    assert order.install_code == bytes.fromhex(JOIN["install_code"])
    assert (order.duration_s, name) == (60, "Cellar")


async def test_closing_the_connection_closes_the_network(house: House) -> None:
    house.operations.hold_after = 1
    connector = aiohttp.UnixConnector(str(house.socket))
    async with asyncio.timeout(DEADLINE_S):
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.post("http://local/v1/join", json=JOIN) as response,
        ):
            assert json.loads(await response.content.readline())["stage"] == "open"
            assert not house.operations.closed.is_set()
        await house.operations.closed.wait()


@pytest.mark.parametrize(
    ("refusal", "status"), [(RadioRefused("wrong install code"), 409), (RadioUnavailable("x"), 503)]
)
async def test_a_join_refused_at_once_is_an_error(
    house: House, refusal: Exception, status: int
) -> None:
    house.operations.refusal = refusal
    answer, document = await house.call("POST", "/v1/join", JOIN)
    assert answer == status
    assert str(refusal) in document["error"]["message"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"install_code": "zz", "eui64": "0011223344556677"},
        {"install_code": "00"},
        {**JOIN, "eui64": "0011"},
        {**JOIN, "seconds": 181},
        {**JOIN, "seconds": True},
        {**JOIN, "name": ""},
        {**JOIN, "color": "red"},
        {"allow_well_known_key": "yes"},
    ],
)
async def test_a_join_that_makes_no_sense_opens_nothing(house: House, body: dict[str, Any]) -> None:
    status, document = await house.call("POST", "/v1/join", body)
    assert status == 400
    assert document["error"]["message"].startswith("could not open the network")
    assert house.operations.orders == []


async def test_a_z_wave_device_takes_the_place_of_one_that_has_failed(house: House) -> None:
    body = {"pin": "32690", "replaces": FRONT, "seconds": 60}
    found = await lines(house, "POST", "/v1/join", body)
    assert found[-1]["stage"] == "ready"
    ((order, _),) = house.operations.orders
    known = await house.store.fetch_one(devices.device(DeviceId(FRONT)))
    assert known is not None
    assert order == JoinOrder(
        duration_s=60, radio="zwave", dsk_pin=Secret("32690"), replaces=known.address
    )
    assert "32690" not in json.dumps(found) + repr(order)


async def test_who_has_left_is_streamed(house: House) -> None:
    found = await lines(house, "POST", "/v1/leave", {"seconds": 30})
    assert [item["stage"] for item in found] == ["open", "left"]
    status, _ = await house.call("POST", "/v1/leave", {"seconds": 3})
    assert status == 400


# ── acting ──────────────────────────────────────────────────────────────────────────────


def unlock(**changes: Any) -> dict[str, Any]:
    return {
        "command_id": "cmd_1",
        "kind": "unlock",
        "device": "front",
        "reason": "guest locked out",
        **changes,
    }


async def test_a_command_enters_the_journal_and_is_awaited(house: House) -> None:
    house.answers["unlock"] = {"outcome": "confirmed", "evidence": ["acknowledged"]}
    status, document = await house.call("POST", "/v1/commands", unlock())
    assert status == 200
    assert document["state"] == "done"
    assert document["result"]["outcome"] == "confirmed"
    assert document["device_name"] == "Front door"
    row = await house.store.fetch_one(journal.command("cmd_1"))  # type: ignore[arg-type]  # an id
    assert row is not None
    assert row.actor.startswith("local:")
    assert row.body["reason"] == "guest locked out"
    assert row.not_after == after(NOW, 30)


async def test_the_same_id_never_acts_twice(house: House) -> None:
    house.answers["unlock"] = {"outcome": "confirmed"}
    await house.call("POST", "/v1/commands", unlock())
    house.answers["unlock"] = {"outcome": "refused", "reason": "jammed"}
    status, document = await house.call("POST", "/v1/commands", unlock())
    assert (status, document["result"]) == (200, {"outcome": "confirmed"})
    status, document = await house.call("POST", "/v1/commands", unlock(kind="lock"))
    assert (status, document["error"]["code"]) == (409, "conflict")
    stored = await house.get("/v1/commands/cmd_1")
    assert stored["result"] == {"outcome": "confirmed"}


async def test_a_command_nobody_finishes_in_time_is_told_as_open(house: House) -> None:
    status, document = await house.call("POST", "/v1/commands", unlock(wait_s=0))
    assert (status, document["state"], document["result"]) == (202, "received", None)


@pytest.mark.parametrize(
    "changes",
    [
        {"reason": " "},
        {"reason": None},
        {"reason": "x" * 201},
        {"kind": "explode"},
        {"command_id": "no spaces"},
        {"wait_s": "long"},
        {"args": {"force": True}},
        {"args": []},
        {"device": 7},
    ],
)
async def test_a_command_that_makes_no_sense_is_not_journaled(
    house: House, changes: dict[str, Any]
) -> None:
    status, document = await house.call("POST", "/v1/commands", unlock(**changes))
    assert status == 400
    assert document["error"]["message"]
    assert await house.store.fetch(journal.open_commands()) == []


async def test_removing_a_device_is_a_command(house: House) -> None:
    house.answers["remove_device"] = {"outcome": "refused", "reason": "codes_on_lock"}
    status, document = await house.call(
        "DELETE", f"/v1/devices/{FRONT}", {"reason": "moved out", "force": True}
    )
    assert status == 200
    assert document["result"]["reason"] == "codes_on_lock"
    row = await house.store.fetch_one(journal.command(document["command_id"]))
    assert row is not None
    assert (row.kind, row.body["force"]) == ("remove_device", True)


async def test_a_reveal_is_the_only_answer_with_digits_and_is_in_the_ledger(house: House) -> None:
    for path in (
        "/v1/status",
        "/v1/devices",
        f"/v1/devices/{FRONT}",
        "/v1/codes?all=1",
        "/v1/plan",
        "/v1/why/Ada/front",
    ):
        assert CANARY not in json.dumps(await house.get(path))
    status, document = await house.call("POST", "/v1/codes/Ada/reveal", {})
    assert (status, document) == (200, {"credential_id": "cred_ada", "digits": CANARY})
    last = (await house.ledger())[-1]
    assert last.type is EventType.AUDIT_REVEALED
    assert last.credential_id == "cred_ada"
    assert str(last.body["actor"]).startswith("local:")
    assert CANARY not in json.dumps(await lines(house, "GET", "/v1/events"))


async def test_destroyed_digits_cannot_be_revealed(house: House) -> None:
    await house.store.submit(lambda tx: tx.execute("UPDATE credentials SET sealed = NULL") and None)
    status, document = await house.call("POST", "/v1/codes/Gone/reveal", {})
    assert (status, document["error"]["code"]) == (410, "no_digits")


# ── manners ─────────────────────────────────────────────────────────────────────────────


async def test_an_address_that_does_not_exist(house: House) -> None:
    status, document = await house.call("GET", "/v1/nothing")
    assert (status, document["error"]["code"]) == (404, "not_found")
    status, document = await house.call("POST", "/v1/status", {})
    assert (status, document["error"]["code"]) == (405, "bad_request")


async def test_a_body_that_is_not_an_object_or_too_large(house: House) -> None:
    assert (await house.call("POST", "/v1/commands", [1]))[0] == 400
    status, document = await house.call("POST", "/v1/commands", {"reason": "x" * 100_000})
    assert (status, document["error"]["code"]) == (413, "too_large")


async def test_the_socket_is_for_its_group_only_and_goes_with_the_server(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        assert stat.S_IMODE(house.socket.stat().st_mode) == 0o660
    assert not (tmp_path / "api.sock").exists()


async def test_a_second_daemon_is_refused_and_a_dead_ones_socket_replaced(
    house: House, tmp_path: Path
) -> None:
    import socket

    from aiohttp import web

    with pytest.raises(ConfigError, match="another daemon answers"):
        await LocalServer(web.Application(), house.socket, "x").run()
    assert house.socket.exists()
    dead = tmp_path / "dead.sock"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(dead))
    server = LocalServer(web.Application(), dead, "x")
    task = asyncio.create_task(server.run())
    await asyncio.wait_for(server.started(), DEADLINE_S)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    (tmp_path / "file").write_text("keep me")
    with pytest.raises(ConfigError, match="in the way"):
        await LocalServer(web.Application(), tmp_path / "file", "x").run()
    assert (tmp_path / "file").read_text() == "keep me"


class Stranger(Access):
    """Takes every caller for somebody else than the daemon's own user."""

    async def caller(self, uid: int, gid: int) -> Any:
        assert uid == os.geteuid()
        return await super().caller(54321, 54321)


@pytest.mark.parametrize(
    ("groups", "reads", "acts"),
    [(set(), 403, 403), ({"readers"}, 200, 403), ({"actors"}, 200, 200)],
)
async def test_reading_and_acting_take_their_groups(
    tmp_path: Path, groups: set[str], reads: int, acts: int
) -> None:
    access = Stranger("readers", "actors", lambda _uid, _gid: frozenset(groups))
    async with open_house(tmp_path, access) as house:
        house.answers["unlock"] = house.answers["remove_device"] = {"outcome": "confirmed"}
        for path in (
            "/v1/status", "/v1/devices", "/v1/devices/front", "/v1/codes", "/v1/plan",
            "/v1/why/Ada/front", "/v1/events", "/v1/clock",
        ):  # fmt: skip
            if reads == 200 and path == "/v1/events":
                await lines(house, "GET", path)
            else:
                assert (await house.call("GET", path))[0] == reads, path
        for method, path, body in (
            ("POST", "/v1/commands", unlock()),
            ("POST", "/v1/codes/Ada/reveal", {}),
            ("DELETE", "/v1/devices/sauna", {"reason": "x"}),
        ):
            status, document = await house.call(method, path, body)
            assert status == acts, path
            if status == 403:
                assert "54321" in document["error"]["message"]
        if acts == 403:
            assert (await house.call("POST", "/v1/join", JOIN))[0] == 403
            for path in ("/v1/clock/challenge", "/v1/clock/token"):
                assert (await house.call("POST", path, {"token": "x"}))[0] == 403
            assert house.operations.orders == []
            row = await house.store.fetch_one(journal.command("cmd_1"))  # type: ignore[arg-type]  # an id
            assert row is None


async def test_a_store_that_fails_is_our_fault_and_says_so(house: House) -> None:
    await house.store.submit(lambda tx: tx.execute("UPDATE grants SET evidence = '{'") and None)
    status, document = await house.call("GET", "/v1/codes")
    assert (status, document["error"]["code"]) == (500, "internal")
    assert Instant(NOW) == house.clock.now()


# ── the document ────────────────────────────────────────────────────────────────────────

FREE = {"by_state", "body", "args", "result"}
"""Objects whose keys are values (states, event bodies), not fields of the contract."""


def fields(document: Any) -> set[str]:
    if isinstance(document, list):
        return {name for item in document for name in fields(item)}
    if not isinstance(document, dict):
        return set()
    inner = {name for key, value in document.items() if key not in FREE for name in fields(value)}
    return set(document) | inner


async def test_every_field_is_documented(tmp_path: Path) -> None:
    issuers = Signer("gw_test").issuers(Source.TECHNICIAN)
    async with open_house(tmp_path, issuers=issuers) as house:
        await every_field_is_documented(house)


async def every_field_is_documented(house: House) -> None:
    house.answers["unlock"] = {"outcome": "confirmed"}
    house.machine.rtc_off_s = 0.0
    await house.keeper.begin()
    house.machine.set_wall(3600.0)
    await house.keeper.look()
    await house.store.submit(
        lambda tx: devices.update_device(
            tx, FRONT, clock_error_ms=1, clock_bound_ms=1, clock_read_at=NOW, clock_zone_proven=True
        )
    )
    told = [
        await house.get(path)
        for path in (
            "/v1/status", "/v1/devices", "/v1/devices/front", "/v1/codes?all=1", "/v1/plan",
            "/v1/why/Ada/front", "/v1/why/Weak/front", "/v1/clock",
        )
    ]  # fmt: skip
    told.append((await house.call("POST", "/v1/commands", unlock()))[1])
    told.append((await house.call("POST", "/v1/codes/Ada/reveal", {}))[1])
    told.append((await house.call("POST", "/v1/clock/challenge", {}))[1])
    told.append((await house.call("GET", "/v1/nothing"))[1])
    told += await lines(house, "GET", "/v1/events")
    told += await lines(house, "POST", "/v1/join", JOIN)
    text = DOCUMENT.read_text(encoding="utf-8")
    missing = {name for name in fields(told) if f"`{name}`" not in text and f'"{name}"' not in text}
    assert missing == set()


# ── probing a lock's schedules ──────────────────────────────────────────────────────────


async def test_a_probe_tells_what_to_type_and_how_it_ended(house: House) -> None:
    found = await lines(house, "POST", f"/v1/devices/{FRONT}/probe", {})
    assert [line["stage"] for line in found] == ["writing", "type", "proven"]
    assert [line["digits"] for line in found] == [None, "404142", None]


async def test_a_probe_that_cannot_be_is_no_stream(house: House) -> None:
    house.operations.refusal = RequestError("could not probe: no schedules", "unsupported")
    status, document = await house.call("POST", f"/v1/devices/{FRONT}/probe", {})
    assert status >= 400
    assert document["error"]["code"] == "unsupported"
