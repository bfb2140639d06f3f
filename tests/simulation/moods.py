"""A cloud that is wrong, confused, or somebody else: messages that must change nothing.

Each mood is one act, drawn and timed by whoever plots the world. A gateway may ask for the
schedule again afterwards; what it does at its doors stays the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gateway.domain.instant import HOUR, MINUTE
from tests.simulation.orders import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from random import Random

    from tests.simulation.cloud import SimCloud

Json = dict[str, Any]


def old_delta(cloud: SimCloud, rng: Random) -> None:
    """A change that was sent before, once more."""
    if cloud.deltas:
        cloud.send_raw("desired", rng.choice(list(cloud.deltas)))


def wrong_previous(cloud: SimCloud, rng: Random) -> None:
    """Everything revoked, on top of a revision that never was."""
    _clear(cloud, previous=cloud.wanted.revision + rng.randint(1, 5))


def wrong_hash(cloud: SimCloud, rng: Random) -> None:
    """Everything revoked, and a hash that belongs to the schedule as it is."""
    _clear(cloud, previous=cloud.wanted.revision)


def truncated_snapshot(cloud: SimCloud, rng: Random) -> None:
    """Half of the schedule under the hash of the whole, and a chunk that is never followed."""
    listed = cloud.wanted.listed()
    if not listed:
        return  # half of nothing is the whole
    ahead = {"revision": cloud.wanted.revision + 1}
    half = listed[: len(listed) // 2]
    for chunk in cloud.chunks(half, [], sure=False):
        _send(cloud, "desired", chunk | ahead)
    _send(cloud, "desired", cloud.chunks(half, [], sure=True)[0] | ahead | {"chunks": 9})


def retained_command(cloud: SimCloud, rng: Random) -> None:
    """An unlock that the broker keeps and delivers at every connection from now on."""
    command = _unlock(cloud, rng, cloud.clock() + HOUR)
    if command is not None:
        cloud.send_raw("commands", encode(command), retain=True)


def stale_command(cloud: SimCloud, rng: Random) -> None:
    """An unlock of yesterday's making."""
    command = _unlock(cloud, rng, cloud.clock() - rng.randint(MINUTE, 24 * HOUR))
    if command is not None:
        cloud.send_raw("commands", encode(command))


def bold_ack(cloud: SimCloud, rng: Random) -> None:
    """Events acknowledged that nobody wrote yet, or of another database."""
    beyond = {"events_through": cloud.hello.get("events", {}).get("head", 0) + 10_000}
    other = {"epoch": "another", "events_through": 1, "want_events": [[1, 9]]}
    _send(cloud, "ack", rng.choice(({"epoch": cloud.epoch} | beyond, other)))


def garbage(cloud: SimCloud, rng: Random) -> None:
    """Bytes."""
    leaf = rng.choice(("desired", "commands", "ack", "trust", "nonsense"))
    payload = rng.choice(
        (
            b"",
            rng.randbytes(rng.randint(1, 200)),
            b"{" + b'"a":{' * 5_000,
            b"[" * 50_000,
            b'{"schema": 99}',
            b'{"schema": 1, "kind": "delta", "revision": 1e400, "previous": null}',
            b'{"schema": 1, "kind": "unlock", "crit": ["chaperone"], "command_id": "x"}',
            b'{"schema": 1, "filler": "' + b"x" * 200_000 + b'"}',
        )
    )
    cloud.send_raw(leaf, payload)


MOODS: Final[Mapping[str, Callable[[SimCloud, Random], None]]] = {
    mood.__name__: mood
    for mood in (
        old_delta,
        wrong_previous,
        wrong_hash,
        truncated_snapshot,
        retained_command,
        stale_command,
        bold_ack,
        garbage,
    )
}


def _clear(cloud: SimCloud, *, previous: int) -> None:
    """No code at all, and every removal meant."""
    if not cloud.wanted.listed():
        return  # it would be the truth
    _send(
        cloud,
        "desired",
        {
            "kind": "delta",
            "previous": previous,
            "revision": previous + 1,
            "hash": cloud.wanted.hash,
            "tombstones": [{"credential_id": name} for name in cloud.wanted.credentials],
            "confirm_removals": True,
        },
    )


def _unlock(cloud: SimCloud, rng: Random, not_after: int) -> Json | None:
    """Written down as one that must not act."""
    if not cloud.devices:
        return None
    device = rng.choice(sorted(cloud.devices))
    command = cloud.make_command("unlock", device, not_after=not_after)
    cloud.hostile(command)
    return command


def _send(cloud: SimCloud, leaf: str, message: Json) -> None:
    cloud.send_raw(leaf, encode(message))
