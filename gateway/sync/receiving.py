"""A snapshot on its way in: which chunks are here, and cutting them for small transactions.

Here: the bookkeeping from chunk to chunk, kept in `meta` so that a restart in between loses
nothing. Not here: what the chunks hold (`store.staging`), and applying them (`accept`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final

from gateway.domain.schedule import CredentialSpec, Tombstone
from gateway.store import meta, staging

if TYPE_CHECKING:
    from gateway.store.tx import Tx
    from gateway.sync.messages import Snapshot

PART: Final = 100
"""Credentials staged in one transaction: commands wait no longer than for one of these."""

MOST_CHUNKS: Final = 1000
"""Of one snapshot, by the contract."""

_STAGING: Final = "staging"

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


@dataclass(slots=True)
class Receiving:
    """The snapshot being received, kept in `meta` from chunk to chunk."""

    revision: int = 0
    hash: str = ""
    chunks: int = 0
    have: list[int] = field(default_factory=list)
    confirm: bool = False
    """Every chunk so far said so."""
    declined: list[list[int]] = field(default_factory=list)
    """Revision and number of each chunk of an older snapshot that came since our last one."""

    def is_of(self, message: Snapshot) -> bool:
        return (self.revision, self.hash, self.chunks) == (
            message.revision,
            message.hash,
            message.chunks,
        )


def load(tx: Tx) -> Receiving:
    text = tx.one(meta.text(_STAGING))
    return Receiving(**json.loads(text)) if text else Receiving()


def save(tx: Tx, value: Receiving) -> None:
    meta.put(tx, _STAGING, json.dumps(asdict(value)))


def forget(tx: Tx) -> None:
    meta.put(tx, _STAGING, "")


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

    A chunk of another snapshot than the one being received replaces it. An older one has to come
    twice: the first may just have been overtaken, the second is a sender who means it.
    """
    applied = tx.one(meta.revision()) or 0
    same = message.revision == applied and message.hash == tx.one(meta.schedule_hash())
    if message.revision < applied or same:
        return Outcome.SUPERSEDED
    known = load(tx)
    if known.is_of(message):
        return None
    chunk = [message.revision, message.chunk]
    if message.revision < known.revision and chunk not in known.declined:
        known.declined = [*known.declined[-MOST_CHUNKS:], chunk]
        save(tx, known)
        return Outcome.SUPERSEDED
    staging.clear_staged(tx)
    save(
        tx,
        Receiving(message.revision, message.hash, message.chunks, [], message.confirm_removals),
    )
    return None
