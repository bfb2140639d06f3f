"""Cards and fingers of one device: lists asked from it, changes as commands.

Looking speaks to the device, so it takes an operator. A card's number is told by `reveal` only; it
goes by a short id, its ending, and the name it was enrolled under. Not here: settings, keys and
codes of others (`holders`), the lane and what a change proves (the scheduler), the journal
(`commands`).
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import web

from gateway.domain.devices import WeekDay, YearDay
from gateway.domain.events import EventType, Fact
from gateway.domain.hours import hours_document, hours_of
from gateway.domain.instant import from_rfc3339
from gateway.domain.secret import Secret
from gateway.drivers.access import MediumKind, medium_text, short_id
from gateway.errors import RequestError
from gateway.local import documents, streams
from gateway.local.access import Role
from gateway.local.commands import ERRAND_S, Order, Target, document, order_of
from gateway.local.server import CALLER, RequestRefused, body_of
from gateway.store import events, media

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from gateway.domain.devices import LockSchedule
    from gateway.domain.instant import Instant
    from gateway.domain.secret import KeyedHash
    from gateway.drivers.access import EnrolStage
    from gateway.kit.clock import Clock
    from gateway.local.commands import CommandDesk
    from gateway.local.operations import Operations
    from gateway.store.database import Store
    from gateway.store.devices import DeviceRow
    from gateway.store.keyring import Keyring
    from gateway.store.media import MediumRow
    from gateway.store.tx import Tx

Document = dict[str, Any]

ENDING = 4
"""So many of a number's last digits are shown, and fewer of a short one."""
LEAST = 4
"""Letters of an id or digits of an ending that may stand for a medium."""
ENROL_WAIT_S = 240.0
"""For the lane's turn, for somebody at the door, for the hours; then the stream ends unfinished."""
_NUMBER = re.compile(r"[0-9]{1,20}")
_KINDS = {"cards": MediumKind.CARD, "fingers": MediumKind.FINGER}


@dataclass(frozen=True, slots=True)
class Held:
    """A medium on the lock; `row`: what it is called here, if it was enrolled here."""

    position: int
    known: KeyedHash
    number: Secret
    schedules: tuple[LockSchedule, ...] | None
    row: MediumRow | None


class OnSite:
    """See the module's docstring. `head` begins every document, `find` tells a device."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        keyring: Keyring,
        operations: Operations,
        desk: CommandDesk,
        head: Callable[[], Document],
        find: Callable[[str], Awaitable[DeviceRow]],
    ) -> None:
        self._store = store
        self._clock = clock
        self._keyring = keyring
        self._operations = operations
        self._desk = desk
        self._head = head
        self._find = find

    def routes(self) -> list[web.RouteDef]:
        device, of = "/v1/devices/{device}", "/{media:cards|fingers}"
        return [
            web.get(f"{device}{of}", self._media),
            web.post(f"{device}{of}/reveal", self._reveal),
            web.post(f"{device}{of}/enrol", self._enrol),
            web.post(f"{device}/cards/add", self._add),
            web.post(f"{device}{of}/schedule", self._schedule),
            web.post(f"{device}{of}/delete", self._delete),
        ]

    # ── looking ─────────────────────────────────────────────────────────────────────────

    async def _media(self, request: web.Request) -> web.Response:
        row = await self._device(request, "list cards and fingers")
        kind = _kind(request)
        held, rows = await self._held(row, kind)
        return web.json_response(self._listing(row, kind, held, rows, reveal=False))

    async def _reveal(self, request: web.Request) -> web.Response:
        """Written to the ledger before any number is told."""
        row = await self._device(request, "reveal the numbers of cards")
        kind = _kind(request)
        held, rows = await self._held(row, kind)
        now, trust = self._clock.now(), self._clock.trust
        actor = request[CALLER].actor

        def write(tx: Tx) -> None:
            body = {"actor": actor, "what": f"{kind.value}s"}
            fact = Fact(EventType.AUDIT_REVEALED, now, row.device_id, body=body)
            events.append(tx, fact, trust)

        await self._store.submit(write)
        return web.json_response(
            self._listing(row, kind, held, rows, reveal=True),
            headers={"Cache-Control": "no-store"},
        )

    async def _held(
        self, row: DeviceRow, kind: MediumKind
    ) -> tuple[list[Held], dict[KeyedHash, MediumRow]]:
        """What the lock holds now, and what is called something here."""
        found = await self._operations.media(row.device_id, kind)
        rows = await self._rows(row, kind)
        held = []
        for position, one in enumerate(found, start=1):
            known = self._keyring.hash(medium_text(kind, one.number))
            held.append(Held(position, known, one.number, one.schedules, rows.get(known)))
        return held, rows

    async def _rows(self, row: DeviceRow, kind: MediumKind) -> dict[KeyedHash, MediumRow]:
        rows = await self._store.fetch(media.of_device(row.device_id, kind.value))
        return {each.id_hash: each for each in rows}

    def _listing(
        self,
        row: DeviceRow,
        kind: MediumKind,
        held: list[Held],
        rows: dict[KeyedHash, MediumRow],
        *,
        reveal: bool,
    ) -> Document:
        present = {one.known for one in held}
        gone = [_called(each) for known, each in rows.items() if known not in present]
        listed = [
            {
                "position": one.position,
                "ending": ending_of(one.number),
                **(_called(one.row) if one.row else {**_NOBODY, "id": short_id(one.known)}),
                "schedules": schedules_document(one.schedules),
                **({"number": one.number.reveal()} if reveal else {}),
            }
            for one in held
        ]
        return {**self._of(row), "kind": kind.value, "media": listed, "gone": gone}

    def _of(self, row: DeviceRow) -> Document:
        return {**self._head(), "device_id": row.device_id, "device_name": row.name}

    # ── changing ────────────────────────────────────────────────────────────────────────

    async def _enrol(self, request: web.Request) -> web.StreamResponse:
        row, kind = await self._device(request, "enrol cards and fingers"), _kind(request)
        body = await body_of(request)
        name = await self._new_name(row, kind, body)
        arguments = {"name": name, **window_of(body, self._clock.now())}
        order = order_of(f"enrol_{kind.value}", arguments, body, ERRAND_S)
        stages: asyncio.Queue[EnrolStage | None] = asyncio.Queue()
        leave = self._operations.watch_enrolment(order.command_id, stages.put_nowait)
        ended: asyncio.Task[Document] | None = None
        try:
            await self._desk.receive(_target(row), order, request[CALLER].actor)
            ended = asyncio.create_task(self._end(row, order), name=f"await {order.command_id}")
            ended.add_done_callback(lambda _: stages.put_nowait(None))
            waiting = ended
            return await streams.enrolment(request, stages, lambda: waiting)
        finally:
            # The enrolment itself goes on: the lock waits for somebody, whoever looks on here.
            leave()
            if ended is not None:
                ended.cancel()

    async def _end(self, row: DeviceRow, order: Order) -> Document:
        return document(await self._desk.done(order.command_id, ENROL_WAIT_S), row.name)

    async def _new_name(self, row: DeviceRow, kind: MediumKind, body: Document) -> str:
        name = body.get("name")
        if not isinstance(name, str) or not 1 <= len(name.strip()) <= 64:
            raise RequestError(f"could not enrol a {kind.value}: `name` must have 1 to 64 letters")
        taken = {each.name.casefold() for each in (await self._rows(row, kind)).values()}
        again = await self._desk.known(body)
        if name.strip().casefold() in taken and not again:
            raise RequestRefused(
                f"could not enrol a {kind.value}: one of {row.name} has this name already",
                "conflict",
                "Choose another name, or delete the other one first.",
            )
        return name.strip()

    async def _add(self, request: web.Request) -> web.Response:
        """The number stays in memory, and only while the caller waits."""
        row, body = await self._device(request, "add cards"), await body_of(request)
        before = await self._desk.again(_target(row), "add_card", body)
        if before is not None:
            return before
        number = _card_number(body)
        name = await self._new_name(row, MediumKind.CARD, body)
        known = self._keyring.hash(medium_text(MediumKind.CARD, number))
        window = window_of(body, self._clock.now())
        order = order_of("add_card", {"medium": known, "name": name, **window}, body, ERRAND_S)
        forget = self._operations.entrust(order.command_id, number)
        try:
            await self._desk.receive(_target(row), order, request[CALLER].actor)
            return web.json_response(await self._end(row, order))
        finally:
            forget()

    async def _schedule(self, request: web.Request) -> web.Response:
        return await self._change(request, "schedule")

    async def _delete(self, request: web.Request) -> web.Response:
        return await self._change(request, "delete")

    async def _change(self, request: web.Request, step: str) -> web.Response:
        row, kind = await self._device(request, f"{step} cards and fingers"), _kind(request)
        body = await body_of(request)
        before = await self._desk.again(_target(row), f"{step}_{kind.value}", body)
        if before is not None:
            return before
        window = window_of(body, self._clock.now()) if step == "schedule" else {}
        known, name = await self._meant(row, kind, body)
        arguments = {"medium": known, "name": name, **window}
        order = order_of(f"{step}_{kind.value}", arguments, body, ERRAND_S)
        return await self._desk.carry_out(_target(row), order, body, request[CALLER].actor)

    async def _meant(
        self, row: DeviceRow, kind: MediumKind, body: Document
    ) -> tuple[KeyedHash, str | None]:
        """By name or id, else by asking the lock. What was given is never repeated: it may be a
        card's whole number."""
        given = body.get(kind.value)
        if not isinstance(given, str) or not given.strip():
            raise RequestError(f"could not read the request: `{kind.value}` must be a text")
        wanted = given.strip().casefold()
        rows = await self._rows(row, kind)
        for each in rows.values():
            if wanted in {each.name.casefold(), each.id_hash, short_id(each.id_hash)}:
                return each.id_hash, each.name
        held, _ = await self._held(row, kind)
        # One that is gone from the lock can be named as well: then only its name is forgotten.
        fitting = {known for known in rows if _fits(wanted, known, None, rows[known])}
        fitting |= {one.known for one in held if _fits(wanted, one.known, one.number, one.row)}
        if len(fitting) == 1:
            (known,) = fitting
            return known, rows[known].name if known in rows else None
        if not fitting:
            raise RequestRefused(
                f"could not find that {kind.value} on {row.name}",
                "unknown_medium",
                f"`lock-gateway {kind.value}s DEVICE` lists them.",
            )
        raise RequestRefused(
            f"could not tell which {kind.value} that means: {len(fitting)} fit",
            "ambiguous",
            f"Give an id: {', '.join(sorted(map(short_id, fitting)))}.",
        )

    # ── reading the request ─────────────────────────────────────────────────────────────

    async def _device(self, request: web.Request, what: str) -> DeviceRow:
        request[CALLER].needs(Role.OPERATOR, what)
        row = await self._find(request.match_info["device"])
        kind = _KINDS[request.match_info.get("media", "cards")]
        can = row.capabilities
        if (can.can_enrol_cards if kind is MediumKind.CARD else can.can_enrol_fingers) is False:
            raise RequestRefused(
                f"could not {what}: {row.name} takes no {kind.value}s",
                "unsupported",
                "No reader for them, or its key is not an owner's: see `lock-gateway device`.",
            )
        return row


def window_of(body: Document, now: Instant) -> Document:
    """`opens_at` and `closes_at`, or neither; `hours` of the week; none of them: at all times."""
    weekly: Document = {}
    if body.get("hours") is not None:
        try:
            hours = hours_of(body["hours"])
        except ValueError as error:
            raise RequestError(f"could not read the request: {error}") from None
        if not hours:  # whoever means no hours at all does not mean at all times
            raise RequestError("could not read the request: `hours` must name some")
        weekly = {"hours": hours_document(hours)}
    given = [body.get("opens_at"), body.get("closes_at")]
    if given == [None, None]:
        return weekly
    try:
        opens_at, closes_at = (from_rfc3339(_text(each)) for each in given)
    except ValueError:
        raise RequestError(
            "could not read the request: `opens_at` and `closes_at` are both RFC 3339 times,"
            " or both missing"
        ) from None
    if closes_at <= max(opens_at, now):
        raise RequestError("could not read the request: the window is over before it opens")
    edges = {"opens_at": documents.time(opens_at), "closes_at": documents.time(closes_at)}
    return {**weekly, **edges}


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("not a text")  # noqa: TRY004 - a request, not a defect
    return value


def _card_number(body: Document) -> Secret:
    """As it is printed on the card. What was given is never repeated."""
    given = body.get("number")
    if not isinstance(given, str) or not _NUMBER.fullmatch(given):
        raise RequestError("could not add a card: `number` must be its number, in decimal digits")
    return Secret(given)


def _kind(request: web.Request) -> MediumKind:
    return _KINDS[request.match_info["media"]]


def _target(row: DeviceRow) -> Target:
    return Target(row.device_id, row.name)


def _fits(wanted: str, known: KeyedHash, number: Secret | None, row: MediumRow | None) -> bool:
    if len(wanted) < LEAST:
        return False
    ending = number is not None and number.reveal().endswith(wanted)
    named = row is not None and row.name.casefold().startswith(wanted)
    return ending or named or known.startswith(wanted)


# ── documents ───────────────────────────────────────────────────────────────────────────

_NOBODY: Document = {"name": None, "added_at": None, "actor": None}


def _called(row: MediumRow) -> Document:
    return {
        "id": short_id(row.id_hash),
        "name": row.name,
        "added_at": documents.time(row.added_at),
        "actor": row.actor,
    }


def ending_of(number: Secret) -> str:
    """Never more than half of it."""
    shown = min(ENDING, len(number) // 2)
    return number.reveal()[-shown:] if shown else ""


def schedules_document(schedules: Sequence[LockSchedule] | None) -> list[Document] | None:
    if schedules is None:
        return None
    found: list[Document] = []
    for each in schedules:
        match each:
            case YearDay(opens_at, closes_at):
                edges = {"opens_at": documents.time(opens_at)}
                found.append({"kind": "timed", **edges, "closes_at": documents.time(closes_at)})
            case WeekDay():
                found.append({"kind": "weekly", **hours_document((each,))[0]})
    return found
