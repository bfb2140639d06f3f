"""Z-Wave command classes of the simulated locks, as bytes and against the firmware's truth.

Here: what needs no air: security, supervision, schedules, logs, credentials, faults, memory. The
bytes are laid out by hand from the specification; Z-Wave JS reads them in
`tests/contracts/test_zwave_sim.py`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from firmware_sims.clock import VirtualTimebase
from firmware_sims.firmware.model import BoltState
from firmware_sims.journal import Journal
from firmware_sims.zwave.application import COMMAND_NAMES
from firmware_sims.zwave.cc_schedule import Daily
from firmware_sims.zwave.cc_user_code import crc_ccitt
from firmware_sims.zwave.devices import ZwaveLock
from firmware_sims.zwave.spec import parse_lock

if TYPE_CHECKING:
    from pathlib import Path

MONDAY_NOON = datetime(2026, 6, 1, 12, tzinfo=UTC).timestamp()
SUCCESS, FAIL, NO_SUPPORT = "ff", "02", "00"


class Bench:
    """A lock that holds a key, and everything it has said."""

    def __init__(self, profile: str = "zwave-deadbolt", memory: Path | None = None) -> None:
        self.time = VirtualTimebase(MONDAY_NOON)
        spec = parse_lock({"name": "front", "profile": profile})
        self.lock = ZwaveLock(spec, self.time, Journal(), 1, memory)
        self.lock.firmware.clock.set_utc(MONDAY_NOON)
        self.said: list[tuple[str, bool]] = []
        self.lock.radio.air = self
        if not self.lock.radio.joined:
            self.lock.radio.told(2, {"2": "00" * 16})
        self.lock.application.lifeline = [1]

    def order(self, op: str, **arguments: Any) -> None:
        if op == "send":
            self.said.append((arguments["cc"], arguments["secure"]))

    def ask(self, command: str, *, secure: bool = True) -> list[str]:
        """What the lock says to one command, and by itself because of it."""
        self.said.clear()
        self.lock.application.on_command(bytes.fromhex(command), secure=secure)
        self.time.advance(1)
        return [said for said, _ in self.said]

    def supervised(self, command: str) -> str:
        """The status that ends a supervised command."""
        data = bytes.fromhex(command)
        said = self.ask(bytes((0x6C, 1, 5, len(data), *data)).hex())
        (status,) = [item for item in said if item.startswith("6c02")]
        assert status[4:6] == "05"
        return status[6:8]


def test_every_command_that_faults_can_be_armed_on_exists() -> None:
    bench = Bench()
    for command in ("630103013437313100", "630203", "620100", "7105060000"):
        bench.ask(command)
    known = {name for name in bench.lock.queue.received if not name.startswith("cc.")}
    assert known <= COMMAND_NAMES


@pytest.mark.parametrize("command", ["620100", "6301030134373131", "6c010504620100ff"])
def test_what_comes_without_the_key_is_not_heard(command: str) -> None:
    bench = Bench()
    assert bench.ask(command, secure=False) == []
    assert bench.lock.firmware.bolt.state is BoltState.LOCKED
    assert bench.lock.firmware.users.users == {}


def test_a_lock_without_a_key_is_no_lock() -> None:
    bench = Bench()
    bench.lock.radio.told(2, {})
    assert bench.ask("620202", secure=False) == []
    assert bench.ask("861362", secure=False) == ["86146204"]
    assert bench.said[0][1] is False


def test_supervision_ends_with_what_became_of_the_command() -> None:
    bench = Bench()
    assert bench.supervised("620100") == SUCCESS
    assert bench.lock.firmware.bolt.state is BoltState.UNLOCKED
    bench.lock.firmware.bolt.jam()
    assert bench.supervised("6201ff") == FAIL
    assert bench.supervised("6201") == FAIL
    assert bench.supervised("62ee") == NO_SUPPORT


def test_a_duplicate_is_refused_and_told_to_everybody() -> None:
    bench = Bench()
    assert bench.supervised("6301030134373131") == SUCCESS
    assert bench.supervised("6301040134373131") == FAIL
    assert [said for said in bench.ask("6301040134373131") if said.startswith("7105")] == [
        "7105000000ff060f8003"
    ]
    assert list(bench.lock.firmware.users.users) == [3]


def test_a_code_has_the_length_that_the_parameter_says() -> None:
    bench = Bench("schlage-be469")
    assert bench.supervised("630103013437313135") == FAIL
    assert bench.supervised("7004100105") == SUCCESS
    assert bench.supervised("630103013437313135") == SUCCESS


def test_who_unlocked_is_told_as_the_model_tells_it() -> None:
    for profile, parameter in (("schlage-be469", "8103"), ("kwikset-620", "63030301")):
        bench = Bench(profile)
        bench.ask("6301030134373131")
        assert 3 in bench.lock.firmware.users.users
        bench.said.clear()
        bench.lock.firmware.keypad.type_code("4711")
        bench.time.advance(1)
        told = [said for said, _ in bench.said if said.startswith("7105000000ff0606")]
        assert len(told) == 1
        assert parameter in told[0]
        assert "34373131" not in told[0]


def test_the_checksum_is_the_published_one() -> None:
    """CRC-CCITT from 0x1D0F over "123456789" is 0xE5CC (reveng.sourceforge.io, SPI-FUJITSU)."""
    assert crc_ccitt(b"123456789") == 0xE5CC


def test_daily_schedules_run_over_midnight() -> None:
    sunday_ten_at_night = Daily(days_mask=0b0000001, start_min=22 * 60, minutes=4 * 60)
    first_sunday = 86_400  # 2000-01-01 was a Saturday
    hour = 3600
    assert not sunday_ten_at_night.open_at(first_sunday + 22 * hour - 1)
    assert sunday_ten_at_night.open_at(first_sunday + 22 * hour)
    assert sunday_ten_at_night.open_at(first_sunday + 26 * hour - 1)
    assert not sunday_ten_at_night.open_at(first_sunday + 26 * hour)
    assert not sunday_ten_at_night.open_at(first_sunday + hour)


def test_a_schedule_needs_a_code_and_binds_it() -> None:
    bench = Bench()
    monday_nine_to_five = "4e030103010109001100"
    assert bench.supervised(monday_nine_to_five) == FAIL
    bench.ask("6301030134373131")
    assert bench.supervised(monday_nine_to_five) == SUCCESS
    assert bench.ask("4e040301") == ["4e0503010109001100"]
    keypad = bench.lock.firmware.keypad
    assert keypad.verdict("4711").opened
    bench.time.advance(5 * 3600)
    assert keypad.verdict("4711").reason == "outside_schedule"
    # New digits for the same user stay bound.
    bench.ask("6301030134373132")
    assert keypad.verdict("4712").reason == "outside_schedule"
    assert bench.supervised("4e010300") == SUCCESS
    assert keypad.verdict("4712").opened
    assert bench.supervised("4e010301") == SUCCESS
    # The last kind that is set is the one in force: all of June 2026.
    assert bench.supervised("4e06010301" + "1a06010000") == FAIL
    assert bench.supervised("4e06010301" + "1a06010000" + "1a07010000") == SUCCESS
    assert keypad.verdict("4712").opened
    assert bench.supervised("4e06000301") == SUCCESS
    assert bench.ask("4e070301") == ["4e080301" + "ff" * 10]
    assert keypad.verdict("4712").opened


def test_a_schedule_goes_with_its_code() -> None:
    bench = Bench()
    bench.ask("6301030134373131")
    assert bench.supervised("4e1001030102160001" + "00") == SUCCESS
    assert bench.ask("4e0e0301") == ["4e0f03010216000100"]
    bench.ask("63010300")
    assert bench.ask("4e0e0301") == ["4e0f03010000000000"]


def test_the_log_tells_who_came_in() -> None:
    bench = Bench()
    bench.ask("6301030134373131")
    bench.lock.firmware.keypad.type_code("4711")
    bench.time.advance(1)
    (record,) = bench.ask("4c0300")
    assert record == "4c040207ea06012c0001020300"
    (empty,) = bench.ask("4c0309")
    assert empty == "4c0409" + "00" * 10


def test_credentials_belong_to_users() -> None:
    bench = Bench("zwave-credentials")
    pin_in_place_5 = "830a00070100050004" + "34373131"
    assert bench.ask(pin_in_place_5)[0].startswith("830c09")  # no such user
    add_user_7 = "83050000070001010000" + "0000"
    assert bench.ask(add_user_7)[0].startswith("830700")
    assert bench.ask(add_user_7)[0].startswith("830705")
    assert bench.ask(pin_in_place_5)[0].startswith("830c00000701000580043437313102")
    assert bench.lock.firmware.users.users[5].code == "4711"
    # The same digits in another place: the report names where they are.
    assert bench.ask("830a00070100060004" + "34373131")[0].startswith("830c07000701" + "0005")
    assert bench.ask(pin_in_place_5)[0].startswith("830c05")
    bench.said.clear()
    assert bench.lock.firmware.keypad.type_code("4711").opened
    bench.time.advance(1)
    assert any(said.startswith("7105000000ff062486000701010005") for said, _ in bench.said)
    # An inactive user's code does not open; a deleted user's is gone.
    assert bench.ask("83050100070000010000" + "0000")[0].startswith("830701")
    assert bench.lock.firmware.keypad.verdict("4711").reason == "disabled"
    assert bench.ask("8305020007")[0].startswith("830702")
    assert bench.lock.firmware.users.users == {}


def test_users_and_credentials_changed_at_the_keypad_are_told_by_reports() -> None:
    """Codes are not told by notifications where there are users (CC:0083.01.05.11.011)."""
    bench = Bench("zwave-credentials")
    keypad = bench.lock.firmware.keypad
    keypad.set_code_by_hand(5, "4711")
    bench.time.advance(1)
    told = [said for said, _ in bench.said]
    assert [said[:6] for said in told] == ["830700", "830c00"]
    assert told[1].startswith("830c000005010005800434373131")
    bench.said.clear()
    keypad.clear_by_hand(5)
    bench.time.advance(1)
    assert [said[:6] for said, _ in bench.said] == ["830c02", "830702"]
    keypad.set_code_by_hand(5, "4711")
    bench.time.advance(1)
    bench.said.clear()
    keypad.clear_by_hand(None)
    bench.time.advance(1)
    assert [said[:14] for said, _ in bench.said] == ["83070200000000"]
    assert (bench.lock.application.people.known, bench.lock.firmware.users.users) == ({}, {})


def test_who_is_not_there_is_told_by_the_number_that_was_asked_for() -> None:
    bench = Bench("zwave-credentials")
    (user,) = bench.ask("83060009")
    assert user.startswith("83070400000000000009")  # modified by nobody
    (pin,) = bench.ask("830b0000010009")
    assert pin == "830c0400000100098000000000000000"


def test_digits_that_are_kept_back() -> None:
    bench = Bench("zwave-credentials")
    assert bench.ask("8303")[0].endswith("00")  # no hash: they are told
    bench.ask("830500000500010000000000")
    bench.ask("830a00050100050004" + "34373131")
    assert "34373131" in bench.ask("830b0000010005")[0]
    bench.lock.faults.arm("masked-read", on="get_pin_code")
    assert bench.ask("830b0000010005")[0].startswith("830c040005010005000002")


@pytest.mark.parametrize("fault", ["full", "busy"])
def test_a_refusal_that_has_no_report_is_silence(fault: str) -> None:
    bench = Bench("zwave-credentials")
    bench.ask("830500000500010000000000")
    bench.lock.faults.arm(fault, on="set_pin_code", count=1)
    assert bench.ask("830a00050100050004" + "34373131") == []
    assert bench.ask("830a00050100050002" + "3437") == []  # too short (CC:0083.01.0A.11.015)
    assert bench.lock.firmware.users.users == {}


def test_faults_strike_between_the_answer_and_the_deed() -> None:
    bench = Bench()
    faults, users = bench.lock.faults, bench.lock.firmware.users.users
    faults.arm("acknowledged-but-not-applied", on="set_pin_code")
    assert bench.supervised("6301030134373131") == SUCCESS
    assert users == {}
    faults.arm("deleted-later", seconds=30)
    assert bench.supervised("6301030134373131") == SUCCESS
    assert 3 in users
    bench.time.advance(30)
    assert users == {}
    faults.arm("duplicate-always", count=1)
    assert bench.supervised("6301030134373131") == FAIL
    faults.arm("masked-read")
    bench.ask("6301030134373131")
    assert bench.ask("630203") == ["630303012a2a2a2a"]
    faults.arm("slow", on="get_pin_code", seconds=6)
    assert bench.ask("630203") == []
    bench.time.advance(6)
    assert [said for said, _ in bench.said] == ["6303030134373131"]


def test_memory_outlasts_the_process(tmp_path: Path) -> None:
    memory = tmp_path / "front.json"
    bench = Bench(memory=memory)
    bench.ask("6301030134373131")
    bench.ask("4e1001030102160001" + "00")
    bench.lock.save()
    again = Bench(memory=memory)
    assert again.lock.radio.node_id == 2
    assert again.lock.radio.keys == {"2": "00" * 16}
    assert again.lock.firmware.users.users[3].code == "4711"
    assert again.ask("4e0e0301") == ["4e0f03010216000100"]


def test_the_sticker() -> None:
    label = Bench().lock.label
    assert label.dsk.count("-") == 7
    assert label.dsk.startswith(label.pin)
    assert label.qr_code.startswith("9001")
    assert label.dsk.replace("-", "") in label.qr_code
    assert label.private_key.hex() not in repr(label)
