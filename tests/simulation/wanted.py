"""The schedule as the cloud means it, and which of its changes no gateway has proven yet. Pure.

Here: versions, the hash, tombstones that must be said again. Not here: messages (`cloud`).
Written from the contract (docs/sync), independently of the gateway.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

Json = dict[str, Any]


class Unproven(NamedTuple):
    """A change that no hello has shown as applied. `sure`: it was said with `confirm_removals`,
    or takes nothing away."""

    names: tuple[str, ...]
    stones: tuple[Json, ...]
    sure: bool


@dataclass(frozen=True, slots=True)
class Change:
    """One message's worth of difference, ready to be sent."""

    previous: int
    revision: int
    credentials: list[Json]
    stones: list[Json]
    sure: bool


class Wanted:
    """`credentials`: what is wanted, as on the wire, by id. `absent`: ids that are left out of
    what is sent, by mistake; they are wanted all the same."""

    def __init__(self) -> None:
        self.revision = 0
        self.credentials: dict[str, Json] = {}
        self.absent: dict[str, None] = {}
        self.unproven: list[Unproven] = []
        self._versions: dict[str, int] = {}
        self._hash: str | None = None

    def change(self, credentials: Iterable[Json], stones: Iterable[Json], *, sure: bool) -> Change:
        """Take it over; a credential put gets the next version."""
        credentials = list(credentials)
        gone = [self._bury(stone) for stone in stones]
        harmless = not gone and all(c["credential_id"] not in self._versions for c in credentials)
        put = [self._put(credential) for credential in credentials]
        names = tuple(credential["credential_id"] for credential in put)
        # What is put again is not to be buried by an older word.
        kept = [_without(change, names) for change in self.unproven]
        self.unproven = [change for change in kept if change.names or change.stones]
        self.unproven.append(Unproven(names, tuple(gone), sure or harmless))
        return self.step(put, gone, sure=sure)

    def step(self, credentials: list[Json], stones: list[Json], *, sure: bool) -> Change:
        """The next revision, which says again what is wanted already."""
        self.revision += 1
        self._hash = None
        return Change(self.revision - 1, self.revision, credentials, stones, sure)

    def listed(self) -> list[Json]:
        """What a snapshot names."""
        return [c for name, c in self.credentials.items() if name not in self.absent]

    def has(self, held: Json) -> bool:
        """Whether a gateway withholds the removal of what is wanted (again, or all along)."""
        known = self.credentials.get(held["credential_id"])
        return "version" not in held and known is not None and held["device_id"] in known["devices"]

    @property
    def hash(self) -> str:
        if self._hash is None:
            lines = sorted(
                f"{credential['credential_id']} {device} {credential['version']}\n"
                for credential in self.listed()
                for device in credential["devices"]
            )
            self._hash = hashlib.sha256("".join(lines).encode()).hexdigest()
        return self._hash

    def proven(self) -> None:
        """A gateway shows the present revision."""
        self.unproven.clear()

    def _put(self, credential: Json) -> Json:
        name: str = credential["credential_id"]
        version = self._versions[name] = self._versions.get(name, 0) + 1
        self.credentials[name] = {"kind": "pin"} | credential | {"version": version}
        self.absent.pop(name, None)
        return self.credentials[name]

    def _bury(self, stone: Json) -> Json:
        """The tombstone to send. Ever new dictionaries: those handed out stay as they were.

        What is to be listed no more needs one for all devices: a gateway may still have it on
        some that were dropped by a change which it never got, and absence revokes nothing.
        """
        name, device = stone["credential_id"], stone.get("device_id")
        known = self.credentials.get(name)
        if known is None:
            return stone
        left = [d for d in known["devices"] if device is not None and d != device]
        if left:
            self.credentials[name] = known | {"devices": left}
            return stone
        del self.credentials[name]
        self.absent.pop(name, None)
        return {"credential_id": name}


def _without(change: Unproven, names: tuple[str, ...]) -> Unproven:
    return change._replace(
        names=tuple(name for name in change.names if name not in names),
        stones=tuple(stone for stone in change.stones if stone["credential_id"] not in names),
    )
