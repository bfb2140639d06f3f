"""Codes, cards and fingers of the simulated TTLock: over the air and at the door."""

from __future__ import annotations

import pytest

from firmware_sims.firmware.model import Source
from tests.unit.sims.ttlock_bench import (
    END,
    START,
    Bench,
    Phone,
    add_code,
    manager,
    minute,
    text,
)

FOREVER = bytes([0, 1, 1, 0, 0])


def remove(code: str, kind: int = 3) -> bytes:
    return bytes([3, kind]) + text(code)


def modify(old: str, new: str, dates: bytes = b"", kind: int = 3) -> bytes:
    return bytes([5, kind]) + text(old) + text(new) + dates


def listing(phone: Phone) -> list[bytes]:
    """Every record of 07, page after page."""
    records: list[bytes] = []
    following = 0
    while following != 0xFFFF:
        data = phone.do(0x07, following.to_bytes(2, "big"))
        if data[:2] == b"\x00\x00":
            break
        assert int.from_bytes(data[:2], "big") == len(data) - 2
        following = int.from_bytes(data[2:4], "big")
        rest = data[4:]
        while rest:
            records.append(rest[1 : 1 + rest[0]])
            rest = rest[1 + rest[0] :]
    return records


# ---- a code's life


def test_a_period_code_opens_within_its_minutes() -> None:
    bench = Bench()
    assert manager(bench).do(0x03, add_code("482913")) == bytes([100, 2])
    assert bench.types("482913") == "outside_schedule"
    bench.time.advance(3 * 3600 - 1)
    assert bench.types("482913") == "outside_schedule"
    bench.time.advance(1)
    assert bench.types("482913") == "opened"
    bench.time.advance(44 * 3600 - 1)
    assert bench.types("482913") == "opened"
    bench.time.advance(1)
    assert bench.types("482913") == "outside_schedule"


def test_the_window_follows_the_locks_clock_and_no_other() -> None:
    bench = Bench()
    phone = manager(bench)
    phone.do(0x03, add_code("482913"))
    phone.do(0x43, bytes([26, 7, 6, 15, 0, 0]))
    assert bench.types("482913") == "opened"


def test_a_one_time_code_opens_once_within_its_window() -> None:
    bench = Bench()
    phone = manager(bench)
    phone.do(0x03, add_code("482913", kind=2, start=minute(7, 6, 12, 0), end=minute(7, 6, 18, 0)))
    assert bench.state["uses_left"] == {"1": 1}
    assert bench.types("482913") == "opened"
    assert bench.types("482913") == "used_up"
    assert bench.state["uses_left"] == {"1": 0}
    late = Bench()
    manager(late).do(0x03, add_code("482913", kind=2, start=START, end=END))
    assert late.types("482913") == "outside_schedule"
    late.time.advance(3 * 3600)
    assert late.types("482913") == "opened"


def test_a_one_time_code_is_not_used_up_by_a_jam() -> None:
    bench = Bench()
    manager(bench).do(0x03, add_code("482913", 2, minute(7, 6, 12, 0), END))
    bench.firmware.bolt.jam()
    assert bench.types("482913") == "jammed"
    bench.firmware.bolt.unjam()
    assert bench.types("482913") == "opened"


def test_a_permanent_code_has_no_end() -> None:
    bench = Bench()
    manager(bench).do(0x03, add_code("482913", kind=1, start=FOREVER))
    bench.time.advance(10 * 365 * 86_400)
    assert bench.types("482913") == "opened"


def test_removed_is_removed() -> None:
    bench = Bench()
    phone = manager(bench)
    phone.do(0x03, add_code("482913", 1, FOREVER))
    assert phone.do(0x03, remove("482913")) == bytes([100, 3])
    assert bench.codes == set()
    assert bench.types("482913") == "unknown_code"
    assert phone.refused(0x03, remove("482913")) == 0x15


def test_clear_leaves_the_administrators_code() -> None:
    bench = Bench()
    phone = manager(bench)
    phone.do(0x53, bytes([7, 7, 1, 2, 3, 4]))
    phone.do(0x03, add_code("482913"))
    phone.do(0x03, b"\x01")
    assert bench.codes == {"771234"}
    assert phone.do(0x65) == text("771234")


def test_modify_changes_digits_or_window_in_place() -> None:
    bench = Bench()
    phone = manager(bench)
    phone.do(0x03, add_code("482913"))
    slot = bench.firmware.users.holder("482913")
    phone.do(0x03, modify("482913", "482913", minute(7, 6, 11, 0) + END))
    assert bench.types("482913") == "opened"
    phone.do(0x03, modify("482913", "739201", minute(7, 6, 11, 0) + END))
    assert bench.firmware.users.holder("739201") == slot
    assert (bench.types("482913"), bench.types("739201")) == ("unknown_code", "opened")
    phone.do(0x03, modify("739201", "8888"))
    assert bench.types("8888") == "opened"
    (record,) = listing(phone)
    assert record == bytes([3]) + text("8888") + text("482913") + minute(7, 6, 11, 0) + END


def test_modify_can_lift_a_window_and_leave_the_digits_out() -> None:
    bench = Bench()
    phone = manager(bench)
    phone.do(0x03, add_code("482913"))
    phone.do(0x03, bytes([5, 1]) + text("482913") + b"\x00" + FOREVER + END)
    assert bench.types("482913") == "opened"


@pytest.mark.parametrize(
    ("payload", "error"),
    [
        (add_code("482913"), 0x14),
        (add_code("771234"), 0x14),  # the administrator's
        (add_code("990011"), 0x14),  # the erase code
        (add_code("123"), 0x0F),
        (add_code("1234567890"), 0x0F),
        (add_code("12a4"), 0x20),
        (add_code("4444", kind=4), 0x20),
        (add_code("4444", kind=9), 0x20),
        (add_code("4444", start=END, end=START), 0x20),
        (add_code("4444", start=minute(13, 1, 0, 0)), 0x20),
        (add_code("4444", kind=1) + b"\x00", 0x17),
        (add_code("4444")[:-5], 0x17),
        (add_code("4444")[:-1], 0x17),
        (modify("4444", "5555"), 0x15),
        (modify("771234", "5555"), 0x15),
        (modify("482913", "739201"), 0x14),
        (modify("482913", "771234"), 0x14),
        (modify("482913", "12"), 0x0F),
        (modify("482913", "482913", END + START), 0x20),
        (remove("4444"), 0x15),
        (remove("771234"), 0x15),
        (remove("482913") + b"\x00", 0x17),
    ],
)
def test_refusals_leave_everything_as_it_was(payload: bytes, error: int) -> None:
    bench = Bench()
    phone = manager(bench)
    phone.do(0x53, bytes([7, 7, 1, 2, 3, 4]))
    phone.do(0x44, bytes([9, 9, 0, 0, 1, 1]) + b"\xff" * 4)
    phone.do(0x03, add_code("482913"))
    phone.do(0x03, add_code("739201", 1, FOREVER))
    before = bench.firmware.dump()
    assert phone.refused(0x03, payload) == error
    assert bench.firmware.dump() == before


def test_full() -> None:
    bench = Bench()
    bench.profile = bench.profile.with_overrides({"slots": 2})
    bench.make()
    phone = manager(bench)
    phone.do(0x03, add_code("1111"))
    phone.do(0x03, add_code("2222"))
    assert phone.refused(0x03, add_code("3333")) == 0x16
    phone.do(0x03, remove("1111"))
    phone.do(0x03, add_code("3333"))
    assert bench.codes == {"2222", "3333"}


# ---- the list


def test_list_is_empty() -> None:
    assert manager(Bench()).do(0x07, bytes(2)) == bytes(2)


def test_list_has_every_kind() -> None:
    phone = manager(Bench())
    phone.do(0x03, add_code("1111", 1, FOREVER))
    phone.do(0x03, add_code("2222", 2))
    phone.do(0x03, add_code("3333", 3))
    cycle = (7).to_bytes(2, "big")
    phone.do(0x03, bytes([6, 4]) + text("44444444") + text("4444") + START + cycle)
    assert listing(phone) == [
        bytes([1]) + text("1111") * 2 + FOREVER,
        bytes([2]) + text("2222") * 2 + START + END,
        bytes([3]) + text("3333") * 2 + START + END,
        bytes([4]) + text("4444") + text("44444444") + START + cycle,
    ]


def test_a_list_that_ends_with_an_empty_page_as_captured() -> None:
    # kind3r/ttlock-sdk-js, "Bad CRC quest": 0017 00b4 14 01 06 "123456" 06 "123456" 0001010000,
    # asked again: 0000. The next sequence counts slots in another way there.
    phone = manager(Bench("ttlock-keypad"))
    phone.do(0x03, add_code("123456", 1, FOREVER))
    data = phone.do(0x07, bytes(2))
    assert data.hex() == "00170001140106313233343536063132333435360001010000"
    assert phone.do(0x07, data[2:4]) == bytes(2)


def test_list_comes_in_pages() -> None:
    phone = manager(Bench())
    codes = [f"{100000 + number}" for number in range(40)]
    for code in codes:
        phone.do(0x03, add_code(code))
    assert [record[2:8].decode() for record in listing(phone)] == codes
    assert phone.do(0x07, (40).to_bytes(2, "big")) == bytes(2)
    assert all(len(raw) <= 12 + 128 + 16 + 3 for raw in phone.raw)


def test_codes_set_at_the_keypad_are_listed_as_permanent() -> None:
    bench = Bench()
    bench.firmware.keypad.set_code_by_hand(5, "5555")
    assert listing(manager(bench)) == [bytes([1]) + text("5555") * 2 + FOREVER]


def test_a_recovered_workday_code_opens_on_workdays() -> None:
    bench = Bench()
    phone = manager(bench)
    payload = bytes([6, 4]) + text("44444444") + text("4444") + FOREVER
    phone.do(0x03, payload + (7).to_bytes(2, "big"))
    opened = []
    for _ in range(7):  # from Monday
        opened.append(bench.types("4444") == "opened")
        bench.time.advance(86_400)
    assert opened == [True] * 5 + [False] * 2
    assert not phone.is_open()
    assert manager(bench).refused(0x03, payload + (99).to_bytes(2, "big")) == 0x20


# ---- the door


def test_wrong_tries_lock_the_keypad() -> None:
    bench = Bench()
    manager(bench).do(0x03, add_code("482913", 1, FOREVER))
    for _ in range(5):
        assert bench.types("0000") == "unknown_code"
    assert bench.types("482913") == "locked_out"
    bench.time.advance(300)
    assert bench.types("482913") == "opened"
    assert bench.records == [93, 7, 7, 7, 7, 7, 48, 4]


def test_the_erase_code_takes_every_guests_code() -> None:
    bench = Bench()
    phone = manager(bench)
    phone.do(0x03, add_code("482913"))
    phone.do(0x44, bytes([9, 9, 0, 0, 1, 1]) + b"\xff" * 4)
    assert bench.types("990011") == "erase_code"
    assert bench.codes == set()
    assert bench.records == [93, 10, 8]
    phone.do(0x44, b"\xff" * 10)
    assert bench.types("990011") == "unknown_code"


def test_admin_and_erase_code_may_not_be_one() -> None:
    phone = manager(Bench())
    phone.do(0x44, bytes([9, 9, 0, 0, 1, 1]) + b"\xff" * 4)
    assert phone.refused(0x53, bytes([9, 9, 0, 0, 1, 1])) == 0x10
    phone.do(0x53, bytes([1, 2, 3, 4, 5, 6]))
    assert phone.refused(0x44, bytes([1, 2, 3, 4, 5, 6]) + b"\xff" * 4) == 0x10
    assert phone.refused(0x44, bytes([1, 2, 3, 4])) == 0x17
    assert phone.refused(0x53, bytes([1, 2, 30])) == 0x20
    assert phone.refused(0x31, bytes(60)) == 0x17


def test_frozen_opens_to_nobody() -> None:
    bench = Bench()
    phone = manager(bench)
    phone.do(0x03, add_code("482913", 1, FOREVER))
    phone.do(0x61, bytes([2, 1]))
    assert bench.types("482913") == "vacation"
    ps = phone.challenge()
    assert phone.bolt(0x47, ps).error == 0x1C
    assert bench.records == [93, 53, 52]
    phone.do(0x61, bytes([2, 0]))
    assert bench.types("482913") == "opened"


def test_dead_bolted_from_inside() -> None:
    bench = Bench()
    phone = manager(bench)
    phone.do(0x03, add_code("482913", 1, FOREVER))
    bench.skin.actions["dead_bolt_on"]()
    assert bench.types("482913") == "privacy"
    ps = phone.challenge()
    assert phone.bolt(0x47, ps).error == 0x1E
    bench.skin.actions["dead_bolt_off"]()
    assert phone.bolt(0x47, ps).status == 1
    assert bench.records == [93, 59, 38, 41, 60, 1]


def test_dead_locked_by_the_app_until_the_app_unlocks() -> None:
    bench = Bench()
    phone = manager(bench)
    phone.do(0x03, add_code("482913", 1, FOREVER))
    ps = phone.challenge()
    assert phone.bolt(0x69, ps).status == 1
    assert bench.types("482913") == "privacy"
    assert phone.bolt(0x47, ps).status == 1
    assert bench.types("482913") == "opened"


def test_passage_keeps_it_open() -> None:
    bench = Bench()
    phone = manager(bench)
    phone.do(0x36, bytes([2, 0, 30]))
    phone.do(0x03, add_code("482913", 1, FOREVER))
    entry = bytes([1, 1, 0, 9, 0, 17, 0])  # Mondays from nine to five
    phone.do(0x66, bytes([2]) + entry)
    assert phone.do(0x66, bytes([1, 0])) == bytes([100, 1, 0xFF]) + entry
    bench.types("482913")
    bench.time.advance(60)
    assert not bench.locked()
    bench.time.advance(5 * 3600)
    bench.types("482913")
    bench.time.advance(60)
    assert bench.locked()
    phone = manager(bench)
    phone.do(0x66, bytes([3]) + entry)
    assert phone.refused(0x66, bytes([3]) + entry) == 0x20
    assert phone.refused(0x66, bytes([2, 1, 9, 0, 9, 0, 17, 0])) == 0x20
    phone.do(0x66, bytes([2, 2, 31, 12, 0, 0, 0, 0]))
    phone.do(0x66, b"\x04")
    assert phone.do(0x66, bytes([1, 0])) == bytes([100, 1, 0xFF])


# ---- cards and fingers

CARD = bytes.fromhex("00bc614e")
LONG_CARD = bytes.fromhex("0000deadbeef0001")
FINGER = bytes.fromhex("0000000004d2")
DAY = minute(7, 6, 9, 0) + minute(7, 6, 17, 0)


def present(bench: Bench, of: Source, raw: bytes) -> str:
    return bench.firmware.reader.present(of, int.from_bytes(raw, "big")).reason


def test_cards_known_by_number() -> None:
    bench = Bench()
    phone = manager(bench)
    assert present(bench, Source.CARD, CARD) == "unknown_token"
    phone.do(0x05, b"\x02" + CARD + DAY)
    phone.do(0x05, b"\x02" + LONG_CARD + DAY)
    assert present(bench, Source.CARD, CARD) == "opened"
    assert phone.do(0x05, bytes([1, 0, 0])) == (
        bytes([100, 1, 0xFF, 0xFF]) + CARD + DAY + LONG_CARD + DAY
    )
    phone.do(0x05, b"\x05" + CARD + minute(7, 6, 13, 0) + minute(7, 6, 17, 0))
    assert present(bench, Source.CARD, CARD) == "outside_schedule"
    phone.do(0x05, b"\x03" + CARD)
    assert present(bench, Source.CARD, CARD) == "unknown_token"
    phone.do(0x05, b"\x04")
    assert bench.state["cards"] == {}
    assert bench.records == [91, 15, 15, 17, 25, 18, 91, 16]


def test_unknown_cards_and_fingers() -> None:
    phone = manager(Bench())
    assert phone.refused(0x05, b"\x03" + CARD) == 0x18
    assert phone.refused(0x05, b"\x05" + CARD + DAY) == 0x18
    assert phone.refused(0x06, b"\x03" + FINGER) == 0x1A
    assert phone.refused(0x06, b"\x05" + FINGER + DAY) == 0x1A
    assert phone.refused(0x05, b"\x02" + CARD[:3] + DAY) == 0x17
    assert phone.refused(0x05, b"\x02" + CARD + DAY[5:] + DAY[:5]) == 0x20


def test_a_card_is_learned_at_the_door() -> None:
    bench = Bench(pads_card=True)
    phone = manager(bench)
    assert phone.do(0x05, b"\x02") == bytes([100, 2, 2])
    bench.time.advance(20)  # while it waits the link is not idle
    assert present(bench, Source.CARD, CARD) == "learned"
    learned = phone.heard[-1]
    assert (learned.echo, learned.status) == (0x05, 1)
    assert learned.data == bytes([100, 2, 1]) + CARD + b"\xff" * 4
    assert present(bench, Source.CARD, CARD) == "opened"


def test_a_finger_is_learned_by_several_touches() -> None:
    bench = Bench()
    phone = manager(bench)
    phone.do(0x06, b"\x02")
    for _ in range(4):
        present(bench, Source.FINGER, FINGER)
    states = [heard.data[2] for heard in phone.heard if heard.echo == 0x06]
    assert states == [2, 3, 3, 3, 1]
    assert phone.heard[-1].data == bytes([100, 2, 1]) + FINGER
    assert present(bench, Source.FINGER, FINGER) == "opened"
    phone.do(0x06, b"\x05" + FINGER + minute(7, 6, 13, 0) + minute(7, 6, 17, 0))
    assert present(bench, Source.FINGER, FINGER) == "outside_schedule"
    assert phone.do(0x06, bytes([6, 0, 0]))[4:10] == FINGER
    phone.do(0x06, b"\x03" + FINGER)
    phone.do(0x06, b"\x04")
    assert bench.records == [21, 20, 22, 23, 24]


def test_learning_ends_by_itself_and_with_the_connection() -> None:
    bench = Bench()
    phone = manager(bench)
    phone.do(0x05, b"\x02")
    bench.time.advance(30)
    assert phone.heard[-1].error == 0x13
    phone.do(0x05, b"\x02")
    phone.disconnect()
    assert present(bench, Source.CARD, CARD) == "unknown_token"
    bench.time.advance(60)
    assert bench.state["cards"] == {}


def test_learning_into_a_full_memory() -> None:
    bench = Bench()
    bench.profile = bench.profile.with_overrides({"cards": 0})
    bench.make()
    phone = manager(bench)
    phone.do(0x05, b"\x02")
    present(bench, Source.CARD, CARD)
    assert (phone.heard[-1].echo, phone.heard[-1].error) == (0x05, 0x16)
    assert phone.refused(0x05, b"\x02" + CARD + DAY) == 0x16


def test_days_of_the_week() -> None:
    bench = Bench()
    phone = manager(bench)
    phone.do(0x05, b"\x02" + CARD + minute(7, 1, 0, 0) + minute(9, 1, 0, 0))
    whose = bytes([2, 4]) + CARD
    tuesday = bytes([1, 2, 0, 9, 0, 17, 0, 0, 0, 0, 0])
    phone.do(0x70, b"\x02" + whose + tuesday)
    assert present(bench, Source.CARD, CARD) == "outside_schedule"
    bench.time.advance(86_400)
    assert present(bench, Source.CARD, CARD) == "opened"
    phone = manager(bench)
    assert phone.do(0x70, b"\x01" + whose) == b"\x01" + whose + tuesday
    phone.do(0x70, b"\x03" + whose + tuesday)
    assert phone.do(0x70, b"\x01" + whose) == b"\x01" + whose
    sunday = bytes([1, 7, 0, 9, 0, 17, 0, 0, 0, 0, 0])
    phone.do(0x70, b"\x02" + whose + sunday)
    assert phone.do(0x70, b"\x01" + whose) == b"\x01" + whose + sunday
    phone.do(0x70, bytes([4, 2, 0]))
    assert phone.do(0x70, b"\x01" + whose) == b"\x01" + whose
    assert phone.refused(0x70, b"\x02" + bytes([3, 0]) + tuesday) == 0x20
    assert phone.refused(0x70, b"\x02" + bytes([1, 6]) + FINGER + tuesday) == 0x1A
    assert phone.refused(0x70, b"\x02" + whose + bytes([2, 1, 0, 9, 0, 17, 0])) == 0x20


@pytest.mark.parametrize(
    ("entry", "opened"),
    [
        (bytes([2, 6, 7, 9, 0, 17, 0]), True),  # 6 July
        (bytes([2, 7, 7, 9, 0, 17, 0]), False),
        (bytes([2, 6, 8, 9, 0, 17, 0]), False),
        (bytes([2, 6, 0, 9, 0, 17, 0]), True),
        (bytes([1, 0, 0, 12, 1, 17, 0]), False),
        (bytes([1, 0, 0, 9, 0, 12, 0]), False),
        (bytes([1, 2, 0, 9, 0, 17, 0]), False),
        (bytes([1, 0, 0, 0, 0, 0, 0]), True),
    ],
)
def test_when_passage_is_on(entry: bytes, opened: bool) -> None:
    bench = Bench()
    manager(bench).do(0x66, b"\x02" + entry)
    assert (bench.firmware.operating_mode.name == "PASSAGE") is opened


def test_a_removal_that_is_cut_short_is_about_no_code() -> None:
    bench = Bench()
    phone = manager(bench)
    bench.faults.arm("busy", on="remove_code", slot=1)
    phone.do(0x03, add_code("482913"))
    assert phone.refused(0x03, b"\x03\x03\x06482") == 0x17
    assert bench.hits == []
    assert phone.refused(0x03, remove("482913")) == 0x13
    assert [hit[2] for hit in bench.hits] == [1]
