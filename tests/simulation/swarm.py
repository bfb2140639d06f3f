"""How bad a world is: rates of everything that can go wrong, drawn anew for each seed.

Each kind of trouble is absent from about half of the worlds, and where it is present its rate is
drawn from mild to absurd: some defects show only where one trouble comes alone and often.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from gateway.domain.instant import Instant, from_datetime, to_datetime
from gateway.domain.windows import zone_info

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "Africa/Casablanca",
    "Pacific/Chatham",
)
SUMMER_TIME = {
    "Europe/Berlin": (datetime(2026, 10, 25, 1, tzinfo=UTC), datetime(2027, 3, 28, 1, tzinfo=UTC)),
    "America/New_York": (
        datetime(2026, 11, 1, 6, tzinfo=UTC),
        datetime(2027, 3, 14, 7, tzinfo=UTC),
    ),
    "Australia/Lord_Howe": (
        datetime(2026, 10, 3, 15, 30, tzinfo=UTC),
        datetime(2027, 4, 3, 15, tzinfo=UTC),
    ),
    "Africa/Casablanca": (
        datetime(2027, 2, 7, 2, tzinfo=UTC),
        datetime(2027, 3, 14, 2, tzinfo=UTC),
    ),
    "Pacific/Chatham": (
        datetime(2026, 9, 26, 14, tzinfo=UTC),
        datetime(2027, 4, 3, 14, tzinfo=UTC),
    ),
}
"""Instants at which these zones change their offset; tzdata 2026."""


@dataclass(frozen=True, slots=True)
class Swarm:
    """Chances are per message or command, `_per_h` rates per true hour, times in seconds."""

    hours: float
    start: Instant
    zone: str
    locks: int
    bookings_per_h: float
    changes_per_h: float
    visits_per_h: float
    commands_per_h: float
    # the cloud and the link to it
    signed_time: bool
    loss_up: float
    loss_down: float
    duplicate: float
    reorder: float
    delay_s: float
    half_open: float
    flaps_per_h: float
    outages_per_h: float
    outage_s: float
    amnesia_per_h: float
    hostile_per_h: float
    # the air and the locks
    loss_request: float
    loss_answer: float
    duplicate_frames: float
    latency_s: float
    away_per_h: float
    away_s: float
    stick_per_h: float
    not_applied: float
    deleted_later: float
    busy: float
    masked: float
    withheld: float
    jams_per_h: float
    by_hand_per_h: float
    foreign_per_h: float
    resets_per_h: float
    # power, time, disk
    cuts_per_h: float
    cut_s: float
    kills_per_h: float
    cut_at_commit: float
    rtc: bool
    drift_ppm: float
    ntp_away_per_h: float
    ntp_lies_per_h: float
    lie_s: float
    steps_per_h: float
    step_s: float
    wrong_boot: float
    wrong_boot_s: float
    disk_full_per_h: float
    # drawn last, so that those before stay as they were
    dark_per_h: float
    """The whole building's power fails, and the network returns long after the gateway."""
    dark_s: float
    guess_s: float
    """What the machine's clock is off then; 0: it is restored from what was saved."""
    keyed_per_h: float
    rejoins_per_h: float
    worn_per_h: float
    """A lock acknowledges codes and stores none, for a while."""
    replays_per_h: float
    cut_at_command: float
    impatient: bool
    """Whether whoever opens from afar presses the button again."""
    buried_s: float
    """The longest time from a revocation by command to the schedule that says so; 0: minutes."""
    blamed: bool
    """Whether the gateway is turned off and on again because the cloud is not there."""
    own_duplicates: bool
    """Locks call the digits that are in a slot already duplicates, also in that slot itself."""
    moves_per_h: float
    recodes_per_h: float
    short_memory: bool
    """What the cloud has is not kept."""
    stuffed_per_h: float
    """The disk is full until somebody comes, which takes an hour rather than minutes."""
    stood_in_per_h: float
    """At a lock that cannot be reached a code is keyed in, and then it can be reached again."""
    stolen_per_h: float
    """A code in force is revoked by command, and the schedule says so much later."""
    cut_at_order: float
    """At an order's arrival: the power goes around one of the next transactions."""
    cut_at_schedule: float
    """The same, at a schedule's arrival."""
    clings_per_h: float
    """A lock acknowledges erases and keeps every code, for a while."""
    mistakes_per_h: float
    """Codes that open now are taken back by mistake, in a way that a gateway may ask about."""
    parcels_per_h: float
    """A code for so many openings, which a courier tries at every door it was given for."""
    narrow: bool
    """Whether the locks have few slots, one of them written weeks ahead."""

    @property
    def hour_twice(self) -> bool:
        """Whether the clocks go back in it."""
        zone = zone_info(self.zone)
        begin = to_datetime(self.start)
        before, after = (
            at.astimezone(zone).utcoffset() or timedelta()
            for at in (begin, begin + timedelta(hours=self.hours))
        )
        return after < before

    def without(self, troubles: Sequence[str]) -> Swarm:
        """The same world, spared these. ValueError for one that does not exist."""
        known = {field.name: field.type for field in fields(self)}
        if unknown := [name for name in troubles if known.get(name) not in {"float", "bool"}]:
            raise ValueError(f"there is no such trouble: {', '.join(unknown)}")
        spared: dict[str, Any] = {
            name: 0.0 if known[name] == "float" else False for name in troubles
        }
        return replace(self, **spared)

    def __str__(self) -> str:
        """What is wrong in this world; what is right is not named."""
        wrong = ((field.name, getattr(self, field.name)) for field in fields(self))
        return " ".join(
            f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}"
            for name, value in wrong
            if value and name != "start"
        )


def draw(rng: Random) -> Swarm:
    """One world's troubles."""

    def chance(worst: float, often: float = 0.5) -> float:
        """Nothing, or anything from a fiftieth of the worst up to it, small values as likely."""
        there, share = rng.random() < often, rng.random()
        return round(worst * 50 ** (share - 1), 4) if there else 0.0

    def span(low: float, high: float) -> float:
        """As likely to be of one order of magnitude as of another."""
        return round(float(low * (high / low) ** rng.random()), 1)

    zone = rng.choice(ZONES)
    start = datetime(2026, 9, 1, tzinfo=UTC) + timedelta(minutes=rng.randrange(300 * 1440))
    hours = span(0.7, 3.0)
    if zone in SUMMER_TIME and rng.random() < 0.4:
        change = rng.choice(SUMMER_TIME[zone])
        start = change - timedelta(hours=hours * rng.random())
    return Swarm(
        hours=hours,
        start=from_datetime(start),
        zone=zone,
        locks=rng.choice((1, 1, 2, 2, 3)),
        bookings_per_h=span(3, 20),
        changes_per_h=chance(20, 0.8),
        visits_per_h=span(10, 60),
        commands_per_h=chance(12),
        signed_time=rng.random() < 0.5,
        loss_up=chance(0.3),
        loss_down=chance(0.3),
        duplicate=chance(0.2),
        reorder=chance(0.3),
        delay_s=chance(8.0, 0.6),
        half_open=chance(0.05, 0.3),
        flaps_per_h=chance(12),
        outages_per_h=chance(2),
        outage_s=span(60, 3600),
        amnesia_per_h=chance(3, 0.3),
        hostile_per_h=chance(10, 0.3),
        loss_request=chance(0.25),
        loss_answer=chance(0.5),
        duplicate_frames=chance(0.2, 0.3),
        latency_s=chance(2.0, 0.6),
        away_per_h=chance(3),
        away_s=span(20, 3600),
        stick_per_h=chance(3, 0.3),
        not_applied=chance(0.2, 0.3),
        deleted_later=chance(0.1, 0.2),
        busy=chance(0.3, 0.3),
        masked=chance(0.5, 0.2),
        withheld=chance(0.2, 0.3),
        jams_per_h=chance(1, 0.2),
        by_hand_per_h=chance(4, 0.4),
        foreign_per_h=chance(3, 0.2),
        resets_per_h=chance(0.4, 0.15),
        cuts_per_h=chance(4, 0.6),
        cut_s=span(1, 3600),
        kills_per_h=chance(6, 0.4),
        cut_at_commit=rng.random(),
        rtc=rng.random() < 0.3,
        drift_ppm=rng.choice((0.0, 5.0, -20.0, 50.0, -80.0)),
        ntp_away_per_h=chance(2, 0.4),
        ntp_lies_per_h=chance(1, 0.25),
        lie_s=rng.choice((-1, 1)) * span(60, 90 * 86_400),
        steps_per_h=chance(2, 0.3),
        step_s=rng.choice((-1, 1)) * span(5, 400 * 86_400),
        wrong_boot=chance(1.0, 0.3),
        wrong_boot_s=rng.choice((-1, -1, 1)) * span(60, 400 * 86_400),
        disk_full_per_h=chance(1, 0.25),
        dark_per_h=chance(2, 0.3),
        dark_s=span(900, 7200),
        guess_s=rng.choice((0, -1, 1, 1)) * span(600, 10 * 86_400),
        keyed_per_h=chance(6, 0.4),
        rejoins_per_h=chance(3, 0.3),
        worn_per_h=chance(2, 0.25),
        replays_per_h=chance(12, 0.3),
        cut_at_command=min(1.0, chance(4.0, 0.3)),
        impatient=rng.random() < 0.4,
        buried_s=chance(3600.0, 0.4),
        blamed=rng.random() < 0.5,
        own_duplicates=rng.random() < 0.5,
        moves_per_h=chance(20, 0.4),
        recodes_per_h=chance(40, 0.4),
        short_memory=rng.random() < 0.5,
        stuffed_per_h=chance(3.0, 0.35),
        stood_in_per_h=chance(4.0, 0.2),
        stolen_per_h=chance(8.0, 0.25),
        cut_at_order=min(1.0, chance(2.0, 0.25)),
        cut_at_schedule=chance(0.4, 0.3),
        clings_per_h=chance(2.0, 0.25),
        mistakes_per_h=chance(8.0, 0.25),
        parcels_per_h=chance(8.0, 0.3),
        narrow=rng.random() < 0.2,
    )
