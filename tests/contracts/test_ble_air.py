"""The simulated Bluetooth air, as unmodified bleak finds it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from bleak.exc import (
    BleakBluetoothNotAvailableError,
    BleakDBusError,
    BleakError,
    BleakGATTProtocolError,
)

from firmware_sims.ble.adapter import Adapter
from firmware_sims.ble.bleak_backend import adapter_at
from firmware_sims.ble.bthome import SERVICE as BTHOME
from firmware_sims.ble.bthome import build as bthome
from firmware_sims.ble.host import CarriedPeripheral
from firmware_sims.ble.spec import BleAirSpec
from firmware_sims.ble.stream import open_line
from firmware_sims.clock import LoopTimebase
from gateway.radios.ble.system import load
from tests.contracts.ble_devices import (
    DEADLINE_S,
    FAULTY,
    INDICATE,
    NOTIFY,
    REFUSED,
    SERVICE,
    SILENT,
    WRITE,
    Echo,
    address,
    house,
)

if TYPE_CHECKING:
    from bleak import BleakClient


async def talk(client: BleakClient, words: list[bytes]) -> list[tuple[str, bytes]]:
    """Write words one after the other; what comes back, by the way it came."""
    heard: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
    for uuid in (NOTIFY, INDICATE):
        await client.start_notify(
            uuid, lambda sender, data: heard.put_nowait((sender.uuid, bytes(data)))
        )
    answers = []
    for word in words:
        await client.write_gatt_char(WRITE, word, response=True)
        async with asyncio.timeout(DEADLINE_S):
            answers += [await heard.get(), await heard.get()]
    return answers


# ---- what is heard


async def test_a_scan_hears_names_services_and_manufacturer_data() -> None:
    echo = Echo(1, "front door")
    async with house(echo) as here:
        device = await here.find(address(1))
        said = here.heard[address(1)][1]
    assert (device.name, said.local_name) == ("front door", "front door")
    assert said.service_uuids == [SERVICE]
    assert said.manufacturer_data == {0x0501: b"00:01"}
    assert -75 < said.rssi < -45


async def test_a_meter_is_heard_and_cannot_be_connected_to() -> None:
    async with house() as here:
        meter = bthome(
            "water-meter",
            address=address(7),
            settings={"interval_s": 0.05},
            timebase=LoopTimebase(),
            rng=here.air.rng,
            changed=lambda: None,
        )
        await here.hub.add_device("meter", meter.peripheral)
        device = await here.find(address(7))
        said = here.heard[address(7)][1]
        assert list(said.service_data) == [BTHOME]
        assert device.name == address(7).replace(":", "-")
        here.heard.clear()
        with pytest.raises(TimeoutError):
            await here.client(device).connect(timeout=0.5)


async def test_what_a_device_says_follows_what_it_wants_to_say() -> None:
    echo = Echo(1, "asleep")
    async with house(echo) as here, here.scanner():
        await here.until(lambda: address(1) in here.heard)
        echo.name = "awake"
        echo.advertising_changed()
        await here.until(lambda: here.heard[address(1)][1].local_name == "awake")


async def test_each_adapter_hears_what_is_near_it() -> None:
    near, far = Echo(1), Echo(2)
    async with house(near, far, adapters=2) as here:
        here.air.set_in_range("2", False, "hci0")
        here.air.set_rssi("1", -90, "hci0")
        async with here.scanner(0):
            await here.until(lambda: address(1) in here.heard)
            assert -105 < here.heard[address(1)][1].rssi < -75
            for _ in range(5):  # the far one has had its turns, too
                here.heard.clear()
                await here.until(lambda: address(1) in here.heard)
            assert address(2) not in here.heard
        async with here.scanner(1):
            await here.until(lambda: address(2) in here.heard)


async def test_one_discovery_at_a_time_on_an_adapter() -> None:
    async with house(Echo(1)) as here, here.scanner():
        with pytest.raises(BleakDBusError) as refused:
            await here.scanner().start()
        assert refused.value.dbus_error == "org.bluez.Error.InProgress"


# ---- what is said


async def test_words_go_there_and_back_in_order() -> None:
    echo = Echo(1)
    words = [b"%d" % number for number in range(20)]
    async with house(echo) as here:
        device = await here.find(address(1))
        async with here.client(device) as client:
            answers = await talk(client, words)
            assert client.mtu_size == 247
            value = await client.read_gatt_char(INDICATE)
            notify = client.services.get_characteristic(NOTIFY)
            assert notify is not None
            (switch,) = notify.descriptors
            assert await client.read_gatt_descriptor(switch) == b"\1\0"
            await client.stop_notify(NOTIFY)
            assert await client.read_gatt_descriptor(switch) == b"\0\0"
            assert echo.subscriptions == {NOTIFY: False, INDICATE: True}
            await client.write_gatt_char(WRITE, b"last", response=False)
            async with asyncio.timeout(DEADLINE_S):
                while b"last" not in echo.written:
                    echo.got.clear()
                    await echo.got.wait()
    assert echo.written == [*words, b"last"]
    assert answers == [(way, word) for word in words for way in (NOTIFY, INDICATE)]
    assert value == echo.read(INDICATE)


async def test_a_refusal_and_a_fault_of_the_simulator_are_answered_at_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with house(Echo(1)) as here, here.client(await here.find(address(1))) as client:
        with pytest.raises(BleakGATTProtocolError) as refused:
            await client.write_gatt_char(WRITE, REFUSED, response=True)
        with pytest.raises(BleakGATTProtocolError) as failed:
            await client.write_gatt_char(WRITE, FAULTY, response=True)
        assert len(await talk(client, [b"and on"])) == 2
    assert (refused.value.code, failed.value.code) == (0x80, 0x0E)
    assert f"the skin of {address(1)} has a fault" in caplog.text


async def test_a_connection_interval_takes_its_time() -> None:
    loop = asyncio.get_running_loop()
    async with (
        house(Echo(1), air=BleAirSpec(connection_interval_s=0.03)) as here,
        here.client(await here.find(address(1))) as client,
    ):
        before = loop.time()
        await talk(client, [b"1", b"2", b"3"])
        assert loop.time() - before > 3 * 0.03


async def test_loss_costs_time_and_nothing_else() -> None:
    words = [b"%d" % number for number in range(15)]
    async with (
        house(Echo(1), air=BleAirSpec(loss=0.3)) as here,
        here.client(await here.find(address(1))) as client,
    ):
        answers = await talk(client, words)
    assert [word for way, word in answers if way == NOTIFY] == words
    assert [word for way, word in answers if way == INDICATE] == words


async def test_fifty_devices_are_heard_and_as_many_links_held_as_there_are_slots() -> None:
    echoes = [Echo(number) for number in range(1, 51)]
    async with house(*echoes, slots=5) as here:
        async with here.scanner():
            await here.until(lambda: len(here.heard) == 50)
        devices = [here.heard[address(number)][0] for number in range(1, 51)]
        clients = [here.client(device) for device in devices[:5]]
        await asyncio.gather(*(client.connect() for client in clients))
        answers = await asyncio.gather(*(talk(client, [b"hello"]) for client in clients))
        assert all(answer == [(NOTIFY, b"hello"), (INDICATE, b"hello")] for answer in answers)
        with pytest.raises(BleakDBusError, match="connection-limit"):
            await here.client(devices[5]).connect()
        # A full adapter hears on.
        here.heard.clear()
        async with here.scanner():
            await here.until(lambda: len(here.heard) == 45)
        await clients[0].disconnect()
        async with here.client(devices[5]) as sixth:
            assert sixth.is_connected
        for client in clients:
            await client.disconnect()


async def test_two_hosts_on_one_adapter_have_links_of_their_own() -> None:
    async with house(Echo(1), Echo(2)) as here:
        stranger = Adapter(here.adapters[0])
        await stranger.open()
        first = await here.find(address(1))
        second = (await here.find(address(2))).details["address"]
        async with here.client(first) as client:
            link = await stranger.connect(second)
            assert len(await talk(client, [b"mine"])) == 2
            await stranger.disconnect(link)
            stranger.close()
            assert len(await talk(client, [b"still mine"])) == 2


async def test_pairing_encrypts_the_link_and_is_kept() -> None:
    async with house(Echo(1)) as here:
        device = await here.find(address(1))
        async with here.client(device) as client:
            await client.pair()
            assert len(await talk(client, [b"a secret"])) == 2
            await client.unpair()
            assert not client.is_connected
        async with here.client(device) as client:
            await client.pair()


# ---- links that end


async def test_a_device_that_dies_in_the_middle_is_noticed_at_once() -> None:
    echo = Echo(1)
    async with house(echo) as here:
        gone = asyncio.Event()
        client = here.client(await here.find(address(1)), gone)
        await client.connect()
        await client.write_gatt_char(WRITE, b"before", response=True)
        await here.hub.remove_device("1")
        with pytest.raises(BleakDBusError) as lost:
            await client.write_gatt_char(WRITE, b"after", response=True)
        assert lost.value.dbus_error == "org.bluez.Error.NotConnected"
        assert gone.is_set()
        assert not client.is_connected
        with pytest.raises(BleakError):
            await client.write_gatt_char(WRITE, b"later", response=True)
    assert echo.written == [b"before"]


async def test_out_of_range_ends_a_link_at_both_ends_and_back_in_range_begins_another() -> None:
    echo = Echo(1)
    async with house(echo) as here:
        gone = asyncio.Event()
        device = await here.find(address(1))
        await here.client(device, gone).connect()
        here.air.set_in_range("1", False)
        async with asyncio.timeout(DEADLINE_S):
            await gone.wait()
            await echo.free.wait()
        with pytest.raises(TimeoutError):
            await here.client(device).connect(timeout=0.3)
        here.air.set_in_range("1", True)
        async with here.client(device) as client:
            assert client.is_connected


async def test_the_device_may_hang_up() -> None:
    echo = Echo(1)
    async with house(echo) as here:
        gone = asyncio.Event()
        client = here.client(await here.find(address(1)), gone)
        await client.connect()
        assert echo.line is not None
        echo.line.disconnect()
        async with asyncio.timeout(DEADLINE_S):
            await gone.wait()
        assert not client.is_connected


async def test_the_host_hangs_up() -> None:
    echo = Echo(1)
    async with house(echo) as here:
        gone = asyncio.Event()
        client = here.client(await here.find(address(1)), gone)
        await client.connect()
        await client.disconnect()
        assert gone.is_set()
        async with asyncio.timeout(DEADLINE_S):
            await echo.free.wait()
        await here.find(address(1))


async def test_an_attempt_that_was_given_up_stands_in_nobodys_way() -> None:
    async with house(Echo(1), Echo(2)) as here:
        first, second = await here.find(address(1)), await here.find(address(2))
        here.air.set_in_range("1", False)
        attempt = asyncio.create_task(here.client(first).connect())
        waiting = asyncio.create_task(here.client(second).connect())
        await asyncio.wait({attempt, waiting}, timeout=0.2)
        attempt.cancel()
        async with asyncio.timeout(DEADLINE_S):
            await waiting
        with pytest.raises(asyncio.CancelledError):
            await attempt


async def test_an_operation_that_was_given_up_does_not_spoil_the_next() -> None:
    echo = Echo(1)
    async with (
        house(echo, air=BleAirSpec(connection_interval_s=0.05)) as here,
        here.client(await here.find(address(1))) as client,
    ):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await client.write_gatt_char(WRITE, SILENT, response=True)
        assert await client.read_gatt_char(INDICATE) == echo.read(INDICATE)
    assert echo.written == [SILENT]


async def test_a_host_that_dies_leaves_its_devices_free() -> None:
    echo = Echo(1)
    async with house(echo) as here:
        await here.client(await here.find(address(1))).connect()
        adapter_at(here.adapters[0]).close()
        async with asyncio.timeout(DEADLINE_S):
            await echo.free.wait()
        await here.backend.open(here.adapters[0])
        await here.find(address(1))


# ---- adapters that fail


async def test_an_adapter_that_vanishes_tells_the_links_and_not_the_scan() -> None:
    async with house(Echo(1)) as here:
        adapter, port = here.adapters[0], here.hub.adapters["hci0"]
        device = await here.find(address(1))
        gone = asyncio.Event()
        await here.client(device, gone).connect()
        scanner = here.scanner()
        await scanner.start()
        port.fail("vanish")
        async with asyncio.timeout(DEADLINE_S):
            await gone.wait()
        with pytest.raises(BleakBluetoothNotAvailableError):
            await here.backend.probe(adapter)
        with pytest.raises(BleakDBusError) as absent:
            await scanner.stop()
        assert absent.value.dbus_error == "org.freedesktop.DBus.Error.UnknownObject"
        for attempt in (here.backend.open(adapter), here.scanner().start()):
            with pytest.raises(BleakBluetoothNotAvailableError):
                await attempt
        port.fail("return")
        await here.backend.open(adapter)
        async with here.client(await here.find(address(1))) as client:
            assert client.is_connected


async def test_an_adapter_that_hangs_answers_nothing_until_it_returns() -> None:
    echo = Echo(1)
    async with house(echo) as here:
        adapter, port = here.adapters[0], here.hub.adapters["hci0"]
        await here.backend.probe(adapter)
        gone = asyncio.Event()
        await here.client(await here.find(address(1)), gone).connect()
        port.fail("hang")
        async with asyncio.timeout(DEADLINE_S):
            await echo.free.wait()  # its peers notice by themselves
        assert not gone.is_set()
        with pytest.raises(BleakDBusError) as silent:
            await here.backend.probe(adapter)
        assert silent.value.dbus_error == "org.freedesktop.DBus.Error.NoReply"
        assert gone.is_set()
        assert not await here.backend.reset(adapter)
        port.fail("return")
        assert await here.backend.reset(adapter)
        await here.find(address(1))


# ---- elsewhere


async def test_a_device_may_live_in_a_process_of_its_own() -> None:
    echo = Echo(1)
    async with house() as here:
        lost = asyncio.Event()
        line = await open_line(await here.hub.add_door("far side"), lost.set)
        carried = CarriedPeripheral(echo, line.source, line.sink)
        await carried.start()
        gone = asyncio.Event()
        client = here.client(await here.find(address(1)), gone)
        await client.connect()
        assert len(await talk(client, [b"hello"])) == 2
        line.close()  # the process is killed
        async with asyncio.timeout(DEADLINE_S):
            await gone.wait()
            await lost.wait()
        await carried.stop()


async def test_the_gateway_loads_the_backend_by_its_name() -> None:
    backend = load("firmware_sims.ble.bleak_backend:Backend")
    with pytest.raises(BleakError):
        await backend.open("tcp://127.0.0.1:1")
