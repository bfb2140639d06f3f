"""Faults and switches of the simulated TTLock, by name."""

from __future__ import annotations

import random

import pytest

from firmware_sims.ble.device import SettingsError
from firmware_sims.ble.ttlock.advert import DORMANT
from firmware_sims.ble.ttlock.facts import Facts
from firmware_sims.ble.ttlock.frames import BadFrame, Frame
from firmware_sims.faults import Fault, FaultError, Faults
from firmware_sims.zigbee.door_lock import COMMAND_NAMES
from tests.unit.sims.ttlock_bench import KEY, VENDOR, Bench, Phone, add_code, manager, text

FOREVER = bytes([0, 1, 1, 0, 0])
PERMANENT = add_code("482913", 1, FOREVER)


def test_applied_but_answer_lost() -> None:
    bench = Bench()
    phone = manager(bench)
    bench.faults.arm("applied-but-answer-lost", on="add_code")
    before = len(phone.heard)
    phone.say(0x03, PERMANENT)
    assert len(phone.heard) == before
    assert bench.codes == {"482913"}
    assert bench.queue.applied["add_code"] == 1


def test_acknowledged_but_not_applied() -> None:
    bench = Bench()
    phone = manager(bench)
    bench.faults.arm("acknowledged-but-not-applied", on="add_code")
    assert phone.do(0x03, PERMANENT) == bytes([100, 2])
    assert bench.codes == set()
    assert bench.queue.applied["add_code"] == 0


@pytest.mark.parametrize(
    ("fault", "error"), [("full", 0x16), ("duplicate-always", 0x14), ("busy", 0x13)]
)
def test_refusals(fault: str, error: int) -> None:
    bench = Bench()
    phone = manager(bench)
    bench.faults.arm(fault)
    assert phone.refused(0x03, PERMANENT) == error
    assert bench.codes == set()
    assert [hit[1] for hit in bench.hits] == ["add_code"]


def test_a_reading_may_be_refused_and_not_pretended() -> None:
    bench = Bench()
    phone = manager(bench)
    bench.faults.arm("busy", on="list_codes")
    assert phone.refused(0x07, bytes(2)) == 0x13
    bench.faults.arm("acknowledged-but-not-applied", on="list_codes")
    assert phone.do(0x07, bytes(2)) == bytes(2)


def test_faults_for_the_lock_spare_login_and_claiming() -> None:
    bench = Bench()
    bench.faults.arm("busy")
    phone = manager(bench)
    assert bench.hits == []
    assert phone.refused(0x03, PERMANENT) == 0x13


def test_deleted_later() -> None:
    bench = Bench()
    phone = manager(bench)
    bench.faults.arm("deleted-later", seconds=3)
    phone.do(0x03, PERMANENT)
    assert bench.codes == {"482913"}
    bench.time.advance(3)
    assert bench.codes == set()


def test_slow_keeps_the_link_and_the_order() -> None:
    bench = Bench()
    phone = manager(bench)
    bench.faults.arm("slow", on="add_code")
    before = len(phone.heard)
    phone.say(0x03, PERMANENT)
    phone.say(0x14, VENDOR)
    bench.time.advance(5.9)
    assert len(phone.heard) == before
    bench.time.advance(0.1)
    assert [heard.echo for heard in phone.heard[before:]] == [0x03, 0x14]
    assert phone.is_open()


def test_withhold_answer_and_the_connection_it_belongs_to() -> None:
    bench = Bench()
    phone = manager(bench)
    bench.faults.arm("withhold-answer", on="add_code")
    phone.say(0x03, PERMANENT)
    assert (bench.codes, bench.queue.withheld) == ({"482913"}, ["add_code"])
    bench.queue.release()
    assert phone.heard[-1].data == bytes([100, 2])
    bench.faults.arm("withhold-answer", on="remove_code")
    phone.say(0x03, bytes([3, 1]) + text("482913"))
    bench.time.advance(5)
    assert not phone.is_open()
    again = manager(bench)
    before = len(again.heard)
    assert bench.queue.release() == 1
    assert len(again.heard) == before  # whoever asked is gone
    assert bench.codes == set()


def test_reset_drops_link_and_command() -> None:
    bench = Bench()
    phone = manager(bench)
    bench.faults.arm("reset", on="add_code")
    phone.say(0x03, PERMANENT)
    assert not phone.is_open()
    assert bench.air() is None
    bench.time.advance(2)
    assert bench.air() is not None
    assert bench.codes == set()
    assert bench.records == [14]


def test_dead() -> None:
    bench = Bench()
    phone = manager(bench)
    bench.faults.arm("dead")
    assert not phone.is_open()
    assert bench.air() is None
    assert bench.types("482913") == "dead"
    bench.faults.disarm()
    assert bench.air() is not None
    assert manager(bench).do(0x03, PERMANENT)


def test_wrong_stable_crc() -> None:
    bench = Bench()
    bench.faults.arm("wrong-stable-crc")
    phone = Phone(bench)
    for _ in range(2):
        phone.do(0x14, VENDOR)
    first, second = phone.raw
    assert first == second
    with pytest.raises(BadFrame):
        Frame.decode(first)
    bench.faults.disarm()
    phone.do(0x14, VENDOR)
    assert Frame.decode(phone.raw[-1])


def test_wrong_crc_on_one_command_only_or_from_the_factory() -> None:
    bench = Bench()
    bench.faults.arm("wrong-stable-crc", on="set_clock")
    phone = manager(bench)
    phone.do(0x43, bytes([26, 7, 6, 12, 0, 0]))
    with pytest.raises(BadFrame):
        Frame.decode(phone.raw[-1])
    assert Frame.decode(phone.raw[-2])
    faulty = Phone(Bench(wrong_crc=True))
    faulty.do(0x14, VENDOR)
    with pytest.raises(BadFrame):
        Frame.decode(faulty.raw[-1])


def test_disconnect_in_mid_frame() -> None:
    bench = Bench()
    phone = manager(bench)
    bench.faults.arm("disconnect-in-mid-frame", on="add_code")
    before = len(phone.heard)
    phone.say(0x03, PERMANENT)
    assert len(phone.heard) == before
    assert not phone.is_open()
    assert bench.codes == {"482913"}
    assert [hit[:2] for hit in bench.hits] == [(Fault.MID_FRAME, "add_code")]


def test_dormant_refuses_until_it_is_touched() -> None:
    bench = Bench()
    bench.time.advance(91)
    assert _connectable(bench)
    bench.faults.arm("dormant-refuses-connect")
    assert bench.flags & DORMANT
    assert not _connectable(bench)
    assert not Phone(bench).is_open()
    bench.skin.actions["touch_keypad"]()
    assert _connectable(bench)
    assert Phone(bench).is_open()


def test_a_model_may_refuse_by_itself() -> None:
    bench = Bench(refuses_when_dormant=True, dormant_after_s=60)
    assert Phone(bench).is_open()
    bench.time.advance(5 + 60)
    assert not Phone(bench).is_open()
    bench.types("0000")
    assert Phone(bench).is_open()


def _connectable(bench: Bench) -> bool:
    advertising = bench.seen[-1]
    assert advertising == bench.peripheral.advertising
    assert advertising is not None
    return advertising.connectable


def test_faults_that_could_never_strike_are_refused() -> None:
    bench = Bench()
    with pytest.raises(FaultError, match="means nothing to this device"):
        bench.faults.arm("byte-swapped-user-id")
    with pytest.raises(FaultError, match="no command matches"):
        bench.faults.arm("masked-read")
    zigbee = Faults(
        random.Random(1), COMMAND_NAMES, lambda _armed, _name, _slot: None, lambda _fault, _on: None
    )
    for fault in ("wrong-stable-crc", "disconnect-in-mid-frame", "dormant-refuses-connect"):
        with pytest.raises(FaultError, match="means nothing to this device"):
            zigbee.arm(fault)


# ---- switches


def test_auto_lock() -> None:
    bench = Bench()
    phone = manager(bench)
    assert phone.do(0x36, b"\x01") == bytes.fromhex("6401000000050384")
    assert phone.do(0x36, bytes([2, 0, 30])) == bytes([100, 2])
    assert phone.do(0x36, b"\x01")[2:4] == bytes([0, 30])
    assert phone.refused(0x36, bytes([2, 0, 4])) == 0x20
    assert phone.refused(0x36, bytes([2, 9, 0])) == 0x20
    phone.bolt(0x47, phone.challenge())
    assert not bench.locked()
    bench.time.advance(30)
    assert bench.locked()
    manager(bench).do(0x36, bytes([2, 0, 0]))
    assert bench.firmware.settings["auto_relock_s"] == 0


@pytest.mark.parametrize("opcode", [0x37, 0x59, 0x61])
def test_switches(opcode: int) -> None:
    phone = manager(Bench())
    for value in (1, 0):
        assert phone.do(opcode, bytes([2, value])) == bytes([100, 2, value])
        assert phone.do(opcode, b"\x01") == bytes([100, 1, value])
    assert phone.refused(opcode, bytes([2, 2])) == 0x20


def test_audio_lamp_switches_direction_accessory() -> None:
    phone = manager(Bench())
    phone.do(0x62, bytes([2, 1, 5, 0]))
    assert phone.do(0x62, b"\x01") == bytes([100, 1, 1, 5, 0])
    assert phone.refused(0x62, bytes([2, 1, 6, 0])) == 0x20
    phone.do(0x62, bytes([2, 0]))
    assert phone.do(0x62, b"\x01") == bytes([100, 1, 0, 5, 0])
    phone.do(0x67, bytes([2, 0, 60]))
    assert phone.do(0x67, b"\x01") == bytes([100, 1, 0, 60])
    phone.do(0x68, bytes([2]) + (0b011).to_bytes(4, "big") + (0b101).to_bytes(4, "big"))
    assert phone.do(0x68, b"\x01")[-4:] == (0b001).to_bytes(4, "big")
    assert phone.refused(0x68, bytes([2]) + (8).to_bytes(4, "big") * 2) == 0x20
    phone.do(0x71, bytes([2, 1]))
    assert phone.do(0x71, b"\x01") == bytes([1, 1])
    assert phone.do(0x74, bytes([1]) + bytes(6)) == bytes([1, 100])
    assert phone.refused(0x74, bytes([4]) + bytes(6)) == 0x20


def test_device_info() -> None:
    phone = manager(Bench())
    texts = [phone.do(0x90, bytes([selector])).decode() for selector in range(1, 7)]
    assert texts == [
        "SN9206", "1.3", "6.4.21", "20240517", "38:38:E5:1D:71:FE", "20260706120000",
    ]  # fmt: skip
    assert phone.refused(0x90, b"\x07") == 0x20


# ---- settings


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"colour": "red"}, "a TTLock has no 'colour'; known: admin_ps, aes_key"),
        ({"scene": "2"}, "scene must be int"),
        ({"aes_key": KEY.hex()}, "belong together"),
        ({"aes_key": "00", "admin_ps": 1, "unlock_key": 1}, "aes_key must be 16 bytes in hex"),
        ({"variant": "zz"}, "variant must be 6 bytes in hex"),
    ],
)
def test_settings_that_are_wrong_say_which(table: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Facts.of(table)


def test_keys_are_in_no_error_and_no_repr() -> None:
    with pytest.raises(SettingsError) as caught:
        Facts.of({"aes_key": KEY, "admin_ps": 1, "unlock_key": 1})
    assert KEY.hex() not in str(caught.value)
    assert "0x10" not in repr(Bench().skin.core.keys)
    assert repr(Bench().skin.core.keys) == "Keys()"
