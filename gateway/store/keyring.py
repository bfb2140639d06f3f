"""The gateway's own key: sealing digits at rest, keyed hashes, and where the key comes from.

Two subkeys are derived from the one key (HKDF-SHA-256), so that a sealed value and a hash of the
same digits have nothing in common. Sealing is AES-256-GCM with a random 96-bit nonce; the
associated data binds a value to the place it was written for. Not here: who may see digits.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets  # noqa: TID251 - the default of a parameter, and the making of a key
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.domain.secret import DigitsFacts, KeyedHash, Secret
from gateway.errors import ConfigError, StoreUnreadable
from gateway.kit.files import write_whole
from gateway.store import meta

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gateway.domain.ids import CredentialId
    from gateway.store.tx import Tx

KEY_BYTES = 32
CREDENTIAL_NAME = "store-key"
"""Name of the systemd credential that may bring the key."""
FILE_NAME = "store.key"
"""Name of the key file in the state directory, made when nothing else brings a key."""

_NONCE_BYTES = 12
_FORMAT = b"\x01"


def credential_context(credential_id: CredentialId) -> str:
    """What sealed digits are bound to: a blob moved to another credential does not open."""
    return f"credential:{credential_id}"


class Keyring:
    """Seals and hashes. Neither its repr nor its errors hold anything secret."""

    def __init__(
        self, key: bytes, random_bytes: Callable[[int], bytes] = secrets.token_bytes
    ) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"a key has {KEY_BYTES} bytes")
        self._aead = AESGCM(_derive(key, b"lock-gateway seal 1"))
        self._hash_key = _derive(key, b"lock-gateway hash 1")
        self._random_bytes = random_bytes

    def seal(self, secret: Secret, *, context: str) -> bytes:
        nonce = self._random_bytes(_NONCE_BYTES)
        sealed = self._aead.encrypt(nonce, secret.reveal().encode(), context.encode())
        return _FORMAT + nonce + sealed

    def unseal(self, blob: bytes, *, context: str) -> Secret:
        """StoreUnreadable when the blob was altered, moved, or sealed with another key."""
        start = len(_FORMAT) + _NONCE_BYTES
        try:
            plain = self._aead.decrypt(blob[1:start], blob[start:], context.encode())
        except (InvalidTag, ValueError):  # ValueError: too short for a nonce
            raise StoreUnreadable(f"could not unseal {context}: altered or another key") from None
        return Secret(plain.decode())

    def hash(self, secret: Secret) -> KeyedHash:
        """Equal for equal digits under this key; 128 bits, hex."""
        digest = hmac.new(self._hash_key, secret.reveal().encode(), hashlib.sha256)
        return KeyedHash(digest.hexdigest()[:32])

    def facts(self, secret: Secret) -> DigitsFacts:
        return DigitsFacts.of(secret, self.hash(secret))

    def check_value(self) -> str:
        """Tells this key from another one, and nothing else."""
        return hmac.new(self._hash_key, b"\x00check", hashlib.sha256).hexdigest()[:16]


def bind_key(tx: Tx, keyring: Keyring) -> None:
    """Tie a new database to this key, or prove that it is the one the database was made with.

    StoreUnreadable if it is not; nothing is changed then.
    """
    known, ours = tx.one(meta.text(meta.KEY_CHECK)), keyring.check_value()
    if not known:
        meta.put(tx, meta.KEY_CHECK, ours)
    elif not hmac.compare_digest(known, ours):
        raise StoreUnreadable(
            "could not use the database: its codes are sealed with another key; put that key back,"
            " or move the database away to start anew from the cloud's schedule"
        )


def load_or_create_key(
    path: Path | None, credentials_directory: Path | None, state_dir: Path
) -> bytes:
    """The key from the configured file, else a systemd credential, else the state directory.

    Only the last is created when missing. ConfigError names the file that is at fault.
    """
    if path is not None:
        return _read(path, forbidden=0o077)
    if credentials_directory is not None:
        credential = credentials_directory / CREDENTIAL_NAME
        if credential.exists():
            # systemd lends read access by ACL, whose mask shows as the group's mode.
            return _read(credential, forbidden=0o037)
    own = state_dir / FILE_NAME
    if not own.exists():
        _create(own)
    return _read(own, forbidden=0o077)


def _read(path: Path, *, forbidden: int) -> bytes:
    try:
        mode = path.stat().st_mode & 0o777
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"could not read the key file {path}: {error.strerror}") from error
    if mode & forbidden:
        raise ConfigError(
            f"could not use the key file {path}: mode {mode:04o} lets others read it;"
            f" run: chmod 0600 {path}"
        )
    if len(content) == KEY_BYTES:
        return content
    try:
        key = bytes.fromhex(content.decode().strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise ConfigError(
            f"could not use the key file {path}: it must hold {KEY_BYTES} bytes,"
            f" raw or as {2 * KEY_BYTES} hexadecimal digits"
        )
    return key


def _create(path: Path) -> None:
    """Complete or absent, whenever the power goes."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(path, secrets.token_hex(KEY_BYTES).encode() + b"\n")
    except OSError as error:
        raise ConfigError(f"could not create the key file {path}: {error.strerror}") from error


def _derive(key: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=purpose).derive(key)
