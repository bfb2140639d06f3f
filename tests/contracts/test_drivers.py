"""One suite over every driver: what `drivers.api` promises, held by the lock's own truth.

Every kind of lock (simulated firmware behind the real Zigbee radio or an air of Bluetooth, and the
virtual one) over several kinds of air. What the driver says is compared with what the lock really
holds and what happens when somebody types the code, never with what the gateway believes.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio

from gateway.domain.actions import Confirmed, Refused, Unconfirmed
from gateway.domain.devices import Evidence, LockSchedule, WeekDay, YearDay
from gateway.domain.instant import DAY, HOUR, MINUTE, ClockTrust, Instant, to_datetime
from gateway.domain.secret import Secret
from gateway.drivers.api import (
    ClockKeeper,
    CredentialStore,
    Driver,
    Gauge,
    Inventory,
    Latch,
    SlotChange,
    SlotChanged,
    SlotUse,
    SparingEraser,
    WriteResult,
)
from gateway.drivers.catalog import driver_for
from gateway.drivers.virtual.driver import VirtualLock
from gateway.drivers.zcl_lock.driver import ZclLock
from gateway.errors import (
    LinkError,
    OutcomeUnknown,
    PeerProtocolError,
    Refusal,
    Unreachable,
)
from gateway.kit.clock import SystemClock
from gateway.radios.api import ClusterCommandReceived
from gateway.radios.command_classes import Notified, ValueTold
from tests.contracts import zwave_doors
from tests.contracts.gatt_doors import DOORS, GattDoor
from tests.contracts.zigbee_house import ZONE, House, house, ieee
from tests.contracts.zwave_doors import CREDENTIALS, QUIET, ZwaveStreet

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from gateway.domain.capabilities import Capabilities

pytestmark = pytest.mark.asyncio(loop_scope="module")

WALL = ZoneInfo(ZONE)
CLOCK = SystemClock(ClockTrust.TRUSTED)
DEADLINE_S = 20.0
SHORT_S = (1.0, 4.0, 16.0)

ResultT = TypeVar("ResultT")

NODES: tuple[dict[str, Any], ...] = (
    # No keypad ends in a lockout: the wrong codes of all tests together are not one visitor's.
    {
        "name": "yale",
        "profile": "yale-yrd",
        "ieee": ieee(1),
        "timezone": ZONE,
        "overrides": {"wrong_code_limit": 0},
    },
    {
        "name": "kwikset",
        "profile": "kwikset-smartcode",
        "ieee": ieee(2),
        "overrides": {"wrong_code_limit": 0},
    },
    {"name": "danalock", "profile": "danalock-v3", "ieee": ieee(3)},
    {
        "name": "nimly",
        "profile": "nimly",
        "ieee": ieee(4),
        "overrides": {"command_time_s": 0.05, "slots": 40},
    },
    {
        "name": "sleepy",
        "profile": "sleepy-deadbolt",
        "ieee": ieee(5),
        "overrides": {"poll_interval_s": 0.1},
        "timezone": ZONE,
    },
)
SIMULATED = tuple(node["name"] for node in NODES)
CLAIMED = tuple(DOORS)
NO_ZERO = tuple(name for name in CLAIMED if name.startswith("nuki"))
"""Their keypads have the digits 1 to 9, so the suite's codes have no 0."""
ZWAVE = tuple(zwave_doors.LOCKS)
WORDLESS = (*QUIET, *CREDENTIALS)
"""What they refuse without a reason of the specification's they do not answer at all."""
TELLS_OF_CODES = tuple(name for name in ZWAVE if name not in CREDENTIALS)
LOCKS = ("virtual", *CLAIMED, *SIMULATED, *ZWAVE)
KEEPS_WINDOWS = ("virtual", "yale", "zwave-windows")
KEEPS_A_STRETCH = (*KEEPS_WINDOWS, *CLAIMED)
SLEEPY = ("sleepy", *CLAIMED)


def on(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", names, indirect=True)


def skip_without_node(name: str) -> None:
    """A lock that speaks over Z-Wave JS."""
    lacking = zwave_doors.missing() if name in ZWAVE else ""
    if lacking:
        pytest.skip(lacking)


class LockDriver(Driver, CredentialStore, Latch, Protocol):
    """What every lock honours."""


class Door(Protocol):
    """Somebody standing at it."""

    async def opens(self, code: str) -> bool: ...

    async def holds(self) -> dict[int, str]:
        """Slot above the driver's numbering -> digits, enabled ones only."""
        ...


@dataclass
class VirtualDoor:
    lock: VirtualLock

    async def opens(self, code: str) -> bool:
        return self.lock.opens(Secret(code), CLOCK.now())

    async def holds(self) -> dict[int, str]:
        readings = [await self.lock.read_slot(slot, deadline_s=1) for slot in range(1, 11)]
        return {r.slot: r.digits.reveal() for r in readings if r.digits is not None}


@dataclass
class SimulatedDoor:
    home: House | ZwaveStreet
    name: str
    offset: int

    async def opens(self, code: str) -> bool:
        return bool((await self.home.door.call("type_code", device=self.name, code=code))["opened"])

    async def holds(self) -> dict[int, str]:
        slots = (await self.home.state(self.name))["slots"]
        return {
            int(slot) - self.offset: held["code"]
            for slot, held in slots.items()
            if held["status"] == "enabled" and int(slot) - self.offset >= 1
        }


@dataclass
class Case:
    name: str
    driver: LockDriver
    door: Door
    capabilities: Capabilities
    home: House | ZwaveStreet
    gatt: GattDoor | None = None
    """Set for a lock over Bluetooth; its door is the same object."""

    @property
    def slot(self) -> int:
        """One that no test leaves occupied and no model keeps for a master code."""
        return 4

    @property
    def keeps_windows(self) -> bool:
        return self.name in KEEPS_A_STRETCH

    async def arm(self, fault: str, on: str, *, count: int) -> None:
        if self.gatt is not None:
            self.gatt.arm(fault, on, count)
        else:
            await self.home.door.call("arm", device=self.name, fault=fault, on=on, count=count)

    async def go_away(self) -> None:
        if self.gatt is not None:
            self.gatt.go_away()
        else:
            await self.home.door.call("out_of_range", device=self.name)

    async def received(self, command: str) -> int:
        """How often the lock was told that."""
        if self.gatt is not None:
            return self.gatt.received(command)
        state = await self.home.state(self.name)
        return int(state["commands_received"].get(command, 0))

    async def unlocked(self) -> bool | None:
        """By the lock's own truth; None where it has no bolt."""
        if self.gatt is not None:
            return self.gatt.unlocked()
        if isinstance(self.door, SimulatedDoor):
            return bool((await self.home.state(self.name))["bolt"] == "unlocked")
        return None


async def until_told(
    case: Case, command: str, act: Callable[[float], Awaitable[ResultT]]
) -> ResultT:
    """`act` with a deadline in seconds that its first words fit into, and a lost answer does not.

    A driver asks before it writes. Where a busy machine did not come to the writing in the time,
    the lock was not told, and there is more time for the next try.
    """
    before = await case.received(command)
    for deadline_s in SHORT_S:
        came_to = await asyncio.gather(act(deadline_s), return_exceptions=True)
        # What is still on the way arrives before this question.
        await case.driver.read_slot(case.slot, deadline_s=DEADLINE_S)
        if await case.received(command) != before:
            (result,) = came_to
            if isinstance(result, BaseException):
                raise result
            return result
        await case.driver.erase(case.slot, deadline_s=DEADLINE_S)  # what half a try left
    pytest.fail(f"the lock was not told to {command} in {SHORT_S[-1]} s")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def home(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with house(tmp_path_factory.mktemp("house"), NODES) as found:
        for node in NODES:
            await found.join(node["name"], node["ieee"])
        yield found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def street(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ZwaveStreet]:
    async with ZwaveStreet(tmp_path_factory.mktemp("street")) as found:
        yield found


@pytest_asyncio.fixture(params=LOCKS, loop_scope="module")
async def case(
    request: pytest.FixtureRequest, home: House, street: ZwaveStreet, met: dict[str, Case]
) -> AsyncIterator[Case]:
    """A lock that has been met, with empty memory and a right clock."""
    skip_without_node(request.param)
    if request.param in ZWAVE:
        await street.open()
    found = await meet(
        request.param, street if request.param in ZWAVE else home, met.get(request.param)
    )
    met[request.param] = found
    if isinstance(found.driver, ClockKeeper):
        await found.driver.set_clock(CLOCK.now(), deadline_s=DEADLINE_S)
    found.home.events.clear()
    yield found
    if isinstance(found.door, SimulatedDoor):
        await found.home.door.call("disarm", device=found.name)
        await found.home.door.call("in_range", device=found.name)
        await found.home.door.call("clear_codes", device=found.name)
    if found.gatt is not None:
        found.gatt.recover()


@pytest.fixture(scope="module")
def met() -> dict[str, Case]:
    """What the interviews found, as the gateway's store keeps it."""
    return {}


async def meet(name: str, home: House | ZwaveStreet, before: Case | None = None) -> Case:
    known = before.capabilities if before is not None else None
    if name in CLAIMED:
        door = before.gatt if before is not None and before.gatt is not None else None
        door = door or DOORS[name](CLOCK)
        lock = cast("LockDriver", door.driver)
        can = known or await lock.interview(deadline_s=DEADLINE_S)
        return Case(name, lock, door, can, home, door)
    if name == "virtual":
        virtual = VirtualLock(ZONE)
        capabilities = await virtual.interview(deadline_s=1)
        return Case(name, virtual, VirtualDoor(virtual), capabilities, home)
    if isinstance(home, ZwaveStreet):
        zwave = home.driver(name)
        if known is not None:
            zwave.restore(known)
        can = known or await zwave.interview(deadline_s=DEADLINE_S)
        return Case(name, zwave, SimulatedDoor(home, name, 0), can, home)
    address = next(node["ieee"] for node in NODES if node["name"] == name)
    driver = driver_for(home.node(address), home.radio, ZONE)
    assert isinstance(driver, ZclLock)
    if known is not None:
        driver.restore(known)
    capabilities = known or await driver.interview(deadline_s=DEADLINE_S)
    offset = -1 if name in ("kwikset", "danalock", "nimly") else 0
    return Case(name, driver, SimulatedDoor(home, name, offset), capabilities, home)


def around_now(hours_before: int = 1, hours_after: int = 1) -> YearDay:
    """In whole minutes, as every lock can keep them."""
    now = CLOCK.now() // MINUTE * MINUTE
    return YearDay(Instant(now - hours_before * HOUR), Instant(now + hours_after * HOUR))


def write(case: Case, digits: str, *schedules: LockSchedule, **more: Any) -> Awaitable[WriteResult]:
    return case.driver.program(
        more.pop("slot", case.slot), Secret(digits), schedules, deadline_s=DEADLINE_S, **more
    )


# ── data and code agree ─────────────────────────────────────────────────────────────────────


async def test_capabilities_as_data_agree_with_protocols_as_code(case: Case) -> None:
    said, driver = case.capabilities, case.driver
    assert (said.can_program_online_access_codes is not None) is isinstance(driver, CredentialStore)
    assert (said.codes is not None) is isinstance(driver, CredentialStore)
    latch = isinstance(driver, Latch)
    assert (said.can_remotely_unlock is not None) is latch
    assert (said.can_remotely_lock is not None) is latch
    assert (said.has_clock is not None) is isinstance(driver, ClockKeeper)
    assert said.sleepy is (case.name in SLEEPY)


async def test_an_interview_can_be_repeated(case: Case) -> None:
    assert await case.driver.interview(deadline_s=DEADLINE_S) == case.capabilities


async def test_the_highest_slot_exists(case: Case) -> None:
    assert case.capabilities.codes is not None
    slot = case.capabilities.codes.slots
    assert isinstance((await write(case, "583926", slot=slot)).outcome, Confirmed)
    assert (await case.door.holds())[slot] == "583926"
    assert isinstance((await case.driver.erase(slot, deadline_s=DEADLINE_S)).outcome, Confirmed)


# ── codes ───────────────────────────────────────────────────────────────────────────────────


async def test_a_code_is_written_opens_is_read_and_erased(case: Case) -> None:
    result = await write(case, "583926")
    assert isinstance(result.outcome, Confirmed)
    acknowledged = set() if case.name in QUIET else {Evidence.ACKNOWLEDGED}
    assert result.outcome.evidence >= {*acknowledged, Evidence.READ_BACK}
    assert await case.door.holds() == {case.slot: "583926"}
    assert await case.door.opens("583926")
    reading = await case.driver.read_slot(case.slot, deadline_s=DEADLINE_S)
    assert (reading.use, reading.restricted) == (SlotUse.ENABLED, False)
    told = case.capabilities.codes
    assert told is not None
    assert reading.digits == (Secret("583926") if told.reads_back_digits else None)
    erased = await case.driver.erase(case.slot, deadline_s=DEADLINE_S)
    assert isinstance(erased.outcome, Confirmed)
    assert await case.door.holds() == {}
    assert not await case.door.opens("583926")


async def test_an_inventory_tells_of_every_slot_that_is_taken(case: Case) -> None:
    if not isinstance(case.driver, Inventory):
        return
    assert await case.driver.read_slots(deadline_s=DEADLINE_S) == []
    await write(case, "583926")
    await write(case, "719284", slot=case.slot + 1)
    for number in (case.slot, case.slot + 1):
        one = await case.driver.read_slot(number, deadline_s=DEADLINE_S)
        assert one in await case.driver.read_slots(deadline_s=DEADLINE_S)
    assert len(await case.driver.read_slots(deadline_s=DEADLINE_S)) == 2


async def test_an_empty_slot_reads_empty_and_erases_gladly(case: Case) -> None:
    reading = await case.driver.read_slot(case.slot, deadline_s=DEADLINE_S)
    assert (reading.use, reading.digits) == (SlotUse.AVAILABLE, None)
    erased = await case.driver.erase(case.slot, deadline_s=DEADLINE_S)
    assert isinstance(erased.outcome, Confirmed)


async def test_what_is_to_be_spared_is_not_erased(case: Case) -> None:
    if not isinstance(case.driver, SparingEraser):
        return
    await write(case, "583926")
    erase = case.driver.erase_unless
    refused = await erase(case.slot, lambda reading: True, deadline_s=DEADLINE_S)
    assert refused.outcome == Refused(Refusal.INVALID)
    assert refused.reading == await case.driver.read_slot(case.slot, deadline_s=DEADLINE_S)
    assert await case.door.holds() == {case.slot: "583926"}
    done = await erase(case.slot, lambda reading: False, deadline_s=DEADLINE_S)
    assert isinstance(done.outcome, Confirmed)
    assert await case.door.holds() == {}


@on(*(name for name in LOCKS if name not in NO_ZERO))
async def test_leading_zeros_are_kept(case: Case) -> None:
    await write(case, "0007")
    assert await case.door.holds() == {case.slot: "0007"}


async def test_an_occupied_slot_is_left_alone_unless_it_is_ours(case: Case) -> None:
    await write(case, "583926")
    refused = await write(case, "111333")
    assert refused.outcome == Refused(Refusal.INVALID)
    assert refused.reading is not None
    assert refused.reading.use is SlotUse.ENABLED
    assert await case.door.holds() == {case.slot: "583926"}
    changed = await write(case, "111333", overwrite=True)
    assert isinstance(changed.outcome, Confirmed)
    assert await case.door.holds() == {case.slot: "111333"}


async def test_a_duplicate_is_refused_by_name(case: Case) -> None:
    await write(case, "583926")
    assert (await write(case, "583926", slot=5)).outcome == Refused(Refusal.DUPLICATE)
    assert await case.door.holds() == {case.slot: "583926"}


@on(*NO_ZERO)
@pytest.mark.parametrize("digits", ["583920", "123456"])
async def test_what_a_keypad_does_not_take_is_refused_by_name(case: Case, digits: str) -> None:
    assert (await write(case, digits)).outcome == Refused(Refusal.CHARSET)
    assert await case.door.holds() == {}


@pytest.mark.parametrize("digits", ["12", "123456789012"])
async def test_a_wrong_length_is_refused_by_name(case: Case, digits: str) -> None:
    assert (await write(case, digits)).outcome == Refused(Refusal.LENGTH)


# ── windows ─────────────────────────────────────────────────────────────────────────────────


@on(*KEEPS_A_STRETCH)
async def test_a_window_that_the_lock_keeps(case: Case) -> None:
    window = around_now()
    result = await write(case, "583926", window)
    assert isinstance(result.outcome, Confirmed)
    assert result.reading is not None
    assert (result.reading.restricted, result.reading.schedules) == (True, (window,))
    assert await case.door.opens("583926")
    yesterday = around_now(hours_before=24, hours_after=-1)
    assert isinstance(
        (await case.driver.reschedule(case.slot, (yesterday,), deadline_s=DEADLINE_S)).outcome,
        Confirmed,
    )
    assert not await case.door.opens("583926")
    tomorrow = around_now(hours_before=-1, hours_after=24)
    await case.driver.reschedule(case.slot, (tomorrow,), deadline_s=DEADLINE_S)
    assert not await case.door.opens("583926")
    reading = await case.driver.read_slot(case.slot, deadline_s=DEADLINE_S)
    assert (reading.restricted, reading.schedules) == (True, (tomorrow,))


@on(*KEEPS_WINDOWS)
async def test_a_weekly_window_on_the_locks_own_wall_clock(case: Case) -> None:
    wall = to_datetime(CLOCK.now()).astimezone(WALL)
    today, others = wall.isoweekday(), frozenset(range(1, 8)) - {wall.isoweekday()}
    await write(case, "583926", WeekDay(frozenset({today}), 0, 1439))
    # 23:59 is the one minute of the day that an entry of the lock cannot hold.
    assert await case.door.opens("583926") is ((wall.hour, wall.minute) != (23, 59))
    entries = (WeekDay(others, 0, 1439), WeekDay(others, 60, 120))
    shrunk = await case.driver.reschedule(case.slot, entries, deadline_s=DEADLINE_S)
    assert isinstance(shrunk.outcome, Confirmed)
    assert not await case.door.opens("583926")
    await case.driver.reschedule(case.slot, entries[:1], deadline_s=DEADLINE_S)
    reading = await case.driver.read_slot(case.slot, deadline_s=DEADLINE_S)
    assert reading.schedules == entries[:1]


@on(*KEEPS_WINDOWS)
async def test_nothing_opens_before_or_between_while_a_window_is_written(case: Case) -> None:
    """Somebody keeps typing the code while it is written, moved and erased, always outside."""
    opened: list[str] = []
    done = asyncio.Event()

    async def impatient() -> None:
        while not done.is_set():
            if await case.door.opens("583926"):
                opened.append("583926")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(done.wait(), 0.02)

    typing = asyncio.create_task(impatient())
    closed = [around_now(hours_before=48 + i, hours_after=-24) for i in range(3)]
    await write(case, "583926", *closed)
    await case.driver.reschedule(case.slot, tuple(closed[:1]), deadline_s=DEADLINE_S)
    await write(case, "583926", WeekDay(_not_today(), 0, 60), overwrite=True)
    await case.driver.erase(case.slot, deadline_s=DEADLINE_S)
    done.set()
    await typing
    assert opened == []


@on("kwikset", "danalock", "nimly", "zwave", "zwave-quiet", *CREDENTIALS)
async def test_a_lock_without_windows_says_so_before_anything_is_written(case: Case) -> None:
    result = await write(case, "583926", around_now())
    assert result.outcome == Refused(Refusal.UNSUPPORTED)
    assert await case.door.holds() == {}


# ── latch and clock ─────────────────────────────────────────────────────────────────────────


async def test_the_bolt_follows(case: Case) -> None:
    assert isinstance(await case.driver.unlock(deadline_s=DEADLINE_S), Confirmed)
    assert await case.unlocked() in {True, None}
    assert isinstance(await case.driver.lock(deadline_s=DEADLINE_S), Confirmed)
    assert await case.unlocked() in {False, None}


@on("yale", "kwikset", "sleepy", *CLAIMED, *ZWAVE)
async def test_the_door_is_told_when_asked(case: Case) -> None:
    gauge = case.driver
    assert isinstance(gauge, Gauge)
    await case.driver.unlock(deadline_s=DEADLINE_S)
    assert (await gauge.measure(deadline_s=DEADLINE_S)).locked is False
    await case.driver.lock(deadline_s=DEADLINE_S)
    found = await gauge.measure(deadline_s=DEADLINE_S)
    assert found.locked is True
    assert found.battery_percent is None or 0 < found.battery_percent <= 100


@on("virtual", "yale", "sleepy", "zwave-windows", *CLAIMED)
async def test_a_clock_is_read_within_its_bound_and_set(case: Case) -> None:
    driver = case.driver
    assert isinstance(driver, ClockKeeper)
    # Z-Wave JS gives this lock local time for UTC: it is in no zone then.
    offset = to_datetime(CLOCK.now()).astimezone(WALL).utcoffset()
    ahead_s = offset.total_seconds() if offset is not None and case.name in ZWAVE else 0.0
    if isinstance(case.door, SimulatedDoor):
        await case.home.door.call("clock", device=case.name, offset_s=ahead_s - 600.0)
    elif case.gatt is not None:
        case.gatt.skew(-600.0)
    elif isinstance(driver, VirtualLock):
        driver.skew(-600_000)
    read = await driver.read_clock(CLOCK.now(), deadline_s=DEADLINE_S)
    assert abs(read.error_ms + 600_000) <= read.bound_ms + 500
    found = await driver.set_clock(CLOCK.now(), deadline_s=DEADLINE_S)
    assert abs(found.error_ms) <= found.bound_ms + 500
    assert found.zone_proven
    if isinstance(case.door, SimulatedDoor):
        truth = await case.home.door.call("clock", device=case.name)
        assert abs(truth["error_s"] - ahead_s) <= 1.5
        assert truth["standard_offset_s"] == (0 if case.name in ZWAVE else 3600)
    if case.gatt is not None:
        assert abs(case.gatt.clock_error_s()) <= 1.5


# ── air and faults, where there are any ─────────────────────────────────────────────────────

AIRS = {
    "delayed": {"latency_s": 0.03, "jitter_s": 0.02},
    "twice": {"duplicate": 0.5},
    "lossy": {"loss": 0.1},
}
GATT_AIRS = {
    "delayed": {"latency_s": 0.03, "jitter_s": 0.02},
    "twice": {"refuse": 0.3},
    "lossy": {"drop": 0.03},
}
"""Within a link of Bluetooth nothing comes twice; attempts and links fail instead."""


@pytest_asyncio.fixture(params=AIRS, loop_scope="module")
async def air(request: pytest.FixtureRequest, case: Case) -> AsyncIterator[str]:
    """Turns bad when the lock has been met."""
    home = case.home
    if case.gatt is not None:
        weather = case.gatt.air.weather
        good = replace(weather)
        for name, value in GATT_AIRS[request.param].items():
            setattr(weather, name, value)
        yield request.param
        for field in fields(weather):
            setattr(weather, field.name, getattr(good, field.name))
        return
    assert isinstance(home, House)
    paths = (home.world.network.air.down, home.world.network.air.up)
    before = [(path, name, getattr(path, name)) for path in paths for name in AIRS[request.param]]
    for path in paths:
        for name, value in AIRS[request.param].items():
            setattr(path, name, value)
    yield request.param
    for path, name, value in before:
        setattr(path, name, value)


@on("yale", "danalock", *CLAIMED)
async def test_through_bad_air_the_end_is_right_and_the_way_is_safe(case: Case, air: str) -> None:
    """As the scheduler does it: after a doubt, read; then go on."""
    window = around_now(hours_before=48, hours_after=-24)
    schedules = (window,) if case.keeps_windows else ()
    deadline_s = 0.8 if air == "lossy" else DEADLINE_S

    async def until_proven(order: Callable[[bool], Awaitable[WriteResult]]) -> None:
        for attempt in range(30):
            try:
                result = await order(attempt > 0)
            except LinkError:
                continue
            if isinstance(result.outcome, Confirmed):
                return
            assert isinstance(result.outcome, Unconfirmed), result
        pytest.fail(f"not proven in 30 attempts through {air} air")

    def programming(again: bool) -> Awaitable[WriteResult]:
        return case.driver.program(
            case.slot, Secret("583926"), schedules, deadline_s=deadline_s, overwrite=again
        )

    await until_proven(programming)
    assert await case.door.holds() == {case.slot: "583926"}
    assert await case.door.opens("583926") is not case.keeps_windows
    await until_proven(lambda _: case.driver.erase(case.slot, deadline_s=deadline_s))
    assert await case.door.holds() == {}


@on("yale", "kwikset", *CLAIMED)
async def test_applied_but_the_answer_is_lost(case: Case) -> None:
    await case.arm("applied-but-answer-lost", "set_pin_code", count=1)
    with pytest.raises(OutcomeUnknown):
        await until_told(
            case,
            "set_pin_code",
            lambda deadline_s: case.driver.program(
                case.slot, Secret("583926"), (), deadline_s=deadline_s
            ),
        )
    found = await case.driver.read_slot(case.slot, deadline_s=DEADLINE_S)
    assert found.use is SlotUse.ENABLED


@on("yale", "kwikset", *CLAIMED, *ZWAVE)
async def test_acknowledged_but_not_applied_is_never_confirmed(case: Case) -> None:
    await case.arm("acknowledged-but-not-applied", "set_pin_code", count=1)
    result = await write(case, "583926")
    assert isinstance(result.outcome, Unconfirmed)
    assert result.reading is not None
    assert result.reading.use is SlotUse.AVAILABLE


@on("yale")
@pytest.mark.parametrize("command", ["set_year_day_schedule", "set_user_status"])
async def test_a_window_that_is_not_kept_leaves_no_code(case: Case, command: str) -> None:
    await case.arm("acknowledged-but-not-applied", command, count=1)
    result = await write(case, "583926", around_now())
    assert isinstance(result.outcome, Unconfirmed)
    assert await case.door.holds() == {}
    assert not await case.door.opens("583926")


@on("yale")
async def test_a_lost_answer_in_the_middle_leaves_no_open_code(case: Case) -> None:
    await case.arm("applied-but-answer-lost", "set_year_day_schedule", count=1)
    window = around_now(hours_before=48, hours_after=-24)
    result = await until_told(
        case,
        "set_year_day_schedule",
        lambda deadline_s: case.driver.program(
            case.slot, Secret("583926"), (window,), deadline_s=deadline_s
        ),
    )
    assert isinstance(result.outcome, Unconfirmed)
    assert await case.door.holds() == {}


@on("yale", "kwikset", *CLAIMED)
@pytest.mark.parametrize(
    ("fault", "refusal"),
    [
        ("full", Refusal.FULL),
        ("duplicate-always", Refusal.DUPLICATE),
        ("busy", None),
    ],
)
async def test_what_the_lock_refuses_has_a_reason(
    case: Case, fault: str, refusal: Refusal | None
) -> None:
    """None: one of those that do not say why, by the lock's own words."""
    await case.arm(fault, "set_pin_code", count=1)
    outcome = (await write(case, "583926")).outcome
    assert isinstance(outcome, Refused)
    assert outcome.refusal is refusal if refusal else not outcome.refusal.definite
    assert await case.door.holds() == {}


@on("yale")
async def test_masked_digits_are_not_taken_for_digits(case: Case) -> None:
    await case.arm("masked-read", "get_pin_code", count=9)
    result = await write(case, "583926")
    assert isinstance(result.outcome, Confirmed)
    assert result.reading is not None
    assert (result.reading.use, result.reading.digits) == (SlotUse.ENABLED, None)


@on("yale", "kwikset", *ZWAVE)
async def test_new_digits_that_are_refused_behind_a_mask_are_not_believed(case: Case) -> None:
    """Some do not say that they refuse: they acknowledge the frame, and that is all."""
    await write(case, "583926")
    await case.arm("masked-read", "get_pin_code", count=9)
    await case.arm("busy", "set_pin_code", count=1)
    before = await case.received("set_pin_code")
    result = await write(case, "719284", overwrite=True)
    assert await case.received("set_pin_code") > before
    kept = case.name != "yale"  # where digits are shown otherwise, the slot is emptied first
    assert await case.door.holds() == ({case.slot: "583926"} if kept else {})
    assert await case.door.opens("583926") is kept
    assert not await case.door.opens("719284")
    assert isinstance(result.outcome, Unconfirmed if case.name in WORDLESS else Refused)
    assert result.reading is not None
    assert result.reading.use is (SlotUse.ENABLED if kept else SlotUse.AVAILABLE)
    assert result.reading.digits is None


@on("yale", "sleepy", *CLAIMED, *ZWAVE)
async def test_out_of_range_nothing_is_changed_and_that_is_known(case: Case) -> None:
    await write(case, "583926")
    await case.go_away()
    for doing in (
        case.driver.read_slot(case.slot, deadline_s=0.6),
        case.driver.program(5, Secret("111333"), (), deadline_s=0.6),
        case.driver.erase(case.slot, deadline_s=0.6),
    ):
        with pytest.raises(Unreachable):
            await doing
    assert await case.door.holds() == {case.slot: "583926"}


@on(*SIMULATED, *CLAIMED)
async def test_an_unlock_is_sent_once_whatever_happens(case: Case) -> None:
    before = await case.received("unlock_door")
    await case.arm("applied-but-answer-lost", "unlock_door", count=1)
    with pytest.raises((OutcomeUnknown, PeerProtocolError)):
        await until_told(
            case, "unlock_door", lambda deadline_s: case.driver.unlock(deadline_s=deadline_s)
        )
    assert await case.received("unlock_door") == before + 1


@on(*ZWAVE)
async def test_what_nobody_acknowledged_is_proven_by_reading(case: Case) -> None:
    """Z-Wave JS tells a lost report as a success that nobody supervised."""
    await case.arm("applied-but-answer-lost", "set_pin_code", count=1)
    written = await write(case, "583926")
    assert written.outcome == Confirmed(frozenset({Evidence.READ_BACK}))
    assert await case.door.holds() == {case.slot: "583926"}
    before = await case.received("unlock_door")
    await case.arm("applied-but-answer-lost", "unlock_door", count=1)
    opened = await case.driver.unlock(deadline_s=DEADLINE_S)
    assert opened == Confirmed(frozenset({Evidence.READ_BACK}))
    assert await case.received("unlock_door") == before + 1


@on(*ZWAVE)
@pytest.mark.parametrize("fault", ["full", "busy"])
async def test_a_no_without_a_reason_is_never_a_yes(case: Case, fault: str) -> None:
    """Nobody has a word for these; some have not even a no."""
    await case.arm(fault, "set_pin_code", count=1)
    outcome = (await write(case, "583926")).outcome
    if case.name in WORDLESS:
        assert isinstance(outcome, Unconfirmed)
    else:
        assert isinstance(outcome, Refused)
        assert not outcome.refusal.definite
    assert await case.door.holds() == {}


@on(*SIMULATED, *TELLS_OF_CODES)
async def test_a_code_set_by_hand_is_told_and_read(case: Case) -> None:
    assert isinstance(case.door, SimulatedDoor)
    raw = case.slot + case.door.offset
    done = await case.home.door.call("set_code_by_hand", device=case.name, slot=raw, code="777888")
    assert done["done"], done
    translate = case.driver.translate
    await case.home.until(
        lambda: (
            SlotChanged(case.slot, SlotChange.ADDED, at_lock=True)
            in [told for event in case.home.events for told in translate(event)]
        )
    )
    assert all(
        "777888" not in repr(translate(event))
        for event in case.home.events
        if isinstance(event, ClusterCommandReceived | Notified | ValueTold)
    )
    reading = await case.driver.read_slot(case.slot, deadline_s=DEADLINE_S)
    assert reading.use is SlotUse.ENABLED


@on(*CREDENTIALS)
async def test_a_code_set_by_hand_is_found_by_reading(case: Case) -> None:
    """The client of Z-Wave JS is not told of users and credentials (its schema is 35, not 48)."""
    control = case.home.door
    assert (await case.driver.read_slot(4, deadline_s=DEADLINE_S)).use is SlotUse.AVAILABLE
    await control.call("set_code_by_hand", device=case.name, slot=4, code="777888")
    found = await case.driver.read_slot(4, deadline_s=DEADLINE_S)
    assert found.use is SlotUse.ENABLED
    told = case.capabilities.codes
    assert told is not None
    assert found.digits == (Secret("777888") if told.reads_back_digits else None)
    await control.call("clear_codes", device=case.name, slot=4)
    assert (await case.driver.read_slot(4, deadline_s=DEADLINE_S)).use is SlotUse.AVAILABLE


@on(*SIMULATED, *ZWAVE)
async def test_a_use_at_the_keypad_is_attributed_to_its_slot(case: Case) -> None:
    await write(case, "583926")
    case.home.events.clear()
    assert await case.door.opens("583926")
    translate = case.driver.translate
    await case.home.until(
        lambda: any(
            getattr(told, "slot", None) == case.slot
            for event in case.home.events
            for told in translate(event)
        )
    )


def _not_today() -> frozenset[int]:
    """Neither today nor tomorrow: a test may run over midnight."""
    today = to_datetime(CLOCK.now()).astimezone(WALL).isoweekday()
    tomorrow = to_datetime(Instant(CLOCK.now() + DAY)).astimezone(WALL).isoweekday()
    return frozenset(range(1, 8)) - {today, tomorrow}
