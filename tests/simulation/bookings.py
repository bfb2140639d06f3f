"""What the cloud wants of the doors: who may enter when, and how that changes.

Orders only: what was ordered is told to the judge by whoever sends it (`cloud`). Digits come from
a small space on purpose, so that they collide.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from gateway.domain.instant import Instant, from_rfc3339, to_datetime, to_rfc3339
from gateway.domain.windows import zone_info

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from tests.simulation.cloud import SimCloud

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MINUTE = 60_000

Json = dict[str, Any]


@dataclass
class Bookings:
    """`live`: credentials not revoked, as last ordered; `digits`: every code ever used."""

    rng: Random
    cloud: SimCloud
    zone: str
    devices: list[str]
    now: Callable[[], Instant]
    note: Callable[..., None]
    live: dict[str, Json] = field(default_factory=dict)
    digits: list[str] = field(default_factory=list)
    number: int = 0
    urgent: float = 0.3
    """Of revocations: by command first."""

    def book(self) -> None:
        """A new credential on one door or on several."""
        self.number += 1
        doors = self.rng.sample(self.devices, self.rng.randint(1, len(self.devices)))
        credential: Json = {
            "credential_id": f"c{self.number:03}",
            "kind": "pin",
            "secret": {"digits": self._digits()},
            "devices": doors,
            "window": self._window(),
        }
        if self.rng.random() < 0.1:
            credential["use"] = {"limit": self.rng.randint(1, 3)}
        if self.rng.random() < 0.07:
            credential["held"] = True
        self._put(credential)

    def change(self) -> None:
        """Something about a credential: gone, moved, suspended, other digits, other doors."""
        if not self.live:
            return
        name = self.rng.choice(list(self.live))
        credential = dict(self.live[name])
        match self.rng.choices(
            ("revoke", "revoke_one", "window", "suspend", "held", "digits", "doors"),
            (6, 1, 4, 2, 1, 3, 2),
        )[0]:
            case "revoke":
                del self.live[name]
                self.cloud.revoke(name, urgent=self.rng.random() < self.urgent)
                return
            case "revoke_one" if len(credential["devices"]) > 1:
                self._leave(name, self.rng)
                return
            case "window":
                credential["window"] = self._window()
            case "suspend":
                credential["suspended"] = not credential.get("suspended", False)
            case "held":
                credential["held"] = False
            case "digits":
                credential["secret"] = {"digits": self._digits()}
            case _:
                doors = self.rng.sample(self.devices, self.rng.randint(1, len(self.devices)))
                credential["devices"] = doors
        self._put(credential)

    def recode(self, rng: Random) -> None:
        """Somebody forgot a code, or told it to others, and is given another."""
        if self.live:
            credential = dict(self.live[rng.choice(list(self.live))])
            self._put(credential | {"secret": {"digits": self._digits()}})

    def steal(self, rng: Random) -> None:
        """Somebody lost a code that opens now: by command at once, in the schedule much later."""
        now = self.now()
        names = [name for name, known in self.live.items() if _is_open(known["window"], now)]
        if names:
            name = rng.choice(names)
            del self.live[name]
            self.cloud.revoke(name, urgent=True, buried_s=rng.uniform(600, 3600))

    def open_now(self) -> list[str]:
        """Those that open by every clock, by name."""
        now = self.now()
        return [
            name
            for name, known in self.live.items()
            if known["window"]["kind"] != "recurring" and _is_open(known["window"], now)
        ]

    def parcel(self, rng: Random) -> Json:
        """For somebody who comes so many times, at doors of their choice; the new credential."""
        self.number += 1
        now = self.now()
        digits = "".join(rng.choice("0123456789") for _ in range(6))
        self.digits.append(digits)
        closes = now + rng.choice((60, 120, 240)) * MINUTE
        credential: Json = {
            "credential_id": f"c{self.number:03}",
            "kind": "pin",
            "secret": {"digits": digits},
            "devices": rng.sample(self.devices, rng.randint(1, len(self.devices))),
            "window": {
                "kind": "timed",
                "opens_at": to_rfc3339(now),
                "closes_at": to_rfc3339(Instant(closes)),
            },
            "use": {"limit": rng.choice((1, 2, 2, 3))},
        }
        self._put(credential)
        return credential

    def leave(self, rng: Random) -> None:
        """Somebody changes rooms, and keeps the other doors."""
        several = [name for name, known in self.live.items() if len(known["devices"]) > 1]
        if several:
            self._leave(rng.choice(several), rng)

    def _leave(self, name: str, rng: Random) -> None:
        credential = self.live[name]
        door = rng.choice(credential["devices"])
        left = [other for other in credential["devices"] if other != door]
        self.live[name] = credential | {"devices": left}
        self.cloud.revoke(name, door)

    def _put(self, credential: Json) -> None:
        credential.pop("version", None)
        self.live[credential["credential_id"]] = credential
        window = " ".join(str(value) for value in credential["window"].values())
        self.note(
            "order",
            is_=credential["credential_id"],
            window=window,
            doors=len(credential["devices"]),
            suspended=credential.get("suspended"),
            held=credential.get("held"),
        )
        self.cloud.put(credential, sure=self.rng.random() < 0.7)

    def _digits(self) -> str:
        if self.digits and self.rng.random() < 0.06:
            return self.rng.choice(self.digits)  # somebody else's, or what was theirs once
        code = "".join(self.rng.choice("0123456789") for _ in range(self.rng.choice((4, 5, 6))))
        self.digits.append(code)
        return code

    def _window(self) -> Json:
        now = self.now()
        match self.rng.choices(("timed", "recurring", "always"), (7, 3, 1))[0]:
            case "timed":
                opens = now + self.rng.randint(-20, 90) * MINUTE + self.rng.randrange(MINUTE)
                closes = opens + self.rng.choice((2, 5, 10, 20, 40, 90, 240)) * MINUTE
                return {
                    "kind": "timed",
                    "opens_at": to_rfc3339(Instant(opens)),
                    "closes_at": to_rfc3339(Instant(max(closes, opens + 1))),
                }
            case "recurring":
                return self._recurring(now)
            case _:
                return {"kind": "always"}

    def _recurring(self, now: Instant) -> Json:
        wall = to_datetime(now).astimezone(zone_info(self.zone))
        starts = wall + timedelta(minutes=self.rng.randint(-60, 120))
        ends = starts + timedelta(minutes=self.rng.choice((10, 30, 60, 120, 480)))
        days = [WEEKDAYS[starts.weekday()]]
        if self.rng.random() < 0.5:
            days = [day for day in WEEKDAYS if self.rng.random() < 0.6] or days
        window: Json = {
            "kind": "recurring",
            "zone": self.zone,
            "rules": [{"weekdays": days, "from": f"{starts:%H:%M}", "to": f"{ends:%H:%M}"}],
        }
        if self.rng.random() < 0.3:
            window["not_after"] = to_rfc3339(Instant(now + self.rng.randint(10, 240) * MINUTE))
        return window


def _is_open(window: Json, now: Instant) -> bool:
    """Of recurring ones nobody looks at the rules: some are meant."""
    if window["kind"] != "timed":
        return True
    return from_rfc3339(window["opens_at"]) <= now < from_rfc3339(window["closes_at"])
