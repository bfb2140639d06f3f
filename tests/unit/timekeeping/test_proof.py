"""A token is taken only with everything right, and says which thing was not."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.instant import Instant
from gateway.domain.timebelief import Source
from gateway.errors import ConfigError, MessageError
from gateway.timekeeping.proof import TYPES, Issuers, SignedTime, load_keys
from tests.signer import Signer

if TYPE_CHECKING:
    from pathlib import Path

NOW = Instant(1_800_000_000_123)
SIGNER = Signer()
ISSUERS = SIGNER.issuers()


def code_of(token: str, source: Source = Source.CLOUD, issuers: Issuers = ISSUERS) -> str:
    with pytest.raises(MessageError) as caught:
        issuers.read(token, source)
    assert token[:12] not in str(caught.value)
    return caught.value.code


@pytest.mark.parametrize("source", list(TYPES))
def test_a_token_with_everything_right(source: Source) -> None:
    token = SIGNER.sign(NOW, "n", source)
    assert ISSUERS.read(token, source) == SignedTime(NOW, "n", SIGNER.kid)


def test_its_own_expiry_is_not_asked_of_a_clock_in_question() -> None:
    token = SIGNER.sign(NOW, "n", claims={"exp": 1, "nbf": 2**40, "iat": 2**40})
    assert ISSUERS.read(token, Source.CLOUD).now == NOW


@pytest.mark.parametrize(
    ("header", "claims", "code"),
    [
        ({"typ": TYPES[Source.TECHNICIAN]}, {}, "time_wrong_type"),
        ({"typ": "JWT"}, {}, "time_wrong_type"),
        ({"kid": "somebody"}, {}, "time_unknown_issuer"),
        ({}, {"aud": "another-gateway"}, "time_wrong_audience"),
        ({}, {"aud": None}, "time_not_signed"),
        ({}, {"now": None}, "time_not_signed"),
        ({}, {"nonce": None}, "time_not_signed"),
        ({}, {"now": "yesterday"}, "time_malformed"),
        ({}, {"now": NOW}, "time_malformed"),
        ({}, {"now": "2250-01-01T00:00:00Z"}, "time_malformed"),
        ({}, {"nonce": 5}, "time_malformed"),
        ({}, {"more": "x" * 3000}, "time_malformed"),
    ],
)
def test_a_token_with_one_thing_wrong(
    header: dict[str, Any], claims: dict[str, Any], code: str
) -> None:
    assert code_of(SIGNER.sign(NOW, "n", header=header, claims=claims)) == code


def test_a_key_is_for_what_it_was_given_for() -> None:
    token = SIGNER.sign(NOW, "n", Source.TECHNICIAN)
    assert code_of(token, Source.TECHNICIAN, SIGNER.issuers(Source.CLOUD)) == "time_unknown_issuer"


def test_another_key_under_the_same_name() -> None:
    assert code_of(Signer().sign(NOW, "n")) == "time_not_signed"


def test_no_signature_and_a_signature_with_the_public_key_as_a_secret() -> None:
    claims = {"aud": "gw", "now": "2027-01-01T00:00:00Z", "nonce": "n"}
    header = {"typ": TYPES[Source.CLOUD], "kid": SIGNER.kid}
    assert code_of(jwt.encode(claims, "", algorithm="none", headers=header)) == "time_not_signed"
    raw = SIGNER.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    assert code_of(jwt.encode(claims, raw, headers=header)) == "time_not_signed"


def test_a_token_whose_claims_were_changed() -> None:
    head, _, signature = SIGNER.sign(NOW, "n").split(".")
    claims = {"aud": "gw", "now": "2030-01-01T00:00:00Z", "nonce": "n"}
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    assert code_of(f"{head}.{body}.{signature}") == "time_not_signed"


@given(st.text(max_size=200))
def test_anything_else_is_refused_in_words(token: str) -> None:
    with pytest.raises(MessageError):
        ISSUERS.read(token, Source.CLOUD)


def test_keys_are_files_by_their_names(tmp_path: Path) -> None:
    file = SIGNER.public_pem(tmp_path)
    keys = load_keys([file], "time.cloud_issuers")
    issuers = Issuers("gw", {Source.CLOUD: keys})
    assert issuers.read(SIGNER.sign(NOW, "n"), Source.CLOUD).kid == file.stem


def test_files_that_are_no_such_keys_are_named(tmp_path: Path) -> None:
    def told(file: Path) -> str:
        with pytest.raises(ConfigError) as caught:
            load_keys([file], "time.cloud_issuers")
        assert str(file) in str(caught.value)
        return str(caught.value)

    assert "could not read time.cloud_issuers" in told(tmp_path / "none.pem")
    private = tmp_path / "private.pem"
    private.write_bytes(
        SIGNER.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    assert "no public key" in told(private)
    other = tmp_path / "other.pem"
    public = generate_private_key(SECP256R1()).public_key()
    other.write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    assert "not an Ed25519 key" in told(other)
    twice = SIGNER.public_pem(tmp_path)
    with pytest.raises(ConfigError, match="another"):
        load_keys([twice, twice], "time.cloud_issuers")
