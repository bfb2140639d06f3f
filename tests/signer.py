"""Somebody who signs times, as the cloud or a technician does. Not a test itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.domain.instant import Instant, to_rfc3339
from gateway.domain.timebelief import Source
from gateway.timekeeping.proof import TYPES, Issuers

if TYPE_CHECKING:
    from pathlib import Path


class Signer:
    """One key for both purposes; `kid` is its name, `gateway` whom its tokens are for."""

    def __init__(self, gateway: str = "gw", kid: str = "cloud-2026") -> None:
        self.gateway = gateway
        self.kid = kid
        self.private = Ed25519PrivateKey.generate()

    def issuers(self, *sources: Source) -> Issuers:
        """Who takes its word, as these sources or as both."""
        keys = {self.kid: self.private.public_key()}
        return Issuers(
            self.gateway, dict.fromkeys(sources or (Source.CLOUD, Source.TECHNICIAN), keys)
        )

    def public_pem(self, folder: Path) -> Path:
        file = folder / f"{self.kid}.pem"
        public = self.private.public_key()
        file.write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        return file

    def sign(
        self,
        now: Instant,
        nonce: str,
        source: Source = Source.CLOUD,
        *,
        header: dict[str, Any] | None = None,
        claims: dict[str, Any] | None = None,
    ) -> str:
        """`header` and `claims` lie over what is right; a claim that is None is left out."""
        body = {"aud": self.gateway, "now": to_rfc3339(now), "nonce": nonce} | (claims or {})
        return jwt.encode(
            {name: value for name, value in body.items() if value is not None},
            self.private,
            algorithm="EdDSA",
            headers={"typ": TYPES[source], "kid": self.kid} | (header or {}),
        )
