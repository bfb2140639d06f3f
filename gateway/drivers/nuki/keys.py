"""Who we are to one Nuki: our own text of it, sealed by the store. Pure.

No error here repeats a value.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from gateway.domain.secret import Secret
from gateway.drivers.nuki.crypto import KEY_SIZE
from gateway.drivers.nuki.wire import AUTH_SIZE


@dataclass(frozen=True, slots=True)
class Keys:
    """`auth_id` is as its four octets are on the air.

    `pin` is the lock's security PIN; None where it is not known, and then the lock can be opened
    and not managed. `other_pin`: what it is if it is not `pin`, when the answer to setting it was
    lost. `pin_is_ours`: the lock had none before we set it, and gets none back.
    """

    shared: bytes
    auth_id: bytes
    app_id: int
    ultra: bool = False
    pin: int | None = None
    other_pin: int | None = None
    pin_is_ours: bool = False

    def __repr__(self) -> str:
        return f"Keys(ultra={self.ultra}, pin={self.pin is not None})"

    @property
    def pin_size(self) -> int:
        """Octets of a PIN in a command."""
        return 4 if self.ultra else 2

    def to_secret(self) -> Secret:
        return Secret(
            json.dumps(
                {
                    "shared": self.shared.hex(),
                    "auth_id": self.auth_id.hex(),
                    "app_id": self.app_id,
                    "ultra": self.ultra,
                    "pin": self.pin,
                    "other_pin": self.other_pin,
                    "pin_is_ours": self.pin_is_ours,
                }
            )
        )


def keys_of(secret: Secret) -> Keys:
    """ValueError when the text is not ours."""
    try:
        told = json.loads(secret.reveal())
        keys = Keys(
            bytes.fromhex(told["shared"]),
            bytes.fromhex(told["auth_id"]),
            int(told["app_id"]),
            told["ultra"] is True,
            None if told["pin"] is None else int(told["pin"]),
            None if told["other_pin"] is None else int(told["other_pin"]),
            told["pin_is_ours"] is True,
        )
    except (ValueError, KeyError, TypeError):
        raise ValueError("the lock's keys cannot be read") from None
    if len(keys.shared) != KEY_SIZE or len(keys.auth_id) != AUTH_SIZE:
        raise ValueError("the lock's keys have a wrong length")
    return keys


def pin_of(secret: Secret, *, ultra: bool) -> int:
    """The PIN as somebody types it. ValueError says what one looks like."""
    digits = secret.reveal().strip()
    length = 6 if ultra else 4
    if len(digits) != length or not (digits.isascii() and digits.isdigit()):
        raise ValueError(f"this model's security PIN has {length} digits")
    return int(digits)
