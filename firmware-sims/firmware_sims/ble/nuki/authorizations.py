"""Who may speak to a Nuki: authorisations, and the commands that manage them.

Here: the memory of them, commands 08, 09, 25, 0B. Not here: how one comes to be at the door
(``pairing``). Layouts from I-Connect/NukiBleEsp32, NukiConstants.h.

Assumed: a listing is the number of entries that follow, the entries, and a status; whoever removes
himself gets the status still.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from firmware_sims.ble.nuki.fields import Error, Refused, datetime7, text, u8, u16
from firmware_sims.ble.nuki.frames import Message
from firmware_sims.ble.nuki.spec import COMPLETE, Spec
from firmware_sims.ble.nuki.terms import Terms
from firmware_sims.ble.nuki.words import Client, Op

if TYPE_CHECKING:
    from firmware_sims.ble.nuki.core import Core
    from firmware_sims.ble.nuki.fields import Reader
    from firmware_sims.ble.nuki.spec import Table

NAME_SIZE = 32
KEY_SIZE = 32
NOBODY = bytes(4)


@dataclass(slots=True)
class Authorization:
    """One; ``auth_id`` as its four bytes are on the air. Times are those of the lock's clock."""

    auth_id: bytes
    key: bytes = field(repr=False)
    client: Client
    name: str
    created_s: int
    app_id: int = 0
    enabled: bool = True
    remote: bool = True
    last_active_s: int | None = None
    count: int = 0
    terms: Terms = field(default_factory=Terms)

    def encode(self) -> bytes:
        """As in a listing."""
        return (
            self.auth_id
            + u8(self.client)
            + text(self.name, NAME_SIZE)
            + u8(self.enabled)
            + u8(self.remote)
            + datetime7(self.created_s)
            + datetime7(self.last_active_s)
            + u16(self.count)
            + self.terms.encode()
        )

    def dump(self) -> dict[str, Any]:
        """As plain JSON."""
        return {
            "auth_id": self.auth_id.hex(),
            "key": self.key.hex(),
            "client": int(self.client),
            "name": self.name,
            "created_s": self.created_s,
            "app_id": self.app_id,
            "enabled": self.enabled,
            "remote": self.remote,
            "last_active_s": self.last_active_s,
            "count": self.count,
            "terms": self.terms.dump(),
        }

    @classmethod
    def load(cls, data: dict[str, Any]) -> Authorization:
        """What ``dump`` wrote."""
        return cls(
            **{
                **data,
                "auth_id": bytes.fromhex(data["auth_id"]),
                "key": bytes.fromhex(data["key"]),
                "client": Client(data["client"]),
                "terms": Terms(*data["terms"]),
            }
        )


class Authorizations:
    """All of a lock, in the order in which they came; ids rise and are never given twice."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._last = 0
        self.held: dict[bytes, Authorization] = {}

    def put(self, entry: Authorization) -> None:
        """One from before; those that come later have higher ids."""
        self.held[entry.auth_id] = entry
        self._last = max(self._last, int.from_bytes(entry.auth_id, "little"))

    def check_room(self, error: Error) -> None:
        """`Refused` when there is none."""
        if len(self.held) >= self._capacity:
            raise Refused(error)

    def next_id(self) -> bytes:
        """Takes it, whether or not an authorisation comes of it."""
        self._last += 1
        return self._last.to_bytes(4, "little")

    def known(self, auth_id: bytes) -> Authorization:
        """Whoever speaks; `Refused` (NOT_AUTHORIZED) when it is nobody, or nobody any more."""
        found = self.held.get(auth_id)
        if found is None:
            raise Refused(Error.NOT_AUTHORIZED)
        return found

    def of(self, auth_id: bytes) -> Authorization:
        """`Refused` (INVALID_AUTH_ID) when there is none."""
        found = self.held.get(auth_id)
        if found is None:
            raise Refused(Error.INVALID_AUTH_ID)
        return found

    def dump(self) -> dict[str, Any]:
        """As plain JSON."""
        return {"last": self._last, "held": [entry.dump() for entry in self.held.values()]}

    def load(self, data: dict[str, Any]) -> None:
        """Take up what ``dump`` wrote."""
        self._last = data["last"]
        entries = [Authorization.load(entry) for entry in data["held"]]
        self.held = {entry.auth_id: entry for entry in entries}


def _list(core: Core, _auth: Authorization, reader: Reader) -> list[Message]:
    offset, count = reader.number(2), reader.number(2)
    reader.end()
    wanted = list(core.authorizations.held.values())[offset : offset + count]
    return [
        Message(Op.AUTHORIZATION_COUNT, u16(len(wanted))),
        *(Message(Op.AUTHORIZATION_ENTRY, entry.encode()) for entry in wanted),
        COMPLETE,
    ]


def _remove(core: Core, _auth: Authorization, reader: Reader) -> list[Message]:
    auth_id = reader.take(4)
    reader.end()
    core.authorizations.of(auth_id)
    del core.authorizations.held[auth_id]
    core.firmware.changed()
    return [COMPLETE]


def _update(core: Core, _auth: Authorization, reader: Reader) -> list[Message]:
    entry = core.authorizations.of(reader.take(4))
    name, enabled, remote = reader.text(NAME_SIZE), reader.flag(), reader.flag()
    terms = Terms.read(reader)
    reader.end()
    entry.name, entry.enabled, entry.remote, entry.terms = name, enabled, remote, terms
    core.firmware.changed()
    return [COMPLETE]


def _invite(core: Core, _auth: Authorization, reader: Reader) -> list[Message]:
    """Somebody who is not here: the inviter has made the key and hands it over some other way."""
    name, client = reader.text(NAME_SIZE), reader.number(1)
    key, remote = reader.take(KEY_SIZE), reader.flag()
    terms = Terms.read(reader)
    reader.end()
    if client not in (Client.APP, Client.FOB, Client.KEYPAD):
        raise Refused(Error.BAD_PARAMETER)
    core.authorizations.check_room(Error.TOO_MANY_ENTRIES)
    entry = Authorization(
        core.authorizations.next_id(),
        key,
        Client(client),
        name,
        core.now(),
        remote=remote,
        terms=terms,
    )
    core.authorizations.held[entry.auth_id] = entry
    core.firmware.changed()
    return [Message(Op.INVITE_ID, entry.auth_id + datetime7(entry.created_s)), COMPLETE]


COMMANDS: Table = {
    (Op.LIST_AUTHORIZATIONS, None): Spec("list_authorizations", _list, changes=False),
    (Op.REMOVE_AUTHORIZATION, None): Spec("remove_authorization", _remove),
    (Op.UPDATE_AUTHORIZATION, None): Spec("update_authorization", _update),
    (Op.INVITE, None): Spec("invite", _invite),
}
