"""Commands of the journal: once each, with an answer, and with an audit that says why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gateway.domain.events import EventType
from gateway.domain.ids import CommandId
from gateway.domain.windows import Always
from gateway.store import beforehand, journal, withhold
from tests.flows.world import world

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("kind", "body"), [("unlock", {}), ("rename", {"name": "Attic"}), ("remove_device", {})]
)
async def test_the_audit_carries_the_stated_reason(
    tmp_path: Path, kind: str, body: dict[str, Any]
) -> None:
    async with world(tmp_path) as house:
        house.add_lock()
        await house.start()
        await house.command("k1", kind, reason="guest locked out", **body)
        (told,) = await house.told(EventType.AUDIT_COMMAND)
        assert told.device == "dev_1"
        assert told.body == {
            "command_id": "k1",
            "kind": kind,
            "actor": "cloud",
            "why": "guest locked out",
            "outcome": "confirmed",
            "reason": None,
        }


async def test_a_reason_that_is_no_text_or_missing_is_none(tmp_path: Path) -> None:
    async with world(tmp_path) as house:
        house.add_lock()
        await house.start()
        await house.command("k1", "unlock")
        await house.command("k2", "unlock", reason=["x"])
        assert [t.body["why"] for t in await house.told(EventType.AUDIT_COMMAND)] == [None, None]


@pytest.mark.parametrize(
    ("kind", "device", "reason"),
    [
        ("unlock", None, "no_device"),
        ("unlock", "dev_9", "unknown_device"),
        ("rename", "dev_9", "unknown_device"),
        ("refresh", None, "no_device"),
        ("remove_device", "dev_9", "unknown_device"),
        ("revoke", None, "unknown_credential"),
        ("dance", "dev_1", "unknown_kind"),
    ],
)
async def test_what_cannot_be_done_is_refused_by_name(
    tmp_path: Path, kind: str, device: str | None, reason: str
) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock()
        await house.start()
        said = len(lock.spoken)
        await house.command("k1", kind, device)
        result = await house.result("k1")
        assert result is not None
        assert (result["outcome"], result["reason"]) == ("refused", reason)
        assert len(lock.spoken) == said


async def test_a_revocation_is_remembered_until_what_it_revokes_comes(tmp_path: Path) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock()
        await house.start()
        await house.command("k1", "revoke", None, credential_id="c1", version=1)
        assert await house.result("k1") == {"outcome": "confirmed", "grants": 0}
        await house.want("c1", "483920", Always(), version=1)
        await house.store.submit(lambda tx: beforehand.carry_out(tx, 1, house.clock.now()))
        await house.advance(30)
        assert not lock.opens("483920")


async def test_a_revocation_takes_no_version_that_was_given_after_it(tmp_path: Path) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock()
        await house.start()
        await house.want("c1", "483920", Always(), version=2)
        await house.command("k1", "revoke", None, credential_id="c1", version=1)
        assert await house.result("k1") == {"outcome": "refused", "reason": "superseded"}
        assert lock.opens("483920")
        await house.command("k2", "revoke", None, credential_id="c1", version=2)
        await house.advance(30)
        assert not lock.opens("483920")


async def test_a_revocation_takes_the_version_it_names_though_that_never_came(
    tmp_path: Path,
) -> None:
    """The edit to version 3 was withheld, or is on its way; a later snapshot lists it."""
    async with world(tmp_path) as house:
        house.add_lock()
        house.add_lock()
        await house.start()
        for name, digits in (("c1", "483920"), ("c2", "719204")):
            await house.want(name, digits, Always(), version=2, devices=("dev_1", "dev_2"))
        await house.command("k1", "revoke", None, credential_id="c1", version=3)
        await house.command("k2", "revoke", "dev_1", credential_id="c2", version=3)
        await house.advance(30)
        kept = {
            (line.credential_id, line.device_id): line.version
            for line in await house.store.fetch(withhold.revoked_lines())
        }
        assert kept[("c1", "dev_1")] == kept[("c1", "dev_2")] == 3
        # Elsewhere it is wanted still, as it was: to call that version 3 would not be true.
        assert kept[("c2", "dev_1")] == 2


async def test_an_expired_unlock_is_refused_and_the_door_stays_shut(tmp_path: Path) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock()
        await house.start()
        await house.command("k1", "unlock", not_after=house.at(0))
        assert await house.result("k1") == {"outcome": "refused", "reason": "expired"}
        assert lock.opened == 0


async def test_a_device_with_codes_on_it_is_removed_only_by_force(tmp_path: Path) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock()
        await house.start()
        await house.want("c1", "483920", Always())
        await house.command("k1", "remove_device")
        refused = await house.result("k1")
        assert refused is not None
        assert (refused["reason"], house.radio.forgotten) == ("codes_on_lock", [])
        await house.command("k2", "remove_device", force=True)
        assert await house.result("k2") == {"outcome": "confirmed", "codes_left_on_it": 1}
        assert lock.opens("483920")  # nobody speaks to it any more, and the answer said so


async def test_an_answered_command_is_left_alone_by_the_next_life(tmp_path: Path) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock()
        await house.start()
        await house.command("k1", "unlock")
        await house.restart()
        await house.advance(60)
        assert lock.opened == 1
        row = await house.store.fetch_one(journal.command(CommandId("k1")))
        assert row is not None
        assert row.state is journal.CommandState.DONE


async def test_nobody_is_let_in_on_behalf_of_a_person_whose_right_cannot_be_checked(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as house:
        lock = house.add_lock()
        await house.start()
        said = len(lock.spoken)
        await house.command("k1", "unlock", subject_id="person-1")
        result = await house.result("k1")
        assert result is not None
        assert (result["outcome"], result["reason"]) == ("refused", "unsupported")
        assert len(lock.spoken) == said
