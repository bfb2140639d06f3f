"""Settings of a TTLock in the clear.

Put together by hand from kind3r/ttlock-sdk-js, `AutoLockManageCommand.ts`, `PassageModeCommand.ts`;
the delay of auto-lock as roquerodrigo/ttlock-ble 0.1.11 from PyPI writes it.
"""

from __future__ import annotations

import pytest

from gateway.domain.devices import WeekDay
from gateway.drivers.access import Setting, SettingKind
from gateway.drivers.ttlock import settings
from gateway.drivers.ttlock.commands import Answer, answer_of
from gateway.drivers.ttlock.settings import PLANS
from gateway.errors import PeerProtocolError

EVERY_DAY = frozenset(range(1, 8))


def answer(text: str) -> Answer:
    found = answer_of(bytes.fromhex(text.replace(" ", "")))
    assert found is not None
    return found


def test_commands() -> None:
    assert settings.read(PLANS["auto_lock_s"]).payload.hex() == "01"
    assert settings.write(PLANS["auto_lock_s"], 300).payload.hex() == "02012c"
    assert settings.write(PLANS["sound"], True).payload.hex() == "0201"
    assert settings.write(PLANS["freeze"], False).payload.hex() == "0200"
    assert settings.read(PLANS["reset_button"]).payload.hex() == "0100000002"
    assert settings.write(PLANS["privacy"], True).payload.hex() == "020000000400000004"
    assert settings.write(PLANS["privacy"], False).payload.hex() == "020000000400000000"
    assert settings.read(PLANS["sound"]).asks_only
    assert not settings.write(PLANS["sound"], True).asks_only


def test_answers() -> None:
    def told(name: str, text: str) -> Setting:
        return settings.setting_of(name, PLANS[name], answer(text))

    assert told("auto_lock_s", "3601 64 01 0005 0005 0384") == Setting(
        "auto_lock_s", SettingKind.SECONDS, 5, 5, 900
    )
    assert told("auto_lock_s", "3601 64 01 0000").value == 0
    assert told("sound", "6201 64 01 01 03 00").value is True
    assert told("freeze", "6101 64 01 00").value is False
    assert told("tamper", "6801 64 01 00000007 00000005").value is True
    assert told("reset_button", "6801 64 01 00000007 00000005").value is False
    assert told("lamp_s", "6701 64 01 000a").value == 10
    for text in ("3601 64 02", "3601 64 01", "3601 64"):
        with pytest.raises(PeerProtocolError):
            told("auto_lock_s", text)


def test_what_fits() -> None:
    delay = Setting("auto_lock_s", SettingKind.SECONDS, 5, 5, 900)
    assert [settings.fits(delay, value) for value in (0, 4, 5, 900, 901, True)] == [
        True, False, True, True, False, False,
    ]  # fmt: skip
    switch = Setting("sound", SettingKind.SWITCH, True)
    assert settings.fits(switch, False)
    assert not settings.fits(switch, 1)
    assert settings.fits(Setting("passage_mode", SettingKind.WEEKLY, ()), ())
    assert not settings.fits(Setting("passage_mode", SettingKind.WEEKLY, ()), True)


def test_passage_mode() -> None:
    found, following = settings.passages_of(
        answer("6601 64 01 ff 01 05 00 0900 1100  01 00 00 0000 0000  02 0f 00 0900 1100")
    )
    assert following is None
    assert [passage.hours for passage in found] == [
        WeekDay(frozenset({5}), 540, 1020),
        WeekDay(EVERY_DAY, 0, 1439),
        None,
    ]
    assert settings.delete_passage(found[2]).payload.hex() == "03020f0009001100"
    assert (
        settings.add_passage(5, WeekDay(EVERY_DAY, 540, 1020)).payload.hex() == "0201050009001100"
    )
    assert settings.read_passages(3).payload.hex() == "0103"
    assert settings.passages_of(answer("6601 64 01 03 01 05 00 0900 1100"))[1] == 3
    assert settings.passages_of(answer("6601 64 01 00")) == ((), None)
    with pytest.raises(PeerProtocolError):
        settings.passages_of(answer("6601 64 01 ff 0105"))
