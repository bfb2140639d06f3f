"""What the gateway has let the world know, and whether a disk still knows it after the power went.

The witness stands outside: it hears the messages and orders that left the process (`wire`), never
what the process believed. A disk is asked with the product's own code (`gateway.store`) and by
SQLite itself. Not here: what a disk may look like (`images`).

Held to be promised as soon as the last byte was handed to the kernel:
- a schedule revision, by a hello that names it or the PUBACK of the message that led to it;
- an event with its number and words; numbers up to the head that a hello names;
- the answer to a command, and by its PUBACK that the command is journaled;
- the change counter and the connection's number, which are never given twice;
- a device, by a report of it: in the database, the file of identities and the radio's database;
- an order to a lock: an attempt at that slot covers the moment it was sent, and an opening belongs
  to a command that is at least started.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gateway.domain.instant import Instant
from gateway.errors import GatewayError
from gateway.store import devices, events, history, journal, meta
from gateway.store.files import connect, prepare
from gateway.store.keyring import Keyring, bind_key, credential_context, load_or_create_key
from gateway.store.tx import Tx
from gateway.sync import telling
from tests.powercut.wire import Said, Taken, Unlocked, Utterance, Written

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.powercut.images import Image

Json = dict[str, Any]

NOW = Instant(1_800_000_000_000)
"""Any time does: it names what is set aside, and nothing may be."""

_SKEW_MS = 2
"""The recorder reads the clock after the call, the gateway before it asked for it."""


@dataclass(frozen=True, slots=True)
class Door:
    """How a lock is called on the air and in the store. `offset`: from a slot to its user id."""

    device_id: str
    address: str
    offset: int


@dataclass(frozen=True, slots=True)
class Touched:
    """A slot of a lock was written to at that moment."""

    device_id: str
    slot: int
    at_ms: int


@dataclass(slots=True)
class Found:
    """What is wrong with one image; both empty: nothing."""

    lost: list[str] = field(default_factory=list)
    corrupt: list[str] = field(default_factory=list)

    @property
    def well(self) -> bool:
        return not (self.lost or self.corrupt)


@dataclass
class Promises:
    """Grows with `hear`. `doors` by node id on the air."""

    doors: Mapping[int, Door] = field(default_factory=dict)
    epoch: str = ""
    revision: int = 0
    head: int = 0
    change: int = 0
    connection: int = 0
    hashes: dict[int, str] = field(default_factory=dict)
    """Of schedules, by revision."""
    events: dict[int, Json] = field(default_factory=dict)
    answers: dict[str, Json] = field(default_factory=dict)
    commands: set[str] = field(default_factory=set)
    devices: set[str] = field(default_factory=set)
    touched: list[Touched] = field(default_factory=list)
    unlocked: Counter[str] = field(default_factory=Counter)
    contradictions: list[str] = field(default_factory=list)
    """The gateway said two things of one number: a number was given twice."""
    disk_may_fail: bool = False
    """While set, an erase may go on without an attempt on the disk."""

    @property
    def count(self) -> int:
        """How many facts the world was told of."""
        told = len(self.events) + len(self.answers) + len(self.commands) + len(self.devices)
        return told + len(self.touched) + self.unlocked.total() + self.revision

    def hear(self, utterance: Utterance) -> None:
        match utterance:
            case Said(leaf, message):
                self.said(leaf, message)
            case Taken("desired", message):
                self.hashes[message["revision"]] = message["hash"]
                whole = message["kind"] == "snapshot" and message["chunks"] == 1
                if whole or message.get("previous", self.revision + 1) <= self.revision:
                    self.revision = max(self.revision, message["revision"])
            case Taken("commands", message):
                self.commands.add(message["command_id"])
            case Written(node, user, erases, at_ns) if node in self.doors:
                door = self.doors[node]
                if not (erases and self.disk_may_fail):
                    self.touched.append(
                        Touched(door.device_id, user - door.offset, at_ns // 1_000_000)
                    )
            case Unlocked(node) if node in self.doors:
                self.unlocked[self.doors[node].device_id] += 1

    def said(self, leaf: str, message: Json) -> None:
        """Also for what the cloud has in its own books."""
        if self.epoch not in ("", message.get("epoch", self.epoch)):
            self.contradictions.append(f"a second epoch: {leaf}")
        self.epoch = message.get("epoch", self.epoch)
        match leaf:
            case "presence":
                self.connection = max(self.connection, message["connection"])
            case "hello":
                self.connection = max(self.connection, message["connection"])
                self.revision = max(self.revision, message["revision"])
                self.change = max(self.change, message["change"])
                self.head = max(self.head, message["events"]["head"])
                if message["revision"]:
                    self._once(self.hashes, message["revision"], message["hash"], "revision")
            case "events":
                for event in message["events"]:
                    self.head = max(self.head, event["seq"])
                    self._once(self.events, event["seq"], as_stamped(event), "event")
            case "results":
                self._once(self.answers, message["command_id"], message, "command")
            case "reported":
                self.change = max(self.change, message["change"])
                self.devices.update(each["device_id"] for each in message.get("devices", ()))

    def _once(self, known: dict[Any, Any], key: object, value: object, what: str) -> None:
        if known.setdefault(key, value) != value:
            self.contradictions.append(f"{what} {key} was told in two ways")


def as_stamped(event: Json) -> Json:
    """Without a later correction of its time, which is told of a number that was told before."""
    return {name: value for name, value in event.items() if name != "corrected_at"}


def examine(image: Image, folder: Path, promises: Promises) -> Found:
    """Write the image into an empty folder, open it as the daemon would, and compare."""
    for name, data in image.items():
        path = folder / name
        path.touch(0o600)
        path.write_bytes(data)
    found = Found()
    try:
        key = load_or_create_key(None, None, folder)
        opened = prepare(folder / "state.db", NOW, lambda: "fresh")
    except GatewayError as error:
        found.corrupt.append(f"does not open: {error}")
        return found
    if opened.set_aside is not None:
        found.corrupt.append("the database was set aside")
        return found
    if opened.fresh:
        if promises.count:
            found.lost.append("the whole database")
        return found
    try:
        with closing(connect(folder / "state.db")) as connection:
            _integrity(connection, "state.db", found)
            tx = Tx(connection)
            connection.execute("BEGIN")
            _sealed(tx, Keyring(key), found)
            found.lost += _missing(tx, promises)
        _beside(folder, promises, found)
    except (GatewayError, sqlite3.Error, ValueError, LookupError) as error:
        found.corrupt.append(f"{type(error).__name__}: {error}")
    return found


def _integrity(connection: sqlite3.Connection, name: str, found: Found) -> None:
    words = [row[0] for row in connection.execute("PRAGMA integrity_check(5)")]
    words += [f"foreign key: {row[0]}" for row in connection.execute("PRAGMA foreign_key_check")]
    found.corrupt += [f"{name}: {word}" for word in words if word != "ok"]


def _sealed(tx: Tx, keyring: Keyring, found: Found) -> None:
    bind_key(tx, keyring)  # StoreUnreadable for another key
    for row in tx.execute("SELECT credential_id, sealed FROM credentials WHERE sealed IS NOT NULL"):
        keyring.unseal(row["sealed"], context=credential_context(row["credential_id"]))


# ── the database ────────────────────────────────────────────────────────────────────────


def _missing(tx: Tx, promises: Promises) -> Iterator[str]:
    if promises.epoch and tx.one(meta.epoch()) != promises.epoch:
        yield "the epoch is another"
    yield from _schedule(tx, promises)
    for name, said in (
        (meta.HEAD, promises.head),
        (meta.CHANGE, promises.change),
        ("connections", promises.connection),
    ):
        there = tx.one(meta.integer(name)) or 0
        if there < said:
            yield f"{name} is {there}, {said} was told"
    rows = {row.seq: row for row in tx.all(events.events_between(0, promises.head))}
    for seq, event in promises.events.items():
        row = rows.get(seq)
        if row is None or as_stamped(json.loads(telling.encode(telling.event(row)))) != event:
            yield f"event {seq} ({event['type']}) is {'missing' if row is None else 'another'}"
    yield from _commands(tx, promises)
    known = {row.device_id for row in tx.all(devices.devices_changed_since(0))}
    yield from (f"device {name} is missing" for name in sorted(promises.devices - known))
    yield from _attempts(tx, promises)


def _schedule(tx: Tx, promises: Promises) -> Iterator[str]:
    revision = tx.one(meta.revision()) or 0
    if revision < promises.revision:
        yield f"revision {revision} is in force, {promises.revision} was told"
    ours = tx.one(meta.schedule_hash())
    if revision and promises.hashes.get(revision, ours) != ours:
        yield f"revision {revision} has another hash"
    # As the contract defines it; what a command revoked counts as ordered (docs/sync).
    lines = sorted(
        f"{row[0]} {row[1]} {row[2]}\n"
        for row in tx.execute(
            "SELECT g.credential_id, g.device_id, c.version FROM grants g"
            " JOIN credentials c USING (credential_id)"
            " WHERE (g.removed IS NULL OR g.removed = 'revoked') AND c.orphaned = 0"
        )
    )
    if revision and hashlib.sha256("".join(lines).encode()).hexdigest() != ours:
        yield f"the codes of revision {revision} are not those of its hash"


def _commands(tx: Tx, promises: Promises) -> Iterator[str]:
    for command_id in sorted(promises.commands):
        if not tx.all(journal.command(command_id)):  # type: ignore[arg-type]  # NewType of str
            yield f"command {command_id} is not journaled"
    for command_id, answer in promises.answers.items():
        row = tx.one(journal.command(command_id))  # type: ignore[arg-type]  # NewType of str
        if row is None or row.state is not journal.CommandState.DONE:
            yield f"the answer to {command_id} is missing"
        elif json.loads(telling.encode(telling.command_result(row, promises.epoch))) != answer:
            yield f"the answer to {command_id} is another"
    claimed = Counter(
        row[0]
        for row in tx.execute(
            "SELECT device_id FROM commands WHERE kind = 'unlock' AND state <> 'received'"
        )
    )
    for device_id, times in promises.unlocked.items():
        if claimed[device_id] < times:
            yield f"{device_id} was opened {times} times, for {claimed[device_id]} commands"


def _attempts(tx: Tx, promises: Promises) -> Iterator[str]:
    spans: dict[tuple[str, int], list[history.AttemptRow]] = {}
    for row in tx.execute("SELECT * FROM attempts WHERE slot IS NOT NULL"):
        attempt = history.AttemptRow(*row)
        spans.setdefault((attempt.device_id, attempt.slot or 0), []).append(attempt)
    for touched in promises.touched:
        if not any(
            attempt.started_at <= touched.at_ms + _SKEW_MS
            and (attempt.finished_at is None or attempt.finished_at + _SKEW_MS >= touched.at_ms)
            for attempt in spans.get((touched.device_id, touched.slot), ())
        ):
            yield f"slot {touched.slot} of {touched.device_id} was written to without an attempt"


# ── beside it ───────────────────────────────────────────────────────────────────────────


def _beside(folder: Path, promises: Promises, found: Found) -> None:
    identities = folder / "devices.json"
    known = json.loads(identities.read_text()) if identities.exists() else []
    ids = {entry["device_id"]: entry["address"] for entry in known}
    for name in sorted(promises.devices - ids.keys()):
        found.lost.append(f"devices.json does not name {name}")
    register = folder / "zigbee.register.json"
    if register.exists():
        json.loads(register.read_text())
    if not (folder / "zigbee.db").exists():
        if promises.devices:
            found.lost.append("the radio's database is missing")
        return
    with closing(sqlite3.connect(folder / "zigbee.db")) as connection:
        _integrity(connection, "zigbee.db", found)
        members = set(nodes(connection).values())
    for name in sorted(promises.devices & ids.keys()):
        if ids[name] not in members:
            found.lost.append(f"the radio's database does not know {name}")


def nodes(connection: sqlite3.Connection) -> dict[int, str]:
    """Addresses by node id, from the Zigbee library's database; empty before its first start."""
    tables = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name GLOB 'devices_v[0-9]*'"
        " ORDER BY length(name) DESC, name DESC"
    ).fetchall()
    if not tables:
        return {}
    return dict(connection.execute(f"SELECT nwk, ieee FROM {tables[0][0]}").fetchall())  # noqa: S608 - a name from the catalogue of the database itself
