"""The Bluetooth radio over unmodified bleak, in a simulated air: what drivers may rely on.

Every test compares with what the simulated device counted and received.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import pytest
from bleak import BleakClient
from bleak.exc import BleakDBusError, BleakError
from structlog.testing import capture_logs

from firmware_sims.ble.bleak_backend import Backend, Client, Scanner
from firmware_sims.ble.spec import BleAirSpec
from gateway.domain.instant import ClockTrust, Instant
from gateway.errors import (
    DeviceRefused,
    OutcomeUnknown,
    RadioBusy,
    RadioUnavailable,
    Refusal,
    Unreachable,
)
from gateway.kit.clock import ManualClock, SystemClock, settle
from gateway.radios.api import Advertised, Heard, RadioState, RadioStatus, StateChanged
from gateway.radios.ble import BleRadio, Patience
from gateway.radios.gatt import Budget
from gateway.radios.keeper import Pace
from tests.contracts.ble_air import (
    BARRED,
    DEADLINE_S,
    FAST,
    INDICATE,
    MISSING,
    NOTIFY,
    READ,
    SERVICE,
    WRITE,
    House,
    Parrot,
    address,
    house,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bleak.backends.device import BLEDevice

    from gateway.radios.gatt import GattLink


async def talk(link: GattLink, words: bytes) -> bytes:
    """What the parrot says back."""
    await link.listen(NOTIFY, deadline_s=5)
    await link.write(WRITE, words, response=True, deadline_s=5)
    return b"".join([(await link.receive(deadline_s=5))[1] for _ in words])


class TestHearing:
    async def test_fifty_devices_are_heard_and_told_of(self, tmp_path: Path) -> None:
        parrots = [Parrot(number, interval_s=0.2) for number in range(50)]
        async with house(tmp_path, *parrots) as home:
            await home.until(lambda: len(home.radio.sightings()) == 50)
            watched = {parrot.address for parrot in parrots}
            await home.until(
                lambda: {e.address for e in home.events if isinstance(e, Heard)} == watched
            )
            seen = home.radio.sightings()
            assert [sighting.last.address for sighting in seen] == sorted(watched)
            assert all(-75 < sighting.rssi_dbm < -45 for sighting in seen)

    async def test_what_an_advertisement_says(self, tmp_path: Path) -> None:
        async with house(tmp_path, Parrot(7)) as home:
            await home.until(
                lambda: any(isinstance(e, Advertised) and e.advertisement.name for e in home.events)
            )
            last = home.radio.sightings()[0].last
            assert (last.address, last.name) == (address(7), "Parrot 7")
            assert last.manufacturer_data == {0x0969: b"\x07"}
            assert last.service_data == {SERVICE: b"\x01\x02"}
            assert last.service_uuids == (SERVICE,)
            assert last.adapter == home.adapters[0]
            assert home.radio.history(address(7).lower())[-1].adapter == home.adapters[0]

    async def test_the_end_of_our_own_link_is_no_advertisement(self, tmp_path: Path) -> None:
        """bleak on BlueZ calls back with what was said before when a device's state changes."""
        parrot = Parrot(1)

        class Chatty(Scanner):
            async def start(self) -> None:
                scanners.append(self)
                await super().start()

        class Ending(Client):
            async def disconnect(self) -> None:
                parrot.advertising = None
                device, data = scanners[-1].seen_devices[address(1)]
                scanners[-1].call_detection_callbacks(device, data._replace(rssi=-1))
                repeated.append(device)
                await super().disconnect()

        class LikeBlueZ(Backend):
            def scanner(self, adapter: str) -> Mapping[str, Any]:
                return {**super().scanner(adapter), "backend": Chatty}

            def client(self, adapter: str) -> Mapping[str, Any]:
                return {**super().client(adapter), "backend": Ending}

        scanners: list[Scanner] = []
        repeated: list[object] = []
        async with house(tmp_path, parrot, backend=LikeBlueZ()) as home:
            async with home.radio.connect(address(1), deadline_s=5):
                pass
            await parrot.until(lambda: parrot.line is None)
            assert repeated
            assert all(sample.rssi_dbm != -1 for sample in home.radio.history(address(1)))
            assert all(event.rssi_dbm != -1 for event in home.events if isinstance(event, Heard))

    async def test_strangers_are_seen_and_not_told_of(self, tmp_path: Path) -> None:
        async with house(tmp_path, Parrot(1), watch=False) as home:
            home.radio.watch(frozenset({address(2)}))
            await home.add(Parrot(2))
            await home.until(lambda: len(home.radio.sightings()) == 2)
            told = {e.address for e in home.events if isinstance(e, Heard | Advertised)}
            assert told == {address(2)}


class TestTalking:
    async def test_with_and_without_response_and_answers_in_order(self, tmp_path: Path) -> None:
        parrot = Parrot(1)
        async with (
            house(tmp_path, parrot) as home,
            home.radio.connect(address(1), deadline_s=5) as link,
        ):
            assert link.connected
            assert link.address == address(1)
            assert await talk(link, bytes(range(200))) == bytes(range(200))
            await link.write(WRITE, b"quick", response=False, deadline_s=5)
            said = [await link.receive(deadline_s=5) for _ in b"quick"]
            assert said == [(NOTIFY, bytes([byte])) for byte in b"quick"]
            assert parrot.written == [bytes(range(200)), b"quick"]
            assert await link.read(READ, deadline_s=5) == b"polly"

    async def test_indications_come_as_notifications_do(self, tmp_path: Path) -> None:
        parrot = Parrot(1)
        async with (
            house(tmp_path, parrot) as home,
            home.radio.connect(address(1), deadline_s=5) as link,
        ):
            await link.listen(INDICATE, deadline_s=5)
            await link.listen(INDICATE, deadline_s=5)
            for word in (b"one", b"two", b"three"):
                parrot.say(word, INDICATE)
            said = [await link.receive(deadline_s=5) for _ in range(3)]
            assert said == [(INDICATE, b"one"), (INDICATE, b"two"), (INDICATE, b"three")]

    async def test_a_late_word_belongs_to_the_next_who_listens(self, tmp_path: Path) -> None:
        parrot = Parrot(1)
        async with (
            house(tmp_path, parrot) as home,
            home.radio.connect(address(1), deadline_s=5) as link,
        ):
            await link.listen(NOTIFY, deadline_s=5)
            with pytest.raises(Unreachable, match="nothing came"):
                await link.receive(deadline_s=0.05)
            parrot.say(b"late")
            assert await link.receive(deadline_s=5) == (NOTIFY, b"late")
            assert link.connected
            await link.write(WRITE, b"ab", response=True, deadline_s=5)
            assert (await link.receive(deadline_s=5))[1] == b"a"
            link.drain()
            await link.write(WRITE, b"c", response=True, deadline_s=5)
            assert (await link.receive(deadline_s=5))[1] in (b"b", b"c")

    async def test_the_devices_no_is_a_refusal_and_costs_no_link(self, tmp_path: Path) -> None:
        async with (
            house(tmp_path, Parrot(1)) as home,
            home.radio.connect(address(1), deadline_s=5) as link,
        ):
            with pytest.raises(DeviceRefused, match="0x05") as refused:
                await link.write(BARRED, b"secret", response=True, deadline_s=5)
            assert refused.value.refusal is Refusal.NOT_AUTHORISED
            assert "secret" not in str(refused.value)
            with pytest.raises(DeviceRefused):
                await link.read(BARRED, deadline_s=5)
            assert await talk(link, b"still here") == b"still here"

    async def test_a_characteristic_that_is_not_there_means_nothing_was_sent(
        self, tmp_path: Path
    ) -> None:
        parrot = Parrot(1)
        async with house(tmp_path, parrot) as home:
            async with home.radio.connect(address(1), deadline_s=5) as link:
                with pytest.raises(Unreachable, match="no characteristic"):
                    await link.write(MISSING, b"x", response=True, deadline_s=5)
                assert not link.connected
            async with home.radio.connect(address(1), deadline_s=5) as again:
                assert await talk(again, b"hi") == b"hi"
            assert parrot.written == [b"hi"]


class TestLinks:
    async def test_five_at_once_and_the_scan_goes_on(self, tmp_path: Path) -> None:
        locks = [Parrot(number, interval_s=0.2) for number in range(5)]
        passers_by = [Parrot(number, interval_s=0.5) for number in range(10, 50)]
        together = asyncio.Barrier(5)

        async def visit(home: House, lock: Parrot) -> bytes:
            async with home.radio.connect(lock.address, deadline_s=15) as link:
                await together.wait()
                return await talk(link, lock.address.encode())

        async with house(tmp_path, *locks, *passers_by, connections=5) as home:
            await home.until(lambda: len(home.radio.sightings()) == 45)
            before = {seen.last.address: seen.count for seen in home.radio.sightings()}
            said = await asyncio.gather(*(visit(home, lock) for lock in locks))
            assert said == [lock.address.encode() for lock in locks]
            assert [lock.connects for lock in locks] == [1] * 5
            waiting = {parrot.address for parrot in passers_by}
            await home.until(
                lambda: all(
                    seen.count > before[seen.last.address]
                    for seen in home.radio.sightings()
                    if seen.last.address in waiting
                )
            )
            assert home.radio.state.status is RadioStatus.UP

    async def test_two_for_one_device_come_one_after_the_other(self, tmp_path: Path) -> None:
        parrot = Parrot(1)
        inside = 0

        async def visit(home: House) -> int:
            nonlocal inside
            async with home.radio.connect(address(1), deadline_s=15) as link:
                inside += 1
                most = inside
                await talk(link, b"hello")
                inside -= 1
                return most

        async with house(tmp_path, parrot) as home:
            assert await asyncio.gather(*(visit(home) for _ in range(4))) == [1] * 4
            assert parrot.connects == 4
            async with home.radio.connect(address(1), deadline_s=5):
                with pytest.raises(RadioBusy, match="another exchange"):
                    async with home.radio.connect(address(1).lower(), deadline_s=0.1):
                        pass

    async def test_a_lingering_link_is_the_same_object_and_costs_no_connect(
        self, tmp_path: Path
    ) -> None:
        parrot = Parrot(1)
        clock = ManualClock(Instant(0), ClockTrust.TRUSTED)
        async with house(tmp_path, parrot, clock=clock) as home:
            async with home.radio.connect(address(1), deadline_s=5, linger_s=3) as first:
                await talk(first, b"one")
            await clock.advance(2.9)
            async with home.radio.connect(address(1), deadline_s=5, linger_s=3) as second:
                assert second is first
                assert await talk(second, b"two") == b"two"
            assert parrot.connects == 1
            await clock.advance(2.9)
            assert parrot.line is not None
            await clock.advance(0.2)
            await parrot.until(lambda: parrot.line is None)
            assert not second.connected
            with pytest.raises(Unreachable):
                await second.read(READ, deadline_s=5)
            usage = home.radio.usage(address(1))
            assert usage.connects == 1
            assert usage.connected_s == pytest.approx(6.0, abs=0.2)

    async def test_an_error_ends_the_link_at_once(self, tmp_path: Path) -> None:
        parrot = Parrot(1)
        async with house(tmp_path, parrot) as home:
            with pytest.raises(ZeroDivisionError):
                async with home.radio.connect(address(1), deadline_s=5, linger_s=60):
                    raise ZeroDivisionError
            await parrot.until(lambda: parrot.line is None and parrot.connects == 1)

    async def test_who_lingers_gives_way_the_longest_first(self, tmp_path: Path) -> None:
        parrots = [Parrot(number) for number in range(3)]
        async with house(tmp_path, *parrots, connections=2) as home:
            for parrot in parrots[:2]:
                async with home.radio.connect(parrot.address, deadline_s=5, linger_s=60):
                    pass
            async with home.radio.connect(parrots[2].address, deadline_s=5) as link:
                assert await talk(link, b"room for me") == b"room for me"
                assert parrots[0].line is None
                assert parrots[1].line is not None
                async with home.radio.connect(parrots[1].address, deadline_s=5) as again:
                    assert await talk(again, b"still mine") == b"still mine"
            assert [parrot.connects for parrot in parrots] == [1, 1, 1]

    async def test_no_place_in_time_is_busy_and_who_waits_ends_lingering(
        self, tmp_path: Path
    ) -> None:
        parrots = [Parrot(number) for number in range(2)]
        async with house(tmp_path, *parrots, connections=1) as home:
            async with home.radio.connect(address(0), deadline_s=5, linger_s=60):
                with pytest.raises(RadioBusy, match="all 1 connections"):
                    async with home.radio.connect(address(1), deadline_s=0.2):
                        pass
                waiting = asyncio.create_task(self._visit(home, address(1)))
                await settle()
                assert parrots[1].connects == 0
            assert await waiting == b"at last"
            assert parrots[0].line is None

    async def _visit(self, home: House, whom: str) -> bytes:
        async with home.radio.connect(whom, deadline_s=DEADLINE_S) as link:
            return await talk(link, b"at last")

    async def test_a_battery_that_pays_too_much_is_told_of_once_and_never_refused(
        self, tmp_path: Path
    ) -> None:
        parrot = Parrot(1)
        with capture_logs() as logs:
            async with house(tmp_path, parrot, budget=Budget(connects=2)) as home:
                for _ in range(4):
                    async with home.radio.connect(address(1), deadline_s=5) as link:
                        await talk(link, b"!")
                await parrot.until(lambda: parrot.line is None)
        told = [line for line in logs if "battery" in line["event"]]
        assert [(line["address"], line["connects"]) for line in told] == [(address(1), 3)]
        assert parrot.connects == 4

    async def test_bad_air_and_few_places_serve_everybody(self, tmp_path: Path) -> None:
        """The controller refuses a third link, so one too many would show."""
        parrots = [Parrot(number) for number in range(5)]

        async def visit(home: House, parrot: Parrot, linger_s: float) -> bytes:
            async with home.radio.connect(
                parrot.address, deadline_s=DEADLINE_S, linger_s=linger_s
            ) as link:
                return await talk(link, parrot.address.encode())

        async with house(tmp_path, *parrots, connections=2, spec=BleAirSpec(loss=0.15)) as home:
            visits = [
                visit(home, parrot, linger_s) for linger_s in (60.0, 0.0) for parrot in parrots
            ]
            said = await asyncio.gather(*visits)
            assert said == [parrot.address.encode() for parrot in parrots] * 2
        assert all(parrot.written == [parrot.address.encode()] * 2 for parrot in parrots)

    async def test_a_stack_that_cannot_do_both_scans_again_after_connecting(
        self, tmp_path: Path
    ) -> None:
        class OneThing(Backend):
            scans_while_connecting = False

        parrots = [Parrot(number) for number in range(3)]
        async with house(tmp_path, *parrots, backend=OneThing()) as home:
            said = await asyncio.gather(*(self._visit(home, p.address) for p in parrots))
            assert said == [b"at last"] * 3
            before = home.radio.sightings()[0].count
            await home.until(lambda: home.radio.sightings()[0].count > before)
            assert home.radio.state.status is RadioStatus.UP

    async def test_a_radio_that_is_stopped_lets_go_of_its_links(self, tmp_path: Path) -> None:
        held, lingers = Parrot(1), Parrot(2)
        async with house(tmp_path, held, lingers) as home:
            async with home.radio.connect(address(2), deadline_s=5, linger_s=60):
                pass
            async with home.radio.connect(address(1), deadline_s=5) as link:
                home.running.cancel()
                await asyncio.gather(home.running, return_exceptions=True)
                assert home.radio.state.status is RadioStatus.DOWN
                with pytest.raises(Unreachable, match="went away"):
                    await link.read(READ, deadline_s=5)
            await held.until(lambda: held.line is None)
            await lingers.until(lambda: lingers.line is None)


class TestLosing:
    async def test_the_device_dies_while_it_is_listened_to(self, tmp_path: Path) -> None:
        async with house(tmp_path, Parrot(1), Parrot(2)) as home:
            async with home.radio.connect(address(1), deadline_s=5) as link:
                await link.listen(NOTIFY, deadline_s=5)
                await home.hub.remove_device(address(1))
                with pytest.raises(Unreachable, match="lost"):
                    await link.receive(deadline_s=10)
                assert not link.connected
                for again in (
                    link.write(WRITE, b"x", response=True, deadline_s=5),
                    link.read(READ, deadline_s=5),
                    link.listen(NOTIFY, deadline_s=5),
                    link.receive(deadline_s=5),
                ):
                    with pytest.raises(Unreachable):
                        await again
            async with home.radio.connect(address(2), deadline_s=5) as other:
                assert await talk(other, b"alive") == b"alive"

    async def test_what_arrived_before_the_loss_is_handed_out(self, tmp_path: Path) -> None:
        parrot = Parrot(1)
        async with (
            house(tmp_path, parrot) as home,
            home.radio.connect(address(1), deadline_s=5) as link,
        ):
            await link.listen(NOTIFY, deadline_s=5)
            parrot.say(b"done")
            assert parrot.line is not None
            parrot.line.disconnect()
            await parrot.until(lambda: parrot.line is None)
            assert await link.receive(deadline_s=5) == (NOTIFY, b"done")
            with pytest.raises(Unreachable):
                await link.receive(deadline_s=5)

    async def test_a_write_that_the_link_did_not_outlive_is_unknown_and_a_question_is_not(
        self, tmp_path: Path
    ) -> None:
        for question in (False, True):
            parrot = Parrot(1)
            async with (
                house(tmp_path, parrot) as home,
                home.radio.connect(address(1), deadline_s=5) as link,
            ):
                home.air.set_in_range(address(1), False)
                if question:
                    with pytest.raises(Unreachable):
                        await link.read(READ, deadline_s=10)
                else:
                    with pytest.raises(OutcomeUnknown):
                        await link.write(WRITE, b"x", response=True, deadline_s=10)
                assert not link.connected

    async def test_a_deadline_in_the_middle_makes_the_link_unusable(self, tmp_path: Path) -> None:
        parrot = Parrot(1)
        async with house(tmp_path, parrot) as home:
            async with home.radio.connect(address(1), deadline_s=5, linger_s=60) as link:
                home.air.set_in_range(address(1), False)
                with pytest.raises(OutcomeUnknown, match="no answer in time"):
                    await link.write(WRITE, b"x", response=True, deadline_s=0.05)
                assert not link.connected
                with pytest.raises(Unreachable):
                    await link.read(READ, deadline_s=5)
                home.air.set_in_range(address(1), True)
            async with home.radio.connect(address(1), deadline_s=10) as again:
                assert again is not link
                assert await talk(again, b"anew") == b"anew"

    async def test_an_operation_that_the_stack_forgets_ends_with_the_link(
        self, tmp_path: Path
    ) -> None:
        class Forgetful(Client):
            async def read_gatt_char(self, *_: Any, **__: Any) -> bytearray:
                asked.set()
                await asyncio.Event().wait()
                raise AssertionError

        class Stack(Backend):
            def client(self, adapter: str) -> Mapping[str, Any]:
                return {**super().client(adapter), "backend": Forgetful}

        asked = asyncio.Event()
        parrot = Parrot(1)
        async with (
            house(tmp_path, parrot, backend=Stack()) as home,
            home.radio.connect(address(1), deadline_s=5) as link,
        ):
            asking = asyncio.create_task(link.read(READ, deadline_s=3600))
            await asked.wait()
            assert parrot.line is not None
            parrot.line.disconnect()
            async with asyncio.timeout(DEADLINE_S):
                with pytest.raises(Unreachable, match="lost"):
                    await asking

    async def test_a_cancelled_operation_makes_the_link_unusable(self, tmp_path: Path) -> None:
        async with (
            house(tmp_path, Parrot(1)) as home,
            home.radio.connect(address(1), deadline_s=5) as link,
        ):
            home.air.set_in_range(address(1), False)
            asking = asyncio.create_task(link.read(READ, deadline_s=10))
            await settle()
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            assert not link.connected

    async def test_out_of_range_never_heard_and_not_answering(self, tmp_path: Path) -> None:
        """With one place, which a connect that fails must give back."""
        parrot = Parrot(1)
        async with house(tmp_path, parrot, connections=1) as home:
            with pytest.raises(Unreachable, match="never heard"):
                async with home.radio.connect(address(9), deadline_s=0.1):
                    pass
            await home.until(lambda: home.radio.sightings())
            home.air.set_in_range(address(1), False)
            with pytest.raises(Unreachable, match="no answer in time"):
                async with home.radio.connect(address(1), deadline_s=0.3):
                    pass
            home.air.set_in_range(address(1), True)
            async with home.radio.connect(address(1), deadline_s=10) as link:
                assert await talk(link, b"back") == b"back"
            assert parrot.connects == 1

    async def test_connecting_begins_when_the_device_is_heard(self, tmp_path: Path) -> None:
        async with house(tmp_path) as home:
            visiting = asyncio.create_task(self._talk(home, address(1)))
            await settle()
            await home.add(Parrot(1))
            assert await visiting == b"there you are"

    async def _talk(self, home: House, whom: str) -> bytes:
        async with home.radio.connect(whom, deadline_s=DEADLINE_S) as link:
            return await talk(link, b"there you are")

    async def test_who_does_not_answer_does_not_keep_the_others(self, tmp_path: Path) -> None:
        gone, here = Parrot(1), Parrot(2)
        async with house(tmp_path, gone, here) as home:
            await home.until(lambda: len(home.radio.sightings()) == 2)
            home.air.set_in_range(address(1), False)
            lost = asyncio.create_task(self._fails(home, address(1), deadline_s=1))
            await settle()
            async with home.radio.connect(address(2), deadline_s=10) as link:
                assert await talk(link, b"me too") == b"me too"
            assert "no answer in time" in str(await lost)

    async def _fails(self, home: House, whom: str, *, deadline_s: float) -> Unreachable:
        with pytest.raises(Unreachable) as failed:
            async with home.radio.connect(whom, deadline_s=deadline_s):
                pass
        return failed.value


class TestAdapters:
    async def test_nothing_can_be_asked_of_a_radio_that_is_down(self, tmp_path: Path) -> None:
        radio = BleRadio(
            [f"unix://{tmp_path}/none"],
            backend=Backend(),
            clock=SystemClock(ClockTrust.TRUSTED),
            pace=FAST,
        )
        changed = asyncio.Event()
        radio.listen(lambda event: changed.set() if isinstance(event, StateChanged) else None)
        assert radio.state.status is RadioStatus.DOWN
        running = asyncio.create_task(radio.run())
        async with asyncio.timeout(DEADLINE_S):
            while radio.state.status is not RadioStatus.DOWN or "not started" in radio.state.reason:
                changed.clear()
                await changed.wait()
        assert "there is no Bluetooth adapter" in radio.state.reason
        with pytest.raises(RadioUnavailable, match="there is no Bluetooth adapter"):
            async with radio.connect(address(1), deadline_s=5):
                pass
        assert radio.sightings() == ()
        assert not running.done()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert radio.state.status is RadioStatus.DOWN

    @pytest.mark.parametrize("fault", ["vanish", "hang"])
    async def test_an_adapter_that_dies_comes_back_by_itself(
        self, tmp_path: Path, fault: str
    ) -> None:
        parrot = Parrot(1)
        patience = Patience(first_reset_apart_s=0.1)
        async with house(tmp_path, parrot, patience=patience) as home:
            async with home.radio.connect(address(1), deadline_s=5) as link:
                await talk(link, b"before")
                with capture_logs() as logs:
                    home.fail(0, fault)
                    await home.until(lambda: home.radio.state.status is RadioStatus.DOWN)
                assert home.radio.state.reason
                with pytest.raises(Unreachable):
                    await link.read(READ, deadline_s=10)
            with pytest.raises(RadioUnavailable):
                async with home.radio.connect(address(1), deadline_s=5):
                    pass
            told = [line["log_level"] for line in logs if line["event"].startswith("radio")]
            assert told.count("warning") == len(told) <= 2, "one line when it breaks"
            home.fail(0, "return")
            await home.up()
            async with home.radio.connect(address(1), deadline_s=10) as again:
                assert await talk(again, b"after") == b"after"

    async def test_an_adapter_that_cannot_be_opened_is_reset(self, tmp_path: Path) -> None:
        class Stubborn(Backend):
            async def open(self, adapter: str) -> None:
                if not resets:
                    raise BleakDBusError("org.bluez.Error.NotReady", [])
                await super().open(adapter)

            async def reset(self, adapter: str) -> bool:
                resets.append(adapter)
                return await super().reset(adapter)

        resets: list[str] = []
        with capture_logs() as logs:
            async with house(tmp_path, Parrot(1), backend=Stubborn()) as home:
                assert resets == home.adapters
                assert await self._talk(home) == b"mended"
        told = [(line["event"], line["done"]) for line in logs if "reset" in line["event"]]
        assert told == [("bluetooth adapter reset", True)]

    async def _talk(self, home: House) -> bytes:
        async with home.radio.connect(address(1), deadline_s=10) as link:
            return await talk(link, b"mended")

    async def test_who_waits_for_an_adapter_that_goes_is_told_at_once(self, tmp_path: Path) -> None:
        async def wait_for(home: House, whom: str) -> str:
            with pytest.raises(RadioUnavailable) as failed:
                async with home.radio.connect(whom, deadline_s=3600):
                    pass
            return str(failed.value)

        async with house(tmp_path, Parrot(1), Parrot(2), connections=1) as home:
            await home.until(lambda: len(home.radio.sightings()) == 2)
            async with home.radio.connect(address(1), deadline_s=5):
                for_a_place = asyncio.create_task(wait_for(home, address(2)))
                to_hear = asyncio.create_task(wait_for(home, address(9)))
                await settle()
                home.fail(0, "vanish")
                async with asyncio.timeout(DEADLINE_S):
                    said = await for_a_place
                    assert "went away" in said or "it is gone" in said  # over BlueZ
                    assert "could not" in await to_hear

    async def test_who_connects_when_the_adapter_has_just_gone_is_told_of_the_adapter(
        self, tmp_path: Path
    ) -> None:
        """BlueZ forgets an adapter's devices with it, before we have asked after the adapter."""

        class Forgetting(Client):
            async def connect(self, *_: Any, **__: Any) -> None:
                tries.append(self.address)
                raise BleakError("device 'dev_C0_00_00_00_00_01' not found")

        class Stack(Backend):
            async def probe(self, adapter: str) -> None:
                if tries:
                    raise BleakError("it is gone")
                await super().probe(adapter)

            def client(self, adapter: str) -> Mapping[str, Any]:
                return {**super().client(adapter), "backend": Forgetting}

        tries: list[str] = []
        seldom = Pace(probe_interval_s=3600, first_wait_s=0.05)
        async with house(tmp_path, Parrot(1), backend=Stack(), pace=seldom) as home:
            with pytest.raises(RadioUnavailable, match="it is gone"):
                async with home.radio.connect(address(1), deadline_s=DEADLINE_S):
                    pass
            assert set(tries) == {address(1)}

    async def test_an_adapter_that_hears_nothing_is_down_until_it_hears(
        self, tmp_path: Path
    ) -> None:
        class Counting(Backend):
            async def reset(self, adapter: str) -> bool:
                resets.append(adapter)
                if len(resets) == 2:
                    again.set()
                return await super().reset(adapter)

        again = asyncio.Event()
        resets: list[str] = []
        states: list[RadioState] = []
        patience = Patience(silence_s=0.5, first_reset_apart_s=0.1, first_word_s=0.1)
        async with house(tmp_path, Parrot(1), patience=patience, backend=Counting()) as home:
            await home.until(lambda: home.radio.sightings())
            home.radio.listen(
                lambda event: (
                    states.append(event.state) if isinstance(event, StateChanged) else None
                )
            )
            home.events.clear()
            home.air.set_in_range("hci0", False)
            await home.until(lambda: home.radio.state.status is RadioStatus.DOWN)
            async with asyncio.timeout(DEADLINE_S):
                await again.wait()
            told = [state.status for state in states]
            assert told == [RadioStatus.DEGRADED, RadioStatus.DOWN], "a scan alone proves nothing"
            assert "a reset did not help" in home.radio.state.reason
            assert all("although 1 device is expected" in state.reason for state in states)
            home.air.set_in_range("hci0", True)
            await home.up()
            async with home.radio.connect(address(1), deadline_s=10) as link:
                assert await talk(link, b"hear me") == b"hear me"

    async def test_the_better_adapter_is_used_and_the_other_when_it_dies(
        self, tmp_path: Path
    ) -> None:
        parrot = Parrot(1)
        async with house(tmp_path, parrot, adapters=2) as home:
            home.air.set_rssi(address(1), -80, towards="hci0")
            home.air.set_rssi(address(1), -50, towards="hci1")
            await home.until(lambda: self._heard_by(home) == set(home.adapters))
            async with home.radio.connect(address(1), deadline_s=5) as link:
                assert self._connected_by(home) == ["hci1"]
                await talk(link, b"near")
            home.fail(1, "vanish")
            await home.until(lambda: home.radio.state.status is RadioStatus.DEGRADED)
            await home.until(lambda: self._heard_by(home) == {home.adapters[0]})
            async with home.radio.connect(address(1), deadline_s=10) as link:
                assert self._connected_by(home) == ["hci0"]
                assert await talk(link, b"far") == b"far"
            home.fail(1, "return")
            await home.up()

    async def test_a_full_adapter_leaves_it_to_the_other(self, tmp_path: Path) -> None:
        parrots = [Parrot(number) for number in range(2)]
        async with house(tmp_path, *parrots, adapters=2, connections=1) as home:
            for parrot in parrots:
                home.air.set_rssi(parrot.address, -80, towards="hci0")
                home.air.set_rssi(parrot.address, -50, towards="hci1")
            await home.until(
                lambda: all(self._heard_by(home, n) == set(home.adapters) for n in range(2))
            )
            async with (
                home.radio.connect(address(0), deadline_s=5),
                home.radio.connect(address(1), deadline_s=5) as link,
            ):
                assert self._connected_by(home) == ["hci0", "hci1"]
                assert await talk(link, b"room") == b"room"

    def _heard_by(self, home: House, number: int = 1) -> set[str]:
        return {sample.adapter for sample in home.radio.history(address(number))}

    def _connected_by(self, home: House) -> list[str]:
        """Adapters whose controller holds a link, as the air knows."""
        return sorted(
            station.name
            for station in home.air.stations
            if station.name.startswith("hci") and station.le_connections
        )


class TestLending:
    async def test_the_next_word_of_a_device_is_overheard_watched_or_not(
        self, tmp_path: Path
    ) -> None:
        async with house(tmp_path, Parrot(1), watch=False) as home:
            for _ in range(2):
                heard = await home.radio.overhear(address(1).lower(), deadline_s=DEADLINE_S)
                assert (heard.address, heard.manufacturer_data) == (address(1), {0x0969: b"\x01"})
            with pytest.raises(Unreachable, match="never heard"):
                await home.radio.overhear(address(2), deadline_s=0.05)
            first = asyncio.ensure_future(home.radio.overhear(address(1), deadline_s=DEADLINE_S))
            await settle(2)
            first.cancel()
            assert (await home.radio.overhear(address(1), deadline_s=DEADLINE_S)).address
            with pytest.raises(asyncio.CancelledError):
                await first

    async def test_a_lent_device_has_a_place_and_its_turn(self, tmp_path: Path) -> None:
        parrots = Parrot(1), Parrot(2)
        async with house(tmp_path, *parrots, connections=1) as home:
            async with home.radio.connect(address(1), deadline_s=DEADLINE_S, linger_s=60):
                pass
            async with home.radio.borrow(address(1), deadline_s=DEADLINE_S) as lent:
                await parrots[0].until(lambda: parrots[0].line is None)  # what lingered is closed
                with pytest.raises(RadioBusy, match="another exchange"):
                    async with home.radio.borrow(address(1), deadline_s=0.05):
                        pass
                with pytest.raises(RadioBusy, match="are in use"):
                    async with home.radio.connect(address(2), deadline_s=0.05):
                        pass
                client = BleakClient(cast("BLEDevice", lent), backend=Client)
                await client.connect()
                assert parrots[0].connects == 2
                await client.disconnect()
            usage = home.radio.usage(address(1))
            assert usage.connects == 2
            async with home.radio.connect(address(2), deadline_s=DEADLINE_S) as link:
                assert await talk(link, b"x") == b"x"

    async def test_what_is_not_heard_is_not_lent(self, tmp_path: Path) -> None:
        async with house(tmp_path, Parrot(1), connections=1) as home:
            with pytest.raises(Unreachable, match="never heard"):
                async with home.radio.borrow(address(9), deadline_s=0.05):
                    pass
            with pytest.raises(KeyError, match="an error of who borrowed"):
                async with home.radio.borrow(address(1), deadline_s=DEADLINE_S):
                    raise KeyError("an error of who borrowed")
            async with home.radio.borrow(address(1), deadline_s=DEADLINE_S) as lent:
                assert lent is not None
