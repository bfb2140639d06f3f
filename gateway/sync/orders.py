"""Commands of the cloud into the journal, before anyone acts on them. Runs inside a transaction.

Here: what a command needs to be taken at all, and when it is too late for it. Not here: carrying
it out, which is the scheduler's, by way of the store. The one exception is `confirm_removals`,
which changes nothing but the schedule and is answered in the same transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from gateway.domain.events import EventType, Fact, Value
from gateway.domain.ids import CommandId, DeviceId
from gateway.domain.instant import SECOND, ClockTrust, Instant
from gateway.store import events, journal
from gateway.store.tx import Tx
from gateway.sync.messages import (
    Command,
    ConfirmRemovalsArgs,
    NoArgs,
    RemoveDeviceArgs,
    RenameArgs,
    RevokeArgs,
    RevokeSubjectArgs,
    UnlockArgs,
)
from gateway.sync.parse import MessageRefused, read_args

if TYPE_CHECKING:
    from pydantic import BaseModel

MOMENTARY_MS: Final = 30 * SECOND
"""How long a momentary command without `not_after` is good for, from when it was received."""

MOST_MOMENTARY_MS: Final = 120 * SECOND
"""However late its `not_after`, and whatever the sender's clock: no door is opened later."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a kind of command needs. `momentary`: worthless later. `lasting`: never too late."""

    args: type[BaseModel]
    device: bool = True
    momentary: bool = False
    lasting: bool = False


KINDS: Final[Mapping[str, Kind]] = {
    "unlock": Kind(UnlockArgs, momentary=True),
    "lock": Kind(NoArgs, momentary=True),
    "refresh": Kind(NoArgs),
    "revoke": Kind(RevokeArgs, device=False, lasting=True),
    "revoke_subject": Kind(RevokeSubjectArgs, device=False, lasting=True),
    "resume_repair": Kind(NoArgs),
    "rename": Kind(RenameArgs),
    "remove_device": Kind(RemoveDeviceArgs),
    "confirm_removals": Kind(ConfirmRemovalsArgs, device=False, lasting=True),
}

Result = dict[str, Value]
Confirm = Callable[[Tx, int, Instant], Result]
"""Carries out removals held at a revision; see `accept.confirm_removals`."""


@dataclass(frozen=True, slots=True)
class Reception:
    """When and how a command came. `fresh`: it echoes a nonce we gave out moments ago."""

    now: Instant
    trust: ClockTrust
    fresh: bool


def receive(tx: Tx, command: Command, at: Reception, confirm: Confirm) -> bool:
    """Journal the command; False if its id is known: then the stored answer is told again.

    A command that cannot be carried out is journaled with its refusal, so that it has an answer.
    """
    kind = KINDS.get(command.kind)
    fresh = journal.receive(
        tx,
        CommandId(command.command_id),
        command.kind,
        None if command.device_id is None else DeviceId(command.device_id),
        _body(command, kind),
        "cloud",
        _deadline(command, kind, at),
        at.now,
    )
    if not fresh:
        journal.tell_again(tx, CommandId(command.command_id))
        return False
    result = _refusal(command, kind, at)
    if result is None and command.kind == "confirm_removals":
        result = confirm(tx, int(command.args["revision"]), at.now)
    if result is not None:
        _answer(tx, command, result, at)
    return True


def _body(command: Command, kind: Kind | None) -> dict[str, Any]:
    """Only what was checked is kept; a stranger's fields are not."""
    if kind is None:
        return {}
    try:
        return read_args(kind.args, command.args).model_dump(exclude_none=True)
    except MessageRefused:
        return {}


def _deadline(command: Command, kind: Kind | None, at: Reception) -> Instant | None:
    if kind is not None and kind.lasting:
        return None
    if kind is None or not kind.momentary:
        return command.not_after
    # While our time is not proven it says nothing about theirs; the nonce proves that it is fresh.
    blind = at.trust is ClockTrust.UNTRUSTED and at.fresh
    if command.not_after is None or blind:
        return Instant(at.now + MOMENTARY_MS)
    return min(command.not_after, Instant(at.now + MOST_MOMENTARY_MS))


def _refusal(command: Command, kind: Kind | None, at: Reception) -> Result | None:
    if kind is None:
        return {"outcome": "refused", "reason": "unknown_kind"}
    if kind.device and command.device_id is None:
        return {"outcome": "refused", "reason": "no_device"}
    try:
        read_args(kind.args, command.args)
    except MessageRefused as error:
        return {"outcome": "refused", "reason": "invalid_arguments", "detail": str(error)}
    deadline = _deadline(command, kind, at)
    if deadline is not None and deadline <= at.now:
        return {"outcome": "refused", "reason": "expired"}
    doubtful = command.nonce is not None or at.trust is ClockTrust.UNTRUSTED
    if kind.momentary and doubtful and not at.fresh:
        return {"outcome": "refused", "reason": "not_fresh"}
    return None


def _answer(tx: Tx, command: Command, result: Result, at: Reception) -> None:
    journal.finish(tx, CommandId(command.command_id), result, at.now)
    body: dict[str, Value] = {
        "command_id": command.command_id,
        "kind": command.kind,
        "actor": "cloud",
        "outcome": result["outcome"],
        "reason": result.get("reason"),
    }
    device = None if command.device_id is None else DeviceId(command.device_id)
    events.append(tx, Fact(EventType.AUDIT_COMMAND, at.now, device, body=body), at.trust)
