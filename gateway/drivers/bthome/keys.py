"""What is kept of a BTHome device: its bind key, if it has one, and what it is. Pure.

A bind key is 16 bytes (bthome.io/encryption), given as 32 hex digits. No error repeats any of it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from gateway.domain.secret import Secret

KEY_SIZE = 16


@dataclass(frozen=True, slots=True)
class Keys:
    """`bindkey`: None for a device that speaks in clear."""

    bindkey: bytes | None
    kind: str
    triggered: bool

    def __repr__(self) -> str:
        return f"Keys(encrypted={self.bindkey is not None}, kind={self.kind!r})"

    def to_secret(self) -> Secret:
        """As the store seals it."""
        bindkey = self.bindkey.hex() if self.bindkey else None
        return Secret(
            json.dumps({"bindkey": bindkey, "kind": self.kind, "triggered": self.triggered})
        )


def keys_of(secret: Secret) -> Keys:
    """From our own text. ValueError repeats none of it."""
    try:
        told = json.loads(secret.reveal())
        bindkey = told["bindkey"]
        return Keys(
            None if bindkey is None else _sized(bytes.fromhex(bindkey)),
            str(told["kind"]),
            bool(told["triggered"]),
        )
    except (ValueError, TypeError, KeyError):
        raise ValueError("the keys of this sensor cannot be read") from None


def bindkey_of(secret: Secret) -> bytes:
    """As an installer types it: hex, with or without separators. ValueError repeats none of it."""
    text = "".join(part for part in secret.reveal() if part not in " \t\n:-")
    try:
        return _sized(bytes.fromhex(text.removeprefix("0x")))
    except ValueError:
        raise ValueError("a bind key is 32 hex digits") from None


def _sized(key: bytes) -> bytes:
    if len(key) != KEY_SIZE:
        raise ValueError("a key of the wrong length")
    return key
