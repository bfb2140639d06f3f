"""Who is in the air and how well: one memory for all adapters, bounded, without a radio."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.radios.api import Advertisement
from gateway.radios.ble.airwaves import SAMPLES, UNKNOWN_DBM, Airwaves
from gateway.radios.gatt import Grade, grade

LOCK = "AA:BB:CC:00:00:01"
ALL = frozenset({"hci0", "hci1"})


def stranger(number: int) -> str:
    return f"5A:00:00:00:{number >> 8:02X}:{number & 255:02X}"


def heard(
    airwaves: Airwaves,
    at: float,
    rssi: int = -60,
    address: str = LOCK,
    adapter: str = "hci0",
    handle: object = None,
) -> None:
    airwaves.heard(Advertisement(address, "", rssi, adapter, at), handle or f"{adapter} {address}")


class TestSightings:
    def test_count_first_last_and_the_spread_of_the_recent_minute(self) -> None:
        airwaves = Airwaves()
        for at, rssi in ((0.0, -90), (50.0, -60), (60.0, -70), (70.0, -65)):
            heard(airwaves, at, rssi)
        (seen,) = airwaves.sightings(71.0)
        assert (seen.count, seen.first_at, seen.last.heard_at) == (4, 0.0, 70.0)
        assert (seen.rssi_dbm, seen.worst_dbm, seen.best_dbm) == (-65, -70, -60)

    def test_in_order_of_address_and_only_of_who_was_heard_lately(self) -> None:
        airwaves = Airwaves(lately_s=100)
        heard(airwaves, 0.0, address=stranger(3))
        heard(airwaves, 50.0, address=stranger(2))
        heard(airwaves, 60.0, address=stranger(1))
        seen = [sighting.last.address for sighting in airwaves.sightings(101.0)]
        assert seen == [stranger(1), stranger(2)]
        assert airwaves.sighting(stranger(3), 101.0) is None

    def test_a_signal_that_was_not_measured_is_no_signal(self) -> None:
        airwaves = Airwaves()
        heard(airwaves, 0.0, -60)
        heard(airwaves, 1.0, UNKNOWN_DBM)
        seen = airwaves.sighting(LOCK, 1.0)
        assert seen is not None
        assert (seen.rssi_dbm, seen.worst_dbm, seen.count) == (-60, -60, 2)

    def test_the_adapter_that_hears_it_best_speaks_for_all(self) -> None:
        airwaves = Airwaves()
        heard(airwaves, 0.0, -80, adapter="hci0")
        heard(airwaves, 1.0, -55, adapter="hci1")
        heard(airwaves, 2.0, -80, adapter="hci0")
        seen = airwaves.sighting(LOCK, 2.0)
        assert seen is not None
        assert seen.rssi_dbm == -55
        assert seen.last.adapter == "hci0"


class TestAdapters:
    def test_the_best_signal_first_and_only_who_heard_it_just_now(self) -> None:
        airwaves = Airwaves()
        heard(airwaves, 0.0, -80, adapter="hci0")
        heard(airwaves, 5.0, -55, adapter="hci1")
        best = airwaves.best_adapters(LOCK, 6.0, fresh_s=30, among=ALL)
        assert best == (("hci1", f"hci1 {LOCK}"), ("hci0", f"hci0 {LOCK}"))
        assert [n for n, _ in airwaves.best_adapters(LOCK, 31.0, fresh_s=30, among=ALL)] == ["hci1"]
        assert airwaves.best_adapters(LOCK, 6.0, fresh_s=30, among={"hci0"}) == best[1:]
        assert airwaves.best_adapters(stranger(1), 6.0, fresh_s=30, among=ALL) == ()

    def test_one_lucky_packet_does_not_make_an_adapter_the_best(self) -> None:
        airwaves = Airwaves()
        for at in range(5):
            heard(airwaves, at, -60, adapter="hci0")
            heard(airwaves, at, -50 if at == 4 else -75, adapter="hci1")
        best = airwaves.best_adapters(LOCK, 5.0, fresh_s=30, among=ALL)
        assert [name for name, _ in best] == ["hci0", "hci1"]

    def test_the_newest_handle_counts_and_goes_with_its_adapter(self) -> None:
        airwaves = Airwaves()
        heard(airwaves, 0.0, handle="old")
        heard(airwaves, 1.0, handle="new")
        assert airwaves.best_adapters(LOCK, 1.0, fresh_s=30, among=ALL) == (("hci0", "new"),)
        airwaves.forget_adapter("hci0")
        assert airwaves.best_adapters(LOCK, 1.0, fresh_s=30, among=ALL) == ()
        assert airwaves.silent_for(LOCK, 11.0) == 10.0
        assert airwaves.silent_for(stranger(1), 11.0) is None


class TestBounds:
    def test_phones_passing_by_do_not_push_out_a_lock(self) -> None:
        airwaves = Airwaves(devices=50)
        airwaves.watch(frozenset({LOCK}))
        heard(airwaves, 0.0)
        for number in range(500):
            heard(airwaves, 1.0 + number / 100, address=stranger(number))
        seen = [sighting.last.address for sighting in airwaves.sightings(7.0)]
        assert len(seen) == 50
        assert LOCK in seen
        assert stranger(499) in seen
        assert stranger(0) not in seen

    def test_who_is_out_of_range_goes_first(self) -> None:
        airwaves = Airwaves(devices=3, lately_s=10)
        for number, at in ((1, 0.0), (2, 1.0), (3, 50.0), (4, 51.0)):
            heard(airwaves, at, address=stranger(number))
        assert airwaves.silent_for(stranger(1), 51.0) is None
        assert airwaves.silent_for(stranger(2), 51.0) is None
        assert len(airwaves.sightings(51.0)) == 2

    @given(st.lists(st.tuples(st.integers(-110, -20), st.sampled_from(sorted(ALL))), min_size=1))
    def test_history_is_bounded_in_order_and_what_was_heard(
        self, packets: list[tuple[int, str]]
    ) -> None:
        airwaves = Airwaves()
        for at, (rssi, adapter) in enumerate(packets):
            heard(airwaves, float(at), rssi, adapter=adapter)
        history = airwaves.history(LOCK)
        told = [(int(sample.at), sample.rssi_dbm, sample.adapter) for sample in history]
        for adapter in sorted(ALL):
            mine = [(at, rssi, who) for at, (rssi, who) in enumerate(packets) if who == adapter]
            assert [sample for sample in told if sample[2] == adapter] == mine[-SAMPLES:]
        assert told == sorted(told, key=lambda sample: sample[0])


@pytest.mark.parametrize(
    ("rssi", "name"),
    [
        (-30, Grade.EXCELLENT),
        (-60, Grade.EXCELLENT),
        (-61, Grade.GOOD),
        (-75, Grade.GOOD),
        (-76, Grade.FAIR),
        (-85, Grade.FAIR),
        (-86, Grade.WEAK),
        (UNKNOWN_DBM, Grade.WEAK),
    ],
)
def test_grades(rssi: int, name: Grade) -> None:
    assert grade(rssi) is name
