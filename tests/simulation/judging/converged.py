"""CONVERGED: after healing a lock holds what the orders want, or a published state says why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation.judging.memory import excused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.simulation.judging.pairs import Pair
    from tests.simulation.judging.promise import Figures, Promise
    from tests.simulation.judging.watch import Watch

    Violate = Callable[[int, str, str | None, str | None, str], None]


def converged(
    promise: Promise,
    watch: Watch,
    figures: Figures,
    violate: Violate,
    at: int,
    device_id: str,
    codes: Mapping[int, str],
) -> None:
    """`codes`: the lock's memory, slot by slot, disabled codes too."""
    facts, memory = watch.locks[device_id], watch.memory.lock(device_id)
    ahead_s = promise.write_ahead_s if facts.keeps_windows else promise.lead_s
    ahead = round(ahead_s * 1000) + promise.granularity_ms
    placed: dict[str, int] = {}
    for slot, digits in sorted(codes.items()):
        stranger = memory.strangers.get(slot)
        if stranger is not None and stranger.digits == digits:
            continue
        pair = watch.pairs[device_id].get(digits)
        who = pair.owners if pair is not None else None
        stray = memory.stray.get(digits)
        if digits in placed:
            words = f"one code is in the slots {placed[digits]} and {slot}"
            violate(at, "CONVERGED", device_id, who, words)
        elif pair is not None and _wanted(
            pair, at, ahead, promise.t_ms, weekly=facts.keeps_windows
        ):
            pass
        elif stray is not None and excused(stray, at, watch.reach(device_id), facts.notices_ms):
            figures.excused[f"left: {stray.how}"] += 1
        else:
            words = f"slot {slot} holds a code that no order wants there"
            violate(at, "CONVERGED", device_id, who, words)
        placed[digits] = slot
    there = set(codes.values())
    for digits, pair in watch.pairs[device_id].items():
        if digits not in there:
            _missing(watch, figures, violate, at, pair, promise.t_ms)
    for words in watch.memory.gone(at, device_id, codes):
        violate(at, "UNMANAGED", device_id, None, words)


def _missing(
    watch: Watch, figures: Figures, violate: Violate, at: int, pair: Pair, t_ms: int
) -> None:
    watch.renew(pair, at)
    needed = {must.grant.credential.credential_id: must for must in pair.musts}
    for grant in pair.grants:
        name = grant.credential.credential_id
        must = needed.get(name)
        due = must is not None and must.begin < at < must.end
        if not due and not watch.said_to_be_there(pair, grant):
            continue
        if not due and at - pair.ended_at <= t_ms:
            figures.excused["over a moment ago"] += 1  # and the cloud may hear of it any moment
            continue
        why = watch.excuse(pair, grant, at, since=must.begin if must is not None else at)
        if why is not None:
            figures.excused[why] += 1
            continue
        excused_at = pair.excused.get(name)
        if due and excused_at is not None and at - excused_at <= t_ms:
            # As at the door: what had no room has T from when there is some.
            figures.excused["reason gone a moment ago"] += 1
            continue
        said = "and no state says why" if due else "though it is reported as programmed"
        words = f"a code is not on the lock, {said}"
        violate(at, "CONVERGED", pair.device_id, name, words)


def _wanted(pair: Pair, at: int, ahead_ms: int, t_ms: int, *, weekly: bool) -> bool:
    """Whether some latest order wants it on the lock now, or may. `weekly`: the lock itself keeps
    the edges of recurrences."""
    for grant in pair.grants:
        order = grant.latest
        if order.digits != pair.digits or order.calendar is None:
            continue
        if order.used_up_at is not None and not grant.credential.doubtful:
            continue
        span = order.calendar.open_or_next(at - t_ms)  # what ended a moment ago may still be there
        if span is not None:
            soon = span.opens <= at + ahead_ms
            if soon or (weekly and order.calendar.recurs):
                return True
    return False
