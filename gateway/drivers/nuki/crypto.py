"""Keys, boxes and proofs as a Nuki uses them: Curve25519, XSalsa20-Poly1305, HMAC-SHA256.

Sources: the vendor's "Nuki Smart Lock API", Encryption; ronengr/pyNukiBT `nuki.py`. Randomness
comes from the caller.
"""

from __future__ import annotations

import hmac
from typing import Final

from nacl.bindings import crypto_box_beforenm, crypto_scalarmult_base
from nacl.exceptions import CryptoError
from nacl.secret import SecretBox

KEY_SIZE: Final = 32
NONCE_SIZE: Final = 24
PROOF_SIZE: Final = 32


def public_key(secret: bytes) -> bytes:
    return crypto_scalarmult_base(secret)


def shared_key(secret: bytes, theirs: bytes) -> bytes | None:
    """What both ends come to; None for a public key that is none."""
    try:
        return crypto_box_beforenm(theirs, secret)
    except (CryptoError, ValueError):
        return None


def proof(key: bytes, *parts: bytes) -> bytes:
    """That somebody has the key: an HMAC over the parts, one after the other."""
    return hmac.digest(key, b"".join(parts), "sha256")


def proves(told: bytes, key: bytes, *parts: bytes) -> bool:
    return hmac.compare_digest(told, proof(key, *parts))


def seal(key: bytes, nonce: bytes, plain: bytes) -> bytes:
    """16 octets longer than the plaintext; a nonce is used once."""
    return SecretBox(key).encrypt(plain, nonce).ciphertext


def unseal(key: bytes, nonce: bytes, box: bytes) -> bytes | None:
    """None for what was not sealed with this key, or was altered."""
    try:
        return SecretBox(key).decrypt(box, nonce)
    except (CryptoError, ValueError):
        return None
