"""A cloud to test against and to copy from: one gateway, the whole contract, nothing else.

It keeps the schedule it wants, stores events once each, acknowledges what it has without holes,
asks for what it lacks, and sends the schedule anew when a hello shows another one. It decides
nothing about doors.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import secrets
import zlib
from random import Random
from typing import TYPE_CHECKING, Any, Final, Self

from firmware_sims.cloud.ledger import Event, Ledger
from firmware_sims.cloud.wire import Faults, Wire
from gateway.sync.topics import Topics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType

ACK_PAUSE_S: Final = 0.05
"""Events arriving together are acknowledged together."""

ASK_PAUSE_S: Final = 1.0
"""Missing events are not asked for again within this time."""

HEAL_AFTER_S: Final = 1.0
"""A hello that shows an older schedule is believed only this long after the last push."""

Json = dict[str, Any]


class ReferenceCloud:
    """`async with ReferenceCloud(host, port, gateway_id) as cloud`."""

    def __init__(
        self, host: str, port: int, gateway_id: str, *, seed: int = 0, acknowledge: bool = True
    ) -> None:
        self.topics = Topics(gateway_id)
        self.revision = 0
        self.schedule: dict[str, Json] = {}
        """What is wanted: credentials by id, as on the wire."""
        self.graves: list[tuple[Json, bool]] = []
        """Tombstones not yet seen applied; True where the removal needs no further word."""
        self.ledgers: dict[str, Ledger] = {}
        """By epoch."""
        self.devices: dict[str, Json] = {}
        self.grants: dict[tuple[str, str], Json] = {}
        self.results: dict[str, Json] = {}
        self.presence: Json = {}
        self.hello: Json = {}
        self.listener: Callable[[str, Json], None] = lambda leaf, message: None
        """Told of every message, first of all."""
        self._acknowledge = acknowledge
        self._random = Random(seed)
        self._wire: Wire | None = None
        self._where = (host, port)
        self._changed = asyncio.Event()
        self._pushed_at = 0.0
        self._asked_at = 0.0
        self._commands = 0
        self._name = secrets.token_hex(6)
        self._ack_due: asyncio.TimerHandle | None = None
        self._reports: dict[tuple[int, int], set[int]] = {}
        self._rows: dict[str | tuple[str, str], int] = {}
        """At which change a device or a grant was told: reports may overtake one another."""
        self._reported_through = 0
        self._loop = asyncio.get_running_loop()

    async def __aenter__(self) -> Self:
        self._wire = Wire(
            *self._where,
            f"cloud-{self._name}",
            self.topics.up("#"),
            self._received,
            self._random,
        )
        await self._wire.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._ack_due is not None:
            self._ack_due.cancel()
        await self.wire.close()

    @property
    def wire(self) -> Wire:
        if self._wire is None:
            raise RuntimeError("the cloud is not entered")
        return self._wire

    @property
    def faults(self) -> Faults:
        return self.wire.faults

    async def go_away(self) -> None:
        """Leave the broker; what is published meanwhile is not heard."""
        await self.wire.close()

    async def come_back(self) -> None:
        await self.wire.open()

    # ------------------------------------------------------------------------------- schedules

    def push(
        self,
        credentials: Iterable[Json] = (),
        tombstones: Iterable[Json] = (),
        *,
        confirm_removals: bool = False,
    ) -> int:
        """Change what is wanted and send the change as a delta; returns the new revision.

        A credential without `version` gets the next one.
        """
        previous, self.revision = self.revision, self.revision + 1
        changed = [self._want(credential) for credential in credentials]
        gone = [self._bury(stone) for stone in tombstones]
        single = len(gone) == 1 and not changed
        self.graves += [(stone, confirm_removals or single) for stone in gone]
        self._pushed_at = self._loop.time()
        self.send(
            "desired",
            kind="delta",
            revision=self.revision,
            previous=previous,
            hash=self.hash,
            credentials=changed,
            tombstones=gone,
            confirm_removals=confirm_removals,
        )
        return self.revision

    def push_snapshot(
        self,
        *,
        chunk_size: int = 200,
        packed: bool = True,
        tombstones: Iterable[Json] = (),
        confirm_removals: bool = False,
        order: Callable[[list[Json]], list[Json]] = list,
    ) -> None:
        """Send the whole schedule at the present revision. `order` may shuffle the chunks."""
        wanted = list(self.schedule.values())
        parts = [wanted[i : i + chunk_size] for i in range(0, len(wanted), chunk_size)] or [[]]
        chunks: list[Json] = []
        for number, part in enumerate(parts, start=1):
            body: Json = {"credentials_z": pack(part)} if packed else {"credentials": part}
            stones = list(tombstones) if number == 1 else []
            place = {"chunk": number, "chunks": len(parts), "confirm_removals": confirm_removals}
            chunks.append(place | body | {"tombstones": stones})
        self._pushed_at = self._loop.time()
        for chunk in order(chunks):
            self.send("desired", kind="snapshot", revision=self.revision, hash=self.hash, **chunk)

    @property
    def hash(self) -> str:
        """As the contract defines it; written independently of the gateway."""
        lines = sorted(
            f"{c['credential_id']} {device} {c['version']}\n"
            for c in self.schedule.values()
            for device in c["devices"]
        )
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def _want(self, credential: Json) -> Json:
        known = self.schedule.get(credential["credential_id"], {})
        full = {"version": known.get("version", 0) + 1, "kind": "pin"} | credential
        self.schedule[full["credential_id"]] = full
        self.graves = [g for g in self.graves if g[0]["credential_id"] != full["credential_id"]]
        return full

    def _bury(self, stone: Json) -> Json:
        """The tombstone to send: for all devices, once the credential is listed on none. The
        gateway may still have it on some that were dropped by a change which it missed."""
        known = self.schedule.get(stone["credential_id"])
        device = stone.get("device_id")
        if known is None:
            return stone
        known["devices"] = [d for d in known["devices"] if device is not None and d != device]
        if known["devices"]:
            return stone
        del self.schedule[stone["credential_id"]]
        return {"credential_id": stone["credential_id"]}

    # -------------------------------------------------------------------------------- commands

    async def command(
        self,
        kind: str,
        device_id: str | None = None,
        *,
        command_id: str | None = None,
        not_after: str | None = None,
        timeout_s: float = 15.0,
        **args: Any,
    ) -> Json:
        """Send it and wait for its answer. TimeoutError when none comes."""
        command_id = command_id or self.next_command_id()
        self.results.pop(command_id, None)
        fields = {"device_id": device_id, "not_after": not_after}
        self.send(
            "commands",
            command_id=command_id,
            kind=kind,
            args=args,
            **{name: value for name, value in fields.items() if value is not None},
        )
        await self.until(lambda: command_id in self.results, timeout_s)
        return self.results[command_id]

    def next_command_id(self) -> str:
        self._commands += 1
        return f"cmd_{self._name}_{self._commands}"

    # --------------------------------------------------------------------------------- waiting

    async def until(self, predicate: Callable[[], object], timeout_s: float = 15.0) -> None:
        """Until it holds, looking after every message. TimeoutError."""
        async with asyncio.timeout(timeout_s):
            while not predicate():
                self._changed.clear()
                await self._changed.wait()

    async def wait_event(
        self, predicate: Callable[[Event], object], timeout_s: float = 15.0
    ) -> Event:
        """The first stored event that fits."""
        await self.until(lambda: self.find_event(predicate), timeout_s)
        found = self.find_event(predicate)
        assert found is not None  # noqa: S101 - just waited for
        return found

    def find_event(self, predicate: Callable[[Event], object]) -> Event | None:
        return next((event for event in self.events() if predicate(event)), None)

    def events(self) -> list[Event]:
        """Everything stored, oldest first within each epoch."""
        return [ledger.events[s] for ledger in self.ledgers.values() for s in sorted(ledger.events)]

    async def wait_grant(
        self, credential_id: str, device_id: str, state: str, timeout_s: float = 15.0
    ) -> Json:
        key = (credential_id, device_id)
        await self.until(lambda: self.grants.get(key, {}).get("state") == state, timeout_s)
        return self.grants[key]

    async def wait_applied(self, timeout_s: float = 15.0) -> None:
        """Until a hello shows the schedule as it is wanted now."""
        await self.until(
            lambda: (
                (self.hello.get("revision"), self.hello.get("hash")) == (self.revision, self.hash)
            ),
            timeout_s,
        )

    async def wait_online(self, timeout_s: float = 15.0) -> None:
        await self.until(lambda: self.presence.get("online"), timeout_s)

    # ----------------------------------------------------------------------------- on the wire

    def send(self, leaf: str, **fields: Any) -> None:
        self.send_raw(leaf, json.dumps({"schema": 1, **fields}).encode())

    def send_raw(self, leaf: str, payload: bytes, *, retain: bool = False) -> None:
        self.wire.send(self.topics.down(leaf), payload, retain=retain)

    def ask(self, **wishes: Any) -> None:
        """An `ack` at once, with wishes: `want_events`, `want_reported`, `want_hello`."""
        epoch = self.presence.get("epoch", "")
        ledger = self.ledgers.get(epoch, Ledger())
        through: Json = {}
        if self._acknowledge:
            through = {
                "events_through": ledger.watermark,
                "reported_through": self._reported_through,
            }
        self.send("ack", epoch=epoch, **through, **wishes)

    def _received(self, topic: str, payload: bytes) -> None:
        leaf = topic.rsplit("/", 1)[-1]
        message = json.loads(payload)
        self.listener(leaf, message)
        handler = {
            "presence": self._on_presence,
            "hello": self._on_hello,
            "events": self._on_events,
            "reported": self._on_reported,
            "results": self._on_result,
        }.get(leaf)
        if handler is not None:
            handler(message)
        self._changed.set()

    def _on_presence(self, message: Json) -> None:
        known = self.presence
        if known and message["epoch"] == known["epoch"]:
            if message["connection"] < known["connection"]:
                return  # the will of a former connection
        elif known and not message["online"]:
            return  # the will of a former database; a new one counts its connections anew
        else:
            self._reported_through = 0
            self._rows.clear()
        self.presence = message
        if message["online"] and self._acknowledge:
            # The hello says how many events there are: some may have passed while we were away.
            self.ask(want_reported=self._reported_through == 0, want_hello=True)

    def _on_hello(self, message: Json) -> None:
        self.hello = message
        self._reported_epoch(message)
        if self._acknowledge:
            ledger = self.ledgers.setdefault(message["epoch"], Ledger())
            self._ask_for(ledger.missing(message["events"]["head"]))
        if self.revision:
            self._heal(message)

    def _heal(self, message: Json) -> None:
        """Send the whole schedule if the gateway asks for it or shows another one.

        What was taken back meanwhile goes with it: absence never revokes.
        """
        ours, theirs = (self.revision, self.hash), (message["revision"], message["hash"])
        settled = self._loop.time() - self._pushed_at >= HEAL_AFTER_S
        if theirs == ours:
            self.graves.clear()
        if message.get("want") == "snapshot" or (theirs != ours and settled):
            if theirs[0] > ours[0]:  # this cloud lost its memory: its word must come after
                self.revision = theirs[0] + 1
            certain = [stone for stone, sure in self.graves if sure]
            self.graves = [grave for grave in self.graves if not grave[1]]
            self.push_snapshot(tombstones=[stone for stone, _ in self.graves])
            for stone in certain:  # one by one, so that nobody asks about them
                self.push([], [stone])

    def _reported_epoch(self, message: Json) -> None:
        if not self.presence:
            self.presence = {
                "epoch": message["epoch"],
                "connection": message["connection"],
                "online": True,
            }

    def _on_events(self, message: Json) -> None:
        ledger = self.ledgers.setdefault(message["epoch"], Ledger())
        ledger.add(message["events"])
        self._ack_soon()

    def _on_reported(self, message: Json) -> None:
        since, change = message["since"], message["change"]
        for device in message.get("devices", ()):
            if self._is_news(device["device_id"], change):
                self.devices[device["device_id"]] = device
        for grant in message.get("grants", ()):
            key = grant["credential_id"], grant["device_id"]
            if self._is_news(key, change):
                self.grants[key] = grant
        have = self._reports.setdefault((since, change), set())
        have.add(message["chunk"])
        if len(have) == message["chunks"]:
            del self._reports[since, change]
            if since <= self._reported_through:  # nothing is missing before it
                self._reported_through = max(self._reported_through, change)
            self._ack_soon()

    def _is_news(self, key: str | tuple[str, str], change: int) -> bool:
        if change < self._rows.get(key, 0):
            return False
        self._rows[key] = change
        return True

    def _on_result(self, message: Json) -> None:
        self.results[message["command_id"]] = message

    def _ack_soon(self) -> None:
        if self._acknowledge and self._ack_due is None:
            self._ack_due = self._loop.call_later(ACK_PAUSE_S, self._ack_now)

    def _ack_now(self) -> None:
        self._ack_due = None
        ledger = self.ledgers.get(self.presence.get("epoch", ""), Ledger())
        if not self._ask_for(ledger.missing()):
            self.ask()

    def _ask_for(self, missing: list[tuple[int, int]]) -> bool:
        """What was asked for a moment ago may still be on its way."""
        now = self._loop.time()
        if not missing or now < self._asked_at + ASK_PAUSE_S:
            return False
        self._asked_at = now
        self.ask(want_events=missing[:32])
        return True


def pack(credentials: Iterable[Mapping[str, Any]]) -> str:
    """For `credentials_z`."""
    return base64.b64encode(zlib.compress(json.dumps(list(credentials)).encode())).decode()


def pin(
    credential_id: str,
    digits: str,
    devices: Iterable[str],
    window: Json | None = None,
    **fields: Any,
) -> Json:
    """A credential as `push` takes it."""
    return {
        "credential_id": credential_id,
        "kind": "pin",
        "secret": {"digits": digits},
        "devices": list(devices),
        "window": window or {"kind": "always"},
        **fields,
    }


def timed(opens_at: str, closes_at: str) -> Json:
    return {"kind": "timed", "opens_at": opens_at, "closes_at": closes_at}
