"""One PIN by User Credential (CC:0083): a user and a credential, both of the slot's number.

Sans-I/O. Z-Wave JS speaks of them by commands of the server (`endpoint.access_control.*`,
AccessControl.d.ts), because its command class API takes and gives objects that do not cross as
JSON. A user or a PIN that is not there is reported with the number that was asked for and
"modified by nobody" (CC:0083.01.06.11.004); Z-Wave JS 15 makes of that a user who is not active or
a PIN without digits, and tells who modified it only as a value that it keeps of the same report
(UserCredentialCC.js, `persistValues`). No answer is told like none: as nothing at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway.drivers.zwave_lock import wire
from gateway.drivers.zwave_lock.dialogue import (
    ASKED,
    Dialect,
    Dialogue,
    Said,
    Word,
    kept,
    value_id,
)
from gateway.drivers.zwave_lock.wire import CREDENTIAL_PIN, GENERAL_USER, Result
from gateway.errors import OutcomeUnknown, PeerProtocolError, Refusal, Unreachable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.domain.secret import Secret

_ACCESS: Final = "endpoint.access_control."
_WORDS: Final[Mapping[object, Word]] = {
    Result.OK: Said.DONE,
    Result.OCCUPIED: Refusal.INVALID,
    Result.EMPTY: Refusal.FAILED,
    Result.DUPLICATE: Refusal.DUPLICATE,
    Result.DUPLICATE_ADMIN: Refusal.DUPLICATE,
    Result.SECURITY_RULES: Refusal.WEAK,
    Result.WRONG_USER: Refusal.INVALID,
}


@dataclass(frozen=True, slots=True)
class Found:
    """A user, its PIN, or both. `data` is as it came, None where the lock does not tell it.

    Not `active`: the slot is taken, and no PIN of it opens.
    """

    active: bool
    data: object


def read(dialect: Dialect, slot: int) -> Dialogue[Found | None]:
    """None where the lock says that it has neither such a user nor such a PIN."""
    user = yield from _ask_for(dialect, "user", ("userModifierType", slot), userId=slot)
    pin = yield from _ask_for(
        dialect,
        "credential",
        ("credentialModifierType", _key(slot)),
        credentialType=CREDENTIAL_PIN,
        credentialSlot=slot,
    )
    if user is None and pin is None:
        return None
    if pin is None:
        return Found(active=False, data=None)
    # A PIN of another user is not ours to judge: it counts as one that opens.
    ours = pin.get("userId") == slot
    off = ours and user is not None and user.get("active") is False
    return Found(not off, pin.get("data"))


def _key(slot: int) -> int:
    return CREDENTIAL_PIN << 16 | slot


def _ask_for(
    dialect: Dialect, what: str, modifier: tuple[str, int], **of: object
) -> Dialogue[dict[str, object] | None]:
    """What the node tells of it; None if it is not there. `Unreachable` where it does not answer.

    Z-Wave JS takes any report for the answer, also a late one about something else
    (`testResponseForUserCredentialUserGet`).
    """
    call = dialect.ask(wire.USER_CREDENTIAL, f"{_ACCESS}get_{what}", of)
    for _ in range(ASKED):
        reply = yield call
        told = reply.value.get(what) if isinstance(reply.value, dict) else None
        if isinstance(told, dict) and _is_about(told, of):
            break
    else:
        raise Unreachable(f"could not read the {what}: the lock does not answer")
    who = yield from kept(dialect, "value", value_id(dialect, wire.USER_CREDENTIAL, *modifier))
    if who is None:
        raise PeerProtocolError(f"could not read the {what}: nobody says whether it is there")
    return None if who == wire.NOBODY else told


def _is_about(told: dict[str, object], of: dict[str, object]) -> bool:
    names = {"credentialType": "type", "credentialSlot": "slot"}
    return all(told.get(names.get(name, name)) == value for name, value in of.items())


def put(
    dialect: Dialect, slot: int, digits: Secret, *, enabled: bool, occupied: bool
) -> Dialogue[Word]:
    """The user first, which opens nothing without a PIN; it does not stay if that is refused."""
    options = {"active": enabled, "userType": GENERAL_USER}
    word: Word | None = None
    if occupied:
        word = yield from _do(dialect, "set_user", userId=slot, options=options)
    if word in {None, Refusal.FAILED}:  # FAILED: its PIN is another user's, and it has none
        word = yield from _do(dialect, "add_user", userId=slot, options=options)
    if isinstance(word, Refusal):
        return word
    pin: dict[str, object] = {
        "userId": slot,
        "credentialType": CREDENTIAL_PIN,
        "credentialSlot": slot,
        "data": digits.reveal(),
    }
    try:
        word = yield from _do(dialect, "set_credential", **pin)
        if isinstance(word, Refusal) and not occupied:
            yield from _delete_user(dialect, slot)
    except Unreachable as error:
        raise OutcomeUnknown(f"slot {slot} has a user, and perhaps no code: {error}") from error
    return word


def clear(dialect: Dialect, slot: int) -> Dialogue[Word]:
    """The user, with all that is theirs, and a PIN of another user in the place of this number.

    Whose it is, is known from the reading before.
    """
    word = yield from _delete_user(dialect, slot)
    value = value_id(dialect, wire.USER_CREDENTIAL, "credentialOwner", _key(slot))
    owner = yield from kept(dialect, "value", value)
    if (isinstance(word, Refusal) and word.definite) or owner in {None, wire.NOBODY, slot}:
        return word
    place: dict[str, object] = {"credentialType": CREDENTIAL_PIN, "credentialSlot": slot}
    return (yield from _do(dialect, "delete_credential", userId=owner, **place))


def _delete_user(dialect: Dialect, slot: int) -> Dialogue[Word]:
    """With the user goes all that is theirs (CC:0083.01.05.11.002)."""
    return (yield from _do(dialect, "delete_user", userId=slot))


def _do(dialect: Dialect, what: str, **of: object) -> Dialogue[Word]:
    reply = yield dialect.order(wire.USER_CREDENTIAL, f"{_ACCESS}{what}", of)
    result = reply.value.get("result") if isinstance(reply.value, dict) else None
    if isinstance(result, dict):  # add_user tells of the user and of the credential
        result = result.get("user")
    return _WORDS.get(result, Said.NOTHING)
