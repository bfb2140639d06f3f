"""When an adapter is deaf and what is tried: on numbers, without an adapter."""

from __future__ import annotations

import itertools

from gateway.radios.ble.recovery import Patience, Watchdog

PATIENCE = Patience(silence_s=90, first_reset_apart_s=60, longest_reset_apart_s=600)


class TestSilence:
    def test_counts_from_the_last_word(self) -> None:
        dog = Watchdog(PATIENCE)
        dog.listening(0)
        dog.alive(50)
        assert dog.silence(139, expected=1) is None
        assert (
            dog.silence(140, expected=1) == "nothing heard for 90 s although 1 device is expected"
        )

    def test_or_from_the_start_of_the_scan(self) -> None:
        dog = Watchdog(PATIENCE)
        dog.listening(1000)
        assert dog.silence(1089, expected=5) is None
        assert dog.silence(1090, expected=5) is not None

    def test_is_nothing_wrong_where_nobody_is_expected(self) -> None:
        dog = Watchdog(PATIENCE)
        dog.listening(0)
        assert dog.silence(100_000, expected=0) is None
        assert not dog.doubted

    def test_is_told_from_its_beginning_however_often_the_scan_began_anew(self) -> None:
        dog = Watchdog(PATIENCE)
        dog.listening(0)
        assert dog.silence(90, expected=2) is not None
        dog.listening(100)
        assert dog.silence(110, expected=2) is None, "the new scan has its chance"
        said = dog.silence(200, expected=2)
        assert said == "nothing heard for 3 min although 2 devices are expected"
        assert dog.doubted
        dog.alive(201)
        assert not dog.doubted


class TestLadder:
    def test_a_new_scan_first_then_a_reset_then_more_and_more_seldom(self) -> None:
        dog = Watchdog(PATIENCE)
        resets = [now for now in range(0, 2400, 30) if dog.should_reset(now)]
        # Opened at 0 and at 30; then resets with 120, 240, 480, 600, 600 s between them.
        assert resets == [60, 180, 420, 900, 1500, 2100]

    def test_a_sign_of_life_begins_the_ladder_anew(self) -> None:
        dog = Watchdog(PATIENCE)
        assert [dog.should_reset(now) for now in (0, 10, 20)] == [False, False, True]
        dog.alive(30)
        assert [dog.should_reset(now) for now in (40, 50)] == [False, False]

    def test_an_adapter_that_dies_again_and_again_is_not_reset_all_the_time(self) -> None:
        dog = Watchdog(PATIENCE)
        resets = []
        for now in range(0, 600, 10):
            if dog.should_reset(now):
                resets.append(now)
                dog.alive(now + 1)
        assert all(later - sooner >= 60 for sooner, later in itertools.pairwise(resets))
        assert resets

    def test_people_learn_that_a_reset_was_tried(self) -> None:
        dog = Watchdog(PATIENCE)
        dog.listening(0)
        for now in (0, 10, 20):
            dog.should_reset(now)
        assert "a reset did not help" in str(dog.silence(100, expected=1))
