"""Whom to believe about the time: pure rules over what sources say and what was believed before.

Authenticated words count for more than weak ones, near ones for more than far ones, and what came
first in a boot is what the others are measured against; ARCHITECTURE.md has the table. Not here:
reading sources (`timekeeping.host`), signatures (`proof`), memory and telling (`keeper`).
"""

from __future__ import annotations

from dataclasses import replace

from gateway.domain.instant import ClockTrust, Instant
from gateway.domain.timebelief import (
    AUTHENTICATED,
    Adopted,
    Base,
    Belief,
    Bound,
    Finding,
    FloorLowered,
    Limits,
    Proof,
    Reading,
    Reason,
    Refused,
    Source,
    Waiting,
    uptime_ms,
)

RELEASED = Instant(1_767_225_600_000)
"""2026-01-01: no true time is older than this software. For a gateway without a floor."""

SLACK_MS = 2_000
"""No difference below this is a jump."""
SLEW_MOST_MS = 10_000
"""A difference below this is closed slowly, so that no edge of a window is crossed twice."""
SLEW_MS_PER_S = 10
RTC_AGREES_MS = 60_000
TOLD_ALIVE_S = 300.0
"""The cloud's time comes with answers to the hello, once a minute; it is alive for this long."""
LONE_KEPT_S = 600.0
"""How long an authenticated word that nobody seconded waits for a second one."""

_TOLD = frozenset({Source.CLOUD, Source.CLOUD_UNSIGNED, Source.TECHNICIAN})
"""Speak now and then, by messages."""
_RANK = {source: rank for rank, source in enumerate(reversed(Source))}
_FOLLOWED = frozenset({Source.KERNEL, Source.NTS})
"""Keeps the time all along: followed to the middle of what it says, not only to its error."""


def begin(
    wall: Instant,
    uptime_s: float,
    floor: Instant | None,
    last: Instant | None,
    limits: Limits,
    *,
    weak: bool = False,
    doubted: bool = False,
) -> Belief:
    """A boot of which nothing is known. `floor`, `last`: as they stood when the power went.

    Both have risen by the uptime at least. `weak`: of the floor; `doubted`: of `last`. The wall
    clock is only a guess, and only where it is a possible one: nothing acts on it, but people read
    it in what is written down.
    """
    belief = Belief(
        0,
        uptime_s,
        None if floor is None else Bound(floor, 0.0, weak),
        None if last is None else Bound(last, 0.0),
        doubted=doubted,
    )
    known = belief.least_at(uptime_s, limits)
    least = known or RELEASED
    possible = least <= wall and (not known or wall <= least + limits.longest_outage_s * 1000)
    return replace(belief, offset_ms=(wall if possible else least) - uptime_ms(uptime_s))


def judge(
    belief: Belief, readings: tuple[Reading, ...], uptime_s: float, limits: Limits
) -> tuple[Belief, list[Finding]]:
    """What is believed after these words, all said now.

    Authenticated words are heard first. An RTC is to be given only if it ran by itself since the
    start: the kernel sets it while synchronised, so that it would only repeat the kernel's word.
    """
    lone = tuple(one for one in belief.lone if uptime_s - one[1] <= LONE_KEPT_S)
    passed_s = uptime_s - belief.seen_s
    belief = replace(belief, seen_s=uptime_s, lone=lone)
    judgement = _Judgement(belief, readings, uptime_s, passed_s, limits)
    for reading in sorted(readings, key=lambda one: _RANK[one.source]):
        judgement.hear(reading)
    return judgement.verdict(), judgement.findings


class _Judgement:
    """One round of words; `belief` is what is believed so far."""

    def __init__(
        self,
        belief: Belief,
        readings: tuple[Reading, ...],
        uptime_s: float,
        passed_s: float,
        limits: Limits,
    ) -> None:
        self.belief = belief
        self.findings: list[Finding] = []
        self._floor = belief.proven_at(uptime_s, limits)
        self._readings = readings
        self._uptime_s = uptime_s
        self._passed_s = passed_s
        self._limits = limits
        self._agreed = False

    def hear(self, reading: Reading) -> None:
        if reading.source in AUTHENTICATED:
            self._authenticated(reading)
        elif reading.source is Source.RTC:
            self._rtc(reading)
        else:
            self._weak(reading)

    def verdict(self) -> Belief:
        belief = self.belief
        if belief.base is None or belief.contested:
            trust = ClockTrust.UNTRUSTED
        elif self._agreed or self._told_lately():
            trust = ClockTrust.TRUSTED
        else:
            trust = ClockTrust.HOLDOVER
        return replace(belief, trust=trust)

    def _told_lately(self) -> bool:
        told = self.belief.told_s
        return told is not None and self._uptime_s - told <= TOLD_ALIVE_S

    # ── authenticated ───────────────────────────────────────────────────────────────────

    def _authenticated(self, reading: Reading) -> None:
        """Against our own proven time it needs a second; against a weak source's word it does not.

        Else whoever forges plain NTP need only be quicker than the cloud.
        """
        base = self.belief.base
        proven = base is not None and base.authenticated
        near = base is not None and self._is_near(base, reading)
        if proven and not near and not self._is_seconded(reading):
            self._keep_for_another(reading)
            self._refuse(reading, Reason.ALONE)
            return
        if self._latest(reading) < self._floor - SLACK_MS:
            if reading.source is not Source.CLOUD:
                self._keep_for_another(reading)
                self._refuse(reading, Reason.BEHIND_FLOOR)
                return
            self.findings.append(FloorLowered(self._floor - self._earliest(reading)))
            self._floor = Instant(0)
        if base is not None and near:
            self._agree(reading)
            base = self._confirmed(base, reading)
        else:
            self._adopt(reading)
            base = self.belief.base
        self._floor = max(self._floor, self._earliest(reading))
        self.belief = replace(
            self.belief,
            floor=Bound(self._floor, self._uptime_s),
            base=base,
            lone=(),
            contested=False,
            doubted=False,
        )

    def _keep_for_another(self, reading: Reading) -> None:
        """It counts for nothing by itself, and may second somebody."""
        others = (one for one in self.belief.lone if one[0].source is not reading.source)
        self.belief = replace(self.belief, lone=(*others, (reading, self._uptime_s)))

    def _confirmed(self, base: Base, reading: Reading) -> Base:
        """An authenticated word that agrees makes a new base, unless the old one is the better."""
        since = self._limits.drift_ms(self._uptime_s - base.uptime_s)
        if base.authenticated and base.error_ms + since <= reading.error_ms:
            return base
        return Base(reading.offset_ms, self._uptime_s, reading.error_ms, authenticated=True)

    def _is_seconded(self, reading: Reading) -> bool:
        words = [*self._readings, *(word for word, _ in self.belief.lone)]
        kernel = {Source.KERNEL, Source.NTS}
        return any(
            abs(word.offset_ms - reading.offset_ms) <= word.error_ms + reading.error_ms + SLACK_MS
            for word in words
            if word.source is not reading.source and not {word.source, reading.source} <= kernel
        )

    # ── weak ────────────────────────────────────────────────────────────────────────────

    def _weak(self, reading: Reading) -> None:
        base, proof = self.belief.base, self.belief.proof
        if self._is_behind_floor(reading):
            self._refuse(reading, Reason.BEHIND_FLOOR)
        elif base is None or proof is None or proof.source is Source.RTC:
            self._first(reading)
        elif base.provisional and (self.belief.contested or not self._is_near(base, reading)):
            self._first(reading, contradicts=True)
        elif self._is_near(base, reading):
            self._agree(reading)
            self._settle(base, reading)
        else:
            self._refuse(reading, Reason.BEYOND_DRIFT)

    def _settle(self, base: Base, reading: Reading) -> None:
        """It said so for long enough."""
        said_s = self._uptime_s - base.uptime_s
        if base.provisional:
            if said_s >= self._limits.steady_s:
                settled = Base(
                    reading.offset_ms, self._uptime_s, reading.error_ms, authenticated=False
                )
                self.belief = replace(self.belief, base=settled)
                self._take_weak_floor(reading)
        elif self.belief.doubted and said_s >= self._limits.doubted_s:
            self.belief = replace(self.belief, doubted=False)

    def _take_weak_floor(self, reading: Reading) -> None:
        """On a gateway that no authenticated source ever told the time: the floor is what weak ones
        say until others do. It keeps erasures going, and nobody is refused for it."""
        floor = self.belief.floor
        if floor is None or (
            floor.weak and floor.risen(self._uptime_s, self._limits) > self._latest(reading)
        ):
            bound = Bound(self._earliest(reading), self._uptime_s, weak=True)
            self.belief = replace(self.belief, floor=bound)

    def _first(self, reading: Reading, *, contradicts: bool = False) -> None:
        """A weak source in a boot in which nothing is settled: how long we were off is unknown.

        `contradicts`: another weak one spoke before it. Then neither is believed until one has said
        the same for long enough, and the other nothing.
        """
        least = self.belief.least_at(self._uptime_s, self._limits)
        off_ms = self._at(reading) - least
        too_long = off_ms > self._limits.longest_outage_s * 1000 + reading.error_ms
        behind = off_ms < -SLACK_MS - reading.error_ms
        if least and too_long and not self.belief.doubted and not self._rtc_agrees(reading):
            self._refuse(reading, Reason.OUTAGE_TOO_LONG)
            return
        at_once = not least or (not behind and off_ms <= self._limits.short_outage_s * 1000)
        if self._rtc_agrees(reading) or (at_once and not contradicts):
            self._adopt(reading, provisional=True)
        elif self._is_steady(reading):
            self._adopt(reading)
            self._take_weak_floor(reading)
        else:
            self.belief = replace(self.belief, contested=contradicts)
            self.findings.append(Waiting(reading.source, self._difference(reading)))
            return
        if not least or behind or too_long:
            self.belief = replace(self.belief, doubted=True)

    def _is_steady(self, reading: Reading) -> bool:
        known, since = self.belief.candidate, self.belief.candidate_s
        most = SLACK_MS + reading.error_ms
        if known is None or abs(known.offset_ms - reading.offset_ms) > most:
            known, since = reading, self._uptime_s
        self.belief = replace(self.belief, candidate=known, candidate_s=since)
        return self._uptime_s - since >= self._limits.steady_s

    def _rtc(self, reading: Reading) -> None:
        """The battery-backed clock alone: enough to go on with until somebody else speaks."""
        if self.belief.base is not None:
            return
        least = self.belief.least_at(self._uptime_s, self._limits)
        off_ms = self._at(reading) - least
        if not least:
            self._refuse(reading, Reason.NEVER_SET)
        elif self._is_behind_floor(reading):
            self._refuse(reading, Reason.BEHIND_FLOOR)
        elif off_ms < -RTC_AGREES_MS:
            self._refuse(reading, Reason.BEHIND_LAST)
        elif off_ms > self._limits.longest_outage_s * 1000:
            self._refuse(reading, Reason.OUTAGE_TOO_LONG)
        else:
            error_ms = reading.error_ms + self._limits.drift_ms(max(0, off_ms) / 1000)
            self._adopt(replace(reading, error_ms=error_ms), provisional=True)

    def _rtc_agrees(self, reading: Reading) -> bool:
        return any(
            abs(word.offset_ms - reading.offset_ms) <= RTC_AGREES_MS
            for word in self._readings
            if word.source is Source.RTC
        )

    # ── what both come to ───────────────────────────────────────────────────────────────

    def _agree(self, reading: Reading) -> None:
        """The difference is within what a crystal drifts: follow, slowly while that is enough."""
        if self._agreed and reading.source not in AUTHENTICATED:
            return  # a better one was heard already
        self._agreed = True
        ahead = reading.offset_ms - self.belief.offset_ms
        if reading.source not in _FOLLOWED:  # its error is the way's: no reason to move within it
            ahead = _beyond(ahead, reading.error_ms)
        if abs(ahead) > SLEW_MOST_MS:
            self.findings.append(Adopted(reading.source, ahead, wrong_before=False))
        else:
            most = round(self._passed_s * SLEW_MS_PER_S)
            ahead = max(-most, min(most, ahead))
        offset_ms = self.belief.offset_ms + ahead
        error_ms = reading.error_ms + abs(reading.offset_ms - offset_ms)
        self._prove(reading.source, offset_ms, error_ms)

    def _adopt(self, reading: Reading, *, provisional: bool = False) -> None:
        by_ms = reading.offset_ms - self.belief.offset_ms
        self._agreed = self._agreed or reading.source is not Source.RTC
        self.findings.append(Adopted(reading.source, by_ms, wrong_before=True))
        self._prove(reading.source, reading.offset_ms, reading.error_ms)
        base = Base(
            reading.offset_ms,
            self._uptime_s,
            reading.error_ms,
            reading.source in AUTHENTICATED,
            provisional,
        )
        self.belief = replace(self.belief, base=base, candidate=None, contested=False)

    def _prove(self, source: Source, offset_ms: int, error_ms: int) -> None:
        proof = Proof(source, self._uptime_s, error_ms)
        told = self._uptime_s if source in _TOLD else self.belief.told_s
        self.belief = replace(self.belief, offset_ms=offset_ms, proof=proof, told_s=told)

    def _is_near(self, base: Base, reading: Reading) -> bool:
        drift_ms = self._limits.drift_ms(self._uptime_s - base.uptime_s)
        error_ms = reading.error_ms
        if reading.source not in AUTHENTICATED:  # a liar would call itself as bad as it likes
            error_ms = min(error_ms, SLACK_MS)
        most = max(SLACK_MS, drift_ms) + error_ms + base.error_ms
        return abs(reading.offset_ms - base.offset_ms) <= most

    def _is_behind_floor(self, reading: Reading) -> bool:
        return self._latest(reading) < (self._floor or RELEASED)

    def _at(self, reading: Reading) -> Instant:
        return Instant(reading.offset_ms + uptime_ms(self._uptime_s))

    def _earliest(self, reading: Reading) -> Instant:
        return Instant(self._at(reading) - reading.error_ms)

    def _latest(self, reading: Reading) -> Instant:
        return Instant(self._at(reading) + reading.error_ms)

    def _difference(self, reading: Reading) -> int:
        return reading.offset_ms - self.belief.offset_ms

    def _refuse(self, reading: Reading, reason: Reason) -> None:
        self.findings.append(Refused(reading.source, self._difference(reading), reason))


def _beyond(ahead: int, error_ms: int) -> int:
    """What is left of a difference when the error is taken off it."""
    return max(0, ahead - error_ms) if ahead >= 0 else min(0, ahead + error_ms)
