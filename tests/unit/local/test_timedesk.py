"""The time over the API: a real keeper's facts, the locks' clocks, tokens taken and refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from gateway.domain.grants import GrantState
from gateway.domain.ids import CredentialId, GrantId
from gateway.domain.instant import HOUR, SECOND, Instant, to_rfc3339
from gateway.domain.timebelief import Source
from gateway.store import devices, meta, reported
from tests.local_house import EVERYBODY, FRONT, NOW, SAUNA, House, open_house
from tests.signer import Signer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

TECHNICIAN = Signer("gw_test", "tech-1")
STRANGER = Signer("gw_test", "tech-2")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    issuers = TECHNICIAN.issuers(Source.TECHNICIAN)
    async with open_house(tmp_path, EVERYBODY, issuers) as opened:
        yield opened


async def challenge(house: House) -> str:
    status, document = await house.call("POST", "/v1/clock/challenge", {})
    assert status == 200, document
    return str(document["challenge"])


async def tell(house: House, token: str) -> tuple[int, dict[str, Any]]:
    status, document = await house.call("POST", "/v1/clock/token", {"token": token})
    assert not any(part in json.dumps(document) for part in token.split(".") if part)
    return status, document


def token(nonce: str, at: int = NOW, signer: Signer = TECHNICIAN, **more: Any) -> str:
    return signer.sign(Instant(at), nonce, Source.TECHNICIAN, **more)


async def audited(house: House) -> list[dict[str, Any]]:
    return [dict(row.body) for row in await house.ledger() if row.type.value == "audit.time_told"]


@pytest.mark.parametrize("state", [GrantState.PENDING, GrantState.PAUSED])
async def test_a_machine_that_nobody_told_the_time(house: House, state: GrantState) -> None:
    house.machine.rtc_off_s = -30.0
    await house.keeper.begin()
    grant_id = GrantId(CredentialId("cred_bob"), FRONT)
    await house.store.submit(
        lambda tx: reported.update_grant(tx, grant_id, NOW, state=state, reason="clock_untrusted")
    )
    document = await house.get("/v1/clock")
    assert (document["trust"], document["source"], document["error_ms"]) == (
        "untrusted", None, None,
    )  # fmt: skip
    assert document["kernel"]["synchronised"] is False
    assert document["rtc"] == to_rfc3339(Instant(NOW - 30 * SECOND))
    assert document["codes_waiting"] == 1
    assert document["last_refused"]["source"] == "rtc"
    assert document["last_refused"]["reason"] == "never_set"
    assert document["last_refused"]["still"] is True
    assert document["floor"] is None
    assert document["boot_id"] == "boot-1"


async def test_a_proven_time_and_a_wall_clock_that_was_set(house: House) -> None:
    house.machine.synchronised = True
    await house.keeper.begin()
    await house.machine.advance(100)
    await house.keeper.look()
    house.machine.set_wall(3600.0)
    await house.keeper.look()
    document = await house.get("/v1/clock")
    assert (document["trust"], document["source"]) == ("holdover", "kernel")
    assert document["authenticated"] is False
    assert document["proven_s_ago"] == 0.0
    assert document["wall_difference_ms"] == HOUR
    assert document["last_jump"]["by_ms"] == HOUR
    assert document["last_refused"]["reason"] == "beyond_drift"
    status = await house.get("/v1/status")
    assert status["gateway"]["time_source"] == "kernel"
    assert status["gateway"]["time_error_ms"] == document["error_ms"]
    (item,) = [one for one in status["attention"] if one["code"] == "time_refused"]
    assert "1 h ahead" in item["text"]
    assert item["next"]


async def test_clocks_of_locks_come_farthest_off_first(house: House) -> None:
    def write(tx: Any) -> None:
        for device_id, error_ms in ((FRONT, 400), (SAUNA, -95_000)):
            devices.update_device(
                tx, device_id, clock_error_ms=error_ms, clock_bound_ms=1000,
                clock_read_at=NOW, clock_zone_proven=True,
            )  # fmt: skip

    await house.store.submit(write)
    clocks = (await house.get("/v1/clock"))["lock_clocks"]
    assert [item["name"] for item in clocks] == ["Sauna", "Front door"]
    assert clocks[0]["clock"] == {
        "error_ms": -95_000, "bound_ms": 1000, "read_at": to_rfc3339(NOW), "zone_proven": True,
    }  # fmt: skip


async def test_a_token_proves_the_time_and_is_in_the_audit(house: House) -> None:
    await house.keeper.begin()
    status, document = await tell(house, token(await challenge(house)))
    assert status == 200, document
    assert (document["trust"], document["source"]) == ("trusted", "technician")
    (told,) = await audited(house)
    assert told["outcome"] == "confirmed"
    assert told["actor"].startswith("local:")


async def test_a_challenge_tells_what_to_sign(house: House) -> None:
    _, document = await house.call("POST", "/v1/clock/challenge", {})
    assert document["gateway_id"] == "gw_test"
    assert document["type"] == "lockgw-time-token+jwt"
    assert document["issuers"] == ["tech-1"]
    assert document["remaining_s"] == 600


async def test_without_a_technician_s_key_there_is_no_challenge(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        status, document = await house.call("POST", "/v1/clock/challenge", {})
        assert (status, document["error"]["code"]) == (409, "time_no_issuer")
        assert "time.technician_issuers" in document["error"]["next"]
        status, document = await tell(house, token("n"))
        assert "there is none" in document["error"]["next"]


@pytest.mark.parametrize(
    ("given", "code", "step"),
    [
        ("hello", "time_malformed", "dots"),
        ("x" * 3000, "time_malformed", "dots"),
        (token("challenge-1", signer=STRANGER), "time_unknown_issuer", "tech-1"),
        (token("challenge-1", claims={"aud": "gw_other"}), "time_wrong_audience", "gw_test"),
        (token("challenge-1", claims={"now": None}), "time_not_signed", "now"),
        (TECHNICIAN.sign(NOW, "challenge-1"), "time_wrong_type", "technician"),
        (token("challenge-7"), "time_not_fresh", "clock challenge"),
    ],
)
async def test_a_token_that_is_no_good_is_answered(
    house: House, given: str, code: str, step: str
) -> None:
    await house.keeper.begin()
    await challenge(house)
    status, document = await tell(house, given)
    assert status in {400, 409}
    assert document["error"]["code"] == code
    assert step in document["error"]["next"]
    assert [(told["outcome"], told["reason"]) for told in await audited(house)] == [
        ("refused", code)
    ]
    assert (await house.get("/v1/clock"))["trust"] == "untrusted"


async def test_a_token_behind_the_floor_is_told_how_late_it_is(house: House) -> None:
    floor = Instant(NOW + HOUR)
    await house.store.submit(lambda tx: meta.set_time(tx, floor, "{}"))
    await house.keeper.begin()
    status, document = await tell(house, token(await challenge(house)))
    assert (status, document["error"]["code"]) == (409, "time_behind_floor")
    assert "Fri 20 Nov 2026 16:30" in document["error"]["next"]


async def test_a_token_that_is_far_from_a_proven_time(house: House) -> None:
    await house.keeper.begin()
    await tell(house, token(await challenge(house)))
    status, document = await tell(house, token(await challenge(house), NOW - HOUR))
    assert (status, document["error"]["code"]) == (409, "time_alone")
    assert "second source" in document["error"]["next"]
    status_page = await house.get("/v1/status")
    assert all(item["code"] != "time_refused" for item in status_page["attention"])


async def test_a_token_must_be_a_text(house: House) -> None:
    status, document = await house.call("POST", "/v1/clock/token", {"token": 7})
    assert (status, document["error"]["code"]) == (400, "bad_request")
