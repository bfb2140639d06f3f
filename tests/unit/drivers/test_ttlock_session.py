"""Settings of a simulated TTLock, its own codes, and keys that are declared void."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.domain.actions import Confirmed
from gateway.domain.devices import WeekDay
from gateway.domain.secret import Secret
from gateway.drivers.access import SettingKind, SettingValue
from gateway.drivers.ttlock import session
from gateway.drivers.ttlock.keys import keys_of
from gateway.drivers.ttlock.link import Talk
from gateway.errors import DeviceRefused, OutcomeUnknown, Refusal, Unreachable
from tests.simulation.loop import run
from tests.unit.drivers.ble_house import DEADLINE_S
from tests.unit.drivers.ttlock_house import ADDRESS, LockHouse

WEEKDAYS = frozenset({1, 2, 3, 4, 5})


async def value_of(house: LockHouse, name: str) -> SettingValue | None:
    settings = await house.driver.read_settings(deadline_s=DEADLINE_S)
    return next(setting.value for setting in settings if setting.name == name)


def test_settings_are_those_that_the_lock_has() -> None:
    async def main() -> None:
        house = LockHouse()
        found = {s.name: s for s in await house.driver.read_settings(deadline_s=DEADLINE_S)}
        assert list(found) == [
            "auto_lock_s", "sound", "show_code", "remote_unlock", "passage_mode", "freeze",
            "lamp_s", "tamper", "reset_button", "privacy",
        ]  # fmt: skip
        delay = found["auto_lock_s"]
        assert (delay.kind, delay.value, delay.low, delay.high) == (SettingKind.SECONDS, 0, 5, 900)
        lesser = LockHouse("ttlock-keypad")
        names = [s.name for s in await lesser.driver.read_settings(deadline_s=DEADLINE_S)]
        assert names == ["auto_lock_s", "sound", "remote_unlock", "passage_mode"]

    run(main())


@pytest.mark.parametrize(
    ("name", "value", "key", "held"),
    [
        ("auto_lock_s", 30, "auto_relock_s", 30),
        ("auto_lock_s", 0, "auto_relock_s", 0),
        ("sound", False, "audio", 0),
        ("show_code", False, "show_passcode", 0),
        ("remote_unlock", False, "remote_unlock", 0),
        ("freeze", True, "frozen", 1),
        ("lamp_s", 20, "lamp_s", 20),
        ("tamper", True, "switches", 1),
        ("reset_button", True, "switches", 2),
        ("privacy", True, "switches", 4),
    ],
)
@pytest.mark.parametrize("lost", [False, True])
def test_what_is_written_is_what_the_lock_has(
    name: str, value: SettingValue, key: str, held: int, lost: bool
) -> None:
    async def main() -> None:
        house = LockHouse()
        if lost:
            house.arm("applied-but-answer-lost", "set_*")
        written = await house.driver.write_setting(name, value, deadline_s=DEADLINE_S)
        assert written.value == value
        assert house.skin.core.setting(key) == held
        assert await value_of(house, name) == value

    run(main())


def test_hours_in_which_the_door_stays_open() -> None:
    async def main() -> None:
        house = LockHouse()
        office = WeekDay(WEEKDAYS, 9 * 60, 17 * 60)
        late = WeekDay(frozenset({6}), 20 * 60, 22 * 60)
        for wanted in ((office,), (office, late), (late,), ()):
            written = await house.driver.write_setting(
                "passage_mode", wanted, deadline_s=DEADLINE_S
            )
            assert isinstance(written.value, tuple)
            assert set(written.value) == set(wanted)
            assert len(house.skin.core.passage) == sum(len(w.weekdays) for w in wanted)

    run(main())


def test_what_cannot_be_set() -> None:
    async def main() -> None:
        house = LockHouse("ttlock-keypad")
        for name, value, refusal in (
            ("freeze", True, Refusal.UNSUPPORTED),
            ("colour", True, Refusal.UNSUPPORTED),
            ("auto_lock_s", 901, Refusal.INVALID),
            ("auto_lock_s", True, Refusal.INVALID),
            ("sound", 1, Refusal.INVALID),
        ):
            with pytest.raises(DeviceRefused, match=name) as caught:
                await house.driver.write_setting(name, value, deadline_s=DEADLINE_S)
            assert caught.value.refusal is refusal
        house.arm("acknowledged-but-not-applied", "set_auto_lock")
        with pytest.raises(DeviceRefused, match="reads otherwise"):
            await house.driver.write_setting("auto_lock_s", 30, deadline_s=DEADLINE_S)

    run(main())


def test_the_locks_own_codes() -> None:
    async def main() -> None:
        house = LockHouse()
        async with Talk(house.air, ADDRESS, house.keys, deadline_s=DEADLINE_S) as talk:
            await talk.converse(session.set_admin_code(Secret("2580147")))
            await talk.converse(session.set_erase_code(Secret("99887766")))
            with pytest.raises(DeviceRefused) as caught:
                await talk.converse(session.set_erase_code(Secret("2580147")))
            assert caught.value.refusal is Refusal.DUPLICATE
        assert house.opens("2580147")
        assert house.skin.core.firmware.settings["erase_code"] == "99887766"

    run(main())


@pytest.mark.parametrize(
    ("name", "value", "command"),
    [
        ("sound", False, "set_audio"),
        ("passage_mode", (WeekDay(WEEKDAYS, 540, 1020),), "add_passage"),
        ("tamper", True, "set_switches"),
    ],
)
def test_out_of_range_behind_an_order_nobody_knows_and_before_it_nothing_was_changed(
    name: str, value: SettingValue, command: str
) -> None:
    async def main() -> None:
        house = LockHouse()
        house.gone_after(command)
        with pytest.raises(OutcomeUnknown):
            await house.driver.write_setting(name, value, deadline_s=20)
        with pytest.raises(Unreachable):
            await house.driver.write_setting(name, value, deadline_s=5)

    run(main())


def test_so_with_the_clock_and_with_revoking() -> None:
    async def main() -> None:
        house = LockHouse()
        house.gone_after("set_clock")
        with pytest.raises(OutcomeUnknown):
            await house.driver.set_clock(house.now(), deadline_s=20)

        async def keep(_keys: Secret) -> None: ...

        house = LockHouse()
        house.gone_after("login.admin")
        with pytest.raises(OutcomeUnknown):
            await house.driver.revoke_keys(keep, deadline_s=20)

    run(main())


# ── keys of others ──────────────────────────────────────────────────────────────────────────


def test_older_keys_are_void_and_ours_follows() -> None:
    async def main() -> None:
        house = LockHouse()
        kept: list[Secret] = []

        async def keep(keys: Secret) -> None:
            assert house.skin.core.flag_pos == 0, "on the disk before the lock hears of it"
            kept.append(keys)

        outcome = await house.driver.revoke_keys(keep, deadline_s=DEADLINE_S)
        assert isinstance(outcome, Confirmed)
        assert house.skin.core.flag_pos == 1
        guest = replace(house.keys, admin_ps=None, uid=12)
        with pytest.raises(DeviceRefused, match="revoked"):
            await house.driver_with(guest.to_secret()).unlock(deadline_s=DEADLINE_S)
        assert isinstance(await house.driver.unlock(deadline_s=DEADLINE_S), Confirmed)
        (ours,) = kept
        assert keys_of(ours).flag_pos == 1
        restarted = house.driver_with(ours)
        await house.air.pass_time(10)
        assert isinstance(await restarted.unlock(deadline_s=DEADLINE_S), Confirmed)

    run(main())


def test_killed_between_the_disk_and_the_lock_our_key_still_opens() -> None:
    async def main() -> None:
        house = LockHouse()
        ahead = session.next_keys(house.keys).to_secret()
        driver = house.driver_with(ahead)
        assert isinstance(await driver.unlock(deadline_s=DEADLINE_S), Confirmed)
        await driver.program(1, Secret("583920"), (), deadline_s=DEADLINE_S)
        assert house.holds() == {"583920"}

    run(main())


@pytest.mark.parametrize("command", ["login.admin", "login.sum"])
def test_a_lost_answer_is_resolved_by_logging_in(command: str) -> None:
    async def main() -> None:
        house = LockHouse()

        async def keep(_keys: Secret) -> None: ...

        house.arm("applied-but-answer-lost", command)
        outcome = await house.driver.revoke_keys(keep, deadline_s=DEADLINE_S)
        assert isinstance(outcome, Confirmed)
        assert house.skin.core.flag_pos == 1
        house.air.go_away(ADDRESS)
        with pytest.raises((Unreachable, OutcomeUnknown)):
            await house.driver.revoke_keys(keep, deadline_s=5)

    run(main())
