"""The shell: one deadline for a conversation, patience per call, what the lock says meanwhile."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from gateway.domain.actions import Confirmed, Refused
from gateway.domain.capabilities import Capabilities, CodeLimits, ScheduleSupport
from gateway.domain.devices import YearDay
from gateway.domain.events import EventType, Method
from gateway.domain.instant import HOUR, MINUTE, Instant
from gateway.domain.secret import Secret
from gateway.drivers.access import SettingKind, SettingsKeeper
from gateway.drivers.api import (
    ClockKeeper,
    CredentialStore,
    EventLog,
    Gauge,
    Happening,
    Latch,
    Measured,
    SlotChange,
    SlotChanged,
)
from gateway.drivers.catalog import lock_for_ccs
from gateway.drivers.zwave_lock.driver import (
    ANSWER_S,
    ZwaveCodeLock,
    ZwaveLock,
    ZwaveLockWithBoth,
)
from gateway.drivers.zwave_lock.facts import ModelFacts, Switch
from gateway.drivers.zwave_lock.schedules import Kind
from gateway.errors import DeviceRefused, OutcomeUnknown, Refusal, Unreachable
from gateway.radios.command_classes import CcCall, CcReply, Notified, Supervision
from tests.unit.drivers.zwave_double import (
    ADDRESS,
    ENABLED,
    CcLockDouble,
    DirectRadio,
    User,
    node_of,
)

if TYPE_CHECKING:
    from gateway.drivers.api import Driver

ZONE = "Europe/Berlin"
NOON = Instant(1_795_000_000_000 // MINUTE * MINUTE)
WINDOW = YearDay(NOON, Instant(NOON + 2 * HOUR))
CODES = {0x62: 4, 0x63: 2, 0x4E: 3, 0x71: 8, 0x80: 1}
EVERYTHING = {**CODES, 0x4C: 1, 0x8A: 2, 0x8B: 1, 0x70: 1}
MET = Capabilities(codes=CodeLimits(slots=30), schedules=ScheduleSupport(3, 2))


def driver_of(
    lock: CcLockDouble,
    versions: dict[int, int] | None = None,
    facts: ModelFacts | None = None,
) -> tuple[ZwaveLockWithBoth, DirectRadio]:
    radio = DirectRadio(lock)
    node = node_of(versions or EVERYTHING)
    return ZwaveLockWithBoth(node, radio.port, ZONE, facts or ModelFacts()), radio


async def test_the_interview_tells_what_it_can() -> None:
    driver, _ = driver_of(CcLockDouble())
    found = await driver.interview(deadline_s=30)
    assert found.codes == CodeLimits(slots=30, reads_back_digits=True)
    assert found.schedules == ScheduleSupport(week_day=3, year_day=2, edge_s=60)
    assert (found.has_door_sensor, found.has_clock, found.keeps_log) == (True, True, True)
    assert (found.sleepy, found.on_battery) == (False, True)
    assert await driver.interview(deadline_s=30) == found


async def test_week_day_entries_are_counted_in_weeks() -> None:
    lock = CcLockDouble(counts={Kind.WEEK_DAY: 15, Kind.YEAR_DAY: 1})
    driver, _ = driver_of(lock)
    assert (await driver.interview(deadline_s=30)).schedules.week_day == 2


async def test_a_model_whose_codes_have_one_length() -> None:
    driver, _ = driver_of(CcLockDouble(parameters={16: 6}), facts=ModelFacts(length_parameter=16))
    codes = (await driver.interview(deadline_s=30)).codes
    assert codes is not None
    assert (codes.min_length, codes.max_length) == (6, 6)


async def test_a_model_that_is_not_believed_to_keep_windows() -> None:
    driver, _ = driver_of(CcLockDouble(), facts=ModelFacts(keeps_schedules=False))
    assert (await driver.interview(deadline_s=30)).schedules.year_day == 0


@pytest.mark.parametrize(
    ("versions", "codes", "clock", "log"),
    [
        ({0x62: 2}, False, False, False),
        ({0x62: 2, 0x63: 1}, True, False, False),
        ({0x62: 4, 0x83: 1}, True, False, False),
        ({0x62: 2, 0x63: 1, 0x8B: 1}, True, True, False),
        ({0x62: 2, 0x63: 1, 0x4C: 1}, True, False, True),
        ({0x62: 2, 0x63: 1, 0x4C: 1, 0x8A: 1}, True, True, True),
    ],
)
def test_what_the_node_has_is_what_the_driver_honours(
    versions: dict[int, int], *, codes: bool, clock: bool, log: bool
) -> None:
    driver: Driver | None = lock_for_ccs(node_of(versions), DirectRadio(CcLockDouble()).port, ZONE)
    assert driver is not None
    assert (isinstance(driver, Latch), isinstance(driver, Gauge)) == (True, True)
    assert isinstance(driver, CredentialStore) is codes
    assert isinstance(driver, ClockKeeper) is clock
    assert isinstance(driver, EventLog) is log


def test_a_node_without_door_lock_is_no_lock() -> None:
    radio = DirectRadio(CcLockDouble()).port
    assert lock_for_ccs(node_of({0x25: 1}), radio, ZONE) is None
    with pytest.raises(ValueError, match="no lock"):
        ZwaveLock(node_of({0x25: 1}), radio, ZONE, ModelFacts())


async def test_a_restored_lock_is_asked_how_it_wants_to_be_spoken_to_and_no_more() -> None:
    lock = CcLockDouble()
    driver, _ = driver_of(lock)
    driver.restore(MET)
    result = await driver.program(4, Secret("583920"), (WINDOW,), deadline_s=30)
    assert isinstance(result.outcome, Confirmed)
    assert lock.users == {4: User("583920", ENABLED)}
    assert lock.said[:3] == ["getCapabilities", "getNumSlots", "get"]
    lock.said.clear()
    await driver.read_slot(5, deadline_s=30)
    assert lock.said == ["get"]


@pytest.mark.parametrize(
    ("slot", "digits", "refusal"),
    [
        (0, "583920", Refusal.INVALID),
        (31, "583920", Refusal.INVALID),
        (2, "583920", Refusal.INVALID),
        (4, "123", Refusal.LENGTH),
        (4, "123456789", Refusal.LENGTH),
        (4, "12a4", Refusal.CHARSET),
    ],
)
async def test_what_the_lock_would_refuse_is_refused_before_the_radio(
    slot: int, digits: str, refusal: Refusal
) -> None:
    lock = CcLockDouble()
    driver, _ = driver_of(lock)
    limits = CodeLimits(slots=30, reserved_slots=frozenset({2}))
    driver.restore(Capabilities(codes=limits))
    result = await driver.program(slot, Secret(digits), (), deadline_s=30)
    assert result.outcome == Refused(refusal)
    assert lock.said == []


async def test_patience_is_the_models_and_the_deadline_the_callers() -> None:
    driver, radio = driver_of(CcLockDouble(), facts=ModelFacts(slow_s=10.0))
    driver.restore(MET)
    await driver.read_slot(4, deadline_s=60)
    assert max(radio.deadlines) == pytest.approx(ANSWER_S + 15.0)
    radio.deadlines.clear()
    await driver.read_slot(4, deadline_s=3)
    assert max(radio.deadlines) <= 3.0


async def test_a_question_is_asked_again_and_an_order_is_not() -> None:
    lock = CcLockDouble()
    driver, radio = driver_of(lock)
    driver.restore(MET)
    broken = {"get": 1, "set": 1}

    def before(call: CcCall) -> None:
        if broken.get(call.method, 0):
            broken[call.method] -= 1
            raise (Unreachable if call.asks_only else OutcomeUnknown)("lost")

    radio.before = before
    with pytest.raises(OutcomeUnknown):
        await driver.program(4, Secret("583920"), (), deadline_s=30)
    assert broken == {"get": 0, "set": 0}
    assert "set" not in lock.said


async def test_a_time_that_is_over_sends_nothing() -> None:
    lock = CcLockDouble()
    driver, _ = driver_of(lock)
    driver.restore(MET)
    with pytest.raises(Unreachable):
        await driver.read_slot(4, deadline_s=0)
    assert lock.said == []


async def test_a_reason_that_comes_after_the_no_is_waited_for() -> None:
    lock = CcLockDouble({9: User("583920")}, says_why=False)
    driver, radio = driver_of(lock)
    driver.restore(MET)
    loop = asyncio.get_running_loop()

    def before(call: CcCall) -> None:
        if call.method == "set":
            loop.call_later(0.05, lambda: lock.notify(0x0F, userId=4))

    radio.before = before
    result = await driver.program(4, Secret("583920"), (), deadline_s=30)
    assert result.outcome == Refused(Refusal.DUPLICATE)
    assert lock.listeners == []


async def test_a_jam_is_heard_while_the_bolt_is_on_its_way() -> None:
    lock = CcLockDouble(stuck=True)
    driver, _ = driver_of(lock)
    assert await driver.unlock(deadline_s=30) == Refused(Refusal.JAMMED)


async def test_the_bolt_and_its_gauge() -> None:
    lock = CcLockDouble()
    driver, _ = driver_of(lock)
    assert isinstance(await driver.unlock(deadline_s=30), Confirmed)
    fresh = Measured(locked=False, battery_percent=87, battery_low=False)
    assert await driver.measure(deadline_s=30) == fresh
    lock.battery = 0xFF
    assert await driver.measure(deadline_s=30) == Measured(locked=False, battery_low=True)
    assert isinstance(await driver.lock(deadline_s=30), Confirmed)
    assert (await driver.measure(deadline_s=30)).locked is True


async def test_the_echo_of_our_own_write_is_not_somebody_at_the_door() -> None:
    lock = CcLockDouble()
    driver, radio = driver_of(lock)
    driver.restore(MET)
    seen: list[object] = []
    radio.listen(lambda event: seen.extend(driver.translate(event)))

    def before(call: CcCall) -> None:
        if call.method == "set":
            lock.notify(0x0E, userId=4)

    radio.before = before
    await driver.program(4, Secret("583920"), (), deadline_s=30)
    lock.notify(0x0E, userId=4)
    assert seen == [
        SlotChanged(4, SlotChange.ADDED, at_lock=False),
        SlotChanged(4, SlotChange.ADDED, at_lock=True),
    ]


def test_another_nodes_voice_is_not_this_locks() -> None:
    driver, _ = driver_of(CcLockDouble())
    driver.restore(MET)
    event = Notified("c0ffee01:18", 0, 0x71, 6, 6, {"userId": 4})
    assert driver.translate(event) == ()


async def test_the_log_leaves_out_what_was_told_at_once() -> None:
    lock = CcLockDouble()
    driver, _ = driver_of(lock)
    driver.restore(MET)
    told = driver.translate(Notified(ADDRESS, 0, 0x71, 6, 6, {"userId": 4}))
    assert told == (Happening(EventType.LOCK_UNLOCKED, Method.CODE, 4),)
    stamp = "2026-11-20T11:00:0{}.000Z"
    lock.records = [{"eventType": 2, "timestamp": stamp.format(n), "userId": 4} for n in range(2)]
    read = await driver.read_log(None, deadline_s=30)
    assert len(read.events) == 1
    assert len((await driver.read_log(None, deadline_s=30)).events) == 2


class TestClock:
    async def test_is_read_within_its_bound(self) -> None:
        lock = CcLockDouble(clock="2026-11-19T12:00:00.000Z")
        driver, _ = driver_of(lock)
        now = Instant(1_795_089_600_000 + 700)
        found = await driver.read_clock(now, deadline_s=30)
        assert abs(found.error_ms + 200) <= found.bound_ms
        assert found.zone_proven

    NOW = Instant(1_795_089_600_000)

    async def test_is_set_with_its_zone(self) -> None:
        nowhere = {"standardOffset": 0, "dstOffset": 0}
        lock = CcLockDouble(clock="2020-01-01T00:00:00.000Z", offsets=nowhere)
        driver, _ = driver_of(lock)
        before = await driver.read_clock(self.NOW, deadline_s=30)
        assert not before.zone_proven
        after = await driver.set_clock(self.NOW, deadline_s=30)
        assert abs(after.error_ms) <= after.bound_ms + 500
        assert after.zone_proven
        assert lock.offsets == {"standardOffset": 60, "dstOffset": 120}

    @pytest.mark.parametrize(
        ("asks", "expected"),
        [
            (False, {"standardOffset": 0, "dstOffset": 0}),
            (True, {"standardOffset": 60, "dstOffset": 120}),
        ],
    )
    async def test_a_lock_that_was_given_local_time_is_in_no_zone(
        self, expected: dict[str, int], *, asks: bool
    ) -> None:
        """Z-Wave JS gives local time to a lock without Time version 2, and the zone as well."""
        lock = CcLockDouble(asks_for_time=asks)
        driver, _ = driver_of(lock, {**CODES, 0x8B: 1})
        assert (await driver.read_clock(self.NOW, deadline_s=30)).zone_proven is asks
        assert (await driver.set_clock(self.NOW, deadline_s=30)).zone_proven
        assert lock.offsets == expected

    async def test_a_wrong_zone_of_the_clock_itself_is_seen(self) -> None:
        lock = CcLockDouble(time_offsets={"standardOffset": 0, "dstOffset": 60})
        driver, _ = driver_of(lock)
        assert not (await driver.read_clock(self.NOW, deadline_s=30)).zone_proven

    async def test_one_that_takes_no_time_says_so(self) -> None:
        no = CcReply(Supervision.NONE, {"success": False})
        lock = CcLockDouble(override=lambda call: no if call.method.startswith("node.") else None)
        driver, _ = driver_of(lock)
        with pytest.raises(DeviceRefused):
            await driver.set_clock(NOON, deadline_s=30)


class TestSettings:
    FACTS = ModelFacts(switches=(Switch("auto_lock", 15, 0, 255),))

    async def test_are_read_and_written(self) -> None:
        lock = CcLockDouble(parameters={15: 0})
        driver, _ = driver_of(lock, facts=self.FACTS)
        assert isinstance(driver, SettingsKeeper)
        (found,) = await driver.read_settings(deadline_s=30)
        assert (found.name, found.kind, found.value) == ("auto_lock", SettingKind.SWITCH, False)
        assert (await driver.write_setting("auto_lock", True, deadline_s=30)).value is True
        assert lock.parameters == {15: 255}

    async def test_a_value_that_is_neither_is_not_told(self) -> None:
        driver, _ = driver_of(CcLockDouble(parameters={15: 7}), facts=self.FACTS)
        (found,) = await driver.read_settings(deadline_s=30)
        assert found.value is None

    @pytest.mark.parametrize(
        ("name", "value", "refusal"),
        [("lamp", True, Refusal.UNSUPPORTED), ("auto_lock", 3, Refusal.INVALID)],
    )
    async def test_what_there_is_not(self, name: str, value: bool | int, refusal: Refusal) -> None:
        driver, _ = driver_of(CcLockDouble(parameters={15: 0}), facts=self.FACTS)
        with pytest.raises(DeviceRefused) as refused:
            await driver.write_setting(name, value, deadline_s=30)
        assert refused.value.refusal is refusal


def test_a_lock_of_codes_alone_has_no_clock() -> None:
    driver = lock_for_ccs(node_of(CODES), DirectRadio(CcLockDouble()).port, ZONE)
    assert isinstance(driver, ZwaveCodeLock)
    assert not isinstance(driver, ClockKeeper)
