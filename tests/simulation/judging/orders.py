"""What was ordered, and which of it the gateway may still not know.

An order counts for the door from the moment it is given, but the order before it stays possible
until the newer one could be received: T of power, disk and link in a row. Until then the gateway
may rightly act on either. Not here: what a door did (`watch`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.simulation.windows import EVER, NEVER, Calendar

if TYPE_CHECKING:
    from collections.abc import Collection

    from tests.simulation.judging.promise import Json


@dataclass(slots=True, eq=False)
class Order:
    """One version of one credential at one door. `calendar` None: it must not open at all."""

    at: int
    version: int = 0
    digits: str | None = None
    calendar: Calendar | None = None
    window: Json | None = None
    limit: int | None = None
    sure_at: int | None = None
    """Since when the gateway has no right to withhold it; None: it may ask back first."""
    end: int | None = None
    """When the next order took its place, as things stand; None: it may still be in force."""
    ended: int | None = None
    """The same, and the newer one has arrived for certain."""
    known_at: int | None = None
    """From when it could be known, once it is certain that it is."""
    used_up_at: int | None = None
    owner: Credential | None = None


@dataclass(slots=True, eq=False)
class Credential:
    credential_id: str
    version: int = 0
    uses: int = 0
    doubtful: bool = False
    """An opening that counts may not have been heard, or may be somebody else's."""
    grants: dict[str, Grant] = field(default_factory=dict)
    """By device."""


@dataclass(slots=True, eq=False)
class Grant:
    """One credential at one door. `orders`: those that may be in force, the latest last."""

    credential: Credential
    device_id: str
    orders: list[Order]
    sent_since: int | None = NEVER
    """Since when what the cloud sends names it; None: it is left out by mistake."""
    clashed: int | None = None
    """The version whose digits were somebody else's as well."""

    @property
    def latest(self) -> Order:
        return self.orders[-1]


class Orders:
    """`changed` counts every change of what is in force."""

    def __init__(self, t_ms: int) -> None:
        self._t_ms = t_ms
        self.credentials: dict[str, Credential] = {}
        self.changed = 0
        self._open: dict[tuple[str, str], Grant] = {}
        """Grants with more than one order that may be in force."""

    def put(self, at: int, wire: Json, *, sure: bool) -> list[tuple[Grant, Order]]:
        """A credential as on the wire; its new orders. No newer version than known: none."""
        credential_id = wire["credential_id"]
        credential = self.credentials.setdefault(credential_id, Credential(credential_id))
        if wire["version"] <= credential.version:
            return []
        credential.version = wire["version"]
        shut = bool(wire.get("suspended") or wire.get("held"))
        calendar = None if shut else Calendar(wire["window"])
        limit = (wire.get("use") or {}).get("limit")
        result: list[tuple[Grant, Order]] = []
        for device_id in [*wire["devices"], *(d for d in credential.grants)]:
            if any(grant.device_id == device_id for grant, _ in result):
                continue
            here = device_id in wire["devices"]
            order = Order(
                at,
                wire["version"],
                wire["secret"]["digits"] if here else None,
                calendar if here else None,
                wire["window"] if here else None,
                limit,
                at if sure else None,
                owner=credential,
            )
            if limit is not None and credential.uses >= limit:
                order.used_up_at = at
            result.append((self._add(credential, device_id, order), order))
        return result

    def take_back(self, at: int, credential_id: str, device_id: str | None, *, sure: bool) -> None:
        credential = self.credentials.get(credential_id)
        if credential is None:
            return
        for grant in list(credential.grants.values()):
            if device_id in {None, grant.device_id}:
                order = Order(at, grant.latest.version, sure_at=at if sure else None)
                self._add(credential, grant.device_id, order)

    def confirmed(self, at: int) -> None:
        """Whatever was withheld is meant."""
        for grant in self._open.values():
            for order in grant.orders:
                if order.sure_at is None:
                    order.sure_at = at
                    self.changed += 1

    def left_out(self, at: int, names: Collection[str]) -> None:
        """Of all that is wanted, by mistake."""
        for name, credential in self.credentials.items():
            for grant in credential.grants.values():
                if name in names:
                    grant.sent_since = None
                elif grant.sent_since is None:
                    grant.sent_since = at
        self.changed += 1

    def _add(self, credential: Credential, device_id: str, order: Order) -> Grant:
        grant = credential.grants.get(device_id)
        if grant is None:
            grant = Grant(credential, device_id, [Order(order.at, sure_at=order.at)])
            credential.grants[device_id] = grant
        if _takes_nothing(grant.latest, order):
            order.sure_at = order.at
        if grant.sent_since is None:
            grant.sent_since = order.at
        grant.orders.append(order)
        self._open[credential.credential_id, device_id] = grant
        self.changed += 1
        return grant

    # ── what has arrived ────────────────────────────────────────────────────────────────

    def settle(self, at: int, hearing: int | None) -> None:
        """What had its T of good conditions is known. `hearing`: since when they are good."""
        if not self._open:
            return
        for key, grant in list(self._open.items()):
            since = None
            if hearing is not None and grant.sent_since is not None:
                since = max(hearing, grant.sent_since)
            _date(grant, since)
            if since is None:
                continue
            for index in range(len(grant.orders) - 1, 0, -1):
                order = grant.orders[index]
                if order.sure_at is None or at - max(order.sure_at, since) < self._t_ms:
                    continue
                order.known_at = max(order.sure_at, since)
                for older in grant.orders[:index]:
                    older.ended = older.end
                del grant.orders[:index]
                self.changed += 1
                break
            if len(grant.orders) == 1:
                del self._open[key]

    # ── uses ────────────────────────────────────────────────────────────────────────────

    def used(self, at: int, credential: Credential, *, doubtful: bool) -> None:
        credential.uses += 1
        credential.doubtful = credential.doubtful or doubtful
        self.changed += 1
        for grant in credential.grants.values():
            for order in grant.orders:
                spent = order.limit is not None and credential.uses >= order.limit
                if spent and order.used_up_at is None:
                    order.used_up_at = at


def _date(grant: Grant, hearing: int | None) -> None:
    end = EVER
    for order in reversed(grant.orders):
        order.end = None if end == EVER else end
        if hearing is not None and order.sure_at is not None:
            end = min(end, max(order.sure_at, hearing))


def _takes_nothing(before: Order, after: Order) -> bool:
    """No gateway has a reason to withhold it."""
    if before.calendar is None:
        return True
    same = (before.digits, before.window) == (after.digits, after.window)
    return same and after.calendar is not None
