"""One code at one lock: when it may open the door, and when it must.

`renew` answers for the present conditions and orders; the answer holds until `fresh_until` or until
something of them changes. Not here: what a door did about it (`watch`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from tests.simulation.judging.dark import passes
from tests.simulation.windows import EVER, NEVER

if TYPE_CHECKING:
    from tests.simulation.judging.orders import Grant, Order

KEPT_ENDS = 16


class Times(NamedTuple):
    """The conditions at one lock. `reach`, `time`: since when they are good; None: they are not."""

    reach: int | None
    erases: int | None
    """As `reach`, for what needs no room on the disk."""
    time: int | None
    floor: tuple[int, int] | None
    """What time it was at least, as the gateway must know, and when; None: it need know nothing."""
    error_ms: int
    early_ms: int
    """How long before an opening the code may open the door."""
    t_ms: int
    keeps: bool
    """The lock itself opens and shuts by what was written into it."""


class Must(NamedTuple):
    """Between, edges excluded, this grant must open. `patient`: an edit may be coming."""

    begin: int
    end: int
    grant: Grant
    patient: bool


class _End(NamedTuple):
    """The code stopped being right at `close`; by an order if that is where it was replaced."""

    close: int
    replaced: int | None


@dataclass(slots=True, eq=False)
class Pair:
    """`orders`: every order by which these digits may open this lock, unless it is long over."""

    device_id: str
    digits: str
    orders: list[Order] = field(default_factory=list)
    grants: list[Grant] = field(default_factory=list)
    """Whoever was ever given these digits here."""
    ends: list[_End] = field(default_factory=list)
    """Of orders that have been replaced for certain."""
    # what was computed
    stamp: tuple[int, int] = (-1, -1)
    error_ms: int = -1
    fresh_until: int = NEVER
    allowed: bool = False
    opens_at: int = NEVER
    """The opening, while it is allowed only by the lead."""
    ended_at: int = NEVER
    """When it was last right."""
    new_from: int = NEVER
    """After this instant and T it must not appear any more."""
    late_from: int = EVER
    """After this instant it must be gone."""
    musts: list[Must] = field(default_factory=list)
    # what was seen
    seen_at: int | None = None
    open: bool = False
    shut_since: int | None = None
    excused: dict[str, int] = field(default_factory=dict)
    """By credential: when it last had a reason not to open though it should."""
    flagged: dict[str, None] = field(default_factory=dict)

    @property
    def owners(self) -> str | None:
        """For people."""
        return ",".join(grant.credential.credential_id for grant in self.grants) or None

    def renew(self, at: int, times: Times) -> None:
        self.fresh_until = EVER
        self._may(at, times)
        self._shall(at, times)

    # ── may it open ─────────────────────────────────────────────────────────────────────

    def _may(self, at: int, times: Times) -> None:
        self.allowed, self.opens_at, self.ended_at = False, EVER, NEVER
        self.new_from = NEVER
        self.late_from = EVER if times.erases is None else times.erases + times.t_ms
        for order in list(self.orders):
            if order.ended is not None and order.ended <= at:
                self._bury(order, times)
            else:
                self._allow(order, at, times)
        for end in self.ends:
            self._over(end, times)
        if self.opens_at == EVER:
            self.opens_at = NEVER

    def _allow(self, order: Order, at: int, times: Times) -> None:
        assert order.calendar is not None
        end = _end(order)
        early = times.early_ms if order.calendar.edged else 0
        span = order.calendar.latest((at if end is None else min(at, end - 1)) + early)
        if end is None or at < end:
            following = order.calendar.following(at + early)
            if following is not None:
                self._until(following.opens - early)
        if span is None:
            if end is not None and at >= end:
                self._written_ahead(end, times)
            return
        until = span.closes if end is None else min(span.closes, end)
        if at < until:
            self.allowed = True
            self._until(until)
            if span.opens > at:
                self.opens_at = min(self.opens_at, span.opens)
                self._until(span.opens)
            else:
                self.opens_at = NEVER
        else:
            self._over(_End(until, end), times)

    def _bury(self, order: Order, times: Times) -> None:
        """It is replaced for good; only when it last was right is remembered."""
        assert order.calendar is not None
        end = _end(order)
        assert end is not None
        self.orders.remove(order)
        early = times.early_ms if order.calendar.edged else 0
        span = order.calendar.latest(end - 1 + early)
        if span is None and not times.keeps:
            return
        if order.at < end:
            self.ends.append(_End(end if span is None else min(span.closes, end), end))
            del self.ends[:-KEPT_ENDS]

    def _written_ahead(self, end: int, times: Times) -> None:
        """It was replaced before it opened, and may be in a lock that opens by itself."""
        if times.keeps:
            self._over(_End(end, end), times)

    def _over(self, end: _End, times: Times) -> None:
        """From when on an order that ended so is no excuse any more."""
        self.ended_at = max(self.ended_at, end.close)
        ways = []
        if end.replaced is not None:  # an order needs no clock
            new = end.replaced
            if times.keeps:  # what could not be taken off opens when its time has come
                new = EVER if times.reach is None else max(new, times.reach)
            ways.append((new, end.replaced, times.reach))
        if end.close != end.replaced and times.time is not None:
            closed = end.close + times.error_ms
            ways.append((closed, max(closed, times.time), times.erases))
        if end.close != end.replaced and times.floor is not None:
            over = passes(times.floor, end.close + times.error_ms)
            ways.append((over, over, times.erases))
        self.new_from = max(self.new_from, min((new for new, _, _ in ways), default=EVER))
        late = [max(since, able) for _, since, able in ways if able is not None]
        self.late_from = max(self.late_from, min(late) + times.t_ms) if late else EVER

    # ── must it open ────────────────────────────────────────────────────────────────────

    def _shall(self, at: int, times: Times) -> None:
        self.musts = []
        for grant in self.grants:
            must = self._must(grant, at, times)
            if must is not None:
                self.musts.append(must)

    def _must(self, grant: Grant, at: int, times: Times) -> Must | None:
        begin, end = (
            (NEVER, EVER) if grant.latest.known_at is None else (grant.latest.known_at, EVER)
        )
        for order in grant.orders:
            if (
                order.digits != self.digits
                or order.calendar is None
                or order.used_up_at is not None
            ):
                return None
            span = order.calendar.latest(at)
            if span is None or at >= span.closes:
                return None
            if order.calendar.edged:
                if times.time is None:
                    return None
                begin = max(begin, span.opens + times.error_ms, times.time)
            end = min(end, span.closes - times.error_ms)
        if times.reach is None:
            return None
        begin = max(begin, times.reach) + times.t_ms
        return Must(begin, end, grant, patient=len(grant.orders) > 1)

    def _until(self, at: int) -> None:
        self.fresh_until = min(self.fresh_until, at)


def _end(order: Order) -> int | None:
    end = order.end if order.ended is None else order.ended
    doubtful = order.owner is not None and order.owner.doubtful
    used = None if doubtful else order.used_up_at
    return used if end is None else end if used is None else min(used, end)
