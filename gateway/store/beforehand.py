"""Revocations by command of what no schedule in force lists: carried out when one lists it.

The schedule that lists a stolen code may be on its way, or wait for a full disk, while the order to
revoke it is here already; or a list forgets the code by mistake and has it again an hour later.
Not here: what is revoked among what is wanted (`desired`).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from gateway.domain.ids import CredentialId, DeviceId
from gateway.domain.schedule import Tombstone
from gateway.store import codec, desired, meta, withhold
from gateway.store.rules import REVOKED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.domain.instant import Instant
    from gateway.store.tx import Tx

MOST = 1000
"""The oldest go first: a confused sender must not fill the database."""
KEPT_MS = 30 * 86_400_000

_KEY = "revoked_beforehand"


class Revoked(NamedTuple):
    """Must not open up to this version, on this device or (None) on any."""

    credential_id: CredentialId
    device_id: DeviceId | None
    version: int


class _Order(NamedTuple):
    what: Revoked
    at: int


def remember(tx: Tx, revoked: Iterable[Revoked], now: Instant) -> None:
    new = {item[:2]: _Order(item, now) for item in revoked}
    if new:
        left = [order for order in _load(tx) if order.what[:2] not in new]
        _put(tx, [*left, *new.values()])


def carry_out(tx: Tx, revision: int, now: Instant) -> int:
    """After a schedule was taken over; how many grants it cost."""
    waiting, removed = _load(tx), 0
    if not waiting:
        return 0
    wanted = set(tx.all(withhold.standing({order.what.credential_id for order in waiting})))
    left = []
    for order in waiting:
        name, device_id, version = order.what
        if not any(key[0] == name and device_id in {None, key[1]} for key in wanted):
            if now - order.at < KEPT_MS:
                left.append(order)
        elif (tx.one(desired.version_of(name)) or 0) <= version:
            stone = Tombstone(name, device_id)
            removed += len(desired.tombstone(tx, stone, revision, now, reason=REVOKED))
            desired.outdate(tx, name, version, now)
    if left != waiting:
        _put(tx, left)
    return removed


def _load(tx: Tx) -> list[_Order]:
    text = tx.one(meta.text(_KEY))
    return [
        _Order(Revoked(CredentialId(name), device and DeviceId(device), version), at)
        for name, device, version, at in json.loads(text or "[]")
    ]


def _put(tx: Tx, orders: Iterable[_Order]) -> None:
    meta.put(tx, _KEY, codec.dump([[*order.what, order.at] for order in list(orders)[-MOST:]]))
