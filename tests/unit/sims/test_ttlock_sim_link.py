"""The simulated TTLock on the air: advertisement, connections, claiming, login, sleep."""

from __future__ import annotations

import pytest

from firmware_sims.ble.peripheral import AttError
from firmware_sims.ble.ttlock.advert import DORMANT, NEW_RECORDS, SETTING_MODE, TOUCHED, UNLOCKED
from firmware_sims.ble.ttlock.frames import FACTORY_KEY, Frame, Version, crc8, encrypt, maxim
from firmware_sims.ble.ttlock.peripheral import BATTERY, NOTIFY, WRITE
from firmware_sims.firmware.model import BoltState
from tests.unit.sims.ttlock_bench import (
    ADMIN_PS,
    KEY,
    UNLOCK_KEY,
    VENDOR,
    Bench,
    Phone,
    add_code,
    admin,
    manager,
    minute,
    proof,
    user,
)

# ---- advertisement


def test_advertisement_is_the_captured_one_but_for_its_flags() -> None:
    # Seen on air (kind3r/ttlock-sdk-js): 0503 02 10 64 B000F4F95365 FE711DE53838, dormant, 100 %.
    bench = Bench()
    bench.time.advance(91)
    advertising = bench.peripheral.advertising
    assert advertising is not None
    assert advertising.manufacturer_data[0x0305].hex() == "021064b000f4f95365fe711de53838"
    assert advertising.name == "K5_fe711d"
    assert advertising.service_uuids == ("00001910-0000-1000-8000-00805f9b34fb",)


def test_flags_tell_bolt_records_setting_mode_and_a_hand() -> None:
    assert Bench(claimed=False).flags == SETTING_MODE
    bench = Bench()
    assert bench.flags == 0
    bench.firmware.turn_thumb(BoltState.UNLOCKED)
    assert bench.flags == UNLOCKED | NEW_RECORDS
    bench.skin.actions["touch_keypad"]()
    assert bench.flags & TOUCHED
    bench.time.advance(11)
    assert not bench.flags & TOUCHED


def test_a_sleeping_lock_hides_that_it_is_open() -> None:
    bench = Bench()
    bench.firmware.turn_thumb(BoltState.UNLOCKED)
    bench.time.advance(91)
    assert bench.flags & (DORMANT | UNLOCKED) == DORMANT
    bench.skin.actions["touch_keypad"]()
    assert bench.flags & (DORMANT | UNLOCKED) == UNLOCKED


def test_it_is_silent_while_connected_and_without_power() -> None:
    bench = Bench()
    phone = Phone(bench)
    assert bench.air() is None
    phone.disconnect()
    assert bench.air() is not None
    assert bench.seen[-2] is None
    bench.firmware.lose_power()
    assert bench.air() is None
    bench.firmware.restore_power()
    bench.skin.restarted()
    assert bench.seen[-1] is not None


def test_battery_is_in_the_advertisement() -> None:
    bench = Bench()
    bench.firmware.set_battery(41)
    advertising = bench.seen[-1]
    assert advertising is not None
    assert advertising.manufacturer_data[0x0305][2] == 41


# ---- connection


def test_gatt_table() -> None:
    bench = Bench()
    phone = Phone(bench)
    uuids = {spec.uuid[4:8] for spec in bench.peripheral.services}
    assert uuids == {"1910", "180f", "180a", "1530"}
    assert bench.peripheral.read(BATTERY) == b"\x64"
    with pytest.raises(AttError):
        bench.peripheral.read(NOTIFY)
    with pytest.raises(AttError):
        bench.peripheral.wrote(NOTIFY, b"")
    assert phone.is_open()


def test_answers_come_in_chunks_and_carry_the_locks_own_version() -> None:
    phone = Phone(Bench())
    assert phone.do(0x14, VENDOR) == bytes([100, 0, 1])
    (raw,) = phone.raw
    assert raw[2:11].hex() == "05030200010001" + "54aa"


def test_an_idle_link_is_dropped_and_one_in_use_is_not() -> None:
    bench = Bench()
    phone = Phone(bench)
    for _ in range(3):
        bench.time.advance(4.9)
        phone.do(0x14, VENDOR)
    assert phone.is_open()
    bench.time.advance(5.0)
    assert not phone.is_open()
    assert bench.air() is not None


def test_one_connection_at_a_time() -> None:
    bench = Bench()
    first = Phone(bench)
    second = _Second()
    bench.peripheral.connected(second)
    assert not second.open
    assert first.do(0x14, VENDOR)


class _Second:
    """A line of somebody else."""

    open = True

    def notify(self, characteristic: str, data: bytes) -> None:
        raise AssertionError("nobody spoke on this line")

    def disconnect(self) -> None:
        self.open = False


def test_half_a_frame_dies_with_its_connection() -> None:
    bench = Bench()
    phone = Phone(bench)
    bench.peripheral.wrote(WRITE, Frame(Version(), 0x14, encrypt(VENDOR, KEY)).encode()[:20])
    phone.disconnect()
    again = Phone(bench)
    assert again.do(0x14, VENDOR)
    assert len(again.heard) == 1


def test_a_wrong_checksum_is_refused() -> None:
    phone = Phone(Bench())
    phone.write(Frame(Version(), 0x14, encrypt(VENDOR, KEY)).encode(wrong_crc=True))
    assert (phone.heard[0].echo, phone.heard[0].error) == (0x14, 0x01)


def test_another_protocol_or_key_gets_no_answer() -> None:
    phone = Phone(Bench())
    phone.say(0x14, VENDOR, Version(protocol_version=4))
    phone.write(Frame(Version(), 0x14, encrypt(VENDOR, FACTORY_KEY)).encode())
    assert phone.heard == []


def test_unknown_commands_and_operations() -> None:
    phone = manager(Bench())
    assert phone.refused(0x7E) == 0x1B
    assert phone.refused(0x03, b"\x04") == 0x1B
    assert phone.refused(0x36) == 0x1B
    assert phone.refused(0x06, bytes([7, 0, 0, 1])) == 0x1B


# ---- claiming


def claim(bench: Bench) -> Phone:
    """The whole of it, up to and without 57."""
    phone = Phone(bench, FACTORY_KEY)
    assert phone.do(0x45) == b""
    key = phone.do(0x19, VENDOR)
    assert len(key) == 16
    phone.key = key
    secrets = (12345678).to_bytes(4, "big") + (23456789).to_bytes(4, "big")
    assert phone.do(0x56, secrets + VENDOR) == VENDOR
    phone.do(0x43, bytes([26, 7, 6, 12, 0, 0]))
    phone.do(0x01)
    phone.do(0x36, bytes([2, 0, 30]))
    phone.do(0x53, bytes([1, 2, 3, 4, 5, 6]))
    phone.do(0x31, bytes([26]) + bytes(60))
    return phone


def test_claiming() -> None:
    bench = Bench(claimed=False)
    phone = claim(bench)
    assert bench.skin.core.setting_mode
    phone.do(0x57)
    assert bench.state["keys"] == {
        "aes_key": phone.key.hex(),
        "admin_ps": 12345678,
        "unlock_key": 23456789,
        "flag_pos": 0,
    }
    assert phone.do(0x90, b"\x01") == b"SN9206"
    assert phone.do(0x90, b"\x05") == b"38:38:E5:1D:71:FE"
    phone.disconnect()
    assert not bench.flags & SETTING_MODE
    assert bench.types("123456") == "opened"


def test_half_a_claim_leaves_it_for_everybody() -> None:
    bench = Bench(claimed=False)
    claim(bench).disconnect()
    assert bench.flags & SETTING_MODE
    assert bench.state["keys"] is None
    phone = claim(bench)
    phone.do(0x57)
    assert bench.state["claimed"]


def test_claiming_out_of_order() -> None:
    phone = Phone(Bench(claimed=False), FACTORY_KEY)
    assert phone.refused(0x19, b"somebody") == 0x1D
    assert phone.refused(0x56, bytes(8) + VENDOR) == 0x13
    assert phone.refused(0x57) == 0x06


def test_a_claimed_lock_is_not_claimed_again() -> None:
    phone = Phone(Bench())
    assert phone.refused(0x45) == 0x07
    assert phone.refused(0x19, VENDOR) == 0x07
    assert phone.refused(0x56, bytes(8) + VENDOR) == 0x07
    assert phone.refused(0x57) == 0x07


def test_an_unclaimed_lock_knows_nobody() -> None:
    bench = Bench(claimed=False)
    phone = Phone(bench, FACTORY_KEY)
    assert phone.refused(0x55, user()) == 0x06
    assert phone.refused(0x25, b"\xff\xff") == 0x06
    assert phone.do(0x14, VENDOR) == bytes([100, 0, 1])
    # Whoever holds the keys of a former life is told so, and cannot read it.
    phone.write(Frame(Version(), 0x55, encrypt(user(), KEY)).encode())
    assert (phone.heard[-1].echo, phone.heard[-1].error) == (0x55, 0x06)


def test_factory_reset_over_the_air_and_by_hand() -> None:
    bench = Bench()
    phone = manager(bench)
    phone.do(0x03, add_code("482913"))
    phone.do(0x52)
    assert bench.state["keys"] is None
    assert bench.codes == set()
    assert bench.records == []
    phone.disconnect()
    assert bench.flags & SETTING_MODE
    other = Bench()
    held = Phone(other)
    other.firmware.factory_reset()
    other.skin.factory_reset()
    assert not held.is_open()
    assert other.flags == SETTING_MODE


# ---- login


def test_user_login_and_unlock() -> None:
    bench = Bench()
    phone = Phone(bench)
    ps = phone.challenge(uid=0x01020304)
    answer = phone.bolt(0x47, ps)
    assert answer.status == 1
    assert answer.data == bytes([100, 1, 2, 3, 4]) + (1_790_000_000).to_bytes(4, "big") + bytes(
        [26, 7, 6, 12, 0, 0]
    )
    assert not bench.locked()
    assert phone.do(0x14, VENDOR) == bytes([100, 1, 1])
    assert phone.bolt(0x58, ps).status == 1
    assert bench.locked()


def test_unlocking_needs_a_login_and_the_right_sum() -> None:
    bench = Bench()
    phone = Phone(bench)
    assert phone.bolt(0x47, 0).error == 0x12
    ps = phone.challenge()
    assert phone.bolt(0x47, ps + 1).error == 0x02
    assert bench.locked()


def test_a_challenge_is_worth_something_on_its_connection_only() -> None:
    bench = Bench()
    phone = Phone(bench)
    ps = phone.challenge()
    phone.disconnect()
    again = Phone(bench)
    assert again.bolt(0x47, ps).error == 0x12
    assert again.challenge() != ps
    assert again.bolt(0x47, ps).error == 0x02


def test_management_needs_the_administrator() -> None:
    bench = Bench()
    phone = Phone(bench)
    assert phone.refused(0x03, add_code("482913")) == 0x12
    phone.challenge()
    assert phone.refused(0x03, add_code("482913")) == 0x02
    ps = int.from_bytes(phone.do(0x41, admin()), "big")
    assert phone.refused(0x03, add_code("482913")) == 0x02
    assert phone.bolt(0x47, ps).status == 1  # as good as a user's login
    phone.do(0x30, proof(ps))
    phone.do(0x03, add_code("482913"))
    assert bench.codes == {"482913"}


def test_administrators_secrets() -> None:
    phone = Phone(Bench())
    assert phone.refused(0x30, bytes(4)) == 0x12
    assert phone.refused(0x41, admin(ADMIN_PS + 1)) == 0x03
    ps = int.from_bytes(phone.do(0x41, admin()), "big")
    assert phone.refused(0x30, proof(ps, UNLOCK_KEY + 1)) == 0x02
    assert phone.refused(0x41, admin()[:-1]) == 0x17
    assert phone.refused(0x52) == 0x02


def test_a_lenient_model_takes_changes_from_whoever_has_the_key() -> None:
    bench = Bench("ttlock-keypad")
    Phone(bench).do(0x03, add_code("482913"))
    assert bench.codes == {"482913"}


def test_revoked_keys() -> None:
    bench = Bench()
    assert bench.skin.actions["revoke_keys"]() == {"flag_pos": 1}
    phone = Phone(bench)
    assert phone.refused(0x55, user()) == 0x0D
    assert phone.refused(0x41, admin()) == 0x0D
    phone.login_admin(flag_pos=5)
    assert bench.state["keys"]["flag_pos"] == 5
    assert phone.refused(0x55, user(flag_pos=4)) == 0x0D


def test_a_users_window_is_kept_by_the_locks_own_clock() -> None:
    bench = Bench()
    phone = Phone(bench)
    assert phone.refused(0x55, user(start=minute(7, 6, 12, 1))) == 0x11
    assert phone.refused(0x55, user(end=minute(7, 6, 11, 59))) == 0x0E
    assert phone.do(0x55, user(minute(7, 6, 12, 0), minute(7, 6, 12, 0)))
    bench.firmware.clock.set_utc(bench.time.now() - 3600)
    assert phone.refused(0x55, user(start=minute(7, 6, 12, 0))) == 0x11


def test_a_window_in_bcd_is_taken_as_it_comes() -> None:
    # roquerodrigo/ttlock-ble sends 0001311400 and 9911301400 as BCD.
    phone = Phone(Bench())
    assert phone.do(0x55, user(bytes.fromhex("0001311400"), bytes.fromhex("9911301400")))


# ---- clock


def test_clock_is_a_wall_clock_that_knows_no_summer_time() -> None:
    bench = Bench()
    phone = manager(bench)
    assert phone.do(0x34) == bytes([26, 7, 6, 12, 0, 0])
    phone.do(0x43, bytes([26, 7, 6, 12, 5, 30]))
    assert phone.do(0x34) == bytes([26, 7, 6, 12, 5, 30])
    assert bench.firmware.clock.error_s() == 330
    phone.do(0x43, bytes([26, 7, 6, 12, 0, 0]))
    assert bench.firmware.clock.error_s() == 0
    phone.disconnect()
    bench.time.advance(150 * 86_400)  # into December: it was never told
    again = manager(bench)
    assert again.do(0x34) == bytes([26, 12, 3, 12, 0, 0])
    assert again.do(0x43, bytes([26, 12, 3, 11, 0, 0])) == b""
    assert bench.firmware.clock.error_s() == 0
    assert bench.state["wall_clock"] == "2026-12-03T11:00:00"


def test_clock_refuses_what_is_no_time() -> None:
    phone = manager(Bench())
    assert phone.refused(0x43, bytes([26, 13, 6, 12, 0, 0])) == 0x20
    assert phone.refused(0x43, bytes([26, 12, 6, 12, 0])) == 0x17


def test_clock_drifts_and_starts_at_its_epoch_after_a_power_cut() -> None:
    bench = Bench()
    bench.firmware.clock.drift_ppm = 100.0
    bench.time.advance(100_000)
    assert bench.firmware.clock.error_s() == pytest.approx(10.0)
    bench.firmware.lose_power()
    bench.firmware.restore_power()
    assert Phone(bench).do(0x34)[:3] == bytes([0, 1, 1])


def test_features_are_two_words_with_the_low_bits_first() -> None:
    bench = Bench(features=[0, 1, 4, 34])
    assert Phone(bench).do(0x01) == bytes.fromhex("640000001300000004")


def test_an_old_model_sends_one_word_of_features() -> None:
    # kind3r/hass-addons #34
    bench = Bench("ttlock-keypad", features=[0, 4, 5, 6, 7, 8, 12, 13, 14, 15, 18])
    assert Phone(bench).do(0x01) == bytes.fromhex("640004f1f1")


def test_a_new_model_sends_four() -> None:
    # kind3r/hass-addons #41, with the features that its author was shown
    low = [0, 4, 5, 6, 7, 8, 10, 12, 13, 14, 15, 18, 22, 23, 24, 28, 29, 30]
    bench = Bench(features=[*low, 36, 40, 42], feature_words_sent=4)
    captured = bytes.fromhex("64 71c4f5f1 00000510 00000000 00000000")
    assert Phone(bench).do(0x01) == captured


def test_a_strict_model_wants_the_vendors_checksum() -> None:
    payload = encrypt(b"\x03\x01" + bytes([6]) + b"482913", KEY)
    raw = Frame(Version(), 0x03, payload).encode()
    assert crc8(raw[:-3]) != maxim(raw[:-3])  # such a frame
    by_the_book = raw[:-3] + bytes([maxim(raw[:-3])]) + raw[-2:]
    for strict, error in ((False, 0x12), (True, 0x01)):
        phone = Phone(Bench(strict_crc=strict))
        phone.write(by_the_book)
        assert phone.heard[-1].error == error


def test_what_the_model_cannot_do_is_an_invalid_command() -> None:
    phone = manager(Bench(features=[0]))
    assert phone.refused(0x05, bytes([1, 0, 0])) == 0x1B
    assert phone.refused(0x62, b"\x01") == 0x1B


# ---- memory


def test_everything_survives_a_restart() -> None:
    bench = Bench(claimed=False)
    phone = claim(bench)
    phone.do(0x57)
    phone.do(0x03, add_code("482913"))
    phone.do(0x03, add_code("739201", kind=2))
    phone.do(0x05, bytes([2]) + bytes.fromhex("00bc614e") + minute(7, 6, 0, 0) + minute(9, 1, 0, 0))
    phone.do(0x66, bytes([2, 1, 1, 0, 9, 0, 17, 0]))
    before = bench.state
    records = bench.skin.core.log.entries
    listing = phone.do(0x07, bytes(2))
    bench.restart()
    assert bench.state == before
    assert bench.skin.core.log.entries == records
    again = Phone(bench, phone.key)
    ps = int.from_bytes(again.do(0x41, admin(12345678)), "big")
    again.do(0x30, proof(ps, 23456789))
    assert again.do(0x07, bytes(2)) == listing
