"""Records of a TTLock's log, held against an independent client.

Origin: roquerodrigo/ttlock-ble 0.1.11 from PyPI (`parse_operate_log_response`) reads the page below
as the expected values say; its names of the types are those of `constants/log_operate.py`.
"""

from __future__ import annotations

import pytest

from gateway.domain.secret import Secret
from gateway.drivers.access import MediumKind
from gateway.drivers.ttlock.commands import UNREAD, answer_of
from gateway.drivers.ttlock.records import Log, LogPage, log_page_of, read_log
from gateway.errors import PeerProtocolError

PAGE = (
    "2501005f0011"
    "16041a07060c000563063538333932300635383339" "3230"
    "0d071a07060c0105630431323334"
    "10011a07060c020562000012676a4b6fa0"
    "195d1a07060c030562063538333932301a07060b001a07060d00"
    "0c111a07060c04056100c0ffee"
)  # fmt: skip


def page(text: str) -> LogPage:
    answer = answer_of(bytes.fromhex(text))
    assert answer is not None
    return log_page_of(answer)


def test_a_page_as_the_client_reads_it() -> None:
    found = page(PAGE)
    assert found.next == 17
    assert [(record.type, record.battery_percent) for record in found.records] == [
        (Log.CODE_UNLOCK, 99),
        (Log.WRONG_CODE, 99),
        (Log.APP_UNLOCK, 98),
        (Log.CODE_ADDED, 98),
        (Log.CARD_UNLOCK, 97),
    ]
    assert [record.date6.hex() for record in found.records[:2]] == ["1a07060c0005", "1a07060c0105"]
    used, wrong, app, added, card = found.records
    assert used.code is not None
    assert used.code.reveal() == "583920"
    assert used.other == used.code
    assert added.code == used.code
    assert added.other is None
    assert app.code is card.code is None
    assert card.medium == (MediumKind.CARD, Secret(str(0x00C0FFEE)))
    assert used.medium is app.medium is None
    assert wrong.code is wrong.other is None, "what somebody tried in vain goes no further"


@pytest.mark.parametrize(
    ("type_", "tail", "medium"),
    [
        (Log.CARD_UNLOCK, "0123456789abcdef", (MediumKind.CARD, "81985529216486895")),
        (Log.CARD_LOCK, "00c0ffeeffffffff", (MediumKind.CARD, "12648430")),
        (Log.FINGERPRINT_UNLOCK, "000000000539", (MediumKind.FINGER, "1337")),
        (Log.FINGERPRINT_UNLOCK, "00000539", None),
        (Log.CARD_UNLOCK, "c0ffee", None),
        (Log.CARD_FAILED, "00c0ffee", None),
    ],
)
def test_whose_card_or_finger(type_: Log, tail: str, medium: tuple[MediumKind, str] | None) -> None:
    record = f"{type_:02x}1a07060c040561{tail}"
    text = f"{len(record) // 2:02x}{record}"
    (found,) = page(f"2501{2 + len(text) // 2:04x}0011{text}").records
    assert found.medium == (None if medium is None else (medium[0], Secret(medium[1])))
    assert tail.lstrip("0") not in repr(found)


def test_the_end() -> None:
    assert page("25010000") == LogPage((), None)
    assert page(f"2501000a{UNREAD:04x}08011a07060c000563").next is None


@pytest.mark.parametrize("cut", range(1, 13))
def test_a_record_that_is_cut_off(cut: int) -> None:
    with pytest.raises(PeerProtocolError):
        page(PAGE[: -2 * cut])


def test_a_tail_of_another_shape_costs_the_code_and_not_the_record() -> None:
    (record,) = page("2501000c00010a041a07060c0005630935").records
    assert (record.type, record.code) == (Log.CODE_UNLOCK, None)


def test_asking() -> None:
    assert read_log(UNREAD).payload == b"\xff\xff"
    assert read_log(0x0102).payload == b"\x01\x02"
    assert read_log(0).asks_only


def test_nothing_shows_digits() -> None:
    assert "583920" not in repr(page(PAGE))
    assert "353833393230" not in repr(page(PAGE))


CLIENT = {
    1: "MOBILE_UNLOCK", 4: "KEYBOARD_PASSWORD_UNLOCK", 5: "KEYBOARD_MODIFY_PASSWORD",
    6: "KEYBOARD_REMOVE_SINGLE_PASSWORD", 7: "ERROR_PASSWORD_UNLOCK",
    8: "KEYBOARD_REMOVE_ALL_PASSWORDS", 9: "KEYBOARD_PASSWORD_KICKED", 10: "USE_DELETE_CODE",
    11: "PASSCODE_EXPIRED", 14: "DOOR_REBOOT", 17: "IC_UNLOCK_SUCCEED", 20: "FR_UNLOCK_SUCCEED",
    25: "IC_UNLOCK_FAILED", 26: "OPERATE_BLE_LOCK", 27: "OPERATE_KEY_UNLOCK",
    30: "DOOR_SENSOR_LOCK", 31: "DOOR_SENSOR_UNLOCK", 32: "DOOR_GO_OUT", 34: "PASSCODE_LOCK",
    38: "PASSCODE_UNLOCK_FAILED_LOCK_REVERSE", 55: "WIRELESS_KEY_FOB", 92: "ADMIN_CODE_UNLOCK",
    93: "ADD_PASSCODE_SUCCESSFULLY", 101: "CLEAR_THIRD_DEVICE",
}  # fmt: skip
OURS = {
    1: Log.APP_UNLOCK, 4: Log.CODE_UNLOCK, 5: Log.CODE_MODIFIED, 6: Log.CODE_DELETED,
    7: Log.WRONG_CODE, 8: Log.CODES_CLEARED, 9: Log.CODE_SQUEEZED_OUT, 10: Log.ERASE_CODE_USED,
    11: Log.CODE_EXPIRED, 14: Log.POWER_ON, 17: Log.CARD_UNLOCK, 20: Log.FINGERPRINT_UNLOCK,
    25: Log.CARD_EXPIRED, 26: Log.APP_LOCK, 27: Log.KEY_UNLOCK, 30: Log.DOOR_CLOSED,
    31: Log.DOOR_OPENED, 32: Log.INSIDE_UNLOCK, 34: Log.CODE_LOCK, 38: Log.CODE_DEADLOCKED,
    55: Log.REMOTE_UNLOCK, 92: Log.ADMIN_CODE_UNLOCK, 93: Log.CODE_ADDED,
    101: Log.ACCESSORIES_CLEARED,
}  # fmt: skip


def test_numbers_of_types() -> None:
    assert CLIENT.keys() == OURS.keys()
    assert all(int(log) == number for number, log in OURS.items())
