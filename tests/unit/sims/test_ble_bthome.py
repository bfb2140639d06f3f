"""BTHome devices, as read by an implementation that is not ours (bthome-ble)."""

from __future__ import annotations

import random
from typing import Any

import pytest
from bleak.backends.device import BLEDevice
from bthome_ble import BTHomeBluetoothDeviceData
from habluetooth import BluetoothServiceInfoBleak

from firmware_sims.ble.adverts import encode
from firmware_sims.ble.bthome import BURST_S, MODELS, BtHomeSensor, build
from firmware_sims.ble.device import SettingsError
from firmware_sims.clock import VirtualTimebase

ADDRESS = "54:48:E6:8F:80:A5"
KEY = "231d39c1d7cc1ab1aee224cd096db932"
KEYS = pytest.mark.parametrize("bindkey", ["", KEY], ids=["clear", "encrypted"])


class Listener:
    """A host that has heard of one device."""

    def __init__(self, sensor: BtHomeSensor, time: VirtualTimebase, bindkey: str) -> None:
        self._sensor, self._time = sensor, time
        self.parser = BTHomeBluetoothDeviceData(bytes.fromhex(bindkey) or None)

    def read(self) -> dict[str, Any]:
        said = self._sensor.peripheral.advertising
        assert said is not None
        encode(said)  # has room on the air
        assert not said.connectable
        update = self.parser.update(
            BluetoothServiceInfoBleak(
                name="",
                address=ADDRESS,
                rssi=-60,
                manufacturer_data={},
                service_data=dict(said.service_data),
                service_uuids=[],
                source="",
                device=BLEDevice(ADDRESS, "", {}),
                advertisement=None,
                connectable=False,
                time=self._time.now(),
                tx_power=None,
            )
        )
        return {key.key: value.native_value for key, value in update.entity_values.items()}


def sensor(model: str, time: VirtualTimebase, **settings: Any) -> tuple[BtHomeSensor, Listener]:
    made = build(
        model,
        address=ADDRESS,
        settings=settings,
        timebase=time,
        rng=random.Random(1),
        changed=lambda: None,
    )
    return made, Listener(made, time, settings.get("bindkey", ""))


@KEYS
def test_an_electricity_meter_counts_while_time_passes(bindkey: str) -> None:
    time = VirtualTimebase(1_790_000_000)
    meter, host = sensor(
        "electricity-meter", time, total=12.5, rate=1500, bindkey=bindkey, measure_s=600
    )
    first = host.read()
    assert (first["energy"], first["power"], first["voltage"]) == (12.5, 1500, 230)
    time.advance(30 * 86_400)
    assert host.read()["energy"] == 12.5 + 1.5 * 24 * 30
    meter.actions["set"](rate=-200)  # the sun shines
    assert host.read()["power"] == -200
    assert host.parser.bindkey_verified is bool(bindkey)


@KEYS
def test_a_water_meter_and_a_thermometer(bindkey: str) -> None:
    time = VirtualTimebase(1_790_000_000)
    _, host = sensor("water-meter", time, total=1000, rate=250, bindkey=bindkey)
    time.advance(3600)
    water = host.read()
    assert (water["water"], water["volume_flow_rate"], water["battery"]) == (1250, 0.25, 100)
    thermometer, host = sensor("thermometer", time, celsius=-3.25, bindkey=bindkey)
    assert (host.read()["temperature"], host.read()["humidity"]) == (-3.25, 50)
    thermometer.actions["set"](celsius=21)
    assert host.read()["temperature"] == 21


def test_without_the_key_nothing_is_read_and_a_replay_is_refused() -> None:
    time = VirtualTimebase(1_790_000_000)
    meter, host = sensor("electricity-meter", time, total=12.5, rate=1500, bindkey=KEY)
    stranger = Listener(meter, time, "00" * 16)
    assert "energy" not in stranger.read()
    time.advance(2000 * 10)
    assert host.read()["energy"] > 12.5
    counter = meter.state()["counter"]
    meter.actions["rewind"](counter=counter - 500)
    host.read()
    assert host.parser.encryption_counter == counter


def test_a_trigger_based_device_speaks_only_when_something_has_changed() -> None:
    time = VirtualTimebase(1_790_000_000)
    meter, host = sensor("water-meter", time, trigger_based=True, total=5)
    assert host.read()["water"] == 5
    assert host.parser.sleepy_device
    time.advance(BURST_S)
    assert meter.peripheral.advertising is None
    changes: list[float] = []
    meter.peripheral.advertising_changed = lambda: changes.append(time.now())
    time.advance(3600)
    assert not changes
    meter.actions["set"](total=6)
    assert host.read()["water"] == 6


@pytest.mark.parametrize("model", sorted(MODELS))
def test_a_restart_forgets_nothing(model: str) -> None:
    time = VirtualTimebase(1_790_000_000)
    before, _ = sensor(model, time, rate=100, bindkey=KEY)
    time.advance(500)
    kept = before.dump()
    after, host = sensor(model, time, bindkey=KEY)
    after.load(kept)
    host.read()
    assert after.state()["counter"] > kept["counter"]
    assert after.dump() == {
        **kept,
        "counter": after.state()["counter"],
        "packet_id": kept["packet_id"] + 1,
    }


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"colour": "red"}, "settings has no 'colour'; known: bindkey"),
        ({"bindkey": "4711"}, "bindkey must be 32 hex digits"),
        ({"bindkey": 4711}, "bindkey must be str"),
        ({"measure_s": 0}, "must be above 0"),
    ],
)
def test_settings_of_no_use_are_named_and_a_key_is_not_repeated(
    settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingsError, match=message) as refused:
        sensor("thermometer", VirtualTimebase(0), **settings)
    assert "4711" not in str(refused.value)
