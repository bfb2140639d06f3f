"""From a frame's command and payload to an answer: the tables put together, permission, refusals.

Here: finding a command, what faults call it, who may give it. Not here: what any command does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from firmware_sims.ble.ttlock import bolt, codes, credentials, login, switches
from firmware_sims.ble.ttlock.codes import ERRORS
from firmware_sims.ble.ttlock.core import answer, refusal
from firmware_sims.ble.ttlock.fields import Error, Reader, Refused
from firmware_sims.commands import Command
from firmware_sims.faults import LINK
from firmware_sims.firmware.model import Answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from firmware_sims.ble.ttlock.core import Core
    from firmware_sims.ble.ttlock.spec import Spec, Table

TABLE: Table = {
    **login.COMMANDS,
    **bolt.COMMANDS,
    **codes.COMMANDS,
    **credentials.COMMANDS,
    **switches.COMMANDS,
}

UNKNOWN = "link.unknown"
COMMANDS = frozenset({spec.name for spec in TABLE.values()} | {LINK, UNKNOWN})
"""What faults can be armed on."""

_WITH_OPERATIONS = frozenset(opcode for opcode, op in TABLE if op is not None)


def understand(
    core: Core, opcode: int, payload: bytes, respond: Callable[[bytes], None]
) -> Command:
    """One request; ``respond`` gets the plaintext of its answer."""
    op = payload[0] if opcode in _WITH_OPERATIONS and payload else None
    spec = TABLE.get((opcode, op))
    if spec is None:
        unknown = refusal(opcode, Error.INVALID_COMMAND)
        return Command(UNKNOWN, None, lambda: unknown, lambda _answer: None, respond)
    fields = payload if op is None else payload[1:]

    def apply() -> bytes:
        try:
            core.need(spec.level)
            if spec.feature is not None:
                core.need_feature(spec.feature)
            return answer(opcode, spec.handler(core, Reader(fields)))
        except Refused as refused:
            return refusal(opcode, refused.error)

    def pretend(result: Answer) -> bytes | None:
        if result is not Answer.OK:
            return refusal(opcode, ERRORS[result])
        if not spec.changes:
            return None
        return answer(opcode, b"" if op is None else core.done(op))

    return Command(spec.name, _slot(core, spec, fields), apply, pretend, respond)


def _slot(core: Core, spec: Spec, fields: bytes) -> int | None:
    if spec.slot is None:
        return None
    try:
        return spec.slot(core, Reader(fields))
    except Refused:
        return None
