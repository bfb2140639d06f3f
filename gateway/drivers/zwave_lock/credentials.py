"""One PIN by User Credential (CC:0083): a user and a credential, both of the slot's number.

Sans-I/O. Z-Wave JS speaks of them by commands of the server (`endpoint.access_control.*`,
AccessControl.d.ts), because its command class API takes and gives objects that do not cross as
JSON: a getter of the API tells only *that* the node answered. What the answer was is known from
the cache: a report of something renews its values and their times, a report of nothing does not
(UserCredentialCC.ts, `persistValues`). Together they are the lock's own word, also for nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway.drivers.zwave_lock import wire
from gateway.drivers.zwave_lock.dialogue import Dialect, Dialogue, Said, Word, ask, kept, value_id
from gateway.drivers.zwave_lock.wire import CREDENTIAL_PIN, GENERAL_USER, Result
from gateway.errors import OutcomeUnknown, PeerProtocolError, Refusal, Unreachable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.domain.secret import Secret
    from gateway.radios.command_classes import CcCall

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
    user = yield from _fresh(
        dialect,
        dialect.ask(wire.USER_CREDENTIAL, "getUser", slot),
        ("userType", slot),
        "user",
        userId=slot,
    )
    pin = yield from _fresh(
        dialect,
        dialect.ask(wire.USER_CREDENTIAL, "getCredential", 0, CREDENTIAL_PIN, slot),
        ("credentialOwner", CREDENTIAL_PIN << 16 | slot),
        "credential",
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


def _fresh(
    dialect: Dialect, call: CcCall, renewed: tuple[str, int], what: str, **of: object
) -> Dialogue[dict[str, object] | None]:
    """What the node just told of it; `renewed` is the value that a report of something renews."""
    value = value_id(dialect, wire.USER_CREDENTIAL, *renewed)
    before = yield from kept(dialect, "timestamp", value)
    yield from ask(call)
    if (yield from kept(dialect, "timestamp", value)) == before:
        return None
    method = f"{_ACCESS}get_{what}_cached"
    reply = yield dialect.ask(wire.USER_CREDENTIAL, method, of)
    told = reply.value.get(what) if isinstance(reply.value, dict) else None
    if not isinstance(told, dict):
        raise PeerProtocolError(f"could not read the {what}: it was told and is not kept")
    return told


def put(
    dialect: Dialect, slot: int, digits: Secret, *, enabled: bool, occupied: bool
) -> Dialogue[Word]:
    """The user first, which opens nothing without a PIN; it does not stay if that is refused."""
    options = {"active": enabled, "userType": GENERAL_USER}
    if occupied:
        word = yield from _do(dialect, "set_user", userId=slot, options=options)
    else:
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
            yield from clear(dialect, slot)
    except Unreachable as error:
        raise OutcomeUnknown(f"slot {slot} has a user, and perhaps no code: {error}") from error
    return word


def clear(dialect: Dialect, slot: int) -> Dialogue[Word]:
    """With the user goes all that is theirs (CC:0083, User Set with the operation delete)."""
    return (yield from _do(dialect, "delete_user", userId=slot))


def _do(dialect: Dialect, what: str, **of: object) -> Dialogue[Word]:
    reply = yield dialect.order(wire.USER_CREDENTIAL, f"{_ACCESS}{what}", of)
    result = reply.value.get("result") if isinstance(reply.value, dict) else None
    if isinstance(result, dict):  # add_user tells of the user and of the credential
        result = result.get("user")
    return _WORDS.get(result, Said.NOTHING)
