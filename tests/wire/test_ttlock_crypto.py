"""AES of a TTLock, held against an independent client's frames.

Origin: roquerodrigo/ttlock-ble 0.1.11 from PyPI built them with the key 10 11 … 1f and the lock's
version 5.3, scene 2; the frame under the factory key is a capture's (kind3r/ttlock-sdk-js).
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.drivers.ttlock.crypto import FACTORY_KEY, decrypt, encrypt
from gateway.drivers.ttlock.wire import Code, Version, encode

KEY = bytes(range(0x10, 0x20))


def test_the_first_frame_under_the_factory_key() -> None:
    frame = encode(Version(), Code.AES_KEY, encrypt(b"SCIENER", FACTORY_KEY))
    assert frame.hex() == ("7f5a0503010001000119aa1026ed1d9258a1e428fcb48bbd1c0e5a46bc0d0a")


def test_the_clients_frames() -> None:
    lock = Version(scene=2)
    for code, payload, expected in (
        (
            Code.UNLOCK,
            "05e30a686a4b7ca0",
            "7f5a0503020001000147aa10863a2fbfb1d83ab57973c50153b39faa130d0a",
        ),
        (
            Code.MANAGE_CODE,
            "0203063538333932301a07060b001a07060d00",
            "7f5a0503020001000103aa203b467455a10ac629baf986ca9a7904cd0b897681bc8a498adddd5e79c3e8f0"
            "867e0d0a",
        ),
        (
            Code.SET_CLOCK,
            "1a07060c0005",
            "7f5a0503020001000143aa10b8c0192b979a708360635e52524bfc10db0d0a",
        ),
    ):
        assert encode(lock, code, encrypt(bytes.fromhex(payload), KEY)).hex() == expected


@given(plaintext=st.binary(max_size=200), key=st.binary(min_size=16, max_size=16))
def test_what_was_encrypted_can_be_decrypted(plaintext: bytes, key: bytes) -> None:
    assert decrypt(encrypt(plaintext, key), key) == plaintext


def test_what_was_not_encrypted_so_is_told_by_none() -> None:
    sealed = encrypt(b"SCIENER", KEY)
    assert decrypt(sealed, FACTORY_KEY) is None
    assert decrypt(sealed[:-1], KEY) is None
    assert decrypt(b"", KEY) is None
