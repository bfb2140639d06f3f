"""The gateway's time in words: how it stands, what that means for doors, what to do. Pure.

Not here: the facts as JSON (`timedesk`), and the rules by which a source is believed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.domain.instant import SECOND, ClockTrust
from gateway.domain.timebelief import Reason, Source
from gateway.local.walltime import clock_time, duration

if TYPE_CHECKING:
    from gateway.timekeeping.view import ClockView, Disbelief

_TOKEN = "`lock-gateway clock challenge` and a technician's signed token"  # noqa: S105 - a sentence

SOURCES = {
    Source.KERNEL: "the machine's time service",
    Source.RTC: "the battery-backed clock (RTC)",
    Source.CLOUD_UNSIGNED: "the cloud, unsigned",
    Source.NTS: "the machine's time service, authenticated (NTS)",
    Source.CLOUD: "the cloud, signed",
    Source.TECHNICIAN: "a technician's signed token",
}

REASONS = {
    Reason.BEHIND_FLOOR: "it says an earlier time than was proven already",
    Reason.BEYOND_DRIFT: "it is farther from the house's time than a crystal can drift",
    Reason.OUTAGE_TOO_LONG: "it claims a longer outage than `time.longest_outage_days`",
    Reason.ALONE: "it is signed, but far from a time that was proven, and nobody seconds it",
    Reason.BEHIND_LAST: "it is behind what it was last set to",
    Reason.NEVER_SET: "alone it is not enough where the time was never known",
}

STEPS = {
    Reason.BEHIND_FLOOR: "See who is right (`chronyc tracking`). If the source is, the gateway was "
    "led into the future: only the cloud's signed time can take it back.",
    Reason.BEYOND_DRIFT: "See who is right (`chronyc tracking`). The cloud's signed time settles "
    "it; without any, and if the house is wrong, restart the machine.",
    Reason.OUTAGE_TOO_LONG: "If it was off for so long, raise `time.longest_outage_days` and "
    "restart the gateway, or let the cloud or a technician sign the time.",
    Reason.ALONE: "Check the clock of whoever signed. If it is right, a second source of another "
    "kind that says the same within ten minutes settles it.",
    Reason.BEHIND_LAST: "Its battery may be empty. Any other source of time will do.",
    Reason.NEVER_SET: "Connect the gateway to the network once.",
}


@dataclass(frozen=True, slots=True)
class ClockWords:
    """`doors` and `next`: one sentence or two to an item. `waits_for` None: for nobody."""

    headline: str
    doors: list[str]
    waits_for: str | None
    next: list[str]


def explain_clock(
    view: ClockView, zone: str, *, waiting_codes: int, technicians: bool
) -> ClockWords:
    """`waiting_codes`: how many are not written because of it; `technicians`: some have keys."""
    return ClockWords(
        headline(view),
        _doors(view, zone, waiting_codes),
        _waits_for(view),
        [*_refusal(view.last_disbelief), *_proof(view, technicians=technicians), *_wall(view)],
    )


def headline(view: ClockView) -> str:
    if view.source is None or view.proven_s_ago is None:
        return "The time is not proven since the machine started."
    source, ago = SOURCES[view.source], duration(round(view.proven_s_ago * SECOND))
    if view.trust is ClockTrust.TRUSTED:
        return f"The time is proven by {source}."
    if view.source is Source.RTC:
        return f"The time is believed on the word of {source} alone, until somebody else speaks."
    return (
        f"The time was proven {ago} ago by {source}, which is silent or not believed now;"
        " the house goes on by its own crystal."
    )


def off_by(difference_ms: int) -> str:
    """`3 h ahead`, `20 s behind`."""
    return f"{duration(abs(difference_ms))} {'ahead' if difference_ms >= 0 else 'behind'}"


def stands(last: Disbelief) -> bool:
    """It says so to this day. A technician says it once, and is answered then."""
    return last.still and last.source is not Source.TECHNICIAN


def _doors(view: ClockView, zone: str, waiting_codes: int) -> list[str]:
    if view.trust is not ClockTrust.UNTRUSTED:
        error = "" if view.error_ms is None else f", to within {duration(view.error_ms)}"
        going = ["Codes open and end when they should" + error + "."]
        if view.trust is ClockTrust.HOLDOVER:
            going.append("That may go on for weeks: the error grows by no more than the crystal's.")
        return going
    waiting = f" (waiting now: {waiting_codes})" if waiting_codes else ""
    if view.floor is None:
        erasures = "No erasure that is due by time is carried out: no time was ever proven here."
    else:
        floor = clock_time(view.floor, zone)
        erasures = f"Erasures due by {floor} are carried out; later ones wait."
    return [
        f"Codes with a window are not newly written until the time is proven{waiting}.",
        "What is on a lock stays on it; what is revoked is erased as ever.",
        erasures,
        "`lock-gateway unlock` works; the cloud's must answer a fresh challenge.",
    ]


def _waits_for(view: ClockView) -> str | None:
    if view.waiting_ms is not None:
        return (
            f"a source that nobody can prove says {off_by(view.waiting_ms)}; it must say so for a"
            " minute"
        )
    if view.trust is not ClockTrust.UNTRUSTED:
        return None
    if view.kernel.synchronised:
        return "a source that can be believed"
    return "any source; the kernel does not call its clock synchronised"


def _refusal(last: Disbelief | None) -> list[str]:
    if last is None or not stands(last):
        return []
    source = SOURCES[last.source]
    return [f"{source[0].upper()}{source[1:]} is not believed. {STEPS[last.reason]}"]


def _proof(view: ClockView, *, technicians: bool) -> list[str]:
    if view.trust is ClockTrust.TRUSTED:
        return []
    if view.trust is ClockTrust.HOLDOVER:
        return ["Restore the network or the time service when you can."]
    if view.waiting_ms is not None:
        return ["Wait a minute."]
    steps = ["Restore the network or the time service (`timedatectl`, `chronyc tracking`)."]
    if technicians:
        steps.append(f"Or tell it the time: {_TOKEN}.")
    else:
        steps.append("No technician's key is configured (`time.technician_issuers`).")
    return steps


def _wall(view: ClockView) -> list[str]:
    if view.error_ms is None or abs(view.wall_difference_ms) <= 2 * SECOND + view.error_ms:
        return []
    return [
        f"The machine's wall clock is {off_by(view.wall_difference_ms)}. No door minds; the"
        " machine's own logs do. Set it (`timedatectl set-time`), or restore its time service."
    ]
