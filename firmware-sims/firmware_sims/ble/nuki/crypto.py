"""The cryptography of a Nuki: the key of a pairing, boxes, authenticators.

Here: Curve25519 with HSalsa20 ("beforenm"), XSalsa20-Poly1305, HMAC-SHA256. Not here: what is put
into any of them. Source: Nuki Smart Lock API, "Encryption".
"""

from __future__ import annotations

import hmac

from nacl.bindings import crypto_box_beforenm, crypto_scalarmult_base
from nacl.exceptions import CryptoError
from nacl.secret import SecretBox

NONCE_SIZE = 24


class BadBox(Exception):
    """Not sealed with this key."""


def public_key(secret: bytes) -> bytes:
    """32 bytes each."""
    return crypto_scalarmult_base(secret)


def shared_key(secret: bytes, peer_public: bytes) -> bytes:
    """The key that both ends come to; `BadBox` for a public key that is of no use."""
    try:
        return crypto_box_beforenm(peer_public, secret)
    except CryptoError:
        raise BadBox from None


def authenticator(key: bytes, *parts: bytes) -> bytes:
    """HMAC-SHA256 over the parts, one after the other."""
    return hmac.digest(key, b"".join(parts), "sha256")


def same(one: bytes, other: bytes) -> bool:
    """Whether two authenticators are equal."""
    return hmac.compare_digest(one, other)


def seal(key: bytes, nonce: bytes, plaintext: bytes) -> bytes:
    """16 bytes longer than the plaintext."""
    return SecretBox(key).encrypt(plaintext, nonce).ciphertext


def unseal(key: bytes, nonce: bytes, box: bytes) -> bytes:
    """`BadBox` unless it was sealed with that key and nonce."""
    try:
        return SecretBox(key).decrypt(box, nonce)
    except CryptoError:
        raise BadBox from None
