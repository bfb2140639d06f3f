"""How a lock works off the commands that reach it, and how faults get between.

Here: the queue of one device (one command at a time, each taking its time), every fault that
concerns a whole command, and answers kept back. Not here: what a command does or how an answer is
encoded: the skins bring both as callables.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from firmware_sims.faults import Fault
from firmware_sims.firmware.model import Answer, Kind, Source

if TYPE_CHECKING:
    from collections.abc import Callable

    from firmware_sims.faults import Faults
    from firmware_sims.firmware.lock import LockFirmware

REFUSALS = (
    (Fault.BUSY, Answer.FAILURE),
    (Fault.FULL, Answer.FULL),
    (Fault.DUPLICATE, Answer.DUPLICATE),
)


@dataclass(frozen=True, slots=True)
class Command:
    """One request as a skin has understood it.

    ``apply`` does it and returns the answer's bytes; ``pretend(answer)`` returns the bytes of an
    answer without doing anything, or None where the protocol has no such answer (a read);
    ``respond`` sends bytes back to where the command came from.
    """

    name: str
    slot: int | None
    apply: Callable[[], bytes]
    pretend: Callable[[Answer], bytes | None]
    respond: Callable[[bytes], None]


class CommandQueue:
    """The commands of one device.

    ``received`` counts what arrived and ``applied`` what took effect, by name: the proof that
    something was done once, twice or never.
    """

    def __init__(self, firmware: LockFirmware, faults: Faults) -> None:
        self._firmware = firmware
        self._faults = faults
        self._waiting: deque[Command] = deque()
        self._busy = False
        self._epoch = 0
        self._withheld: list[tuple[Command, bytes]] = []
        self.deaf = False
        self.received: Counter[str] = Counter()
        self.applied: Counter[str] = Counter()
        self.stopped: Callable[[], None] = lambda: None
        """A restart begins: for skins whose links do not outlast one."""
        self.restarted: Callable[[], None] = lambda: None

    @property
    def busy(self) -> bool:
        """Whether a command is being carried out."""
        return self._busy

    def submit(self, command: Command) -> None:
        """A command has arrived; a lock without power or in the middle of a restart hears none."""
        if self.deaf or not self._firmware.powered:
            return
        self.received[command.name] += 1
        self._waiting.append(command)
        self._next()

    @property
    def withheld(self) -> list[str]:
        """Names of the commands whose answers are kept back."""
        return [command.name for command, _ in self._withheld]

    def release(self, *, drop: bool = False) -> int:
        """Send the answers kept back, or throw them away; returns how many there were."""
        kept, self._withheld = self._withheld, []
        if not drop and self._firmware.powered:
            for command, answer in kept:
                command.respond(answer)
        return len(kept)

    def restart(self, deaf_s: float) -> None:
        """The lock restarts: what was queued is lost, and for a while nothing is heard."""
        self._epoch += 1
        self._waiting.clear()
        self._withheld.clear()
        self._busy = False
        self.deaf = True
        self.stopped()
        epoch = self._epoch

        def back() -> None:
            if epoch == self._epoch:
                self.deaf = False
                self._firmware.emit(Kind.POWER_CYCLED, Source.NOBODY, None)
                self.restarted()

        self._firmware.timebase.call_later(deaf_s, back)

    def _next(self) -> None:
        if self._busy or not self._waiting:
            return
        command = self._waiting.popleft()
        slow = self._faults.strike(Fault.SLOW, command.name, command.slot)
        delay = slow.seconds if slow else 0.0
        if "." not in command.name:  # the radio's own housekeeping does not wake the lock
            delay += self._firmware.profile.command_time_s
        if not delay:
            self._carry_out(command)
            self._next()
            return
        self._busy = True
        epoch = self._epoch

        def done() -> None:
            if epoch == self._epoch:
                self._busy = False
                if self._firmware.powered:
                    self._carry_out(command)
                self._next()

        self._firmware.timebase.call_later(delay, done)

    def _carry_out(self, command: Command) -> None:
        name, slot = command.name, command.slot
        strike = self._faults.strike
        if reset := strike(Fault.RESET, name, slot):
            self.restart(reset.seconds)
            return
        for fault, answer in REFUSALS:
            if strike(fault, name, slot):
                refusal = command.pretend(answer)
                if refusal is not None:
                    command.respond(refusal)
                return
        if strike(Fault.NOT_APPLIED, name, slot):
            success = command.pretend(Answer.OK)
            if success is not None:
                command.respond(success)
                return
        answer_bytes = command.apply()
        self.applied[name] += 1
        if strike(Fault.PHANTOM_EVENT, name, slot):
            self._firmware.emit(Kind.MANUAL_UNLOCKED, Source.MANUAL, slot, phantom=True)
        if (later := strike(Fault.DELETED_LATER, name, slot)) and slot is not None:
            lost: int = slot
            self._firmware.timebase.call_later(
                later.seconds, lambda: self._firmware.users.lose(lost)
            )
        if strike(Fault.WITHHOLD_ANSWER, name, slot):
            self._withheld.append((command, answer_bytes))
        elif not strike(Fault.ANSWER_LOST, name, slot):
            command.respond(answer_bytes)
