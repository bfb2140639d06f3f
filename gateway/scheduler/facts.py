"""What every record of one device needs: its slots, its events, and which digits were once ours.

Shared by `before`, `readings` and `record`. Every method runs inside one transaction of the store.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.domain.devices import Empty, Evidence, Known, LockSchedule, Opaque, Slot
from gateway.domain.events import EventType, Fact, Value
from gateway.domain.instant import DAY, ClockTrust, Instant
from gateway.store import events, history, reported

if TYPE_CHECKING:
    from gateway.domain.ids import CredentialId, DeviceId
    from gateway.domain.secret import KeyedHash
    from gateway.store.keyring import Keyring
    from gateway.store.tx import Tx

QUARANTINE_MS = 90 * DAY
"""How long erased digits are not given out again on the same lock."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Of one device. Stateless but for what every record needs."""

    device_id: DeviceId
    keyring: Keyring
    trust: ClockTrust

    def _slot(self, tx: Tx, number: int) -> Slot | None:
        return tx.one(reported.slot(self.device_id, number))

    def _put(
        self,
        tx: Tx,
        number: int,
        content: Known | Empty | Opaque,
        owner: CredentialId | None,
        schedules: tuple[LockSchedule, ...],
        evidence: frozenset[Evidence] = frozenset(),
        observed_at: Instant | None = None,
    ) -> Slot:
        slot = Slot(number, content, owner, schedules, evidence, observed_at)
        reported.put_slot(tx, self.device_id, slot)
        return slot

    def _tell(
        self,
        tx: Tx,
        kind: EventType,
        now: Instant,
        credential_id: CredentialId | None,
        body: dict[str, Value],
    ) -> None:
        events.append(tx, Fact(kind, now, self.device_id, credential_id, body=body), self.trust)

    def _formerly_ours(self, tx: Tx, before: Slot | None, now: Instant) -> set[KeyedHash]:
        known = set(tx.all(history.quarantined(self.device_id, now)))
        if before is not None and isinstance(before.content, Known):
            known.add(before.content.hash)
        return known


def words(evidence: frozenset[Evidence]) -> list[str]:
    return sorted(e.value for e in evidence)
