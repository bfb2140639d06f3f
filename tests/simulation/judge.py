"""The judge of a simulated building: it knows the truth and never asks the gateway.

It is told what was ordered, what conditions held, what was done behind the gateway's back, and what
the doors do; all instants are true time in Unix milliseconds. Rules, and where they are kept:
EARLY, LATE, UNAVAILABLE (`judging.watch`; without a clock, and CLOCK: `judging.dark`; where only an
alarm reminded it: `judging.alarms`), SLOTS, BUDGET, UNMANAGED (`judging.memory`), ONCE, EVENTS
(`judging.accounts`), SHOWN, CONVERGED and SECRETS (modules of their names). Not here: what happens
in a world.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation.judging import accounts
from tests.simulation.judging.alarms import alarms
from tests.simulation.judging.conditions import Conditions
from tests.simulation.judging.converged import converged
from tests.simulation.judging.dark import Guesses
from tests.simulation.judging.memory import UNAPPLIED, Memory
from tests.simulation.judging.orders import Orders
from tests.simulation.judging.promise import (
    Delivered,
    Figures,
    Findings,
    Lock,
    Promise,
    Violation,
)
from tests.simulation.judging.secrets import found
from tests.simulation.judging.shown import Shown
from tests.simulation.judging.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from tests.simulation.judging.pairs import Pair
    from tests.simulation.judging.promise import Json

__all__ = ["Delivered", "Figures", "Findings", "Judge", "Lock", "Promise", "Violation"]


class Judge:
    """`violations` in the order they were found; `note` is told of each."""

    def __init__(self, promise: Promise, note: Callable[..., None]) -> None:
        self.violations: list[Violation] = []
        self.figures = Figures()
        self._promise = promise
        self._note = note
        self._now = 0
        self._conditions = Conditions(promise.t_ms)
        self._orders = Orders(promise.t_ms)
        self._watch = Watch(promise, self._conditions, self._orders, self.figures, self._violate)
        self._memory = Memory(promise, self.figures, self._violate, self._owners)
        self._watch.memory = self._memory
        self._guesses = Guesses(self._watch, self._conditions, self._violate)
        self._shown = Shown(self._orders, self._memory, self._violate)
        self._unlocks = accounts.Unlocks(promise, self._conditions, self.figures, self._violate)
        self._recent_uses: list[tuple[int, Pair]] = []

    @property
    def reported_state(self) -> Callable[[str, str], Json | None]:
        """(credential, device) to the grant as last reported to the cloud, as on the wire."""
        return self._watch.reported

    @reported_state.setter
    def reported_state(self, told: Callable[[str, str], Json | None]) -> None:
        self._watch.reported = told

    def lock(self, device_id: str, facts: Lock) -> None:
        """There is such a lock. One that is only named in orders is taken for a plain one."""
        self._watch.lock(device_id, facts)

    # ── what was ordered ────────────────────────────────────────────────────────────────

    def ordered(self, at: int, credential: Json, *, sure: bool = True) -> None:
        """A credential as on the wire, secret included. Not `sure`: the gateway may withhold what
        it takes away until `confirmed`."""
        self._pass(at)
        digits = credential["secret"]["digits"]
        for grant, order in self._orders.put(at, credential, sure=sure):
            if order.digits is None:
                continue
            pair = self._watch.pair(grant.device_id, digits)
            if grant not in pair.grants:
                pair.grants.append(grant)
            if order.calendar is not None:
                pair.orders.append(order)
            self._watch.meet(grant.device_id, digits, at)
        self._memory.changed(credential["credential_id"], digits)

    def revoked(
        self, at: int, credential_id: str, device_id: str | None, *, sure: bool = True
    ) -> None:
        """By a tombstone or a command; from all doors if none is named."""
        self._pass(at)
        self._orders.take_back(at, credential_id, device_id, sure=sure)

    def confirmed(self, at: int) -> None:
        """All removals so far are meant: the cloud said so, or saw that none is withheld."""
        self._pass(at)
        self._orders.confirmed(at)

    def left_out(self, at: int, credentials: Collection[str]) -> None:
        """From now on the cloud sends a schedule without these, by mistake. What is not known of
        them cannot become so until they are left out no longer, or ordered anew."""
        self._pass(at)
        self._orders.left_out(at, credentials)

    def commanded(
        self, at: int, command_id: str, kind: str, device_id: str, not_after: int | None
    ) -> None:
        self._unlocks.commanded(at, command_id, kind, device_id, not_after)

    def told(self, at: int, grant: Json) -> None:
        """The cloud was told how a grant stands, as on the wire."""
        self._pass(at)
        self._shown.told(at, grant)

    # ── conditions ──────────────────────────────────────────────────────────────────────

    def power(self, at: int, on: bool) -> None:
        """Of the gateway: its daemon runs or it does not."""
        self._pass(at)
        self._conditions.power(at, on=on)
        self._guesses.power()
        if not on:
            self._doubt_uses(at, None)

    def link(self, at: int, good: bool) -> None:
        """Whatever may keep an order back makes it bad, if only for an instant."""
        self._pass(at)
        self._conditions.link(at, good=good)

    def radio(self, at: int, device_id: str | None, good: bool) -> None:
        """None: the stick."""
        self._pass(at)
        self._conditions.radio(at, device_id, good=good)
        if not good:
            self._doubt_uses(at, device_id)

    def time_proven(self, at: int, proven: bool, error_ms: int = 0) -> None:
        """`error_ms`: bound, until the next call, of how wrong the time is by which it acts."""
        self._pass(at)
        self._conditions.time(at, proven=proven, error_ms=error_ms)

    def disk(self, at: int, good: bool) -> None:
        self._pass(at)
        self._conditions.disk(at, good=good)
        if not good:
            self._doubt_uses(at, None)

    def tampered(
        self, at: int, device_id: str, slot: int | None, how: str, digits: str | None
    ) -> None:
        """Memory was changed by somebody else, in the ways of `judging.memory`. `digits`: what
        somebody put into the slot, or what the gateway wanted there and did not get."""
        self._pass(at)
        self._watch.lock(device_id)
        shows = self._watch.locks[device_id].reads_back or digits is None
        if how in UNAPPLIED and shows:
            # What is read back is found out at once, and so is a slot that stays empty: no more
            # than trouble with the radio.
            self.radio(at, device_id, False)
            self.radio(at, device_id, True)
        else:
            able_since = self._conditions.reach(device_id)
            self._memory.tamper(at, device_id, slot, how, digits, able_since)
            if digits is not None:
                self._watch.meet(device_id, digits, at)

    def rejoined(self, at: int, device_id: str) -> None:
        """This lock was admitted to the network anew, and the gateway knows. What was restricted
        may stay so, though whether the lock keeps windows has to be proven anew."""
        self._pass(at)
        self._memory.rejoined(at, device_id)

    # ── observations ────────────────────────────────────────────────────────────────────

    def inspect(self, at: int, device_id: str, opens: Callable[[str], bool]) -> None:
        """`opens(digits)`: whether the keypad would open now. Every code ever ordered is tried."""
        self._pass(at)
        self._watch.inspect(at, device_id, opens)

    def door(self, at: int, device_id: str, digits: str, opened: bool) -> None:
        """A guest typed."""
        self._pass(at)
        self.figures.typed += 1
        self.figures.typed_opened += opened
        pair = self._watch.pairs.get(device_id, {}).get(digits)
        if pair is None:
            if opened and not self._memory.is_strangers(device_id, digits):
                self._violate(at, "EARLY", device_id, None, "opened to digits that nobody ordered")
            return
        valid = self._watch.saw(pair, at, opened=opened)
        self.figures.typed_refused_though_valid += valid and not opened
        if opened:
            self._use(at, pair)

    def unheard(self, at: int, device_id: str) -> None:
        """What this door told a moment ago was lost in the air: nobody can count that use. A stick
        that was put back is heard by only once the gateway has opened it again."""
        self._pass(at)
        self._doubt_uses(at, device_id)

    def unlocked_by_radio(self, at: int, device_id: str) -> None:
        self._unlocks.unlocked(at, device_id)

    def wrote(
        self, at: int, device_id: str, slot: int, what: str, digits: str | None = None
    ) -> None:
        """A write of the gateway was carried out by the lock: `set`, `clear` or `schedule`.
        `digits`: what was set."""
        self._pass(at)
        touched = self._memory.digits_in(device_id, slot) if what == "schedule" else digits
        pair = self._watch.pairs.get(device_id, {}).get(touched or "")
        if pair is not None:
            self._watch.renew(pair, at)
        urgent = pair is not None and pair.allowed
        match what:
            case "set" if digits is not None:
                self._memory.set(at, device_id, slot, digits, urgent=urgent)
                self._guesses.wrote(device_id, slot)
            case "clear":
                self._guesses.cleared(at, device_id, slot)
                self._memory.clear(at, device_id, slot, self._watch.locks[device_id])
            case "schedule":
                self._guesses.wrote(device_id, slot)
                orders = pair.orders if pair is not None else []
                entries = max((o.calendar.entries for o in orders if o.calendar), default=1)
                self._memory.schedule(at, device_id, slot, urgent=urgent, entries=entries)
            case _:
                raise ValueError(f"nobody writes {what!r}, or not without digits")

    def asked(self, at: int, device_id: str, slot: int) -> None:
        """The gateway told this lock to store a code; what became of it is another matter."""
        self._memory.asked(at, device_id, slot)
        self._guesses.wrote(device_id, slot)

    def clock_set(self, at: int, device_id: str, error_ms: int) -> None:
        """The gateway set this lock's clock, which is off by so much now."""
        self._pass(at)
        self._guesses.clock_set(at, device_id, error_ms)

    def finish(self, at: int, world: Findings) -> None:
        """After everything was good for long enough that the gateway could put all right."""
        self._pass(at)
        for device_id, codes in sorted(world.codes.items()):
            self._watch.lock(device_id)
            converged(self._promise, self._watch, self.figures, self._violate, at, device_id, codes)
        accounts.events(self._promise, self._conditions, self.figures, self._violate, at, world)
        alarms(self._promise, self._conditions, self._violate, world)
        self._unlocks.finish(at, world)

    def scan(self, text: str, where: str = "text") -> bool:
        """Whether digits that were ever ordered stand in it; then a violation."""
        self.figures.scanned += len(text)
        digits, promise = self._watch.digits, self._promise
        for run in found(text, digits, promise.secret_length, promise.numbers):
            who = next((p[run].owners for p in self._watch.pairs.values() if p[run].grants), None)
            self._violate(self._now, "SECRETS", None, who, f"the digits of a code stand in {where}")
            return True
        return False

    # ── inside ──────────────────────────────────────────────────────────────────────────

    def _use(self, at: int, pair: Pair) -> None:
        heard = self._conditions.reach(pair.device_id) is not None
        # Where somebody keyed in the same digits, the lock names a slot that is nobody's.
        strangers = self._memory.is_strangers(pair.device_id, pair.digits)
        for grant in pair.grants:
            doubtful = not heard or strangers or len(pair.grants) > 1
            self._orders.used(at, grant.credential, doubtful=doubtful)
        self._recent_uses.append((at, pair))

    def _doubt_uses(self, at: int, device_id: str | None) -> None:
        """Something went before it was certain that they were heard and written down."""
        recent = [use for use in self._recent_uses if at - use[0] <= self._promise.commit_ms]
        for _, pair in recent:
            if device_id in {None, pair.device_id}:
                for grant in pair.grants:
                    grant.credential.doubtful = True
                    self._orders.changed += 1
        self._recent_uses = recent

    def _owners(self, device_id: str, digits: str) -> list[str]:
        pair = self._watch.pairs.get(device_id, {}).get(digits)
        return [grant.credential.credential_id for grant in pair.grants] if pair else []

    def _pass(self, at: int) -> None:
        """Time has passed under the conditions as they were."""
        self._now = at
        self._orders.settle(at, self._conditions.hearing())

    def _violate(
        self, at: int, rule: str, device: str | None, credential: str | None, sentence: str
    ) -> None:
        self.violations.append(Violation(at, rule, device, credential, sentence))
        self._note("violation", rule=rule, device=device, credential=credential, sentence=sentence)
