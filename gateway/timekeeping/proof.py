"""Time that somebody signed: JWS compact, EdDSA over Ed25519, for this gateway and a nonce of ours.

Here: keys, and whether a token is what it must be. Not here: whether its nonce is ours and fresh
(`witness`), and whether the time in it is believed (`domain.timetrust`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from gateway.domain.instant import from_rfc3339
from gateway.domain.timebelief import Source
from gateway.errors import ConfigError, MessageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from gateway.domain.instant import Instant

TYPES: Final = {
    Source.CLOUD: "lockgw-time+jwt",
    Source.TECHNICIAN: "lockgw-time-token+jwt",
}
"""A token says what it is for: one that answers a hello is no technician's, and the reverse."""
LONGEST: Final = 2048
_LATEST: Final = 7_258_118_400_000  # 2200

Keys = dict[str, Ed25519PublicKey]
"""By kid."""


@dataclass(frozen=True, slots=True)
class SignedTime:
    """It was `now` when the token was made, which was after `nonce` had been given out."""

    now: Instant
    nonce: str
    kid: str


class Issuers:
    """Whose word on the time is taken, for this gateway alone."""

    def __init__(self, gateway_id: str, keys: Mapping[Source, Keys] | None = None) -> None:
        self._gateway_id = gateway_id
        self._keys = dict(keys or {})

    def kids(self, source: Source) -> list[str]:
        """Whose keys are known; nobody else's word is taken."""
        return sorted(self._keys.get(source, {}))

    def read(self, token: str, source: Source) -> SignedTime:
        """MessageError says what is wrong with it. No claim is looked at before the signature."""
        if len(token) > LONGEST:
            raise MessageError("could not read the signed time: it is too long", "time_malformed")
        try:
            header = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError as error:
            raise MessageError(
                "could not read the signed time: it is no JWS", "time_malformed"
            ) from error
        kid = str(header.get("kid"))
        key = self._keys.get(source, {}).get(kid)
        if key is None:
            raise MessageError(
                "could not check the signed time: no issuer has its kid", "time_unknown_issuer"
            )
        if header.get("typ") != TYPES[source]:
            raise MessageError(
                f"could not take the signed time: its typ is not {TYPES[source]}", "time_wrong_type"
            )
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=["EdDSA"],
                audience=self._gateway_id,
                options={
                    "require": ["aud", "now", "nonce"],
                    # They would be held against the very clock that is in question.
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except jwt.InvalidAudienceError as error:
            raise MessageError(
                "could not take the signed time: it is for another gateway", "time_wrong_audience"
            ) from error
        except jwt.InvalidTokenError as error:
            raise MessageError(
                "could not take the signed time: signature or claims are wrong", "time_not_signed"
            ) from error
        return _signed(claims, kid)


def _signed(claims: Mapping[str, object], kid: str) -> SignedTime:
    now, nonce = claims["now"], claims["nonce"]
    try:
        instant = from_rfc3339(now) if isinstance(now, str) else None
    except ValueError:
        instant = None
    if instant is None or not 0 <= instant <= _LATEST or not isinstance(nonce, str):
        raise MessageError(
            "could not take the signed time: now is no RFC 3339 time or nonce no text",
            "time_malformed",
        )
    return SignedTime(instant, nonce, kid)


def load_keys(files: Sequence[Path], setting: str) -> Keys:
    """Public keys by their file's name without its ending. ConfigError names the file."""
    keys: Keys = {}
    for file in files:
        try:
            key = load_pem_public_key(file.read_bytes())
        except OSError as error:
            raise ConfigError(f"could not read {setting} {file}: {error.strerror}") from error
        except (ValueError, UnsupportedAlgorithm) as error:
            raise ConfigError(f"could not use {setting} {file}: no public key in PEM") from error
        if not isinstance(key, Ed25519PublicKey):
            raise ConfigError(f"could not use {setting} {file}: not an Ed25519 key")
        if file.stem in keys:
            raise ConfigError(f"could not use {setting} {file}: there is another {file.stem}")
        keys[file.stem] = key
    return keys
