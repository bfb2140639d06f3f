"""How results read: the summary of many seeds, and the story of one.

A story is what a person needs to see why a promise was broken: the troubles it took, the lines
about that door and that code, and the command that plays it again.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from gateway.domain.instant import Instant, to_rfc3339

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.simulation.world import Result

LINES = 40
ALWAYS = (
    "boot",
    "life_over",
    "time_service",
    "clock_stepped",
    "healing",
    "installed",
    "broker.outage",
    "violation",
)
"""Kinds of lines that belong to every story."""


def progress(done: int, total: int, seconds: float) -> str:
    left = seconds / done * (total - done) if done else 0.0
    return f"{done} of {total}, about {left:.0f} s more"


def summary(results: Sequence[Result]) -> str:
    """Figures over all seeds, then the violations by rule."""
    total: Counter[str] = Counter()
    for result in results:
        total.update({k: v for k, v in result.figures.items() if not k.endswith("_max")})
    failed = [result for result in results if result.violations]
    troubles = _named(total, "trouble.")
    excuses = _named(total, "excused.")
    share = 100 * total["opened"] / (total["samples"] or 1)
    lines = [
        f"{len(results)} seeds, {total['days']:.1f} virtual days, {len(failed)} broke a promise",
        f"  doors looked at {total['inspections']:.0f} times, codes tried {total['looks']:.0f}"
        f" times, typed {total['typed']:.0f} times, {total['events']:.0f} events accounted for",
        f"  available {share:.3f} % of {total['samples']:.0f} samples; excused: {excuses}",
        f"  troubles: {troubles}",
    ]
    rules: dict[str, list[int]] = {}
    for result in failed:
        for rule in sorted({each.rule for each in result.violations}):
            rules.setdefault(rule, []).append(result.seed)
    for rule, seeds in sorted(rules.items()):
        shown = ", ".join(map(str, seeds[:12])) + (" …" if len(seeds) > 12 else "")
        lines.append(f"  {rule}: {len(seeds)} seeds: {shown}")
    return "\n".join(lines)


def _named(total: Counter[str], prefix: str) -> str:
    return ", ".join(
        f"{name.removeprefix(prefix)} {total[name]:.0f}"
        for name in sorted(total)
        if name.startswith(prefix)
    )


def story(result: Result, without: Sequence[str]) -> str:
    replay = f"--seed {result.seed}"
    if without:
        replay += f" --without {','.join(without)}"
    replay = f'make simulate ARGS="{replay}"'
    lines = [f"seed {result.seed}, trace {result.digest}", f"  with {result.swarm}"]
    if not result.violations:
        return "\n".join([*lines, "  every promise was kept"])
    first = result.violations[0]
    lines += [
        f"  {first.rule} at {to_rfc3339(Instant(first.at))}: {first.sentence}",
        f"    device {first.device}, credential {first.credential}",
        *(
            f"  also {v.rule}: {v.sentence} ({v.device}, {v.credential})"
            for v in result.violations[1:4]
        ),
        *_useful(result),
        f"  again: {replay}",
    ]
    return "\n".join(lines)


def _useful(result: Result) -> list[str]:
    """Lines about the door and the code of the first violation, up to it."""
    first = result.violations[0]
    names = [name for name in (first.device, *(first.credential or "").split(",")) if name]
    names += [
        line.split("lock=")[1].split()[0] for line in result.story if f"is={first.device}" in line
    ]
    useful: list[str] = []
    for line in result.story:
        kind = line[13:].split(" ", 1)[0]
        if kind in ALWAYS or any(f"={name}" in line for name in names):
            useful.append("    " + line)
        if kind == "violation":
            break
    return useful[-LINES:]
