"""BTHome v2: meters and a thermometer that advertise what they measure, in clear or encrypted.

Here: the bytes of an advertisement and when there is another one. Sources: bthome.io/format and
bthome.io/encryption; Bluetooth-Devices/bthome-ble, `parser.py` (Apache-2.0), which reads them in
the tests. Not here: the air.

Settings of a device: `bindkey` (32 hex digits: encrypted), `trigger_based` (advertises for a moment
only when the reading has changed), `measure_s`, `interval_s`, `total` (kWh or litres at the start),
`rate` (watts or litres per hour), `celsius`, `percent` (humidity), `battery_percent`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from firmware_sims.ble.device import SettingsError
from firmware_sims.ble.peripheral import Advertising

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping, Sequence

    from firmware_sims.ble.peripheral import Line, ServiceSpec
    from firmware_sims.clock import Timebase, Timer

SERVICE = "0000fcd2-0000-1000-8000-00805f9b34fb"
_UUID_BYTES = bytes.fromhex("d2fc")
_VERSION_2, _ENCRYPTED, _TRIGGERED = 0x40, 0x01, 0x04
BURST_S = 3.0
"""For so long a trigger-based device repeats itself."""

ELECTRICITY, WATER, THERMOMETER = "electricity-meter", "water-meter", "thermometer"
MODELS = frozenset({ELECTRICITY, WATER, THERMOMETER})


@dataclass(frozen=True, slots=True)
class Settings:
    """As in the world file."""

    bindkey: str = ""
    trigger_based: bool = False
    measure_s: float = 10.0
    interval_s: float = 1.0
    total: float = 0.0
    rate: float = 0.0
    celsius: float = 20.0
    percent: float = 50.0
    battery_percent: int = 100

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Settings:
        known = cls.__dataclass_fields__
        if unknown := sorted(set(data) - set(known)):
            raise SettingsError(
                f"settings has no {', '.join(map(repr, unknown))}; known: {', '.join(known)}"
            )
        for key, value in data.items():
            wanted = type(known[key].default)
            if type(value) is not wanted and not (wanted is float and type(value) is int):
                # The value may be a key.
                raise SettingsError(f"settings: {key} must be {wanted.__name__}")
        settings = cls(**data)
        try:
            right = len(bytes.fromhex(settings.bindkey)) in (0, 16)
        except ValueError:
            right = False
        if not right:
            raise SettingsError("settings: bindkey must be 32 hex digits")
        if settings.measure_s <= 0 or settings.interval_s <= 0:
            raise SettingsError("settings: measure_s and interval_s must be above 0")
        return settings


class BtHomePeripheral:
    """The device to the air: it says what it was last given."""

    services: Sequence[ServiceSpec] = ()

    def __init__(self, address: str, interval_s: float) -> None:
        self.address = address
        self.advertising_changed: Callable[[], None] = lambda: None
        self._interval_s = interval_s
        self._said: Advertising | None = None

    @property
    def advertising(self) -> Advertising | None:
        return self._said

    def say(self, data: bytes | None) -> None:
        """Nothing for None."""
        self._said = None
        if data is not None:
            self._said = Advertising(
                service_data={SERVICE: data}, connectable=False, interval_s=self._interval_s
            )
        self.advertising_changed()

    # Nobody can connect.

    def connected(self, line: Line) -> None:
        line.disconnect()

    def disconnected(self) -> None: ...

    def wrote(self, characteristic: str, data: bytes) -> None: ...

    def read(self, characteristic: str) -> bytes:
        return b""

    def subscribed(self, characteristic: str, on: bool) -> None: ...


class BtHomeSensor:
    """One meter or thermometer; what it counts advances with the timebase."""

    def __init__(
        self, model: str, address: str, settings: Settings, timebase: Timebase, changed: Any
    ) -> None:
        self._model = model
        self._settings = settings
        self._timebase = timebase
        self._changed = changed
        self._mac = bytes.fromhex(address.replace(":", ""))
        self._cipher = (
            AESCCM(bytes.fromhex(settings.bindkey), tag_length=4) if settings.bindkey else None
        )
        self._since = timebase.now()
        self._counter = 0
        self._packet_id = 0
        self._last: bytes | None = None
        self._quiet: Timer | None = None
        self.peripheral = BtHomePeripheral(address, settings.interval_s)
        self._measure()

    # ---- what is measured

    @property
    def total(self) -> float:
        """Kilowatt hours or litres."""
        hours = (self._timebase.now() - self._since) / 3600
        per_hour = self._settings.rate / (1000 if self._model == ELECTRICITY else 1)
        return self._settings.total + per_hour * hours

    def _set(self, **changes: Any) -> None:
        now_total = self.total
        self._since = self._timebase.now()
        self._settings = replace(self._settings, **{"total": now_total, **changes})
        self._advertise()

    def _objects(self) -> bytes:
        """The objects in the order of their ids, as the format wants them."""
        settings = self._settings
        battery = _object(0x01, settings.battery_percent, 1)
        if self._model == ELECTRICITY:
            return (
                _object(0x4A, 2300, 2)  # 0.1 V
                + _object(0x4D, round(self.total * 1000), 4)
                + _object(0x5C, round(settings.rate * 100), 4, signed=True)
            )
        if self._model == WATER:
            return (
                battery
                + _object(0x49, round(settings.rate), 2)  # 0.001 m³/h
                + _object(0x4F, round(self.total * 1000), 4)
            )
        return (
            battery
            + _object(0x02, round(settings.celsius * 100), 2, signed=True)
            + _object(0x03, round(settings.percent * 100), 2)
        )

    # ---- what is said

    def _measure(self) -> None:
        if not self._settings.trigger_based or self._objects() != self._last:
            self._advertise()
        self._timebase.call_later(self._settings.measure_s, self._measure)

    def _advertise(self) -> None:
        objects = self._objects()
        if objects != self._last:
            self._packet_id = (self._packet_id + 1) & 0xFF
            self._last = objects
        self._counter += 1
        self.peripheral.say(self._payload(_object(0x00, self._packet_id, 1) + objects))
        self._changed()
        if self._settings.trigger_based:
            if self._quiet is not None:
                self._quiet.cancel()
            self._quiet = self._timebase.call_later(BURST_S, lambda: self.peripheral.say(None))

    def _payload(self, objects: bytes) -> bytes:
        info = _VERSION_2 | (_TRIGGERED if self._settings.trigger_based else 0)
        if self._cipher is None:
            return bytes([info]) + objects
        head = bytes([info | _ENCRYPTED])
        counter = self._counter.to_bytes(4, "little")
        sealed = self._cipher.encrypt(self._mac + _UUID_BYTES + head + counter, objects, None)
        return head + sealed[:-4] + counter + sealed[-4:]

    # ---- for the world

    @property
    def actions(self) -> Mapping[str, Callable[..., Any]]:
        return {
            "measure": self._advertise,
            "set": self._set_reading,
            "replace_battery": self._replace_battery,
            "rewind": self._rewind,
        }

    def _set_reading(
        self,
        total: float | None = None,
        rate: float | None = None,
        celsius: float | None = None,
        percent: float | None = None,
    ) -> None:
        """Change what there is to measure, and say so at once."""
        given = {"total": total, "rate": rate, "celsius": celsius, "percent": percent}
        self._set(**{key: value for key, value in given.items() if value is not None})

    def _replace_battery(self) -> None:
        """It starts anew: what is encrypted counts from 1 again."""
        self._counter = self._packet_id = 0
        self._last = None
        self._set(battery_percent=100)

    def _rewind(self, counter: int) -> None:
        """Say the next word under a counter that is past, as somebody who replays it does."""
        self._counter = counter - 1
        self._advertise()

    def state(self) -> dict[str, Any]:
        settings = self._settings
        reading = (
            {"celsius": settings.celsius, "percent": settings.percent}
            if self._model == THERMOMETER
            else {"total": self.total, "rate": settings.rate}
        )
        return {
            **reading,
            "battery_percent": settings.battery_percent,
            "packet_id": self._packet_id,
            "counter": self._counter,
            "encrypted": self._cipher is not None,
        }

    def dump(self) -> dict[str, Any]:
        settings = self._settings
        return {
            "total": self.total,
            "rate": settings.rate,
            "celsius": settings.celsius,
            "percent": settings.percent,
            "battery_percent": settings.battery_percent,
            "counter": self._counter,
            "packet_id": self._packet_id,
        }

    def load(self, data: dict[str, Any]) -> None:
        values = dict(data)
        self._counter = max(self._counter, values.pop("counter"))
        self._packet_id = values.pop("packet_id")
        self._last = None
        self._set(**values)


def build(
    model: str,
    *,
    address: str,
    settings: Mapping[str, Any],
    timebase: Timebase,
    rng: random.Random,
    changed: Callable[[], None],
) -> BtHomeSensor:
    """One device; `SettingsError`."""
    return BtHomeSensor(model, address, Settings.of(settings), timebase, changed)


def _object(number: int, value: int, size: int, *, signed: bool = False) -> bytes:
    low = -(1 << 8 * size - 1) if signed else 0
    high = (1 << 8 * size - signed) - 1
    return bytes([number]) + max(low, min(high, value)).to_bytes(size, "little", signed=signed)
