"""The gateway's time over the local API: how it stands, a challenge, a technician's answer to it.

Not here: who may ask (`api`), sentences (`timewords`), and whom the gateway believes
(`timekeeping`). No token is ever repeated, not even a wrong one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog
from aiohttp import web

from gateway.domain.events import EventType, Fact, Value
from gateway.domain.timebelief import AUTHENTICATED, Reason, Source
from gateway.errors import MessageError, StoreBusy, StoreFull
from gateway.local import documents, queries
from gateway.local.server import RequestRefused
from gateway.local.timewords import REASONS, SOURCES, STEPS, explain_clock, stands
from gateway.local.walltime import clock_time
from gateway.store import devices, events
from gateway.timekeeping.proof import TYPES
from gateway.timekeeping.witness import CHALLENGE_LIFE_S

if TYPE_CHECKING:
    from gateway.store.database import Store
    from gateway.store.devices import DeviceRow
    from gateway.timekeeping.view import ClockView, Disbelief
    from gateway.timekeeping.witness import Witness

Document = dict[str, Any]

log = structlog.get_logger()


class TimeDesk:
    def __init__(self, store: Store, witness: Witness, gateway_id: str, zone: str) -> None:
        self._store = store
        self._witness = witness
        self._gateway_id = gateway_id
        self._zone = zone

    def view(self) -> ClockView:
        return self._witness.view()

    async def show(self) -> web.Response:
        """Everything there is to say."""
        rows, waiting = await self._store.snapshot(
            devices.all_devices(), queries.waiting_for_the_time()
        )
        view = self._witness.view()
        words = explain_clock(
            view,
            self._zone,
            waiting_codes=waiting[0],
            technicians=bool(self._witness.technicians()),
        )
        return web.json_response(
            {
                **self._head(view),
                **_facts(view),
                "headline": words.headline,
                "doors": words.doors,
                "codes_waiting": waiting[0],
                "waits_for": words.waits_for,
                "next": words.next,
                "lock_clocks": lock_clocks(rows),
            }
        )

    def challenge(self) -> web.Response:
        """What to sign; refused where nobody's signature would be taken."""
        kids = self._witness.technicians()
        if not kids:
            raise RequestRefused(
                "could not give a challenge: no technician's key is configured",
                "time_no_issuer",
                "Name a public key in `time.technician_issuers` and restart the gateway.",
            )
        return web.json_response(
            {
                **self._head(self._witness.view()),
                "challenge": self._witness.challenge(),
                "gateway_id": self._gateway_id,
                "type": TYPES[Source.TECHNICIAN],
                "issuers": kids,
                "remaining_s": CHALLENGE_LIFE_S,
            },
            headers={"Cache-Control": "no-store"},
        )

    async def present(self, token: str, actor: str) -> web.Response:
        """The clock after it, or why it is not taken. Both are in the audit."""
        try:
            await self._witness.present(token)
        except MessageError as error:
            await self._audit(actor, {"outcome": "refused", "reason": error.code})
            raise RequestRefused(str(error), error.code, self._step(error.code)) from error
        await self._audit(actor, {"outcome": "confirmed"})
        return await self.show()

    async def _audit(self, actor: str, outcome: dict[str, Value]) -> None:
        """The token is spent: that nothing can be written down does not make the answer wrong."""
        view = self._witness.view()
        fact = Fact(EventType.AUDIT_TIME_TOLD, view.now, body={"actor": actor, **outcome})
        try:
            await self._store.submit(lambda tx: events.append(tx, fact, view.trust))
        except (StoreFull, StoreBusy) as error:
            log.warning("could not write down who told the time", actor=actor, error=str(error))

    def _step(self, code: str) -> str:
        """What to do about a token that was not taken."""
        match code:
            case "time_unknown_issuer":
                known = ", ".join(self._witness.technicians())
                if not known:
                    return "Name a public key in `time.technician_issuers`; there is none."
                return f"Its kid must be the name of a key in `time.technician_issuers`: {known}."
            case "time_wrong_audience":
                return f"Its aud must be {self._gateway_id}."
            case "time_behind_floor":
                floor = self._witness.view().floor
                least = f"It is {clock_time(floor, self._zone)} or later. " if floor else ""
                return f"{least}Check the clock of whoever signed it, and sign anew."
            case _:
                return _STEPS.get(code, "")

    def _head(self, view: ClockView) -> Document:
        return {"schema": 1, "now": documents.time(view.now), "zone": self._zone}


_STEPS = {
    "time_malformed": "A token is three parts of base64url with dots between; "
    "see docs/local-api.md.",
    "time_wrong_type": "It was signed for something else: sign it as a technician's.",
    "time_not_signed": "It needs aud, now and nonce, and EdDSA by the key that its kid names.",
    "time_not_fresh": "A challenge is good for ten minutes and one token, and ends with a restart "
    "of the gateway. Get a new one: `lock-gateway clock challenge`.",
    "time_alone": STEPS[Reason.ALONE],
}


def lock_clocks(rows: list[DeviceRow]) -> list[Document]:
    """Of every lock that has one: the farthest off first, those never read last."""
    having = [row for row in rows if row.clock_read_at or row.capabilities.has_clock is not None]
    having.sort(key=lambda row: (row.clock_read_at is None, -abs(row.clock_error_ms or 0)))
    return [
        {"device_id": row.device_id, "name": row.name, "clock": documents.clock(row)}
        for row in having
    ]


def _facts(view: ClockView) -> Document:
    return {
        "trust": view.trust.value,
        "source": view.source.value if view.source else None,
        "source_text": SOURCES[view.source] if view.source else None,
        "authenticated": view.source in AUTHENTICATED,
        "error_ms": view.error_ms,
        "floor": documents.time(view.floor),
        "proven_s_ago": _rounded(view.proven_s_ago),
        "adopted_s_ago": _rounded(view.adopted_s_ago),
        "wall": documents.time(view.wall),
        "wall_difference_ms": view.wall_difference_ms,
        "kernel": {
            "synchronised": view.kernel.synchronised,
            "max_error_ms": view.kernel.max_error_ms,
        },
        "rtc": documents.time(view.rtc),
        "boot_id": view.boot_id,
        "uptime_s": _rounded(view.uptime_s),
        "waiting_ms": view.waiting_ms,
        "last_jump": None
        if view.last_jump is None
        else {"at": documents.time(view.last_jump.at), "by_ms": view.last_jump.by_ms},
        "last_refused": _refused(view.last_disbelief),
    }


def _refused(last: Disbelief | None) -> Document | None:
    if last is None:
        return None
    return {
        "source": last.source.value,
        "source_text": SOURCES[last.source],
        "at": documents.time(last.at),
        "difference_ms": last.difference_ms,
        "reason": last.reason.value,
        "reason_text": REASONS[last.reason],
        "still": stands(last),
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)
