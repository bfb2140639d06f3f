"""Sealing, hashing, and where the key comes from."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest

from gateway.domain.ids import CredentialId
from gateway.domain.secret import Secret, Weakness
from gateway.errors import ConfigError, StoreUnreadable
from gateway.store import meta
from gateway.store.keyring import Keyring, bind_key, credential_context, load_or_create_key
from tests.unit.store.build import CANARY

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.store.database import Store

SECRET = Secret(CANARY)
CONTEXT = credential_context(CredentialId("guest"))


def test_what_is_sealed_comes_back(keyring: Keyring) -> None:
    assert keyring.unseal(keyring.seal(SECRET, context=CONTEXT), context=CONTEXT) == SECRET


def test_sealing_twice_shows_no_likeness(keyring: Keyring) -> None:
    blobs = {keyring.seal(SECRET, context=CONTEXT) for _ in range(50)}
    assert len(blobs) == 50
    assert not any(CANARY.encode() in blob for blob in blobs)


def test_the_same_source_of_chance_seals_alike() -> None:
    def ring(seed: int) -> Keyring:
        return Keyring(bytes(32), Random(seed).randbytes)

    assert ring(1).seal(SECRET, context=CONTEXT) == ring(1).seal(SECRET, context=CONTEXT)
    assert ring(1).seal(SECRET, context=CONTEXT) != ring(2).seal(SECRET, context=CONTEXT)


def test_a_blob_opens_only_where_it_belongs_unaltered_with_its_key(keyring: Keyring) -> None:
    blob = keyring.seal(SECRET, context=CONTEXT)
    flipped = blob[:-1] + bytes([blob[-1] ^ 1])
    for ring, data, context in [
        (keyring, blob, credential_context(CredentialId("other"))),
        (keyring, flipped, CONTEXT),
        (keyring, b"\x02" + blob[1:-1] + b"x", CONTEXT),
        (keyring, blob[:9], CONTEXT),
        (keyring, b"", CONTEXT),
        (Keyring(bytes(32)), blob, CONTEXT),
    ]:
        with pytest.raises(StoreUnreadable) as refused:
            ring.unseal(data, context=context)
        assert CANARY not in str(refused.value)


def test_hashes_tell_equality_under_one_key_only(keyring: Keyring) -> None:
    assert keyring.hash(SECRET) == keyring.hash(Secret(CANARY))
    assert keyring.hash(SECRET) != keyring.hash(Secret(CANARY + "0"))
    assert keyring.hash(SECRET) != Keyring(bytes(32)).hash(SECRET)
    assert len(keyring.hash(SECRET)) == 32


def test_facts(keyring: Keyring) -> None:
    facts = keyring.facts(Secret("1234"))
    assert (facts.length, facts.numeric, facts.weakness) == (4, True, Weakness.RUN)
    assert facts.hash == keyring.hash(Secret("1234"))


def test_a_key_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Keyring(b"short")


async def test_a_database_keeps_to_its_key(store: Store, keyring: Keyring) -> None:
    await store.submit(lambda tx: bind_key(tx, keyring))
    await store.submit(lambda tx: bind_key(tx, keyring))
    before = await store.fetch_one(meta.text(meta.KEY_CHECK))
    with pytest.raises(StoreUnreadable, match="another key"):
        await store.submit(lambda tx: bind_key(tx, Keyring(bytes(32))))
    assert await store.fetch_one(meta.text(meta.KEY_CHECK)) == before


# ── where it comes from ─────────────────────────────────────────────────────────────────


def test_a_missing_key_is_made_once_for_the_owner_alone(tmp_path: Path) -> None:
    state = tmp_path / "state"
    key = load_or_create_key(None, None, state)
    assert len(key) == 32
    assert load_or_create_key(None, None, state) == key
    assert (state / "store.key").stat().st_mode & 0o777 == 0o600
    assert [file.name for file in state.iterdir()] == ["store.key"]


def test_a_creation_cut_short_is_begun_again(tmp_path: Path) -> None:
    (tmp_path / "store.key.new").write_text("00")
    assert len(load_or_create_key(None, None, tmp_path)) == 32


def test_the_configured_file_comes_first_and_is_never_made(tmp_path: Path) -> None:
    named = tmp_path / "key"
    with pytest.raises(ConfigError, match=str(named)):
        load_or_create_key(named, None, tmp_path)
    named.write_bytes(bytes(range(32)))
    named.chmod(0o600)
    assert load_or_create_key(named, None, tmp_path) == bytes(range(32))
    named.write_text(bytes(range(32)).hex() + "\n")
    assert load_or_create_key(named, None, tmp_path) == bytes(range(32))
    assert not (tmp_path / "store.key").exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_key_that_others_can_read_is_refused_by_name(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "store.key"
    file.write_bytes(bytes(32))
    file.chmod(mode)
    with pytest.raises(ConfigError, match=r"store\.key: mode 0.*chmod 0600"):
        load_or_create_key(None, None, tmp_path)


@pytest.mark.parametrize("content", [b"", b"0" * 63, b"g" * 64, bytes(33)])
def test_a_key_of_another_form_is_refused_without_showing_it(
    tmp_path: Path, content: bytes
) -> None:
    file = tmp_path / "store.key"
    file.write_bytes(content)
    file.chmod(0o600)
    with pytest.raises(ConfigError, match="must hold 32 bytes") as refused:
        load_or_create_key(None, None, tmp_path)
    assert not content or content.decode(errors="replace") not in str(refused.value)


@pytest.mark.parametrize(("mode", "fine"), [(0o400, True), (0o440, True), (0o444, False)])
def test_a_systemd_credential_is_taken_with_its_acl(tmp_path: Path, mode: int, fine: bool) -> None:
    lent = tmp_path / "credentials"
    lent.mkdir()
    (lent / "store-key").write_bytes(bytes(range(32)))
    (lent / "store-key").chmod(mode)
    if fine:
        assert load_or_create_key(None, lent, tmp_path) == bytes(range(32))
    else:
        with pytest.raises(ConfigError, match="store-key"):
            load_or_create_key(None, lent, tmp_path)


def test_a_credentials_directory_without_the_key_changes_nothing(tmp_path: Path) -> None:
    assert len(load_or_create_key(None, tmp_path / "none", tmp_path)) == 32
