"""Keys of claimed devices: sealed, bound to their device, gone with it; numbers of codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.domain.devices import Numbered
from gateway.domain.secret import KeyedHash, Secret
from gateway.errors import StoreUnreadable
from gateway.store import claimed, devices
from gateway.store.claimed import StoredNumbers
from gateway.store.identities import Identities, Keepsake
from tests.unit.store.build import CANARY, FRONT, NOW, SIDE, join, read

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.store.database import Store
    from gateway.store.keyring import Keyring

KEYS = Secret('{"aes": "8141-not-to-be-found"}')
ONE, TWO = KeyedHash("a" * 64), KeyedHash("b" * 64)


async def test_keys_are_sealed_and_open_for_their_device_only(
    store: Store, keyring: Keyring, path: Path
) -> None:
    sealed = keyring.seal(KEYS, context=claimed.keys_context(FRONT))
    await store.submit(lambda tx: claimed.put_keys(tx, FRONT, sealed))
    found = await store.fetch_one(claimed.keys_of(FRONT))
    assert found is not None
    assert keyring.unseal(found, context=claimed.keys_context(FRONT)) == KEYS
    with pytest.raises(StoreUnreadable):
        keyring.unseal(found, context=claimed.keys_context(SIDE))
    assert await store.fetch_one(claimed.keys_of(SIDE)) is None
    for file in sorted(path.parent.iterdir()):
        assert b"8141-not-to-be-found" not in read(file), file.name


async def test_keys_that_follow_a_change_replace_the_former(store: Store) -> None:
    await store.submit(lambda tx: claimed.put_keys(tx, FRONT, b"one"))
    await store.submit(lambda tx: claimed.put_keys(tx, FRONT, b"two"))
    assert await store.fetch(claimed.keys_of(FRONT)) == [b"two"]


async def test_a_number_knows_its_code_and_the_codes_before(store: Store, keyring: Keyring) -> None:
    numbers = StoredNumbers(store, keyring, FRONT)
    await numbers.give(3, ONE)
    await numbers.give(3, ONE, 77)
    await numbers.give(3, ONE)  # idempotent; a handle once known stays
    assert await numbers.load() == [Numbered(3, ONE, 77)]
    await numbers.give(3, TWO, 78)
    assert await numbers.load() == [Numbered(3, ONE, 77, current=False), Numbered(3, TWO, 78)]
    await numbers.give(3, ONE)
    assert [(row.hash, row.current) for row in await numbers.load()] == [(ONE, True), (TWO, False)]


async def test_a_code_that_moves_is_in_one_number_only(store: Store, keyring: Keyring) -> None:
    numbers = StoredNumbers(store, keyring, FRONT)
    await numbers.give(3, ONE)
    await numbers.give(5, ONE)
    assert [(row.slot, row.hash) for row in await numbers.load()] == [(5, ONE)]


async def test_numbers_are_of_one_device_and_hold_no_digits(
    store: Store, keyring: Keyring, path: Path
) -> None:
    numbers = StoredNumbers(store, keyring, FRONT)
    await numbers.give(1, numbers.hash_of(Secret(CANARY)))
    assert await StoredNumbers(store, keyring, SIDE).load() == []
    assert numbers.hash_of(Secret(CANARY)) == keyring.hash(Secret(CANARY))
    for file in sorted(path.parent.iterdir()):
        assert CANARY.encode() not in read(file), file.name


async def test_a_device_that_is_removed_leaves_neither_keys_nor_numbers(
    store: Store, keyring: Keyring
) -> None:
    await store.submit(join)
    await store.submit(lambda tx: join(tx, SIDE))
    for device in (FRONT, SIDE):
        await store.submit(lambda tx, d=device: claimed.put_keys(tx, d, b"sealed"))  # type: ignore[misc]  # bound early
        await StoredNumbers(store, keyring, device).give(1, ONE)
    await store.submit(lambda tx: devices.remove_device(tx, FRONT, NOW))
    assert await store.fetch(claimed.keys_of(FRONT)) == []
    assert await store.fetch(claimed.numbers_of(FRONT)) == []
    assert await store.fetch(claimed.keys_of(SIDE)) == [b"sealed"]
    assert len(await store.fetch(claimed.numbers_of(SIDE))) == 1


def test_a_keepsake_outlives_the_process_and_goes_when_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "devices.json"
    kept = Keepsake("ttlock", "TTLock", "00ff", sleepy=True)
    asked = []

    def seal(device_id: str) -> Keepsake:
        asked.append(device_id)
        return kept

    given = Identities(path, lambda: FRONT).give("ble", "38:38", "S110", "Front", seal)
    assert asked == [FRONT]
    assert path.stat().st_mode & 0o777 == 0o600
    again = Identities(path, lambda: SIDE)
    (found,) = again.entrusted("ble")
    assert (found.device_id, found.keepsake) == (given, kept)
    assert again.entrusted("zigbee") == []
    again.forget(FRONT)
    assert Identities(path, lambda: SIDE).entrusted("ble") == []
