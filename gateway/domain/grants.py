"""Grants: one credential on one device, what is wanted of it and how it stands.

The states are the vocabulary shown to the cloud, on the command line and on the local page.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from gateway.domain.ids import CredentialId, DeviceId, GrantId

if TYPE_CHECKING:
    from gateway.domain.devices import Evidence
    from gateway.domain.instant import Instant
    from gateway.domain.secret import DigitsFacts
    from gateway.domain.windows import Window


class GrantState(Enum):
    PENDING = "pending"
    HELD = "held"
    SUSPENDED = "suspended"
    PROGRAMMING = "programming"
    PROGRAMMED = "programmed"
    ACTIVE = "active"
    ERASING = "erasing"
    ERASED = "erased"
    UNCONFIRMED = "unconfirmed"
    REJECTED = "rejected"
    MISSED = "missed"
    EXPIRED_UNUSED = "expired_unused"
    REMOVED_EXTERNALLY = "removed_externally"
    PAUSED = "paused"


class Enforcement(Enum):
    """Who keeps an edge of the window."""

    ON_LOCK = "on_lock"
    BY_GATEWAY = "by_gateway"
    NONE = "none"
    """There is no such edge."""


class Origin(Enum):
    CLOUD_AUTO = "cloud_auto"
    CLOUD_MANUAL = "cloud_manual"
    BACKUP = "backup"
    LOCAL = "local"
    PROBE = "probe"
    """A throwaway code behind a window long closed: typed at the door, it must be refused."""


class SubjectClass(Enum):
    GUEST = "guest"
    TENANT = "tenant"
    STAFF = "staff"
    CONTRACTOR = "contractor"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class DesiredGrant:
    """What is wanted: built from the store's rows, digits replaced by facts about them.

    `uses` counts successful openings over every device of the credential. `refused` is the
    final refusal already met for exactly this `version`, as its published reason.
    """

    credential_id: CredentialId
    device_id: DeviceId
    version: int
    digits: DigitsFacts | None
    """None once the digits were destroyed after a confirmed erase."""
    window: Window
    accepted_at: Instant
    name: str = ""
    origin: Origin = Origin.CLOUD_AUTO
    subject_class: SubjectClass = SubjectClass.GUEST
    use_limit: int | None = None
    uses: int = 0
    first_used_at: Instant | None = None
    suspended: bool = False
    held: bool = False
    removed: str | None = None
    """Why it is to go (`tombstone`, `revoked`, …); None while wanted."""
    refused: str | None = None
    removed_externally: bool = False
    """The lock's own word or a purge at the door: respected until the desired value changes."""
    identical_writes_today: int = 0
    programmed_once: bool = False
    """It was proven on the lock at some time, so a close without trace is not `missed`."""
    programmed_at: Instant | None = None
    """When a write of it was last proven."""
    held_since: Instant | None = None
    """When the first write into its slot was begun; None while it has none."""

    @property
    def grant_id(self) -> GrantId:
        return GrantId(self.credential_id, self.device_id)


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one grant stands, as planning sees it now."""

    grant_id: GrantId
    state: GrantState
    reason: str | None = None
    slot: int | None = None
    opens: Enforcement = Enforcement.NONE
    closes: Enforcement = Enforcement.NONE
    evidence: frozenset[Evidence] = frozenset()
    next_at: Instant | None = None
    """The next instant at which this grant's wanted state changes by itself."""
    opens_at: Instant | None = None
    closes_at: Instant | None = None
    """Edges of the span in question; None where there is none."""
