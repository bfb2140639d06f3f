"""Commands from the journal: each acts at most once, and each gets an answer.

Where they come from (cloud, command line) does not matter here: both are rows of the journal. A
momentary command is marked `started` before the lock hears of it; found so after a restart, it is
answered `unconfirmed` and never repeated.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

import structlog

from gateway.domain.actions import Priority
from gateway.domain.events import EventType, Fact, Value
from gateway.domain.ids import CredentialId, DeviceId
from gateway.domain.instant import ClockTrust
from gateway.domain.schedule import Tombstone
from gateway.drivers.api import Driver, Latch
from gateway.errors import (
    DeviceRefused,
    GatewayError,
    OutcomeUnknown,
    PeerProtocolError,
    RadioError,
    RequestError,
    StoreBusy,
    StoreError,
    StoreFull,
    Unreachable,
)
from gateway.scheduler.answers import Ended, Result, refused, result_of, unconfirmed
from gateway.scheduler.errands import ERRANDS, about
from gateway.scheduler.policy import MOMENTARY_DEADLINE_S
from gateway.store import beforehand, desired, devices, events, journal, meta, reported
from gateway.store.beforehand import Revoked
from gateway.store.journal import CommandState
from gateway.store.rules import REVOKED

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping
    from typing import Any

    from gateway.domain.instant import Instant
    from gateway.kit.clock import Clock
    from gateway.radios.arbiter import Arbiter
    from gateway.scheduler.errands import Errands, Work
    from gateway.store.database import Store
    from gateway.store.journal import CommandRow
    from gateway.store.tx import Tx

log = structlog.get_logger()

STORE_PAUSE_S = 2.0

_MOMENTARY = frozenset({"unlock", "lock"}) | ERRANDS
"""What is done at a device while somebody waits."""


class Lanes(Protocol):
    """What commands need of the scheduler."""

    def put(self, device_id: DeviceId, act: Callable[[Driver | None], Awaitable[None]]) -> bool:
        """Queue a momentary act; False when there is no such device. None: nobody to speak to."""
        ...

    def driver(self, device_id: DeviceId) -> Driver | None:
        """Who can speak to the device now; None: nobody, or there is no such device."""
        ...

    async def forget(self, device_id: DeviceId, *, force: bool) -> None:
        """RequestError: it must not be forgotten, because it did not give us up."""
        ...

    def look_again(self, device_id: DeviceId | None = None) -> None: ...


class Commands:
    """Takes open commands from the journal. `run` until cancelled."""

    def __init__(
        self, store: Store, clock: Clock, arbiter: Arbiter, lanes: Lanes, errands: Errands
    ) -> None:
        self._store = store
        self._clock = clock
        self._arbiter = arbiter
        self._lanes = lanes
        self._errands = errands
        self._wake = asyncio.Event()
        self._taken: set[str] = set()
        self._acting: dict[asyncio.Task[None], str] = {}
        self._running = False

    async def run(self) -> None:
        self._taken.clear()
        self._running = True
        leave = self._store.subscribe(self._on_change)
        try:
            reaped = False
            while True:
                self._wake.clear()
                try:
                    if not reaped:
                        await self._reap()
                        reaped = True
                    await self._look()
                except (StoreFull, StoreBusy) as error:
                    log.error("commands wait for the store", cause=str(error))
                    await self._clock.sleep(STORE_PAUSE_S)
                    continue
                await self._wake.wait()
        finally:
            self._running = False
            leave()
            for task in self._acting:
                task.cancel()

    async def _look(self) -> None:
        for row in self._store.peek(journal.open_commands()):
            if row.command_id in self._taken:
                continue
            self._taken.add(row.command_id)
            try:
                await self._take(row)
            except StoreError:
                self._taken.discard(row.command_id)  # nothing was done; it is taken again
                raise
            except Exception:
                # One command that meets a defect must not keep every other from being heard.
                log.exception("could not carry out a command", command=row.command_id)
                await self._finish(row, {"outcome": "refused", "reason": "internal"})

    def _on_change(self, topics: frozenset[str]) -> None:
        if "commands" in topics:
            self._wake.set()

    async def _reap(self) -> None:
        """Answer what a former life left in the middle of."""
        for row in await self._store.fetch(journal.open_commands()):
            if row.state is CommandState.STARTED:
                self._taken.add(row.command_id)
                await self._finish(row, unconfirmed("the gateway restarted while it was acting"))
            elif row.kind in _MOMENTARY and self._may_be_old(row):
                await self._finish(row, {"outcome": "refused", "reason": "not_fresh"})

    def _may_be_old(self, row: CommandRow) -> bool:
        """Of a former life, and nobody can tell how long ago that was."""
        gone_back = row.received_at > self._clock.now()
        return gone_back or self._clock.trust is ClockTrust.UNTRUSTED

    async def _take(self, row: CommandRow) -> None:
        if row.not_after is not None and row.not_after <= self._clock.now():
            await self._finish(row, {"outcome": "refused", "reason": "expired"})
            return
        if row.kind in _MOMENTARY:
            await self._momentary(row)
            return
        if row.kind == "remove_device":
            self._spawn(self._remove(row), f"remove {row.device_id}")
            return
        handler = _IN_STORE.get(row.kind)
        if handler is None:
            await self._finish(row, {"outcome": "refused", "reason": "unknown_kind"})
            return
        now = self._clock.now()
        trust = self._clock.trust

        def write(tx: Tx) -> None:
            if not _is_open(tx, row):
                return
            result = handler(tx, row, now)
            journal.finish(tx, row.command_id, result, now)
            events.append(tx, _audit(row, result, now), trust)

        await self._store.submit(write)
        self._taken.discard(row.command_id)
        self._lanes.look_again()

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._acting[task] = name
        task.add_done_callback(self._acting.pop)

    # ── momentary ───────────────────────────────────────────────────────────────────────

    async def _momentary(self, row: CommandRow) -> None:
        if row.device_id is None:
            await self._finish(row, {"outcome": "refused", "reason": "no_device"})
            return
        if row.body.get("subject_id") is not None:
            # On behalf of a person it would have to be checked against that person's eKey.
            await self._finish(row, {"outcome": "refused", "reason": "unsupported"})
            return
        device_id = DeviceId(row.device_id)
        driver = self._lanes.driver(device_id)
        if driver is None:
            stored = await self._store.fetch_one(devices.device(device_id))
            known = stored is not None and stored.removed_at is None
            reason = "radio_unavailable" if known else "unknown_device"
            await self._finish(row, {"outcome": "refused", "reason": reason})
            return

        if self._work(row, driver) is None:  # known without a turn in the lane
            await self._finish(row, refused("unsupported"))
            return

        async def act(driver: Driver | None) -> None:
            try:
                ended = await self._act(row, driver)
            except asyncio.CancelledError:  # the device was removed in the middle of it
                if self._running:
                    cut_off = unconfirmed("the device was removed meanwhile")
                    self._spawn(self._finish_in_time(row, cut_off), f"answer {row.command_id}")
                raise
            if ended is not None:
                # Not awaited: a full disk must not hold up what the lane does next.
                answer = self._finish_in_time(row, ended.result, ended.write)
                self._spawn(answer, f"answer {row.command_id}")

        self._lanes.put(device_id, act)

    def _work(self, row: CommandRow, driver: Driver) -> Work | None:
        """How it is done; None where the device cannot."""
        if row.kind in ERRANDS:
            return self._errands.work(row, driver)
        if not isinstance(driver, Latch):
            return None
        operate = driver.unlock if row.kind == "unlock" else driver.lock

        async def work() -> Ended:
            return Ended(result_of(await operate(deadline_s=MOMENTARY_DEADLINE_S)))

        return work

    async def _act(self, row: CommandRow, driver: Driver | None) -> Ended | None:
        """How it ended; None when it was answered before. Nothing is done that is not journaled."""
        if row.not_after is not None and row.not_after <= self._clock.now():
            return Ended(refused("expired"))
        if driver is None:
            return Ended(refused("radio_unavailable"))
        work = self._work(row, driver)
        if work is None:
            return Ended(refused("unsupported"))
        try:
            if not await self._store.submit(lambda tx: journal.start(tx, row.command_id)):
                return None
        except (StoreFull, StoreBusy) as error:
            return Ended(refused("store_full", str(error)))
        try:
            async with self._arbiter.airtime(Priority.MOMENTARY):
                if row.not_after is not None and row.not_after <= self._clock.now():
                    return Ended(refused("expired"))  # others had the air
                return await work()
        except Unreachable as error:
            result = refused("unreachable", str(error))
        except (OutcomeUnknown, PeerProtocolError) as error:
            result = unconfirmed(str(error))
        except DeviceRefused as error:
            result = refused(error.refusal.value)
        except RadioError as error:
            result = refused("radio_unavailable", str(error))
        except GatewayError as error:
            log.exception("a command broke a rule of ours", command=row.command_id)
            result = unconfirmed(str(error))
        except Exception as error:
            # Whoever gave the command is answered; how far it came, nobody knows.
            log.exception("a command met a defect of ours", command=row.command_id)
            result = unconfirmed(type(error).__name__)
        return Ended(result)

    async def _finish_in_time(
        self, row: CommandRow, result: Result, also: Callable[[Tx], None] | None = None
    ) -> None:
        await self._retried(self._finishing(row, result, also))
        self._taken.discard(row.command_id)

    async def _finish(self, row: CommandRow, result: Result) -> None:
        await self._store.submit(self._finishing(row, result))
        self._taken.discard(row.command_id)

    def _finishing(
        self, row: CommandRow, result: Result, also: Callable[[Tx], None] | None = None
    ) -> Callable[[Tx], None]:
        now = self._clock.now()
        trust = self._clock.trust

        def write(tx: Tx) -> None:
            if not journal.finish(tx, row.command_id, result, now):
                return
            if also is not None:
                also(tx)
            events.append(tx, _audit(row, result, now), trust)

        return write

    # ── removal of a device ─────────────────────────────────────────────────────────────

    async def _remove(self, row: CommandRow) -> None:
        """Codes of ours come off first: a lock that leaves keeps what is on it."""
        device_id = DeviceId(row.device_id or "")
        stored = await self._store.fetch_one(devices.device(device_id))
        if stored is None or stored.removed_at is not None:
            await self._finish_in_time(row, {"outcome": "refused", "reason": "unknown_device"})
            return
        left = [s for s in await self._store.fetch(reported.slots_for(device_id)) if s.owner]
        if left and not row.body.get("force"):
            result: Result = {
                "outcome": "refused",
                "reason": "codes_on_lock",
                "detail": f"{len(left)} managed codes are still on it; revoke them or use force",
            }
            await self._finish_in_time(row, result)
            return
        try:
            await self._lanes.forget(device_id, force=bool(row.body.get("force")))
        except RequestError as error:
            result = {"outcome": "refused", "reason": error.code, "detail": str(error)}
            await self._finish_in_time(row, result)
            return
        except GatewayError as error:
            log.warning("the device did not leave by itself", device=device_id, cause=str(error))
        except Exception:
            # The owner wants it gone: a defect on the way out must not keep it here.
            log.exception("dismissing a device met a defect of ours", device=device_id)
        now, trust = self._clock.now(), self._clock.trust

        def write(tx: Tx) -> None:
            if devices.remove_device(tx, device_id, now):
                events.append(tx, Fact(EventType.DEVICE_REMOVED, now, device_id), trust)

        await self._retried(write)
        await self._finish_in_time(row, {"outcome": "confirmed", "codes_left_on_it": len(left)})

    async def _retried(self, write: Callable[[Tx], None]) -> None:
        while True:
            try:
                await self._store.submit(write)
            except (StoreFull, StoreBusy):
                await self._clock.sleep(STORE_PAUSE_S)
            else:
                return


def _audit(row: CommandRow, result: Result, now: Instant) -> Fact:
    """Who ordered what, `why` in their words, and what came of it; `reason` is ours."""
    why = row.body.get("reason")
    body: dict[str, Value] = {
        "command_id": row.command_id,
        "kind": row.kind,
        "actor": row.actor,
        "why": why if isinstance(why, str) else None,
        "outcome": result["outcome"],
        "reason": result.get("reason"),
    }
    if row.kind in ERRANDS:
        body["about"] = about(row)
    device_id = DeviceId(row.device_id) if row.device_id else None
    return Fact(EventType.AUDIT_COMMAND, now, device_id, body=body)


def _is_open(tx: Tx, row: CommandRow) -> bool:
    """It may have been answered since `row` was read."""
    stored = tx.one(journal.command(row.command_id))
    return stored is not None and stored.state is not CommandState.DONE


# ── commands that are done when the store says so ───────────────────────────────────────


def _revoke(tx: Tx, row: CommandRow, now: Instant) -> Result:
    credential_id = CredentialId(str(row.body.get("credential_id", "")))
    device_id = DeviceId(row.device_id) if row.device_id else None
    revision, meant = tx.one(meta.revision()) or 0, row.body.get("version")
    if isinstance(meant, int) and (tx.one(desired.version_of(credential_id)) or 0) > meant:
        return {"outcome": "refused", "reason": "superseded"}
    hit = desired.tombstone(tx, Tombstone(credential_id, device_id), revision, now, reason=REVOKED)
    if isinstance(meant, int):
        # The edit that made this version may be withheld: a snapshot would bring it back as new.
        desired.outdate(tx, credential_id, meant, now)
    if hit:
        return {"outcome": "confirmed", "grants": len(hit)}
    if not isinstance(meant, int):
        return {"outcome": "refused", "reason": "unknown_credential"}
    # The schedule that lists it may still be on its way, and must not bring it.
    if tx.one(desired.version_of(credential_id)) is None:
        beforehand.remember(tx, [Revoked(credential_id, device_id, meant)], now)
    return {"outcome": "confirmed", "grants": 0}


def _revoke_subject(tx: Tx, row: CommandRow, now: Instant) -> Result:
    subject = str(row.body.get("subject_id", ""))
    revision = tx.one(meta.revision()) or 0
    grants = 0
    for credential_id in tx.all(desired.credentials_of_subject(subject)):
        grants += len(
            desired.tombstone(tx, Tombstone(credential_id), revision, now, reason=REVOKED)
        )
    return {"outcome": "confirmed", "grants": grants}


def _known_device(tx: Tx, row: CommandRow) -> DeviceId | Result:
    """The device that a command is about, or why there is none to do it to."""
    if row.device_id is None:
        return {"outcome": "refused", "reason": "no_device"}
    device_id = DeviceId(row.device_id)
    stored = tx.one(devices.device(device_id))
    if stored is None or stored.removed_at is not None:
        return {"outcome": "refused", "reason": "unknown_device"}
    return device_id


def _resume_repair(tx: Tx, row: CommandRow, now: Instant) -> Result:
    device_id = _known_device(tx, row)
    if isinstance(device_id, dict):
        return device_id
    again = 0
    for grant in tx.all(reported.grants_for(device_id)):
        if grant.removed_externally:
            reported.update_grant(tx, grant.grant_id, now, removed_externally=False)
            again += 1
    devices.update_device(tx, device_id, repair_paused=None)
    return {"outcome": "confirmed", "grants": again}


def _rename(tx: Tx, row: CommandRow, now: Instant) -> Result:
    device_id = _known_device(tx, row)
    if isinstance(device_id, dict):
        return device_id
    name = str(row.body.get("name", "")).strip()
    if not 1 <= len(name) <= 64:
        return {"outcome": "refused", "reason": "invalid_name"}
    devices.update_device(tx, device_id, name=name)
    return {"outcome": "confirmed"}


def _refresh(tx: Tx, row: CommandRow, now: Instant) -> Result:
    """Forget what was read of unmanaged slots, so that planning reads the lock anew."""
    device_id = _known_device(tx, row)
    if isinstance(device_id, dict):
        return device_id
    reported.forget_unmanaged(tx, device_id)
    devices.update_device(tx, device_id, inventory_done=False)
    return {"outcome": "confirmed"}


_IN_STORE: Mapping[str, Callable[[Tx, CommandRow, Instant], Result]] = {
    "revoke": _revoke,
    "revoke_subject": _revoke_subject,
    "resume_repair": _resume_repair,
    "rename": _rename,
    "refresh": _refresh,
}
