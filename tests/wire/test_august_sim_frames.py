"""The simulated August's codec against yalexs-ble's, which shares no code with it."""

from __future__ import annotations

import random

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from yalexs_ble.util import (
    _security_checksum,
    _simple_checksum,
    decode_keycode_pin,
    encode_keycode_pin,
)

from firmware_sims.ble.august.frames import BadFrameError, Plain, Secure, frame, pin_bytes, pin_of

KEY = bytes(range(16))


def test_the_secure_channel() -> None:
    sealed = Secure(KEY).seal(0x02, b"12345678")
    ecb = Cipher(algorithms.AES(KEY), modes.ECB())  # noqa: S305 - what the lock speaks
    plain = ecb.decryptor().update(sealed[:16]) + sealed[16:]
    assert (plain[0], plain[4:12], len(plain)) == (0x02, b"12345678", 18)
    assert int.from_bytes(plain[12:16], "little") == _security_checksum(plain)
    assert Secure(KEY).open(sealed) == plain
    for broken in (sealed[:-1], sealed + b"\0", bytes([sealed[0] ^ 1]) + sealed[1:]):
        with pytest.raises(BadFrameError):
            Secure(KEY).open(broken)
    with pytest.raises(BadFrameError):
        Secure(bytes(16)).open(sealed)


def test_the_other_channel_is_chained_and_sums_to_zero() -> None:
    here, there = Plain(KEY), Plain(KEY)
    chance = random.Random(1)
    for _ in range(50):
        said = frame(0xBB, chance.randrange(256), x4=chance.randbytes(12))
        heard = there.open(here.seal(said))
        assert _simple_checksum(heard) == 0
        assert heard[4:] == said[4:]
    with pytest.raises(BadFrameError):
        Plain(KEY).open(here.seal(frame(0xBB, 1)))  # out of the chain


@pytest.mark.parametrize("pin", ["1", "4711", "902817", "12345678901234"])
def test_pins(pin: str) -> None:
    assert pin_bytes(pin) == encode_keycode_pin(pin)
    assert pin_of(encode_keycode_pin(pin)) == decode_keycode_pin(pin_bytes(pin)) == pin


def test_what_is_no_pin() -> None:
    assert pin_of(b"\xff" * 7) is None
    with pytest.raises(ValueError, match="not a PIN"):
        pin_of(b"\x1f\xf1" + b"\xff" * 5)
