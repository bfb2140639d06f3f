"""The rules by which grants come, change and go, as SQL shared by single orders and snapshots.

Here: what `desired` (one credential at a time) and `staging` (all at once) must do alike. Not here:
anything that only one of them does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.domain.grants import Origin
from gateway.domain.ids import CredentialId, GrantId
from gateway.store import codec
from gateway.store.keyring import credential_context

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.domain.instant import Instant
    from gateway.domain.schedule import CredentialSpec
    from gateway.store.keyring import Keyring
    from gateway.store.tx import Tx, Value

DEVICE_DROPPED = "device_dropped"
"""Why a grant is to go whose credential no longer lists the device."""

TOMBSTONE = "tombstone"
"""Why a grant is to go that the schedule took back."""

REVOKED = "revoked"
"""Why a grant is to go that a command took back: no schedule brings it again unchanged, and the
cloud's may list it still. Once the schedule itself says that it is gone, it is a `TOMBSTONE`."""

ON_LOCK = (
    "EXISTS (SELECT 1 FROM slots s WHERE s.device_id = g.device_id AND s.owner = g.credential_id)"
)
"""Whether something of grant `g` is, or may be, on the lock: slots are owned before a write."""

_FORGIVEN = (
    "refused_version = NULL, refused_reason = NULL, removed_externally = 0, attempts = 0,"
    " next_attempt_at = NULL, writes_day = NULL, writes_today = 0"
)
_OVER = "state IN ('erased', 'missed', 'expired_unused')"

RENEWED = (
    f"{_FORGIVEN}, state = CASE WHEN {_OVER} THEN 'pending' ELSE state END,"
    f" reason = CASE WHEN {_OVER} THEN NULL ELSE reason END,"
    f" since = CASE WHEN {_OVER} THEN :now ELSE since END"
)
"""What a changed desired value wipes off a grant, also that it was over under the old one."""

REWANTED = (
    f"{_FORGIVEN}, removed = NULL, accepted_at = :now, reason = NULL, since = :now,"
    " erased_at = NULL, erase_due_at = NULL, erase_alarm_at = NULL, early_exposure_ms = NULL,"
    " late_revocation_ms = NULL,"
    f" state = CASE WHEN {ON_LOCK} THEN state ELSE 'pending' END,"
    f" evidence = CASE WHEN {ON_LOCK} THEN evidence ELSE '[]' END,"
    f" programmed_at = CASE WHEN {ON_LOCK} THEN programmed_at END"
)
"""Grant `g` was to go, or was gone, and is wanted again."""


def drop(tx: Tx, condition: str, params: dict[str, Value]) -> list[GrantId]:
    """Let the wanted grants `g` go that `condition` (text of this package) names.

    Parameters besides the condition's: reason, now, change.
    """
    rows = tx.execute(  # any order: sorted below
        "UPDATE grants AS g SET removed = :reason, changed = :change, next_attempt_at = NULL,"  # noqa: S608 - constant text
        f" reason = CASE WHEN {ON_LOCK} THEN reason ELSE :reason END,"
        f" since = CASE WHEN {ON_LOCK} OR state = 'erased' THEN since ELSE :now END,"
        f" state = CASE WHEN {ON_LOCK} THEN state ELSE 'erased' END"
        f" WHERE removed IS NULL AND ({condition}) RETURNING credential_id, device_id",
        params,
    ).fetchall()
    return sorted(GrantId(row[0], row[1]) for row in rows)


def bury_revoked(tx: Tx, condition: str, params: dict[str, Value]) -> None:
    """The schedule names no more what a command had revoked: nothing need remember it for ever."""
    tx.execute(
        "UPDATE grants AS g SET removed = :tombstone"  # noqa: S608 - constant text
        f" WHERE removed = :revoked AND ({condition})",
        {**params, "tombstone": TOMBSTONE, "revoked": REVOKED},
    )


def unshow(tx: Tx, params: dict[str, Value]) -> None:
    """Who was given other digits by this change is not shown as having a working code: what is
    proven on the lock is the former one. Parameters: now, change.

    Planning says the same a moment later; a report may be made before that.
    """
    tx.execute(
        "UPDATE grants AS g SET since = :now, reason = coalesce(removed, 'digits_changed'),"
        " state = CASE WHEN removed IS NULL THEN 'programming' ELSE 'erasing' END"
        " WHERE changed = :change AND state IN ('programmed', 'active')"
        " AND EXISTS (SELECT 1 FROM slots s JOIN credentials c ON c.credential_id = s.owner"
        " WHERE s.device_id = g.device_id AND s.owner = g.credential_id"
        " AND s.digits_hash <> c.digits_hash)",
        params,
    )


def mark_orphans(tx: Tx, revision: int) -> int:
    """After snapshot `revision`: what it did not name is marked, and stays in force.

    Absence never revokes. Credentials made on site were never in a snapshot and are left out.
    """
    unnamed = "credential_id IN (SELECT credential_id FROM credentials WHERE revision < :revision)"
    bury_revoked(tx, unnamed, {"revision": revision})
    marked = tx.execute(  # any order: all get the same mark
        "UPDATE credentials SET orphaned = 1"
        " WHERE revision < ? AND orphaned = 0 AND origin NOT IN (?, ?)"
        " AND EXISTS (SELECT 1 FROM grants g WHERE g.credential_id = credentials.credential_id"
        " AND g.removed IS NULL) RETURNING credential_id",
        (revision, Origin.LOCAL.value, Origin.PROBE.value),
    ).fetchall()
    if marked:
        tx.executemany(
            "UPDATE grants SET changed = ? WHERE removed IS NULL AND credential_id = ?",
            [(tx.next_change(), row[0]) for row in marked],
        )
        tx.touch("schedule")
    return len(marked)


def destroy_digits(tx: Tx, credential_id: CredentialId) -> bool:
    """Destroy the digits once no grant needs them: none is on a lock, none is still to be."""
    return bool(
        tx.execute(
            "UPDATE credentials SET sealed = NULL, digits_weakness = NULL"  # noqa: S608 - constant text
            " WHERE credential_id = :id AND sealed IS NOT NULL"
            " AND NOT EXISTS (SELECT 1 FROM slots WHERE owner = :id)"
            " AND NOT EXISTS (SELECT 1 FROM grants WHERE credential_id = :id"
            f" AND NOT {_OVER})",
            {"id": credential_id},
        ).rowcount
    )


def destroy_spent(tx: Tx, before: Instant) -> int:
    """Destroy the digits of every credential that has been over since then; how many there were.

    Not at once: a clock that was lied to says too early that a window is over.
    """
    rested = tx.execute(
        "SELECT credential_id FROM credentials WHERE sealed IS NOT NULL AND credential_id NOT IN"
        " (SELECT credential_id FROM grants WHERE since >= ?) ORDER BY credential_id",
        (before,),
    ).fetchall()
    return sum(destroy_digits(tx, CredentialId(row[0])) for row in rested)


def sealed_columns(keyring: Keyring, spec: CredentialSpec) -> dict[str, Value]:
    """The columns that `credentials` and the staging table share."""
    facts = keyring.facts(spec.digits)
    return {
        "credential_id": spec.credential_id,
        "version": spec.version,
        "name": spec.name,
        "subject_id": spec.subject_id,
        "subject_class": spec.subject_class.value,
        "origin": spec.origin.value,
        "group_id": spec.group,
        "window": codec.encode_window(spec.window),
        "use_limit": spec.use_limit,
        "suspended": int(spec.suspended),
        "held": int(spec.held),
        "sealed": keyring.seal(spec.digits, context=credential_context(spec.credential_id)),
        "digits_hash": facts.hash,
        "digits_length": facts.length,
        "digits_numeric": int(facts.numeric),
        "digits_weakness": facts.weakness.value if facts.weakness else None,
    }


def insert(table: str, columns: Iterable[str]) -> str:
    """`INSERT INTO table (a, b) VALUES (:a, :b)` for names written in this package."""
    names = list(columns)
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES (:{', :'.join(names)})"  # noqa: S608 - names of ours
