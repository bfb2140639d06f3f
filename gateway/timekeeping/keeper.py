"""Watches the sources of time, moves the house's clock by what may be believed, remembers it.

At the start, every 30 s, at each step of the wall clock and at each message that tells the time,
one look: read, judge (`domain.timetrust`), adopt, tell, write down. Not here: the rules.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeVar

import structlog

from gateway.domain.events import EventType, Fact, Value
from gateway.domain.instant import SECOND, ClockTrust, Instant
from gateway.domain.timebelief import (
    Adopted,
    FloorLowered,
    Limits,
    Reading,
    Refused,
    Source,
    Waiting,
)
from gateway.domain.timetrust import judge
from gateway.domain.wants import Moment
from gateway.errors import StoreBusy, StoreFull
from gateway.kit.tasks import wait_or_sleep
from gateway.store import events, meta
from gateway.timekeeping.memory import Correction, Memory, begin_boot, recall
from gateway.timekeeping.view import ClockView, Disbelief, Jump

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.domain.timebelief import Belief, Finding
    from gateway.store.database import Store
    from gateway.store.tx import Tx
    from gateway.timekeeping.clock import HouseClock
    from gateway.timekeeping.host import HostTime

log = structlog.get_logger()

T = TypeVar("T")

LOOK_S: Final = 30.0
LOOK_FOR_PROOF_S: Final = 2.0
"""While nothing is proven: a service sets the clock first, which wakes us, and vouches later."""
WRITE_S: Final = 300.0
JUMP_MS: Final = 2 * SECOND
"""A wall clock that moved by this much against the uptime was stepped."""
TELL_AGAIN_S: Final = 600.0
"""A source that is believed and disbelieved in turns is told of no more often than this."""
LATE_S: Final = 100.0
"""What began while the time was unknown may be written down this much after it is known."""
RTC_ERROR_MS: Final = 1500
"""It tells whole seconds, and the kernel set it to within one."""


class TimeKeeper:
    """`begin` before anything acts on the time, then `run` until cancelled."""

    def __init__(
        self,
        host: HostTime,
        clock: HouseClock,
        store: Store,
        *,
        limits: Limits | None = None,
        ntp_is_authenticated: bool = False,
    ) -> None:
        self._host = host
        self._clock = clock
        self._store = store
        self._limits = limits or Limits()
        self._service = Source.NTS if ntp_is_authenticated else Source.KERNEL
        self._boot_id = host.boot_id()
        self._belief = begin_boot("", None, host.wall(), host.boottime(), self._limits)
        self._from_seq = 1
        self._written_s: float | None = None
        self._writing = asyncio.Lock()
        self._corrections: list[Correction] = []
        self._facts: list[Fact] = []
        self._late: tuple[Correction, float] | None = None
        self._wake = asyncio.Event()
        self._wall_offset_ms = self._wall_offset()
        self._own_rtc: Reading | None = None
        self._rtc_is_its_own = True
        self._kernel = host.kernel()
        self._rtc: Instant | None = None
        self._disbelieved: dict[Source, Refused] = {}
        self._told_s: dict[Source, float] = {}
        self._waiting: Waiting | None = None
        self._last_jump: Jump | None = None
        self._last_disbelief: Disbelief | None = None
        self.changed: Callable[[], None] = lambda: None
        """Called on the loop when trust changes, the house's time moves, the wall clock steps."""

    # ── what others ask ─────────────────────────────────────────────────────────────────

    def moment(self) -> Moment:
        """Now as the domain understands it; the floor has risen with the time that passed."""
        floor = self._belief.floor_at(self._host.boottime(), self._limits)
        return Moment(self._clock.now(), self._clock.trust, floor)

    def view(self) -> ClockView:
        uptime_s, wall, now = self._host.boottime(), self._host.wall(), self._clock.now()
        belief = self._belief
        floor = belief.floor_at(uptime_s, self._limits)
        return ClockView(
            now=now,
            trust=belief.trust,
            source=belief.proof.source if belief.proof else None,
            error_ms=belief.error_ms(uptime_s, self._limits),
            floor=floor or None,
            proven_s_ago=uptime_s - belief.proof.uptime_s if belief.proof else None,
            adopted_s_ago=uptime_s - belief.base.uptime_s if belief.base else None,
            wall=wall,
            wall_difference_ms=wall - now,
            kernel=self._kernel,
            rtc=self._rtc,
            boot_id=self._boot_id,
            uptime_s=uptime_s,
            waiting_ms=self._waiting.difference_ms if self._waiting else None,
            last_jump=self._last_jump,
            last_disbelief=self._last_disbelief,
        )

    def write_with(self, tx: Tx) -> None:
        """Write down what is believed with a transaction that matters."""
        if self._belief.base is not None:
            Memory(self._boot_id, self._belief).write(tx, self._host.boottime(), self._limits)

    # ── life ────────────────────────────────────────────────────────────────────────────

    async def begin(self) -> None:
        """Take up what was believed in this boot, or begin with what is left of the last one."""
        texts, floors, heads, begun = await self._store.snapshot(
            meta.text(meta.TIME_BELIEF),
            meta.time_floor(),
            events.head(),
            meta.integer(meta.TIME_FROM_SEQ),
        )
        uptime_s = self._host.boottime()
        known = recall(texts[0], self._boot_id, uptime_s)
        if known is not None:
            self._belief, self._from_seq = known, begun[0]
            self._rtc_is_its_own = known.base is None
        else:
            self._belief = begin_boot(
                texts[0], floors[0] or None, self._host.wall(), uptime_s, self._limits
            )
            self._from_seq = heads[0] + 1
        self._clock.adopt(self._belief.offset_ms, self._belief.trust)
        await self.look()
        if self._belief.trust is ClockTrust.UNTRUSTED:
            log.warning("the time is not proven: no code is activated by time until it is")
            if known is None:
                self._owe(EventType.GATEWAY_TIME_UNTRUSTED, {})
                await self._write()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch_jumps(), name="wall clock jumps")
            while True:
                await self.look()
                proven = self._belief.trust is not ClockTrust.UNTRUSTED
                pause_s = LOOK_S if proven else LOOK_FOR_PROOF_S
                await wait_or_sleep(self._wake, self._clock, pause_s)
                self._wake.clear()

    async def _watch_jumps(self) -> None:
        while True:
            await self._host.jumped()
            self._wake.set()

    async def look(self, *told: Reading) -> list[Finding]:
        """Once: the machine's own sources, and what somebody told just now; what came of it."""
        uptime_s = self._host.boottime()
        readings = (*told, *self._machine())
        before = self._belief
        self._belief, findings = judge(before, readings, uptime_s, self._limits)
        self._clock.adopt(self._belief.offset_ms, self._belief.trust)
        self._forgive(readings, findings)
        self._waiting = None
        for finding in findings:
            self._take(finding, before, uptime_s)
        turned = before.trust is not self._belief.trust
        if turned:
            log.info("trust in the time", trust=self._belief.trust.value, was=before.trust.value)
        moved = any(isinstance(finding, Adopted) for finding in findings)
        jumped = self._look_for_jump()
        if moved or turned or jumped:
            self.changed()
        if self._late is not None and uptime_s > self._late[1]:
            self._late = None
        due = self._written_s is None or uptime_s - self._written_s >= WRITE_S
        if moved or turned or due or self._corrections or self._facts or self._late:
            await self._write()
        return findings

    # ── sources ─────────────────────────────────────────────────────────────────────────

    def _machine(self) -> list[Reading]:
        """An RTC counts only as long as the kernel has not set it: until it is synchronised."""
        self._kernel = self._host.kernel()
        wall, wall_s, wall_ms = self._read(self._host.wall)
        self._rtc, rtc_s, rtc_ms = self._read(self._host.rtc)
        readings = []
        if self._kernel.synchronised:
            error_ms = self._kernel.max_error_ms + wall_ms
            readings.append(Reading.of(self._service, wall, error_ms, wall_s))
            self._rtc_is_its_own = False
        elif self._rtc is not None and self._rtc_is_its_own:
            middle = Instant(self._rtc + SECOND // 2)
            self._own_rtc = Reading.of(Source.RTC, middle, RTC_ERROR_MS + rtc_ms, rtc_s)
        if self._own_rtc is not None:
            readings.append(self._own_rtc)
        return readings

    def _read(self, clock: Callable[[], T]) -> tuple[T, float, int]:
        """What it says, the uptime before, the ms that passed: one may be stopped in between."""
        before_s = self._host.boottime()
        said = clock()
        return said, before_s, math.ceil((self._host.boottime() - before_s) * 1000)

    def _look_for_jump(self) -> bool:
        offset_ms = self._wall_offset()
        by_ms, self._wall_offset_ms = offset_ms - self._wall_offset_ms, offset_ms
        if abs(by_ms) < JUMP_MS:
            return False
        self._last_jump = Jump(self._clock.now(), by_ms)
        log.warning("the machine's wall clock was stepped", seconds=by_ms / 1000)
        return True

    def _wall_offset(self) -> int:
        return self._host.wall() - round(self._host.boottime() * 1000)

    # ── telling ─────────────────────────────────────────────────────────────────────────

    def _take(self, finding: Finding, before: Belief, uptime_s: float) -> None:
        match finding:
            case Adopted(source, by_ms, wrong_before):
                log.info("took the time", source=source.value, moved_s=by_ms / 1000)
                if wrong_before and (before.base is None or abs(by_ms) >= SECOND):
                    self._proven(finding, before, uptime_s)
            case Refused():
                self._disbelieve(finding, uptime_s)
            case Waiting():
                self._waiting = finding
            case FloorLowered(by_ms):
                log.error("signed time proves that the floor was too high", seconds=by_ms / 1000)
                self._owe(EventType.GATEWAY_TIME_FLOOR_LOWERED, {"by_ms": by_ms})

    def _proven(self, adopted: Adopted, before: Belief, uptime_s: float) -> None:
        """The events of the belief before are wrong by one constant; what is stamped late, too."""
        stamped = [ClockTrust.TRUSTED, ClockTrust.HOLDOVER] if before.base else []
        if before.base is None or before.contested:
            stamped.append(ClockTrust.UNTRUSTED)
        correction = Correction(adopted.by_ms, stamped)
        self._corrections.append(correction)
        if before.base is None:
            self._late = correction, uptime_s + LATE_S
        body: dict[str, Value] = {"source": adopted.source.value, "moved_ms": adopted.by_ms}
        self._owe(EventType.GATEWAY_TIME_PROVEN, body)

    def _disbelieve(self, refused: Refused, uptime_s: float) -> None:
        """Once for each time that a source leaves us, and not more often than one can read."""
        source, now = refused.source, self._clock.now()
        self._last_disbelief = Disbelief(
            source, now, refused.difference_ms, refused.reason, still=True
        )
        news = source not in self._disbelieved
        self._disbelieved[source] = refused
        told_s = self._told_s.get(source)
        if not news or (told_s is not None and uptime_s - told_s < TELL_AGAIN_S):
            return
        self._told_s[source] = uptime_s
        log.warning(
            "a source of time is not believed: it differs from our own",
            source=source.value,
            seconds=refused.difference_ms / 1000,
            reason=refused.reason.value,
        )
        body: dict[str, Value] = {
            "source": source.value,
            "difference_ms": refused.difference_ms,
            "reason": refused.reason.value,
        }
        self._owe(EventType.GATEWAY_TIME_REFUSED, body)

    def _forgive(self, readings: tuple[Reading, ...], findings: list[Finding]) -> None:
        """Who spoke and was not refused may be told of again."""
        refused = {finding.source for finding in findings if isinstance(finding, Refused)}
        for reading in readings:
            if reading.source not in refused:
                self._disbelieved.pop(reading.source, None)
        last = self._last_disbelief
        if last is not None and last.source not in self._disbelieved:
            self._last_disbelief = replace(last, still=False)

    def _owe(self, kind: EventType, body: dict[str, Value]) -> None:
        self._facts.append(Fact(kind, self._clock.now(), body=body))

    async def _write(self) -> None:
        """Everything that is known in one transaction; what could not be written is owed."""
        async with self._writing:
            corrections, facts = self._corrections, self._facts
            late = self._late[0] if self._late is not None else None
            self._corrections, self._facts = [], []
            belief, uptime_s, from_seq = self._belief, self._host.boottime(), self._from_seq
            now = self._clock.now()

            def write(tx: Tx) -> int:
                following = from_seq
                for correction in corrections or ([late] if late else []):
                    following = correction.write(tx, following, now, belief.trust)
                for fact in facts:
                    events.append(tx, fact, belief.trust)
                meta.put(tx, meta.TIME_FROM_SEQ, following)
                Memory(self._boot_id, belief).write(tx, uptime_s, self._limits)
                return following

            try:
                self._from_seq = await self._store.submit(write)
                self._written_s = uptime_s
            except (StoreFull, StoreBusy):
                self._corrections[:0], self._facts[:0] = corrections, facts
