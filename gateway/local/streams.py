"""Answers that take their time, as NDJSON: events as they happen, and a device joining.

A stream that fails after it began ends with one line `{"error": …}`. A caller that goes away ends
it: for `join` that closes the network. Not here: short answers (`api`).
"""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from aiohttp import web

from gateway.domain.secret import Secret
from gateway.drivers.claims import ClaimOrder
from gateway.errors import GatewayError, RequestError
from gateway.local import documents
from gateway.local.server import RequestRefused, error_document
from gateway.radios.api import JoinOrder
from gateway.store import devices
from gateway.store import events as ledger

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

    from gateway.domain.probe import ProbeProgress
    from gateway.drivers.access import EnrolStage
    from gateway.local.operations import Operations
    from gateway.radios.api import JoinProgress
    from gateway.store.database import Store
    from gateway.store.events import EventRow

PAGE = 200
MAX_EVENTS = 10_000
MIN_JOIN_S, MAX_JOIN_S = 10, 180
MAX_SECRET = 8192
"""Letters of a PIN, or of a vendor's export of a lock's keys."""
_ADDRESS = re.compile(r"(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}")


async def events(request: web.Request, store: Store) -> web.StreamResponse:
    """The latest `limit`, or those after `after`; with `follow=1` on and on."""
    limit = _integer(request, "limit", 50)
    after = _integer(request, "after", None)
    follow = request.query.get("follow") == "1"
    changed = asyncio.Event()

    def listen(topics: frozenset[str]) -> None:
        if "events" in topics:
            changed.set()

    leave = store.subscribe(listen)
    try:
        response = await _begin(request)
        if after is None:
            head = await store.fetch_one(ledger.head()) or 0
            after = max(0, head - min(limit or 0, MAX_EVENTS))
        names: dict[str, str] = {}
        while True:
            changed.clear()
            while rows := await store.fetch(ledger.events_after(after, PAGE)):
                if any(row.device_id and row.device_id not in names for row in rows):
                    every = await store.fetch(devices.all_devices(include_removed=True))
                    names = {row.device_id: row.name for row in every}
                for row in rows:
                    await _line(response, _event(row, names))
                after = rows[-1].seq
            if not follow:
                break
            await changed.wait()
        await response.write_eof()
        return response
    finally:
        leave()


def _event(row: EventRow, names: dict[str, str]) -> dict[str, Any]:
    return {
        "seq": row.seq,
        "at": documents.time(row.at),
        "type": row.type.value,
        "device_id": row.device_id,
        "device_name": names.get(row.device_id or ""),
        "credential_id": row.credential_id,
        "device_time": documents.time(row.device_time),
        "trust": row.trust.value,
        "corrected_at": documents.time(row.corrected_at),
        "body": dict(row.body),
    }


async def join(
    request: web.Request, body: dict[str, Any], operations: Operations
) -> web.StreamResponse:
    """Progress of one admission; the last line's stage is `ready`, `closed` or `failed`."""
    order, name = _order(body)
    return await _progress(request, operations.join(order, name))


async def leave(
    request: web.Request, body: dict[str, Any], operations: Operations
) -> web.StreamResponse:
    """Progress of one leaving; the last line's stage is `left`, `closed` or `failed`."""
    if unknown := body.keys() - {"seconds"}:
        raise RequestError(f"could not let a device leave: unknown {', '.join(sorted(unknown))}")
    return await _progress(request, operations.leave(_seconds(body, "let a device leave")))


async def _progress(
    request: web.Request, progress: AsyncIterator[JoinProgress]
) -> web.StreamResponse:
    async with aclosing(_as_generator(progress)) as stages:
        # The first stage decides the HTTP status: a wrong install code is no stream at all.
        first = await anext(stages, None)
        response = await _begin(request)
        try:
            if first is not None:
                await _line(response, documents.progress(first))
            async for stage in stages:
                await _line(response, documents.progress(stage))
        except GatewayError as error:
            await _line(response, error_document(error)[1])
        await response.write_eof()
        return response


async def pair(
    request: web.Request, body: dict[str, Any], operations: Operations
) -> web.StreamResponse:
    """Progress of one claim; the last line's stage is `ready`."""
    order, name = _claim_order(body)
    async with aclosing(operations.pair(order, name)) as steps:
        first = await anext(steps, None)
        response = await _begin(request)
        try:
            if first is not None:
                await _line(response, documents.pairing(first))
            async for step in steps:
                await _line(response, documents.pairing(step))
        except GatewayError as error:
            await _line(response, error_document(error)[1])
        await response.write_eof()
        return response


async def probe(
    request: web.Request, progress: AsyncGenerator[ProbeProgress]
) -> web.StreamResponse:
    """Progress of one installation test; the line of stage `type` holds the digits to type."""
    async with aclosing(progress) as steps:
        first = await anext(steps, None)
        response = await _begin(request)
        try:
            if first is not None:
                await _line(response, documents.probe(first))
            async for step in steps:
                await _line(response, documents.probe(step))
        except GatewayError as error:
            await _line(response, error_document(error)[1])
        await response.write_eof()
        return response


async def enrolment(
    request: web.Request,
    stages: asyncio.Queue[EnrolStage | None],
    end: Callable[[], Awaitable[dict[str, Any]]],
) -> web.StreamResponse:
    """How an enrolment goes on, until None; the last line is the command, its stage `ended`."""
    response = await _begin(request)
    while (stage := await stages.get()) is not None:
        await _line(response, {"stage": stage.value})
    try:
        await _line(response, {"stage": "ended", **await end()})
    except GatewayError as error:
        await _line(response, error_document(error)[1])
    await response.write_eof()
    return response


async def _as_generator(progress: Any) -> AsyncGenerator[JoinProgress, None]:
    """So that closing reaches the implementer's own `finally`, whatever kind of iterator it is."""
    try:
        async for stage in progress:
            yield stage
    finally:
        close = getattr(progress, "aclose", None)
        if close is not None:
            await close()


def _claim_order(body: dict[str, Any]) -> tuple[ClaimOrder, str | None]:
    if unknown := body.keys() - {"address", "secret", "name"}:
        raise RequestError(f"could not pair: unknown {', '.join(sorted(unknown))}")
    address, secret, name = body.get("address"), body.get("secret"), _name(body, "pair")
    if not isinstance(address, str) or not _ADDRESS.fullmatch(address):
        raise RequestRefused(
            "could not pair: `address` must read like 00:11:22:AA:BB:CC",
            "bad_request",
            "`lock-gateway scan` shows the addresses of what is in range.",
        )
    if secret is not None and (not isinstance(secret, str) or not 1 <= len(secret) <= MAX_SECRET):
        raise RequestError("could not pair: `secret` must be a text of at most 8192 letters")
    return ClaimOrder(address.upper(), Secret(secret) if secret else None), name


def _name(body: dict[str, Any], what: str) -> str | None:
    name = body.get("name")
    if name is not None and (not isinstance(name, str) or not 1 <= len(name.strip()) <= 64):
        raise RequestError(f"could not {what}: `name` must have 1 to 64 letters")
    return name.strip() if name else None


def _order(body: dict[str, Any]) -> tuple[JoinOrder, str | None]:
    known = {"install_code", "eui64", "allow_well_known_key", "name", "seconds"}
    known |= {"radio", "pin", "qr", "replaces"}
    if unknown := body.keys() - known:
        raise RequestError(f"could not open the network: unknown {', '.join(sorted(unknown))}")
    code, eui64 = _hex(body, "install_code"), _hex(body, "eui64")
    allow = body.get("allow_well_known_key", False)
    name, duration = _name(body, "open the network"), _seconds(body, "open the network")
    if not isinstance(allow, bool):
        raise RequestError("could not open the network: `allow_well_known_key` must be a boolean")
    radio, replaces = _text(body, "radio"), _text(body, "replaces")
    pin, qr = _text(body, "pin"), _text(body, "qr")
    if pin is not None or qr is not None or radio == "zwave":
        # Whether these fit together is the radio's to say: no other knows them.
        return JoinOrder(
            None if eui64 is None else eui64.hex(),
            code,
            allow,
            duration,
            radio="zwave",
            dsk_pin=Secret(pin) if pin is not None else None,
            qr=Secret(qr) if qr is not None else None,
            replaces=replaces,
        ), name
    if eui64 is not None and len(eui64) != 8:
        raise RequestError("could not open the network: `eui64` must have 8 octets")
    if code is None and not allow:
        raise RequestRefused(
            "could not open the network: no install code given",
            "bad_request",
            "Give `install_code` and `eui64` (of Z-Wave: `pin` or `qr`), or choose "
            "`allow_well_known_key`.",
        )
    if code is not None and eui64 is None:
        raise RequestRefused(
            "could not open the network: an install code belongs to one device",
            "bad_request",
            "Give its `eui64` as well; both are on its label.",
        )
    address = None if eui64 is None else ":".join(f"{octet:02x}" for octet in eui64)
    return JoinOrder(address, code, allow, duration, radio=radio), name


def _seconds(body: dict[str, Any], what: str) -> int:
    duration = body.get("seconds", MAX_JOIN_S)
    if type(duration) is not int or not MIN_JOIN_S <= duration <= MAX_JOIN_S:
        raise RequestError(
            f"could not {what}: `seconds` must lie between {MIN_JOIN_S} and {MAX_JOIN_S}"
        )
    return duration


def _text(body: dict[str, Any], key: str) -> str | None:
    value = body.get(key)
    if value is not None and (not isinstance(value, str) or not 1 <= len(value) <= MAX_SECRET):
        raise RequestError(f"could not open the network: `{key}` must be a text")
    return value


def _hex(body: dict[str, Any], key: str) -> bytes | None:
    """Separators are allowed; the text itself is never repeated."""
    value = body.get(key)
    if value is None:
        return None
    try:
        return bytes.fromhex(value.replace(":", "").replace("-", "").replace(" ", ""))
    except (AttributeError, ValueError):
        raise RequestError(f"could not open the network: `{key}` is not hexadecimal") from None


def _integer(request: web.Request, key: str, default: int | None) -> int | None:
    text = request.query.get(key)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 15:
        raise RequestError(f"could not read events: `{key}` must be a whole number")
    return int(text)


async def _begin(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Cache-Control": "no-store"})
    response.content_type = "application/x-ndjson"
    await response.prepare(request)
    return response


async def _line(response: web.StreamResponse, document: dict[str, Any]) -> None:
    await response.write(json.dumps(document, ensure_ascii=False).encode() + b"\n")
