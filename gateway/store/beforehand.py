"""Revocations by command that came before the credential did: carried out when it arrives.

The schedule that lists a stolen code may be on its way, or wait for a full disk, while the order to
revoke it is here already. Not here: what is revoked among what is stored (`desired`).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from gateway.domain.ids import CredentialId, DeviceId
from gateway.domain.schedule import Tombstone
from gateway.store import codec, desired, meta
from gateway.store.rules import REVOKED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.domain.instant import Instant
    from gateway.store.tx import Tx

MOST = 256
"""The oldest go first: a confused sender must not fill the database."""
KEPT_MS = 30 * 86_400_000

_KEY = "revoked_beforehand"


class _Order(NamedTuple):
    credential_id: str
    device_id: str | None
    version: int
    at: int


def remember(
    tx: Tx, credential_id: CredentialId, device_id: DeviceId | None, version: int, now: Instant
) -> None:
    """It must not open up to this version, on this device or on any."""
    orders = [o for o in _load(tx) if o[:2] != (credential_id, device_id)]
    _put(tx, [*orders, _Order(credential_id, device_id, version, now)])


def carry_out(tx: Tx, revision: int, now: Instant) -> int:
    """After a schedule was taken over; how many grants it cost."""
    waiting, removed = _load(tx), 0
    if not waiting:
        return 0
    left = []
    for order in waiting:
        credential_id = CredentialId(order.credential_id)
        version = tx.one(desired.version_of(credential_id))
        if version is None:
            if now - order.at < KEPT_MS:
                left.append(order)
        elif version <= order.version:
            device_id = None if order.device_id is None else DeviceId(order.device_id)
            stone = Tombstone(credential_id, device_id)
            removed += len(desired.tombstone(tx, stone, revision, now, reason=REVOKED))
            desired.outdate(tx, credential_id, order.version)
    if left != waiting:
        _put(tx, left)
    return removed


def _load(tx: Tx) -> list[_Order]:
    text = tx.one(meta.text(_KEY))
    return [_Order(*item) for item in json.loads(text or "[]")]


def _put(tx: Tx, orders: Iterable[_Order]) -> None:
    meta.put(tx, _KEY, codec.dump([list(order) for order in list(orders)[-MOST:]]))
