"""How a device is set and whom it obeys: settings, key holders, codes that others put there.

Lists are asked from the device, changes are commands; both take an operator. Not here: cards and
fingers (`onsite`), what a change proves (the scheduler), the journal (`commands`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from gateway.domain.hours import hours_document
from gateway.errors import RequestError
from gateway.local import documents
from gateway.local.access import Role
from gateway.local.commands import ERRAND_S, Target, order_of
from gateway.local.onsite import schedules_document, window_of
from gateway.local.queries import Named
from gateway.local.resolve import resolve
from gateway.local.server import CALLER, RequestRefused, body_of
from gateway.store import reported

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from gateway.drivers.access import KeyHolder, Setting, SettingValue
    from gateway.kit.clock import Clock
    from gateway.local.commands import CommandDesk
    from gateway.local.operations import Operations
    from gateway.store.database import Store
    from gateway.store.devices import DeviceRow

Document = dict[str, Any]


class Holders:
    """See the module's docstring. `head` begins every document, `find` tells a device."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        operations: Operations,
        desk: CommandDesk,
        head: Callable[[], Document],
        find: Callable[[str], Awaitable[DeviceRow]],
    ) -> None:
        self._store = store
        self._clock = clock
        self._operations = operations
        self._desk = desk
        self._head = head
        self._find = find

    def routes(self) -> list[web.RouteDef]:
        device = "/v1/devices/{device}"
        return [
            web.get(f"{device}/settings", self._settings),
            web.get(f"{device}/keys", self._keys),
            web.post(f"{device}/keys/update", self._update_key),
            web.post(f"{device}/keys/remove", self._remove_key),
            web.post(f"{device}/codes/switch", self._switch_code),
        ]

    async def _settings(self, request: web.Request) -> web.Response:
        row = await self._device(request, "read settings")
        found = await self._operations.settings(row.device_id)
        return web.json_response(
            {**self._of(row), "settings": [setting_document(each) for each in found]}
        )

    # ── key holders ─────────────────────────────────────────────────────────────────────

    async def _keys(self, request: web.Request) -> web.Response:
        row = await self._device(request, "list keys")
        found = await self._operations.keys(row.device_id)
        return web.json_response({**self._of(row), "keys": [key_document(each) for each in found]})

    async def _update_key(self, request: web.Request) -> web.Response:
        row, body = await self._device(request, "change keys"), await body_of(request)
        change = self._change(body)
        return await self._carry_out(request, row, body, "update_key", change)

    async def _remove_key(self, request: web.Request) -> web.Response:
        row, body = await self._device(request, "remove keys"), await body_of(request)
        return await self._carry_out(request, row, body, "remove_key", {})

    async def _carry_out(
        self, request: web.Request, row: DeviceRow, body: Document, kind: str, change: Document
    ) -> web.Response:
        """At the key holder that the body names; the gateway's own place is not touched here."""
        target = Target(row.device_id, row.name)
        before = await self._desk.again(target, kind, body)
        if before is not None:
            return before
        given = body.get("key")
        if not isinstance(given, str) or not given:
            raise RequestError("could not read the request: `key` must be a text")
        held = {each.id: each for each in await self._operations.keys(row.device_id)}
        which = resolve(given, [Named(each.id, each.name) for each in held.values()], "key")
        if held[which].ours:
            raise RequestRefused(
                f"could not {kind.replace('_', ' the ')} {which}: it is this gateway's own",
                "conflict",
                "`lock-gateway remove DEVICE` gives the device back.",
            )
        arguments = {"key": which, "name": held[which].name, **change}
        order = order_of(kind, arguments, body, ERRAND_S)
        return await self._desk.carry_out(target, order, body, request[CALLER].actor)

    def _change(self, body: Document) -> Document:
        """What is to become of it; what is not mentioned stays."""
        name, enabled = body.get("new_name"), body.get("enabled")
        always = body.get("always")
        change = window_of(body, self._clock.now())
        if name is not None:
            if not isinstance(name, str) or not 1 <= len(name.strip()) <= 64:
                raise RequestError("could not change the key: `new_name` must have 1 to 64 letters")
            change["new_name"] = name.strip()
        for key, value in (("enabled", enabled), ("always", always)):
            if value is None:
                continue
            if not isinstance(value, bool):
                raise RequestError(f"could not change the key: `{key}` must be a boolean")
            change[key] = value
        if always and change.keys() & {"opens_at", "hours"}:
            raise RequestError("could not change the key: `always` or a window, not both")
        if not change or change == {"always": False}:
            raise RequestError(
                "could not change the key: say `enabled`, `new_name`, a window, or `always`"
            )
        return change

    # ── codes of others ─────────────────────────────────────────────────────────────────

    async def _switch_code(self, request: web.Request) -> web.Response:
        """Ours are the cloud's: it suspends them, and planning would put them right again."""
        row, body = await self._device(request, "switch codes"), await body_of(request)
        slot, enabled = body.get("slot"), body.get("enabled")
        if type(slot) is not int or slot < 1:
            raise RequestError("could not switch the code: `slot` must be its number, from 1")
        if not isinstance(enabled, bool):
            raise RequestError("could not switch the code: `enabled` must be a boolean")
        stored = await self._store.fetch_one(reported.slot(row.device_id, slot))
        if stored is not None and stored.owner is not None:
            raise RequestRefused(
                f"could not switch the code in slot {slot}: it is the gateway's own",
                "conflict",
                "The cloud suspends it, or `lock-gateway revoke` takes it back.",
            )
        order = order_of("switch_code", {"slot": slot, "enabled": enabled}, body, ERRAND_S)
        target = Target(row.device_id, row.name)
        return await self._desk.carry_out(target, order, body, request[CALLER].actor)

    async def _device(self, request: web.Request, what: str) -> DeviceRow:
        request[CALLER].needs(Role.OPERATOR, what)
        return await self._find(request.match_info["device"])

    def _of(self, row: DeviceRow) -> Document:
        return {**self._head(), "device_id": row.device_id, "device_name": row.name}


def setting_document(setting: Setting) -> Document:
    return {
        "name": setting.name,
        "kind": setting.kind.value,
        "value": _plain(setting.value),
        "low": setting.low,
        "high": setting.high,
        "off": setting.off,
    }


def _plain(value: SettingValue | None) -> object:
    return hours_document(value) if isinstance(value, tuple) else value


def key_document(key: KeyHolder) -> Document:
    return {
        "id": key.id,
        "name": key.name,
        "kind": key.kind,
        "enabled": key.enabled,
        "ours": key.ours,
        "uses": key.uses,
        "last_used_at": documents.time(key.last_used_at),
        "schedules": schedules_document(key.schedules),
    }
