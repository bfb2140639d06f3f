"""Device ids by hardware, in a small file beside the database, so that they outlive it.

The cloud knows locks by these ids. When the database is lost, the schedule it sends again must
find the same doors under the same names; everything else about a lock can be asked from the lock.
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


class Identities:
    """`new_id` makes one nobody ever had. A damaged file is set aside: ids are then made anew."""

    def __init__(self, path: Path, new_id: Callable[[], DeviceId]) -> None:
        self._path = path
        self._new_id = new_id
        self._known = {(x.radio, x.address): x for x in _read(path)}

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
        somebody must go to the door.
        """
        device_id = self._new_id()
        given = Identity(device_id, radio, address, model, name, seal(device_id) if seal else None)
        self._keep(self._known | {(radio, address): given})
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

    def forget(self, device_id: DeviceId) -> None:
        """After removal: the id is never used again, also not by the same hardware."""
        self._keep({key: x for key, x in self._known.items() if x.device_id != device_id})

    def _keep(self, known: dict[tuple[str, str], Identity]) -> None:
        """On the disk first: an id that is not there must not be found known at the next try."""
        text = json.dumps([asdict(x) for x in known.values()], indent=1)
        try:
            write_whole(self._path, text.encode())
        except OSError as error:
            raise StoreFull(f"could not write {self._path.name}: {error.strerror}") from error
        self._known = known


def _read(path: Path) -> list[Identity]:
    try:
        return [_identity(entry) for entry in json.loads(path.read_text(encoding="utf-8"))]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError) as error:
        aside = path.with_suffix(".damaged")
        log.error("the file of device ids was damaged and is set aside", cause=str(error))
        path.replace(aside)
        return []


def _identity(entry: dict[str, Any]) -> Identity:
    fields = dict(entry)
    keepsake = fields.pop("keepsake", None)
    return Identity(**fields, keepsake=Keepsake(**keepsake) if keepsake else None)
