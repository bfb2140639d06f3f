"""Who tells the judge: everything that happens at the doors, to the link, the power and the time.

Here: translation of the simulated parts' own words into the judge's. Not here: what is right
(`judge`), and what happens (`world`, `troubles`).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from firmware_sims.faults import Fault
from firmware_sims.firmware.model import ALL_SLOTS, FirmwareEvent, Kind, Source
from gateway.domain.instant import from_rfc3339
from gateway.drivers.catalog import facts_for
from tests.simulation.judge import Delivered, Findings, Judge, Lock, Promise
from tests.simulation.judging.memory import SET

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.air import Air
    from tests.simulation.broker import SimBroker
    from tests.simulation.cloud import SimCloud
    from tests.simulation.door import SimDoor
    from tests.simulation.machine import Machine

NOTICED_MS = 1_800_000 + 180_000
"""Locks that do not sleep are read every half hour here (`Policy.verify_every_s`), within T."""
CLOCK_MS = 120_000
"""A lock's clock is checked daily, corrected beyond 30 s, and drifts by up to 50 ppm."""
RECONNECTED_S = 640.0
"""A gateway that lost its broker waits for up to ten minutes before it tries again (F12: so that
not all of them return at once), and a try is given up after half a minute."""
SIGNED_AFTER_S = 150.0
"""A gateway says hello once a minute, and its cloud answers with signed time where it signs any: a
link without trouble for two hellos and a slow way has brought one."""

_DENIED = (
    Kind.LOCK_INVALID_CODE,
    Kind.UNLOCK_INVALID_CODE,
    Kind.UNLOCK_INVALID_SCHEDULE,
    Kind.NON_ACCESS_USER,
)
_LOCKED = (
    Kind.LOCKED,
    Kind.ONE_TOUCH_LOCKED,
    Kind.KEY_LOCKED,
    Kind.AUTO_LOCKED,
    Kind.MANUAL_LOCKED,
)
_UNLOCKED = (Kind.UNLOCKED, Kind.KEY_UNLOCKED, Kind.MANUAL_UNLOCKED)
EVENT_TYPES = (
    dict.fromkeys(_DENIED, "access.denied")
    | dict.fromkeys(_LOCKED, "lock.locked")
    | dict.fromkeys(_UNLOCKED, "lock.unlocked")
)
"""What a lock's operation becomes in the ledger; docs/events.md."""


class Witness:
    """`device_of`: ids by address, filled in as the gateway names its doors."""

    def __init__(
        self,
        now: Callable[[], int],
        note: Callable[..., None],
        *,
        machine: Machine,
        broker: SimBroker,
        cloud: SimCloud,
        air: Air,
    ) -> None:
        self._now = now
        self._machine = machine
        self._broker = broker
        self._cloud = cloud
        self._air = air
        self._told = 0
        self._link_due: asyncio.TimerHandle | None = None
        self._linked_at: int | None = None
        """Since when this life of the gateway has a link without trouble."""
        self._foreign = False
        self._writes: dict[str, int] = {}
        """By address: how many writes of those that reached the lock were counted."""
        self._pretended: set[tuple[str, int]] = set()
        """Address and slot: the lock only said that it stored a code, and nobody looked since."""
        self._clocks: dict[str, float] = {}
        """By address: how wrong the lock's clock was when it was last looked at, in seconds."""
        self.device_of: dict[str, str] = {}
        self.signed_time = False
        """Whether the cloud signs the time."""
        self.clock_error_ms = 2_000
        """How wrong a proven clock may be."""
        self.judge = Judge(Promise(), note)
        self.judge.reported_state = self._reported
        machine.on_clock = self.clock_changed
        broker.on_trouble = lambda _why: self.link_blinked()
        broker.on_connected = self._link_good
        cloud.on_message = self._cloud_heard
        air.on_failure = self._radio_failed
        air.on_tamper = self._tampered
        air.on_read = lambda address, slot: self._pretended.discard((address, slot))
        air.on_lost_event = self._event_lost

    def device(self, door: SimDoor) -> str:
        return self.device_of[door.address]

    # ── doors ───────────────────────────────────────────────────────────────────────────

    def watch(self, door: SimDoor, *, schedules_proven: bool) -> None:
        """From now on everything that this door does is told."""
        device, profile = self.device(door), door.profile
        usable = self.usable(door)
        facts = Lock(
            slots=len(usable),
            numbers=frozenset(usable),
            lengths=(profile.min_code_length, profile.max_code_length),
            battery=True,
            keeps_windows=schedules_proven,
            clock_ms=CLOCK_MS,
            notices_ms=None if profile.sleepy else NOTICED_MS,
            reads_back=profile.send_pin_over_the_air,
        )
        self.judge.lock(device, facts)
        door.firmware.listeners.append(lambda event: self._door_did(door, device, event))

    def usable(self, door: SimDoor) -> list[int]:
        """The slots that a gateway may use, by the lock's own numbers, in order."""
        told = self._cloud.devices[self.device(door)]["capabilities"]["constraints"]["codes"]
        ours = set(range(1, told["slots"] + 1)) - set(told["reserved_slots"])
        offset = facts_for(door.node).slot_offset
        return sorted(slot + offset for slot in ours)

    def _door_did(self, door: SimDoor, device: str, event: FirmwareEvent) -> None:
        if event.source is not Source.RADIO or event.phantom or self._foreign:
            return
        self._count_writes(door)
        now, slot = self._now(), event.slot
        self.tell()  # whatever it does may follow from an order of a moment ago
        match event.kind:
            case Kind.UNLOCKED:
                self.judge.unlocked_by_radio(now, device)
            case Kind.CODE_ADDED | Kind.CODE_CHANGED if slot is not None:
                self.judge.wrote(now, device, slot, "set", event.code)
            case Kind.CODE_DELETED if slot is not None and slot != ALL_SLOTS:
                self.judge.wrote(now, device, slot, "clear")
            case Kind.SCHEDULE_CHANGED if slot is not None:
                self.judge.wrote(now, device, slot, "schedule")

    def foreign(self, act: Callable[[], object]) -> None:
        """Another controller does something over the radio."""
        self._foreign = True
        try:
            act()
        finally:
            self._foreign = False

    def typed(self, door: SimDoor, digits: str) -> bool:
        self.tell()
        opened = door.type_code(digits)
        self.judge.door(self._now(), self.device(door), digits, opened)
        return opened

    def look(self, doors: list[SimDoor]) -> None:
        self.tell()
        self._tell_signed()
        for door in doors:
            if door.address in self.device_of:
                self._look_at_clock(door)
                self._count_writes(door)
                self.judge.inspect(self._now(), self.device(door), door.opens)

    def _count_writes(self, door: SimDoor) -> None:
        """Also those of which the lock stored nothing."""
        known = self._writes.get(door.address, 0)
        self._writes[door.address] = len(door.writes)
        for write in door.writes[known:]:
            if write.command == "set_pin_code" and write.slot is not None:
                self.judge.asked(round(write.at * 1000), self.device(door), write.slot)

    def _look_at_clock(self, door: SimDoor) -> None:
        """Nobody but the gateway sets one; losing its time with everything else is no setting."""
        before, error_s = self._clocks.get(door.address), door.clock_error_s
        self._clocks[door.address] = error_s
        if before is not None and abs(error_s - before) > 1:
            self.judge.clock_set(self._now(), self.device(door), round(error_s * 1000))

    def _tampered(self, address: str, slot: int | None, how: str) -> None:
        if how == "factory_reset":
            self._clocks.pop(address, None)
        device, now = self.device_of.get(address), self._now()
        if device is None:
            return
        door = self._air.members[address]
        digits = door.codes().get(slot) if slot is not None else None
        if how == Fault.NOT_APPLIED and slot is not None:
            self._pretended.add((address, slot))
            if digits is not None:
                # A slot that stays empty shows it; what is in this one hides what is missing.
                digits = door.asked_for.get(slot, digits)
        self.judge.tampered(now, device, slot, how, digits)
        if how in SET and slot is not None and (address, slot) in self._pretended:
            # So does what is keyed in before the gateway has looked, where digits are not told.
            self._pretended.discard((address, slot))
            missing = door.asked_for.get(slot)
            self.judge.tampered(now, device, slot, Fault.NOT_APPLIED.value, missing)

    # ── orders ──────────────────────────────────────────────────────────────────────────

    def tell(self) -> None:
        """What the cloud ordered since the last time."""
        judge = self.judge
        for at, kind, body, sure in self._cloud.ordered[self._told :]:
            match kind:
                case "put":
                    judge.ordered(at, body, sure=sure)
                case "gone":
                    judge.revoked(at, body["credential_id"], body.get("device_id"), sure=sure)
                case "confirm":
                    judge.confirmed(at)
                case "absent":
                    judge.left_out(at, body["names"])
                case "command" if body["kind"] in {"unlock", "lock"}:
                    until = body.get("not_after")
                    judge.commanded(
                        at,
                        body["command_id"],
                        body["kind"],
                        body["device_id"],
                        from_rfc3339(until) if until else None,
                    )
        self._told = len(self._cloud.ordered)

    def _reported(self, credential_id: str, device_id: str) -> dict[str, Any] | None:
        told = self._cloud.grants.get((credential_id, device_id))
        return None if told is None else told.body

    def _cloud_heard(self, leaf: str, message: dict[str, Any]) -> None:
        if leaf == "reported":
            self.tell()
            for grant in message.get("grants", ()):
                self.judge.told(self._now(), grant)
        if leaf == "hello" and not message.get("held_count") and self._cloud.in_agreement:
            self.tell()
            self.judge.confirmed(self._now())

    # ── conditions ──────────────────────────────────────────────────────────────────────

    def power(self, *, on: bool) -> None:
        self._linked_at = None
        self.judge.power(self._now(), on)
        self.clock_changed()

    def clock_changed(self) -> None:
        host = self._machine.host
        if host is None:
            self.judge.time_proven(self._now(), False)
        elif host.proven_honestly:
            self.judge.time_proven(self._now(), True, self.clock_error_ms)
        else:
            self.judge.time_proven(self._now(), False, round(host.misled_ms))

    def _tell_signed(self) -> None:
        host, since = self._machine.host, self._linked_at
        if host is None or since is None or not self.signed_time:
            return
        if self._now() - since >= SIGNED_AFTER_S * 1000 and not host.told_signed:
            host.told_signed = True
            self.clock_changed()

    def link_blinked(self) -> None:
        """It is good again when the gateway is connected, which may wait between its tries; at the
        latest when the longest wait is over, so that one which stays away is not excused."""
        self._linked_at = None
        self.judge.link(self._now(), False)
        if self._link_due is not None:
            self._link_due.cancel()
            self._link_due = None
        if self._broker.connected:
            self._link_good()
        elif self._broker.up:
            loop = asyncio.get_running_loop()
            self._link_due = loop.call_later(RECONNECTED_S, self._link_good)

    def _link_good(self) -> None:
        if self._linked_at is None and self._broker.connected:
            self._linked_at = self._now()
        if self._link_due is not None:
            self._link_due.cancel()
            self._link_due = None
        self.judge.link(self._now(), True)

    def _event_lost(self, address: str) -> None:
        if address in self.device_of:
            self.judge.unheard(self._now(), self.device_of[address])

    def _radio_failed(self, address: str) -> None:
        door, now = self._air.members.get(address), self._now()
        if door is not None and address in self.device_of:
            self.judge.radio(now, self.device(door), False)
            if door.in_range and door.joined:
                self.judge.radio(now, self.device(door), True)

    def range_changed(self, door: SimDoor) -> None:
        self.judge.radio(self._now(), self.device(door), door.in_range and door.joined)

    def rejoined(self, door: SimDoor) -> None:
        """The gateway knows that this lock was admitted anew."""
        self.judge.rejoined(self._now(), self.device(door))

    def stick(self, *, up: bool) -> None:
        self.judge.radio(self._now(), None, up)

    def disk(self, *, full: bool) -> None:
        self.judge.disk(self._now(), not full)

    # ── the end ─────────────────────────────────────────────────────────────────────────

    def findings(self, doors: list[SimDoor]) -> Findings:
        self.tell()
        cloud = self._cloud
        return Findings(
            codes={self.device(door): door.codes() for door in doors},
            ledgers={epoch: dict(ledger.events) for epoch, ledger in cloud.ledgers.items()},
            heads={cloud.epoch: cloud.hello["events"]["head"]} if cloud.hello else {},
            conflicts=tuple(cloud.violations),
            frames={self.device(door): door.frames for door in doors},
            delivered=[each for door in doors for each in self._delivered(door)],
            answers=dict(cloud.results),
        )

    def _delivered(self, door: SimDoor) -> list[Delivered]:
        offset = facts_for(door.node).slot_offset
        found = []
        for told in door.door_events:
            kind = EVENT_TYPES.get(Kind(told.kind))
            if told.heard_at is None or kind is None:
                continue
            slot = None if told.slot is None or told.slot < 0 else told.slot - offset
            at = round(told.heard_at * 1000)
            found.append(Delivered(at, self.device(door), kind, slot or None))
        return found
