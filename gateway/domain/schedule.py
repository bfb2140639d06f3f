"""The code schedule as the cloud wants it: credentials, tombstones, revisions, and their hash.

Here live the values and the pure rules over them (hash, mass-deletion guard). Not here: JSON
(`sync.messages`), rows (`store.desired`), and what a lock must do about it (`reconcile`).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.domain.grants import Origin, SubjectClass

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.domain.ids import CredentialId, DeviceId
    from gateway.domain.secret import Secret
    from gateway.domain.windows import Window


@dataclass(frozen=True, slots=True)
class CredentialSpec:
    """One `pin` credential as ordered. `version` rises with every change of any field."""

    credential_id: CredentialId
    version: int
    digits: Secret
    devices: tuple[DeviceId, ...]
    window: Window
    name: str = ""
    subject_id: str | None = None
    subject_class: SubjectClass = SubjectClass.GUEST
    origin: Origin = Origin.CLOUD_AUTO
    group: str | None = None
    use_limit: int | None = None
    suspended: bool = False
    held: bool = False


@dataclass(frozen=True, slots=True)
class Tombstone:
    """This credential is to go: from one device, or from all (`device_id` None)."""

    credential_id: CredentialId
    device_id: DeviceId | None = None


@dataclass(frozen=True, slots=True)
class GrantLine:
    """One line of the schedule hash."""

    credential_id: str
    device_id: str
    version: int


def schedule_hash(lines: Iterable[GrantLine]) -> str:
    """SHA-256, hex, over the sorted lines `credential_id device_id version`, each ended by \\n."""
    digest = hashlib.sha256()
    for text in sorted(f"{x.credential_id} {x.device_id} {x.version}\n" for x in lines):
        digest.update(text.encode())
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Removal:
    """What one message would take away from one grant in force on a lock."""

    credential_id: CredentialId
    device_id: DeviceId
    window_open: bool


def removals_to_hold(
    removals: Iterable[Removal], in_force: dict[DeviceId, int]
) -> frozenset[DeviceId]:
    """Devices on which a message removes more than a message may without being explicit about it.

    More than max(3, 20 %) of a lock's grants in force, all of several, or any whose window is
    open. `removals` counts tombstones, shortened windows and changed digits alike; `in_force` is
    the number of grants on each lock before the message. A single tombstone in a message of its
    own is a revocation and is never asked about; the caller leaves it out.
    """
    per_device: dict[DeviceId, list[Removal]] = {}
    for removal in removals:
        per_device.setdefault(removal.device_id, []).append(removal)
    held: set[DeviceId] = set()
    for device_id, found in per_device.items():
        total = in_force.get(device_id, 0)
        too_many = len(found) * 5 > total and len(found) > 3
        everything = total > 1 and len(found) >= total
        if too_many or everything or any(removal.window_open for removal in found):
            held.add(device_id)
    return frozenset(held)
