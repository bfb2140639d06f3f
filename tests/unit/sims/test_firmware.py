"""The lock firmware by example: memory, windows, keypad, bolt, power. No radio, virtual time."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sims import profiles
from firmware_sims.clock import LOCK_EPOCH, LockClock, VirtualTimebase, ZoneRules
from firmware_sims.firmware.lock import LockFirmware
from firmware_sims.firmware.model import (
    Answer,
    BoltState,
    FirmwareEvent,
    Kind,
    OperatingMode,
    Source,
    UserStatus,
    UserType,
)
from firmware_sims.firmware.schedules import Holiday, WeekDay, YearDay

MONDAY_NOON = datetime(2026, 7, 6, 12, 0, tzinfo=UTC).timestamp()
ENABLED, DISABLED = UserStatus.ENABLED, UserStatus.DISABLED
FREE = UserType.UNRESTRICTED


class Bench:
    """A lock on a bench, with its time and everything it has said."""

    def __init__(self, profile: str = "yale-yrd", **overrides: object) -> None:
        self.time = VirtualTimebase(MONDAY_NOON)
        self.profile = profiles.load(profile).with_overrides({"drift_ppm": 0.0, **overrides})
        self.lock = LockFirmware(self.profile, self.time)
        self.events: list[FirmwareEvent] = []
        self.lock.listeners.append(self.events.append)

    def give(self, slot: int, code: str, user_type: UserType = FREE) -> Answer:
        return self.lock.users.set_code(slot, code, ENABLED, user_type, Source.RADIO)

    def kinds(self) -> list[Kind]:
        return [event.kind for event in self.events]

    def reason(self, code: str) -> str:
        return self.lock.keypad.type_code(code).reason


def local(when: datetime) -> int:
    """Seconds since 2000-01-01 of a wall clock, computed without the simulator."""
    return int((when - datetime(2000, 1, 1, tzinfo=UTC)).total_seconds())


# ---- memory


def test_a_code_opens_and_says_whose_it_was() -> None:
    bench = Bench()
    assert bench.give(3, "482913") is Answer.OK
    result = bench.lock.keypad.type_code("482913")
    assert (result.opened, result.slot) == (True, 3)
    assert bench.lock.bolt.state is BoltState.UNLOCKED
    assert [(event.kind, event.source, event.slot) for event in bench.events] == [
        (Kind.CODE_ADDED, Source.RADIO, 3),
        (Kind.UNLOCKED, Source.KEYPAD, 3),
    ]


def test_a_duplicate_is_refused_even_of_a_disabled_code_and_changes_nothing() -> None:
    bench = Bench()
    bench.give(3, "482913")
    bench.lock.users.set_status(3, DISABLED)
    assert bench.give(4, "482913") is Answer.DUPLICATE
    assert bench.lock.users.users.keys() == {3}


def test_the_same_digits_again_in_the_same_slot_rewrite_status_and_type() -> None:
    bench = Bench()
    bench.give(3, "482913", UserType.YEAR_DAY)
    bench.lock.users.set_status(3, DISABLED)
    assert bench.give(3, "482913") is Answer.OK
    user = bench.lock.users.users[3]
    assert (user.status, user.type) == (ENABLED, FREE)
    assert bench.lock.users.writes[3] == 3


def test_a_model_that_counts_its_own_slot_calls_a_rewrite_a_duplicate() -> None:
    bench = Bench(duplicate_includes_own_slot=True)
    bench.give(3, "482913")
    assert bench.give(3, "482913") is Answer.DUPLICATE


def test_memory_is_full_before_the_slots_are() -> None:
    bench = Bench("danalock-v3", code_memory=2)
    assert [bench.give(slot, f"10000{slot}") for slot in range(3)] == [
        Answer.OK,
        Answer.OK,
        Answer.FULL,
    ]
    assert bench.give(1, "999999") is Answer.OK, "an overwrite needs no room"


@pytest.mark.parametrize(
    ("slot", "code", "answer"),
    [
        (1, "123", Answer.FAILURE),
        (1, "123456789", Answer.FAILURE),
        (1, "12a4", Answer.INVALID),
        (1, "", Answer.INVALID),
        (251, "1234", Answer.FAILURE),
        (0, "1234", Answer.FAILURE),
    ],
)
def test_what_the_memory_does_not_take(slot: int, code: str, answer: Answer) -> None:
    bench = Bench()
    assert bench.give(slot, code) is answer
    assert not bench.lock.users.users
    assert not bench.events


def test_clearing_an_empty_slot_succeeds_without_a_write_or_a_word() -> None:
    bench = Bench()
    assert bench.lock.users.clear_code(7, Source.RADIO) is Answer.OK
    assert not bench.lock.users.writes.total()
    assert not bench.events


def test_the_purge_at_the_keypad_spares_the_master_and_tells_once() -> None:
    bench = Bench()
    bench.lock.keypad.set_code_by_hand(0, "11112222")
    bench.give(1, "1234")
    bench.give(2, "5678")
    bench.events.clear()
    bench.lock.keypad.clear_by_hand(None)
    assert bench.lock.users.users.keys() == {0}
    assert [(event.kind, event.source) for event in bench.events] == [
        (Kind.CODE_DELETED, Source.KEYPAD)
    ]


# ---- windows on the lock


@pytest.mark.parametrize(
    ("offset_s", "opens"), [(-1, False), (0, True), (3599, True), (3600, False)]
)
def test_a_year_day_schedule_is_half_open_on_the_locks_clock(offset_s: int, opens: bool) -> None:
    bench = Bench()
    start = local(datetime(2026, 7, 6, 15, 0, tzinfo=UTC))
    bench.give(5, "482913", UserType.YEAR_DAY)
    assert bench.lock.schedules.set_year_day(5, 0, YearDay(start, start + 3600)) is Answer.OK
    bench.time.advance(3 * 3600 + offset_s)
    assert bench.reason("482913") == ("opened" if opens else "outside_schedule")


def test_a_schedule_user_without_a_schedule_stays_outside() -> None:
    bench = Bench()
    bench.give(5, "482913", UserType.WEEK_DAY)
    assert bench.reason("482913") == "outside_schedule"
    assert bench.kinds()[-1] is Kind.UNLOCK_INVALID_SCHEDULE


@given(minutes=st.integers(0, 100 * 365 * 24 * 60))
def test_week_days_agree_with_the_calendar(minutes: int) -> None:
    instant = datetime(2000, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    sunday_based = instant.isoweekday() % 7
    entry = WeekDay(1 << sunday_based, instant.hour, 0, 23, 59)
    inside = (instant.hour, instant.minute) < (23, 59)
    assert entry.open_at(local(instant)) == inside
    assert not WeekDay(0x7F & ~(1 << sunday_based), 0, 0, 23, 59).open_at(local(instant))


@pytest.mark.parametrize(
    "entry",
    [
        WeekDay(0, 8, 0, 9, 0),
        WeekDay(0x80, 8, 0, 9, 0),
        WeekDay(1, 9, 0, 9, 0),
        WeekDay(1, 22, 0, 6, 0),
        WeekDay(1, 8, 60, 9, 0),
        WeekDay(1, 8, 0, 24, 0),
    ],
)
def test_impossible_week_days_are_refused(entry: WeekDay) -> None:
    bench = Bench()
    assert bench.lock.schedules.set_week_day(1, 0, entry) is Answer.INVALID
    assert not bench.lock.schedules.week_day


@pytest.mark.parametrize("profile", ["sleepy-deadbolt", "kwikset-smartcode"])
def test_a_model_that_does_not_keep_schedules_opens_regardless(profile: str) -> None:
    bench = Bench(profile)
    bench.give(5, "482913", UserType.YEAR_DAY)
    assert bench.reason("482913") == "opened"


def test_a_wrong_clock_moves_the_window() -> None:
    bench = Bench()
    start = local(datetime(2026, 7, 6, 12, 0, tzinfo=UTC))
    bench.give(5, "482913", UserType.YEAR_DAY)
    bench.lock.schedules.set_year_day(5, 0, YearDay(start, start + 600))
    bench.lock.clock.set_utc(MONDAY_NOON + 900)
    assert bench.reason("482913") == "outside_schedule"


def test_clearing_a_schedule_makes_the_user_unrestricted_on_some_models() -> None:
    bench = Bench()
    bench.give(5, "482913", UserType.YEAR_DAY)
    bench.lock.schedules.set_year_day(5, 0, YearDay(0, 1))
    bench.lock.clear_schedule(5, 0, week_day=False)
    assert bench.reason("482913") == "opened"


def test_a_holiday_in_vacation_mode_keeps_everybody_but_the_master_out() -> None:
    bench = Bench()
    bench.give(5, "482913")
    bench.lock.keypad.set_code_by_hand(0, "11112222")
    now = bench.lock.clock.local()
    bench.lock.schedules.holidays[0] = Holiday(now, now + 3600, OperatingMode.VACATION)
    assert bench.reason("482913") == "vacation"
    assert bench.reason("11112222") == "opened"
    bench.time.advance(3600)
    assert bench.reason("482913") == "opened"


# ---- clock


def test_zone_rules_follow_the_zone_database() -> None:
    rules = ZoneRules.of("Europe/Zurich", MONDAY_NOON)
    assert rules.dst_start == datetime(2026, 3, 29, 1, 0, tzinfo=UTC).timestamp()
    assert rules.dst_end == datetime(2026, 10, 25, 1, 0, tzinfo=UTC).timestamp()
    assert (rules.standard_offset_s, rules.dst_shift_s) == (3600, 3600)


@pytest.mark.parametrize(
    ("zone", "summer", "winter"),
    [
        ("Europe/Zurich", 7200, 3600),
        ("Australia/Sydney", 36_000, 39_600),
        ("Asia/Tokyo", 32_400, 32_400),
    ],
)
def test_offsets_in_both_halves_of_the_year(zone: str, summer: int, winter: int) -> None:
    rules = ZoneRules.of(zone, MONDAY_NOON)
    assert rules.offset_s(MONDAY_NOON) == summer
    assert rules.offset_s(datetime(2026, 12, 6, tzinfo=UTC).timestamp()) == winter


def test_a_clock_drifts_and_keeps_what_it_has_drifted() -> None:
    time = VirtualTimebase(MONDAY_NOON)
    clock = LockClock(time, drift_ppm=100)
    time.advance(10_000)
    assert clock.error_s() == pytest.approx(1.0, abs=1e-3)
    clock.drift_ppm = 0
    time.advance(10_000)
    assert clock.error_s() == pytest.approx(1.0, abs=1e-3)


def test_a_pulled_battery_starts_the_clock_at_its_epoch() -> None:
    bench = Bench()
    bench.give(5, "482913")
    bench.lock.lose_power()
    assert bench.reason("482913") == "dead"
    bench.lock.restore_power()
    assert bench.lock.clock.utc() == LOCK_EPOCH
    assert bench.reason("482913") == "opened"


# ---- keypad and bolt


def test_wrong_tries_lock_the_keypad_for_everybody_for_a_while() -> None:
    bench = Bench(wrong_code_limit=3, lockout_s=60)
    bench.give(5, "482913")
    assert [bench.reason("000000") for _ in range(3)] == ["unknown_code"] * 3
    assert bench.kinds()[-1] is Kind.WRONG_CODE_LIMIT
    assert bench.reason("482913") == "locked_out"
    bench.time.advance(60)
    assert bench.reason("482913") == "opened"


def test_asking_for_a_verdict_does_nothing_and_minds_no_lockout() -> None:
    bench = Bench(wrong_code_limit=1)
    bench.give(5, "482913")
    told = len(bench.events)
    assert [bench.lock.keypad.verdict("000000").reason for _ in range(3)] == ["unknown_code"] * 3
    assert not bench.lock.keypad.locked_out
    assert bench.reason("000000") == "unknown_code"
    assert bench.reason("482913") == "locked_out"
    assert bench.lock.keypad.verdict("482913").opened
    assert bench.lock.bolt.state is BoltState.LOCKED
    assert bench.kinds()[told:] == [Kind.UNLOCK_INVALID_CODE, Kind.WRONG_CODE_LIMIT]


def test_a_right_code_forgets_the_wrong_tries() -> None:
    bench = Bench(wrong_code_limit=2)
    bench.give(5, "482913")
    bench.reason("000000")
    bench.reason("482913")
    bench.reason("000000")
    assert bench.reason("482913") == "opened"


def test_a_disabled_code_is_a_wrong_code() -> None:
    bench = Bench()
    bench.give(5, "482913")
    bench.lock.users.set_status(5, DISABLED)
    assert bench.reason("482913") == "disabled"
    assert bench.kinds()[-1] is Kind.UNLOCK_INVALID_CODE


def test_a_jam_is_an_alarm_and_not_an_opening() -> None:
    bench = Bench()
    bench.give(5, "482913")
    bench.lock.bolt.jam()
    assert bench.reason("482913") == "jammed"
    assert bench.lock.bolt.state is BoltState.NOT_FULLY_LOCKED
    assert bench.kinds()[-1] is Kind.JAMMED
    bench.lock.bolt.unjam()
    assert bench.reason("482913") == "opened"


def test_it_relocks_by_itself_once_the_door_is_shut() -> None:
    bench = Bench(auto_relock_s=30)
    bench.give(5, "482913")
    bench.reason("482913")
    bench.lock.bolt.move_door(is_open=True)
    bench.time.advance(45)
    assert Kind.AUTO_LOCKED not in bench.kinds()
    bench.lock.bolt.move_door(is_open=False)
    bench.time.advance(30)
    assert bench.lock.bolt.state is BoltState.LOCKED
    assert bench.kinds()[-1] is Kind.AUTO_LOCKED


def test_whoever_moves_the_bolt_last_ends_the_relock_timer() -> None:
    bench = Bench(auto_relock_s=30)
    bench.lock.turn_thumb(BoltState.UNLOCKED)
    bench.lock.turn_thumb(BoltState.LOCKED)
    bench.time.advance(60)
    assert Kind.AUTO_LOCKED not in bench.kinds()


def test_a_door_that_opens_while_bolted_was_forced() -> None:
    bench = Bench()
    bench.lock.bolt.move_door(is_open=True)
    assert bench.kinds() == [Kind.DOOR_OPENED, Kind.DOOR_FORCED]


def test_the_thumb_turn_works_without_power_and_nobody_hears_of_it() -> None:
    bench = Bench()
    bench.lock.lose_power()
    assert bench.lock.turn_thumb(BoltState.UNLOCKED)
    assert bench.lock.bolt.state is BoltState.UNLOCKED
    assert not bench.events


def test_the_radio_needs_a_code_where_the_lock_wants_one() -> None:
    bench = Bench(requires_pin_for_radio=True)
    bench.give(5, "482913")
    assert bench.lock.operate_by_radio(BoltState.UNLOCKED, None) is Answer.DENIED
    assert bench.lock.operate_by_radio(BoltState.UNLOCKED, "482913") is Answer.OK
    assert bench.events[-1].slot == 5


# ---- memory across restarts


def test_everything_survives_a_restart_of_the_simulator() -> None:
    bench = Bench()
    bench.give(5, "482913", UserType.WEEK_DAY)
    bench.lock.schedules.set_week_day(5, 0, WeekDay(0x7F, 8, 0, 18, 0))
    bench.lock.clock.set_utc(MONDAY_NOON - 120)
    bench.lock.settings["auto_relock_s"] = 17
    bench.lock.turn_thumb(BoltState.UNLOCKED)
    again = LockFirmware(bench.profile, bench.time)
    again.load(bench.lock.dump())
    assert again.dump() == bench.lock.dump()
    assert again.clock.error_s() == pytest.approx(-120)
    assert again.keypad.type_code("482913").opened


def test_a_factory_reset_leaves_nothing_but_the_counters() -> None:
    bench = Bench()
    bench.give(5, "482913", UserType.YEAR_DAY)
    bench.lock.schedules.set_year_day(5, 0, YearDay(1, 2))
    bench.lock.settings["auto_relock_s"] = 17
    bench.lock.factory_reset()
    assert not bench.lock.users.users
    assert not bench.lock.schedules.year_day
    assert bench.lock.settings["auto_relock_s"] == 0
    assert bench.lock.users.writes[5] == 1


def test_the_log_keeps_the_newest_and_forgets_the_rest() -> None:
    bench = Bench(log_records=3)
    for slot in range(1, 6):
        bench.give(slot, f"10000{slot}")
    assert len(bench.lock.log) == 3
    assert bench.lock.log.unread
    oldest, newest = bench.lock.log.read(1), bench.lock.log.read(0)
    assert oldest is not None
    assert newest is not None
    assert (oldest.number, oldest.slot, newest.number, newest.slot) == (3, 3, 5, 5)
    assert bench.lock.log.read(4) is None
    assert not bench.lock.log.unread


def test_no_digits_in_the_repr_of_anything_that_holds_them() -> None:
    bench = Bench()
    bench.give(5, "482913")
    bench.reason("482913")
    assert "482913" not in repr(bench.events) + repr(bench.lock.users.users)


# ---- profiles


@pytest.mark.parametrize("name", profiles.names())
def test_every_profile_loads(name: str) -> None:
    profile = profiles.load(name)
    assert profile.model
    assert profile.slots > 0


def test_an_unknown_fact_or_a_wrong_type_is_refused_by_name() -> None:
    profile = profiles.load("yale-yrd")
    with pytest.raises(profiles.ProfileError, match="'slot'"):
        profile.with_overrides({"slot": 3})
    with pytest.raises(profiles.ProfileError, match="slots must be int"):
        profile.with_overrides({"slots": "3"})
    with pytest.raises(profiles.ProfileError, match="known: august-pro, danalock-v3"):
        profiles.load("yale")


# ---- codes that are used up, the erase code, cards and fingers


def test_a_code_that_opens_twice() -> None:
    bench = Bench()
    bench.lock.users.set_code(3, "482913", ENABLED, FREE, Source.RADIO, uses=2)
    assert [bench.reason("482913") for _ in range(3)] == ["opened", "opened", "used_up"]
    again = Bench()
    again.lock.load(bench.lock.dump())
    assert again.reason("482913") == "used_up"


def test_memory_from_before_there_were_cards_and_used_up_codes() -> None:
    bench = Bench()
    bench.give(3, "482913")
    old = bench.lock.dump()
    del old["tokens"]
    old["users"]["users"] = [entry[:4] for entry in old["users"]["users"]]
    again = Bench()
    again.lock.load(old)
    assert again.reason("482913") == "opened"


def test_the_erase_code_spares_the_master() -> None:
    bench = Bench()
    bench.give(3, "482913")
    bench.lock.keypad.set_code_by_hand(0, "771234")
    bench.lock.settings["erase_code"] = "990011"
    assert bench.reason("990011") == "erase_code"
    assert [user.code for user in bench.lock.users.users.values()] == ["771234"]


def test_no_erase_code_is_no_code() -> None:
    bench = Bench()
    bench.give(3, "482913")
    assert bench.reason("") == "unknown_code"
    assert len(bench.lock.users.users) == 1


def test_listeners_at_the_keypad_and_what_a_change_takes_away() -> None:
    bench = Bench()
    typed: list[tuple[str, str]] = []
    bench.lock.keypad.listeners.append(lambda code, result: typed.append((code, result.reason)))
    bench.give(3, "482913")
    bench.give(3, "739201")
    bench.reason("739201")
    bench.lock.users.clear_code(3, Source.RADIO)
    assert typed == [("739201", "opened")]
    assert [event.old_code for event in bench.events] == [None, "482913", None, "739201"]


def test_cards_open_within_their_window_and_days() -> None:
    bench = Bench(cards=1)
    lock = bench.lock
    noon = lock.clock.local()
    assert lock.tokens.put(Source.CARD, 77, YearDay(noon, noon + 3600)) is Answer.OK
    assert lock.tokens.put(Source.CARD, 78, None) is Answer.FULL
    assert lock.tokens.put(Source.CARD, 77, YearDay(5, 5)) is Answer.INVALID
    assert lock.reader.present(Source.CARD, 77).opened
    lock.tokens.held[Source.CARD, 77].weekly.append(WeekDay(0b0000100, 0, 0, 23, 59))  # Tuesday
    assert lock.reader.present(Source.CARD, 77).reason == "outside_schedule"
    again = Bench(cards=1)
    again.lock.load(lock.dump())
    assert again.lock.tokens.held == lock.tokens.held
    assert lock.tokens.remove(Source.CARD, 78) is Answer.FAILURE
    lock.factory_reset()
    assert lock.reader.present(Source.CARD, 77).reason == "unknown_token"
    lock.lose_power()
    assert lock.reader.present(Source.CARD, 77).reason == "dead"


def test_a_card_opens_nothing_on_holiday_and_when_it_is_jammed() -> None:
    bench = Bench(cards=1)
    lock = bench.lock
    lock.tokens.put(Source.CARD, 77, None)
    lock.bolt.jam()
    assert lock.reader.present(Source.CARD, 77).reason == "jammed"
    lock.bolt.unjam()
    lock.imposed_mode = lambda: OperatingMode.VACATION
    assert lock.reader.present(Source.CARD, 77).reason == "vacation"
