"""The parts of the Zigbee radio that need no air: translation, device check, register, settings."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC
from typing import TYPE_CHECKING

import pytest
import zigpy.types as t
from bellows.exception import EzspError  # type: ignore[import-untyped]  # bellows has no types
from bellows.types import (  # type: ignore[import-untyped]  # bellows has no types
    EmberStatus,
    sl_Status,
)
from zigpy.exceptions import DeliveryError, ParsingError
from zigpy.zcl import Cluster
from zigpy.zcl.clusters.closures import DoorLock, LockState

from gateway.errors import (
    ConfigError,
    GatewayError,
    OutcomeUnknown,
    PeerProtocolError,
    RadioBusy,
    RadioUnavailable,
    Unreachable,
)
from gateway.kit.clock import settle
from gateway.radios.zigbee.plain import fields_of, plain, translated
from gateway.radios.zigbee.radio import check_device
from gateway.radios.zigbee.register import Register
from gateway.radios.zigbee.stack import Application, RedactingDoorLock, private, settings

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("error", "when_it_changes", "when_it_asks"),
    [
        (DeliveryError("x", sl_Status.ZIGBEE_DELIVERY_FAILED), OutcomeUnknown, Unreachable),
        (DeliveryError("x", sl_Status.FAIL), OutcomeUnknown, Unreachable),
        (DeliveryError("x", sl_Status.MAC_INDIRECT_TIMEOUT), Unreachable, Unreachable),
        (DeliveryError("x", sl_Status.NETWORK_DOWN), Unreachable, Unreachable),
        (DeliveryError("x"), Unreachable, Unreachable),
        (DeliveryError("x", sl_Status.ZIGBEE_MAX_MESSAGE_LIMIT_REACHED), RadioBusy, RadioBusy),
        (TimeoutError(), OutcomeUnknown, Unreachable),
        (asyncio.CancelledError(), OutcomeUnknown, RadioUnavailable),
        (EzspError("x"), OutcomeUnknown, RadioUnavailable),
        (AttributeError("x"), OutcomeUnknown, RadioUnavailable),
        (ConnectionResetError(), OutcomeUnknown, RadioUnavailable),
        (ParsingError(), PeerProtocolError, PeerProtocolError),
    ],
)
async def test_what_the_library_raises_becomes_ours(
    error: BaseException, when_it_changes: type[GatewayError], when_it_asks: type[GatewayError]
) -> None:
    for changes, expected in ((True, when_it_changes), (False, when_it_asks)):
        with pytest.raises(expected) as caught, translated("ask the lock", changes=changes):
            raise error
        assert str(caught.value).startswith("could not ask the lock: ")


async def test_our_own_cancellation_passes() -> None:
    async def exchange() -> None:
        with translated("ask the lock", changes=True):
            await asyncio.get_running_loop().create_future()

    task = asyncio.create_task(exchange())
    await settle(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (t.uint16_t(7), 7),  # type: ignore[no-untyped-call]  # zigpy is typed in part
        (t.Bool.true, True),
        (LockState.Locked, 1),
        (EmberStatus.SUCCESS, 0),
        (t.CharacterString("ab"), "ab"),
        (t.LVBytes(b"\x01"), b"\x01"),
        (t.KeyData(b"ZigBeeAlliance09"), b"ZigBeeAlliance09"),
        (None, None),
    ],
)
def test_plain(value: object, expected: object) -> None:
    found = plain(value)
    assert found == expected
    assert type(found) in (int, bool, str, bytes, type(None))


def test_fields_that_did_not_come_are_left_out() -> None:
    command = DoorLock.ClientCommandDefs.get_year_day_schedule_response.schema(
        schedule_id=0, user_id=4, status=0x8B
    )
    assert fields_of(command) == {"schedule_id": 0, "user_id": 4, "status": 0x8B}


class TestDevice:
    @pytest.mark.parametrize(
        "device",
        ["/dev/ttyUSB0", "socket://127.0.0.1:1", "socket://localhost:1", "socket://[::1]:1"],
    )
    def test_on_this_machine(self, device: str) -> None:
        check_device(device)

    @pytest.mark.parametrize(
        "device",
        [
            "socket://192.168.1.5:1",
            "socket://0.0.0.0:1",
            "socket://x.example:1",
            "http://127.0.0.1",
        ],
    )
    def test_elsewhere_is_refused_by_name(self, device: str) -> None:
        with pytest.raises(ConfigError, match=r"radios\.zigbee\.device"):
            check_device(device)


class TestRegister:
    def test_remembers(self, tmp_path: Path) -> None:
        register = Register(tmp_path / "r.json")
        register.joined("a", well_known_key=True)
        register.joined("b", well_known_key=False)
        register.forget("c")
        again = Register(tmp_path / "r.json")
        assert (again.well_known, again.forgotten) == ({"a"}, {"c"})
        assert (tmp_path / "r.json").stat().st_mode & 0o777 == 0o600

    def test_joining_again_clears_both_marks(self, tmp_path: Path) -> None:
        register = Register(tmp_path / "r.json")
        register.joined("a", well_known_key=True)
        register.forget("a")
        register.joined("a", well_known_key=False)
        assert (register.well_known, register.forgotten) == (set(), set())

    @pytest.mark.parametrize("damage", ["", "{", json.dumps([]), json.dumps({"forgotten": 3})])
    def test_a_damaged_file_is_a_new_start(self, tmp_path: Path, damage: str) -> None:
        (tmp_path / "r.json").write_text(damage)
        assert Register(tmp_path / "r.json").forgotten == set()


def test_the_database_is_private_before_the_library_opens_it(tmp_path: Path) -> None:
    path = tmp_path / "zigbee.db"
    path.touch(mode=0o644)
    private(path)
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("flow_control", "told"), [("none", None), ("hardware", "hardware"), ("software", "software")]
)
async def test_the_line_to_the_stick_is_as_configured(
    tmp_path: Path, flow_control: str, told: str | None
) -> None:
    chosen = settings(
        "/dev/ttyACM0", tmp_path / "x", 20, baudrate=230_400, flow_control=flow_control
    )
    device = Application(chosen, UTC).config["device"]  # as the library checked and completed it
    assert (device["path"], device["baudrate"], device["flow_control"]) == (
        "/dev/ttyACM0",
        230_400,
        told,
    )


def test_settings_keep_the_library_off_the_internet(tmp_path: Path) -> None:
    chosen = settings("/dev/null", tmp_path / "x", 15, baudrate=115_200, flow_control="none")
    assert chosen["ota"] == {"enabled": False}
    assert chosen["validate_network_settings"] is True
    assert chosen["network"]["channel"] == 15


def test_zigpy_uses_our_door_lock_cluster() -> None:
    assert Cluster._registry[DoorLock.cluster_id] is RedactingDoorLock  # noqa: SLF001  # there is no public way to ask
