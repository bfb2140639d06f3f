"""A world: which locks stand where, what they remember, and the journal of what they do.

Here: the world file (TOML), one simulated lock with everything that belongs to it, memory on disk.
Not here: the control interface (``control``) and the processes' start (``__main__``).
"""

from __future__ import annotations

import json
import random
import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from zoneinfo import available_timezones

from firmware_sims import profiles
from firmware_sims.clock import ZoneRules
from firmware_sims.faults import ArmedFault, Fault, FaultError, Faults
from firmware_sims.firmware.lock import LockFirmware
from firmware_sims.journal import Journal
from firmware_sims.zigbee.door_lock import COMMAND_NAMES, DoorLockApplication

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from firmware_sims.clock import Timebase
    from firmware_sims.firmware.model import FirmwareEvent
    from firmware_sims.profiles import Profile


class WorldError(Exception):
    """The world file, a name in it, or a memory file is not usable; the text says which."""


# ---- the world file


@dataclass(frozen=True, slots=True)
class AirSpec:
    """The air of the world, the same in both directions; see ``zigbee.aps.Path``."""

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
    except (OSError, tomllib.TOMLDecodeError, WorldError, profiles.ProfileError) as cause:
        raise WorldError(f"world {path}: {cause}") from cause


def parse_world(data: Mapping[str, Any]) -> WorldSpec:
    """Check what was read; an unknown key is an error."""
    _only(data, {"ezsp", "seed", "air", "node"}, "the world")
    for key, kind in (("ezsp", int), ("seed", int), ("air", dict), ("node", list)):
        if key in data and type(data[key]) is not kind:
            raise WorldError(f"{key} must be {kind.__name__}, got {data[key]!r}")
    air = data.get("air", {})
    _only(air, set(AirSpec.__dataclass_fields__), "[air]")
    for key, value in air.items():
        if type(value) not in (int, float) or value < 0:
            raise WorldError(f"[air] {key} must be a number of at least 0, got {value!r}")
    nodes = tuple(_node(entry) for entry in data.get("node", ()))
    names = [node.name for node in nodes]
    if len(set(names)) != len(names):
        raise WorldError("two nodes have the same name")
    if len({node.ieee for node in nodes}) != len(nodes):
        raise WorldError("two nodes have the same ieee")
    return WorldSpec(nodes, data.get("ezsp", 13), data.get("seed", 1), AirSpec(**air))


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


class SimulatedLock:
    """One lock with its firmware, faults, skin, radio, and its memory on disk."""

    def __init__(
        self, spec: NodeSpec, timebase: Timebase, journal: Journal, seed: int, memory: Path | None
    ) -> None:
        self.name, self.spec = spec.name, spec
        self._timebase, self._journal, self._memory = timebase, journal, memory
        self._saving = False
        self.radio: RadioHandle | None = None
        self.firmware = LockFirmware(spec.profile, timebase)
        if spec.timezone is not None:
            self.firmware.clock.zone = ZoneRules.of(spec.timezone, timebase.now())
        self.firmware.clock.ever_set = spec.timezone is not None
        # The name keeps one lock's chances apart from another's under the same seed.
        rng = random.Random(f"{seed}/{spec.name}")
        self.faults = Faults(rng, COMMAND_NAMES, self._fault_hit, self._condition)
        self.application = DoorLockApplication(
            self.firmware, self.faults, ieee=spec.ieee, install_code=spec.install_code
        )
        self.queue = self.application.queue
        self.queue.restarted = self._restarted
        self.firmware.listeners.append(self._happened)
        self._load()
        self.firmware.changed = self._changed
        for fault in spec.faults:
            try:
                self.faults.arm(**fault)
            except (FaultError, TypeError) as cause:
                raise WorldError(f"node {spec.name!r}: fault: {cause}") from cause

    def save(self) -> None:
        """Write the memory now, in one step; does nothing where there is no state directory."""
        self._saving = False
        if self._memory is None:
            return
        data = {**self.firmware.dump(), "reporting": self.application.reporter.dump()}
        partial = self._memory.with_suffix(".new")
        partial.touch(mode=0o600, exist_ok=True)
        partial.write_text(json.dumps(data), encoding="utf-8")
        partial.replace(self._memory)

    def _load(self) -> None:
        if self._memory is None or not self._memory.exists():
            return
        try:
            data = json.loads(self._memory.read_text(encoding="utf-8"))
            self.firmware.load(data)
            self.application.reporter.load(data["reporting"])
        except (OSError, ValueError, KeyError, TypeError) as cause:
            raise WorldError(
                f"memory of {self.name!r} in {self._memory} is not readable "
                f"({type(cause).__name__}); delete the file to start with an empty lock"
            ) from cause

    def _changed(self) -> None:
        # Several changes of one moment are one write.
        if self._memory is not None and not self._saving:
            self._saving = True
            self._timebase.call_later(0.0, self.save)

    def _happened(self, event: FirmwareEvent) -> None:
        self._journal.add(
            self.name,
            event.at,
            kind=event.kind.value,
            source=event.source.value,
            slot=event.slot,
            lock_local_s=event.lock_local_s,
            phantom=event.phantom,
        )

    def _fault_hit(self, armed: ArmedFault, command: str, slot: int | None) -> None:
        self._journal.add(
            self.name,
            self._timebase.now(),
            kind="fault",
            fault=armed.fault.value,
            number=armed.number,
            command=command,
            slot=slot,
        )

    def _condition(self, fault: Fault, on: bool) -> None:
        if fault is Fault.STUCK_JAM:
            if on:
                self.firmware.bolt.jam()
            else:
                self.firmware.bolt.unjam()
        elif fault is Fault.DEAD:
            if on:
                self.firmware.lose_power()
            else:
                self.restore_power()

    def restore_power(self) -> None:
        """The lock runs again and announces itself on its network."""
        if not self.firmware.powered:
            self.firmware.restore_power()
            self._restarted()

    def _restarted(self) -> None:
        if self.radio is not None and self.radio.joined:
            self.radio.rejoin()


class World:
    """All locks of a world. With ``state`` their memories are files in that directory."""

    def __init__(self, spec: WorldSpec, timebase: Timebase, state: Path | None = None) -> None:
        self.spec = spec
        self.timebase = timebase
        self.journal = Journal()
        if state is not None:
            state.mkdir(parents=True, exist_ok=True)
        self.locks = {
            node.name: SimulatedLock(
                node,
                timebase,
                self.journal,
                spec.seed,
                None if state is None else state / f"{node.name}.json",
            )
            for node in spec.nodes
        }

    def lock(self, name: str) -> SimulatedLock:
        """The lock of that name; ``WorldError`` lists the names there are."""
        try:
            return self.locks[name]
        except KeyError:
            raise WorldError(
                f"unknown device {name!r}; known: {', '.join(sorted(self.locks))}"
            ) from None

    def save(self) -> None:
        """Write every memory."""
        for lock in self.locks.values():
            lock.save()
