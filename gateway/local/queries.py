"""What the local API reads beyond the store's own queries: names, counts, and what needs somebody.

Read-only, over the store's tables. Not here: JSON (`documents`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.domain.grants import GrantState
from gateway.domain.ids import CredentialId, DeviceId, GrantId
from gateway.domain.wants import CLOCK_UNTRUSTED
from gateway.store.tx import Select

if TYPE_CHECKING:
    from gateway.store.reported import GrantRow

OVER = frozenset({GrantState.ERASED, GrantState.MISSED, GrantState.EXPIRED_UNUSED})
"""States of grants that are history; lists leave them out unless asked."""


@dataclass(frozen=True, slots=True)
class Code:
    """One grant as people ask about it: with its door's name and the uses of all its doors.

    `device_name` is None while the device has not joined.
    """

    row: GrantRow
    device_name: str | None
    uses: int

    @property
    def name(self) -> str:
        return self.row.name or self.row.credential_id

    @property
    def door(self) -> str:
        return self.device_name or self.row.device_id


@dataclass(frozen=True, slots=True)
class Named:
    """An id with the name people use for it."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class StateCount:
    device_id: DeviceId
    state: GrantState
    count: int


@dataclass(frozen=True, slots=True)
class Uses:
    credential_id: CredentialId
    count: int


def code_counts() -> Select[StateCount]:
    return Select(
        "SELECT device_id, state, COUNT(*) FROM grants GROUP BY device_id, state",
        (),
        lambda row: StateCount(DeviceId(row[0]), GrantState(row[1]), row[2]),
    )


def waiting_for_the_time() -> Select[int]:
    """How many grants are not written because the time is not proven. One row."""
    return Select(
        "SELECT COUNT(*) FROM grants WHERE reason = ?",
        (CLOCK_UNTRUSTED,),
        lambda row: int(row[0]),
    )


def credential_names() -> Select[Named]:
    return Select(
        "SELECT credential_id, name FROM credentials ORDER BY credential_id",
        (),
        lambda row: Named(row[0], row[1]),
    )


def uses_of_limited() -> Select[Uses]:
    """Successful openings over all doors, of credentials with a use limit."""
    return Select(
        "SELECT g.credential_id, SUM(g.uses) FROM grants g JOIN credentials c USING (credential_id)"
        " WHERE c.use_limit IS NOT NULL GROUP BY g.credential_id",
        (),
        lambda row: Uses(CredentialId(row[0]), row[1]),
    )


def needing_attention(limit: int) -> Select[GrantId]:
    """Grants that somebody should look at: overdue erases first, then what will not heal alone."""
    return Select(
        "SELECT credential_id, device_id FROM grants"
        " WHERE (state = 'erasing' AND erase_alarm_at IS NOT NULL)"
        " OR state IN ('rejected', 'paused') OR (state = 'pending' AND reason = 'no_free_slot')"
        " ORDER BY state <> 'erasing', since DESC LIMIT ?",
        (limit,),
        lambda row: GrantId(CredentialId(row[0]), DeviceId(row[1])),
    )
