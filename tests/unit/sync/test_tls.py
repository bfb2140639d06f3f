"""The context from the configured files: what is wrong with them is named, and never shown."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest

from gateway.errors import ConfigError
from gateway.sync import tls
from tests.certificates import Authority

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def ours(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "ours")


def test_the_broker_must_prove_itself_and_its_name(ours: Authority) -> None:
    pair = ours.issue("gateway")
    for context in (
        tls.build(None, None, None),
        tls.build(ours.file, pair.certificate, pair.key),
    ):
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname
        assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_only_the_named_authority_is_believed(ours: Authority) -> None:
    subjects = [
        authority["subject"] for authority in tls.build(ours.file, None, None).get_ca_certs()
    ]
    assert subjects == [((("commonName", "ours"),),)]


@pytest.mark.parametrize("setting", ["ca_file", "cert_file", "key_file"])
def test_a_file_that_is_not_there_is_named(ours: Authority, tmp_path: Path, setting: str) -> None:
    pair = ours.issue("gateway")
    files = {"ca_file": ours.file, "cert_file": pair.certificate, "key_file": pair.key}
    files[setting] = tmp_path / "missing.pem"
    with pytest.raises(ConfigError, match=rf"broker\.tls\.{setting} .*missing\.pem: No such file"):
        tls.build(*files.values())


@pytest.mark.parametrize("setting", ["ca_file", "cert_file", "key_file"])
def test_a_file_of_something_else_is_named(ours: Authority, tmp_path: Path, setting: str) -> None:
    pair = ours.issue("gateway")
    files = {"ca_file": ours.file, "cert_file": pair.certificate, "key_file": pair.key}
    files[setting] = tmp_path / "shopping-list.txt"
    files[setting].write_text("milk\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"shopping-list\.txt"):
        tls.build(*files.values())


def test_a_key_of_another_certificate_and_a_locked_key_are_refused(ours: Authority) -> None:
    pair, other = ours.issue("gateway"), ours.issue("other")
    with pytest.raises(ConfigError, match="key values mismatch"):
        tls.build(ours.file, pair.certificate, other.key)
    locked = ours.issue("locked", passphrase=b"open sesame")
    with pytest.raises(ConfigError, match="the key has no passphrase"):
        tls.build(ours.file, locked.certificate, locked.key)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionResetError(104, "Connection reset by peer"), "does it speak TLS on this port?"),
        (TimeoutError(), "no answer in time"),
        (ConnectionRefusedError(111, "Connection refused"), "Connection refused"),
    ],
)
def test_a_failure_in_words(error: Exception, words: str) -> None:
    assert words in tls.explain(error)
