"""The rules of what a disk may hold, for all histories of a small one."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.powercut.images import Disk, Fate, Kind, Op, Syncs, counting

BASE = {"a": b"A" * 700, "b": b""}
FOLDER, A, B, NEW = 3, 4, 5, 6
OPENED = (
    Op(Kind.OPEN, FOLDER, "", folder=True),
    Op(Kind.OPEN, A, "a"),
    Op(Kind.OPEN, B, "b"),
    Op(Kind.OPEN, NEW, "new", created=True),
)

files = st.sampled_from((A, B, NEW))
writes = st.builds(
    lambda fd, at, data: Op(Kind.WRITE, fd, number=at, data=data),
    files,
    st.integers(0, 1500),
    st.binary(min_size=1, max_size=1500),
)
calls = st.one_of(
    writes,
    st.builds(lambda fd, size: Op(Kind.TRUNCATE, fd, number=size), files, st.integers(0, 1500)),
    st.builds(lambda fd: Op(Kind.SYNC, fd), files),
    st.builds(lambda fd: Op(Kind.FAILED, fd, of_sync=True), files),
)
histories = st.lists(calls, max_size=12)
fates = st.sampled_from(Fate)
seeds = st.integers(0, 2**32).map(Random)


def played(*history: Op) -> Disk:
    disk = Disk(BASE)
    for op in (*OPENED, *history):
        disk.apply(op)
    return disk


SYNCED = tuple(Op(Kind.SYNC, fd) for fd in (FOLDER, A, B, NEW))


@given(st.lists(writes, max_size=6), fates, seeds)
def test_what_was_synced_is_there_whatever_happens(
    history: list[Op], fate: Fate, random: Random
) -> None:
    disk = played(*history, *SYNCED)
    assert disk.image(fate, random) == disk.contents()


@given(histories, histories, fates, seeds)
def test_each_byte_is_one_that_the_file_had_since_its_last_sync(
    before: list[Op], since: list[Op], fate: Fate, random: Random
) -> None:
    disk = played(*before, *SYNCED)
    # What a failed sync lost may shine through from before it: every state counts.
    seen = [dict.fromkeys(disk.contents(), b""), *_states(before, since)]
    for op in since:
        disk.apply(op)
    for name, data in disk.image(fate, random).items():
        assert len(data) <= max(len(state[name]) for state in seen)
        for at, byte in enumerate(data):
            assert byte in {state[name][at] if at < len(state[name]) else 0 for state in seen}


def _states(before: list[Op], since: list[Op]) -> list[dict[str, bytes]]:
    disk, states = Disk(BASE), []
    for op in (*OPENED, *before, *SYNCED, *since):
        disk.apply(op)
        states.append({"new": b""} | disk.contents())
    return states


@given(histories, seeds)
def test_nothing_unsynced_is_there_when_it_is_dropped(history: list[Op], random: Random) -> None:
    disk = played(*SYNCED, *[op for op in history if op.kind is not Kind.SYNC])
    assert disk.image(Fate.DROPPED, random) == {**BASE, "new": b""}


@given(st.lists(writes.map(lambda op: op._replace(fd=B)), min_size=1, max_size=6), seeds)
def test_a_prefix_ends_within_one_write_at_the_edge_of_a_sector(
    history: list[Op], random: Random
) -> None:
    found = played(*history).image(Fate.PREFIX, random)["b"]
    possible = set()
    for whole in range(len(history) + 1):
        possible.add(played(*history[:whole]).contents()["b"])
        if whole < len(history):
            torn = history[whole]
            for end in range(512, 3072, 512):
                if torn.number < end < torn.number + len(torn.data):
                    part = torn._replace(data=torn.data[: end - torn.number])
                    possible.add(played(*history[:whole], part).contents()["b"])
    assert found in possible


@pytest.mark.parametrize("size", [512, 4096])
def test_a_sector_is_there_whole_or_not_at_all(size: int) -> None:
    disk = played(Op(Kind.WRITE, B, number=100, data=b"x" * 20_000))
    fate = Fate(f"sectors of {size}")
    kinds: set[bool] = set()
    for seed in range(20):
        data = disk.image(fate, Random(seed))["b"]
        sectors = [data[max(at, 100) : at + size] for at in range(0, len(data), size)]
        assert all(set(sector) <= {ord("x")} or not any(sector) for sector in sectors)
        kinds.update(bool(any(sector)) for sector in sectors)
    assert kinds == {True, False}


def test_a_failed_sync_loses_what_it_should_have_written() -> None:
    disk = played(
        Op(Kind.WRITE, A, number=0, data=b"lost"),
        Op(Kind.FAILED, A, of_sync=True),
        Op(Kind.WRITE, A, number=10, data=b"kept"),
        Op(Kind.SYNC, A),
    )
    safe = disk.image(Fate.DROPPED, Random(0))["a"]
    assert (safe[:4], safe[10:14]) == (b"AAAA", b"kept")
    assert disk.contents()["a"][:4] == b"lost"  # the process itself still reads it


@given(fates, seeds)
def test_a_replaced_file_is_the_old_one_or_the_new_one(fate: Fate, random: Random) -> None:
    disk = played(
        Op(Kind.WRITE, NEW, data=b"new"),
        Op(Kind.SYNC, NEW),
        Op(Kind.RENAME, name="new", data=b"a"),
    )
    assert disk.image(fate, random)["a"] in {BASE["a"], b"new"}
    assert disk.image(Fate.DROPPED, random)["a"] == BASE["a"]
    disk.apply(Op(Kind.SYNC, FOLDER))
    assert disk.image(fate, random) == {"a": b"new", "b": b""}


def test_names_change_in_order() -> None:
    disk = played(Op(Kind.UNLINK, name="a"), Op(Kind.RENAME, name="new", data=b"c"))
    seen = {frozenset(disk.image(Fate.PREFIX, Random(seed))) for seed in range(40)}
    assert seen == {
        frozenset({"a", "b"}),
        frozenset({"a", "b", "new"}),
        frozenset({"b", "new"}),
        frozenset({"b", "c"}),
    }


def test_a_wal_index_is_noise_unless_dropped() -> None:
    disk = Disk({"x-shm": bytes(100)})
    assert disk.image(Fate.DROPPED, Random(1)) == {"x-shm": bytes(100)}
    assert disk.image(Fate.PREFIX, Random(1))["x-shm"] != bytes(100)


def test_a_hole_in_the_record_is_noticed() -> None:
    with pytest.raises(KeyError):
        Disk({}).apply(Op(Kind.WRITE, 9, data=b"x"))


def test_careless_syncs_are_left_out() -> None:
    log, database = 7, 8
    ops = [
        Op(Kind.OPEN, log, "x-wal"),
        Op(Kind.OPEN, database, "x"),
        Op(Kind.WRITE, log, data=b"head"),
        Op(Kind.SYNC, log),
        Op(Kind.WRITE, log, number=32, data=b"commit"),
        Op(Kind.SYNC, log),
        Op(Kind.WRITE, log, number=64, data=b"commit"),
        Op(Kind.SYNC, log),
        Op(Kind.WRITE, database, data=b"copied"),
        Op(Kind.SYNC, database),
    ]
    syncs = {syncs: [ops[i].fd for i, c in enumerate(counting(ops, syncs)) if c] for syncs in Syncs}
    assert syncs[Syncs.FULL] == [op.fd for op in ops]
    assert [op for op, c in zip(ops, counting(ops, Syncs.NORMAL), strict=True) if not c] == [ops[5]]
    assert len(syncs[Syncs.OFF]) == len(ops) - 4
