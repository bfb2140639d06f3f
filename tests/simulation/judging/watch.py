"""What the doors do, against what was ordered: EARLY, LATE and UNAVAILABLE.

EARLY: a code starts to open a door when no order allows it, or allows it no longer. LATE: it still
opens, T after the last order that allowed it and after the conditions to take it away were good.
UNAVAILABLE: it does not open, T after it should and could. One violation for each episode.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from tests.simulation.judging.memory import excused
from tests.simulation.judging.pairs import Pair, Times
from tests.simulation.judging.promise import Lock

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.judging.conditions import Conditions
    from tests.simulation.judging.memory import Memory
    from tests.simulation.judging.orders import Grant, Orders
    from tests.simulation.judging.pairs import Must
    from tests.simulation.judging.promise import Figures, Json, Promise

_UNFIT = {"weak_code", "length", "charset"}
_NO_ROOM = {"no_free_slot", "waiting_for_erase", "looking_for_a_free_slot"}


class Watch:
    """`reported`: how a grant stands by what the cloud was told last, as on the wire."""

    def __init__(
        self,
        promise: Promise,
        conditions: Conditions,
        orders: Orders,
        figures: Figures,
        violate: Callable[[int, str, str | None, str | None, str], None],
    ) -> None:
        self._promise = promise
        self._conditions = conditions
        self._orders = orders
        self._figures = figures
        self._violate = violate
        self.memory: Memory
        self.locks: dict[str, Lock] = {}
        self.pairs: dict[str, dict[str, Pair]] = {}
        """By device, then by digits: every code that was ever ordered for any lock."""
        self.digits: dict[str, None] = {}
        self.reported: Callable[[str, str], Json | None] = lambda _credential, _device: None

    def lock(self, device_id: str, facts: Lock | None = None) -> None:
        if facts is not None or device_id not in self.locks:
            self.locks[device_id] = facts or Lock()
        if device_id not in self.pairs:
            self._conditions.device(device_id)
            self.pairs[device_id] = {code: Pair(device_id, code) for code in self.digits}

    def pair(self, device_id: str, digits: str) -> Pair:
        self.lock(device_id)
        if digits not in self.digits:
            self.digits[digits] = None
            for device, pairs in self.pairs.items():
                pairs[digits] = Pair(device, digits)
        return self.pairs[device_id][digits]

    # ── looking ─────────────────────────────────────────────────────────────────────────

    def inspect(self, at: int, device_id: str, opens: Callable[[str], bool]) -> None:
        self.lock(device_id)
        stamp = (self._conditions.stamp, self._orders.changed)
        error = self._conditions.error(at)
        self._figures.inspections += 1
        for digits, pair in self.pairs[device_id].items():
            if at >= pair.fresh_until or pair.stamp != stamp or pair.error_ms != error:
                self.renew(pair, at)
            if opens(digits):
                self._seen_open(pair, at)
            else:
                self._seen_shut(pair, at)
            pair.seen_at = at
        self._figures.looks += len(self.pairs[device_id])

    def saw(self, pair: Pair, at: int, *, opened: bool) -> bool:
        """One code was tried; whether it had to open. That it did not open is not judged: the
        keypad may have been locked, the bolt jammed."""
        self.renew(pair, at)
        if opened:
            self._seen_open(pair, at)
            pair.seen_at = at
        return any(must.begin < at < must.end for must in pair.musts)

    def reach(self, device_id: str) -> int | None:
        """Since when the gateway could work on this lock."""
        return self._conditions.reach(device_id)

    def renew(self, pair: Pair, at: int) -> None:
        """Compute anew what holds for it."""
        device_id = pair.device_id
        error = self._conditions.error(at)
        pair.stamp, pair.error_ms = (self._conditions.stamp, self._orders.changed), error
        promise, clock_ms = self._promise, self.locks[device_id].clock_ms
        early = round(promise.lead_s * 1000) + promise.granularity_ms + clock_ms + error
        pair.renew(
            at,
            Times(
                self._conditions.reach(device_id),
                self._conditions.erases(device_id),
                self._conditions.time_since,
                self._conditions.floor.value,
                clock_ms + error,
                early,
                promise.t_ms,
                self.locks[device_id].keeps_windows,
            ),
        )

    def _seen_open(self, pair: Pair, at: int) -> None:
        fresh, pair.open, pair.shut_since = not pair.open, True, None
        if pair.musts and any(must.begin < at < must.end for must in pair.musts):
            self._figures.samples += 1
            self._figures.opened += 1
        memory = self.memory.lock(pair.device_id)
        if memory.lost or pair.flagged:
            memory.lost.pop(pair.digits, None)
            pair.flagged.pop("UNAVAILABLE", None)
        if pair.allowed:
            if pair.opens_at > at:
                self._figures.early_max_ms = max(self._figures.early_max_ms, pair.opens_at - at)
            return
        if self.memory.is_strangers(pair.device_id, pair.digits):
            self._figures.excused["stranger_opens"] += 1
            return
        stray = memory.stray.get(pair.digits)
        facts = self.locks[pair.device_id]
        if excused(stray, at, self.reach(pair.device_id), facts.notices_ms):
            assert stray is not None
            self._figures.excused[f"opens: {stray.how}"] += 1
            return
        t_ms = self._promise.t_ms
        self._figures.late_max_ms = max(self._figures.late_max_ms, at - pair.late_from + t_ms)
        seen_shut = pair.seen_at is None or pair.seen_at >= pair.ended_at
        if fresh and seen_shut and at > pair.new_from + t_ms:
            again = "again " if any(order.at <= at for order in pair.orders) or pair.ends else ""
            self._flag(pair, at, "EARLY", f"the code opens {again}although no order allows it now")
        elif at > pair.late_from and "EARLY" not in pair.flagged:
            over_s = (at - pair.late_from) // 1000
            self._flag(pair, at, "LATE", f"the code still opens, {over_s} s after T was over")

    def _seen_shut(self, pair: Pair, at: int) -> None:
        pair.open = False
        if pair.shut_since is None:
            pair.shut_since = at
        if pair.flagged:
            pair.flagged.pop("EARLY", None)
            pair.flagged.pop("LATE", None)
        stray = self.memory.lock(pair.device_id).stray
        if stray:
            stray.pop(pair.digits, None)
        failed = excuse = None
        for must in pair.musts:
            if must.begin < at < must.end:
                why = self.excuse(pair, must.grant, at, since=must.begin)
                if why is None:
                    failed = must
                else:
                    excuse = why
                    pair.excused[must.grant.credential.credential_id] = at
        if failed is not None:
            self._figures.samples += 1
            if at > self._due(failed, pair, at):
                since_s = (at - failed.begin) // 1000
                words = f"a valid code does not open, {since_s} s after T was over"
                self._flag(pair, at, "UNAVAILABLE", words)
        elif excuse is not None:
            self._figures.excused[excuse] += 1

    def _due(self, must: Must, pair: Pair, at: int) -> int:
        """What worked may be in the middle of being written anew. What could not be begun, for
        want of a slot or because somebody else had these digits, begins when that is over."""
        shut_since = pair.shut_since or at
        room_at = self.memory.lock(pair.device_id).room_at
        if room_at is not None and room_at >= shut_since:
            return room_at + self._promise.t_ms
        excused_at = pair.excused.get(must.grant.credential.credential_id)
        if (
            excused_at is not None
            and excused_at >= shut_since
            and not self._barred(pair, must.grant, at)
        ):
            return excused_at + self._promise.t_ms
        if shut_since <= must.begin:
            return must.begin + (self._promise.t_ms if must.patient else 0)
        return shut_since + (self._promise.t_ms if must.patient else self._promise.blink_ms)

    def _flag(self, pair: Pair, at: int, rule: str, words: str) -> None:
        if rule not in pair.flagged:
            pair.flagged[rule] = None
            self._violate(at, rule, pair.device_id, pair.owners, words)

    # ── excuses ─────────────────────────────────────────────────────────────────────────

    def excuse(self, pair: Pair, grant: Grant, at: int, *, since: int) -> str | None:
        """Why a code need not be on its lock. `since`: from when it had to be."""
        device_id = pair.device_id
        memory, facts = self.memory.lock(device_id), self.locks[device_id]
        lost = memory.lost.get(pair.digits)
        if excused(lost, at, self.reach(device_id), facts.notices_ms):
            assert lost is not None
            return f"shut: {lost.how}"
        told = self.reported(grant.credential.credential_id, device_id)
        if told is not None and (told.get("version") or 0) >= grant.latest.version:
            reason = str(told.get("reason") or "")
            if self._plausible(pair, grant, told["state"], reason, at, since=since):
                return f"told: {told['state']} {reason.partition(':')[0]}".rstrip()
        hearing = self._conditions.hearing()
        if hearing is not None and at - hearing > self._promise.t_ms:
            return None
        return "could not tell" if lost is not None or self._barred(pair, grant, at) else None

    def _barred(self, pair: Pair, grant: Grant, at: int) -> bool:
        """Something in the truth stands in its way."""
        full = self.memory.full(pair.device_id, self.locks[pair.device_id])
        return full or self._unfit(pair) or self._shared(pair, grant, at)

    def _plausible(
        self, pair: Pair, grant: Grant, state: str, reason: str, at: int, *, since: int
    ) -> bool:
        """Whether the truth bears out what the gateway gives as its reason."""
        facts = self.locks[pair.device_id]
        if state == "rejected":
            if reason.startswith("conflicts_with"):
                # Final for this version, also when the other code has gone since (F7).
                return self._clashed(pair, grant, at)
            if reason == "digits_destroyed":
                return False  # they come with every order, and are needed as long as that holds
            return reason not in _UNFIT or self._unfit(pair)
        if state == "erased":
            # Left out by mistake: of what could not be on the lock there is nothing to withhold.
            return self._unfit(pair) or self._clashed(pair, grant, at)
        if state in {"removed_externally", "paused"}:
            return self.memory.lock(pair.device_id).tampered
        if state == "pending" and reason in _NO_ROOM:
            waited = at - since <= self._promise.room_ms
            full = facts.slots is None or self.memory.full(pair.device_id, facts)
            full = full and not self._has_room_kept_for_later(pair, at)
            return waited or full or self._shared(pair, grant, at)
        return False

    def _has_room_kept_for_later(self, pair: Pair, at: int) -> bool:
        """Somebody's code is on the lock whose opening is far, while this one should open now."""
        far = at + 2 * self._promise.room_ms
        # Whose window was over a moment ago may be about to go.
        lately = at - 2 * self._promise.t_ms
        for digits in self.memory.lock(pair.device_id).slots.values():
            other = self.pairs[pair.device_id].get(digits)
            if other is None or other is pair or not other.orders:
                continue
            if self.memory.is_strangers(pair.device_id, digits):
                continue
            spans = [
                order.calendar.open_or_next(lately) for order in other.orders if order.calendar
            ]
            if all(span is not None and span.opens > far for span in spans):
                return True
        return False

    def said_to_be_there(self, pair: Pair, grant: Grant) -> bool:
        """The cloud was told that this version is on the lock, with these digits."""
        told = self.reported(grant.credential.credential_id, pair.device_id)
        return (
            told is not None
            and grant.latest.digits == pair.digits
            and told.get("version") == grant.latest.version
            and told["state"] in {"programmed", "active"}
        )

    def _unfit(self, pair: Pair) -> bool:
        low, high = self.locks[pair.device_id].lengths
        return weak(pair.digits) or not low <= len(pair.digits) <= high

    def _clashed(self, pair: Pair, grant: Grant, at: int) -> bool:
        """Somebody else has these digits, or was seen to have them since this was ordered."""
        if grant.clashed != grant.latest.version and self._shared(pair, grant, at):
            grant.clashed = grant.latest.version
        return grant.clashed == grant.latest.version

    def meet(self, device_id: str, digits: str, at: int) -> None:
        """Ordered, or set by somebody: from now on the gateway may find that two have one code."""
        pair = self.pairs[device_id].get(digits)
        if pair is None:
            return
        strangers = self.memory.is_strangers(device_id, digits)
        for grant in pair.grants:
            if grant.latest.digits == digits and (strangers or self._rivals(pair, grant, at)):
                grant.clashed = grant.latest.version

    def _shared(self, pair: Pair, grant: Grant, at: int) -> bool:
        """Somebody else has these digits there, or had until a moment ago."""
        return self.memory.holds(pair.device_id, pair.digits) or self._rivals(pair, grant, at)

    def _rivals(self, pair: Pair, grant: Grant, at: int) -> bool:
        """Others were given these digits here, until a moment ago at least."""
        reach = self.reach(pair.device_id)
        moment = 2 * self._promise.t_ms
        for other in pair.grants:
            if other is grant:
                continue
            if any(order.digits == pair.digits for order in other.orders):
                return True
            known = other.latest.known_at
            if known is None or reach is None or at - max(known, reach) <= moment:
                return True
        return False


def weak(digits: str) -> bool:
    """The codes that a gateway refuses, by the contract: repeated blocks, runs, years."""
    if any(digits == digits[:n] * (len(digits) // n) for n in range(1, len(digits) // 2 + 1)):
        return True
    if not digits.isascii() or not digits.isdigit():
        return False
    steps = {(int(b) - int(a)) % 10 for a, b in pairwise(digits)}
    return steps in ({1}, {9}) or (len(digits) == 4 and 1900 <= int(digits) <= 2099)
