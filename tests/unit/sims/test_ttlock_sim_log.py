"""What the simulated TTLock writes down, lets read, and says unasked."""

from __future__ import annotations

from firmware_sims.ble.ttlock import oplog
from firmware_sims.ble.ttlock.advert import NEW_RECORDS
from firmware_sims.ble.ttlock.oplog import OperationLog, Record
from firmware_sims.firmware.model import BoltState, Source
from tests.unit.sims.ttlock_bench import (
    VENDOR,
    Bench,
    Phone,
    add_code,
    manager,
    minute,
    text,
)

FOREVER = bytes([0, 1, 1, 0, 0])
NOON = bytes([26, 7, 6, 12, 0, 0])


def read(phone: Phone, sequence: int = 0xFFFF) -> tuple[int, list[bytes]]:
    """One page of 25: the next sequence and the records without their lengths."""
    data = phone.do(0x25, sequence.to_bytes(2, "big"))
    if data == b"\x00\x00":
        return sequence, []
    assert int.from_bytes(data[:2], "big") == len(data) - 2
    rest, records = data[4:], []
    while rest:
        records.append(rest[1 : 1 + rest[0]])
        rest = rest[1 + rest[0] :]
    return int.from_bytes(data[2:4], "big"), records


def read_all(phone: Phone, sequence: int = 0xFFFF) -> list[bytes]:
    """Page after page, until there is none."""
    records: list[bytes] = []
    while True:
        sequence, page = read(phone, sequence)
        if not page:
            return records
        records += page


# ---- records


def test_tails_of_what_happens() -> None:
    bench = Bench()
    phone = manager(bench)
    phone.do(0x03, add_code("482913", 3, minute(7, 6, 10, 0), minute(7, 6, 18, 0)))
    bench.types("482913")
    bench.types("0000")
    phone.do(0x03, bytes([5, 3]) + text("482913") + text("739201"))
    bench.time.advance(1)
    phone.bolt(0x47, phone.challenge(uid=0x01020304), 0x6AB13B80)
    phone.do(0x03, bytes([3, 3]) + text("739201"))
    phone.do(0x03, b"\x01")
    later = NOON[:5] + b"\x01"
    expected = [
        bytes([93]) + NOON + b"\x64" + text("482913") + minute(7, 6, 10, 0) + minute(7, 6, 18, 0),
        bytes([4]) + NOON + b"\x64" + text("482913") * 2,
        bytes([7]) + NOON + b"\x64" + text("0000"),
        bytes([5]) + NOON + b"\x64" + text("482913") + text("739201"),
        bytes([1]) + later + b"\x64" + bytes([1, 2, 3, 4]) + bytes.fromhex("6ab13b80"),
        bytes([6]) + later + b"\x64" + text("739201") * 2,
        bytes([8]) + later + b"\x64" + NOON[:5],
    ]
    assert read_all(phone) == expected


def test_the_door_and_hands() -> None:
    bench = Bench()
    firmware = bench.firmware
    firmware.turn_thumb(BoltState.UNLOCKED)
    firmware.bolt.move_door(is_open=True)
    firmware.bolt.move_door(is_open=False)
    firmware.turn_thumb(BoltState.LOCKED)  # writes nothing
    firmware.turn_thumb(BoltState.UNLOCKED, with_key=True)
    firmware.turn_thumb(BoltState.LOCKED, with_key=True)
    firmware.turn_thumb(BoltState.UNLOCKED)
    firmware.keypad.one_touch()
    firmware.bolt.move_door(is_open=True)
    firmware.lose_power()
    firmware.restore_power()
    assert bench.records == [32, 31, 30, 27, 36, 32, 47, 31, 29, 14]


def test_a_door_sensor_that_is_switched_off_writes_nothing() -> None:
    bench = Bench()
    manager(bench).do(0x36, bytes([2, 0xFF, 0xFF, 0]))
    bench.firmware.bolt.move_door(is_open=True)
    assert bench.records == [29]


def test_jam() -> None:
    bench = Bench()
    phone = manager(bench)
    bench.faults.arm("stuck-jam")
    ps = phone.challenge()
    assert phone.bolt(0x47, ps).error == 0x13
    assert phone.bolt(0x58, ps).error == 0x13
    assert bench.records == [65, 66]
    assert not bench.locked()


def test_a_bolt_that_throws_itself_writes_nothing_and_is_pushed() -> None:
    bench = Bench()
    phone = manager(bench)
    phone.do(0x36, bytes([2, 0, 10]))
    phone.bolt(0x47, phone.challenge())
    for _ in range(3):
        bench.time.advance(4)
        phone.do(0x34)
    push = phone.heard[-2]
    assert (push.echo, push.status, push.data) == (0x14, 1, bytes([100, 0, 1]))
    assert bench.records == [1]


def test_pushes_of_what_others_do() -> None:
    bench = Bench()
    phone = manager(bench)
    phone.do(0x03, add_code("482913", 1, FOREVER))
    bench.types("482913")
    bench.firmware.bolt.move_door(is_open=True)
    bench.time.advance(0)
    opened, door = phone.heard[-2:]
    assert opened.echo == 0x14
    assert opened.data == bytes([100]) + bytes(4) + (1).to_bytes(4, "big") + NOON
    assert door.data == bytes([100, 1, 0])
    phone.disconnect()
    bench.firmware.bolt.move_door(is_open=False)
    bench.time.advance(0)  # nobody is there; nothing goes anywhere


def test_a_phantom_is_said_and_not_written() -> None:
    bench = Bench()
    phone = Phone(bench)
    bench.faults.arm("phantom-event", on="get_status")
    assert phone.do(0x14, VENDOR) == bytes([100, 0, 1])
    bench.time.advance(0)
    assert phone.heard[-1].data == bytes([100, 1, 1])
    assert bench.records == []


# ---- reading


def test_unread_flag_goes_with_the_last_page() -> None:
    bench = Bench()
    for _ in range(20):
        bench.types("0000")
        bench.time.advance(301)
    assert bench.flags & NEW_RECORDS
    phone = manager(bench)
    total = len(bench.records)
    following, page = read(phone)
    assert 1 < len(page) < total
    assert bench.state["log_unread"]
    assert len(page) + len(read_all(phone, following)) == total
    phone.disconnect()
    assert not bench.flags & NEW_RECORDS
    again = manager(bench)
    assert read(again) == (0xFFFF, [])
    assert len(read_all(again, 0)) == total


def test_an_answer_that_is_lost_takes_its_records_out_of_the_unread_ones() -> None:
    bench = Bench()
    bench.types("0000")
    phone = manager(bench)
    bench.faults.arm("applied-but-answer-lost", on="read_log")
    phone.say(0x25, b"\xff\xff")
    assert read(phone) == (0xFFFF, [])
    assert [record[0] for record in read_all(phone, 0)] == [7]


def test_one_record_in_each_answer_and_an_end_that_says_so() -> None:
    bench = Bench("ttlock-keypad", log_ends_with_ffff=True)
    for code in ("1111", "2222"):
        bench.types(code)
    phone = Phone(bench)
    assert [len(read(phone)[1]) for _ in range(3)] == [1, 1, 0]
    first, page = read(phone, 0)
    assert (first, page[0][8:]) == (1, text("1111"))
    assert read(phone, first)[0] == 0xFFFF


def test_the_ring_keeps_five_hundred() -> None:
    log = OperationLog(500)
    for number in range(1234):
        log.write(Record.WRONG_CODE, text(f"{number:04}"), number, 50)
    assert (len(log), log.entries[0].number, log.entries[-1].number) == (500, 734, 1233)
    unread = log.page(0xFFFF, budget=20, most=9, ends_with_ffff=False)
    assert unread[4:] == log.entries[0].encode()
    assert int.from_bytes(unread[2:4], "big") == 735
    # Long gone: the oldest there is.
    assert log.page(5, budget=20, most=9, ends_with_ffff=False) == unread


def test_numbers_wrap_before_the_one_that_has_a_meaning() -> None:
    log = OperationLog(500)
    for number in range(0xFFFF + 10):
        log.write(Record.POWER_ON, b"", number, 50)
    numbers = [entry.number for entry in log.entries]
    assert numbers[-11:] == [0xFFFE, *range(10)]
    page = log.page(0xFFFE, budget=10, most=1, ends_with_ffff=False)
    assert int.from_bytes(page[2:4], "big") == 0


def test_identities_in_tails() -> None:
    assert oplog.card(12345678).hex() == "00bc614e"
    assert oplog.card(0xDEADBEEF0001).hex() == "0000deadbeef0001"
    assert oplog.finger(1234).hex() == "0000000004d2"
    assert oplog.accessory("38:38:E5:1D:71:FE", 3, 80).hex() == "fe711de538380350"


def test_every_source_of_an_event_has_its_tail() -> None:
    bench = Bench()
    for of in (Source.CARD, Source.FINGER):
        bench.firmware.tokens.put(of, 77, None)
        bench.firmware.reader.present(of, 77)
    bench.skin.actions["dead_bolt_on"]()
    for of in (Source.CARD, Source.FINGER):
        bench.firmware.reader.present(of, 77)
    assert bench.records == [15, 17, 21, 20, 59, 39, 40]
    tails = [entry.tail for entry in bench.skin.core.log.entries]
    assert [len(tail) for tail in tails] == [4, 4, 6, 6, 0, 4, 6]


def test_models_differ_in_what_they_write() -> None:
    bench = Bench(logs_auto_lock=True, logs_code_changes=False)
    phone = manager(bench)
    phone.do(0x03, add_code("482913", 1, FOREVER))
    phone.do(0x36, bytes([2, 0, 5]))
    bench.types("482913")
    bench.time.advance(5)
    assert bench.records == [4, 45]


def test_a_card_on_a_frozen_lock() -> None:
    bench = Bench()
    bench.firmware.tokens.put(Source.CARD, 77, None)
    manager(bench).do(0x61, bytes([2, 1]))
    assert bench.firmware.reader.present(Source.CARD, 77).reason == "vacation"
    assert bench.records == [15, 53]


def test_a_code_taken_at_the_keypad_leaves_no_original_behind() -> None:
    bench = Bench()
    manager(bench).do(0x03, add_code("482913"))
    bench.firmware.keypad.clear_by_hand(1)
    bench.firmware.keypad.set_code_by_hand(1, "739201")
    assert bench.state["original_codes"] == {}
    assert bench.records == [93, 6, 93]
    assert bench.skin.core.log.entries[1].tail == text("482913") * 2
