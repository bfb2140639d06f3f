"""Faults by name: what goes wrong between a lock and whoever talks to it.

Here: the catalogue, arming and disarming, and the decision whether a fault strikes now. Not here:
what a fault does (``commands`` for those of a command, the skins for those of a frame).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random
    from collections.abc import Callable


class Fault(StrEnum):
    """The catalogue; ``EXPLAINED`` says what each does."""

    ANSWER_LOST = "applied-but-answer-lost"
    NOT_APPLIED = "acknowledged-but-not-applied"
    DELETED_LATER = "deleted-later"
    SLOW = "slow"
    BUSY = "busy"
    FULL = "full"
    DUPLICATE = "duplicate-always"
    MASKED_READ = "masked-read"
    PHANTOM_EVENT = "phantom-event"
    SWAPPED_USER_ID = "byte-swapped-user-id"
    RESET = "reset"
    DEAD = "dead"
    STUCK_JAM = "stuck-jam"
    WITHHOLD_ANSWER = "withhold-answer"
    WRONG_CRC = "wrong-stable-crc"
    MID_FRAME = "disconnect-in-mid-frame"
    DORMANT = "dormant-refuses-connect"


EXPLAINED = {
    Fault.ANSWER_LOST: "the command is applied, its answer never sent",
    Fault.NOT_APPLIED: "the command is answered with success and forgotten",
    Fault.DELETED_LATER: "the command is applied; `seconds` later the code vanishes, unsaid",
    Fault.SLOW: "the command is applied and answered `seconds` later",
    Fault.BUSY: "the command is refused: general failure",
    Fault.FULL: "the command is refused: memory full",
    Fault.DUPLICATE: "the command is refused: duplicate code",
    Fault.MASKED_READ: "the digits in the answer are masked",
    Fault.PHANTOM_EVENT: "beside the command, an unlocking is reported that never was",
    Fault.SWAPPED_USER_ID: "user ids in events have their bytes swapped",
    Fault.RESET: "the command is lost, the lock restarts and is deaf for `seconds`",
    Fault.DEAD: "nothing works, keypad included, until disarmed",
    Fault.STUCK_JAM: "the bolt is jammed and stays so until disarmed",
    Fault.WITHHOLD_ANSWER: "the command is applied, its answer kept back until `release`",
    Fault.WRONG_CRC: "answers carry a wrong checksum, always the same for the same bytes",
    Fault.MID_FRAME: "the command is applied; the link is cut in the middle of its answer",
    Fault.DORMANT: "once it sleeps, the device answers no connection request until it is touched",
}

CONDITIONS = frozenset({Fault.DEAD, Fault.STUCK_JAM, Fault.SWAPPED_USER_ID, Fault.DORMANT})
"""These last from arming to disarming; the others strike commands."""

_DEFAULT_COUNT: dict[Fault, int | None] = {Fault.DUPLICATE: None, Fault.WRONG_CRC: None}
_DEFAULT_SECONDS = {Fault.SLOW: 6.0, Fault.DELETED_LATER: 5.0, Fault.RESET: 2.0}
_DEFAULT_ON = {
    Fault.FULL: ("set_pin_code", "add_code"),
    Fault.DUPLICATE: ("set_pin_code", "add_code"),
    Fault.DELETED_LATER: ("set_pin_code", "add_code"),
    Fault.MASKED_READ: ("get_pin_code",),
}
"""The first that the skin knows."""

LINK = "link.connect"
"""Among the commands of a skin that is connected to: what happens to its link can go wrong."""

_NEEDS = {
    Fault.WRONG_CRC: LINK,
    Fault.MID_FRAME: LINK,
    Fault.DORMANT: LINK,
    Fault.SWAPPED_USER_ID: "set_user_type",
}
"""A command without which a fault could never strike."""


class FaultError(Exception):
    """A fault cannot be armed or found; the text says what would do."""


@dataclass(slots=True)
class ArmedFault:
    """One fault waiting for its moment.

    ``on`` is a command name or a pattern of one (``set_*``); ``slot`` narrows it; ``remaining``
    is None for until disarmed; ``rate`` is the chance with which it strikes a matching command.
    Housekeeping of the protocol has names with a dot (``zcl.read_attributes``), which only a
    pattern with a dot matches: a fault meant for the lock does not spoil an interview.
    """

    number: int
    fault: Fault
    on: str
    slot: int | None
    remaining: int | None
    seconds: float
    rate: float
    hits: int = 0

    def concerns(self, command: str, slot: int | None) -> bool:
        """Whether this command is one it waits for."""
        return (
            fnmatchcase(command, self.on)
            and ("." in self.on or "." not in command)
            and self.slot in (None, slot)
        )

    def as_dict(self) -> dict[str, Any]:
        """For the control interface."""
        return {
            "number": self.number,
            "fault": self.fault.value,
            "on": self.on,
            "slot": self.slot,
            "remaining": self.remaining,
            "seconds": self.seconds,
            "rate": self.rate,
            "hits": self.hits,
        }


class Faults:
    """The faults armed on one device.

    ``commands`` are the names its skin knows, to refuse a fault that could never strike.
    ``hit(armed, command, slot)`` is called at every strike; ``condition(fault, on)`` when one of
    ``CONDITIONS`` begins or ends.
    """

    def __init__(
        self,
        rng: random.Random,
        commands: frozenset[str],
        hit: Callable[[ArmedFault, str, int | None], None],
        condition: Callable[[Fault, bool], None],
    ) -> None:
        self._rng = rng
        self._commands = commands
        self._hit = hit
        self._condition = condition
        self._armed: list[ArmedFault] = []
        self._last = 0
        self.condition_changed: Callable[[], None] = lambda: None
        """For the skin: one of ``CONDITIONS`` has begun or ended."""

    def arm(
        self,
        fault: str,
        *,
        on: str | None = None,
        slot: int | None = None,
        count: int | None = -1,
        seconds: float | None = None,
        rate: float = 1.0,
    ) -> ArmedFault:
        """Arm a fault; ``count`` None means until disarmed, unset the fault's own default."""
        try:
            what = Fault(fault)
        except ValueError:
            raise FaultError(f"unknown fault {fault!r}; known: {', '.join(Fault)}") from None
        needed = _NEEDS.get(what)
        if needed is not None and needed not in self._commands:
            raise FaultError(f"fault {fault!r} means nothing to this device")
        pattern = self._default_on(what) if on is None else on
        if not any(fnmatchcase(command, pattern) for command in self._commands):
            raise FaultError(
                f"no command matches {pattern!r}; known: {', '.join(sorted(self._commands))}"
            )
        if count == -1:
            count = _DEFAULT_COUNT.get(what, 1 if rate == 1.0 else None)
        if count is not None and count < 1:
            raise FaultError(f"count must be at least 1 or null (until disarmed), got {count}")
        if not 0 < rate <= 1:
            raise FaultError(f"rate must be above 0 and at most 1, got {rate}")
        self._last += 1
        armed = ArmedFault(
            number=self._last,
            fault=what,
            on=pattern,
            slot=slot,
            remaining=None if what in CONDITIONS else count,
            seconds=_DEFAULT_SECONDS.get(what, 0.0) if seconds is None else seconds,
            rate=rate,
        )
        self._armed.append(armed)
        if what in CONDITIONS:
            self._tell(what, on=True)
        return armed

    def _default_on(self, fault: Fault) -> str:
        usual = _DEFAULT_ON.get(fault, ("*",))
        return next((name for name in usual if name in self._commands), usual[0])

    def _tell(self, fault: Fault, *, on: bool) -> None:
        self._condition(fault, on)
        self.condition_changed()

    def disarm(self, number: int | None = None, fault: str | None = None) -> list[ArmedFault]:
        """Take faults away: one by number, all of a name, or all; returns those taken."""
        taken = [
            armed
            for armed in self._armed
            if (number is None or armed.number == number)
            and (fault is None or armed.fault == fault)
        ]
        if number is not None and not taken:
            raise FaultError(f"no fault {number} is armed")
        for armed in taken:
            self._armed.remove(armed)
            if armed.fault in CONDITIONS and not self.lasting(armed.fault):
                self._tell(armed.fault, on=False)
        return taken

    def armed(self) -> list[ArmedFault]:
        """Those still waiting, oldest first."""
        return list(self._armed)

    def lasting(self, fault: Fault) -> bool:
        """Whether a condition is on."""
        return any(armed.fault is fault for armed in self._armed)

    def strike(self, fault: Fault, command: str, slot: int | None) -> ArmedFault | None:
        """Whether this fault hits this command; using it up if it does."""
        for armed in self._armed:
            if armed.fault is not fault or not armed.concerns(command, slot):
                continue
            if armed.rate < 1 and self._rng.random() >= armed.rate:
                continue
            armed.hits += 1
            if armed.remaining is not None:
                armed.remaining -= 1
                if armed.remaining == 0:
                    self._armed.remove(armed)
            self._hit(armed, command, slot)
            return armed
        return None
