"""Simulated BTHome devices: claimed by being understood, each measurement told once."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from firmware_sims.ble import bthome
from gateway.domain.capabilities import Capabilities
from gateway.domain.secret import Secret
from gateway.drivers.api import Measured, Nature, Reading
from gateway.drivers.bthome.family import BtHomeFamily
from gateway.drivers.bthome.keys import keys_of
from gateway.drivers.claims import ClaimedDevice, ClaimOrder, Ownership, PairStage
from gateway.errors import DeviceRefused, Refusal, Unreachable
from gateway.radios.api import Advertised
from tests.gatt_air import GattAir
from tests.simulation.loop import run
from tests.unit.drivers.ble_house import MemoryNumbers

if TYPE_CHECKING:
    from gateway.drivers.api import DeviceEvent
    from gateway.drivers.bthome.driver import BtHome
    from gateway.drivers.claims import Claim

ADDRESS = "54:48:E6:8F:80:A5"
KEY = "231d39c1d7cc1ab1aee224cd096db932"


class Meter:
    """One simulated device in the air, and what our driver makes of each of its words."""

    def __init__(self, model: str = bthome.ELECTRICITY, **settings: Any) -> None:
        self.air = GattAir(random.Random(1))
        self.sensor = bthome.build(
            model,
            address=ADDRESS,
            settings={"measure_s": 1e9, **settings},
            timebase=self.air.timebase,
            rng=random.Random(2),
            changed=lambda: None,
        )
        self.air.add(self.sensor.peripheral)
        self.family = BtHomeFamily()
        self.stages: list[PairStage] = []
        self.told: list[DeviceEvent] = []
        self.driver: BtHome | None = None

    async def keep(self, keys: Secret) -> None:
        """`claims.KeepAgreed` of a family that agrees on nothing."""
        pytest.fail("there is nothing to keep before it is claimed")

    async def claim(self, secret: str | None = None, deadline_s: float = 30) -> Claim:
        return await self.family.claim(
            self.air,
            ClaimOrder(ADDRESS, Secret(secret) if secret is not None else None),
            lambda stage, _: self.stages.append(stage),
            self.keep,
            deadline_s=deadline_s,
        )

    async def own(self, secret: str | None = None) -> BtHome:
        """Claim it and listen; what it says at that moment is told already."""
        claim = await self.claim(secret)
        device = ClaimedDevice(
            ADDRESS, claim.manufacturer, claim.model, claim.keys, MemoryNumbers(), "UTC"
        )
        self.driver = driver = self.family.driver(device, self.air)
        driver.restore(Capabilities())
        self.air.listen(
            lambda event: (
                self.told.extend(driver.translate(event)) if isinstance(event, Advertised) else None
            )
        )
        self.air.watch(frozenset({ADDRESS}))
        return driver

    def act(self, action: str, **arguments: Any) -> list[DeviceEvent]:
        """What is told of it."""
        self.told.clear()
        self.sensor.actions[action](**arguments)
        return list(self.told)

    def repeat(self) -> list[DeviceEvent]:
        self.told.clear()
        self.air.hear(ADDRESS)
        return list(self.told)


def energy(value: int) -> Reading:
    return Reading("energy", value, "Wh", Nature.COUNTER)


@pytest.mark.parametrize("secret", [None, KEY])
def test_a_meter_is_claimed_and_tells_what_it_counts(secret: str | None) -> None:
    async def main() -> None:
        meter = Meter(total=12.345, rate=2300.5, **({"bindkey": secret} if secret else {}))
        heard = meter.air.advertisement(ADDRESS)
        assert heard is not None
        found = meter.family.recognise(heard)
        assert found is not None
        assert found.ownership is (Ownership.NEEDS_KEY if secret else Ownership.CLAIMABLE)
        assert found.hint
        driver = await meter.own(secret)
        assert (driver.info.kind, driver.info.seldom_heard) == ("meter", False)
        assert await driver.interview(deadline_s=1) == Capabilities()
        assert meter.told == [
            Reading("voltage", 230000, "mV"), energy(12345), Reading("power", 2300500, "mW"),
        ]  # fmt: skip
        assert energy(20000) in meter.act("set", total=20.0)

    run(main())


def test_a_thermometer_is_a_sensor_with_a_battery() -> None:
    async def main() -> None:
        meter = Meter(bthome.THERMOMETER, celsius=-5.25, percent=40.5, trigger_based=True)
        driver = await meter.own()
        assert (driver.info.kind, driver.info.seldom_heard) == ("sensor", True)
        assert meter.told == [
            Measured(battery_percent=100),
            Reading("temperature", -525, "centi_celsius"),
            Reading("humidity", 4050, "centi_percent"),
        ]

    run(main())


@pytest.mark.parametrize(
    ("encrypted", "secret", "refusal", "words"),
    [
        (True, None, Refusal.NOT_AUTHORISED, "give its bind key"),
        (True, "00" * 16, Refusal.NOT_AUTHORISED, "cannot be read with this bind key"),
        (True, "password", Refusal.INVALID, "32 hex digits"),
        (False, KEY, Refusal.INVALID, "without a key"),
    ],
)
def test_a_key_that_does_not_fit_is_refused_and_not_repeated(
    encrypted: bool, secret: str | None, refusal: Refusal, words: str
) -> None:
    async def main() -> None:
        meter = Meter(**({"bindkey": KEY} if encrypted else {}))
        with pytest.raises(DeviceRefused, match=words) as raised:
            await meter.claim(secret)
        assert raised.value.refusal is refusal
        assert secret is None or secret not in str(raised.value)

    run(main())


def test_a_silent_one_is_waited_for_and_then_given_up() -> None:
    async def main() -> None:
        meter = Meter(bthome.WATER, total=3.0)
        meter.air.go_away(ADDRESS)
        with pytest.raises(Unreachable):
            await meter.claim(deadline_s=30)
        assert meter.air.timebase.now() - 1_795_000_000.0 == pytest.approx(30)
        meter.air.timebase.call_later(10, lambda: meter.air.come_back(ADDRESS))
        claim = await meter.claim(deadline_s=30)
        assert keys_of(claim.keys).kind == "meter"
        assert meter.stages == [PairStage.CONNECTING] * 2

    run(main())


@pytest.mark.parametrize("secret", [None, KEY])
def test_what_is_repeated_is_one_reading(secret: str | None) -> None:
    async def main() -> None:
        meter = Meter(total=1.0, **({"bindkey": secret} if secret else {}))
        await meter.own(secret)
        assert meter.repeat() == []
        await meter.air.pass_time(3600)
        assert meter.repeat() == []  # the same packet, however late
        assert meter.act("measure") == []  # encrypted anew, and the same measurement
        assert energy(2000) in meter.act("set", total=2.0)

    run(main())


def test_a_replayed_word_is_not_believed() -> None:
    async def main() -> None:
        meter = Meter(total=1.0, bindkey=KEY)
        await meter.own(KEY)
        meter.act("rewind", counter=500)
        assert energy(2000) in meter.act("set", total=2.0)
        recorded = meter.sensor.peripheral.advertising
        assert recorded is not None
        assert energy(3000) in meter.act("set", total=3.0)
        # Forged packets do not make it forget which counters are past.
        data = recorded.service_data[bthome.SERVICE]
        for forged in (data[:-1] + bytes([data[-1] ^ byte]) for byte in (1, 2, 3)):
            meter.sensor.peripheral.say(forged[:-8] + (900).to_bytes(4, "little") + forged[-4:])
        meter.told.clear()
        meter.sensor.peripheral.say(data)
        assert meter.told == []
        assert energy(4000) in meter.act("set", total=4.0)

    run(main())


def test_a_new_battery_begins_a_new_count() -> None:
    async def main() -> None:
        meter = Meter(bthome.WATER, total=1.0, bindkey=KEY, battery_percent=5)
        await meter.own(KEY)
        meter.act("rewind", counter=70_000)
        meter.act("set", total=2.0)
        assert Measured(battery_percent=100) in meter.act("replace_battery")
        assert Reading("water", 7000, "ml", Nature.COUNTER) in meter.act("set", total=7.0)

    run(main())


def test_clear_words_of_a_device_that_encrypts_are_forged() -> None:
    async def main() -> None:
        meter = Meter(total=1.0, bindkey=KEY)
        await meter.own(KEY)
        meter.told.clear()
        meter.sensor.peripheral.say(bytes.fromhex("404d12138a14"))
        assert meter.told == []

    run(main())


def test_an_older_packet_heard_late_is_left_out_and_numbers_go_round() -> None:
    def say(meter: Meter, packet: int, value: int) -> list[DeviceEvent]:
        meter.told.clear()
        meter.sensor.peripheral.say(
            b"\x40\x00" + bytes([packet]) + b"\x4d" + value.to_bytes(4, "little")
        )
        return list(meter.told)

    async def main() -> None:
        meter = Meter()
        await meter.own()
        await meter.air.pass_time(5)
        assert say(meter, 254, 10) == [energy(10)]
        assert say(meter, 255, 11) == [energy(11)]
        assert say(meter, 254, 10) == []
        assert say(meter, 0, 12) == [energy(12)]
        assert say(meter, 255, 11) == []
        await meter.air.pass_time(60)
        assert say(meter, 250, 13) == [energy(13)]  # it was away for most of a round

    run(main())


def test_without_packet_ids_the_same_again_is_news_after_a_minute() -> None:
    async def main() -> None:
        meter = Meter()
        await meter.own()
        meter.sensor.peripheral.say(bytes.fromhex("4002ca09"))
        assert meter.repeat() == []
        await meter.air.pass_time(61)
        assert meter.repeat() == [Reading("temperature", 2506, "centi_celsius")]

    run(main())


def test_others_are_not_taken_for_it() -> None:
    async def main() -> None:
        meter = Meter()
        driver = await meter.own()
        heard = meter.air.advertisement(ADDRESS)
        assert heard is not None
        assert driver.translate(Advertised("54:48:E6:8F:80:A6", heard)) == ()
        device = ClaimedDevice(ADDRESS, "", "", Secret("{}"), MemoryNumbers(), "UTC")
        with pytest.raises(ValueError, match="cannot be read"):
            meter.family.driver(device, meter.air)
        await meter.family.release(device, meter.air, deadline_s=1)

    run(main())
