"""User Credential (CC:0083), version 1: users, and PIN codes that belong to them.

Here: users with their state, PIN credentials in numbered places, the reports that answer every
change and tell of those that were made at the keypad, and what a notification says of who it was.
Not here: digits and duplicates (`firmware.users`): the firmware's slots are the places of PIN
credentials, and a code is enabled while its user is active.

What cannot be done is ignored (CC:0083.01.0A.11.002 and others): there is no report that says why,
but for those of an occupied, an empty or a wrong place and of a duplicate.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, field
from typing import TYPE_CHECKING, Any

from firmware_sims.firmware.model import (
    ALL_SLOTS,
    Answer,
    Kind,
    Source,
    UserStatus,
    UserType,
)
from firmware_sims.zwave.commands import CC, CONTROLLER, Commands, Get, housekeeping, u16

if TYPE_CHECKING:
    from collections.abc import Callable

    from firmware_sims.firmware.model import FirmwareEvent
    from firmware_sims.zwave.application import ZwaveApplication

PIN = 1
GENERAL, NON_ACCESS = 0, 4
SINGLE = 1
_ADD, _MODIFY, _DELETE = 0, 1, 2
_RESPONSE = 4
_OCCUPIED, _EMPTY = 5, 6
_DUPLICATE, _WRONG_USER = 7, 9
_BY_NOBODY, _BY_ZWAVE = 0, 2
_NAME_LENGTH = 20
_HASH_LENGTH = 8
"""Of a PIN that is kept back; 0 for one that can be read (CC:0083.01.0C.11.021)."""


@dataclass(frozen=True, slots=True)
class Person:
    """One user: its type, whether it is active, and its name as bytes of its encoding."""

    type: int
    active: bool
    encoding: int
    name: str


@dataclass(slots=True)
class People:
    """The users of a lock, and whose each place of a PIN is."""

    known: dict[int, Person] = field(default_factory=dict)
    owner: dict[int, int] = field(default_factory=dict)

    def clear(self) -> None:
        self.known.clear()
        self.owner.clear()

    def dump(self) -> dict[str, Any]:
        return {
            "known": [[user, *astuple(person)] for user, person in sorted(self.known.items())],
            "owner": [list(item) for item in sorted(self.owner.items())],
        }

    def load(self, data: dict[str, Any]) -> None:
        self.known = {user: Person(*rest) for user, *rest in data["known"]}
        self.owner = dict(data["owner"])


def usage(app: ZwaveApplication, place: int) -> bytes:
    """Credential usage data: user, number of credentials, type and place of each
    (zwave-js/zwave-js#8979 shows one: 0002 01 01 0001)."""
    return u16(app.people.owner.get(place, 0)) + bytes((1, PIN)) + u16(place)


def follow(app: ZwaveApplication, event: FirmwareEvent) -> None:
    """Codes that came and went at the keypad: a place set by hand is its namesake's, and a user
    goes with the last of theirs (assumed)."""
    people, place = app.people, event.slot
    if event.kind is Kind.FACTORY_RESET:
        people.clear()
    elif event.kind is Kind.CODE_DELETED and event.source is Source.KEYPAD:
        if place == ALL_SLOTS:
            people.clear()
            _say(app, _user_report(app, _DELETE, 0))
        elif place is not None and place in people.owner:
            owner = people.owner.pop(place)
            _say(app, _credential_report(app, _DELETE, owner, place))
            if owner not in people.owner.values() and owner in people.known:
                del people.known[owner]
                _say(app, _user_report(app, _DELETE, owner))
    elif event.kind is Kind.CODE_ADDED and event.source is Source.KEYPAD and place is not None:
        people.owner[place] = place
        if place not in people.known:
            people.known[place] = Person(GENERAL, active=True, encoding=0, name="")
            _say(app, _user_report(app, _ADD, place))
        _say(app, _credential_report(app, _ADD, place, place))
    elif event.kind is Kind.CODE_CHANGED and event.source is Source.KEYPAD and place is not None:
        _say(app, _credential_report(app, _MODIFY, people.owner.get(place, 0), place))


def _say(app: ZwaveApplication, report: bytes) -> None:
    """To the lifeline, which is told of every change (CC:0083.01.05.11.011)."""
    app.firmware.timebase.call_later(0.0, lambda: app.say(report))


# ---- capabilities


def _user_capabilities(app: ZwaveApplication, _payload: bytes) -> bytes:
    """No schedules, no checksums; names in ASCII; general and non-access users."""
    users, rules, types = app.firmware.profile.slots, 1 << SINGLE, 1 << GENERAL | 1 << NON_ACCESS
    head = bytes((CC.USER_CREDENTIAL, 0x02)) + u16(users)
    return head + bytes((rules, _NAME_LENGTH, 1 << 2, 1, types))


def _credential_capabilities(app: ZwaveApplication, _payload: bytes) -> bytes:
    profile = app.firmware.profile
    lengths = (profile.min_code_length, profile.max_code_length)
    head = bytes((CC.USER_CREDENTIAL, 0x04, 0, 1, PIN, 0)) + u16(profile.slots)
    return head + bytes((*lengths, 0, 0, 0 if app.reads_back else _HASH_LENGTH))


# ---- users


def _user_report(app: ZwaveApplication, kind: int, user: int, following: int = 0) -> bytes:
    person = app.people.known.get(user)
    head = bytes((CC.USER_CREDENTIAL, 0x07, kind)) + u16(following)
    modifier = _BY_NOBODY if person is None else _BY_ZWAVE
    head += bytes((modifier,)) + u16(CONTROLLER if person else 0) + u16(user)
    if person is None:
        return head + bytes((GENERAL, 0, SINGLE)) + bytes(4)
    name = person.name.encode("latin-1")
    told = bytes((person.type, person.active, SINGLE)) + u16(0)
    return head + told + bytes((person.encoding, len(name))) + name


def _user_get(app: ZwaveApplication, payload: bytes) -> Get:
    """User 0 asks for the first there is."""
    wanted = int.from_bytes(payload[:2], "big")

    def apply() -> bytes:
        known = sorted(app.people.known)
        user = wanted or (known[0] if known else 0)
        following = next((other for other in known if other > user), 0)
        return _user_report(app, _RESPONSE, user, following)

    return Get("get_user", apply)


def _user_set(app: ZwaveApplication, payload: bytes) -> Get:
    operation, user = payload[0] & 3, int.from_bytes(payload[1:3], "big")
    if operation == _DELETE:
        pretend = _pretended(app, _DELETE, user)
        return Get("clear_user", lambda: _delete_user(app, user), pretend=pretend)
    kind, active, encoding = payload[3], bool(payload[4] & 1), payload[8] & 7
    name = payload[10 : 10 + payload[9]].decode("latin-1")
    person = Person(kind, active, encoding, name)

    def apply() -> bytes:
        present = user in app.people.known
        if operation == _ADD and present:
            return _user_report(app, _OCCUPIED, user)
        if operation == _MODIFY and not present:
            return _user_report(app, _EMPTY, user)
        if not 1 <= user <= app.firmware.profile.slots:
            return b""
        app.people.known[user] = person
        for place in _places(app, user):
            _follow(app, place, person)
        app.firmware.changed()
        return _user_report(app, operation, user)

    return Get("set_user", apply, pretend=_pretended(app, operation, user))


def _delete_user(app: ZwaveApplication, user: int) -> bytes:
    """User 0 is all of them; their credentials go with them."""
    gone = [user] if user else list(app.people.known)
    report = _user_report(app, _DELETE, user)
    for one in gone:
        for place in _places(app, one):
            app.firmware.users.clear_code(place, Source.RADIO)
            app.people.owner.pop(place, None)
        app.people.known.pop(one, None)
    app.firmware.changed()
    return report


def _pretended(app: ZwaveApplication, operation: int, user: int) -> Callable[[Answer], bytes]:
    """As if it had been done; what is refused is not answered."""
    return lambda answer: _user_report(app, operation, user) if answer is Answer.OK else b""


def _places(app: ZwaveApplication, user: int) -> list[int]:
    return [place for place, owner in app.people.owner.items() if owner == user]


def _follow(app: ZwaveApplication, place: int, person: Person) -> None:
    """A code opens for an active user who may enter."""
    users = app.firmware.users
    users.set_status(place, UserStatus.ENABLED if person.active else UserStatus.DISABLED)
    access = person.type != NON_ACCESS
    users.set_type(place, UserType.UNRESTRICTED if access else UserType.NON_ACCESS)


# ---- credentials


def _credential_report(
    app: ZwaveApplication, kind: int, user: int, place: int, *, masked: bool = False
) -> bytes:
    """With its digits where the model lets them be read back (`reads_back` in its profile)."""
    held = app.firmware.users.users.get(place)
    shown = app.reads_back and not masked
    digits = held.code.encode() if held is not None and shown else b""
    read_back = 0x80 if shown else 0
    following = 0
    if kind == _RESPONSE:
        following = next((other for other in sorted(app.people.owner) if other > place), 0)
    head = bytes((CC.USER_CREDENTIAL, 0x0C, kind)) + u16(user) + bytes((PIN,)) + u16(place)
    modifier = bytes((_BY_ZWAVE if held else _BY_NOBODY,)) + u16(CONTROLLER if held else 0)
    tail = modifier + bytes((PIN if following else 0,)) + u16(following)
    return head + bytes((read_back, len(digits))) + digits + tail


def _credential_get(app: ZwaveApplication, payload: bytes) -> Get:
    user, place = int.from_bytes(payload[:2], "big"), int.from_bytes(payload[3:5], "big")

    def apply(*, masked: bool = False) -> bytes:
        owned = sorted(at for at, who in app.people.owner.items() if user in (0, who))
        at = place or (owned[0] if owned else 0)
        owner = app.people.owner.get(at, user)
        return _credential_report(app, _RESPONSE, owner, at, masked=masked)

    return Get("get_pin_code", apply, place, lambda: apply(masked=True))


def _credential_set(app: ZwaveApplication, payload: bytes) -> Get:
    user, kind = int.from_bytes(payload[:2], "big"), payload[2]
    place, operation = int.from_bytes(payload[3:5], "big"), payload[5] & 3

    def pretend(answer: Answer) -> bytes:
        told = {Answer.OK: operation, Answer.DUPLICATE: _DUPLICATE}.get(answer)
        return b"" if told is None else _credential_report(app, told, user, place)

    if operation == _DELETE:

        def erase() -> bytes:
            return _delete_credential(app, user, place)

        return Get("clear_pin_code", erase, place, pretend=pretend)
    digits = payload[7 : 7 + payload[6]].decode("ascii", "replace")

    def apply() -> bytes:
        if kind != PIN:
            return b""
        return _store(app, operation, user, place, digits)

    return Get("set_pin_code", apply, place, pretend=pretend)


def _store(app: ZwaveApplication, operation: int, user: int, place: int, digits: str) -> bytes:
    people, users = app.people, app.firmware.users
    person, owner = people.known.get(user), people.owner.get(place)
    if person is None or owner not in (None, user):
        return _credential_report(app, _WRONG_USER, user, place)
    if operation == _ADD and owner is not None:
        return _credential_report(app, _OCCUPIED, user, place)
    if operation == _MODIFY and owner is None:
        return _credential_report(app, _EMPTY, user, place)
    status = UserStatus.ENABLED if person.active else UserStatus.DISABLED
    allowed = UserType.UNRESTRICTED if person.type != NON_ACCESS else UserType.NON_ACCESS
    answer = users.set_code(place, digits, status, allowed, Source.RADIO)
    if answer is Answer.DUPLICATE:
        other = users.holder(digits) or place
        return _credential_report(app, _DUPLICATE, people.owner.get(other, 0), other)
    if answer is not Answer.OK:
        return b""
    people.owner[place] = user
    app.firmware.changed()
    return _credential_report(app, operation, user, place)


def _delete_credential(app: ZwaveApplication, user: int, place: int) -> bytes:
    """Place 0 is every one of that user, or with user 0 of everybody."""
    owners = dict(app.people.owner)
    gone = [at for at, who in owners.items() if user in (0, who) and place in (0, at)]
    for at in gone:
        app.firmware.users.clear_code(at, Source.RADIO)
        app.people.owner.pop(at, None)
    if place and not gone:
        return _credential_report(app, _EMPTY, user, place)
    return _credential_report(app, _DELETE, user, place)


COMMANDS: Commands = {
    (CC.USER_CREDENTIAL, 0x01): housekeeping("user_capabilities_get", _user_capabilities),
    (CC.USER_CREDENTIAL, 0x03): housekeeping(
        "credential_capabilities_get", _credential_capabilities
    ),
    (CC.USER_CREDENTIAL, 0x05): _user_set,
    (CC.USER_CREDENTIAL, 0x06): _user_get,
    (CC.USER_CREDENTIAL, 0x0A): _credential_set,
    (CC.USER_CREDENTIAL, 0x0B): _credential_get,
}
