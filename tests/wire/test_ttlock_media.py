"""Cards, fingers and weekly hours in the clear.

Put together by hand from the layouts in kind3r/ttlock-sdk-js, `ManageICCommand.ts`,
`ManageFRCommand.ts` and `CyclicDateCommand.ts`.
"""

from __future__ import annotations

import pytest

from gateway.domain.devices import WeekDay
from gateway.domain.secret import Secret
from gateway.drivers.ttlock import media
from gateway.drivers.ttlock.commands import Answer, Period, answer_of
from gateway.drivers.ttlock.media import Enrolled, Enrolling, Medium
from gateway.errors import PeerProtocolError

CARD, LONG, FINGER = Secret("12648430"), Secret("81985529216486895"), Secret("1234567890123")
PERIOD = Period(bytes.fromhex("1a07060b00"), bytes.fromhex("1a07060d00"))
DATES = "1a07060b001a07060d00"
HOURS = WeekDay(frozenset({1, 7}), 9 * 60, 17 * 60 + 30)


def answer(text: str) -> Answer:
    found = answer_of(bytes.fromhex(text.replace(" ", "")))
    assert found is not None
    return found


def test_commands() -> None:
    assert media.list_media(Medium.CARD, 3).payload.hex() == "010003"
    assert media.list_media(Medium.FINGERPRINT, 3).payload.hex() == "060003"
    assert media.enrol(Medium.CARD).payload.hex() == "02"
    assert media.add_card(CARD, PERIOD).payload.hex() == f"0200c0ffee{DATES}"
    assert media.add_card(LONG, PERIOD).payload.hex() == f"020123456789abcdef{DATES}"
    assert media.delete(Medium.CARD, CARD).payload.hex() == "0300c0ffee"
    finger = int(FINGER.reveal()).to_bytes(6, "big").hex()
    assert media.delete(Medium.FINGERPRINT, FINGER).payload.hex() == f"03{finger}"
    assert (
        media.set_period(Medium.FINGERPRINT, FINGER, PERIOD).payload.hex() == f"05{finger}{DATES}"
    )
    assert media.list_media(Medium.CARD, 0).asks_only
    assert not media.delete(Medium.CARD, CARD).asks_only


@pytest.mark.parametrize(
    ("medium", "text"),
    [
        (Medium.CARD, "12a4"),
        (Medium.CARD, ""),
        (Medium.CARD, "9" * 30),
        (Medium.FINGERPRINT, str(1 << 48)),
    ],
)
def test_what_is_no_number(medium: Medium, text: str) -> None:
    with pytest.raises(ValueError, match="card or fingerprint"):
        media.id_of(medium, Secret(text))


def test_a_list_of_cards_of_either_length() -> None:
    for number, told in (("00c0ffee", CARD), ("0123456789abcdef", LONG)):
        page = media.media_page_of(
            Medium.CARD, answer(f"0501 64 01 0005 {number}{DATES}{number}{DATES}")
        )
        assert page.next == 5
        assert [(one.number, one.period) for one in page.media] == [(told, PERIOD)] * 2
    last = media.media_page_of(Medium.CARD, answer(f"0501 64 01 ffff 00c0ffee{DATES}"))
    assert last.next is None
    assert media.media_page_of(Medium.CARD, answer("0501 64 01 0000")).next is None
    with pytest.raises(PeerProtocolError):
        media.media_page_of(Medium.CARD, answer("0501 64 01 0000 00c0ff"))


def test_enrolling() -> None:
    def told(text: str) -> Enrolled | None:
        return media.enrolled_of(Medium.CARD, answer(text))

    assert told("0501 64 02 02") == Enrolled(Enrolling.WAITING)
    assert told("0501 64 02 01 00c0ffee") == Enrolled(Enrolling.DONE, CARD)
    assert told("0501 64 02 01 00c0ffee ffffffff") == Enrolled(Enrolling.DONE, CARD)
    assert told("0501 64 02 01 0123456789abcdef") == Enrolled(Enrolling.DONE, LONG)
    assert told("0501 64 03") is None
    finger = media.enrolled_of(Medium.FINGERPRINT, answer("0601 64 02 01 011f71fb04cb"))
    assert finger == Enrolled(Enrolling.DONE, FINGER)
    assert media.enrolled_of(Medium.FINGERPRINT, answer("0601 64 02 03")) == Enrolled(
        Enrolling.SCANNED
    )
    with pytest.raises(PeerProtocolError):
        told("0501 64 02 01")


def test_weekly_hours() -> None:
    orders = [command.payload.hex() for command in media.add_hours(Medium.CARD, CARD, HOURS)]
    assert orders == [
        "02020400c0ffee" "01" "01" "00" "0900" "111e" "00000000",
        "02020400c0ffee" "01" "07" "00" "0900" "111e" "00000000",
    ]  # fmt: skip
    assert media.clear_hours(Medium.CARD, CARD).payload.hex() == "04020400c0ffee"
    assert media.query_hours(Medium.FINGERPRINT, FINGER).payload.hex() == "010106011f71fb04cb"


@pytest.mark.parametrize("battery", ["", "64"])
@pytest.mark.parametrize("reserve", ["", "00000000"])
def test_weekly_hours_as_told(battery: str, reserve: str) -> None:
    entries = "".join(f"01 0{day} 00 0900 111e {reserve}" for day in (1, 7))
    told = answer(f"7001 {battery} 01 02 04 00c0ffee {entries}")
    assert media.hours_of(Medium.CARD, CARD, told) == (HOURS,)
    none = answer(f"7001 {battery} 01 02 04 00c0ffee")
    assert media.hours_of(Medium.CARD, CARD, none) == ()
    assert media.hours_of(Medium.CARD, Secret("5"), told) is None
    strange = answer(f"7001 {battery} 01 02 04 00c0ffee 02 01 00 0900 111e")
    assert media.hours_of(Medium.CARD, CARD, strange) is None
