"""After a month without cloud: how it comes back, and whether everything is accounted for.

Not here: the month itself (`month`).
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import TYPE_CHECKING

from tests.simulation.month_plan import T_MS
from tests.simulation.windows import instant

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.simulation.judging.promise import Delivered
    from tests.simulation.month import Month
    from tests.simulation.month_plan import Person
    from tests.simulation.world import Result

CONNECT_S = 640.0
"""The longest wait between two tries, and a try."""
SYNC_S = 120.0
"""For everything that a month left behind, from the connection on."""
DATED_MS = 40_000
"""How far from the truth an event may be dated: the drift of two weeks, and the second it took."""
WRITES_A_DAY = 100
"""On the first day a lock gets what a fortnight needs."""
AT_THE_DOORS = ("EARLY", "LATE", "UNAVAILABLE")


async def back(month: Month) -> None:
    """The link returns. Everything that is missing follows by itself."""
    cloud, line = month.cloud, month.line
    loop = asyncio.get_running_loop()
    hellos, known, returned = cloud.hellos, cloud.ledger.watermark, loop.time()
    month.broker.up = True
    async with asyncio.timeout(CONNECT_S + SYNC_S):
        await _until(lambda: cloud.hellos > hellos)
        connected, head = loop.time(), cloud.hello["events"]["head"]
        await _until(lambda: cloud.ledger.watermark >= head)
        synced = loop.time()
        await _until(lambda: cloud.in_agreement)
    waited_s, took_s = connected - returned, synced - connected
    line.check("gateway", f"is connected {waited_s:.0f} s later", waited_s <= CONNECT_S)
    what = f"the last of {head - known} events has come {took_s:.1f} s after that"
    line.check("cloud", what, took_s <= SYNC_S)
    await asyncio.sleep(T_MS / 1000 + 60)
    month.witness.look(month.doors)
    plan, doors = month.plan, month.doors
    dismissed = any(doors[door].opens(plan.dismissed.digits) for door in plan.dismissed.doors)
    line.check("lock", "the code of who was dismissed meanwhile is gone", not dismissed)
    late = all(doors[door].opens(plan.late.digits) for door in plan.late.doors)
    line.check("lock", "the code of who was booked meanwhile is there", late)


async def _until(true: Callable[[], bool]) -> None:
    while not true():  # noqa: ASYNC110 - the cloud tells nobody; looking is free
        await asyncio.sleep(0.05)


def verdict(month: Month, result: Result) -> None:
    """`result` as the judge left it."""
    line, figures = month.line, month.witness.judge.figures
    broken = Counter(each.rule for each in result.violations)
    total = month.total
    refused = sum(n for why, n in total.items() if why.startswith("no:"))
    what = f"{total['let in']} valid codes opened, {refused} others did not"
    line.check("doors", what, not total["amiss"], f"{total['either']} were due in the dark")
    what = f"{figures.inspections} inspections: no code early, late or missing"
    available = f"{figures.availability:.3f} % of {figures.samples} samples open"
    line.check("judge", what, not any(broken[rule] for rule in AT_THE_DOORS), available)
    _events(month, broken)
    _grants(month)
    line.check("judge", "the locks hold what is wanted, and nothing else", not broken["CONVERGED"])
    others = {
        rule: n for rule, n in broken.items() if rule not in {*AT_THE_DOORS, "EVENTS", "CONVERGED"}
    }
    told = ", ".join(f"{rule} {n}" for rule, n in others.items())
    what = "no slot reused, no write too many, no digits told, no task failed"
    line.check("judge", what, not others, told)
    days = result.figures["days"]
    most = figures.writes_of_a_lock_max
    what = f"at most {most} writes to one lock in a day, {figures.writes} to all in the month"
    line.check("lock", what, most <= WRITES_A_DAY)
    line.note(f"{days:.1f} days, trace {result.digest}")


def _events(month: Month, broken: Counter[str]) -> None:
    line, cloud, witness = month.line, month.cloud, month.witness
    delivered = witness.findings(month.doors).delivered
    ledger = cloud.ledger.events
    gaps = sum(high - low + 1 for low, high in cloud.ledger.missing(cloud.hello["events"]["head"]))
    plain = {json.dumps(event | {"seq": 0}, sort_keys=True): None for event in ledger.values()}
    twice = len(ledger) - len(plain)
    what = f"{len(ledger)} events, gaps {gaps}, duplicates {twice}"
    told = f"{cloud.duplicates} were sent twice and kept once"
    line.check("cloud", what, not gaps and not twice and len(cloud.epochs) == 1, told)
    unheard = sum(each.heard_at is None for door in month.doors for each in door.door_events)
    what = f"each of {len(delivered)} words of the locks is among them, once"
    line.check(
        "judge", what, not broken["EVENTS"], f"{unheard} more were said while the power was off"
    )
    worst, corrected = _dating(month, delivered)
    what = f"each is dated within {worst / 1000:.1f} s of the truth"
    line.check("cloud", what, worst <= DATED_MS, f"{corrected} by a correction")


def _dating(month: Month, delivered: Sequence[Delivered]) -> tuple[int, int]:
    """How wrong the worst of the locks' events is, and how many were dated anew."""
    told: dict[tuple[str, str, int | None], list[int]] = {}
    corrected = 0
    for _, event in sorted(month.cloud.ledger.events.items()):
        slot = (event.get("body") or {}).get("slot")
        corrected += event.get("corrected_at") is not None
        at = instant(event.get("corrected_at") or event["at"])
        told.setdefault((event.get("device_id") or "", event["type"], slot), []).append(at)
    worst = 0
    for key in {(each.device, each.kind, each.slot): None for each in delivered}:
        truth = [each.at for each in delivered if (each.device, each.kind, each.slot) == key]
        for at, said in zip(sorted(truth), told.get(key, []), strict=False):
            worst = max(worst, abs(at - said))
    return worst, corrected


def _grants(month: Month) -> None:
    cloud, now = month.cloud, month.true()
    states: Counter[str] = Counter()
    wrong = []
    for person in [*month.plan.people, month.plan.late]:
        for door in person.doors:
            device = month.witness.device(month.doors[door])
            state = cloud.reported_state(person.name, device) or "unknown"
            states[state] += 1
            if state not in _right(month, person, now):
                wrong.append(f"{person.name}: {state}")
    told = ", ".join(f"{n} {state}" for state, n in sorted(states.items()))
    what = f"knows how each of {states.total()} codes stands: {told}"
    month.line.check("cloud", what, not wrong, "; ".join(wrong[:4]))


def _right(month: Month, person: Person, now: int) -> set[str]:
    """How a grant may stand at the end."""
    span = person.calendar.open_or_next(now)
    if span is None or person is month.plan.dismissed or person.limit is not None:
        return {"missed"} if person.shut else {"erased"}
    if person.shut:
        return {person.shut}
    if span.opens <= now:
        return {"active"}
    return {"pending", "programmed"}
