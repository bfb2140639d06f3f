"""Chunks are cut for small transactions, each part with a number of its own."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.ids import CredentialId
from gateway.domain.schedule import CredentialSpec, Tombstone
from gateway.domain.secret import Secret
from gateway.domain.windows import Always
from gateway.sync.messages import MAX_ITEMS, Snapshot
from gateway.sync.receiving import PART, parts

SPEC = CredentialSpec(CredentialId("c"), 1, Secret("1"), (), Always())
STONE = Tombstone(CredentialId("c"))


def chunk(number: int) -> Snapshot:
    return Snapshot(
        schema_version=1, kind="snapshot", revision=1, hash="0" * 64, chunk=number, chunks=1000
    )


@given(st.integers(0, MAX_ITEMS), st.integers(0, MAX_ITEMS), st.integers(1, 999))
def test_every_item_once_and_no_number_twice(specs: int, stones: int, number: int) -> None:
    cut = parts(chunk(number), [SPEC] * specs, [STONE] * stones)
    assert sum(len(a) for _, a, _ in cut) == specs
    assert sum(len(b) for _, _, b in cut) == stones
    assert all(len(a) <= PART and len(b) <= PART for _, a, b in cut)
    numbers = {n for n, _, _ in cut} | {n for n, _, _ in parts(chunk(number + 1), [SPEC], [])}
    assert len(numbers) == len(cut) + 1
