"""What is in the air, as all adapters together hear it: devices, how strongly, how lately. Pure.

Here: one bounded memory of devices heard, their signal over time, and which adapter hears a device
best. Not here: grades (`gatt`), scanning, and what an advertisement means.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING

from gateway.radios.gatt import Sample, Sighting

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from gateway.radios.api import Advertisement

UNKNOWN_DBM = -127
"""Ours for a signal that was not measured; no receiver hears anything that weak."""
LATELY_S = 300.0
"""Who was silent for longer is not in range. Locks advertise every few seconds at the slowest."""
RECENT_S = 60.0
"""What a mean is made of: long enough to smooth fading, short enough to see a door close."""
SAMPLES = 32
"""For each device and adapter. At one advertisement in 2 s that is the recent minute."""
DEVICES = 512
"""Phones change their address every quarter of an hour; a lobby must not fill the memory."""


@dataclass(slots=True)
class _Reception:
    """One device at one adapter. `handle` is what the library connects to; opaque here."""

    last_at: float
    handle: object
    samples: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=SAMPLES))

    def recent(self) -> list[int]:
        """Newest minute of this adapter's own samples; never empty if there is a sample."""
        if not self.samples:
            return []
        since = self.samples[-1][0] - RECENT_S
        return [rssi for at, rssi in self.samples if at >= since]

    def mean(self) -> float:
        recent = self.recent()
        return fmean(recent) if recent else UNKNOWN_DBM


@dataclass(slots=True)
class _Track:
    last: Advertisement
    first_at: float
    count: int = 0
    by_adapter: dict[str, _Reception] = field(default_factory=dict)

    def best(self, since: float) -> _Reception | None:
        lately = [heard for heard in self.by_adapter.values() if heard.last_at >= since]
        return max(lately, key=_Reception.mean, default=None)


class Airwaves:
    """All devices heard lately. Those kept in mind (`watch`) are never pushed out by others."""

    def __init__(self, *, devices: int = DEVICES, lately_s: float = LATELY_S) -> None:
        self._room = devices
        self._lately_s = lately_s
        self._tracks: dict[str, _Track] = {}
        self._watched: frozenset[str] = frozenset()

    def watch(self, addresses: frozenset[str]) -> None:
        self._watched = addresses

    def heard(self, advertisement: Advertisement, handle: object) -> None:
        """`handle`: what that adapter's library needs in order to connect."""
        address, at = advertisement.address, advertisement.heard_at
        # Taken out and put back, so that the dictionary is in the order of who was heard last.
        track = self._tracks.pop(address, None) or _Track(advertisement, at)
        self._tracks[address] = track
        track.last = advertisement
        track.count += 1
        reception = track.by_adapter.setdefault(advertisement.adapter, _Reception(at, handle))
        reception.last_at, reception.handle = at, handle
        if advertisement.rssi_dbm > UNKNOWN_DBM:
            reception.samples.append((at, advertisement.rssi_dbm))
        if len(self._tracks) > self._room:
            self._make_room(at)

    def forget_adapter(self, adapter: str) -> None:
        """It went away: what its library gave us for connecting is worth nothing any more."""
        for track in self._tracks.values():
            track.by_adapter.pop(adapter, None)

    def sightings(self, now: float) -> Sequence[Sighting]:
        return tuple(
            _sighting(track, best)
            for _, track in sorted(self._tracks.items())
            if (best := track.best(now - self._lately_s)) is not None
        )

    def sighting(self, address: str, now: float) -> Sighting | None:
        track = self._tracks.get(address)
        best = track.best(now - self._lately_s) if track else None
        return _sighting(track, best) if track and best else None

    def history(self, address: str) -> Sequence[Sample]:
        """What is remembered of a device's signal at all adapters, oldest first."""
        return tuple(sorted(self._samples(address), key=lambda sample: sample.at))

    def silent_for(self, address: str, now: float) -> float | None:
        """Seconds since it was heard last; None if it never was."""
        track = self._tracks.get(address)
        return now - track.last.heard_at if track else None

    def best_adapters(
        self, address: str, now: float, *, fresh_s: float, among: Collection[str]
    ) -> Sequence[tuple[str, object]]:
        """Adapters that heard it within `fresh_s`, with their handles, the best signal first."""
        track = self._tracks.get(address)
        if track is None:
            return ()
        found = [
            (name, heard)
            for name, heard in track.by_adapter.items()
            if name in among and heard.last_at >= now - fresh_s
        ]
        found.sort(key=lambda one: (-one[1].mean(), one[0]))
        return tuple((name, heard.handle) for name, heard in found)

    def _samples(self, address: str) -> Iterator[Sample]:
        track = self._tracks.get(address)
        for adapter, heard in track.by_adapter.items() if track else ():
            for at, rssi_dbm in heard.samples:
                yield Sample(at, rssi_dbm, adapter)

    def _make_room(self, now: float) -> None:
        """Who is out of range goes; if nobody is, then the stranger who was silent longest."""
        strangers = [address for address in self._tracks if address not in self._watched]
        gone = [
            address
            for address in strangers
            if self._tracks[address].last.heard_at < now - self._lately_s
        ]
        for address in gone or strangers[:1]:
            del self._tracks[address]


def _sighting(track: _Track, best: _Reception) -> Sighting:
    recent = best.recent() or [UNKNOWN_DBM]
    return Sighting(
        last=track.last,
        count=track.count,
        first_at=track.first_at,
        rssi_dbm=round(fmean(recent)),
        worst_dbm=min(recent),
        best_dbm=max(recent),
    )
