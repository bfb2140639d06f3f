"""Settings, cards, fingers, keys by command: what the lock holds afterwards, and what is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from firmware_sims.firmware.model import Source
from gateway.domain.events import EventType
from gateway.domain.ids import CommandId
from gateway.domain.instant import DAY, ClockTrust, Instant, to_rfc3339
from gateway.domain.secret import KeyedHash, Secret
from gateway.drivers.access import MediumKind, medium_text
from gateway.drivers.ttlock.keys import keys_of
from gateway.kit.clock import SystemClock
from gateway.scheduler.errands import ERRANDS
from gateway.store import claimed, journal, media
from gateway.store.database import open_store
from gateway.store.identities import Identities
from gateway.sync.orders import KINDS
from tests.onsite_house import CARD, OnSiteHouse, onsite_house
from tests.unit.drivers.ble_house import START
from tests.unit.drivers.ttlock_house import ADDRESS, LockHouse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from gateway.store.tx import Tx

FINGER = 1337


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[OnSiteHouse]:
    async with onsite_house(tmp_path) as opened:
        yield opened


def known(house: OnSiteHouse, number: int, kind: MediumKind = MediumKind.CARD) -> KeyedHash:
    return house.keyring.hash(medium_text(kind, Secret(str(number))))


async def named(house: OnSiteHouse, kind: str = "card") -> dict[str, str]:
    rows = await house.store.fetch(media.of_device(house.device_id, kind))
    return {row.id_hash: row.name for row in rows}


def window(house: OnSiteHouse, first: int, last: int) -> dict[str, str]:
    """From so many days to so many days from now."""
    now = house.lock.now() // 60_000 * 60_000
    edges = [to_rfc3339(Instant(now + days * DAY)) for days in (first, last)]
    return {"opens_at": edges[0], "closes_at": edges[1]}


def test_the_cloud_cannot_order_any() -> None:
    assert not ERRANDS & KINDS.keys()


# ── settings ────────────────────────────────────────────────────────────────────────────


async def test_a_setting_is_what_the_lock_reads_afterwards(house: OnSiteHouse) -> None:
    result = await house.order("write_setting", name="auto_lock_s", value=7)
    assert result == {"outcome": "confirmed", "evidence": ["read_back"], "reads": "7"}
    assert house.lock.skin.core.setting("auto_relock_s") == 7
    hours = [{"weekdays": ["mon", "sat"], "from": "08:00", "to": "10:30"}]
    result = await house.order("write_setting", "c2", name="passage_mode", value=hours)
    assert result["reads"] == "mon sat 08:00-10:30"
    assert len(house.lock.skin.core.passage) == 2
    abouts = [told.body["about"] for told in await house.told(EventType.AUDIT_COMMAND)]
    assert abouts == ["auto_lock_s = 7", "passage_mode = mon sat 08:00-10:30"]


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("auto_lock_s", 3, "invalid_value"),
        ("auto_lock_s", True, "invalid_value"),
        ("door_bell", 1, "unsupported"),
    ],
)
async def test_what_the_lock_does_not_take_is_refused_with_the_reason(
    house: OnSiteHouse, name: str, value: object, reason: str
) -> None:
    result = await house.order("write_setting", name=name, value=value)
    assert (result["outcome"], result["reason"]) == ("refused", reason)
    assert name in result["detail"]


async def test_a_lock_that_ignores_a_setting_is_not_believed(house: OnSiteHouse) -> None:
    house.lock.arm("acknowledged-but-not-applied", "set_auto_lock")
    result = await house.order("write_setting", name="auto_lock_s", value=7)
    assert result["outcome"] != "confirmed"
    assert house.lock.skin.core.setting("auto_relock_s") == 0


# ── cards and fingers ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("of", "kind", "number"), [(Source.CARD, "card", CARD), (Source.FINGER, "finger", FINGER)]
)
async def test_one_is_learned_scheduled_and_deleted(
    house: OnSiteHouse, of: Source, kind: str, number: int
) -> None:
    house.comes(of, number)
    result = await house.order(f"enrol_{kind}", name="Ada")
    which = known(house, number, MediumKind(kind))
    assert (result["outcome"], result["medium"]) == ("confirmed", which[:8])
    assert house.opens(of, number)
    assert await named(house, kind) == {which: "Ada"}
    result = await house.order(f"schedule_{kind}", "c2", medium=which, **window(house, 1, 2))
    assert result["outcome"] == "confirmed"
    assert not house.opens(of, number)
    result = await house.order(f"delete_{kind}", "c3", medium=which, name="Ada")
    assert result["outcome"] == "confirmed"
    assert house.numbers(of) == []
    assert await named(house, kind) == {}
    told = [t.body["about"] for t in await house.told(EventType.AUDIT_COMMAND)]
    assert told == [f"{kind} Ada", f"{kind} {which[:8]}", f"{kind} {which[:8]} Ada"]


async def test_no_number_is_written_down_anywhere(
    house: OnSiteHouse, capfd: pytest.CaptureFixture[str]
) -> None:
    house.comes(Source.CARD, CARD)
    await house.order("enrol_card", name="Ada")
    assert house.opens(Source.CARD, CARD)
    await house.order("delete_card", "c2", medium=known(house, CARD))
    shown = "".join(capfd.readouterr())
    for text in (str(CARD), f"{CARD:x}", f"{CARD:X}"):
        assert text.encode() not in house.everything_written()
        assert text not in shown


async def test_a_card_is_learned_with_its_hours(house: OnSiteHouse) -> None:
    house.comes(Source.CARD, CARD)
    result = await house.order("enrol_card", name="Ada", **window(house, 1, 2))
    assert (result["outcome"], result["evidence"]) == ("confirmed", ["acknowledged", "read_back"])
    assert not house.opens(Source.CARD, CARD)


async def test_a_card_whose_hours_the_lock_refuses_does_not_stay(house: OnSiteHouse) -> None:
    house.comes(Source.CARD, CARD)
    house.lock.arm("busy", "set_card_window")
    result = await house.order("enrol_card", name="Ada", **window(house, 1, 2))
    assert (result["outcome"], result["reason"]) == ("refused", "hours_not_set")
    assert house.numbers(Source.CARD) == []
    assert await named(house) == {}


async def test_a_card_that_may_open_at_all_hours_is_told_and_can_be_named(
    house: OnSiteHouse,
) -> None:
    house.comes(Source.CARD, CARD)
    for command in ("set_card_window", "remove_card"):
        house.lock.arm("acknowledged-but-not-applied", command)
    result = await house.order("enrol_card", name="Ada", **window(house, 1, 2))
    assert result["outcome"] == "unconfirmed"
    assert "may open at all hours; delete it" in result["detail"]
    assert await named(house) == {known(house, CARD): "Ada"}


async def test_nobody_came(tmp_path: Path) -> None:
    lock = LockHouse(claimed=False, start=START, learning_s=0.05)
    async with onsite_house(tmp_path, lock) as house:
        result = await house.order("enrol_card", name="Ada")
        assert (result["outcome"], result["reason"]) == ("refused", "nothing_learned")
        assert await named(house) == {}


async def test_one_that_is_gone_is_deleted_and_cannot_be_scheduled(house: OnSiteHouse) -> None:
    which = known(house, CARD)
    result = await house.order("delete_card", medium=which)
    assert result == {"outcome": "confirmed", "evidence": ["read_back"]}
    result = await house.order("schedule_card", "c2", medium=which)
    assert result == {"outcome": "refused", "reason": "unknown_medium"}


async def test_nothing_but_the_one_that_is_named_is_touched(house: OnSiteHouse) -> None:
    for number in (CARD, CARD + 1, CARD + 2):
        house.lock.firmware.tokens.put(Source.CARD, number, None)
    await house.order("delete_card", medium=known(house, CARD + 1))
    assert house.numbers(Source.CARD) == [CARD, CARD + 2]


async def test_what_was_begun_in_a_former_life_is_not_done_again(tmp_path: Path) -> None:
    async with onsite_house(tmp_path) as house:
        lock, which = house.lock, known(house, CARD)
        lock.firmware.tokens.put(Source.CARD, CARD, None)
    # As a power cut leaves it: begun, and nobody knows what came of it.
    async with open_store(tmp_path / "state.db", SystemClock(ClockTrust.TRUSTED)) as store:

        def begun(tx: Tx) -> None:
            order = CommandId("c1")
            body = {"medium": which, "reason": "x"}
            now = lock.now()
            journal.receive(tx, order, "delete_card", house.device_id, body, "local:a", None, now)
            journal.start(tx, order)

        await store.submit(begun)
    async with onsite_house(tmp_path, lock) as house:
        result = await house.result("c1")
        assert result["outcome"] == "unconfirmed"
        assert house.numbers(Source.CARD) == [CARD]


# ── keys ────────────────────────────────────────────────────────────────────────────────


async def test_our_key_follows_a_revocation_in_both_places_and_after_a_restart(
    tmp_path: Path,
) -> None:
    async with onsite_house(tmp_path) as house:
        lock = house.lock
        before = lock.skin.core.flag_pos
        result = await house.order("revoke_keys")
        assert result["outcome"] == "confirmed"
        assert lock.skin.core.flag_pos == before + 1
        assert await kept_flags(house) == [before + 1, before + 1]
        assert (await house.order("unlock", "c2"))["outcome"] == "confirmed"
    async with onsite_house(tmp_path, lock) as house:
        assert (await house.order("lock", "c3"))["outcome"] == "confirmed"
        assert not lock.unlocked()


async def kept_flags(house: OnSiteHouse) -> list[int]:
    """The count that our key has, in the database and in the file beside it."""
    sealed = await house.store.fetch_one(claimed.keys_of(house.device_id))
    (identity,) = Identities(house.folder / "devices.json", lambda: house.device_id).entrusted(
        "ble"
    )
    assert sealed is not None
    assert identity.keepsake is not None
    context = claimed.keys_context(house.device_id)
    return [
        keys_of(house.keyring.unseal(blob, context=context)).flag_pos
        for blob in (sealed, bytes.fromhex(identity.keepsake.sealed))
    ]


async def test_keys_that_cannot_be_kept_are_not_revoked(house: OnSiteHouse) -> None:
    before = house.lock.skin.core.flag_pos
    file = house.folder / "devices.json"
    file.unlink()
    file.mkdir()  # nothing can be put in its place
    (file / "x").touch()
    result = await house.order("revoke_keys")
    assert (result["outcome"], result["reason"]) == ("refused", "store_full")
    assert house.lock.skin.core.flag_pos == before
    assert (await house.order("unlock", "c2"))["outcome"] == "confirmed"


async def test_what_a_device_cannot_do_is_refused_before_anybody_speaks_to_it(
    house: OnSiteHouse,
) -> None:
    house.lock.air.go_away(ADDRESS)
    assert await house.order("remove_key", key="3") == {
        "outcome": "refused",
        "reason": "unsupported",
    }


# ── codes of others, and the latch ──────────────────────────────────────────────────────


async def test_a_lock_without_a_latch_or_a_switch_for_codes_is_not_asked(
    house: OnSiteHouse,
) -> None:
    house.lock.air.go_away(ADDRESS)
    nothing = {"outcome": "refused", "reason": "unsupported"}
    assert await house.order("unlatch") == nothing
    assert await house.order("switch_code", "c2", slot=1, enabled=False) == nothing


async def test_a_card_whose_number_nobody_kept_is_not_added(house: OnSiteHouse) -> None:
    """As after a restart: the number was in memory only."""
    result = await house.order("add_card", name="Ada", medium=known(house, CARD))
    assert result == {"outcome": "refused", "reason": "number_forgotten"}
    assert house.numbers(Source.CARD) == []
    assert house.lock.skin.queue.received["add_card"] == 0
