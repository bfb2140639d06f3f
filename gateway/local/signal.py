"""How well a device is heard, and what speaking with it costs its battery, for who hangs gateways.

Read from the radio's memory: nobody speaks to the device for it. Not here: what is in range at all
(`api`).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from statistics import fmean
from typing import TYPE_CHECKING, Any

from aiohttp import web

from gateway.errors import RequestError
from gateway.local.access import Role
from gateway.local.server import CALLER
from gateway.radios.gatt import grade

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from gateway.kit.clock import Clock
    from gateway.local.operations import Operations
    from gateway.radios.gatt import Budget, Sample, Usage
    from gateway.store.devices import DeviceRow

Document = dict[str, Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Signal:
    """`head` begins the document, `find` tells a device."""

    def __init__(
        self,
        clock: Clock,
        operations: Operations,
        head: Callable[[], Document],
        find: Callable[[str], Awaitable[DeviceRow]],
    ) -> None:
        self._clock = clock
        self._operations = operations
        self._head = head
        self._find = find

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/v1/devices/{device}/signal", self._signal)]

    async def _signal(self, request: web.Request) -> web.Response:
        request[CALLER].needs(Role.STATUS, "look at a device's signal")
        row = await self._find(request.match_info["device"])
        radio = self._operations.signals(row.radio)
        if radio is None:
            raise RequestError(
                f"could not tell the signal of {row.name}: its radio does not keep it",
                "unsupported",
            )
        document = {**self._head(), "device_id": row.device_id, "device_name": row.name}
        samples, usages = radio.history(row.address), radio.usages(row.address)
        document["adapters"] = adapters_document(samples, self._clock.monotonic())
        document["days"] = days_document(usages, radio.budget)
        document["budget"] = {
            "connects": radio.budget.connects,
            "connected_s": radio.budget.connected_s,
        }
        return web.json_response(document)


def adapters_document(samples: Sequence[Sample], now: float) -> list[Document]:
    """The best adapter first. `now`: monotonic, as the samples' `at`."""
    by_adapter: dict[str, list[Sample]] = {}
    for sample in samples:
        by_adapter.setdefault(sample.adapter, []).append(sample)
    found = []
    for adapter, heard in by_adapter.items():
        values = [one.rssi_dbm for one in heard]
        mean = round(fmean(values))
        found.append(
            {
                "adapter": adapter,
                "rssi_dbm": mean,
                "worst_dbm": min(values),
                "best_dbm": max(values),
                "grade": grade(mean).value,
                "samples": [
                    {"s_ago": round(max(0.0, now - one.at), 1), "rssi_dbm": one.rssi_dbm}
                    for one in heard
                ],
            }
        )
    return sorted(found, key=lambda one: (-one["rssi_dbm"], one["adapter"]))


def days_document(usages: Sequence[Usage], budget: Budget) -> list[Document]:
    """Days in UTC, oldest first."""
    return [
        {
            "date": f"{_EPOCH + timedelta(days=used.day):%Y-%m-%d}",
            "connects": used.connects,
            "connected_s": round(used.connected_s, 1),
            "over_budget": used.is_over(budget),
        }
        for used in usages
    ]
