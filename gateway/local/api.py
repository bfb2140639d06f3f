"""The addresses of the local API and what each answers. docs/local-api.md is its contract.

Reads are answered from the store and from `Operations`; changes enter the journal as commands,
exactly like the cloud's, and are awaited. Not here: the socket and errors (`server`), who may what
(`access`), long answers (`streams`), JSON (`documents`).
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from aiohttp import web

from gateway.domain.events import EventType, Fact
from gateway.domain.grants import GrantState
from gateway.domain.ids import CredentialId, DeviceId
from gateway.errors import RequestError
from gateway.local import attention, documents, queries, streams
from gateway.local.access import Access, Role
from gateway.local.commands import CommandDesk, Target
from gateway.local.explain import explain
from gateway.local.facts import gather
from gateway.local.holders import Holders
from gateway.local.onsite import OnSite
from gateway.local.queries import Code, Named
from gateway.local.resolve import resolve
from gateway.local.server import CALLER, MAX_BODY, RequestRefused, body_of, middleware
from gateway.local.signal import Signal
from gateway.local.timedesk import TimeDesk
from gateway.store import desired, devices, events, meta, readings, reported
from gateway.store.keyring import credential_context

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.domain.secret import Secret
    from gateway.kit.clock import Clock
    from gateway.local.explain import Facts
    from gateway.local.operations import Operations, PlanView
    from gateway.store.database import Store
    from gateway.store.devices import DeviceRow
    from gateway.store.keyring import Keyring
    from gateway.store.reported import GrantRow
    from gateway.store.tx import Tx
    from gateway.timekeeping.witness import Witness

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Site:
    """Who this gateway is; told by the configuration."""

    gateway_id: str
    zone: str


class LocalApi:
    """See the module's docstring. `application` is what `server.LocalServer` serves."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        keyring: Keyring,
        operations: Operations,
        site: Site,
        witness: Witness,
    ) -> None:
        self._store = store
        self._clock = clock
        self._keyring = keyring
        self._operations = operations
        self._site = site
        self._desk = CommandDesk(store, clock)
        self._onsite = OnSite(
            store, clock, keyring, operations, self._desk, self._head, self._find_device
        )
        self._holders = Holders(store, clock, operations, self._desk, self._head, self._find_device)
        self._signal = Signal(clock, operations, self._head, self._find_device)
        self._time = TimeDesk(store, witness, site.gateway_id, site.zone)

    def application(self, access: Access) -> web.Application:
        application = web.Application(middlewares=[middleware(access)], client_max_size=MAX_BODY)
        application.add_routes(
            [
                web.get("/v1/status", self._status),
                web.get("/v1/devices", self._devices),
                web.get("/v1/devices/{device}", self._device),
                web.delete("/v1/devices/{device}", self._remove),
                web.get("/v1/codes", self._codes),
                web.post("/v1/codes/{credential}/reveal", self._reveal),
                web.get("/v1/plan", self._plan),
                web.get("/v1/plan/{device}", self._plan),
                web.get("/v1/why/{credential}/{device}", self._why),
                web.get("/v1/events", self._events),
                web.get("/v1/clock", self._clock_facts),
                web.post("/v1/clock/challenge", self._challenge),
                web.post("/v1/clock/token", self._token),
                web.post("/v1/commands", self._command),
                web.get("/v1/commands/{command}", self._stored_command),
                web.post("/v1/join", self._join),
                web.post("/v1/leave", self._leave),
                web.get("/v1/bluetooth", self._bluetooth),
                web.post("/v1/pair", self._pair),
                web.post("/v1/devices/{device}/probe", self._probe),
                *self._onsite.routes(),
                *self._holders.routes(),
                *self._signal.routes(),
            ]
        )
        return application

    # ── looking ─────────────────────────────────────────────────────────────────────────

    async def _status(self, request: web.Request) -> web.Response:
        request[CALLER].needs(Role.STATUS, "read the status")
        now = self._clock.now()
        rows, counts, urgent = await self._store.snapshot(
            devices.all_devices(), queries.code_counts(), queries.needing_attention(20)
        )
        found = [
            row for grant_id in urgent for row in await self._store.fetch(reported.grant(grant_id))
        ]
        codes = list(map(await self._namer(), found))
        epoch, digest = await self._store.snapshot(meta.epoch(), meta.schedule_hash())
        revision, head, watermark = await self._store.snapshot(
            meta.revision(), events.head(), events.watermark()
        )
        radios, time = self._operations.radio_states(), self._time.view()
        return web.json_response(
            {
                "schema": 1,
                "gateway": {
                    "id": self._site.gateway_id,
                    "version": version("lock-gateway"),
                    "epoch": epoch[0],
                    "zone": self._site.zone,
                    "now": documents.time(now),
                    "trust": self._clock.trust.value,
                    "time_source": time.source.value if time.source else None,
                    "time_error_ms": time.error_ms,
                },
                "cloud": documents.cloud(self._operations.cloud_state()),
                "radios": documents.radios(radios),
                "schedule": {"revision": revision[0], "hash": digest[0]},
                "devices": documents.device_counts(rows),
                "sensors": documents.device_counts(row for row in rows if row.kind != "lock"),
                "codes": documents.code_counts(counts),
                "events": {
                    "head": head[0],
                    "acknowledged": watermark[0],
                    "waiting": max(0, head[0] - watermark[0]),
                },
                "attention": attention.find(
                    rows,
                    codes,
                    radios,
                    self._clock.trust,
                    now,
                    time.last_disbelief,
                    self._operations.keyless(),
                ),
            }
        )

    async def _devices(self, request: web.Request) -> web.Response:
        request[CALLER].needs(Role.STATUS, "list devices")
        rows, counts = await self._store.snapshot(devices.all_devices(), queries.code_counts())
        keyless = self._operations.keyless()
        return web.json_response(
            {**self._head(), "devices": [documents.device(row, counts, keyless) for row in rows]}
        )

    async def _device(self, request: web.Request) -> web.Response:
        request[CALLER].needs(Role.STATUS, "show a device")
        row = await self._find_device(request.match_info["device"])
        counts, slots, grants, told = await self._store.snapshot(
            queries.code_counts(),
            reported.slots_for(row.device_id),
            reported.grants_for(row.device_id),
            readings.of_device(row.device_id),
        )
        document = documents.device(row, counts, self._operations.keyless())
        document["capabilities"] = documents.capabilities(row)
        document["slots"] = documents.slot_counts(row, slots)
        document["slots"]["listed"] = [documents.slot(slot) for slot in slots]
        document["readings"] = documents.readings(told)
        present = frozenset(GrantState) - queries.OVER
        return await self._listing({**self._head(), "device": document}, grants, present)

    async def _codes(self, request: web.Request) -> web.Response:
        request[CALLER].needs(Role.STATUS, "list codes")
        query = request.query
        select = reported.all_grants()
        wanted = frozenset(GrantState) - queries.OVER
        if "credential" in query:
            select = reported.grants_of(await self._credential_id(query["credential"]))
            wanted = frozenset(GrantState)
        device_id = await self._device_id(query["device"]) if "device" in query else None
        if query.get("all") == "1":
            wanted = frozenset(GrantState)
        if "state" in query:
            wanted = frozenset({_state(query["state"])})
        rows = await self._store.fetch(select)
        return await self._listing(self._head(), rows, wanted, device_id)

    async def _listing(
        self,
        head: Document,
        rows: list[GrantRow],
        states: frozenset[GrantState],
        device_id: DeviceId | None = None,
    ) -> web.Response:
        """`head` with `codes`. Built in a thread: no command waits for thousands of codes."""
        name = await self._namer()
        now, zone = self._clock.now(), self._site.zone

        def write() -> str:
            kept = (
                row for row in rows if row.state in states and device_id in (None, row.device_id)
            )
            codes = sorted(map(name, kept), key=lambda code: (code.door, code.row.accepted_at))
            # One by one: a single call of the encoder would hold the interpreter throughout.
            listed = ", ".join(json.dumps(documents.grant(code, now, zone)) for code in codes)
            return f'{json.dumps(head)[:-1]}, "codes": [{listed}]}}'

        return web.json_response(text=await asyncio.to_thread(write))

    async def _plan(self, request: web.Request) -> web.Response:
        request[CALLER].needs(Role.STATUS, "read plans")
        if "device" in request.match_info:
            rows = [await self._find_device(request.match_info["device"])]
        else:
            rows = await self._store.fetch(devices.all_devices())
        plans = [documents.plan(row, await self._operations.plan(row.device_id)) for row in rows]
        return web.json_response({**self._head(), "devices": plans})

    async def _why(self, request: web.Request) -> web.Response:
        request[CALLER].needs(Role.STATUS, "explain a code")
        credential_id = await self._credential_id(request.match_info["credential"])
        code = await self._granted(credential_id, request.match_info["device"])
        facts = await self._facts(code)
        return web.json_response({**self._head(), **documents.explanation(explain(facts))})

    async def _granted(self, credential_id: CredentialId, reference: str) -> Code:
        """The credential's grant for the device that `reference` means."""
        grants = await self._store.fetch(reported.grants_of(credential_id))
        codes = list(map(await self._namer(), grants))
        known = [Named(code.row.device_id, code.device_name or "") for code in codes]
        device_id = await self._granted_device(reference, known)
        return next(code for code in codes if code.row.device_id == device_id)

    async def _granted_device(self, reference: str, granted: list[Named]) -> str:
        """Among the credential's own devices first; else say that it is not for that device."""
        try:
            return resolve(reference, granted, "device")
        except RequestRefused as error:
            if error.code != "unknown_device":
                raise
        other = await self._find_device(reference)
        doors = ", ".join(item.name or item.id for item in granted)
        raise RequestRefused(
            f"this code is not for {other.name}",
            "unknown_grant",
            f"It is for: {doors}. The cloud decides which doors a code opens.",
        )

    async def _facts(self, code: Code) -> Facts:
        device_id = code.row.device_id
        rows, slots = await self._store.snapshot(
            devices.device(device_id), reported.slots_for(device_id)
        )
        device = rows[0] if rows else None
        view: PlanView | None = None
        if device is not None and device.removed_at is None:
            view = await self._operations.plan(device_id)
        return gather(
            code,
            device=device,
            slots=slots,
            radio=self._operations.radio_states().get(device.radio) if device else None,
            view=view,
            now=self._clock.now(),
            trust=self._clock.trust,
            zone=self._site.zone,
        )

    async def _namer(self) -> Callable[[GrantRow], Code]:
        """What gives a grant the name of its door and the uses of all its doors."""
        doors, limited = await self._store.snapshot(
            devices.all_devices(include_removed=True), queries.uses_of_limited()
        )
        names = {door.device_id: door.name for door in doors}
        uses = {item.credential_id: item.count for item in limited}

        def name(row: GrantRow) -> Code:
            return Code(row, names.get(row.device_id), uses.get(row.credential_id, row.uses))

        return name

    async def _events(self, request: web.Request) -> web.StreamResponse:
        request[CALLER].needs(Role.STATUS, "read events")
        return await streams.events(request, self._store)

    async def _clock_facts(self, request: web.Request) -> web.Response:
        request[CALLER].needs(Role.STATUS, "read the clock")
        return await self._time.show()

    # ── acting ──────────────────────────────────────────────────────────────────────────

    async def _reveal(self, request: web.Request) -> web.Response:
        """The one answer that holds digits; written to the ledger before they are told."""
        caller = request[CALLER]
        caller.needs(Role.OPERATOR, "reveal a code")
        credential_id = await self._credential_id(request.match_info["credential"])
        sealed = await self._store.fetch_one(desired.digits_of(credential_id))
        if sealed is None:
            raise RequestError(
                f"could not reveal {credential_id}: its digits were destroyed", "no_digits"
            )
        digits: Secret = self._keyring.unseal(sealed, context=credential_context(credential_id))
        now, trust = self._clock.now(), self._clock.trust

        def write(tx: Tx) -> None:
            fact = Fact(
                EventType.AUDIT_REVEALED,
                now,
                credential_id=credential_id,
                body={"actor": caller.actor},
            )
            events.append(tx, fact, trust)

        await self._store.submit(write)
        return web.json_response(
            {"credential_id": credential_id, "digits": digits.reveal()},
            headers={"Cache-Control": "no-store"},
        )

    async def _command(self, request: web.Request) -> web.Response:
        caller = request[CALLER]
        caller.needs(Role.OPERATOR, "give a command")
        body = await body_of(request)
        kind = _text(body, "kind")
        if kind == "revoke":
            target = await self._revoked(body)
        else:
            target = _whole(await self._find_device(_text(body, "device")))
        return await self._desk.give(target, kind, body, caller.actor)

    async def _revoked(self, body: Document) -> Target:
        """A credential everywhere, or on one device, which need not have joined."""
        credential_id = await self._credential_id(_text(body, "credential"))
        if body.get("device") is None:
            return Target(None, "", credential_id)
        found = await self._granted(credential_id, _text(body, "device"))
        return Target(DeviceId(found.row.device_id), found.door, credential_id)

    async def _stored_command(self, request: web.Request) -> web.Response:
        request[CALLER].needs(Role.STATUS, "read a command")
        return await self._desk.look_up(request.match_info["command"])

    async def _remove(self, request: web.Request) -> web.Response:
        caller = request[CALLER]
        caller.needs(Role.OPERATOR, "remove a device")
        body = await body_of(request)
        row = await self._find_device(request.match_info["device"])
        return await self._desk.give(_whole(row), "remove_device", body, caller.actor)

    async def _join(self, request: web.Request) -> web.StreamResponse:
        caller = request[CALLER]
        caller.needs(Role.OPERATOR, "admit a device")
        body = await body_of(request)
        if isinstance(reference := body.get("replaces"), str):
            failed = await self._find_device(reference)
            body = {**body, "radio": failed.radio, "replaces": failed.address}
        return await streams.join(request, body, self._operations)

    async def _leave(self, request: web.Request) -> web.StreamResponse:
        request[CALLER].needs(Role.OPERATOR, "let a device leave")
        return await streams.leave(request, await body_of(request), self._operations)

    async def _bluetooth(self, request: web.Request) -> web.Response:
        request[CALLER].needs(Role.STATUS, "look around")
        found = await self._operations.in_range()
        now = self._clock.monotonic()
        return web.json_response(
            {**self._head(), "devices": [documents.found(item, now) for item in found]}
        )

    async def _pair(self, request: web.Request) -> web.StreamResponse:
        caller = request[CALLER]
        caller.needs(Role.OPERATOR, "claim a device")
        return await streams.pair(request, await body_of(request), self._operations)

    async def _probe(self, request: web.Request) -> web.StreamResponse:
        caller = request[CALLER]
        caller.needs(Role.OPERATOR, "probe a lock")
        row = await self._find_device(request.match_info["device"])
        progress = self._operations.probe(row.device_id, caller.actor)
        return await streams.probe(request, progress)

    async def _challenge(self, request: web.Request) -> web.Response:
        request[CALLER].needs(Role.OPERATOR, "get a challenge")
        return self._time.challenge()

    async def _token(self, request: web.Request) -> web.Response:
        caller = request[CALLER]
        caller.needs(Role.OPERATOR, "tell the time")
        return await self._time.present(_text(await body_of(request), "token"), caller.actor)

    # ── finding ─────────────────────────────────────────────────────────────────────────

    def _head(self) -> Document:
        return {"schema": 1, "now": documents.time(self._clock.now()), "zone": self._site.zone}

    async def _find_device(self, reference: str) -> DeviceRow:
        rows = await self._store.fetch(devices.all_devices())
        wanted = resolve(reference, [Named(row.device_id, row.name) for row in rows], "device")
        return next(row for row in rows if row.device_id == wanted)

    async def _device_id(self, reference: str) -> DeviceId:
        return (await self._find_device(reference)).device_id

    async def _credential_id(self, reference: str) -> CredentialId:
        names = await self._store.fetch(queries.credential_names())
        return CredentialId(resolve(reference, names, "credential"))


def _whole(row: DeviceRow) -> Target:
    return Target(row.device_id, row.name)


def _text(body: Document, key: str) -> str:
    value = body.get(key)
    if not isinstance(value, str) or not value:
        raise RequestError(f"could not read the request: `{key}` must be a text")
    return value


def _state(name: str) -> GrantState:
    try:
        return GrantState(name)
    except ValueError:
        known = ", ".join(state.value for state in GrantState)
        raise RequestRefused(
            f"could not filter by the state {name!r}", "bad_request", f"States are: {known}."
        ) from None
