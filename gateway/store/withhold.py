"""Orders that are not carried out: removals a message was too careless about, and what was revoked.

Here: the rows that the guard against mass deletion reads, taking single items back out of a staged
snapshot, and the list of what is withheld. Not here: which ones (`sync.accept`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.domain.schedule import GrantLine
from gateway.store import codec, meta
from gateway.store.rules import REVOKED
from gateway.store.tx import Select, Tx

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.domain.ids import CredentialId, DeviceId
    from gateway.domain.windows import Window

HELD = "held_removals"
"""Key in `meta`."""


@dataclass(frozen=True, slots=True)
class Held:
    """One grant that a message wanted gone or altered. `version`: of the withheld edit, or None."""

    credential_id: str
    device_id: str
    revision: int
    version: int | None = None


@dataclass(frozen=True, slots=True)
class InForce:
    """One wanted grant and when it is valid."""

    device_id: DeviceId
    window: Window


def held() -> Select[str]:
    """One row, for `loads`."""
    return meta.text(HELD)


def loads(text: str) -> list[Held]:
    return [Held(*item) for item in json.loads(text or "[]")]


def put_held(tx: Tx, items: Iterable[Held]) -> None:
    rows = [[x.credential_id, x.device_id, x.revision, x.version] for x in items]
    meta.put(tx, HELD, codec.dump(rows))


def in_force(devices: Iterable[DeviceId]) -> Select[InForce]:
    """Every wanted grant of these devices but refused ones, whether or not its window is over."""
    return Select(
        "SELECT g.device_id, c.window FROM grants g JOIN credentials c USING (credential_id)"
        " WHERE g.removed IS NULL AND g.state <> 'rejected'"
        " AND g.device_id IN (SELECT value FROM json_each(?))"
        " ORDER BY g.device_id, g.credential_id",
        (codec.encode_names(devices),),
        lambda row: InForce(row[0], codec.decode_window(row[1])),
    )


def standing(names: Iterable[str]) -> Select[tuple[str, str]]:
    """Credential and device of every grant of these credentials that is not to go."""
    return Select(
        "SELECT credential_id, device_id FROM grants WHERE removed IS NULL"
        " AND credential_id IN (SELECT value FROM json_each(?)) ORDER BY credential_id, device_id",
        (codec.encode_names(names),),
        lambda row: (row[0], row[1]),
    )


def revoked_lines() -> Select[GrantLine]:
    """Grants taken back by a command, which the cloud's schedule may still list."""
    return Select(
        "SELECT g.credential_id, g.device_id, c.version FROM grants g"
        " JOIN credentials c USING (credential_id)"
        " WHERE g.removed = ? AND c.orphaned = 0 AND c.origin NOT IN ('local', 'probe')"
        " ORDER BY g.credential_id, g.device_id",
        (REVOKED,),
        lambda row: GrantLine(row[0], row[1], row[2]),
    )


def unstage_grants(tx: Tx, revision: int, grants: Iterable[tuple[str, str]]) -> None:
    """Take single grants, by credential and device, out of a staged snapshot."""
    tx.executemany(
        "DELETE FROM staged_grants WHERE revision = ? AND credential_id = ? AND device_id = ?",
        [(revision, *grant) for grant in grants],
    )


def unstage_credential(tx: Tx, revision: int, credential_id: CredentialId) -> None:
    """Leave a stored credential as it is, and not orphaned by the staged snapshot either."""
    for table in ("staged_credentials", "staged_grants"):
        tx.execute(
            f"DELETE FROM {table} WHERE revision = ? AND credential_id = ?",  # noqa: S608 - names of ours
            (revision, credential_id),
        )
    spare(tx, revision, credential_id)


def unstage_tombstone(
    tx: Tx, revision: int, credential_id: CredentialId, keep: Iterable[DeviceId]
) -> None:
    """Let a staged tombstone spare the devices in `keep`."""
    kept = codec.encode_names(keep)
    tx.execute(
        "INSERT OR IGNORE INTO staged_tombstones"
        " SELECT t.revision, t.credential_id, g.device_id, t.chunk"
        " FROM staged_tombstones t JOIN grants g USING (credential_id)"
        " WHERE t.revision = ? AND t.credential_id = ? AND t.device_id = ''",
        (revision, credential_id),
    )
    tx.execute(
        "DELETE FROM staged_tombstones WHERE revision = ? AND credential_id = ?"
        " AND (device_id = '' OR device_id IN (SELECT value FROM json_each(?)))",
        (revision, credential_id, kept),
    )
    spare(tx, revision, credential_id)


def spare(tx: Tx, revision: int, credential_id: CredentialId) -> None:
    """Count a credential as named by `revision`, so that it is not taken for an orphan."""
    tx.execute(
        "UPDATE credentials SET revision = max(revision, ?) WHERE credential_id = ?",
        (revision, credential_id),
    )
