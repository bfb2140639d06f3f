"""Scan and pair on the command line and over the local API: shown, sent, refused, hidden."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from gateway.drivers.claims import Found, Ownership, Recognised
from gateway.errors import DeviceRefused, RadioUnavailable, Refusal, RequestError
from gateway.radios.api import Advertisement
from gateway.radios.ble.airwaves import Airwaves
from gateway.radios.ble.energy import Ledger
from gateway.radios.gatt import Budget, Sighting
from tests.command_line import Ran, lock_gateway
from tests.local_house import FRONT, House, open_house

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from gateway.radios.gatt import Sample, Usage

ADDRESS, OTHER = "38:38:E5:1D:71:FE", "C0:11:22:33:44:02"
KEY = "not-to-be-shown-8141"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as opened:
        yield opened


async def cli(house: House, *arguments: str, stdin: str = "") -> Ran:
    return await lock_gateway(*arguments, stdin=stdin, LOCK_GATEWAY_SOCKET=str(house.socket))


class KeptSignals:
    """What a radio keeps of the front door's signal, by the radio's own parts."""

    address = "00:11:22:33:44:55:66:77"

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.ledger = Ledger(budget)
        self.airwaves = Airwaves()

    def hear(self, at: float, rssi_dbm: int, adapter: str) -> None:
        self.airwaves.heard(Advertisement(self.address, "", rssi_dbm, adapter, at), None)

    def history(self, address: str) -> Sequence[Sample]:
        return self.airwaves.history(address)

    def usages(self, address: str) -> Sequence[Usage]:
        return self.ledger.usages(address)


def heard(
    house: House, address: str, rssi: int, recognised: Recognised | None, name: str = ""
) -> Found:
    now = house.clock.monotonic()
    last = Advertisement(address, name, rssi, "hci0", now, {}, {}, ())
    return Found(Sighting(last, 3, now, rssi, rssi - 5, rssi + 5), recognised, None, None)


def lock(ownership: Ownership, hint: str = "") -> Recognised:
    return Recognised("ttlock", "lock", "S110 door lock", ownership, hint, 80)


async def test_scan_shows_what_is_in_range_and_what_comes_next(house: House) -> None:
    house.operations.in_the_air = [
        heard(house, ADDRESS, -55, lock(Ownership.CLAIMABLE, "can be paired now")),
        heard(house, OTHER, -90, None),
    ]
    ran = await cli(house, "scan", "--once")
    assert ran.code == 0, ran.err
    assert ADDRESS in ran.out
    assert "excellent" in ran.out
    assert "can be claimed" in ran.out
    assert OTHER not in ran.out
    assert "1 other Bluetooth device in range" in ran.out
    everything = await cli(house, "scan", "--once", "--all")
    assert OTHER in everything.out
    assert "weak" in everything.out


async def test_two_of_one_model_are_told_apart_by_the_name_they_send(house: House) -> None:
    one, other = lock(Ownership.CLAIMABLE), lock(Ownership.CLAIMED)
    sensor = Recognised("bthome", "sensor", "ATC_01", Ownership.CLAIMABLE, "", None)
    house.operations.in_the_air = [
        heard(house, ADDRESS, -55, one, "S110_fe711d"),
        heard(house, OTHER, -60, other, "S110_024433"),
        heard(house, "A4:C1:38:00:00:03", -70, sensor, "ATC_01"),
    ]
    shown = " ".join((await cli(house, "scan", "--once")).out.split())
    for name in ("S110_fe711d", "S110_024433", "sensor ATC_01"):
        assert name in shown


async def test_how_well_a_device_is_heard_and_what_it_costs(house: House) -> None:
    kept, now = KeptSignals(Budget(connects=2)), house.clock.monotonic()
    house.operations.signal_keeper = kept
    silent = await cli(house, "signal", "front")
    assert "is not heard by any adapter" in silent.out
    assert "was not connected to lately" in silent.out
    for ago, rssi, adapter in ((30, -80, "hci0"), (20, -90, "hci0"), (10, -58, "hci1")):
        kept.hear(now - ago, rssi, adapter)
    for _ in range(3):
        kept.ledger.ended(kept.address, 20_000, 4.0)
    kept.ledger.ended(kept.address, 20_001, 1.0)
    ran = await cli(house, "signal", "front")
    rows = [" ".join(line.split()) for line in ran.out.splitlines()]
    assert "hci0 -85 dBm fair -90 dBm -80 dBm 2 times, 20 s ago" in rows, ran.err
    assert rows[1].startswith("hci1 -58 dBm excellent")  # the best first
    assert "2024-10-04 3 times 12 s more than its battery should give" in rows
    assert "2024-10-05 1 times 1 s" in rows
    document = json.loads((await cli(house, "signal", "front", "--json")).out)
    assert [len(one["samples"]) for one in document["adapters"]] == [1, 2]
    assert document["budget"]["connects"] == 2


async def test_a_radio_that_keeps_no_signal_says_so(house: House) -> None:
    ran = await cli(house, "signal", "front")
    assert (ran.code, "its radio does not keep it" in ran.err) == (1, True)


async def test_scan_as_json_is_the_apis_document(house: House) -> None:
    house.operations.in_the_air = [heard(house, ADDRESS, -55, lock(Ownership.CLAIMED, "reset it"))]
    ran = await cli(house, "scan", "--json")
    (item,) = json.loads(ran.out)["devices"]
    (told,) = (await house.get("/v1/bluetooth"))["devices"]
    assert item == told
    assert (item["family"], item["ownership"], item["hint"]) == ("ttlock", "claimed", "reset it")


async def test_an_empty_air_is_said(house: House) -> None:
    ran = await cli(house, "scan")
    assert ran.code == 0
    assert "Nothing in range" in ran.out


async def test_without_bluetooth_both_say_so(house: House) -> None:
    house.operations.refusal = RequestError("could not pair: Bluetooth is not enabled", "no_radio")
    for arguments in (("scan",), ("pair", ADDRESS)):
        ran = await cli(house, *arguments)
        assert ran.code == 1
        assert "Bluetooth is not enabled" in ran.err


async def test_pair_tells_progress_and_prints_the_id(house: House) -> None:
    ran = await cli(house, "pair", ADDRESS.lower(), "--name", "Front")
    assert (ran.code, ran.out.strip()) == (0, FRONT)
    assert "touch its keypad" in ran.err
    ((order, name),) = house.operations.claims
    assert (order.address, order.secret, name) == (ADDRESS, None, "Front")
    lines = (await cli(house, "pair", ADDRESS, "--json")).out.splitlines()
    assert [json.loads(line)["stage"] for line in lines] == ["connecting", "ready"]


@pytest.mark.parametrize("address", ["38:38:E5:1D:71", "front", "38-38-E5-1D-71-FE", ""])
async def test_what_is_no_address_is_refused(house: House, address: str) -> None:
    ran = await cli(house, "pair", address)
    assert ran.code == 1
    assert "00:11:22:AA:BB:CC" in ran.err
    assert "lock-gateway scan" in ran.err
    assert house.operations.claims == []


async def test_a_secret_comes_from_a_file_or_stdin_and_is_never_shown(
    house: House, tmp_path: Path
) -> None:
    path = tmp_path / "key"
    path.write_text(f"{KEY}\n", encoding="utf-8")
    from_file = await cli(house, "pair", ADDRESS, "--secret-file", str(path))
    from_stdin = await cli(house, "pair", ADDRESS, "--secret-file", "-", stdin=f" {KEY}\n")
    for order, _ in house.operations.claims:
        assert order.secret is not None
        assert order.secret.reveal() == KEY
        assert KEY not in repr(order)
    assert len(house.operations.claims) == 2
    assert KEY not in from_file.out + from_file.err + from_stdin.out + from_stdin.err


async def test_a_secret_that_cannot_be_read_is_said_before_anything_is_sent(
    house: House, tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.write_text("\n", encoding="utf-8")
    for path, words in ((tmp_path / "none", "No such file"), (empty, "it is empty")):
        ran = await cli(house, "pair", ADDRESS, "--secret-file", str(path))
        assert ran.code == 2
        assert words in ran.err
    assert house.operations.claims == []


@pytest.mark.parametrize(
    ("refusal", "status", "code"),
    [
        (RequestError("it is not heard", "not_heard"), 400, "not_heard"),
        (RadioUnavailable("no adapter"), 503, "unavailable"),
        (DeviceRefused("wrong PIN", Refusal.NOT_AUTHORISED), 409, "not_authorised"),
    ],
)
async def test_a_claim_that_is_refused_at_once_is_no_stream(
    house: House, refusal: Exception, status: int, code: str
) -> None:
    house.operations.refusal = refusal
    answer, document = await house.call("POST", "/v1/pair", {"address": ADDRESS})
    assert (answer, document["error"]["code"]) == (status, code)


@pytest.mark.parametrize(
    "body",
    [
        {"address": ADDRESS, "pin": "1234"},
        {"address": 7},
        {"address": ADDRESS, "secret": ""},
        {"address": ADDRESS, "secret": "x" * 8193},
        {"address": ADDRESS, "name": " "},
    ],
)
async def test_a_wrong_request_reaches_no_radio(house: House, body: dict[str, object]) -> None:
    status, document = await house.call("POST", "/v1/pair", body)
    assert status == 400
    assert document["error"]["code"] == "bad_request"
    assert house.operations.claims == []


async def test_lost_keys_are_in_status_and_at_the_device(house: House) -> None:
    house.operations.lost_keys = frozenset({FRONT})
    (item, *_) = (await house.get("/v1/status"))["attention"]
    assert (item["code"], item["device_id"]) == ("keys_lost", FRONT)
    assert "devices.json" in item["next"]
    assert (await house.get(f"/v1/devices/{FRONT}"))["device"]["keys_lost"] is True
    listed = (await house.get("/v1/devices"))["devices"]
    assert [device["keys_lost"] for device in listed] == [True, False]
