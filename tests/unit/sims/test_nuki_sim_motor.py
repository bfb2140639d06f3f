"""Lock actions of the simulated Nuki: steps, what goes wrong, configuration, the button."""

from __future__ import annotations

import struct

import pytest

from firmware_sims.ble.nuki.fields import Error, datetime7, text, u8, u16, u32
from firmware_sims.ble.nuki.frames import Message
from firmware_sims.ble.nuki.words import LockState
from firmware_sims.faults import Fault
from firmware_sims.firmware.model import BoltState
from tests.unit.sims.nuki_bench import (
    ACCEPTED,
    COMPLETE,
    Bench,
    Phone,
    error_of,
    moment,
    owner,
)

UNLOCK, LOCK, UNLATCH, LOCK_N_GO, LOCK_N_GO_UNLATCH, FULL_LOCK = range(1, 7)
STATES, STATUS, ERROR = 0x0C, 0x0E, 0x12


def bolt(bench: Bench) -> BoltState:
    return bench.firmware.bolt.state


def test_unlocking_is_accepted_shown_and_completed() -> None:
    bench = Bench()
    phone = owner(bench)
    mark = len(phone.heard)
    said = phone.act(UNLOCK)
    assert said[0] == ACCEPTED
    assert bolt(bench) is BoltState.LOCKED
    assert phone.states()[1] == LockState.UNLOCKING
    bench.time.advance(2)
    assert bolt(bench) is BoltState.UNLOCKED
    assert phone.since(mark)[1:] == [
        (STATUS, 1),
        (STATES, LockState.UNLOCKING),
        (STATES, LockState.UNLOCKING),  # the one that was asked for
        (STATES, LockState.UNLOCKED),
        (STATUS, 0),
    ]
    states = phone.states()
    assert states[15:18] == bytes([UNLOCK, 0, 0])


def test_what_is_so_already_is_complete_at_once() -> None:
    bench = Bench()
    phone = owner(bench)
    assert phone.act(LOCK) == [COMPLETE]
    assert phone.act(FULL_LOCK) == [COMPLETE]


def test_the_latch_is_held_and_let_go() -> None:
    bench = Bench()
    phone = owner(bench)
    mark = len(phone.heard)
    phone.act(UNLATCH)
    bench.time.advance(2)
    assert bench.state["lock_state"] == "unlatching"
    bench.time.advance(1.5)
    assert bench.state["lock_state"] == "unlatched"
    bench.time.advance(3)
    assert bench.state["lock_state"] == "unlocked"
    assert [state for op, state in phone.since(mark) if op == STATES] == [2, 7, 5, 3]


@pytest.mark.parametrize("action", [LOCK_N_GO, LOCK_N_GO_UNLATCH])
def test_lock_n_go_locks_by_itself(action: int) -> None:
    bench = Bench()
    phone = owner(bench)
    phone.act(action)
    bench.time.advance(3.5 if action == LOCK_N_GO_UNLATCH else 2)
    assert phone.heard[-1] == COMPLETE
    if action == LOCK_N_GO:
        assert bench.state["lock_state"] == "unlocked_lock_n_go"
    assert phone.states()[14] == 20
    bench.time.advance(19)
    assert bolt(bench) is BoltState.UNLOCKED
    bench.time.advance(3)
    assert bolt(bench) is BoltState.LOCKED
    assert phone.states()[2] == 3  # automatic
    actions = [data for kind, data in bench.records if kind == 2]
    assert actions == [f"{action:02x}000000", "02030000"]


def test_what_comes_after_lock_n_go_decides() -> None:
    bench = Bench(idle_disconnect_s=100)
    phone = owner(bench)
    phone.act(LOCK_N_GO)
    bench.time.advance(2)
    phone.act(UNLOCK)
    bench.time.advance(30)
    assert bolt(bench) is BoltState.UNLOCKED
    phone.act(LOCK_N_GO)
    bench.time.advance(2)
    bench.firmware.turn_thumb(BoltState.LOCKED)
    bench.firmware.turn_thumb(BoltState.UNLOCKED)
    bench.time.advance(30)
    assert bolt(bench) is BoltState.UNLOCKED
    assert phone.states()[14] == 0


def test_auto_lock_can_be_switched_off() -> None:
    bench = Bench()
    phone = owner(bench)
    bench.skin.core.config.change({"auto_lock_enabled": 1, "auto_lock_timeout": 30})
    bench.skin.core.config.change({"auto_lock_enabled": 0})
    phone.act(UNLOCK)
    bench.time.advance(600)
    assert bolt(bench) is BoltState.UNLOCKED


def test_one_action_at_a_time() -> None:
    bench = Bench()
    phone = owner(bench)
    phone.act(UNLOCK)
    assert error_of(phone.act(LOCK)[0], 0x0D) == Error.BUSY
    bench.time.advance(2)
    assert bolt(bench) is BoltState.UNLOCKED
    assert phone.act(LOCK)[0] == ACCEPTED


@pytest.mark.parametrize(
    ("trouble", "error", "completion"),
    [
        ("jam", Error.MOTOR_BLOCKED, 1),
        ("clutch", Error.CLUTCH_FAILURE, 6),
        ("voltage", Error.MOTOR_LOW_VOLTAGE, 5),
        ("button", Error.CANCELED, 2),
    ],
)
def test_what_can_go_wrong_on_the_way(trouble: str, error: Error, completion: int) -> None:
    bench = Bench()
    phone = owner(bench)
    match trouble:
        case "jam":
            bench.firmware.bolt.jam()
        case "clutch":
            bench.act("break_clutch")
        case "voltage":
            bench.firmware.set_battery(1)
    assert phone.act(UNLOCK)[0] == ACCEPTED
    if trouble == "button":
        bench.act("press_button")
    bench.time.advance(2)
    assert error_of(phone.heard[-1], 0x0D) == error
    assert bolt(bench) is not BoltState.UNLOCKED
    assert phone.states()[17] == completion
    assert bench.records[-1] == (2, bytes([UNLOCK, 0, 0, completion]).hex())
    assert phone.states()[1] == (LockState.MOTOR_BLOCKED if trouble == "jam" else LockState.LOCKED)


def test_after_the_jam_it_moves_again() -> None:
    bench = Bench()
    phone = owner(bench)
    bench.faults.arm(Fault.STUCK_JAM)
    phone.act(UNLOCK)
    bench.time.advance(2)
    assert bench.types("999999") == "unknown_code"
    bench.faults.disarm()
    phone.act(UNLOCK)
    bench.time.advance(2)
    assert bolt(bench) is BoltState.UNLOCKED


def test_without_calibration_nothing_moves_and_calibrating_helps() -> None:
    bench = Bench()
    phone = owner(bench)
    bench.act("lose_calibration")
    assert phone.states()[1] == LockState.UNCALIBRATED
    assert error_of(phone.act(UNLOCK)[0], 0x0D) == Error.NOT_CALIBRATED
    count = phone.states()[13]
    assert phone.do(0x1A)[0] == ACCEPTED
    assert phone.states()[1] == LockState.CALIBRATION
    bench.time.advance(12)
    assert phone.heard[-1] == COMPLETE
    assert phone.states()[1] == LockState.LOCKED
    assert phone.states()[13] == count + 1
    assert bench.records[-1][0] == 3
    bench.firmware.set_battery(10)
    assert phone.refused(0x1A) == Error.VOLTAGE_TOO_LOW


def test_a_reboot_takes_the_link_and_is_written() -> None:
    bench = Bench()
    phone = owner(bench)
    assert phone.do(0x1D) == [COMPLETE]
    bench.time.advance(0)
    assert not phone.open
    assert bench.peripheral.advertising is None
    assert bench.state["lock_state"] == "boot_run"
    bench.time.advance(4)
    assert bench.records[-1][0] == 4
    assert Phone(bench, phone.key).states()[1] == LockState.LOCKED


def test_the_button_locks_and_opens_and_can_be_switched_off() -> None:
    bench = Bench()
    bench.act("press_button")
    bench.time.advance(2)
    assert bolt(bench) is BoltState.UNLOCKED
    assert bench.records[-1] == (2, "01020000")
    bench.skin.core.config.change({"button_enabled": 0})
    bench.act("press_button")
    bench.time.advance(2)
    assert bolt(bench) is BoltState.UNLOCKED


def test_a_fob_does_what_the_configuration_says() -> None:
    bench = Bench()
    phone = owner(bench)
    assert phone.act(0x82) == [COMPLETE]  # locked already
    assert phone.act(0x81)[0] == ACCEPTED
    bench.time.advance(2)
    assert bolt(bench) is BoltState.UNLOCKED
    bench.skin.core.config.change({"fob_action_1": 0})
    assert phone.act(0x81) == [COMPLETE]


def test_a_name_suffix_is_written_with_the_name() -> None:
    bench = Bench()
    phone = owner(bench)
    phone.act(UNLOCK, text("by house", 20))
    bench.time.advance(2)
    (entry,) = bench.skin.core.log.entries
    assert entry.name == "gateway by house"
    assert phone.key is not None
    assert entry.auth_id == phone.key.auth_id.hex()


def test_auto_lock_is_written_as_such() -> None:
    bench = Bench()
    phone = owner(bench)
    advanced = bytearray(phone.do(0x36, pin=None)[0].payload[2:])
    advanced[15:17] = u16(30)
    advanced[26] = 1
    assert phone.do(0x35, bytes(advanced)) == [COMPLETE]
    phone.act(UNLOCK)
    bench.time.advance(2)
    bench.firmware.bolt.move_door(is_open=True)
    bench.time.advance(30)
    assert bolt(bench) is BoltState.UNLOCKED
    bench.firmware.bolt.move_door(is_open=False)
    bench.time.advance(30)
    assert bolt(bench) is BoltState.LOCKED
    assert bench.records[-1] == (2, "02060000")
    phone = Phone(bench, phone.key) if not phone.open else phone
    assert phone.states()[2] == 6


# ---- what it says of itself


def test_states_byte_by_byte() -> None:
    bench = Bench()
    phone = owner(bench)
    bench.firmware.set_battery(18)
    bench.firmware.bolt.move_door(is_open=True)
    assert phone.states() == (
        bytes([2, 1, 0])
        + datetime7(moment(7, 6, 12, 0))
        + struct.pack("<h", 120)
        + bytes([9 << 2 | 1, 0, 0])
        + bytes([0, 0, 0])
        + bytes([3, 0, 0b101])
    )


def test_the_battery_report() -> None:
    bench = Bench()
    phone = owner(bench)
    bench.firmware.set_battery(50)
    (report,) = phone.ask(0x01, u16(0x11))
    assert report.op == 0x11
    assert len(report.payload) == 17
    assert int.from_bytes(report.payload[2:4], "little") == 5200


def test_the_configuration_is_read_and_written_back() -> None:
    bench = Bench()
    phone = owner(bench)
    (told,) = phone.do(0x14, pin=None)
    old = told.payload
    assert old[:4] == u32(0x721A2B3C)
    assert old[4:36].rstrip(b"\0") == b"Nuki_721A2B3C"
    count = phone.states()[13]
    offset = old[56:58]
    new = text("front door", 32) + old[36:49] + offset + old[58:59] + old[60:65] + old[72:74]
    assert phone.do(0x13, new) == [COMPLETE]
    assert phone.do(0x14, pin=None)[0].payload[4:36].rstrip(b"\0") == b"front door"
    assert phone.states()[13] == count + 1
    assert phone.refused(0x13, new[:-1]) == Error.BAD_LENGTH
    assert phone.refused(0x35, bytes(29)) == Error.BAD_PARAMETER


def test_the_clock_is_set_and_refused() -> None:
    bench = Bench()
    phone = owner(bench)
    assert phone.do(0x21, datetime7(moment(1, 2, 3, 4))) == [COMPLETE]
    assert phone.states()[3:10] == datetime7(moment(1, 2, 3, 4))
    assert phone.refused(0x21, bytes(7)) == Error.BAD_PARAMETER


# ---- faults


def test_a_lost_answer_takes_the_whole_conversation_with_it() -> None:
    bench = Bench()
    phone = owner(bench)
    bench.faults.arm(Fault.ANSWER_LOST, on="unlock")
    assert phone.act(UNLOCK) == []
    mark = len(phone.heard)
    bench.time.advance(2)
    assert phone.since(mark) == []
    assert bolt(bench) is BoltState.UNLOCKED
    assert bench.hits == [(Fault.ANSWER_LOST, "unlock", None)]


def test_a_withheld_answer_brings_the_rest_when_it_comes() -> None:
    bench = Bench()
    phone = owner(bench)
    bench.faults.arm(Fault.WITHHOLD_ANSWER, on="unlock")
    assert phone.act(UNLOCK) == []
    bench.time.advance(2)
    mark = len(phone.heard)
    bench.queue.release()
    assert phone.since(mark) == [(STATUS, 1), (STATES, 2), (STATES, 3), (STATUS, 0)]


def test_an_action_that_is_only_said() -> None:
    bench = Bench()
    phone = owner(bench)
    bench.faults.arm(Fault.NOT_APPLIED, on="unlock")
    assert phone.act(UNLOCK) == [ACCEPTED, COMPLETE]
    bench.time.advance(5)
    assert bolt(bench) is BoltState.LOCKED


def test_a_slow_lock_and_one_that_restarts() -> None:
    bench = Bench()
    phone = owner(bench)
    bench.faults.arm(Fault.SLOW, on="unlock", seconds=3.0)
    assert phone.act(UNLOCK) == []
    bench.time.advance(3)
    assert phone.since(len(phone.heard) - 2) == [(STATUS, 1), (STATES, 2)]
    bench.time.advance(2)
    bench.faults.arm(Fault.RESET, on="lock")
    phone.act(LOCK)
    assert not phone.open
    bench.time.advance(2)
    assert bolt(bench) is BoltState.UNLOCKED
    assert bench.advertising


def test_an_unlocking_that_never_was() -> None:
    bench = Bench()
    phone = owner(bench)
    bench.faults.arm(Fault.PHANTOM_EVENT, on="get_status")
    before = bench.records
    mark = len(phone.heard)
    phone.say(0x01, u16(0x0C))
    assert sorted(phone.since(mark)) == [(STATES, 1), (STATES, 3)]
    assert bench.records == before
    assert bolt(bench) is BoltState.LOCKED


def test_power_that_goes_in_the_middle_of_an_action() -> None:
    bench = Bench()
    phone = owner(bench)
    phone.act(UNLOCK)
    bench.faults.arm("dead")
    bench.time.advance(5)
    bench.faults.disarm()
    assert bolt(bench) is BoltState.LOCKED
    phone = Phone(bench, phone.key)
    assert phone.act(UNLOCK)[0] == ACCEPTED


def test_an_error_names_the_command() -> None:
    bench = Bench()
    bench.act("lose_calibration")
    (answer,) = owner(bench).act(UNLOCK)
    assert answer == Message(ERROR, u8(Error.NOT_CALIBRATED) + u16(0x0D))
