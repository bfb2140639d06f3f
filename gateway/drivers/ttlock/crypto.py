"""AES as TTLock uses it: 128 bits, CBC with the key as its IV, PKCS#7.

Source: kind3r/ttlock-sdk-js `src/util/AESUtil.ts`. The IV repeats, so equal plaintexts look alike
on the air; that is the protocol's weakness and cannot be mended on one side.
"""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

FACTORY_KEY: Final = bytes.fromhex("987623E8A923A1BB3D9E7D0378124588")
"""Of every lock that belongs to nobody; public, so worth nothing as a secret."""
KEY_SIZE: Final = 16


def encrypt(plaintext: bytes, key: bytes) -> bytes:
    padder = padding.PKCS7(128).padder()
    cipher = Cipher(algorithms.AES(key), modes.CBC(key)).encryptor()
    return cipher.update(padder.update(plaintext) + padder.finalize()) + cipher.finalize()


def decrypt(ciphertext: bytes, key: bytes) -> bytes | None:
    """None for what was not encrypted with this key, as far as the padding tells."""
    if not ciphertext or len(ciphertext) % KEY_SIZE:
        return None
    cipher = Cipher(algorithms.AES(key), modes.CBC(key)).decryptor()
    unpadder = padding.PKCS7(128).unpadder()
    try:
        return unpadder.update(cipher.update(ciphertext) + cipher.finalize()) + unpadder.finalize()
    except ValueError:
        return None
