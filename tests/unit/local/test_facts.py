"""What `why` is told: the plan's word where there is one, else what was written down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gateway.domain.devices import Slot
from gateway.domain.grants import GrantState, Verdict
from gateway.domain.ids import CredentialId, DeviceId, GrantId
from gateway.domain.instant import HOUR, ClockTrust, Instant
from gateway.local.facts import desired_grant, gather, recorded
from gateway.local.operations import PlanView
from gateway.local.queries import Code
from gateway.radios.api import RadioState, RadioStatus
from gateway.store import devices, reported
from tests.local_house import FRONT, NOW, House, open_house

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from gateway.local.explain import Facts


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as opened:
        yield opened


async def code(house: House, name: str, device: str = FRONT, uses: int = 0) -> Code:
    grant_id = GrantId(CredentialId(name), DeviceId(device))
    row = await house.store.fetch_one(reported.grant(grant_id))
    assert row is not None
    return Code(row, "Front door", uses)


async def facts(house: House, found: Code, **changes: Any) -> Facts:
    given: dict[str, Any] = {
        "device": await house.store.fetch_one(devices.device(FRONT)),
        "slots": await house.store.fetch(reported.slots_for(FRONT)),
        "radio": RadioState(RadioStatus.UP),
        "view": None,
        "now": NOW,
        "trust": ClockTrust.TRUSTED,
        "zone": "Europe/Berlin",
    }
    return gather(found, **(given | changes))


async def test_the_slot_is_the_one_that_holds_this_code(house: House) -> None:
    found = await facts(house, await code(house, "cred_ada"))
    assert isinstance(found.slot, Slot)
    assert (found.slot.number, found.slot.owner) == (1, "cred_ada")
    assert (await facts(house, await code(house, "cred_bob"))).slot is None


async def test_what_planning_says_now_is_before_what_was_written_down(house: House) -> None:
    ada = await code(house, "cred_ada")
    assert (await facts(house, ada)).verdict == recorded(ada)
    fresh = Verdict(ada.row.grant_id, GrantState.ERASING, "expired", 1)
    view = PlanView(["erase slot 1 (cred_ada)", "write cred_ada2 to slot 2"], [fresh], None)
    found = await facts(house, ada, view=view)
    assert found.verdict is fresh
    assert found.actions == ("erase slot 1 (cred_ada)",)  # not the one of a longer name
    other = PlanView([], [], None)
    assert (await facts(house, ada, view=other)).verdict == recorded(ada)


async def test_a_door_that_never_joined_is_none(house: House) -> None:
    away = await code(house, "cred_away", "dev_unjoined")
    assert (await facts(house, away, device=None, slots=[], radio=None)).door is None


async def test_a_lock_s_clock_is_told_once_it_was_read(house: House) -> None:
    ada = await code(house, "cred_ada")
    door = (await facts(house, ada)).door
    assert door is not None
    assert door.clock is None
    await house.store.submit(
        lambda tx: devices.update_device(
            tx, FRONT, clock_error_ms=-1500, clock_bound_ms=200,
            clock_read_at=Instant(NOW - HOUR), clock_zone_proven=True,
        )
    )  # fmt: skip
    door = (await facts(house, ada)).door
    assert door is not None
    assert door.clock is not None
    assert (door.clock.error_ms, door.clock.read_at, door.clock.zone_proven) == (
        -1500,
        NOW - HOUR,
        True,
    )


async def test_no_facts_of_digits_are_handed_on_and_all_uses_count(house: House) -> None:
    grant = desired_grant(await code(house, "cred_bob", uses=2))
    assert (grant.digits, grant.uses, grant.use_limit) == (None, 2, 3)


async def test_a_refusal_of_an_older_version_is_over(house: House) -> None:
    grant_id = GrantId(CredentialId("cred_bob"), FRONT)
    for version, refused in ((1, "weak_code"), (0, None)):
        await house.store.submit(
            lambda tx, version=version: reported.update_grant(  # type: ignore[misc]  # a default of a lambda
                tx, grant_id, NOW, refused_version=version, refused_reason="weak_code"
            )
        )
        assert desired_grant(await code(house, "cred_bob")).refused == refused
