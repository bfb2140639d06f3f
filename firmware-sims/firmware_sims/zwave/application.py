"""The Z-Wave skin of a lock: from the bytes of a command to the firmware model and back.

Here: who may say what under which key, supervision, the way through the command queue, and what a
lock says by itself. Not here: what the command classes mean (`cc_*`), keys and frames (the Node
process), what a lock is (`firmware`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from firmware_sims.commands import Command, CommandQueue
from firmware_sims.faults import Fault
from firmware_sims.firmware.model import ALL_SLOTS, Answer, Kind
from firmware_sims.zwave import (
    cc_credential,
    cc_device,
    cc_lock,
    cc_log,
    cc_notification,
    cc_schedule,
    cc_user_code,
)
from firmware_sims.zwave.commands import CC, CONTROLLER, Get, Set, SupervisionStatus

if TYPE_CHECKING:
    from firmware_sims.faults import Faults
    from firmware_sims.firmware.lock import LockFirmware
    from firmware_sims.firmware.model import FirmwareEvent
    from firmware_sims.profiles import Profile
    from firmware_sims.zwave.commands import Commands

PLAIN = (CC.ZWAVE_PLUS_INFO, CC.SUPERVISION)
"""Understood without a key by a node that has one (SDS13937, 8.1.2: Z-Wave Plus v2, S2 node)."""

OPEN = (CC.VERSION, CC.MANUFACTURER_SPECIFIC, *PLAIN)
"""Understood by a node that was given no key: nothing that a lock is for."""

_MOVED = frozenset(
    {
        *(Kind.LOCKED, Kind.UNLOCKED, Kind.ONE_TOUCH_LOCKED, Kind.KEY_LOCKED, Kind.KEY_UNLOCKED),
        *(Kind.AUTO_LOCKED, Kind.MANUAL_LOCKED, Kind.MANUAL_UNLOCKED, Kind.JAMMED),
        *(Kind.DOOR_OPENED, Kind.DOOR_CLOSED),
    }
)
_ALL_COMMANDS: Commands = {
    **cc_credential.COMMANDS,
    **cc_device.COMMANDS,
    **cc_device.CONFIGURATION,
    **cc_device.TIME_PARAMETERS,
    **cc_lock.BASIC,
    **cc_lock.DOOR_LOCK,
    **cc_lock.DOOR_LOCK_V4,
    **cc_log.COMMANDS,
    **cc_notification.COMMANDS,
    **cc_schedule.COMMANDS,
    **cc_user_code.USER_CODE,
    **cc_user_code.USER_CODE_V2,
}
_SINCE: dict[int, tuple[int, Commands]] = {
    CC.DOOR_LOCK: (4, cc_lock.DOOR_LOCK_V4),
    CC.USER_CODE: (2, cc_user_code.USER_CODE_V2),
}
"""Commands that came with a later version of their class."""

COMMAND_NAMES = frozenset(
    {
        *("lock_door", "unlock_door", "get_operation", "get_battery", "get_notification"),
        *("set_lock_configuration", "get_lock_configuration", "get_lock_capabilities"),
        *("set_pin_code", "clear_pin_code", "clear_all_pin_codes", "get_pin_code"),
        *("get_user_code_checksum", "set_configuration", "get_configuration"),
        *("set_time", "get_time", "set_time_offset", "get_time_offset", "get_log_record"),
        *("set_user", "get_user", "clear_user"),
        *("set_schedule", "clear_schedule", "get_schedule", "enable_schedule"),
        "cc.version_get",
        "cc.class_version_get",
        "cc.association_set",
    }
)
"""What faults can be armed on."""


class Radio(Protocol):
    """What the skin may do with the radio; `devices.NodeRadio`."""

    @property
    def secure(self) -> bool:
        """Whether the node holds a network key."""
        ...

    def send(self, data: bytes, *, secure: bool) -> None:
        """Say something to the controller; lost without notice when it does not hear."""
        ...


@dataclass(frozen=True, slots=True)
class Parameter:
    """One configuration parameter; `size` in bytes."""

    number: int
    size: int
    default: int

    @property
    def key(self) -> str:
        return f"parameter_{self.number}"


class ZwaveApplication:
    """One lock on a Z-Wave network."""

    def __init__(self, firmware: LockFirmware, faults: Faults) -> None:
        self.firmware = firmware
        self.queue = CommandQueue(firmware, faults)
        self._faults = faults
        self.radio: Radio | None = None
        self.lifeline: list[int] = []
        self.silenced: set[int] = set()
        self.jam_told = False
        self.schedules = cc_schedule.ScheduleEntries()
        self.people = cc_credential.People()
        profile = firmware.profile
        self._versions = versions(profile)
        self.fingerprint = (
            profile.manufacturer_code,
            int(profile.skin["product_type"]),
            int(profile.skin["product_id"]),
        )
        self.reads_back = bool(profile.skin.get("reads_back", True))
        self.event_user = str(profile.skin.get("event_user", "report"))
        self.parameters = {
            number: Parameter(number, size, default)
            for number, size, default in profile.skin.get("parameters", ())
        }
        for parameter in self.parameters.values():
            firmware.define_setting(parameter.key, parameter.default)
        self._code_length_parameter = profile.skin.get("code_length_parameter")
        self._commands = _supported(self._versions)
        self._sequence = 0
        if CC.SCHEDULE_ENTRY_LOCK in self._versions:
            firmware.permits = lambda slot: cc_schedule.permits(self, slot)
        firmware.listeners.append(self._on_event)

    # ---- what it is

    def version(self, command_class: int) -> int:
        """The version it implements; 0 for a class that it does not know."""
        return self._versions.get(command_class, 0)

    @property
    def plain_classes(self) -> list[int]:
        """For the node information frame, before and without a key."""
        return [CC.SECURITY_2, *(known for known in OPEN if known in self._versions)]

    @property
    def secure_classes(self) -> list[int]:
        """Told under the highest key."""
        return [known for known in self._versions if known not in (*PLAIN, CC.SECURITY_2, CC.BASIC)]

    @property
    def code_length(self) -> int | None:
        """The one length that codes must have, on models where a parameter says so."""
        if self._code_length_parameter is None:
            return None
        return int(self.firmware.settings[f"parameter_{self._code_length_parameter}"])

    def dump(self) -> dict[str, Any]:
        return {
            "lifeline": self.lifeline,
            "silenced": sorted(self.silenced),
            "schedules": self.schedules.dump(),
            "people": self.people.dump(),
        }

    def load(self, data: dict[str, Any]) -> None:
        self.lifeline = list(data["lifeline"])
        self.silenced = set(data["silenced"])
        self.schedules.load(data["schedules"])
        self.people.load(data["people"])

    def forget(self) -> None:
        """It has left its network: nobody is told anything any more."""
        self.lifeline, self.silenced = [], set()

    # ---- commands

    def on_command(self, data: bytes, *, secure: bool) -> None:
        """A command has arrived; `secure` when it came under the highest key that was granted."""
        session: int | None = None
        if data[0] == CC.SUPERVISION:
            if len(data) < 4 or data[1] != 0x01 or len(data) < 4 + data[3]:
                return
            session, data = data[2] & 0x3F, data[4 : 4 + data[3]]
        if len(data) < 2 or not self._may(data[0], secure=secure):
            return
        answer = _Answering(self, session, secure)
        handler = self._commands.get((data[0], data[1]))
        if handler is None:
            answer.status(SupervisionStatus.NO_SUPPORT)
            return
        try:
            request = handler(self, data[2:])
        except (IndexError, ValueError):
            answer.status(SupervisionStatus.FAIL)
            return
        if isinstance(request, Get):
            self.queue.submit(self._question(request, answer))
        else:
            self.queue.submit(_order(request, answer))

    def _may(self, command_class: int, *, secure: bool) -> bool:
        """CC:009F.01.00.11.01B: what was not sent under the highest key is not supported."""
        if secure:
            return True
        return command_class in (PLAIN if self.radio and self.radio.secure else OPEN)

    def _question(self, request: Get, answer: _Answering) -> Command:
        def apply() -> bytes:
            if request.masked is not None and self._faults.strike(
                Fault.MASKED_READ, request.name, request.slot
            ):
                return request.masked()
            return request.apply()

        return Command(request.name, request.slot, apply, request.pretend, answer.send)

    def code_refused(self, answer: Answer) -> None:
        """A code was not taken: of a duplicate the lock tells everybody (CC:0071, 06/0F)."""
        if answer is Answer.DUPLICATE:
            told = cc_notification.Notification(
                cc_notification.ACCESS_CONTROL, cc_notification.CODE_IS_DUPLICATE
            )
            self.firmware.timebase.call_later(0.0, lambda: self.tell(told))

    # ---- what it says by itself

    def _on_event(self, event: FirmwareEvent) -> None:
        if event.kind is Kind.CODE_DELETED:
            self.schedules.forget(None if event.slot == ALL_SLOTS else event.slot)
        elif event.kind is Kind.FACTORY_RESET:
            self.schedules.forget(None)
        if CC.USER_CREDENTIAL in self._versions:
            cc_credential.follow(self, event)
        # A moment later, so that the answer to the command that caused it goes first.
        self.firmware.timebase.call_later(0.0, lambda: self._notify(event))

    def _notify(self, event: FirmwareEvent) -> None:
        self.jam_told = event.kind is Kind.JAMMED or (self.jam_told and event.kind not in _MOVED)
        if event.kind is Kind.JAM_CLEARED:
            self.jam_told = False
        if event.kind in _MOVED and not event.phantom:
            self.say(cc_lock.operation_report(self))
        if event.kind is Kind.BATTERY:
            self.say(cc_device.battery_report(self))
        notification = cc_notification.of_event(self, event)
        if notification is not None:
            self.tell(notification)

    def tell(self, notification: cc_notification.Notification) -> None:
        """Send a notification, unless its type was told off."""
        if notification.type not in self.silenced:
            self._sequence += 1
            self.say(cc_notification.report(notification, self._sequence))

    def say(self, data: bytes) -> None:
        """To the lifeline, where the controller has put itself into it."""
        if CONTROLLER in self.lifeline:
            self.send(data, secure=True)

    def send(self, data: bytes, *, secure: bool) -> None:
        """To the controller; a lock without power or in the middle of a restart is silent."""
        if self.radio is not None and self.firmware.powered and not self.queue.deaf:
            self.radio.send(data, secure=secure)


@dataclass(frozen=True, slots=True)
class _Answering:
    """Where an answer goes: back under the key of the question, and into its session."""

    app: ZwaveApplication
    session: int | None
    secure: bool

    def send(self, data: bytes) -> None:
        if data:
            self.app.send(data, secure=self.secure)

    def status(self, status: SupervisionStatus) -> None:
        self.send(self.report(status))

    def report(self, status: SupervisionStatus) -> bytes:
        """CC:006C.01.02; nothing for an order that was not supervised."""
        if self.session is None:
            return b""
        return bytes((CC.SUPERVISION, 0x02, self.session, status, 0))


def _order(request: Set, answering: _Answering) -> Command:
    def told(answer: Answer) -> bytes:
        if answer is not Answer.OK:
            request.refused(answer)
        success = answer is Answer.OK
        return answering.report(SupervisionStatus.SUCCESS if success else SupervisionStatus.FAIL)

    return Command(request.name, request.slot, lambda: told(request.apply()), told, answering.send)


def versions(profile: Profile) -> dict[int, int]:
    """Command classes of a model, from the names in its profile."""
    known: dict[int, int] = {}
    for name, version in profile.skin["versions"].items():
        known[CC[name.upper()]] = int(version)
    return known


def _supported(known: dict[int, int]) -> Commands:
    commands: Commands = {}
    for (command_class, command), handler in _ALL_COMMANDS.items():
        since, later = _SINCE.get(command_class, (0, {}))
        if command_class not in known:
            continue
        if (command_class, command) in later and known[command_class] < since:
            continue
        commands[command_class, command] = handler
    return commands
