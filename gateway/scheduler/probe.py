"""Running an installation test of a lock's schedules, from the order to its verdict.

Here: the probe credential's life in the store and what the installer is told meanwhile. Writing
and erasing it is planning's business, seeing it refused at the door the doorbell's.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gateway.domain.events import EventType, Fact
from gateway.domain.grants import GrantState, Origin, SubjectClass
from gateway.domain.ids import CredentialId, DeviceId, GrantId
from gateway.domain.instant import Instant, after
from gateway.domain.probe import ENDED, PROBE_S, ProbeProgress, ProbeStage, draw_digits
from gateway.domain.schedule import CredentialSpec, Tombstone
from gateway.domain.windows import Timed
from gateway.errors import RequestError
from gateway.kit.tasks import wait_or_sleep
from gateway.store import desired, devices, events, meta, reported

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from gateway.domain.secret import Secret
    from gateway.kit.clock import Clock
    from gateway.store.database import Store
    from gateway.store.keyring import Keyring
    from gateway.store.reported import GrantRow
    from gateway.store.tx import Tx

LOOK_S = 1.0


class Prober:
    """`below(n)` and `new_id()` are the machine's secure randomness."""

    def __init__(
        self,
        store: Store,
        keyring: Keyring,
        clock: Clock,
        below: Callable[[int], int],
        new_id: Callable[[], CredentialId],
    ) -> None:
        self._store = store
        self._keyring = keyring
        self._clock = clock
        self._below = below
        self._new_id = new_id

    async def probe(self, device_id: DeviceId, actor: str) -> AsyncGenerator[ProbeProgress]:
        """Until a verdict. Closing it early takes the code off the lock. RequestError."""
        digits = await self._digits(device_id)
        credential_id = self._new_id()
        until = after(self._clock.now(), PROBE_S)
        await self._order(device_id, credential_id, digits, until, actor)
        changed = asyncio.Event()
        leave = self._store.subscribe(lambda _: changed.set())
        try:
            while True:
                changed.clear()
                row = await self._store.fetch_one(reported.grant(GrantId(credential_id, device_id)))
                step = await self._step(row, device_id, digits, until)
                yield step
                if step.stage in ENDED:
                    return
                await wait_or_sleep(changed, self._clock, LOOK_S)
        finally:
            leave()
            await self._end(credential_id)

    async def _digits(self, device_id: DeviceId) -> Secret:
        row = await self._store.fetch_one(devices.device(device_id))
        if row is None or row.removed_at is not None:
            raise RequestError(f"could not probe {device_id}: no such device", "unknown_device")
        limits = row.capabilities.codes
        if limits is None or not row.capabilities.schedules.year_day:
            raise RequestError(
                f"could not probe {row.name}: this lock says that it keeps no schedules",
                "unsupported",
            )
        taken = {g.digits_hash for g in await self._store.fetch(reported.grants_for(device_id))}
        while True:
            digits = draw_digits(limits, self._below)
            if self._keyring.hash(digits) not in taken:
                return digits

    async def _order(
        self,
        device_id: DeviceId,
        credential_id: CredentialId,
        digits: Secret,
        until: Instant,
        actor: str,
    ) -> None:
        now, trust = self._clock.now(), self._clock.trust
        spec = CredentialSpec(
            credential_id,
            1,
            digits,
            (device_id,),
            Timed(now, until),
            name="schedule probe",
            subject_class=SubjectClass.SYSTEM,
            origin=Origin.PROBE,
        )

        def write(tx: Tx) -> None:
            desired.upsert_credential(tx, self._keyring, spec, tx.one(meta.revision()) or 0, now)
            fact = Fact(
                EventType.AUDIT_PROBED, now, device_id, credential_id, body={"actor": actor}
            )
            events.append(tx, fact, trust)

        await self._store.submit(write)

    async def _step(
        self, row: GrantRow | None, device_id: DeviceId, digits: Secret, until: Instant
    ) -> ProbeProgress:
        left = max(0.0, (until - self._clock.now()) / 1000)
        if row is None or row.removed is not None:
            device = await self._store.fetch_one(devices.device(device_id))
            proven = device is not None and device.schedules_proven
            return ProbeProgress(ProbeStage.PROVEN if proven else ProbeStage.OPENED, 0)
        if row.state is GrantState.REJECTED:
            return ProbeProgress(ProbeStage.FAILED, 0, detail=row.reason or "")
        if left <= 0:
            return ProbeProgress(ProbeStage.UNANSWERED, 0)
        if row.state in {GrantState.ACTIVE, GrantState.PROGRAMMED}:
            return ProbeProgress(ProbeStage.TYPE, left, digits)
        return ProbeProgress(ProbeStage.WRITING, left, detail=row.reason or "")

    async def _end(self, credential_id: CredentialId) -> None:
        now = self._clock.now()

        def write(tx: Tx) -> None:
            revision = tx.one(meta.revision()) or 0
            desired.tombstone(tx, Tombstone(credential_id), revision, now, reason="probe_over")

        await self._store.submit(write)
