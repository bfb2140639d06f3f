"""Local commands: into the journal like the cloud's, then awaited for a while.

Not here: carrying them out (the scheduler does), and who may give them (`api`).
"""

from __future__ import annotations

import asyncio
import secrets  # noqa: TID251 - ids of orders that people give on site
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import web

from gateway.domain.hours import hours_of
from gateway.domain.ids import CommandId, CredentialId, DeviceId, is_id
from gateway.domain.instant import after
from gateway.errors import RequestError
from gateway.local import documents
from gateway.local.server import RequestRefused
from gateway.store import devices, journal
from gateway.store.journal import CommandState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.kit.clock import Clock
    from gateway.store.database import Store
    from gateway.store.journal import CommandRow
    from gateway.store.tx import Tx

MAX_REASON = 200
MAX_WAIT_S = 120.0
ERRAND_S = 120.0
"""Somebody waits for it, and the device may be busy with something else for a while."""


@dataclass(frozen=True, slots=True)
class Kind:
    """`expires_s` None: never. `args`: what the body may say beyond the common fields, and of which
    types; `needs`: which of it it must."""

    expires_s: float | None = None
    args: tuple[tuple[str, tuple[type, ...]], ...] = ()
    needs: frozenset[str] = frozenset()


KINDS: Mapping[str, Kind] = {
    "unlock": Kind(expires_s=30.0),
    "lock": Kind(expires_s=30.0),
    "remove_device": Kind(args=(("force", (bool,)),)),
    "rename": Kind(args=(("name", (str,)),)),
    "refresh": Kind(),
    "resume_repair": Kind(),
    "revoke": Kind(),
    "write_setting": Kind(
        ERRAND_S,
        (("name", (str,)), ("value", (bool, int, list))),
        frozenset({"name", "value"}),
    ),
    "revoke_keys": Kind(ERRAND_S),
    "unlatch": Kind(expires_s=30.0),
}
"""Those that POST /v1/commands takes; others have addresses of their own (`onsite`)."""

_SUBJECTS = (
    "credential_id", "medium", "key", "name", "value", "opens_at", "closes_at", "new_name",
    "enabled", "always", "slot", "hours",
)  # fmt: skip
"""What tells one order from another, beside its kind and device."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a command is about. `device_id` None: every device; `credential_id` None: no code."""

    device_id: DeviceId | None
    device_name: str
    credential_id: CredentialId | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """A command before it is written down. `arguments` hold no secret, and the reason."""

    command_id: CommandId
    kind: str
    arguments: Mapping[str, Any]
    expires_s: float | None


class CommandDesk:
    """Takes commands on site and waits for what becomes of them."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def give(
        self, target: Target, name: str, body: Mapping[str, Any], actor: str
    ) -> web.Response:
        """200 with the result, or 202 when `wait_s` passed first; the same id never acts twice."""
        kind = KINDS.get(name)
        if kind is None:
            raise RequestRefused(
                f"could not take the command: there is no kind {name!r}",
                "bad_request",
                f"Kinds are: {', '.join(KINDS)}.",
            )
        arguments = _arguments(kind, body)
        if target.credential_id is not None:
            arguments["credential_id"] = target.credential_id
        order = order_of(name, arguments, body, kind.expires_s)
        return await self.carry_out(target, order, body, actor)

    async def carry_out(
        self, target: Target, order: Order, body: Mapping[str, Any], actor: str
    ) -> web.Response:
        """As `give`, for an order whose arguments are settled."""
        wait_s = _wait(body)
        await self.receive(target, order, actor)
        return _answer(await self.done(order.command_id, wait_s), target.device_name)

    async def receive(self, target: Target, order: Order, actor: str) -> None:
        """Write it down; nothing, if that was done before. RequestError: as something else."""
        now = self._clock.now()
        not_after = None if order.expires_s is None else after(now, order.expires_s)

        def write(tx: Tx) -> CommandRow | None:
            known = tx.one(journal.command(order.command_id))
            if known is None:
                journal.receive(
                    tx,
                    command_id=order.command_id,
                    kind=order.kind,
                    device_id=target.device_id,
                    body=order.arguments,
                    actor=actor,
                    now=now,
                    not_after=not_after,
                )
            return known

        known = await self._store.submit(write)
        if known is not None and (
            (known.kind, known.device_id, _subject(known.body))
            != (order.kind, target.device_id, _subject(order.arguments))
        ):
            raise _conflict(order.command_id)

    async def known(self, body: Mapping[str, Any]) -> bool:
        """Whether the id that the body gives was given before."""
        given = body.get("command_id")
        if not isinstance(given, str) or not is_id(given):
            return False
        return await self._store.fetch_one(journal.command(CommandId(given))) is not None

    async def again(
        self, target: Target, kind: str, body: Mapping[str, Any]
    ) -> web.Response | None:
        """The answer of an order that was given before; what it is about needs no second look."""
        if not await self.known(body):
            return None
        row = await self._row(_command_id(body))
        if (row.kind, row.device_id) != (kind, target.device_id):
            raise _conflict(row.command_id)
        return _answer(await self.done(row.command_id, _wait(body)), target.device_name)

    async def look_up(self, command_id: str) -> web.Response:
        row = None
        if is_id(command_id):
            row = await self._store.fetch_one(journal.command(CommandId(command_id)))
        if row is None:
            raise RequestError(f"could not find the command {command_id!r}", "unknown_command")
        name = ""
        if row.device_id is not None:
            device = await self._store.fetch_one(devices.device(row.device_id))
            name = device.name if device else ""
        return _answer(row, name)

    async def done(self, command_id: CommandId, wait_s: float) -> CommandRow:
        """The row once it is done, or as it stands when the time is over."""
        changed = asyncio.Event()

        def listen(topics: frozenset[str]) -> None:
            if "commands" in topics:
                changed.set()

        async def finished() -> None:
            while (await self._row(command_id)).state is not CommandState.DONE:
                await changed.wait()
                changed.clear()

        leave = self._store.subscribe(listen)
        waiting = asyncio.create_task(finished(), name=f"await {command_id}")
        timer = asyncio.create_task(self._clock.sleep(wait_s), name=f"patience {command_id}")
        try:
            await asyncio.wait({waiting, timer}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            leave()
            for task in (waiting, timer):
                task.cancel()
            await asyncio.gather(waiting, timer, return_exceptions=True)
        return await self._row(command_id)

    async def _row(self, command_id: CommandId) -> CommandRow:
        row = await self._store.fetch_one(journal.command(command_id))
        if row is None:
            raise RequestError(f"could not find the command {command_id!r}", "unknown_command")
        return row


def document(row: CommandRow, device_name: str) -> dict[str, Any]:
    return {
        "schema": 1,
        "command_id": row.command_id,
        "kind": row.kind,
        "device_id": row.device_id,
        "device_name": device_name,
        "args": dict(row.body),
        "actor": row.actor,
        "received_at": documents.time(row.received_at),
        "not_after": documents.time(row.not_after),
        "state": row.state.value,
        "result": None if row.result is None else dict(row.result),
        "finished_at": documents.time(row.finished_at),
    }


def _answer(row: CommandRow, device_name: str) -> web.Response:
    status = 200 if row.state is CommandState.DONE else 202
    return web.json_response(document(row, device_name), status=status)


def order_of(
    kind: str, arguments: Mapping[str, Any], body: Mapping[str, Any], expires_s: float | None
) -> Order:
    """With the id and the reason that the body gives. RequestError."""
    settled = {**arguments, "reason": _reason(body)}
    return Order(_command_id(body), kind, settled, expires_s)


def _conflict(command_id: CommandId) -> RequestError:
    return RequestError(
        f"could not take the command: {command_id} was given for something else", "conflict"
    )


def _subject(arguments: Mapping[str, Any]) -> list[Any]:
    return [arguments.get(key) for key in _SUBJECTS]


def _command_id(body: Mapping[str, Any]) -> CommandId:
    given = body.get("command_id")
    if given is None:
        return CommandId(f"local_{secrets.token_hex(8)}")
    if not isinstance(given, str) or not is_id(given):
        raise RequestError("could not take the command: `command_id` is not an id")
    return CommandId(given)


def _reason(body: Mapping[str, Any]) -> str:
    """Every local action says why; the journal keeps it."""
    reason = body.get("reason")
    if not isinstance(reason, str) or not reason.strip():
        raise RequestRefused(
            "could not take the command: it needs a reason",
            "bad_request",
            "Say why in `reason`; it is written to the audit.",
        )
    if len(reason) > MAX_REASON:
        raise RequestError(f"could not take the command: a reason has at most {MAX_REASON} letters")
    return reason.strip()


def _arguments(kind: Kind, body: Mapping[str, Any]) -> dict[str, Any]:
    """From `args`, or beside the common fields; only those the kind knows."""
    nested = body.get("args", {})
    if not isinstance(nested, dict):
        raise RequestError("could not take the command: `args` must be an object")
    unknown = nested.keys() - {name for name, _ in kind.args}
    if unknown:
        raise RequestError(f"could not take the command: unknown args {', '.join(sorted(unknown))}")
    found: dict[str, Any] = {}
    for name, wanted in kind.args:
        value = nested.get(name, body.get(name))
        if value is None and name in kind.needs:
            raise RequestError(f"could not take the command: it needs `{name}`")
        if value is None:
            continue
        if type(value) not in wanted:
            words = " or ".join(each.__name__ for each in wanted)
            raise RequestError(f"could not take the command: `{name}` must be {words}")
        if isinstance(value, list):
            _check_hours(value)
        found[name] = value
    return found


def _check_hours(value: list[Any]) -> None:
    try:
        hours_of(value)
    except ValueError as error:
        raise RequestError(f"could not take the command: {error}") from None


def _wait(body: Mapping[str, Any]) -> float:
    wait_s = body.get("wait_s", 30)
    if isinstance(wait_s, bool) or not isinstance(wait_s, int | float) or wait_s < 0:
        raise RequestError("could not take the command: `wait_s` must be a number of seconds")
    return min(float(wait_s), MAX_WAIT_S)
