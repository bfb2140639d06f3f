"""One code by User Code (CC:0063), or by User Credential where the lock has that: read, put, clear.

Sans-I/O. A slot is the lock's user id, from 1. Not here: proof and order (session).

`UserCode.get(userId)` tells `{userIdStatus, userCode}`; `set(userId, status, code)` and
`clear(userId)` tell how the lock ended them, if it is supervised (UserCodeCC.d.ts). A lock's code
may come as a `Buffer` object, or as stars, which are no digits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway.domain.secret import Secret
from gateway.drivers.api import SlotUse
from gateway.drivers.zwave_lock import credentials, wire
from gateway.drivers.zwave_lock.dialogue import (
    Dialect,
    Dialogue,
    Said,
    Store,
    Word,
    ask_fields,
    overheard,
    tell,
)
from gateway.drivers.zwave_lock.wire import UserStatus
from gateway.errors import DeviceRefused, PeerProtocolError, Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

_USES: Final[Mapping[int, SlotUse]] = {
    UserStatus.AVAILABLE: SlotUse.AVAILABLE,
    UserStatus.ENABLED: SlotUse.ENABLED,
    UserStatus.PASSAGE_MODE: SlotUse.ENABLED,
    UserStatus.DISABLED: SlotUse.DISABLED,
    UserStatus.MESSAGING: SlotUse.DISABLED,
}
"""A messaging code opens nothing; one of passage mode opens, and more than that."""


@dataclass(frozen=True, slots=True)
class User:
    """The lock's word about one slot, before its schedules are read."""

    use: SlotUse
    digits: Secret | None = None


EMPTY: Final = User(SlotUse.AVAILABLE)


def read_user(dialect: Dialect, slot: int) -> Dialogue[User]:
    """From the lock itself, never from what Z-Wave JS remembers."""
    if dialect.store is Store.CREDENTIALS:
        found = yield from credentials.read(dialect, slot)
        if found is None:
            return EMPTY
        return User(SlotUse.ENABLED if found.active else SlotUse.DISABLED, digits_of(found.data))
    told = yield from ask_fields(dialect.ask(wire.USER_CODE, "get", slot))
    status = told.get("userIdStatus")
    if status == UserStatus.NOT_AVAILABLE:
        raise DeviceRefused(f"could not read slot {slot}: there is no such user", Refusal.INVALID)
    use = _USES.get(status) if isinstance(status, int) else None
    if use is None:
        raise PeerProtocolError(f"could not read slot {slot}: the lock does not know its status")
    if use is SlotUse.AVAILABLE:
        return EMPTY
    return User(use, digits_of(told.get("userCode")))


def digits_of(code: object) -> Secret | None:
    """None where the lock masks them, or tells bytes that are no digits."""
    if not isinstance(code, str) or not (code.isascii() and code.isdigit()):
        return None
    return Secret(code)


def put(
    dialect: Dialect, slot: int, digits: Secret, *, enabled: bool, occupied: bool
) -> Dialogue[Word]:
    """`occupied`: something is there and is replaced."""
    if dialect.store is Store.CREDENTIALS:
        return (
            yield from credentials.put(dialect, slot, digits, enabled=enabled, occupied=occupied)
        )
    status = UserStatus.ENABLED if enabled else UserStatus.DISABLED
    call = dialect.order(wire.USER_CODE, "set", slot, int(status), digits.reveal())
    return (yield from tell(call))


def clear(dialect: Dialect, slot: int) -> Dialogue[Word]:
    if dialect.store is Store.CREDENTIALS:
        return (yield from credentials.clear(dialect, slot))
    return (yield from tell(dialect.order(wire.USER_CODE, "clear", slot)))


def why(dialect: Dialect, slot: int, word: Word) -> Dialogue[Word]:
    """The word with its reason. User Code has none: the lock tells of a duplicate by itself
    (access control, event 0x0F), before or after it ends the command, if it ends it at all."""
    if word is Said.DONE or dialect.store is Store.CREDENTIALS:
        return word
    duplicate = yield from overheard(wire.Access.CODE_DUPLICATE, slot)
    return Refusal.DUPLICATE if duplicate else word
