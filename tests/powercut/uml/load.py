"""A house in use: codes pushed and taken back, doors opened, orders given, and what they must obey.

Here: the load of one life of the gateway, and the rules that hold for the doors at every moment,
power or not. Not here: what the gateway said (`witness`), power and clocks (`cycle`).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from firmware_sims.cloud.reference import pin, timed
from firmware_sims.demo.steps import rfc
from gateway.domain.instant import ClockTrust, Instant, to_datetime
from gateway.kit.clock import SystemClock
from tests.powercut.uml.witness import Kind

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from random import Random

    from tests.powercut.uml.house import House
    from tests.powercut.uml.witness import Witness

STAY: Final = timedelta(days=30)
"""Shorter than the clock is ever wrong by: a clock that is ahead says that the stay is over."""
MOST_CODES: Final = 10
_WATCH_S: Final = 0.02
_HELLO_S: Final = 0.25
_ANSWER_S: Final = 20.0
_AGAIN: Final = 60
"""Events and orders asked for again after each start."""

_clock = SystemClock(ClockTrust.TRUSTED)


@dataclass(slots=True)
class Code:
    """One credential. `closes`: the end of its window, None for never; `taken`: taken back."""

    name: str
    doors: tuple[str, ...]
    digits: str = field(repr=False)
    closes: Instant | None = None
    taken: bool = False

    def over(self, now: Instant) -> bool:
        return self.taken or (self.closes is not None and self.closes <= now)


@dataclass(frozen=True, slots=True)
class Order:
    command_id: str
    kind: str
    door: str


class Load:
    """Everything that was ever asked of the gateway, over all its lives."""

    def __init__(self, house: House, witness: Witness, random: Random) -> None:
        self._house, self._witness, self._random = house, witness, random
        self._codes: dict[str, Code] = {}
        self._stays: list[Code] = []
        self._orders: dict[str, Order] = {}
        self._digits: set[str] = set()
        self._seen: set[tuple[str, str]] = set()
        self._opened = 0

    # ------------------------------------------------------------------------------ doing

    async def stays(self) -> None:
        """A long stay on each door, seen on the lock: from now on it never leaves it."""
        now = to_datetime(_clock.now())
        window = timed(rfc(now - timedelta(days=1)), rfc(now + STAY))
        made = [self._code(f"stay_{door}", (door,)) for door in self._house.devices]
        self._push(made, window)
        for code in made:
            door = code.doors[0]
            await self._house.until(
                f"{code.name} on {door}",
                lambda door=door, code=code: code.digits in self._house.codes(door),  # type: ignore[misc]  # bound early
                _ANSWER_S,
            )
        self._stays = made

    async def run(self, seconds: float) -> None:
        """Use the house for this long; what is under way then is left as it is."""
        ends = _clock.monotonic() + seconds
        asks = 0.0
        while (now := _clock.monotonic()) < ends:
            await self._choose()()
            if now >= asks:
                self._house.cloud.ask(want_hello=True)
                asks = now + _HELLO_S
            await _clock.sleep(min(self._random.uniform(0.02, 0.3), ends - now))

    def _choose(self) -> Callable[[], Awaitable[None]]:
        full = len(self._live()) >= MOST_CODES
        ways: dict[Callable[[], Awaitable[None]], int] = {
            self._give: 0 if full else 7,
            self._take: 6 if full else 3,
            self._open: 4,
            self._order: 3,
        }
        return self._random.choices(list(ways), list(ways.values()))[0]

    async def _give(self) -> None:
        doors = tuple(self._house.devices)
        if self._random.random() < 0.6:
            doors = (self._random.choice(doors),)
        code = self._code(f"code_{len(self._codes)}", doors)
        window: dict[str, Any] = {"kind": "always"}
        if self._random.random() < 0.5:
            now = to_datetime(_clock.now())
            closes = now + timedelta(seconds=self._random.choice((2, 5, 30, 86_400)))
            window = timed(rfc(now - timedelta(minutes=5)), rfc(closes))
            code.closes = Instant(int(closes.timestamp() * 1000))
        self._push([code], window)

    async def _take(self) -> None:
        live = self._live()
        if live:
            code = self._random.choice(live)
            code.taken = True
            self._house.cloud.push([], [{"credential_id": code.name}], confirm_removals=True)

    async def _open(self) -> None:
        door = self._random.choice(list(self._house.devices))
        present = [c for c in (*self._stays, *self._live()) if door in c.doors]
        if present:
            self._opened += await self._house.type_code(door, self._random.choice(present).digits)

    async def _order(self) -> None:
        order = Order(
            f"order_{len(self._orders)}",
            self._random.choice(("unlock", "unlock", "lock")),
            self._random.choice(list(self._house.devices)),
        )
        self._orders[order.command_id] = order
        self._send(order)

    def _code(self, name: str, doors: tuple[str, ...]) -> Code:
        digits = ""
        while not digits or digits in self._digits:
            digits = f"90{self._random.randrange(10**6):06d}"
        self._digits.add(digits)
        code = Code(name, doors, digits)
        self._codes[name] = code
        return code

    def _push(self, codes: list[Code], window: dict[str, Any]) -> None:
        devices = self._house.devices
        self._house.cloud.push(
            [pin(c.name, c.digits, [devices[door] for door in c.doors], window) for c in codes]
        )

    def _send(self, order: Order) -> None:
        self._house.cloud.send(
            "commands",
            command_id=order.command_id,
            kind=order.kind,
            device_id=self._house.devices[order.door],
            args={},
        )

    def _live(self) -> list[Code]:
        now = _clock.now()
        return [c for c in self._codes.values() if c not in self._stays and not c.over(now)]

    # ----------------------------------------------------------------------------- asking

    async def ask_again(self) -> None:
        """The latest orders once more: the same answers, and nothing done a second time.

        The witness compares the answers; here: that one comes, and what the locks did.
        """
        results = self._house.cloud.results
        results.clear()
        latest = list(self._orders.values())[-_AGAIN:]
        for order in latest:
            self._send(order)
        asked = {order.command_id for order in latest}
        try:
            await self._house.until("answers to orders", lambda: results.keys() >= asked, _ANSWER_S)
        except TimeoutError:
            missing = sorted(asked - results.keys())
            self._witness.found(Kind.LOST, f"no answer to {', '.join(missing)}")
        for door in self._house.devices:
            for kind in ("unlock", "lock"):
                sent = [o for o in self._orders.values() if (o.door, o.kind) == (door, kind)]
                sure = [o for o in sent if self._confirmed(o.command_id)]
                acted = self._house.applied(door, f"{kind}_door")
                if not len(sure) <= acted <= len(sent):
                    self._witness.found(
                        Kind.WRONG,
                        f"{door}: {acted} × {kind} for {len(sent)} orders, {len(sure)} confirmed",
                    )

    def _confirmed(self, command_id: str) -> bool:
        answer = self._house.cloud.results.get(command_id, {})
        return bool(answer.get("result", {}).get("outcome") == "confirmed")

    async def events_again(self, most: int = _AGAIN) -> None:
        """The newest events that were heard, once more: each is there and as it was."""
        known = sorted(self._witness.events)[-most:]
        if not known:
            return
        self._witness.again.clear()
        self._house.cloud.ask(want_events=[[known[0], known[-1]]])
        try:
            await self._house.until(
                "events again", lambda: self._witness.again >= set(known), _ANSWER_S
            )
        except TimeoutError:
            gone = sorted(set(known) - self._witness.again)
            self._witness.found(Kind.LOST, f"events no longer there: {gone}")

    async def watch(self) -> None:
        """Until cancelled: at no moment does a lock hold what the cloud was told is erased,
        and at none does a guest's code go."""
        while True:
            for door, device in self._house.devices.items():
                held = self._house.codes(door)
                for code in self._stays:
                    if door in code.doors and code.digits not in held:
                        self._witness.found(Kind.WRONG, f"{door}: {code.name} is gone")
                for code in self._codes.values():
                    self._watch_erased(code, door, device, code.digits in held)
            await _clock.sleep(_WATCH_S)

    def _watch_erased(self, code: Code, door: str, device: str, held: bool) -> None:
        """Told erased and seen gone, in this order; then it must not come back.

        Waiting again is no contradiction: with the time forgotten its window may not be over.
        """
        key = (code.name, door)
        state = self._house.cloud.grants.get((code.name, device), {}).get("state")
        if state == "erased" and not held:
            self._seen.add(key)
        elif key in self._seen and held:
            self._witness.found(Kind.WRONG, f"{door}: {code.name} came back after it was erased")
        elif key in self._seen and state not in {"erased", "pending"}:
            self._witness.found(Kind.WRONG, f"{door}: {code.name} was erased and is now {state}")

    async def converge(self, within_s: float) -> None:
        """With power, time and link: the locks hold what is wanted and nothing else."""

        def settled() -> bool:
            now = _clock.now()
            wanted = {
                door: {
                    c.digits for c in self._codes.values() if door in c.doors and not c.over(now)
                }
                for door in self._house.devices
            }
            return all(self._house.codes(door) == codes for door, codes in wanted.items())

        asking = asyncio.create_task(self._keep_asking())
        try:
            await self._house.cloud.wait_applied(within_s)
            await self._house.until("locks hold what is wanted", settled, within_s)
            await self._house.until("every event at the cloud", self._all_here, within_s)
        except TimeoutError as error:
            self._witness.found(Kind.WRONG, f"does not converge: {error}")
        finally:
            asking.cancel()

    async def _keep_asking(self) -> None:
        while True:
            self._house.cloud.ask(want_hello=True)
            await _clock.sleep(_HELLO_S)

    def _all_here(self) -> bool:
        ledger = self._house.cloud.ledgers.get(self._witness.epoch)
        return ledger is not None and ledger.watermark == self._witness.said.get("head")

    @property
    def staying(self) -> bool:
        return bool(self._stays)

    @property
    def counts(self) -> dict[str, int]:
        taken = sum(code.taken for code in self._codes.values())
        return {
            "codes": len(self._codes),
            "taken back": taken,
            "openings": self._opened,
            "orders": len(self._orders),
        }
