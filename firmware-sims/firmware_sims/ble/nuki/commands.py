"""From a message to an answer: the tables put together, challenge and PIN, refusals.

Here: finding a command, what faults call it, what it must carry. Not here: what any command does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from firmware_sims.ble.nuki import actions, authorizations, codes, frames, oplog, pairing, states
from firmware_sims.ble.nuki import settings as configuration
from firmware_sims.ble.nuki.fields import Error, Reader, Refused
from firmware_sims.ble.nuki.spec import error
from firmware_sims.ble.nuki.talk import Talk
from firmware_sims.ble.nuki.words import Op
from firmware_sims.commands import Command
from firmware_sims.faults import LINK
from firmware_sims.firmware.model import Answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from firmware_sims.ble.nuki.authorizations import Authorization
    from firmware_sims.ble.nuki.core import Core
    from firmware_sims.ble.nuki.frames import Message
    from firmware_sims.ble.nuki.pairing import Pairing
    from firmware_sims.ble.nuki.spec import Spec, Table

TABLE: Table = {
    **states.COMMANDS,
    **actions.COMMANDS,
    **authorizations.COMMANDS,
    **codes.COMMANDS,
    **configuration.COMMANDS,
    **oplog.COMMANDS,
}

UNKNOWN = "link.unknown"
PUSH = "link.push"
COMMANDS = frozenset(
    {spec.name for spec in TABLE.values()} | set(pairing.NAMES.values()) | {LINK, UNKNOWN, PUSH}
)
"""What faults can be armed on."""

_CHALLENGE_SIZE = 32
_SELECTOR_SIZE = {Op.REQUEST_DATA: 2, Op.LOCK_ACTION: 1}
_ERRORS = {
    Answer.FAILURE: Error.BUSY,
    Answer.FULL: Error.TOO_MANY_ENTRIES,
    Answer.DUPLICATE: Error.CODE_ALREADY_EXISTS,
    Answer.INVALID: Error.BAD_PARAMETER,
    Answer.DENIED: Error.NOT_AUTHORIZED,
}


def understand(
    core: Core, auth_id: bytes, message: Message, respond: Callable[[bytes], None]
) -> Command:
    """One request of somebody whose key fits; ``respond`` gets messages packed as one."""
    op, payload = message.op, message.payload
    size = _SELECTOR_SIZE.get(Op(op), 0) if op in list(Op) else 0
    selector = int.from_bytes(payload[:size], "little") if size and len(payload) >= size else None
    spec = TABLE.get((op, selector))
    if spec is None:
        # A request for nothing that is, or an action that is none, is a wrong parameter.
        wrong = Error.BAD_PARAMETER if size else Error.UNKNOWN
        unknown = frames.pack([error(wrong, op)])
        return Command(UNKNOWN, None, lambda: unknown, lambda _answer: None, respond)
    fields = payload[size:]
    talk = Talk(lambda messages: respond(frames.pack(messages)))

    def apply() -> bytes:
        try:
            core.talk = talk
            auth = _speaker(core, auth_id)
            reader = Reader(_prove(core, auth, spec, fields))
            return frames.pack(spec.handler(core, auth, reader))
        except Refused as refused:
            return frames.pack([error(refused.error, op)])

    def pretend(result: Answer) -> bytes | None:
        if result is not Answer.OK:
            return frames.pack([error(_ERRORS[result], op)])
        return frames.pack(spec.pretended(core)) if spec.changes else None

    def said(packed: bytes) -> None:
        respond(packed)
        talk.begin()

    return Command(spec.name, _slot(core, spec, fields), apply, pretend, said)


def _speaker(core: Core, auth_id: bytes) -> Authorization:
    """Who asks; he may have been removed while the command waited."""
    auth = core.authorizations.known(auth_id)
    if not auth.enabled:
        raise Refused(Error.DISABLED)
    return auth


def _prove(core: Core, auth: Authorization, spec: Spec, fields: bytes) -> bytes:
    """The fields without challenge and PIN at their end; `Refused` when those are not right."""
    pin_size = core.facts.pin_size if spec.pin else 0
    tail = pin_size + (_CHALLENGE_SIZE if spec.challenge else 0)
    if len(fields) < tail:
        raise Refused(Error.BAD_LENGTH)
    own, proof = fields[: len(fields) - tail], fields[len(fields) - tail :]
    if spec.challenge:
        core.guard.check_challenge(auth.auth_id, proof[:_CHALLENGE_SIZE])
    if spec.pin:
        core.guard.check_pin(int.from_bytes(proof[_CHALLENGE_SIZE:], "little"))
    return own


def _slot(core: Core, spec: Spec, fields: bytes) -> int | None:
    if spec.slot is None:
        return None
    try:
        return spec.slot(core, Reader(fields))
    except Refused:
        return None


def pair(conversation: Pairing, message: Message, respond: Callable[[bytes], None]) -> Command:
    """One step of a pairing."""
    name = pairing.NAMES.get(Op(message.op), UNKNOWN) if message.op in list(Op) else UNKNOWN

    def apply() -> bytes:
        try:
            return frames.pack(conversation.answer(message))
        except Refused as refused:
            return frames.pack([error(refused.error, message.op)])

    return Command(
        name,
        None,
        apply,
        lambda answer: (
            None if answer is Answer.OK else frames.pack([error(_ERRORS[answer], message.op)])
        ),
        respond,
    )
