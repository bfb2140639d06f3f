"""Device ids by hardware, in a small file beside the database, so that they outlive it.

The cloud knows locks by these ids. When the database is lost, the schedule it sends again must
find the same doors under the same names; everything else about a lock can be asked from the lock,
with the keys that are kept here too. So are those that two sides have agreed on, before it is known
whether the device took them.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import structlog

from gateway.errors import StoreFull
from gateway.kit.files import write_whole

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gateway.domain.ids import DeviceId

log = structlog.get_logger()

_PENDING = "pending"
"""Marks an entry of the file that is a claim which has not ended."""


@dataclass(frozen=True, slots=True)
class Keepsake:
    """What a claimed device needs to be spoken to again: its keys, sealed, as hex."""

    driver: str
    manufacturer: str
    sealed: str
    sleepy: bool


@dataclass(frozen=True, slots=True)
class Identity:
    """`radio` and `address` find it, `model` makes sure that it is the same hardware."""

    device_id: str
    radio: str
    address: str
    model: str
    name: str
    keepsake: Keepsake | None = None


@dataclass(frozen=True, slots=True)
class Pending:
    """A claim that has not ended. `sealed`: keys that may be the device's, as hex, newest last.

    `name`: what the installer wants to call it.
    """

    radio: str
    address: str
    driver: str
    name: str | None
    sealed: tuple[str, ...]


Where = tuple[str, str]
"""Radio and address."""


class Identities:
    """`new_id` makes one nobody ever had. A damaged file is set aside: ids are then made anew."""

    def __init__(self, path: Path, new_id: Callable[[], DeviceId]) -> None:
        self._path = path
        self._new_id = new_id
        self._known: dict[Where, Identity] = {}
        self._pending: dict[Where, Pending] = {}
        for entry in _read(path):
            if isinstance(entry, Pending):
                self._pending[entry.radio, entry.address] = entry
            else:
                self._known[entry.radio, entry.address] = entry

    def known(self, radio: str, address: str, model: str) -> Identity | None:
        """What this hardware was called; None for other hardware under an old address."""
        identity = self._known.get((radio, address))
        return identity if identity is not None and identity.model == model else None

    def check(self) -> None:
        """StoreFull where nothing could be kept: asked before what cannot be undone."""
        self._keep(self._known)

    def give(
        self,
        radio: str,
        address: str,
        model: str,
        name: str,
        seal: Callable[[DeviceId], Keepsake] | None = None,
    ) -> DeviceId:
        """A new id, on the disk before it is returned. StoreFull.

        `seal` tells what else to keep under it, in the same writing: without what only we have
        somebody must go to the door. A claim of it that was pending ends with that writing.
        """
        device_id = self._new_id()
        given = Identity(device_id, radio, address, model, name, seal(device_id) if seal else None)
        where = (radio, address)
        self._keep(self._known | {where: given}, _without(self._pending, where))
        return device_id

    def keep_instead(self, device_id: DeviceId, sealed: str) -> None:
        """Other keys, in place of those kept under this id. StoreFull; then the former stay."""
        known = dict(self._known)
        for where, one in self._known.items():
            if one.device_id == device_id and one.keepsake is not None:
                known[where] = replace(one, keepsake=replace(one.keepsake, sealed=sealed))
        self._keep(known)

    def entrusted(self, radio: str) -> list[Identity]:
        """The claimed devices of a radio."""
        return [x for x in self._known.values() if x.radio == radio and x.keepsake is not None]

    def pending(self, radio: str, address: str) -> Pending | None:
        return self._pending.get((radio, address))

    def unfinished(self, radio: str) -> list[Pending]:
        """The claims of a radio that have not ended."""
        return [x for x in self._pending.values() if x.radio == radio]

    def keep_pending(self, pending: Pending) -> None:
        """In place of what was kept of that claim; nothing is, when it has no keys. StoreFull."""
        where = (pending.radio, pending.address)
        rest = _without(self._pending, where)
        self._keep(self._known, rest | {where: pending} if pending.sealed else rest)

    def forget(self, device_id: DeviceId) -> None:
        """After removal: the id is never used again, also not by the same hardware."""
        self._keep({key: x for key, x in self._known.items() if x.device_id != device_id})

    def _keep(
        self, known: dict[Where, Identity], pending: dict[Where, Pending] | None = None
    ) -> None:
        """On the disk first: an id that is not there must not be found known at the next try."""
        pending = self._pending if pending is None else pending
        entries = [asdict(x) for x in known.values()]
        entries += [{_PENDING: asdict(x)} for x in pending.values()]
        text = json.dumps(entries, indent=1)
        try:
            write_whole(self._path, text.encode())
        except OSError as error:
            raise StoreFull(f"could not write {self._path.name}: {error.strerror}") from error
        self._known, self._pending = known, pending


def _without(pending: dict[Where, Pending], where: Where) -> dict[Where, Pending]:
    return {key: x for key, x in pending.items() if key != where}


def _read(path: Path) -> list[Identity | Pending]:
    try:
        return [_entry(entry) for entry in json.loads(path.read_text(encoding="utf-8"))]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError) as error:
        aside = path.with_suffix(".damaged")
        log.error("the file of device ids was damaged and is set aside", cause=str(error))
        path.replace(aside)
        return []


def _entry(entry: dict[str, Any]) -> Identity | Pending:
    fields = dict(entry)
    if _PENDING in fields:
        told = dict(fields[_PENDING])
        return Pending(**told | {"sealed": tuple(told.get("sealed") or ())})
    keepsake = fields.pop("keepsake", None)
    return Identity(**fields, keepsake=Keepsake(**keepsake) if keepsake else None)
