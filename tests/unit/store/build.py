"""Values that tests of the store are made of; every digit here is synthetic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.domain.capabilities import Capabilities, CodeLimits, ScheduleSupport
from gateway.domain.ids import CredentialId, DeviceId
from gateway.domain.instant import DAY, HOUR, Instant
from gateway.domain.schedule import CredentialSpec
from gateway.domain.secret import Secret
from gateway.domain.windows import Timed
from gateway.store.devices import add_device
from gateway.store.tx import Select, Tx

if TYPE_CHECKING:
    from pathlib import Path

NOW = Instant(1_800_000_000_000)
TODAY = NOW // DAY
FRONT = DeviceId("dev_front")
SIDE = DeviceId("dev_side")
CANARY = "814703926"

LOCK = Capabilities(
    can_remotely_unlock=True,
    reports_events=True,
    has_clock=False,
    codes=CodeLimits(slots=30, reserved_slots=frozenset({1, 2})),
    schedules=ScheduleSupport(week_day=3, year_day=1),
)


def spec(name: str = "guest", version: int = 1, **changes: Any) -> CredentialSpec:
    values: dict[str, Any] = {
        "credential_id": CredentialId(name),
        "version": version,
        "digits": Secret(CANARY),
        "devices": (FRONT,),
        "window": Timed(NOW, Instant(NOW + 48 * HOUR)),
        "name": name.title(),
    }
    return CredentialSpec(**{**values, **changes})


def join(tx: Tx, device_id: DeviceId = FRONT, address: str | None = None) -> None:
    add_device(
        tx,
        device_id,
        radio="zigbee",
        address=address or f"00:{device_id}",
        driver="zcl_lock",
        kind="lock",
        name=device_id,
        capabilities=LOCK,
        joined_at=NOW,
    )


def scalar(sql: str) -> Select[Any]:
    """One value of a query written in a test."""
    return Select(sql, (), lambda row: row[0])


def read(path: Path) -> bytes:
    return path.read_bytes()


def write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def remove(path: Path) -> None:
    path.unlink()
