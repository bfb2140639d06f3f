"""Device ids outlive the database: the same hardware is the same door."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gateway.domain.ids import DeviceId
from gateway.errors import StoreFull
from gateway.store.identities import Identities, Keepsake, Pending

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def ids() -> Callable[[], DeviceId]:
    numbers = itertools.count(1)
    return lambda: DeviceId(f"dev_{next(numbers)}")


def test_the_same_hardware_keeps_its_id_across_lives(tmp_path: Path) -> None:
    path = tmp_path / "devices.json"
    assert Identities(path, ids()).give("zigbee", "00:11", "YRD226", "Front") == "dev_1"
    known = Identities(path, ids()).known("zigbee", "00:11", "YRD226")
    assert known is not None
    assert (known.device_id, known.name) == ("dev_1", "Front")
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("radio", "address", "model"),
    [("zigbee", "00:11", "other"), ("zigbee", "00:12", "YRD226"), ("ble", "00:11", "YRD226")],
)
def test_other_hardware_is_never_taken_for_it(
    tmp_path: Path, radio: str, address: str, model: str
) -> None:
    known = Identities(tmp_path / "devices.json", ids())
    known.give("zigbee", "00:11", "YRD226", "Front")
    assert known.known(radio, address, model) is None


def test_a_removed_device_gets_another_id(tmp_path: Path) -> None:
    path = tmp_path / "devices.json"
    known = Identities(path, ids())
    known.forget(known.give("zigbee", "00:11", "YRD226", "Front"))
    assert Identities(path, ids()).known("zigbee", "00:11", "YRD226") is None
    assert known.give("zigbee", "00:11", "YRD226", "Front") == "dev_2"


@pytest.mark.parametrize(
    "damage",
    [
        "",
        "{",
        "[3]",
        json.dumps([{"device_id": "dev_1"}]),
        json.dumps([{"pending": {"radio": "ble"}}]),
    ],
)
def test_a_damaged_file_is_set_aside_and_kept(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "devices.json"
    path.write_text(damage, encoding="utf-8")
    known = Identities(path, ids())
    assert known.known("zigbee", "00:11", "YRD226") is None
    assert path.with_suffix(".damaged").read_text(encoding="utf-8") == damage
    known.give("zigbee", "00:11", "YRD226", "Front")
    assert Identities(path, ids()).known("zigbee", "00:11", "YRD226") is not None


def test_a_disk_that_takes_nothing_is_told_and_the_old_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "devices.json"
    known = Identities(path, ids())
    known.give("zigbee", "00:11", "YRD226", "Front")
    before = path.read_bytes()
    (tmp_path / "devices.json.new").mkdir()  # in the way of the writing
    with pytest.raises(StoreFull, match=r"could not write devices\.json"):
        known.give("zigbee", "00:12", "YRD226", "Side")
    assert path.read_bytes() == before
    assert known.known("zigbee", "00:12", "YRD226") is None  # else it is never written


def test_keys_that_followed_a_change_are_kept_instead(tmp_path: Path) -> None:
    path = tmp_path / "devices.json"
    known = Identities(path, ids())
    former = Keepsake("ttlock", "TTLock", "00aa", sleepy=True)
    first = known.give("ble", "AA", "M", "Front", lambda _: former)
    known.give("ble", "BB", "M", "Back", lambda _: former)
    known.keep_instead(first, "00bb")
    kept = [x.keepsake for x in Identities(path, ids()).entrusted("ble")]
    assert kept == [replace(former, sealed="00bb"), former]


def test_keys_that_cannot_be_kept_leave_the_former(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    known = Identities(folder / "devices.json", ids())
    former = Keepsake("ttlock", "TTLock", "00aa", sleepy=True)
    first = known.give("ble", "AA", "M", "Front", lambda _: former)
    (folder / "devices.json").unlink()
    folder.rmdir()
    with pytest.raises(StoreFull):
        known.keep_instead(first, "00bb")
    assert [x.keepsake for x in known.entrusted("ble")] == [former]


def pending(*sealed: str) -> Pending:
    return Pending("ble", "AA", "ttlock", "Front", sealed)


def test_a_pending_claim_outlives_the_process_and_is_no_device(tmp_path: Path) -> None:
    path = tmp_path / "devices.json"
    known = Identities(path, ids())
    device = known.give("zigbee", "00:11", "YRD226", "Side")
    known.keep_pending(pending("00aa", "00bb"))
    again = Identities(path, ids())
    assert again.unfinished("ble") == [pending("00aa", "00bb")]
    assert again.pending("ble", "AA") == pending("00aa", "00bb")
    assert (again.unfinished("zigbee"), again.entrusted("ble")) == ([], [])
    again.forget(device)
    assert Identities(path, ids()).unfinished("ble") == [pending("00aa", "00bb")]


def test_a_claim_that_ends_well_is_pending_no_longer_in_the_same_writing(tmp_path: Path) -> None:
    path = tmp_path / "devices.json"
    known = Identities(path, ids())
    known.keep_pending(pending("00aa"))
    (tmp_path / "devices.json.new").mkdir()
    kept = Keepsake("ttlock", "TTLock", "00cc", sleepy=True)
    with pytest.raises(StoreFull):
        known.give("ble", "AA", "M", "Front", lambda _: kept)
    assert known.unfinished("ble") == [pending("00aa")]
    assert known.entrusted("ble") == []
    (tmp_path / "devices.json.new").rmdir()
    known.give("ble", "AA", "M", "Front", lambda _: kept)
    again = Identities(path, ids())
    assert (again.unfinished("ble"), len(again.entrusted("ble"))) == ([], 1)


def test_a_pending_claim_without_keys_is_none(tmp_path: Path) -> None:
    path = tmp_path / "devices.json"
    known = Identities(path, ids())
    known.keep_pending(pending("00aa"))
    known.keep_pending(pending())
    assert known.pending("ble", "AA") is None
    assert Identities(path, ids()).unfinished("ble") == []
