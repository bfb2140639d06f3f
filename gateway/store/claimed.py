"""What is kept of devices that are claimed on site: their sealed keys, and numbers of their codes.

Not here: devices as such (`devices`), what a slot holds (`reported`), and the file in which keys
outlive the database (`identities`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.domain.devices import Numbered
from gateway.domain.secret import KeyedHash
from gateway.store.tx import Select, Tx

if TYPE_CHECKING:
    from gateway.domain.ids import DeviceId
    from gateway.domain.secret import Secret
    from gateway.store.database import Store
    from gateway.store.keyring import Keyring


def keys_context(device_id: DeviceId) -> str:
    """What the seal is bound to: keys moved to another device's row do not open."""
    return f"device-keys:{device_id}"


def pending_context(radio: str, address: str) -> str:
    """As above, of keys that may be a device's, which has no id yet."""
    return f"pending-keys:{radio}:{address}"


def put_keys(tx: Tx, device_id: DeviceId, sealed: bytes) -> None:
    tx.execute(
        "INSERT INTO device_keys VALUES (?, ?) ON CONFLICT DO UPDATE SET sealed = excluded.sealed",
        (device_id, sealed),
    )


def keys_of(device_id: DeviceId) -> Select[bytes]:
    """No row: the database was lost since it was claimed, or it needs none."""
    return Select(
        "SELECT sealed FROM device_keys WHERE device_id = ?",
        (device_id,),
        lambda row: bytes(row[0]),
    )


def numbers_of(device_id: DeviceId) -> Select[Numbered]:
    return Select(
        "SELECT slot, digits_hash, handle, current FROM numbers WHERE device_id = ?"
        " ORDER BY slot, digits_hash",
        (device_id,),
        lambda row: Numbered(row[0], KeyedHash(row[1]), row[2], bool(row[3])),
    )


def give_number(
    tx: Tx, device_id: DeviceId, slot: int, code: KeyedHash, handle: int | None
) -> None:
    """The slot's earlier codes stay known, so that the lock's log can still be read."""
    tx.execute(
        "UPDATE numbers SET current = 0 WHERE device_id = ? AND slot = ? AND digits_hash <> ?",
        (device_id, slot, code),
    )
    tx.execute(
        "INSERT INTO numbers VALUES (?, ?, ?, ?, 1) ON CONFLICT DO UPDATE SET"
        " slot = excluded.slot, current = 1, handle = COALESCE(excluded.handle, handle)",
        (device_id, code, slot, handle),
    )


class StoredNumbers:
    """`gateway.drivers.claims.Numbers` of one device."""

    def __init__(self, store: Store, keyring: Keyring, device_id: DeviceId) -> None:
        self._store = store
        self._keyring = keyring
        self._device_id = device_id

    def hash_of(self, digits: Secret) -> KeyedHash:
        return self._keyring.hash(digits)

    async def load(self) -> list[Numbered]:
        return await self._store.fetch(numbers_of(self._device_id))

    async def give(self, slot: int, code: KeyedHash, handle: int | None = None) -> None:
        await self._store.submit(lambda tx: give_number(tx, self._device_id, slot, code, handle))
