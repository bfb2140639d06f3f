"""Schedules into the store: each message whole or not at all, in the writer's transaction.

Here: revisions, hashes, chunks, and which removals are withheld. Not here: shapes (`parse`), and
what the locks must do about it (the scheduler finds that in the store). Each function runs inside
one transaction; what it decided is its result, and whoever called acknowledges after the commit.

The hash is of the schedule *as ordered*: what was withheld counts as carried out, and so does what
a command revoked, so that neither makes the cloud and the gateway disagree for ever.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final

from gateway.domain.events import EventType, Fact, Value
from gateway.domain.ids import CredentialId, DeviceId
from gateway.domain.schedule import CredentialSpec, GrantLine, Tombstone, schedule_hash
from gateway.store import desired, events, meta, staging, withhold
from gateway.store.withhold import Held
from gateway.sync.guard import held_changes
from gateway.sync.messages import Delta, Snapshot

if TYPE_CHECKING:
    from gateway.domain.instant import ClockTrust, Instant
    from gateway.store.keyring import Keyring
    from gateway.store.staging import StagedChange
    from gateway.store.tx import Tx

PART: Final = 500
"""Credentials staged in one transaction: commands wait no longer than for one of these."""

_STAGING: Final = "staging"
_LISTED: Final = 50

Key = tuple[str, str]
Part = tuple[int, Sequence[CredentialSpec], Sequence[Tombstone]]
"""A number for it, and what to stage in one transaction."""


class Outcome(Enum):
    APPLIED = "applied"
    SUPERSEDED = "superseded"
    """At or behind the revision in force: nothing to do."""
    STAGED = "staged"
    """A chunk is kept; others are missing."""
    GAP = "gap"
    """A delta on a revision that is not ours: the whole schedule is wanted."""
    HASH_MISMATCH = "hash_mismatch"
    """What the message leads to is not what its sender means: nothing applied."""


@dataclass(frozen=True, slots=True)
class Moment:
    """When a message is accepted, and how far that time may be believed."""

    now: Instant
    trust: ClockTrust


# ---------------------------------------------------------------------------------------- deltas


def delta(
    tx: Tx,
    keyring: Keyring,
    message: Delta,
    specs: Sequence[CredentialSpec],
    stones: Sequence[Tombstone],
    at: Moment,
) -> Outcome:
    """Apply a delta if it starts from the revision in force and leads where it says."""
    applied = tx.one(meta.revision()) or 0
    if message.revision <= applied:
        return Outcome.SUPERSEDED
    if message.previous != applied:
        return Outcome.GAP
    before = withhold.loads(tx.one(withhold.held()) or "")
    if not _leads_to(tx, message.hash, before, specs, stones):
        return _refuse(tx, message, at)
    staging.stage_chunk(tx, keyring, message.revision, 1, specs, stones)
    single = len(stones) == 1 and not specs
    held = [] if single else _held(tx, message, at.now)
    staging.clear_staged(tx)
    meta.put(tx, _STAGING, "")
    withheld = {change.credential_id for change in held if not _by_tombstone(change, stones)}
    present = tx.all(desired.grant_lines()) if withheld else []
    changed = _upsert(tx, keyring, message.revision, specs, withheld, at.now)
    removed = _bury(tx, message.revision, stones, held, at.now)
    named = {spec.credential_id for spec in specs} - withheld
    edits = {spec.credential_id: spec for spec in specs if spec.credential_id in withheld}
    new = _items(
        message.revision,
        held,
        present,
        {(name, device): spec.version for name, spec in edits.items() for device in spec.devices},
    )
    remaining = [
        item
        for item in before
        if item.credential_id not in named | withheld and not _names(stones, item)
    ]
    _conclude(tx, message, at, held=[*remaining, *new], new=new, changed=changed, removed=removed)
    return Outcome.APPLIED


def _upsert(
    tx: Tx,
    keyring: Keyring,
    revision: int,
    specs: Iterable[CredentialSpec],
    withheld: set[CredentialId],
    now: Instant,
) -> int:
    revoked = {_key(line): line.version for line in tx.all(withhold.revoked_lines())}
    changed = 0
    for spec in specs:
        if spec.credential_id in withheld:
            continue
        back = [
            device
            for device in spec.devices
            if revoked.get((spec.credential_id, device), 0) >= spec.version
        ]
        if not back:
            changed += desired.upsert_credential(tx, keyring, spec, revision, now)
    return changed


def _bury(
    tx: Tx,
    revision: int,
    stones: Iterable[Tombstone],
    held: Sequence[StagedChange],
    now: Instant,
) -> int:
    removed = 0
    for stone in stones:
        kept = {c.device_id for c in held if c.gone and _by_tombstone(c, [stone])}
        if not kept:
            removed += len(desired.tombstone(tx, stone, revision, now))
            continue
        withhold.spare(tx, revision, stone.credential_id)
        for line in tx.all(desired.grant_lines()):
            device = DeviceId(line.device_id)
            if line.credential_id == stone.credential_id and device not in kept:
                single = Tombstone(stone.credential_id, device)
                removed += len(desired.tombstone(tx, single, revision, now))
    return removed


def _leads_to(
    tx: Tx,
    wanted: str,
    held: Iterable[Held],
    specs: Iterable[CredentialSpec],
    stones: Iterable[Tombstone],
) -> bool:
    """Whether the schedule as ordered, changed by this, hashes to `wanted`.

    A grant revoked by command may or may not be in the cloud's schedule still: both are right.
    """
    lines = {_key(line): line.version for line in tx.all(desired.grant_lines())}
    for item in held:
        if item.version is None:
            lines.pop((item.credential_id, item.device_id), None)
        else:
            lines[item.credential_id, item.device_id] = item.version
    revoked = {_key(line): line.version for line in tx.all(withhold.revoked_lines())}
    specs, stones = list(specs), list(stones)
    return any(
        _hash(after(base, specs, stones)) == wanted
        for base in ([lines, lines | revoked] if revoked else [lines])
    )


def after(
    lines: Mapping[Key, int], specs: Iterable[CredentialSpec], stones: Iterable[Tombstone]
) -> dict[Key, int]:
    """The grants of a schedule after upserts and tombstones, with their versions. Pure."""
    renewed = {spec.credential_id for spec in specs}
    result = {key: version for key, version in lines.items() if key[0] not in renewed}
    for spec in specs:
        result.update({(spec.credential_id, device): spec.version for device in spec.devices})
    gone = {(stone.credential_id, stone.device_id) for stone in stones}
    return {
        (credential_id, device_id): version
        for (credential_id, device_id), version in result.items()
        if (credential_id, device_id) not in gone and (credential_id, None) not in gone
    }


def _hash(lines: Mapping[Key, int]) -> str:
    return schedule_hash(GrantLine(c, d, version) for (c, d), version in lines.items())


def _key(line: GrantLine) -> Key:
    return line.credential_id, line.device_id


# ------------------------------------------------------------------------------------- snapshots


def parts(
    message: Snapshot, specs: Sequence[CredentialSpec], stones: Sequence[Tombstone]
) -> list[Part]:
    """A chunk cut for small transactions, numbered so that a repeated chunk replaces itself."""
    first = message.chunk * 1000
    cut = [
        (specs[i : i + PART], stones[i : i + PART]) for i in range(0, _longest(specs, stones), PART)
    ]
    return [(first + number, a, b) for number, (a, b) in enumerate(cut)]


def _longest(*lists: Sequence[object]) -> int:
    return max(map(len, lists))


def wants_chunk(tx: Tx, message: Snapshot) -> Outcome | None:
    """Before a chunk is staged: SUPERSEDED, or None when it is to be kept.

    A chunk of another snapshot than the one being received replaces it, unless it is older.
    """
    applied = tx.one(meta.revision()) or 0
    same = message.revision == applied and message.hash == tx.one(meta.schedule_hash())
    if message.revision < applied or same:
        return Outcome.SUPERSEDED
    receiving = _receiving(tx)
    if receiving.is_of(message):
        return None
    if message.revision < receiving.revision:
        return Outcome.SUPERSEDED
    staging.clear_staged(tx)
    _put_receiving(
        tx,
        _Receiving(message.revision, message.hash, message.chunks, [], message.confirm_removals),
    )
    return None


def snapshot(tx: Tx, message: Snapshot, at: Moment) -> Outcome:
    """After a chunk was staged: count it, and with the last one apply the whole."""
    receiving = _receiving(tx)
    if not receiving.is_of(message):
        return Outcome.SUPERSEDED  # a newer one came in between
    receiving.have = sorted({*receiving.have, message.chunk})
    receiving.confirm = receiving.confirm and message.confirm_removals
    _put_receiving(tx, receiving)
    if len(receiving.have) < message.chunks:
        return Outcome.STAGED
    meta.put(tx, _STAGING, "")
    if schedule_hash(tx.all(staging.staged_lines(message.revision))) != message.hash:
        staging.clear_staged(tx)
        return _refuse(tx, message, at)
    held = [] if receiving.confirm else _held(tx, message, at.now)
    new = _take_out(tx, message.revision, held)
    withhold.leave_revoked(tx, message.revision)
    result = staging.apply_staged(tx, message.revision, at.now)
    _conclude(
        tx,
        message,
        at,
        held=new,
        new=new,
        changed=result.changed,
        removed=result.removed,
        orphans=result.orphans,
    )
    return Outcome.APPLIED


def _take_out(tx: Tx, revision: int, held: Sequence[StagedChange]) -> list[Held]:
    """Remove what is withheld from the staged snapshot."""
    if not held:
        return []
    present = tx.all(desired.grant_lines())
    names = {change.credential_id for change in held}
    edits = {
        _key(line): line.version
        for line in tx.all(staging.staged_lines(revision))
        if line.credential_id in names
    }
    edited = {name for name, _ in edits}
    for name in names:
        if name in edited:
            withhold.unstage_credential(tx, revision, name)
        else:
            kept = [change.device_id for change in held if change.credential_id == name]
            withhold.unstage_tombstone(tx, revision, name, kept)
    return _items(revision, held, present, edits)


@dataclass(slots=True)
class _Receiving:
    """The snapshot being received, kept in `meta` from chunk to chunk."""

    revision: int = 0
    hash: str = ""
    chunks: int = 0
    have: list[int] = field(default_factory=list)
    confirm: bool = False
    """Every chunk so far said so."""

    def is_of(self, message: Snapshot) -> bool:
        return (self.revision, self.hash, self.chunks) == (
            message.revision,
            message.hash,
            message.chunks,
        )


def _receiving(tx: Tx) -> _Receiving:
    text = tx.one(meta.text(_STAGING))
    return _Receiving(**json.loads(text)) if text else _Receiving()


def _put_receiving(tx: Tx, value: _Receiving) -> None:
    meta.put(tx, _STAGING, json.dumps(asdict(value)))


# ------------------------------------------------------------------------------------------ both


def confirm_removals(tx: Tx, revision: int, now: Instant) -> dict[str, Value]:
    """Carry out the removals withheld up to `revision`.

    Withheld edits were not kept (they hold digits): `edits_to_send_again` says how many.
    """
    held = withhold.loads(tx.one(withhold.held()) or "")
    due = [item for item in held if item.version is None and item.revision <= revision]
    removed = 0
    for item in due:
        stone = Tombstone(CredentialId(item.credential_id), DeviceId(item.device_id))
        removed += len(desired.tombstone(tx, stone, revision, now))
    withhold.put_held(tx, [item for item in held if item not in due])
    tx.touch("schedule")
    edits = sum(item.version is not None and item.revision <= revision for item in held)
    return {"outcome": "confirmed", "grants": removed, "edits_to_send_again": edits}


def _held(tx: Tx, message: Delta | Snapshot, now: Instant) -> list[StagedChange]:
    if message.confirm_removals and isinstance(message, Delta):
        return []
    changes = tx.all(staging.staged_changes(message.revision))
    devices = {change.device_id for change in changes}
    return held_changes(changes, tx.all(withhold.in_force(devices)), now)


def _items(
    revision: int,
    held: Iterable[StagedChange],
    present: Iterable[GrantLine],
    edits: Mapping[Key, int],
) -> list[Held]:
    """What the schedule as ordered has instead of what is in force.

    `edits`: the lines of withheld credentials, as ordered. An edit is withheld whole, so what it
    would have dropped on a lock that is not itself in doubt counts as dropped too.
    """
    edited = {name for name, _ in edits}
    dropped: set[Key] = {(change.credential_id, change.device_id) for change in held}
    dropped |= {_key(line) for line in present if line.credential_id in edited}
    return [Held(*key, revision) for key in sorted(dropped - edits.keys())] + [
        Held(*key, revision, version) for key, version in edits.items()
    ]


def _by_tombstone(change: StagedChange, stones: Iterable[Tombstone]) -> bool:
    return any(
        stone.credential_id == change.credential_id and stone.device_id in {None, change.device_id}
        for stone in stones
    )


def _names(stones: Iterable[Tombstone], item: Held) -> bool:
    return any(
        stone.credential_id == item.credential_id and stone.device_id in {None, item.device_id}
        for stone in stones
    )


def _refuse(tx: Tx, message: Delta | Snapshot, at: Moment) -> Outcome:
    body: dict[str, Value] = {"revision": message.revision, "code": Outcome.HASH_MISMATCH.value}
    events.append(tx, Fact(EventType.SCHEDULE_REFUSED, at.now, body=body), at.trust)
    return Outcome.HASH_MISMATCH


def _conclude(
    tx: Tx,
    message: Delta | Snapshot,
    at: Moment,
    *,
    held: Sequence[Held],
    new: Sequence[Held],
    changed: int,
    removed: int,
    orphans: int = 0,
) -> None:
    """Revision, hash, what is withheld, and the events that tell of it."""
    meta.set_revision(tx, message.revision)
    meta.set_schedule_hash(tx, message.hash)
    withhold.put_held(tx, held)
    body: dict[str, Value] = {
        "revision": message.revision,
        "kind": message.kind,
        "changed": changed,
        "removed": removed,
        "orphaned": orphans,
        "held": len(new),
    }
    events.append(tx, Fact(EventType.SCHEDULE_APPLIED, at.now, body=body), at.trust)
    if new:
        listed: dict[str, Value] = {
            "revision": message.revision,
            "count": len(new),
            "credentials": sorted({item.credential_id for item in new})[:_LISTED],
            "devices": sorted({item.device_id for item in new})[:_LISTED],
        }
        events.append(tx, Fact(EventType.SCHEDULE_REMOVALS_HELD, at.now, body=listed), at.trust)
