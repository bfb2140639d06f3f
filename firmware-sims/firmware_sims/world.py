"""A world: which devices stand where, what they remember, and the journal of what they do.

Here: the world file (TOML), a Zigbee lock, all devices together. Not here: what devices have in
common (``simulated``), Bluetooth's own (``ble``) and Z-Wave's (``zwave``), the control interface
(``control``) and the processes' start (``__main__``).
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from zoneinfo import available_timezones

from firmware_sims import profiles
from firmware_sims.ble import devices as ble
from firmware_sims.ble.spec import (
    AdapterSpec,
    BleAirSpec,
    BleSpec,
    BleSpecError,
    parse_adapters,
    parse_air,
    parse_device,
)
from firmware_sims.journal import Journal
from firmware_sims.simulated import AnyLock, WorldError
from firmware_sims.zigbee.door_lock import COMMAND_NAMES, DoorLockApplication
from firmware_sims.zwave import spec as zwave_spec
from firmware_sims.zwave.devices import ZwaveLock

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from firmware_sims.clock import Timebase
    from firmware_sims.profiles import Profile
    from firmware_sims.simulated import Reach, SimulatedDevice

_T = TypeVar("_T")

__all__ = ["AirSpec", "NodeSpec", "SimulatedLock", "World", "WorldError", "WorldSpec"]


# ---- the world file


@dataclass(frozen=True, slots=True)
class AirSpec:
    """The Zigbee air of the world, the same in both directions; see ``zigbee.aps.Path``."""

    latency_s: float = 0.005
    jitter_s: float = 0.0
    loss: float = 0.0
    duplicate: float = 0.0


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """One lock: its profile with overrides, its address, and faults armed from the start."""

    name: str
    profile: Profile
    ieee: int
    install_code: bytes | None = field(default=None, repr=False)
    timezone: str | None = None
    pairing: bool = False
    faults: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class WorldSpec:
    """A whole world as written in its file."""

    nodes: tuple[NodeSpec, ...]
    ezsp: int = 13
    seed: int = 1
    air: AirSpec = AirSpec()
    ble: tuple[BleSpec, ...] = ()
    adapters: tuple[AdapterSpec, ...] = (AdapterSpec(),)
    ble_air: BleAirSpec = field(default_factory=BleAirSpec)
    zwave: tuple[zwave_spec.ZwaveSpec, ...] = ()
    zwave_air: zwave_spec.ZwaveAirSpec = field(default_factory=zwave_spec.ZwaveAirSpec)


_LISTS = ("node", "ble", "adapter", "zwave")
_AIRS = ("air", "ble_air", "zwave_air")
_NODE_KEYS = {
    "name",
    "profile",
    "ieee",
    "install_code",
    "timezone",
    "pairing",
    "overrides",
    "fault",
}


def read_world(path: Path) -> WorldSpec:
    """Read a world file; ``WorldError`` names the file and what is wrong in it."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        return parse_world(data)
    except (
        OSError,
        tomllib.TOMLDecodeError,
        WorldError,
        profiles.ProfileError,
    ) as cause:
        raise WorldError(f"world {path}: {cause}") from cause


def parse_world(data: Mapping[str, Any]) -> WorldSpec:
    """Check what was read; an unknown key is an error."""
    _only(data, {"ezsp", "seed", *_AIRS, *_LISTS}, "the world")
    kinds = {"ezsp": int, "seed": int, **dict.fromkeys(_AIRS, dict), **dict.fromkeys(_LISTS, list)}
    for key, kind in kinds.items():
        if key in data and type(data[key]) is not kind:
            raise WorldError(f"{key} must be {kind.__name__}, got {data[key]!r}")
    air = data.get("air", {})
    _only(air, set(AirSpec.__dataclass_fields__), "[air]")
    for key, value in air.items():
        if type(value) not in (int, float) or value < 0:
            raise WorldError(f"[air] {key} must be a number of at least 0, got {value!r}")
    nodes = tuple(_node(entry) for entry in data.get("node", ()))
    try:
        devices = tuple(parse_device(entry) for entry in data.get("ble", ()))
        adapters = parse_adapters(data.get("adapter", []))
        ble_air = parse_air(data.get("ble_air", {}))
        meshed = tuple(zwave_spec.parse_lock(entry) for entry in data.get("zwave", ()))
        zwave_air = zwave_spec.parse_air(data.get("zwave_air", {}))
    except (BleSpecError, zwave_spec.ZwaveSpecError) as cause:
        raise WorldError(str(cause)) from cause
    _distinct([item.name for kind in (nodes, devices, meshed) for item in kind], "name")
    _distinct([node.ieee for node in nodes], "ieee")
    _distinct([item.address for item in devices], "address", "devices")
    if {item.name for item in devices} & {adapter.name for adapter in adapters}:
        raise WorldError("a device has the name of an adapter")
    return WorldSpec(
        nodes,
        data.get("ezsp", 13),
        data.get("seed", 1),
        AirSpec(**air),
        devices,
        adapters,
        ble_air,
        meshed,
        zwave_air,
    )


def _distinct(values: Sequence[object], what: str, who: str = "nodes") -> None:
    if len(set(values)) != len(values):
        raise WorldError(f"two {who} have the same {what}")


def _only(data: Mapping[str, Any], known: set[str], where: str) -> None:
    unknown = sorted(set(data) - known)
    if unknown:
        raise WorldError(
            f"{where} has no {', '.join(map(repr, unknown))}; known: {', '.join(sorted(known))}"
        )


def _node(entry: Mapping[str, Any]) -> NodeSpec:
    name = entry.get("name")
    if not isinstance(name, str) or not name:
        raise WorldError("a [[node]] lacks its name")
    _only(entry, _NODE_KEYS, f"node {name!r}")
    try:
        profile = profiles.load(entry["profile"])
        ieee = int(str(entry["ieee"]).replace(":", ""), 16)
        code = entry.get("install_code")
        install_code = None if code is None else bytes.fromhex(code.replace("-", ""))
    except KeyError as missing:
        raise WorldError(f"node {name!r} lacks {missing}") from missing
    except (ValueError, AttributeError) as cause:
        raise WorldError(f"node {name!r}: {cause}") from cause
    timezone = entry.get("timezone")
    if timezone is not None and timezone not in available_timezones():
        raise WorldError(f"node {name!r}: {timezone!r} is not an IANA time zone")
    return NodeSpec(
        name=name,
        profile=profile.with_overrides(entry.get("overrides", {})),
        ieee=ieee,
        install_code=install_code,
        timezone=timezone,
        pairing=bool(entry.get("pairing", False)),
        faults=tuple(entry.get("fault", ())),
    )


# ---- the world itself


class RadioHandle(Protocol):
    """What the person with the lock in hand can do to its radio; ``network.SimulatedNode``."""

    in_range: bool

    @property
    def joined(self) -> bool: ...
    @property
    def pairing(self) -> bool: ...
    def start_joining(self) -> None: ...
    def leave(self) -> None: ...
    def forget(self) -> None: ...
    def rejoin(self) -> None: ...


class SimulatedLock(AnyLock):
    """One Zigbee lock with its firmware, faults, skin, radio, and its memory on disk."""

    def __init__(
        self, spec: NodeSpec, timebase: Timebase, journal: Journal, seed: int, memory: Path | None
    ) -> None:
        super().__init__(
            spec.name,
            spec.profile,
            timebase,
            journal,
            seed=seed,
            commands=COMMAND_NAMES,
            timezone=spec.timezone,
            memory=memory,
        )
        self.spec = spec
        self.radio: RadioHandle | None = None
        self.application = DoorLockApplication(
            self.firmware, self.faults, ieee=spec.ieee, install_code=spec.install_code
        )
        self.queue = self.application.queue
        self.start(spec.faults, "node")

    @property
    def reach(self) -> Reach | None:
        return self.radio

    def dump(self) -> dict[str, Any]:
        return {**self.firmware.dump(), "reporting": self.application.reporter.dump()}

    def load(self, data: dict[str, Any]) -> None:
        self.firmware.load(data)
        self.application.reporter.load(data["reporting"])

    def restarted(self) -> None:
        if self.radio is not None and self.radio.joined:
            self.radio.rejoin()

    def forget(self) -> None:
        if self.radio is not None:
            self.radio.forget()

    def identity(self) -> dict[str, Any]:
        return {
            "profile": self.profile.name,
            "manufacturer": self.profile.manufacturer,
            "model": self.profile.model,
            "ieee": self.spec.ieee.to_bytes(8, "big").hex(":"),
            "endpoint": self.profile.endpoint,
            "powered": self.firmware.powered,
            **self.state(),
        }

    def state(self) -> dict[str, Any]:
        radio = self.radio
        if radio is None:
            return {"joined": False, "pairing": False, "in_range": False}
        return {"joined": radio.joined, "pairing": radio.pairing, "in_range": radio.in_range}


class World:
    """All devices of a world. With ``state`` their memories are files in that directory."""

    def __init__(self, spec: WorldSpec, timebase: Timebase, state: Path | None = None) -> None:
        self.spec = spec
        self.timebase = timebase
        self.journal = Journal()
        if state is not None:
            state.mkdir(parents=True, exist_ok=True)

        def memory(name: str) -> Path | None:
            return None if state is None else state / f"{name}.json"

        self.locks = {
            node.name: SimulatedLock(node, timebase, self.journal, spec.seed, memory(node.name))
            for node in spec.nodes
        }
        """Those that speak Zigbee."""
        self.ble = {
            item.name: ble.build(item, timebase, self.journal, spec.seed, memory(item.name))
            for item in spec.ble
        }
        self.zwave = {
            item.name: ZwaveLock(item, timebase, self.journal, spec.seed, memory(item.name))
            for item in spec.zwave
        }
        self.devices: dict[str, SimulatedDevice] = {**self.locks, **self.ble, **self.zwave}

    def device(self, name: str) -> SimulatedDevice:
        """The device of that name; ``WorldError`` lists the names there are."""
        return self._named(self.devices, name)

    def lock(self, name: str) -> SimulatedLock:
        """The Zigbee lock of that name; ``WorldError`` lists the names there are."""
        return self._named(self.locks, name)

    def _named(self, among: Mapping[str, _T], name: str) -> _T:
        try:
            return among[name]
        except KeyError:
            raise WorldError(
                f"unknown device {name!r}; known: {', '.join(sorted(among))}"
            ) from None

    def save(self) -> None:
        """Write every memory."""
        for device in self.devices.values():
            device.save()
