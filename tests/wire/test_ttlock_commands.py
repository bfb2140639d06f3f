"""Commands of a TTLock in the clear, held against an independent client and captured answers.

Origin: "by the client" is roquerodrigo/ttlock-ble 0.1.11 from PyPI; the answer to 01 is a capture
of kind3r/ttlock-sdk-js; the layouts of 07 and 53 are put together by hand from `Commands/*.ts`.
"""

from __future__ import annotations

import pytest

from gateway.domain.secret import Secret
from gateway.drivers.ttlock import commands
from gateway.drivers.ttlock.commands import (
    Answer,
    Feature,
    Info,
    Kind,
    Login,
    Period,
    answer_of,
)
from gateway.drivers.ttlock.keys import Keys
from gateway.drivers.ttlock.wire import Code
from gateway.errors import PeerProtocolError

KEYS = Keys(bytes(16), 98765432, 87654321, flag_pos=3, uid=4711)
PERIOD = Period(bytes.fromhex("1a07060b00"), bytes.fromhex("1a07060d00"))
CODE = Secret("583920")


def answer(text: str) -> Answer:
    found = answer_of(bytes.fromhex(text))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (commands.check_admin(KEYS), "05397fb100000300001267"),
        (commands.add_code(Kind.PERIOD, CODE, PERIOD), "0203063538333932301a07060b001a07060d00"),
        (
            commands.add_code(Kind.PERMANENT, CODE, Period(bytes((0, 1, 1, 0, 0)), b"")),
            "0201063538333932300001010000",
        ),
        (commands.remove_code(Kind.PERIOD, CODE), "030306353833393230"),
        (commands.set_clock(bytes((26, 7, 6, 12, 0, 5))), "1a07060c0005"),
        (commands.status(), b"SCIENER".hex()),
        (commands.unlock(1783332000), "6a4b7ca0"),
    ],
    ids=lambda value: value.code.name if isinstance(value, commands.Command) else "",
)
def test_as_the_client_writes_it(command: commands.Command, expected: str) -> None:
    assert command.payload.hex() == expected


def test_the_window_of_a_key_is_written_in_plain_numbers_where_the_client_writes_bcd() -> None:
    ours = commands.check_user(KEYS).payload
    client = bytes.fromhex("0001311400991130140000000300001267")
    assert len(ours) == 17
    assert ours[10:] == client[10:]
    assert ours[:10] == bytes((0, 1, 31, 14, 0, 99, 11, 30, 14, 0))


def test_what_may_be_said_again_and_who_may_say_it() -> None:
    orders = (
        commands.unlock(1), commands.lock(1), commands.set_clock(bytes(6)), commands.reset(),
        commands.add_code(Kind.PERMANENT, CODE, PERIOD), commands.remove_code(1, CODE),
        commands.modify_code(Kind.PERIOD, CODE, CODE, PERIOD), commands.finish(),
        commands.add_admin(1, 2), commands.admin_code(CODE), commands.erase_code(CODE),
    )  # fmt: skip
    assert not any(order.asks_only for order in orders)
    questions = (commands.status(), commands.read_clock(), commands.features())
    assert all(q.asks_only and q.needs is Login.NONE for q in questions)
    assert commands.list_codes(0).needs is Login.ADMIN
    assert commands.unlock(1).summed


def test_raising_the_count_of_revocations_is_an_order() -> None:
    order = commands.check_admin(KEYS, 4)
    assert not order.asks_only
    assert order.payload[4:7] == b"\0\0\x04"
    assert commands.check_admin(KEYS).asks_only


def test_digits_of_the_locks_own_codes_are_numbers() -> None:
    assert commands.admin_code(Secret("0123")).payload == bytes((0, 1, 2, 3))
    assert commands.erase_code(Secret("0123")).payload == bytes((0, 1, 2, 3)) + b"\xff" * 6


def test_modify_has_both_codes_and_the_window() -> None:
    payload = commands.modify_code(Kind.PERIOD, Secret("1111"), CODE, PERIOD).payload
    assert payload == b"\x05\x03\x041111\x06583920" + PERIOD.start + PERIOD.end


def test_answers() -> None:
    assert answer("1401640001").error is None
    assert answer("030014").error == 0x14
    assert answer("0300").error == 0
    assert answer_of(b"\x14") is None
    assert answer_of(b"\x14\x07\x01") is None


def test_the_state_of_a_door() -> None:
    found = commands.status_of(answer("1401640001"))
    assert (found.battery_percent, found.unlocked, found.door_closed) == (100, False, True)
    without = commands.status_of(answer("14016401"))
    assert (without.unlocked, without.door_closed) == (True, None)
    assert commands.status_of(answer("14016407")).unlocked is None
    with pytest.raises(PeerProtocolError):
        commands.status_of(answer("1401"))


def test_what_a_real_lock_says_it_can_do() -> None:
    features = commands.features_of(answer("01016435ccf5f7800c2d44"))
    assert features.battery_percent == 100
    for feature in (
        Feature.PASSCODE, Feature.CARD, Feature.FINGERPRINT, Feature.AUTO_LOCK,
        Feature.MODIFY_PASSCODE, Feature.MANUAL_LOCK, Feature.GATEWAY_UNLOCK,
        Feature.DOOR_SENSOR, Feature.REMOTE_UNLOCK_SWITCH, Feature.AUDIO, Feature.PASSAGE,
        Feature.TAMPER, Feature.RESET_BUTTON, Feature.CYCLIC_CARD_OR_FINGERPRINT,
    ):  # fmt: skip
        assert features.has(feature), feature
    for feature in (Feature.NO_CLOCK, Feature.LAMP, Feature.PRIVACY, Feature.FREEZE):
        assert not features.has(feature), feature
    assert not commands.features_of(answer("01016435ccf5f7")).has(
        Feature.CYCLIC_CARD_OR_FINGERPRINT
    )


def test_a_list_of_codes() -> None:
    """Permanent, once with another original, period, cyclic; then the end."""
    records = (
        "14 01 06 353833393230 06 353833393230 0001010000"
        "15 02 04 31323334 04 34333231 1a07060b00 1a07060d00"
        "15 03 04 35353535 04 35353535 1a07060b00 1a07060d00"
        "12 04 04 36363636 04 36363636 1a07060b00 0004"
    ).replace(" ", "")
    raw = bytes.fromhex(records)
    head = (len(raw) + 2).to_bytes(2, "big").hex()
    page = commands.code_page_of(answer(f"0701{head}0007{records}"))
    assert page.next == 7
    assert [(c.kind, c.digits.reveal(), c.original.reveal()) for c in page.codes] == [
        (Kind.PERMANENT, "583920", "583920"),
        (Kind.ONCE, "1234", "4321"),
        (Kind.PERIOD, "5555", "5555"),
        (Kind.CYCLIC, "6666", "6666"),
    ]
    assert page.codes[2].period == PERIOD
    assert page.codes[3].period is None
    assert commands.code_page_of(answer(f"0701{head}ffff{records}")).next is None
    assert commands.code_page_of(answer("07010000")) == commands.CodePage((), None)
    for cut in range(1, 5):
        with pytest.raises(PeerProtocolError):
            commands.code_page_of(answer(f"0701{head}0007{records[: -2 * cut]}"))


def test_the_model_is_printable_or_nothing() -> None:
    assert commands.device_info(Info.MODEL).payload == b"\x01"
    assert commands.text_of(answer("9001" + b"SN9206\0\0".hex())) == "SN9206"
    assert commands.text_of(answer("9001ff1b00")) == ""


def test_nothing_shows_what_it_carries() -> None:
    for thing in (
        commands.add_code(Kind.PERIOD, CODE, PERIOD),
        answer("0301" + b"583920".hex()),
        KEYS,
    ):
        shown = repr(thing)
        assert "583920" not in shown
        assert "353833393230" not in shown
        assert "98765432" not in shown
    assert Code.UNLOCK.name in repr(commands.unlock(1))
