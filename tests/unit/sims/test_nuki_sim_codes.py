"""Keypad codes of the simulated Nuki: over the air, at the door, in its log."""

from __future__ import annotations

import pytest

from firmware_sims.ble.nuki.fields import Error, datetime7, u8, u16, u32
from firmware_sims.faults import Fault
from firmware_sims.firmware.model import Source
from tests.unit.sims.nuki_bench import (
    ALWAYS,
    COMPLETE,
    Bench,
    Phone,
    added,
    changed_code,
    error_of,
    listing,
    moment,
    new_code,
    owner,
    terms,
)

MONDAY, SUNDAY = 0x40, 0x01
START, END = moment(7, 6, 15, 0), moment(7, 8, 11, 0)


def log(phone: Phone, start: int = 0, count: int = 100, order: int = 1) -> list[bytes]:
    """Entries of 32, and the count that comes first."""
    total, *entries = phone.do(0x31, u32(start) + u16(count) + u8(order) + u8(1))
    assert entries.pop() == COMPLETE
    assert total.op == 0x33
    return [entry.payload for entry in entries]


# ---- a code's life


def test_a_code_is_added_listed_typed_and_removed() -> None:
    bench = Bench()
    phone = owner(bench)
    code_id = added(phone, 482913)
    assert bench.codes == {"482913"}
    (entry,) = listing(phone)
    assert entry[:6] == u16(code_id) + u32(482913)
    assert entry[6:26].rstrip(b"\0") == b"guest"
    assert entry[26] == 1
    assert entry[27:34] == datetime7(moment(7, 6, 12, 0))
    assert entry[34:41] == bytes(7)
    assert bench.types("482913") == "opened"
    (entry,) = listing(phone)
    assert (entry[34:41], entry[41:43]) == (datetime7(moment(7, 6, 12, 0)), u16(1))
    assert phone.do(0x47, u16(code_id)) == [COMPLETE]
    assert listing(phone) == []
    assert bench.types("482913") == "unknown_code"


def test_a_code_that_opens_nothing_was_not_used() -> None:
    bench = Bench()
    phone = owner(bench)
    added(phone, 482913, terms(START, END))
    assert bench.types("482913") == "outside_schedule"
    (entry,) = listing(phone)
    assert (entry[34:41], entry[41:43]) == (bytes(7), u16(0))


def test_an_id_is_never_given_again() -> None:
    bench = Bench()
    phone = owner(bench)
    first = added(phone, 482913)
    phone.do(0x47, u16(first))
    second = added(phone, 482913)
    assert second > first
    assert phone.refused(0x47, u16(first)) == Error.BAD_PARAMETER
    assert bench.codes == {"482913"}


@pytest.mark.parametrize("code", [48291, 4829133, 482903, 123456, 0, 0xFFFFFFFF])
def test_digits_against_the_rules(code: int) -> None:
    bench = Bench()
    phone = owner(bench)
    assert phone.refused(0x41, new_code(code)) == Error.BAD_PARAMETER
    assert bench.codes == set()


def test_the_same_digits_only_once_and_only_so_many_codes() -> None:
    bench = Bench()
    bench.profile = bench.profile.with_overrides({"slots": 2})
    bench.make()
    phone = owner(bench)
    first = added(phone, 482913)
    assert phone.refused(0x41, new_code(482913)) == Error.CODE_ALREADY_EXISTS
    added(phone, 482914)
    assert phone.refused(0x41, new_code(482915)) == Error.TOO_MANY_ENTRIES
    assert phone.refused(0x46, changed_code(first, 482914)) == Error.CODE_ALREADY_EXISTS
    assert bench.codes == {"482913", "482914"}


def test_a_code_needs_the_owners_pin() -> None:
    bench = Bench()
    phone = owner(bench)
    assert phone.refused(0x41, new_code(482913), pin=1) == Error.BAD_PIN
    assert phone.refused(0x43, u16(0) + u16(9), pin=1) == Error.BAD_PIN
    assert bench.codes == set()


def test_a_change_keeps_the_id_and_can_disable() -> None:
    bench = Bench()
    phone = owner(bench)
    code_id = added(phone, 482913)
    assert phone.do(0x46, changed_code(code_id, 591824, "staff", enabled=False)) == [COMPLETE]
    (entry,) = listing(phone)
    assert entry[:6] == u16(code_id) + u32(591824)
    assert (entry[6:26].rstrip(b"\0"), entry[26]) == (b"staff", 0)
    assert bench.types("482913") == "unknown_code"
    assert bench.types("591824") == "disabled"
    assert phone.do(0x46, changed_code(code_id, 591824)) == [COMPLETE]
    assert bench.types("591824") == "opened"
    assert phone.refused(0x46, changed_code(99, 591825)) == Error.BAD_PARAMETER


def test_a_listing_has_pages() -> None:
    phone = owner(Bench())
    ids = [added(phone, 482911 + number) for number in range(5)]
    count, *entries = phone.do(0x43, u16(3) + u16(10))
    assert count.payload == u16(2)
    assert [entry.payload[:2] for entry in entries[:-1]] == [u16(ids[3]), u16(ids[4])]


def test_a_code_set_by_hand_gets_an_id() -> None:
    bench = Bench()
    phone = owner(bench)
    bench.firmware.keypad.set_code_by_hand(7, "482913")
    assert bench.state["codes"]["1"]["code"] == "482913"
    (entry,) = listing(phone)
    assert entry[:6] == u16(1) + u32(482913)
    bench.firmware.keypad.clear_by_hand(7)
    assert bench.state["codes"] == {}
    bench.firmware.keypad.set_code_by_hand(7, "482914")
    (entry,) = listing(phone)
    assert entry[:6] == u16(2) + u32(482914)


def test_without_a_keypad_there_are_no_codes() -> None:
    phone = owner(Bench(keypad=False))
    assert phone.refused(0x41, new_code(482913)) == Error.UNKNOWN
    assert phone.refused(0x43, u16(0) + u16(9)) == Error.UNKNOWN


# ---- when it opens


def test_dates_open_and_close_to_the_second() -> None:
    bench = Bench()
    added(owner(bench), 482913, terms(START, END))
    assert bench.types("482913") == "outside_schedule"
    bench.time.advance(3 * 3600 - 1)
    assert bench.types("482913") == "outside_schedule"
    bench.time.advance(1)
    assert bench.types("482913") == "opened"
    bench.time.advance(44 * 3600 - 1)
    assert bench.types("482913") == "opened"
    bench.time.advance(1)
    assert bench.types("482913") == "outside_schedule"


def test_days_and_hours_and_dates_hold_together() -> None:
    bench = Bench()
    week = terms(START, moment(7, 20, 0, 0), MONDAY | SUNDAY, (9, 30), (17, 0))
    added(owner(bench), 482913, week)
    opened = []
    for _ in range(24 * 15):
        if bench.types("482913") == "opened":
            opened.append(bench.state["wall_clock"][5:13])
        bench.time.advance(3600)
    first = [f"07-06T{hour}" for hour in (15, 16)]
    days = [f"07-{day}T{hour}" for day in (12, 13, 19) for hour in range(10, 17)]
    assert opened == first + days


def test_hours_may_go_over_midnight() -> None:
    bench = Bench()
    added(owner(bench), 482913, terms(begin=(22, 0), until=(6, 0)))
    opened = []
    for _ in range(24):
        if bench.types("482913") == "opened":
            opened.append(int(bench.state["wall_clock"][11:13]))
        bench.time.advance(3600)
    assert opened == [22, 23, 0, 1, 2, 3, 4, 5]


def test_terms_follow_the_locks_clock_and_no_other() -> None:
    bench = Bench()
    phone = owner(bench)
    added(phone, 482913, terms(START, END))
    assert phone.do(0x21, datetime7(START)) == [COMPLETE]
    assert bench.types("482913") == "opened"
    assert bench.state["wall_clock"] == "2026-07-06T15:00:00"


def test_a_naive_clock_knows_no_summer_time_and_one_in_utc_does() -> None:
    for clock, shown in (("local", "2026-11-02T13:00:00"), ("utc", "2026-11-02T11:00:00")):
        bench = Bench(clock=clock)
        hours = terms(begin=(12, 0), until=(12, 30))
        added(owner(bench), 482913, hours)
        assert bench.types("482913") == "opened"
        bench.time.advance(119 * 86400 + 3600)  # 12:00 in Berlin's winter
        assert bench.state["wall_clock"] == shown
        assert bench.types("482913") == ("opened" if clock == "utc" else "outside_schedule")


def test_dates_of_a_clock_in_utc_are_in_utc() -> None:
    bench = Bench(clock="utc")
    phone = owner(bench)
    added(phone, 482913, terms(moment(7, 6, 11, 0), None))
    bench.time.advance(3599)
    assert bench.types("482913") == "outside_schedule"
    bench.time.advance(1)
    assert bench.types("482913") == "opened"
    assert phone.bench.skin.core.offset_minutes == 120


@pytest.mark.parametrize(
    "when",
    [
        terms(END, START),
        terms(START, START),
        b"\1" + bytes.fromhex("ea07021e000000") + bytes(7) + bytes(5),  # 30 February
        b"\1" + bytes(14) + b"\xff" + bytes(4),
        b"\1" + bytes(14) + b"\0" + bytes([24, 0, 0, 0]),
        b"\2" + bytes(14) + bytes(5),
    ],
)
def test_terms_that_are_none(when: bytes) -> None:
    bench = Bench()
    assert owner(bench).refused(0x41, new_code(482913, when=when)) == Error.BAD_PARAMETER
    assert bench.codes == set()


def test_the_truth_has_the_window_in_the_words_of_all_locks() -> None:
    bench = Bench()
    phone = owner(bench)
    code_id = added(phone, 482913, terms(START, END, MONDAY, (9, 0), (17, 0)))
    schedules = bench.firmware.schedules
    (window,) = schedules.year_day.values()
    assert (window.start_s, window.end_s) == (START, END)
    (week,) = schedules.week_day.values()
    assert (week.days_mask, week.start_hour, week.end_hour) == (0b10, 9, 17)
    phone.do(0x46, changed_code(code_id, 482913))
    assert not schedules.year_day
    assert not schedules.week_day


# ---- the door


def test_wrong_codes_are_written_and_then_nobody_is_heard_for_a_while() -> None:
    bench = Bench()
    added(owner(bench), 482913)
    for _ in range(3):
        assert bench.types("999999") == "unknown_code"
    assert bench.types("482913") == "locked_out"
    assert bench.records[-3:] == [(5, "0101e00000")] * 3
    bench.time.advance(60)
    assert bench.types("482913") == "opened"


def test_the_log_tells_who_came_in_and_who_did_not() -> None:
    bench = Bench()
    phone = owner(bench)
    code_id = added(phone, 482913, terms(START, END))
    bench.types("482913")
    bench.time.advance(4 * 3600)
    phone = Phone(bench, phone.key)
    bench.types("482913")
    bench.firmware.bolt.move_door(is_open=True)
    bench.firmware.bolt.move_door(is_open=False)
    bench.firmware.keypad.one_touch()
    entries = log(phone)
    assert [entry[4 + 7 + 4 + 32 :].hex() for entry in entries] == [
        "05" + "0200000000",  # the arrow of the keypad
        "06" + "0100000000",
        "06" + "0000000000",
        "05" + "010100" + u16(code_id).hex(),
        "05" + "0101e0" + u16(code_id).hex(),
    ]
    assert entries[3][4:11] == datetime7(moment(7, 6, 16, 0))
    assert entries[3][15:47].rstrip(b"\0") == b"guest"


def test_the_log_is_read_from_either_end() -> None:
    bench = Bench(log_records=4)
    phone = owner(bench)
    for _ in range(6):
        bench.firmware.bolt.move_door(is_open=not bench.firmware.bolt.door_open)

    def numbers(*request: int) -> list[int]:
        return [int.from_bytes(entry[:4], "little") for entry in log(phone, *request)]

    assert numbers(0, 100, 0) == [3, 4, 5, 6]
    assert numbers(5, 100, 0) == [5, 6]
    assert numbers(0, 2, 1) == [6, 5]
    assert numbers(4, 100, 1) == [4, 3]
    (wrong,) = phone.do(0x31, u32(0) + u16(1) + u8(2) + u8(0))
    assert error_of(wrong, 0x31) == Error.BAD_PARAMETER


def test_the_log_can_be_switched_off_and_says_so() -> None:
    bench = Bench()
    phone = owner(bench)
    assert phone.do(0x34, b"\0") == [COMPLETE]
    bench.firmware.bolt.move_door(is_open=True)
    assert phone.do(0x34, b"\1") == [COMPLETE]
    assert bench.records == [(1, "00"), (1, "01")]
    count, *_ = phone.do(0x31, u32(0) + u16(1) + u8(1) + u8(1))
    assert count.payload == bytes([1, 2, 0, 1, 1])


def test_the_log_of_the_door_can_be_switched_off() -> None:
    bench = Bench()
    assert bench.act("switch_door_log") == {"enabled": False}
    bench.firmware.bolt.move_door(is_open=True)
    assert bench.act("switch_door_log") == {"enabled": True}
    bench.firmware.bolt.move_door(is_open=False)
    assert bench.records == [(7, "00"), (7, "01"), (6, "01")]


def test_fingers_are_written_with_their_number() -> None:
    bench = Bench()
    bench.profile = bench.profile.with_overrides({"fingers": 5})
    bench.make()
    bench.firmware.tokens.put(Source.FINGER, 9, None)
    assert bench.firmware.reader.present(Source.FINGER, 9).opened
    assert not bench.firmware.reader.present(Source.FINGER, 8).opened
    assert bench.records == [(5, "0102000900"), (5, "0102e10000")]


# ---- faults


def test_an_answer_that_is_lost_was_a_code_that_is_there() -> None:
    bench = Bench()
    phone = owner(bench)
    bench.faults.arm(Fault.ANSWER_LOST, on="add_code")
    assert phone.do(0x41, new_code(482913)) == []
    assert bench.codes == {"482913"}
    assert bench.hits == [(Fault.ANSWER_LOST, "add_code", 1)]


def test_an_answer_without_a_code() -> None:
    bench = Bench()
    phone = owner(bench)
    bench.faults.arm(Fault.NOT_APPLIED, on="add_code")
    (told,) = phone.do(0x41, new_code(482913))
    assert told.op == 0x42
    assert bench.codes == set()
    assert phone.refused(0x47, told.payload[:2]) == Error.BAD_PARAMETER


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.BUSY, Error.BUSY),
        (Fault.FULL, Error.TOO_MANY_ENTRIES),
        (Fault.DUPLICATE, Error.CODE_ALREADY_EXISTS),
    ],
)
def test_refusals_by_fault(fault: Fault, error: Error) -> None:
    bench = Bench()
    phone = owner(bench)
    bench.faults.arm(fault, on="add_code", count=1)
    assert phone.refused(0x41, new_code(482913)) == error
    added(phone, 482913)


def test_a_code_that_vanishes_later_and_digits_that_are_masked() -> None:
    bench = Bench()
    phone = owner(bench)
    bench.faults.arm(Fault.MASKED_READ, on="list_codes")
    bench.faults.arm(Fault.DELETED_LATER, on="add_code")
    added(phone, 482913)
    assert listing(phone)[0][2:6] == u32(0)
    assert listing(phone)[0][2:6] == u32(482913)
    bench.time.advance(5)
    assert listing(phone) == []


def test_a_withheld_answer_comes_when_it_is_let_go() -> None:
    bench = Bench()
    phone = owner(bench)
    bench.faults.arm(Fault.WITHHOLD_ANSWER, on="add_code")
    assert phone.do(0x41, new_code(482913)) == []
    assert bench.codes == {"482913"}
    bench.queue.release()
    assert phone.heard[-1].op == 0x42


def test_a_fault_meant_for_the_lock_spares_challenges() -> None:
    bench = Bench()
    phone = owner(bench)
    bench.faults.arm(Fault.BUSY)
    assert phone.challenge()
    assert phone.refused(0x41, new_code(482913)) == Error.BUSY


# ---- memory


def test_a_restart_forgets_nothing() -> None:
    bench = Bench()
    phone = owner(bench)
    code_id = added(phone, 482913, terms(START, END, MONDAY))
    phone.do(0x19, u16(1234))
    bench.types("482913")
    before = bench.state
    bench.restart()
    assert bench.state == before
    phone = Phone(bench, phone.key, pin=1234)
    assert listing(phone)[0][:6] == u16(code_id) + u32(482913)
    assert added(phone, 482914, ALWAYS) == code_id + 1


def test_a_factory_reset_leaves_nothing_but_its_own_key() -> None:
    bench = Bench()
    phone = owner(bench)
    added(phone, 482913)
    public = bench.skin.core.public_key
    bench.firmware.factory_reset()
    bench.skin.factory_reset()
    assert not phone.open
    state = bench.state
    assert (state["authorizations"], state["codes"], state["security_pin"]) == ([], {}, 0)
    assert state["log_records"] == 0
    assert bench.skin.core.public_key == public
    assert added(owner_with(bench, 0), 482913)


def owner_with(bench: Bench, pin: int) -> Phone:
    phone = owner(bench)
    phone.pin = pin
    return phone


def test_power_loss_costs_the_clock_and_challenges_and_no_code() -> None:
    bench = Bench()
    phone = owner(bench)
    added(phone, 482913, terms(START, END))
    bench.faults.arm("dead")
    assert not phone.open
    assert bench.types("482913") == "dead"
    bench.faults.disarm()
    assert bench.state["wall_clock"].startswith("2000-01-01")
    assert bench.types("482913") == "outside_schedule"
    phone = Phone(bench, phone.key)
    assert phone.do(0x21, datetime7(START)) == [COMPLETE]
    assert bench.types("482913") == "opened"
