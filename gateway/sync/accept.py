"""Schedules into the store: each message whole or not at all, in the writer's transaction.

Here: revisions, hashes, and which removals are withheld. Not here: shapes (`parse`), chunks on
their way in (`receiving`), and what the locks must do about it (the scheduler finds that in the
store). Each function runs inside
one transaction; what it decided is its result, and whoever called acknowledges after the commit.

The hash is of the schedule *as ordered*: what was withheld counts as carried out, and so does what
a command revoked, so that neither makes the cloud and the gateway disagree for ever.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from gateway.domain.events import EventType, Fact, Value
from gateway.domain.ids import CredentialId, DeviceId
from gateway.domain.schedule import CredentialSpec, GrantLine, Tombstone, schedule_hash
from gateway.store import beforehand, desired, events, meta, staging, withhold
from gateway.store.beforehand import Revoked
from gateway.store.withhold import Held
from gateway.sync import receiving
from gateway.sync.guard import held_changes, takes_away
from gateway.sync.messages import Delta, Snapshot
from gateway.sync.receiving import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gateway.domain.instant import ClockTrust, Instant
    from gateway.store.keyring import Keyring
    from gateway.store.staging import StagedChange
    from gateway.store.tx import Tx

_LISTED: Final = 50

Key = tuple[str, str]


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
    if len(specs) == 1 and not stones:  # one code suspended by itself is meant, like one revoked
        held = [change for change in held if takes_away(replace(change, paused=False), at.now)]
    staging.clear_staged(tx)
    receiving.forget(tx)
    withheld = {change.credential_id for change in held if not _by_tombstone(change, stones)}
    present = tx.all(desired.grant_lines()) if withheld else []
    taken = [spec for spec in specs if spec.credential_id not in withheld]
    changed = _upsert(tx, keyring, message.revision, taken, _revoked(tx, before), at.now)
    removed = _bury(tx, message.revision, stones, held, at.now)
    named = {spec.credential_id for spec in taken}
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
    revoked: Mapping[Key, int],
    now: Instant,
) -> int:
    changed = 0
    for spec in specs:
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
        if stone.device_id is not None:
            continue  # the one grant it means is withheld
        for _, device in tx.all(withhold.standing([stone.credential_id])):
            if device not in kept:
                single = Tombstone(stone.credential_id, DeviceId(device))
                removed += len(desired.tombstone(tx, single, revision, now))
    return removed


def _leads_to(
    tx: Tx,
    wanted: str,
    held: Sequence[Held],
    specs: Sequence[CredentialSpec],
    stones: Sequence[Tombstone],
) -> bool:
    """Whether the schedule as ordered, changed by this, hashes to `wanted`.

    A grant revoked by command may or may not be in the cloud's schedule still: both are right.
    """
    wanted_now = {_key(line): line.version for line in tx.all(desired.grant_lines())}
    revoked = {_key(line): line.version for line in tx.all(withhold.revoked_lines())}
    gone = {name for name, _ in revoked}
    without = _overlay(wanted_now, [item for item in held if item.credential_id not in gone])
    bases = [without, _overlay(wanted_now | revoked, held)] if revoked else [without]
    return any(_hash(after(base, specs, stones)) == wanted for base in bases)


def _overlay(lines: Mapping[Key, int], held: Iterable[Held]) -> dict[Key, int]:
    """The schedule as ordered: what is in force, as if nothing had been withheld."""
    result = dict(lines)
    for item in held:
        if item.version is None:
            result.pop((item.credential_id, item.device_id), None)
        else:
            result[item.credential_id, item.device_id] = item.version
    return result


def _revoked(tx: Tx, held: Iterable[Held]) -> dict[Key, int]:
    """Revoked grants, each with the version up to which no schedule brings it back.

    An edit that was withheld when the revocation came was ordered before it.
    """
    versions = {_key(line): line.version for line in tx.all(withhold.revoked_lines())}
    names = {name for name, _ in versions}
    for item in held:
        if item.credential_id in names and item.version is not None:
            key = (item.credential_id, item.device_id)
            versions[key] = max(versions.get(key, 0), item.version)
    return versions


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


def snapshot(tx: Tx, message: Snapshot, at: Moment) -> Outcome:
    """After a chunk was staged: count it, and with the last one apply the whole."""
    known = receiving.load(tx)
    if not known.is_of(message):
        return Outcome.SUPERSEDED  # a newer one came in between
    known.have = sorted({*known.have, message.chunk})
    known.declined = []
    known.confirm = known.confirm and message.confirm_removals
    receiving.save(tx, known)
    if len(known.have) < message.chunks:
        return Outcome.STAGED
    receiving.forget(tx)
    if schedule_hash(tx.all(staging.staged_lines(message.revision))) != message.hash:
        staging.clear_staged(tx)
        return _refuse(tx, message, at)
    held = [] if known.confirm else _held(tx, message, at.now)
    kept = _unmentioned(tx, message.revision, held)
    new = _take_out(tx, message.revision, held)
    _leave_revoked(tx, message.revision, at.now)
    result = staging.apply_staged(tx, message.revision, at.now)
    standing = set(tx.all(withhold.standing(item.credential_id for item in kept)))
    kept = [item for item in kept if (item.credential_id, item.device_id) in standing]
    _conclude(
        tx,
        message,
        at,
        held=[*kept, *new],
        new=new,
        changed=result.changed,
        removed=result.removed,
        orphans=result.orphans,
    )
    return Outcome.APPLIED


def _leave_revoked(tx: Tx, revision: int, now: Instant) -> None:
    """What was revoked comes back at a higher version only, also when it is not listed for once."""
    revoked = _revoked(tx, withhold.loads(tx.one(withhold.held()) or ""))
    if revoked:
        lines = tx.all(staging.staged_lines(revision))
        back = [_key(line) for line in lines if line.version <= revoked.get(_key(line), 0)]
        withhold.unstage_grants(tx, revision, back)
        listed = {line.credential_id for line in lines}
        left_out = [
            Revoked(CredentialId(name), DeviceId(device), version)
            for (name, device), version in revoked.items()
            if name not in listed
        ]
        beforehand.remember(tx, left_out, now)


def _unmentioned(tx: Tx, revision: int, held: Iterable[StagedChange]) -> list[Held]:
    """Removals withheld before, of credentials that the snapshot does not list. They go on being
    withheld, and asked about: absence neither carries them out nor takes them back."""
    before = [x for x in withhold.loads(tx.one(withhold.held()) or "") if x.version is None]
    if not before:
        return []
    listed = {line.credential_id for line in tx.all(staging.staged_lines(revision))}
    again = {(change.credential_id, change.device_id) for change in held}
    kept = [x for x in before if x.credential_id not in listed]
    for name in sorted({x.credential_id for x in kept}):
        withhold.spare(tx, revision, CredentialId(name))
    return [x for x in kept if (x.credential_id, x.device_id) not in again]


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
    for name in sorted(names):
        if name in edited:
            withhold.unstage_credential(tx, revision, name)
        else:
            kept = [change.device_id for change in held if change.credential_id == name]
            withhold.unstage_tombstone(tx, revision, name, kept)
    return _items(revision, held, present, edits)


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
    devices = sorted({change.device_id for change in changes})
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
    """Revision, hash, what is withheld, and the events that tell of it; and what was revoked before
    it came."""
    removed += beforehand.carry_out(tx, message.revision, at.now)
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
