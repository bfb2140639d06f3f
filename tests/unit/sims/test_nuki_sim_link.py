"""The simulated Nuki on the air: advertisement, pairing, challenges, PIN, the life of a link."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from firmware_sims.ble.device import SettingsError
from firmware_sims.ble.nuki import frames
from firmware_sims.ble.nuki.advert import (
    APPLE,
    GDIO,
    PAIRING,
    PAIRING_SERVICE,
    SERVICE,
    ULTRA_PAIRING,
    USDIO,
)
from firmware_sims.ble.nuki.fields import Error, Refused, datetime7, text, u8, u16, u32
from firmware_sims.ble.nuki.frames import Message
from firmware_sims.ble.peripheral import AttError
from firmware_sims.faults import Fault
from tests.unit.sims.nuki_bench import (
    ALWAYS,
    COMPLETE,
    PIN,
    ULTRA_PIN,
    Bench,
    Key,
    Phone,
    error_of,
    moment,
    owner,
    paired,
    terms,
)

if TYPE_CHECKING:
    from collections.abc import Callable

UNLOCK, LOCK = 1, 2

# ---- the air


def test_it_is_an_ibeacon_with_its_id_and_odd_until_its_state_is_read() -> None:
    bench = Bench()
    said = bench.advertising.manufacturer_data[APPLE]
    assert said[:2].hex() == "0215"
    assert said[2:18].hex() == "a92ee200550111e4916c0800200c9a66"
    assert said[18:22].hex() == "721a2b3c"
    assert len(said) == 23
    assert bench.advertising.name == "Nuki_721A2B3C"
    assert bench.has_news()
    phone = owner(bench)
    phone.states()
    phone.disconnect()
    assert not bench.has_news()
    bench.firmware.keypad.one_touch()
    assert bench.has_news()


@pytest.mark.parametrize("what", ["open", "battery", "thumb", "config"])
def test_what_changes_its_state_is_news(what: str) -> None:
    bench = Bench()
    phone = owner(bench)
    phone.states()
    phone.disconnect()
    assert not bench.has_news()
    match what:
        case "open":
            bench.firmware.bolt.move_door(is_open=True)
        case "battery":
            bench.firmware.set_battery(40)
        case "thumb":
            bench.firmware.turn_thumb(bench.firmware.bolt.state)
        case "config":
            bench.act("lose_calibration")
    assert bench.has_news()


def test_it_is_silent_while_connected_and_without_power() -> None:
    bench = Bench()
    phone = Phone(bench)
    assert bench.peripheral.advertising is None
    assert not bench.on_air()
    phone.disconnect()
    assert bench.on_air()
    bench.faults.arm("dead")
    assert not bench.on_air()
    bench.faults.disarm()
    assert bench.on_air()


def test_in_pairing_mode_it_says_so_and_only_for_a_while() -> None:
    bench = Bench()
    assert bench.act("press_pairing_button") == {"pairing": True}
    assert bench.advertising.service_data == {PAIRING_SERVICE: bytes.fromhex("721a2b3c")}
    bench.time.advance(29)
    assert bench.state["pairing"]
    bench.time.advance(1)
    assert not bench.state["pairing"]
    assert bench.advertising.service_data == {}


def test_its_services_are_those_of_its_generation() -> None:
    assert [service.uuid for service in Bench().peripheral.services] == [PAIRING_SERVICE, SERVICE]
    ultra = Bench("nuki-ultra").peripheral.services
    assert ultra[0].characteristics[0].uuid == ULTRA_PAIRING
    assert [c.uuid for c in ultra[1].characteristics] == [GDIO, USDIO]


def test_nothing_can_be_read_and_the_other_characteristic_takes_nothing() -> None:
    bench = Bench()
    Phone(bench)
    with pytest.raises(AttError):
        bench.peripheral.read(USDIO)
    with pytest.raises(AttError):
        bench.peripheral.wrote(GDIO, b"\0\0\0\0")


# ---- pairing


def test_whoever_pairs_is_authorised_and_the_mode_ends() -> None:
    bench = Bench()
    key = paired(bench, client=1, name="house")
    (entry,) = bench.state["authorizations"]
    assert (entry["auth_id"], entry["key"]) == (key.auth_id.hex(), key.shared.hex())
    assert (entry["client"], entry["name"], entry["app_id"]) == (1, "house", 77)
    assert not bench.state["pairing"]
    assert Phone(bench, key).states()[1] == 1  # locked


def test_without_the_button_nobody_pairs() -> None:
    answer = Phone(Bench()).plain(0x01, u16(0x03))
    assert error_of(answer, 0x01) == Error.NOT_PAIRING


def test_the_mode_may_end_in_the_middle() -> None:
    bench = Bench(idle_disconnect_s=60)
    bench.act("press_pairing_button")
    phone = Phone(bench)
    phone.plain(0x01, u16(0x03))
    bench.time.advance(30)
    assert error_of(phone.plain(0x03, bytes(range(32))), 0x03) == Error.NOT_PAIRING
    assert bench.state["authorizations"] == []


def test_a_wrong_authenticator_ends_the_conversation() -> None:
    bench = Bench()
    bench.act("press_pairing_button")
    phone = Phone(bench)
    phone.plain(0x01, u16(0x03))
    phone.plain(0x03, bytes(range(1, 33)))
    assert error_of(phone.plain(0x05, bytes(32)), 0x05) == Error.BAD_AUTHENTICATOR
    assert error_of(phone.plain(0x05, bytes(32)), 0x05) == Error.PAIRING_PARAMETER
    assert phone.pair()  # from the beginning


def spoiling(plain: Callable[..., Message], op: int) -> Callable[..., Message]:
    """The first bit of one step is not what it was."""

    def spoiled(said: int, payload: bytes = b"") -> Message:
        wrong = bytes([payload[0] ^ 1]) + payload[1:] if said == op else payload
        return plain(said, wrong)

    return spoiled


def test_a_wrong_authenticator_later_leaves_nobody_authorised() -> None:
    for op in (0x06, 0x1E):
        bench = Bench()
        bench.act("press_pairing_button")
        phone = Phone(bench)

        phone.plain = spoiling(phone.plain, op)  # type: ignore[method-assign]
        with pytest.raises(AssertionError):
            phone.pair()
        assert error_of(phone.heard[-1], op) == Error.BAD_AUTHENTICATOR
        assert bench.state["authorizations"] == []


def test_steps_out_of_turn_and_frames_that_are_none() -> None:
    bench = Bench()
    bench.act("press_pairing_button")
    phone = Phone(bench)
    assert error_of(phone.plain(0x1E, bytes(36)), 0x1E) == Error.PAIRING_PARAMETER
    assert error_of(phone.plain(0x01, u16(0x04)), 0x01) == Error.PAIRING_PARAMETER
    bench.peripheral.wrote(PAIRING, frames.plain(Message(0x01, u16(3)), wrong_crc=True))
    assert phone.heard[-1].payload[0] == Error.BAD_CRC
    bench.peripheral.wrote(PAIRING, b"\1\0")
    assert phone.heard[-1].payload[0] == Error.BAD_LENGTH


def test_there_is_an_end_to_users_and_pairing_again_makes_no_second() -> None:
    bench = Bench(authorizations=1)
    first = paired(bench)
    bench.act("press_pairing_button")
    phone = Phone(bench)
    with pytest.raises(AssertionError):
        phone.pair(secret=bytes(range(1, 33)))
    assert error_of(phone.heard[-1], 0x06) == Error.MAX_USERS
    bench = Bench()
    paired(bench)
    again = paired(bench)
    (entry,) = bench.state["authorizations"]
    assert entry["auth_id"] == again.auth_id.hex() != first.auth_id.hex()


def test_pairing_can_be_switched_off() -> None:
    bench = Bench()
    bench.skin.core.config.change({"pairing_enabled": 0})
    assert bench.act("press_pairing_button") == {"pairing": False}


def test_an_ultra_wants_the_pin_and_no_second_challenge() -> None:
    import hmac

    from nacl.bindings import crypto_box_beforenm, crypto_scalarmult_base

    bench = Bench("nuki-ultra")
    secret = bytes(range(32))
    ours = crypto_scalarmult_base(secret)

    def admitted(pin: int) -> Message:
        bench.act("press_pairing_button")
        phone = Phone(bench)
        peer = phone.plain(0x01, u16(0x03)).payload
        shared = crypto_box_beforenm(peer, secret)
        nonce = phone.plain(0x03, ours).payload
        info = phone.plain(0x05, hmac.digest(shared, ours + peer + nonce, "sha256"))
        assert info.op == 0x4C
        said = Message(0x06, u32(77) + text("gateway", 32) + u32(pin))
        sealed = frames.seal(shared, bytes.fromhex("7fffffff"), said, bytes(24))
        phone.deaf = True
        bench.peripheral.wrote(ULTRA_PAIRING, sealed)
        phone.disconnect()
        answer = frames.unseal(shared, frames.envelope(phone.raw[-1]))
        if answer.op == 0x07:
            key = Key(shared, answer.payload[:4])
            Phone(bench, key, pin=ULTRA_PIN).do(0x20)
        return answer

    assert error_of(admitted(111111), 0x06) == Error.BAD_PIN
    assert bench.state["authorizations"] == []
    answer = admitted(ULTRA_PIN)
    assert answer.op == 0x07
    assert len(answer.payload) == 20
    assert len(bench.state["authorizations"]) == 1


# ---- who may


def test_a_stranger_is_not_authorised() -> None:
    bench = Bench()
    key = paired(bench)
    for stranger in (
        Key(bytes(32), key.auth_id),
        Key(key.shared, u32(99)),
        Key(bytes(32), u32(99)),
    ):
        phone = Phone(bench, stranger)
        phone.say(0x01, u16(0x0C))
        assert phone.heard[-1].payload[0] == Error.NOT_AUTHORIZED
        phone.disconnect()


def test_a_challenge_is_good_once_and_only_the_last_one_is() -> None:
    bench = Bench()
    phone = owner(bench)
    first = phone.challenge()
    second = phone.challenge()
    assert first != second
    config = 0x14
    (answer,) = phone.ask(config, first)
    assert error_of(answer, config) == Error.BAD_NONCE
    (answer,) = phone.ask(config, second)  # the wrong try has used it up
    assert error_of(answer, config) == Error.BAD_NONCE
    third = phone.challenge()
    assert phone.ask(config, third)[0].op == 0x15
    assert error_of(phone.ask(config, third)[0], config) == Error.BAD_NONCE


def test_wrong_pins_are_counted_and_then_none_is_right_for_a_while() -> None:
    bench = Bench()
    phone = owner(bench)
    for _ in range(4):
        assert phone.refused(0x20, pin=1) == Error.BAD_PIN
    assert phone.do(0x20) == [COMPLETE]
    for _ in range(5):
        assert phone.refused(0x20, pin=1) == Error.BAD_PIN
    assert phone.refused(0x20) == Error.TOO_MANY_PIN_ATTEMPTS
    phone.disconnect()
    bench.time.advance(60)
    assert Phone(bench, phone.key).do(0x20) == [COMPLETE]


def test_the_pin_can_be_changed() -> None:
    bench = Bench()
    phone = owner(bench)
    assert phone.refused(0x19, u16(1234), pin=1) == Error.BAD_PIN
    assert phone.do(0x19, u16(1234)) == [COMPLETE]
    assert bench.state["security_pin"] == 1234
    assert phone.refused(0x20, pin=PIN) == Error.BAD_PIN
    assert phone.do(0x20, pin=1234) == [COMPLETE]


@pytest.mark.parametrize("payload", [b"", bytes(31), bytes(35)])
def test_a_payload_of_another_length(payload: bytes) -> None:
    phone = owner(Bench())
    (answer,) = phone.ask(0x20, payload)
    assert answer.payload[0] in (Error.BAD_LENGTH, Error.BAD_NONCE)
    assert error_of(phone.do(0x20, b"x")[0], 0x20) == Error.BAD_LENGTH


def test_commands_it_does_not_know() -> None:
    phone = owner(Bench())
    assert error_of(phone.ask(0x99)[0], 0x99) == Error.UNKNOWN
    assert error_of(phone.ask(0x01, u16(0x99))[0], 0x01) == Error.BAD_PARAMETER
    assert error_of(phone.ask(0x0D, b"\x09")[0], 0x0D) == Error.BAD_PARAMETER
    assert error_of(phone.ask(0x01)[0], 0x01) == Error.BAD_PARAMETER


def test_a_wrong_checksum_inside_the_box_is_told() -> None:
    bench = Bench()
    phone = owner(bench)
    assert phone.key is not None
    raw = frames.seal(
        phone.key.shared, phone.key.auth_id, Message(1, u16(4)), bytes(24), wrong_crc=True
    )
    bench.peripheral.wrote(USDIO, raw)
    assert phone.heard[-1].payload[0] == Error.BAD_CRC


# ---- authorisations


def entries(phone: Phone, offset: int = 0, count: int = 100) -> list[bytes]:
    number, *rest = phone.do(0x09, u16(offset) + u16(count))
    assert rest.pop() == COMPLETE
    assert number == Message(0x27, u16(len(rest)))
    return [entry.payload for entry in rest]


def test_authorisations_are_listed_changed_and_removed() -> None:
    bench = Bench()
    other = paired(bench, client=2, name="fob", secret=bytes(range(1, 33)))
    phone = owner(bench)
    assert phone.key is not None
    assert [entry[:4] for entry in entries(phone)] == [other.auth_id, phone.key.auth_id]
    assert [entry[4] for entry in entries(phone)] == [2, 0]
    assert len(entries(phone, 1)) == len(entries(phone, 0, 1)) == 1
    off = other.auth_id + text("lost fob", 32) + u8(0) + u8(1) + ALWAYS
    assert phone.do(0x25, off) == [COMPLETE]
    assert entries(phone)[0][5:37].rstrip(b"\0") == b"lost fob"
    phone.disconnect()
    fob = Phone(bench, other)
    assert error_of(fob.ask(0x01, u16(4))[0], 0x01) == Error.DISABLED
    fob.disconnect()
    phone = Phone(bench, phone.key)
    assert phone.do(0x08, other.auth_id) == [COMPLETE]
    assert phone.refused(0x08, other.auth_id) == Error.INVALID_AUTH_ID
    assert len(bench.state["authorizations"]) == 1


def test_terms_of_an_authorisation_bind_its_lock_actions() -> None:
    bench = Bench()
    phone = owner(bench)
    assert phone.key is not None
    mornings = terms(begin=(8, 0), until=(11, 0))
    assert phone.do(0x25, phone.key.auth_id + text("me", 32) + b"\1\1" + mornings) == [COMPLETE]
    assert error_of(phone.act(UNLOCK)[0], 0x0D) == Error.TIME_NOT_ALLOWED
    phone.disconnect()
    bench.time.advance(20 * 3600)
    assert Phone(bench, phone.key).act(UNLOCK)[0].op == 0x0E


def test_somebody_who_is_not_here_is_invited_with_a_key() -> None:
    bench = Bench()
    phone = owner(bench)
    shared = bytes(range(50, 82))
    until = terms(None, moment(7, 7, 12, 0))
    told, done = phone.do(0x0B, text("aunt", 32) + u8(0) + shared + u8(1) + until)
    assert (told.op, done) == (0x1F, COMPLETE)
    assert told.payload[4:] == datetime7(moment(7, 6, 12, 0))
    phone.disconnect()
    aunt = Phone(bench, Key(shared, told.payload[:4]))
    assert aunt.act(UNLOCK)[0] == Message(0x0E, b"\1")


# ---- the link


def test_an_idle_link_is_cut_and_one_that_is_used_is_not() -> None:
    bench = Bench()
    phone = owner(bench)
    for _ in range(3):
        bench.time.advance(15)
        phone.states()
    bench.time.advance(20)
    assert not phone.open


def test_a_second_host_is_sent_away() -> None:
    bench = Bench()
    phone = Phone(bench)

    class Second:
        gone = False

        def notify(self, characteristic: str, data: bytes) -> None: ...

        def disconnect(self) -> None:
            self.gone = True

    second = Second()
    bench.peripheral.connected(second)
    assert second.gone
    assert phone.open


def test_a_change_is_told_to_whoever_has_spoken() -> None:
    bench = Bench()
    phone = owner(bench)
    bench.firmware.turn_thumb(bench.firmware.bolt.state.UNLOCKED)
    bench.time.advance(0)
    assert phone.heard == []  # he has not said who he is
    phone.states()
    bench.firmware.turn_thumb(bench.firmware.bolt.state.LOCKED)
    bench.time.advance(0)
    assert phone.heard[-1].op == 0x0C
    assert phone.heard[-1].payload[1:3] == bytes([1, 1])  # locked, by hand


def test_settings_that_are_of_no_use() -> None:
    for settings in (
        {"colour": "red"},
        {"turn_s": "fast"},
        {"clock": "moon"},
        {"security_pin": 47110},
        {"nuki_id": -1},
    ):
        with pytest.raises(SettingsError):
            Bench(**settings)


# ---- faults of the link


def test_a_wrong_checksum_in_answers() -> None:
    bench = Bench()
    phone = owner(bench)
    phone.deaf = True
    bench.faults.arm(Fault.WRONG_CRC, on="get_status", count=1)
    phone.say(0x01, u16(0x0C))
    assert phone.key is not None
    with pytest.raises(Refused, match="BAD_CRC"):
        frames.unseal(phone.key.shared, frames.envelope(phone.raw[-1]))


def test_a_link_that_is_cut_in_the_middle_of_an_answer() -> None:
    bench = Bench()
    phone = owner(bench)
    phone.deaf = True
    bench.faults.arm(Fault.MID_FRAME, on="get_status")
    phone.say(0x01, u16(0x0C))
    assert not phone.open
    with pytest.raises(Refused, match="BAD_LENGTH"):
        frames.envelope(phone.raw[-1])


def connectable(bench: Bench) -> bool:
    return bench.advertising.connectable


def test_a_lock_that_counts_as_asleep_wants_a_hand() -> None:
    bench = Bench()
    key = paired(bench)
    bench.faults.arm(Fault.DORMANT)
    bench.time.advance(30)
    assert not connectable(bench)
    phone = Phone(bench, key)
    assert not phone.open
    assert phone.heard == []
    bench.types("999999")
    assert connectable(bench)
    assert Phone(bench, key).states()
