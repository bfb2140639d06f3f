"""A meter and a sensor of the house: claimed, read, silent, asked for what they cannot do, removed.

What the simulated device counts bears witness, and the events and rows that were written.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, cast

from firmware_sims.ble import bthome
from gateway.domain.events import EventType
from gateway.domain.grants import GrantState
from gateway.domain.ids import DeviceId
from gateway.domain.secret import Secret
from gateway.domain.windows import Always
from gateway.drivers.bthome.family import BtHomeFamily
from gateway.drivers.claims import PairProgress, PairStage
from gateway.scheduler.claimed import SILENT_S, WATCH_S
from gateway.store import readings
from gateway.store.claimed import keys_of
from tests.claimed_house import House, open_house
from tests.simulation.loop import run

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from firmware_sims.ble.bthome import BtHomeSensor

ADDRESS = "54:48:E6:8F:80:A5"
KEY = "231d39c1d7cc1ab1aee224cd096db932"
DEVICE = DeviceId("dev_1")


def add(house: House, model: str = bthome.ELECTRICITY, **settings: Any) -> BtHomeSensor:
    sensor = bthome.build(
        model,
        address=ADDRESS,
        settings=settings,
        timebase=house.air.timebase,
        rng=random.Random(1),
        changed=lambda: None,
    )
    house.air.add(sensor.peripheral)
    house.families = cast("Any", (lambda *_: BtHomeFamily(),))
    return sensor


def in_a_house(tmp_path: Path, flow: Callable[[House], Awaitable[None]]) -> None:
    async def main() -> None:
        async with open_house(tmp_path) as house:
            await flow(house)

    run(main())


async def value(house: House, quantity: str) -> int:
    (row,) = await house.rows(readings.reading(DEVICE, quantity))
    return row.value


def test_a_meter_is_claimed_and_what_it_counts_is_kept(tmp_path: Path) -> None:
    async def flow(house: House) -> None:
        meter = add(house, total=100.0, rate=3600.0, bindkey=KEY)
        await house.start()
        steps = await house.pair(ADDRESS, "main meter", Secret(KEY))
        assert steps[-1] == PairProgress(PairStage.READY, DEVICE)
        row = await house.device()
        assert row is not None
        assert (row.kind, row.name, row.capabilities.codes) == ("meter", "main meter", None)
        for _ in range(3):
            await house.advance(300)
            # Written once a minute, so that much may be missing: 60 Wh, and a measurement's 10.
            assert 0 <= meter.total * 1000 - await value(house, "energy") <= 70
        assert await value(house, "power") == 3_600_000
        await house.restart()
        await house.advance(120)
        assert 0 <= meter.total * 1000 - await value(house, "energy") <= 70
        assert not await house.told(EventType.METER_RESET_SUSPECTED)
        meter.actions["set"](total=1.0)
        await house.advance(120)
        (told,) = await house.told(EventType.METER_RESET_SUSPECTED)
        assert told.body["quantity"] == "energy"
        assert await value(house, "energy") < 1200
        assert house.air.traffic[ADDRESS].connections == 0

    in_a_house(tmp_path, flow)


def test_a_code_for_a_meter_is_refused_by_name(tmp_path: Path) -> None:
    async def flow(house: House) -> None:
        add(house)
        await house.start()
        await house.pair(ADDRESS)
        await house.want("c1", "483920", Always())
        await house.advance(60)
        grant = await house.grant("c1")
        assert (grant.state, grant.reason) == (GrantState.REJECTED, "no_codes")
        assert (await house.command("u1", "unlock"))["outcome"] != "confirmed"
        assert house.air.traffic[ADDRESS].connections == 0

    in_a_house(tmp_path, flow)


def test_a_meter_that_falls_silent_is_offline_and_comes_back(tmp_path: Path) -> None:
    async def flow(house: House) -> None:
        add(house)
        await house.start()
        await house.pair(ADDRESS)
        await house.advance(60)
        house.air.go_away(ADDRESS)
        await house.advance(SILENT_S + 2 * WATCH_S)
        assert len(await house.told(EventType.DEVICE_OFFLINE)) == 1
        house.air.come_back(ADDRESS)
        await house.advance(120)
        row = await house.device()
        assert row is not None
        assert row.reachable

    in_a_house(tmp_path, flow)


def test_a_sensor_that_speaks_on_events_only_is_not_offline_for_its_silence(
    tmp_path: Path,
) -> None:
    async def flow(house: House) -> None:
        sensor = add(house, bthome.THERMOMETER, trigger_based=True, celsius=20.0)
        await house.start()
        await house.pair(ADDRESS)
        await house.advance(SILENT_S + 3 * WATCH_S)
        assert not await house.told(EventType.DEVICE_OFFLINE)
        sensor.actions["set"](celsius=21.5)
        await house.advance(1)
        assert await value(house, "temperature") == 2150
        row = await house.device()
        assert row is not None
        assert (row.kind, row.battery_percent) == ("sensor", 100)

    in_a_house(tmp_path, flow)


def test_what_is_removed_leaves_nothing(tmp_path: Path) -> None:
    async def flow(house: House) -> None:
        add(house, bindkey=KEY)
        await house.start()
        await house.pair(ADDRESS, secret=Secret(KEY))
        await house.advance(60)
        assert await house.rows(keys_of(DEVICE))
        result = await house.command("r1", "remove_device")
        assert result["outcome"] == "confirmed", result
        await house.advance(120)
        assert not await house.rows(keys_of(DEVICE))
        assert not await house.rows(readings.of_device(DEVICE))

    in_a_house(tmp_path, flow)
