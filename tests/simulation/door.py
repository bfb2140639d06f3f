"""One simulated door: real simulated firmware, what a person can do to it, and what it remembers.

Here: the firmware on the loop's time, its end of the radio, hands at the keypad, and the truth the
judge asks for. Slots are the lock's own user ids throughout. Not here: the air, and the gateway's
radio (`radio`).
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from firmware_sims import profiles
from firmware_sims.clock import ZoneRules
from firmware_sims.faults import ArmedFault, Fault, Faults
from firmware_sims.firmware.lock import LOGGED, LockFirmware
from firmware_sims.firmware.model import Answer, BoltState, Source, UserStatus, UserType
from firmware_sims.zigbee.door_lock import COMMAND_NAMES, HOME_AUTOMATION, DoorLockApplication
from firmware_sims.zigbee.door_lock_commands import COMMANDS
from gateway.radios.api import EndpointInfo, NodeInfo
from tests.simulation import zcl

if TYPE_CHECKING:
    from collections.abc import Callable

    from firmware_sims.clock import Timer
    from firmware_sims.firmware.model import FirmwareEvent
    from firmware_sims.profiles import Profile

BIND, BIND_ANSWER = 0x0021, 0x8021
"""ZDO clusters (Zigbee 05-3474, 2.4.3.2.2); here just sequence number, endpoint and cluster."""

AWAKE_AFTER_TRAFFIC_S = 1.0
SHORT_POLL_S = 0.25

_TAMPERING = {Fault.NOT_APPLIED, Fault.DELETED_LATER}
_HARMLESS = {Fault.MASKED_READ, Fault.PHANTOM_EVENT, Fault.SWAPPED_USER_ID}

_WRITES = {
    number: (spec.name, 1 if "schedule" in spec.name else 0)
    for number, spec in COMMANDS.items()
    if spec.name.startswith(("set_", "clear_")) and "holiday" not in spec.name
}
"""Commands that wear out memory and battery -> name, and where in the payload the user id is."""


class Upwards(Protocol):
    """The air as a door sees it."""

    rng: random.Random
    note: Callable[..., None]
    on_failure: Callable[[str], None]
    on_lost_event: Callable[[str], None]
    on_tamper: Callable[[str, int | None, str], None]

    def now(self) -> float: ...

    def send_up(
        self, door: SimDoor, cluster: int, payload: bytes, told: DoorEvent | None
    ) -> None: ...

    def announced(self, door: SimDoor) -> None: ...


@dataclass(frozen=True, slots=True)
class Write:
    """A command that reached the lock and changes its memory. `at`: true unix seconds."""

    at: float
    command: str
    slot: int | None


@dataclass(slots=True)
class DoorEvent:
    """Something the firmware said. Times in true unix seconds; None: it did not come so far.

    `sent_at`: a frame left for it (no binding, no frame). `heard_at`: the gateway's radio passed it
    to a listener.
    """

    at: float
    kind: str
    source: str
    slot: int | None
    phantom: bool = False
    sent_at: float | None = None
    heard_at: float | None = None


class _LoopTime:
    """firmware_sims.clock.Timebase over the running loop: true time."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._loop = asyncio.get_running_loop()
        self.now = now

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        # A loop's timers are not ordered between equals, its ready callbacks are.
        if delay_s <= 0:
            return self._loop.call_soon(callback)
        return self._loop.call_later(delay_s, callback)


class _Radio:
    """firmware_sims.zigbee.application.NodeRadio."""

    def __init__(self, door: SimDoor) -> None:
        self._door = door

    @property
    def joined(self) -> bool:
        return self._door.joined

    def send(
        self,
        *,
        source_endpoint: int,
        destination_endpoint: int,
        profile_id: int,
        cluster_id: int,
        payload: bytes,
    ) -> None:
        self._door.transmit(cluster_id, payload)

    def bound(self, endpoint: int, cluster_id: int) -> bool:
        return self._door.joined and (endpoint, cluster_id) in self._door.bindings


class SimDoor:
    """A lock in its door. `slow`: seconds its answers take longer; settable at any time."""

    def __init__(self, air: Upwards, name: str, number: int, profile: Profile, zone: str) -> None:
        self.name, self.profile, self._air = name, profile, air
        self._loop = asyncio.get_running_loop()
        time = _LoopTime(air.now)
        self.firmware = LockFirmware(profile, time)
        self.firmware.clock.zone = _rules(zone, air.now() // 86_400 * 86_400)
        self.firmware.clock.ever_set = True
        self.firmware.listeners.append(self._happened)  # before the application's own
        rng = random.Random(f"{air.rng.getrandbits(64)}/{name}")
        self.faults = Faults(rng, COMMAND_NAMES, self._struck, self._condition)
        self.application = DoorLockApplication(self.firmware, self.faults, ieee=number)
        self.queue = self.application.queue
        self.queue.restarted = self._announce
        self.address = ":".join(f"{byte:02x}" for byte in number.to_bytes(8))
        self.node = _node(self.address, self.application)
        self.slow = 0.0
        self.pairing = False
        self.joined = False
        self.bindings: set[tuple[int, int]] = set()
        self.door_events: list[DoorEvent] = []
        self.writes: list[Write] = []
        self.asked_for: dict[int, str] = {}
        """By slot: the digits that the gateway last asked for, whether or not they were stored."""
        self.frames: list[int] = []
        """When something reached it: true time, Unix milliseconds."""
        self.troubled_at = float("-inf")
        """When a fault or the lost power last came between: loop time."""
        self.away_since: float | None = None
        self.awake_until = 0.0
        self._telling: deque[DoorEvent] = deque(maxlen=1)
        self.application.attach(_Radio(self))

    # ── the truth ───────────────────────────────────────────────────────────────────────────

    def opens(self, digits: str) -> bool:
        """Whether the keypad would open to these digits now. Nothing happens by asking.

        A jammed bolt and the keypad's lockout are left out of it; a dead lock opens to nobody.
        """
        return self.firmware.keypad.verdict(digits).opened

    def codes(self) -> dict[int, str]:
        """What memory holds, disabled codes too."""
        return {slot: user.code for slot, user in sorted(self.firmware.users.users.items())}

    @property
    def unlocked_by_radio(self) -> int:
        """How often an unlock command took effect."""
        applied = self.queue.applied
        return applied["unlock_door"] + applied["unlock_with_timeout"] + applied["toggle_door"]

    @property
    def clock_error_s(self) -> float:
        """The lock's clock minus the truth."""
        return self.firmware.clock.error_s()

    # ── hands at the door ───────────────────────────────────────────────────────────────────

    def type_code(self, digits: str) -> bool:
        """Somebody types a code: the bolt, the event, the count of wrong tries."""
        result = self.firmware.keypad.type_code(digits)
        self._air.note("typed", lock=self.name, result=result.reason, slot=result.slot)
        return result.opened

    def shut(self) -> None:
        """Whoever went in locks the door behind them."""
        self.firmware.turn_thumb(BoltState.LOCKED)

    def set_by_hand(self, slot: int, digits: str) -> bool:
        return self._tampered(
            self.firmware.keypad.set_code_by_hand(slot, digits), slot, "set_by_hand"
        )

    def clear_by_hand(self, slot: int | None) -> bool:
        """One slot; None: all of them."""
        return self._tampered(self.firmware.keypad.clear_by_hand(slot), slot, "clear_by_hand")

    def foreign_write(self, slot: int, digits: str) -> bool:
        """Another controller writes over the radio."""
        answer = self.firmware.users.set_code(
            slot, digits, UserStatus.ENABLED, UserType.UNRESTRICTED, Source.RADIO
        )
        return self._tampered(answer, slot, "foreign_write")

    def foreign_erase(self, slot: int) -> bool:
        return self._tampered(
            self.firmware.users.clear_code(slot, Source.RADIO), slot, "foreign_erase"
        )

    def factory_reset(self, *, leaves_network: bool = False) -> None:
        """Codes, schedules, settings and time are gone; the network only where it is asked for.

        A lock with a plug-in radio module keeps its network.
        """
        self.firmware.factory_reset()
        if leaves_network:
            self.left()
        self._tampered(Answer.OK, None, "factory_reset")

    def jam(self) -> None:
        self._air.note("jam", lock=self.name)
        self.firmware.bolt.jam()

    def unjam(self) -> None:
        self._air.note("unjam", lock=self.name)
        self.firmware.bolt.unjam()

    def set_battery(self, percent: float) -> None:
        self.firmware.set_battery(percent)

    def change_battery(self, off_s: float = 30.0) -> None:
        """Nothing works in between; the clock starts at its epoch where the model loses it."""
        self._air.note("battery_out", lock=self.name)
        self._power_off()
        self._loop.call_later(off_s, self._new_battery)

    def set_clock_error(self, seconds: float) -> None:
        """From now on the lock's clock is wrong by so much, besides its drift."""
        self._air.note("clock_error", lock=self.name, seconds=round(seconds))
        self.firmware.clock.set_utc(self._air.now() + seconds)

    def release(self) -> int:
        """Send the answers that the fault `withhold-answer` kept back; how many there were."""
        return self.queue.release()

    # ── the radio ───────────────────────────────────────────────────────────────────────────

    @property
    def in_range(self) -> bool:
        return self.away_since is None

    @in_range.setter
    def in_range(self, value: bool) -> None:
        if value != self.in_range:
            self.away_since = None if value else self._loop.time()
            self._air.note("in_range" if value else "out_of_range", lock=self.name)

    @property
    def listening(self) -> bool:
        """Whether a frame that is sent to it finds it there."""
        return self.away_since is None and self.firmware.powered and not self.queue.deaf

    def poll_in(self) -> float:
        """Seconds until a sleepy lock fetches its frames; 0 for one that always listens."""
        if not self.profile.sleepy:
            return 0.0
        awake = self._loop.time() < self.awake_until
        return self._air.rng.random() * (SHORT_POLL_S if awake else self.profile.poll_interval_s)

    def receive(self, cluster: int, payload: bytes) -> None:
        """A frame has arrived at the lock."""
        self.frames.append(round(self._air.now() * 1000))
        self.awake_until = self._loop.time() + AWAKE_AFTER_TRAFFIC_S
        if cluster == BIND:
            self.bindings.add((payload[1], int.from_bytes(payload[2:4], "little")))
            self.transmit(BIND_ANSWER, bytes((payload[0], 0)))
            return
        if cluster == zcl.DOOR_LOCK and payload[0] & 1 and payload[2] in _WRITES:
            name, at = _WRITES[payload[2]]
            slot = int.from_bytes(payload[3 + at : 5 + at], "little") if payload[3:] else None
            self.writes.append(Write(self._air.now(), name, slot))
            if name == "set_pin_code" and slot is not None:
                self.asked_for[slot] = payload[8:].decode("ascii", "replace")
        self.application.on_message(
            source_endpoint=1,
            destination_endpoint=self.profile.endpoint,
            profile_id=HOME_AUTOMATION,
            cluster_id=cluster,
            payload=payload,
        )

    def transmit(self, cluster: int, payload: bytes) -> None:
        """A frame leaves the lock."""
        if not self.joined:
            return
        self.awake_until = self._loop.time() + AWAKE_AFTER_TRAFFIC_S
        told = None
        if self._telling and cluster != BIND_ANSWER and zcl.is_notification(cluster, payload):
            told = self._telling[0]
            told.sent_at = self._air.now()
        self._air.send_up(self, cluster, payload, told)

    def join(self) -> None:
        """It is a member now, bound to nothing."""
        self.joined, self.pairing = True, False

    def left(self) -> None:
        """It has left the network, or forgotten it."""
        if self.joined:
            self.joined = False
            self.bindings.clear()
            self.application.on_left()

    # ── inside ──────────────────────────────────────────────────────────────────────────────

    def _happened(self, event: FirmwareEvent) -> None:
        if event.kind not in LOGGED:
            return
        record = DoorEvent(event.at, event.kind, event.source, event.slot, event.phantom)
        self.door_events.append(record)
        self._air.note(
            "door", lock=self.name, did=record.kind, source=record.source, slot=record.slot
        )
        if self.joined and (self.profile.endpoint, zcl.DOOR_LOCK) not in self.bindings:
            self._air.on_lost_event(self.address)  # nobody has told it whom to tell
        # The application's own callback for this event is queued right behind.
        self._loop.call_soon(self._telling.append, record)

    def _tampered(self, answer: Answer, slot: int | None, how: str) -> bool:
        self._air.note("tamper", lock=self.name, how=how, slot=slot, answer=answer.value)
        if answer is Answer.OK:
            self._air.on_tamper(self.address, slot, how)
        return answer is Answer.OK

    def _struck(self, armed: ArmedFault, command: str, slot: int | None) -> None:
        fault = armed.fault
        self._air.note("fault", lock=self.name, fault=fault.value, on=command, slot=slot)
        if fault is Fault.DELETED_LATER:
            self._loop.call_later(armed.seconds, self._tampered, Answer.OK, slot, fault.value)
        elif fault is Fault.NOT_APPLIED and not command.startswith("clear_"):
            self._tampered(Answer.OK, slot, fault.value)
        elif fault not in _HARMLESS:  # of a code that stays every lock tells when it is asked
            self.troubled_at = self._loop.time()
            self._air.on_failure(self.address)

    def _condition(self, fault: Fault, on: bool) -> None:
        self._air.note("condition", lock=self.name, fault=fault.value, on=on)
        if fault is Fault.STUCK_JAM:
            (self.firmware.bolt.jam if on else self.firmware.bolt.unjam)()
        elif fault is Fault.DEAD:
            (self._power_off if on else self._power_on)()

    def _power_off(self) -> None:
        self.troubled_at = self._loop.time()
        self.firmware.lose_power()

    def _power_on(self) -> None:
        if not self.firmware.powered:
            self.troubled_at = self._loop.time()
            self.firmware.restore_power()
            self._announce()

    def _new_battery(self) -> None:
        self._air.note("battery_in", lock=self.name)
        self.firmware.battery_percent = 100.0
        if not self.faults.lasting(Fault.DEAD):
            self._power_on()

    def _announce(self) -> None:
        """Device_annce: it is there again."""
        if self.joined:
            self._air.announced(self)


def _node(address: str, application: DoorLockApplication) -> NodeInfo:
    profile = application.firmware.profile
    return NodeInfo(
        address=address,
        manufacturer=profile.manufacturer,
        model=profile.model,
        endpoints=tuple(
            EndpointInfo(
                endpoint.endpoint,
                endpoint.profile_id,
                endpoint.device_type,
                frozenset(endpoint.input_clusters),
                frozenset(endpoint.output_clusters),
            )
            for endpoint in application.endpoints
        ),
        sleepy=profile.sleepy,
        mains_powered=False,
    )


@lru_cache(maxsize=64)
def profile_of(name: str) -> Profile:
    return profiles.load(name)


@lru_cache(maxsize=256)
def _rules(zone: str, at: float) -> ZoneRules:
    return ZoneRules.of(zone, at)
