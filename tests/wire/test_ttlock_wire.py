"""TTLock frames, chunks and times, held against captured frames and an independent client.

Origin of the vectors: captures of real locks in kind3r/ttlock-sdk-js ("SDK-Analysis", "Bad
CRC quest", issue #5); times "by the client" are roquerodrigo/ttlock-ble 0.1.11's, from PyPI.
"""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.instant import Instant, from_datetime
from gateway.drivers.ttlock.wire import (
    ALWAYS_FROM,
    ALWAYS_UNTIL,
    CHUNK,
    Code,
    Frame,
    Reassembler,
    Version,
    chunks,
    crc8,
    date5,
    date6,
    encode,
    instant_of,
    is_always,
)

FROM_APP = bytes.fromhex("7f5a0503010001000107aa10ade4c30cccffef87e7a4b85e76213d43fe0d0a")
FROM_LOCK = bytes.fromhex("7f5a0503020001000154aa102d2f9276f7eea8794974e465f0e99e18090d0a")
"""Of a real lock; by CRC-8/MAXIM the checksum would be 57, by the vendor's table it is right."""
BERLIN = ZoneInfo("Europe/Berlin")


def test_a_captured_frame_is_built_again() -> None:
    assert encode(Version(), Code.LIST_CODES, FROM_APP[12:28]) == FROM_APP
    assert crc8(FROM_APP[:-3]) == FROM_APP[-3]


def test_a_captured_answer_is_right_by_the_vendors_table() -> None:
    (right,) = Reassembler().feed(FROM_LOCK)
    assert right == Frame(Version(scene=2), Code.RESPONSE, FROM_LOCK[12:28])
    assert crc8(b"\x21") == 0x07


def test_a_wrong_crc_is_told_and_not_thrown_away() -> None:
    (frame,) = Reassembler().feed(FROM_LOCK[:-3] + b"\x57\x0d\x0a")
    assert frame == Frame(Version(scene=2), Code.RESPONSE, FROM_LOCK[12:28], crc_right=False)


def test_frames_go_in_chunks_of_twenty() -> None:
    parts = list(chunks(FROM_APP))
    assert [len(part) for part in parts] == [CHUNK, len(FROM_APP) - CHUNK]
    assert b"".join(parts) == FROM_APP


@pytest.mark.parametrize("split", range(1, len(FROM_LOCK) + len(FROM_APP)))
def test_at_every_split_point_the_same_frames_come_out(split: int) -> None:
    stream = FROM_LOCK + FROM_APP
    reassembler = Reassembler()
    found = reassembler.feed(stream[:split]) + reassembler.feed(stream[split:])
    assert [frame.command for frame in found] == [Code.RESPONSE, Code.LIST_CODES]


@given(payload=st.binary(max_size=255), version=st.tuples(*[st.integers(5, 255)] * 3))
def test_any_payload_comes_back_also_with_the_marks_of_a_frame_in_it(
    payload: bytes, version: tuple[int, int, int]
) -> None:
    told = Version(*version, 0x7F5A, 0x0D0A)
    raw = encode(told, Code.RESPONSE, payload)
    reassembler = Reassembler()
    found = [frame for part in chunks(raw) for frame in reassembler.feed(part)]
    assert found == [Frame(told, Code.RESPONSE, payload)]


@given(junk=st.binary(max_size=60), cut=st.integers(0, 30))
def test_after_what_is_no_frame_the_next_whole_one_is_found(junk: bytes, cut: int) -> None:
    """Noise, then a frame that lost its end, then others: sooner or later one comes through."""
    reassembler = Reassembler()
    reassembler.feed(junk + FROM_APP[:cut])
    later = [frame for _ in range(12) for frame in reassembler.feed(FROM_APP)]
    assert any(frame.payload == FROM_APP[12:28] and frame.crc_right for frame in later)


def test_a_frame_that_lost_a_chunk_is_no_frame() -> None:
    long = encode(Version(), Code.RESPONSE, bytes(range(64)))
    parts = list(chunks(long))
    reassembler = Reassembler()
    found = [frame for part in (*parts[:1], *parts[2:]) for frame in reassembler.feed(part)]
    assert found == []
    for _ in range(2):
        found = [frame for part in parts for frame in reassembler.feed(part)] or found
    assert [frame.payload for frame in found] == [bytes(range(64))]


# ── times ───────────────────────────────────────────────────────────────────────────────────

NOON = from_datetime(datetime(2026, 7, 6, 10, 0, 5, tzinfo=UTC))


def test_times_are_plain_numbers_in_the_locks_zone() -> None:
    assert date6(NOON, BERLIN) == bytes((26, 7, 6, 12, 0, 5))  # by the client: 1a07060c0005
    assert date6(NOON, BERLIN).hex() == "1a07060c0005"
    assert date5(NOON, BERLIN) == bytes((26, 7, 6, 12, 0))
    assert instant_of(date6(NOON, BERLIN), BERLIN) == NOON
    assert instant_of(date5(NOON, BERLIN), BERLIN) == NOON - 5000


@given(st.integers(946_684_800, 4_102_358_400))
def test_a_time_comes_back_as_one_of_the_instants_it_may_mean(seconds: int) -> None:
    at = Instant(seconds * 1000)
    told = date6(at, BERLIN)
    assert at in {instant_of(told, BERLIN, fold=fold) for fold in (0, 1)}


def test_a_wall_time_that_happens_twice() -> None:
    twice = bytes((26, 10, 25, 2, 30))
    first, second = (instant_of(twice, BERLIN, fold=fold) for fold in (0, 1))
    assert first is not None
    assert second is not None
    assert second - first == 3_600_000


@pytest.mark.parametrize("date", ["", "1a07", "000000000000", "ffffffffffff", "1a021e0c0000"])
def test_what_is_no_date(date: str) -> None:
    assert instant_of(bytes.fromhex(date), BERLIN) is None


def test_years_the_lock_cannot_say() -> None:
    for year in (1999, 2100):
        with pytest.raises(ValueError, match="2000 to 2099"):
            date6(from_datetime(datetime(year, 6, 1, tzinfo=UTC)), BERLIN)


def test_always() -> None:
    assert is_always(ALWAYS_FROM, ALWAYS_UNTIL)
    assert is_always(bytes((0, 1, 31, 14, 0)), bytes((99, 11, 30, 14, 0)))
    assert not is_always(bytes((26, 7, 6, 11, 0)), bytes((26, 7, 6, 13, 0)))
    assert not is_always(ALWAYS_FROM, b"")
