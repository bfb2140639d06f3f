"""The simulated TTLock's frames: golden vectors, every split point, what is no frame."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sims.ble.ttlock.frames import (
    FACTORY_KEY,
    BadFrame,
    Frame,
    Reassembler,
    Version,
    chunks,
    crc8,
    decrypt,
    encrypt,
    maxim,
)

KEY = bytes(range(0x10, 0x20))

# From kind3r/ttlock-sdk-js, "Bad CRC quest": a request, and answers of a real lock whose
# checksums its author found wrong. The last is from kind3r/hass-addons #34, of another lock.
APP_REQUEST = bytes.fromhex("7f5a0503010001000107aa10ade4c30cccffef87e7a4b85e76213d43fe0d0a")
WRONG_ANSWER = bytes.fromhex("7f5a0503020001000154aa102d2f9276f7eea8794974e465f0e99e18090d0a")
FROM_LOCKS = [
    WRONG_ANSWER,
    bytes.fromhex(
        "7f5a0503020001000154aa20df862dda9de19dbdf73afce5eb29d32a24feca385bf44991075a85692353d6acd0"
        "0d0a"
    ),
    bytes.fromhex("7f5a050302000a000c54aa1026033ba449ce33205035b7504424240fc20d0a"),
]
# Command 19 with the vendor's word, computed with OpenSSL and a table-driven CRC.
GET_KEY = bytes.fromhex("7f5a0503010001000119aa1026ed1d9258a1e428fcb48bbd1c0e5a46bc0d0a")

# Made with ttlock-ble 0.1.11 (PyPI; MIT), Python 3.12: Frame.for_lock(LockVersion(5, 3, 1, 1, 1),
# command, payload_…()).encrypt_data(KEY).build(), with the arguments named in the plaintexts.
TTLOCK_BLE = {
    (0x14, b"SCIENER"): "7f5a0503010001000114aa106955af90c7a5464865b1a3a3473f0c66460d0a",
    (0x55, "0001311400991130140000000001020304"): (
        "7f5a0503010001000155aa20c763c9f8cad00cad5a1b5ac521f665417a81e326566ef7f6dbc91cfb6ea0082d22"
        "0d0a"
    ),
    (0x41, "05397fb100000001020304"): (
        "7f5a0503010001000141aa108052535a33ed0a87e748ad614e65d4ab2e0d0a"
    ),
    (0x47, "17053dbc6ab13b80"): "7f5a0503010001000147aa1018de23a1242b7fac1cd7a6b9945da0ce580d0a",
    (0x43, "1a07060c2238"): "7f5a0503010001000143aa10433ec365c8200fd80512cd9e050c9722da0d0a",
    (0x34, b""): "7f5a0503010001000134aa109c54d571702cfa0f03f36215676bab78e60d0a",
    (0x03, "02010634383239313300011f0e00"): (
        "7f5a0503010001000103aa10b1ed040375dfb70e276c0feba895d7f7680d0a"
    ),
    (0x03, "0203063438323931331a07060f001a07080b00"): (
        "7f5a0503010001000103aa2023218bd880126f4d7150a58c325bd7d547367cb559844201dc3a52dd9482950f2c"
        "0d0a"
    ),
    (0x03, "030306343832393133"): "7f5a0503010001000103aa106986f5be3c017b9bbe4f4efc31be7ef3c90d0a",
    (0x03, "01"): "7f5a0503010001000103aa10be0b5f1412c3688efbb26ab6ecb3edf2b80d0a",
    (0x36, "02001e"): "7f5a0503010001000136aa10c00fc529d3a65a0d7fb111caa624796eb60d0a",
    (0x25, "ffff"): "7f5a0503010001000125aa106cde325ed8257ef7aff147848915d88c5c0d0a",
}


def test_captured_request() -> None:
    frame = Frame.decode(APP_REQUEST)
    assert (frame.version, frame.command) == (Version(5, 3, 1, 1, 1), 0x07)
    assert frame.encode() == APP_REQUEST


@pytest.mark.parametrize("raw", FROM_LOCKS)
def test_captured_answers_are_right_by_the_vendors_table(raw: bytes) -> None:
    frame = Frame.decode(raw)
    assert frame.encode() == raw
    assert maxim(raw[:-3]) != raw[-3]


def test_the_checksum_of_the_catalogues_will_do_unless_it_is_strict() -> None:
    by_the_book = WRONG_ANSWER[:-3] + b"\x57\r\n"
    assert Frame.decode(by_the_book, strict=False) == Frame.decode(WRONG_ANSWER)
    with pytest.raises(BadFrame):
        Frame.decode(by_the_book)
    with pytest.raises(BadFrame):
        Frame.decode(Frame.decode(WRONG_ANSWER).encode(wrong_crc=True), strict=False)


def test_crc_is_that_of_the_catalogue_but_for_one_entry() -> None:
    assert maxim(b"123456789") == 0xA1  # reveng's catalogue: CRC-8/MAXIM-DOW, check
    different = [byte for byte in range(256) if crc8(bytes([byte])) != maxim(bytes([byte]))]
    assert different == [0x21]
    assert (crc8(b"\x21"), maxim(b"\x21")) == (0x07, 0x7D)


def test_factory_key() -> None:
    assert Frame(Version(), 0x19, encrypt(b"SCIENER", FACTORY_KEY)).encode() == GET_KEY


@pytest.mark.parametrize(
    ("command", "plaintext", "wire"),
    [(command, plaintext, wire) for (command, plaintext), wire in TTLOCK_BLE.items()],
)
def test_as_an_independent_client_writes_it(
    command: int, plaintext: str | bytes, wire: str
) -> None:
    data = plaintext if isinstance(plaintext, bytes) else bytes.fromhex(plaintext)
    assert Frame(Version(), command, encrypt(data, KEY)).encode().hex() == wire
    assert decrypt(Frame.decode(bytes.fromhex(wire)).payload, KEY) == data


@given(st.binary(max_size=239), st.binary(min_size=16, max_size=16))
def test_round_trip(data: bytes, key: bytes) -> None:
    frame = Frame(Version(scene=2), 0x54, encrypt(data, key))
    assert decrypt(Frame.decode(frame.encode()).payload, key) == data


def test_nothing_stands_for_nothing() -> None:
    assert decrypt(b"", KEY) == b""


def test_another_key_is_noticed() -> None:
    with pytest.raises(BadFrame):
        decrypt(encrypt(b"SCIENER", KEY), FACTORY_KEY)
    with pytest.raises(BadFrame):
        decrypt(b"\x01" * 15, KEY)


@pytest.mark.parametrize("split", range(1, len(GET_KEY)))
def test_every_split_point(split: int) -> None:
    reassembler = Reassembler()
    first = reassembler.feed(GET_KEY[:split])
    second = reassembler.feed(GET_KEY[split:])
    assert first == []
    assert second == [GET_KEY]


def test_a_trailer_in_the_ciphertext_ends_nothing() -> None:
    frame = Frame(Version(), 0x25, b"\r\n" * 8).encode()
    reassembler = Reassembler()
    assert [raw for chunk in chunks(frame) for raw in reassembler.feed(chunk)] == [frame]


@given(st.binary(max_size=40), st.lists(st.integers(1, 20), max_size=40))
def test_noise_before_a_frame_costs_at_most_that_frame(noise: bytes, sizes: list[int]) -> None:
    # A header within noise may claim what follows; the frame after that is heard again.
    stream = noise + GET_KEY * 12
    reassembler = Reassembler()
    heard = []
    while stream:
        size = sizes.pop() if sizes else 20
        heard += reassembler.feed(stream[:size])
        stream = stream[size:]
    assert heard[-1] == GET_KEY


def test_two_frames_in_one_chunk() -> None:
    assert Reassembler().feed(GET_KEY + APP_REQUEST) == [GET_KEY, APP_REQUEST]
