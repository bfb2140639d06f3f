"""ASH at the NCP's end: golden bytes, every split, and a line that damages frames.

Origin of the vectors: the examples of Silicon Labs UG101, named at each; ``version(4)`` as
bellows 1.2.1 sends it first to any stick.
"""

from __future__ import annotations

import asyncio
import binascii
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_sims.zigbee.ash import (
    AshNcp,
    Deframer,
    LineFaults,
    ResetCode,
    data_frame,
    enclose,
    randomise,
)

RST = bytes.fromhex("1AC038BC7E")  # UG101: CANCEL, then RST
RSTACK = bytes.fromhex("C102029B7B7E")  # UG101: version 2, reset by power on
ACK_1 = bytes.fromhex("8160597E")  # UG101
ERROR = bytes.fromhex("C20251A8BD7E")  # UG101: version 2, acknowledgement timeouts
NAK_6 = bytes.fromhex("A634DC7E")  # UG101
DATA_2_5 = bytes.fromhex("254221A856A6097E")  # UG101: DATA(2,5,0) of 00 00 00 02
VERSION_4 = bytes.fromhex("004221A850ED2C7E")  # DATA(0,0) of version(4): 00 00 00 04
VERSION_4_PLAIN = bytes.fromhex("00000004")


class Host:
    """A host's end, as small as it gets: sends, acknowledges, repeats what was refused."""

    def __init__(self, faults: LineFaults | None = None, time_scale: float = 1.0) -> None:
        self.requests: list[bytes] = []
        self.responses: list[bytes] = []
        self.written: list[bytes] = []
        self.resets = 0
        self.acknowledging = True
        self.answering = True
        self._deframer = Deframer()
        self._next_out = self._next_in = 0
        self._pending: list[tuple[int, bytes]] = []
        self.ncp = AshNcp(
            write=self._from_ncp,
            on_frame=self._request,
            on_reset=self._reset,
            loop=asyncio.get_running_loop(),
            faults=faults,
            time_scale=time_scale,
        )

    def _reset(self) -> None:
        self.resets += 1

    def _request(self, payload: bytes) -> None:
        self.requests.append(payload)
        if self.answering:
            self.ncp.send(b"re:" + payload)

    def _from_ncp(self, data: bytes) -> None:
        self.written.append(data)
        asyncio.get_running_loop().call_soon(self._read, data)

    def _read(self, data: bytes) -> None:
        for frame in self._deframer.feed(data):
            if frame is None:
                self._put(bytes((0xA0 | self._next_in,)))
            elif not frame[0] & 0x80:
                self._acknowledged(frame[0] & 7)
                if frame[0] >> 4 & 7 == self._next_in:
                    self._next_in = (self._next_in + 1) & 7
                    self.responses.append(randomise(frame[1:]))
                if self.acknowledging:
                    self._put(bytes((0x80 | self._next_in,)))
            elif frame[0] & 0xE0 == 0x80:
                self._acknowledged(frame[0] & 7)
            elif frame[0] & 0xE0 == 0xA0:
                self._acknowledged(frame[0] & 7)
                self.repeat()

    def _acknowledged(self, number: int) -> None:
        while (
            self._pending
            and self._pending[0][0] != number
            and len(self._pending) > (self._next_out - number) % 8
        ):
            self._pending.pop(0)

    def repeat(self) -> None:
        for number, payload in self._pending:
            self._put(data_frame(number, self._next_in, payload, again=True))

    def send(self, payload: bytes) -> None:
        number, self._next_out = self._next_out, (self._next_out + 1) & 7
        self._pending.append((number, payload))
        self._put(data_frame(number, self._next_in, payload))

    @property
    def waiting(self) -> bool:
        return bool(self._pending)

    def _put(self, frame: bytes) -> None:
        self.ncp.receive(enclose(frame))


async def settle() -> None:
    """Let everything that is due now run."""
    for _ in range(20):
        ready = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(ready.set_result, None)
        await ready


def test_the_pseudo_random_sequence() -> None:
    assert randomise(bytes(5)).hex() == "42 21 a8 54 2a".replace(" ", "")


@pytest.mark.parametrize(
    ("frame", "wire"),
    [
        (b"\xc0", RST[1:]),
        (bytes((0xC1, 2, ResetCode.POWER_ON)), RSTACK),
        (data_frame(0, 0, VERSION_4_PLAIN), VERSION_4),
        (data_frame(2, 5, b"\0\0\0\2"), DATA_2_5),
        (b"\x81", ACK_1),
        (b"\xa6", NAK_6),
        (bytes((0xC2, 2, ResetCode.TOO_MANY_ACK_TIMEOUTS)), ERROR),
    ],
)
def test_the_golden_bytes(frame: bytes, wire: bytes) -> None:
    assert enclose(frame) == wire
    assert Deframer().feed(wire) == [frame]


def test_reserved_bytes_are_escaped_and_read_back() -> None:
    frame = bytes((0x80, 0x7E, 0x7D, 0x11, 0x13, 0x18, 0x1A))
    encoded = enclose(frame)
    assert encoded.startswith(bytes.fromhex("80 7D5E 7D5D 7D31 7D33 7D38 7D3A"))
    assert Deframer().feed(encoded) == [frame]


@pytest.mark.parametrize("wire", [RST, RSTACK, VERSION_4, enclose(b"\x00\x7e\x7d\x1a\x11")])
def test_every_split_point_gives_the_same_frame(wire: bytes) -> None:
    whole = Deframer().feed(wire)
    for cut in range(len(wire) + 1):
        deframer = Deframer()
        assert deframer.feed(wire[:cut]) + deframer.feed(wire[cut:]) == whole


@settings(max_examples=50)
@given(frame=st.binary(min_size=1, max_size=120), noise=st.binary(max_size=20))
def test_any_frame_survives_the_wire_and_noise_before_it(frame: bytes, noise: bytes) -> None:
    deframer = Deframer()
    deframer.feed(noise + b"\x7e")
    deframer.feed(b"\x1a")
    assert deframer.feed(enclose(frame)) == [frame]


@settings(max_examples=50)
@given(st.binary(min_size=3, max_size=60), st.data())
def test_a_damaged_byte_never_passes_for_another_frame(frame: bytes, data: st.DataObject) -> None:
    wire = bytearray(enclose(frame))
    position = data.draw(st.integers(0, len(wire) - 2))
    wire[position] ^= data.draw(st.integers(1, 255))
    intact = [f for f in Deframer().feed(bytes(wire)) if f is not None]
    assert all(
        binascii.crc_hqx(f, 0xFFFF) != binascii.crc_hqx(frame, 0xFFFF) or f == frame
        for f in intact
        if len(f) == len(frame)
    )


async def test_a_reset_is_answered_and_numbers_start_anew() -> None:
    host = Host()
    host.ncp.receive(b"\x1a" * 32 + RST[1:])
    assert host.resets == 1
    assert host.written == [enclose(bytes((0xC1, 2, ResetCode.SOFTWARE)))]


async def test_a_response_carries_the_acknowledgement() -> None:
    host = Host()
    host.send(b"one")
    assert len(host.written) == 1
    assert host.written[0][0] == 0x01  # DATA, frame 0, acknowledging up to 1
    await settle()
    assert host.responses == [b"re:one"]
    assert not host.waiting


async def test_without_a_response_the_frame_is_acknowledged_all_the_same() -> None:
    host = Host()
    host.answering = False
    host.send(b"one")
    assert host.written == [enclose(b"\x81")]


async def test_more_than_eight_frames_keep_their_order() -> None:
    host = Host()
    for number in range(30):
        host.send(bytes((number,)))
        await settle()
    assert host.requests == [bytes((n,)) for n in range(30)]
    assert host.responses == [b"re:" + bytes((n,)) for n in range(30)]


async def test_a_repeated_frame_is_acknowledged_but_not_executed_twice() -> None:
    host = Host()
    host.send(b"one")
    host.ncp.receive(enclose(data_frame(0, 0, b"one", again=True)))
    assert host.requests == [b"one"]
    assert host.written[-1] == enclose(b"\x81")


async def test_a_gap_is_refused_once_and_healed_by_the_repetition() -> None:
    host = Host()
    host.ncp.receive(enclose(data_frame(1, 0, b"two")))
    host.ncp.receive(enclose(data_frame(2, 0, b"three")))
    assert host.written == [enclose(b"\xa0")]  # one NAK, then the reject condition holds
    host.ncp.receive(enclose(data_frame(0, 0, b"one", again=True)))
    host.ncp.receive(enclose(data_frame(1, 0, b"two", again=True)))
    assert host.requests == [b"one", b"two"]


async def test_the_window_holds_back_what_is_not_acknowledged() -> None:
    host = Host()
    host.acknowledging = False
    for number in range(7):
        host.ncp.send(bytes((number,)), callback=True)
    await settle()
    assert len(host.responses) == 5
    host.ncp.receive(enclose(b"\x85"))
    await settle()
    assert len(host.responses) == 7


async def test_a_host_that_is_not_ready_gets_responses_but_no_callbacks() -> None:
    host = Host()
    host.ncp.receive(enclose(b"\x88"))  # ACK with nRdy
    host.ncp.send(b"callback", callback=True)
    host.acknowledging = False
    host.ncp.send(b"response")
    await settle()
    assert host.responses == [b"response"]
    host.ncp.receive(enclose(b"\x81"))
    await settle()
    assert host.responses == [b"response", b"callback"]


async def test_a_silent_host_is_reminded_and_then_given_up() -> None:
    host = Host(time_scale=0.001)
    host.acknowledging = False
    host.ncp.announce_reset(ResetCode.POWER_ON)
    host.ncp.send(b"anyone?")
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(5):
        while not host.ncp.failed:
            later = loop.create_future()
            loop.call_later(0.001, later.set_result, None)
            await later
    assert host.written[-1] == enclose(bytes((0xC2, 2, ResetCode.TOO_MANY_ACK_TIMEOUTS)))
    assert [w[0] & 0x08 for w in host.written[1:-1]] == [0, 8, 8, 8, 8]  # reTx after the first
    host.ncp.receive(enclose(data_frame(0, 0, b"hello")))
    assert host.requests == []
    host.ncp.receive(RST)
    assert not host.ncp.failed


@pytest.mark.parametrize("seed", range(5))
async def test_a_line_that_damages_one_frame_in_five_loses_none(seed: int) -> None:
    host = Host(LineFaults(corrupt_rate=0.2, nak_rate=0.2, rng=random.Random(seed)))
    for number in range(40):
        host.send(bytes((number,)))
        await settle()
        for _ in range(50):
            if len(host.responses) > number and not host.waiting:
                break
            host.repeat()
            host.ncp.receive(enclose(bytes((0xA0 | len(host.responses) & 7,))))
            await settle()
    assert host.requests == [bytes((n,)) for n in range(40)]
    assert host.responses == [b"re:" + bytes((n,)) for n in range(40)]


async def test_a_mute_line_says_nothing_and_hears_nothing() -> None:
    host = Host()
    host.ncp.faults.mute = True
    host.ncp.receive(RST)
    host.send(b"one")
    assert (host.written, host.requests, host.resets) == ([], [], 0)
