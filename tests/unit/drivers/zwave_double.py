"""A Z-Wave lock in a dictionary, behind Z-Wave JS: the far end for tests of conversations.

Not a test itself. It answers calls by the shapes of Z-Wave JS 15 (`@zwave-js/cc`, d.ts) as they
come through the server, lists as tuples, and never looks at what the gateway believes. The
simulated firmware is the thorough one; this one is quick and scriptable.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, cast

from gateway.drivers.withdrawing import Extend
from gateway.drivers.zwave_lock.dialogue import Dialogue, Overheard, Pause, Step
from gateway.drivers.zwave_lock.schedules import FIELDS, NAMES, Kind
from gateway.errors import GatewayError
from gateway.radios.api import RadioListener, RadioState, RadioStatus
from gateway.radios.command_classes import (
    CcCall,
    CcEndpoint,
    CcNode,
    CcReply,
    Notified,
    SecurityClass,
    Supervision,
    ValueTold,
)

if TYPE_CHECKING:
    import asyncio

    from gateway.radios.api import RadioEvent
    from gateway.radios.command_classes import CcRadio

AVAILABLE, ENABLED, DISABLED = 0, 1, 2
ADDRESS = "c0ffee01:17"
T = TypeVar("T")
Override = Callable[[CcCall], CcReply | GatewayError | None]
SILENCE = CcReply(Supervision.NONE)


@dataclass
class User:
    code: str
    status: int = ENABLED


@dataclass
class CcLockDouble:
    """`override` sees each call first: an error is thrown, a reply stands for the lock's.

    `after_error`: thrown for a call that is carried out all the same.
    """

    users: dict[int, User] = field(default_factory=dict)
    schedules: dict[tuple[Kind, int, int], tuple[Any, ...]] = field(default_factory=dict)
    counts: dict[Kind, int] = field(default_factory=lambda: {Kind.YEAR_DAY: 2, Kind.DAILY: 3})
    supervised: bool = True
    masked: bool = False
    own_duplicates: bool = False
    can_disable: bool = True
    needs_user: bool = False
    """Schedules of a user without a code are refused."""
    forgets_schedules: bool = False
    says_why: bool = True
    """A duplicate is told by a notification, too,"""
    says_whose: bool = True
    """and of which user it is."""
    mode: int = 255
    stuck: bool = False
    travel: int = 0
    """So many looks until the bolt has arrived."""
    battery: int = 87
    parameters: dict[int, int] = field(default_factory=dict)
    records: list[dict[str, Any]] = field(default_factory=list)
    places: int = 5
    clock: str = "2026-11-19T12:00:00.000Z"
    offsets: dict[str, int] = field(
        default_factory=lambda: {"standardOffset": 60, "dstOffset": 120}
    )
    time_offsets: dict[str, int] = field(
        default_factory=lambda: {"standardOffset": 60, "dstOffset": 120}
    )
    asks_for_time: bool = False
    """Controls Time: Z-Wave JS gives it UTC."""
    override: Override | None = None
    after_error: Override | None = None
    said: list[str] = field(default_factory=list)
    open_moments: list[str] = field(default_factory=list)
    """After which call a code was live without a schedule."""
    heard: list[RadioEvent] = field(default_factory=list)
    listeners: list[RadioListener] = field(default_factory=list)
    kept: dict[tuple[int, str, object], object] = field(default_factory=dict)
    times: Counter[tuple[int, str, object]] = field(default_factory=Counter)
    wanted: int | None = None
    target: int = 255

    def tell(self, event: RadioEvent) -> None:
        self.heard.append(event)
        for listener in tuple(self.listeners):
            listener(event)

    def notify(self, event: int, **parameters: object) -> None:
        self.tell(Notified(ADDRESS, 0, 0x71, 0x06, event, parameters))

    def value(self, command_class: int, name: str, key: str | None, value: object) -> None:
        self.tell(ValueTold(ADDRESS, 0, command_class, name, key, value))

    def answer(self, step: Step) -> CcReply:
        if isinstance(step, Overheard):
            return CcReply(Supervision.NONE, any(self._is(step, event) for event in self.heard))
        if isinstance(step, Extend | Pause):
            return CcReply(Supervision.NONE, value=True)
        return self.call(step)

    def _is(self, what: Overheard, event: RadioEvent) -> bool:
        if isinstance(event, ValueTold):
            return what.event == 0x0B == event.value
        return (
            isinstance(event, Notified)
            and event.event == what.event
            and event.parameters.get("userId") in {None, what.user_id}
        )

    def call(self, call: CcCall) -> CcReply:
        name = call.method.rpartition(".")[2]
        if not name.startswith("get_value"):
            self.said.append(name)
        if self.override is not None:
            found = self.override(call)
            if isinstance(found, GatewayError):
                raise found
            if found is not None:
                return found
        reply = self._carry_out(call, name)
        if any(self._is_open(number) for number in self.users):
            self.open_moments.append(name)
        late = self.after_error(call) if self.after_error is not None else None
        if isinstance(late, GatewayError):
            raise late
        return reply

    def _is_open(self, number: int) -> bool:
        return self.users[number].status == ENABLED and not any(
            user == number for _, user, _ in self.schedules
        )

    def _carry_out(self, call: CcCall, name: str) -> CcReply:
        for kind, method in NAMES.items():
            if name == f"get{method}":
                return self._get_schedule(kind, **call.arguments[0])  # type: ignore[arg-type]  # a map
            if name == f"set{method}":
                return self._set_schedule(kind, *call.arguments)  # type: ignore[arg-type]  # maps
        group = {0x63: "code", 0x62: "door", 0x70: "parameter", 0x8B: "time", 0x8A: "wall"}
        special = f"_{group.get(call.command_class)}_{name}"
        method = getattr(self, special, None) or getattr(self, f"_{name}")
        told: CcReply = method(*call.arguments)
        return told

    def _ended(self, *, well: bool = True) -> CcReply:
        if not self.supervised:
            return SILENCE
        return CcReply(Supervision.SUCCESS if well else Supervision.FAIL)

    # ── user codes ──────────────────────────────────────────────────────────────────────

    def _code_get(self, number: int) -> CcReply:
        user = self.users.get(number)
        code = "" if user is None else "*" * len(user.code) if self.masked else user.code
        status = AVAILABLE if user is None else user.status
        return CcReply(Supervision.NONE, {"userIdStatus": status, "userCode": code})

    def _code_set(self, number: int, status: int, code: str) -> CcReply:
        others = (u for i, u in self.users.items() if self.own_duplicates or i != number)
        if any(user.code == code for user in others):
            if self.says_why:
                self.notify(0x0F, **({"userId": number} if self.says_whose else {}))
            return self._ended(well=False)
        self.users[number] = User(code, status if self.can_disable else ENABLED)
        return self._ended()

    def _code_clear(self, number: int) -> CcReply:
        self.users.pop(number, None)
        return self._ended()

    def _code_getUsersCount(self) -> CcReply:  # noqa: N802  # as Z-Wave JS names it
        return CcReply(Supervision.NONE, 30)

    def _code_getCapabilities(self) -> CcReply:  # noqa: N802
        statuses = (0, 1, 2) if self.can_disable else (0, 1)
        return CcReply(Supervision.NONE, {"supportedUserIDStatuses": statuses})

    # ── schedules, and what Z-Wave JS keeps of them ─────────────────────────────────────

    def _keep(self, command_class: int, name: str, key: object, value: object) -> None:
        self.kept[command_class, name, key] = value
        self.times[command_class, name, key] += 1

    def _get_schedule(self, kind: Kind, userId: int, slotId: int) -> CcReply:  # noqa: N803
        held = self.schedules.get((kind, userId, slotId))
        told = None if held is None else dict(zip(FIELDS[kind], held, strict=True))
        key = kind.value << 16 | userId << 8 | slotId
        self._keep(0x4E, "schedule", key, told if told is not None else False)
        return CcReply(Supervision.NONE, told)

    def _set_schedule(self, kind: Kind, which: Any, entry: dict[str, Any] | None = None) -> CcReply:
        place = (kind, which["userId"], which["slotId"])
        if not 1 <= which["slotId"] <= self.counts.get(kind, 0):
            return self._ended(well=False)
        if entry is None:
            self.schedules.pop(place, None)
            return self._ended()
        if self.needs_user and which["userId"] not in self.users:
            return self._ended(well=False)
        if not self.forgets_schedules:
            values = (entry[name] for name in FIELDS[kind])
            self.schedules[place] = tuple(
                tuple(value) if isinstance(value, list) else value for value in values
            )
        return self._ended()

    def _setEnabled(self, enabled: bool, number: int) -> CcReply:  # noqa: N802
        assert (enabled, number) == (True, number)
        return self._ended()

    def _getNumSlots(self) -> CcReply:  # noqa: N802
        names = {
            Kind.WEEK_DAY: "numWeekDaySlots",
            Kind.YEAR_DAY: "numYearDaySlots",
            Kind.DAILY: "numDailyRepeatingSlots",
        }
        return CcReply(Supervision.NONE, {names[k]: n for k, n in self.counts.items()})

    def _get_value_timestamp(self, of: dict[str, Any]) -> CcReply:
        time = self.times.get(_place(of))
        return CcReply(Supervision.NONE, {} if time is None else {"timestamp": time})

    def _get_value(self, of: dict[str, Any]) -> CcReply:
        place = _place(of)
        return CcReply(Supervision.NONE, {"value": self.kept[place]} if place in self.kept else {})

    # ── bolt, battery, configuration, clock, log ────────────────────────────────────────

    def _door_set(self, mode: int) -> CcReply:
        self.target, self.wanted = mode, self.travel
        if self.stuck:
            self.value(0x71, "Access Control", "Lock state", 0x0B)
            return self._ended(well=False)
        return self._ended()

    def _door_get(self) -> CcReply:
        if self.wanted is not None and not self.stuck:
            if self.wanted <= 0:
                self.mode, self.wanted = self.target, None
            else:
                self.wanted -= 1
        return CcReply(Supervision.NONE, {"currentMode": self.mode, "doorStatus": "closed"})

    def _get(self) -> CcReply:
        return CcReply(Supervision.NONE, {"level": self.battery, "isLow": False})

    def _door_getCapabilities(self) -> CcReply:  # noqa: N802
        return CcReply(Supervision.NONE, {"doorSupported": True})

    def _getSupportedEvents(self, _type: int) -> CcReply:  # noqa: N802
        return CcReply(Supervision.NONE, (1, 2, 5, 6, 22, 23))

    def _parameter_get(self, number: int) -> CcReply:
        return CcReply(Supervision.NONE, self.parameters.get(number))

    def _parameter_set(self, change: dict[str, int]) -> CcReply:
        self.parameters[change["parameter"]] = change["value"]
        return self._ended()

    def _time_get(self) -> CcReply:
        return CcReply(Supervision.NONE, self.clock)

    def _time_set_date_and_time(self, of: dict[str, str]) -> CcReply:
        self.clock = of["date"]
        return CcReply(Supervision.NONE, {"success": True})

    def _controls_cc(self, of: dict[str, int]) -> CcReply:
        assert of == {"commandClass": 0x8A}
        return CcReply(Supervision.NONE, {"controlled": self.asks_for_time})

    def _wall_getTimezone(self) -> CcReply:  # noqa: N802
        return CcReply(Supervision.NONE, dict(self.time_offsets))

    def _getTimezone(self) -> CcReply:  # noqa: N802
        return CcReply(Supervision.NONE, dict(self.offsets))

    def _setTimezone(self, zone: dict[str, int]) -> CcReply:  # noqa: N802
        self.offsets = dict(zone)
        return self._ended()

    def _getRecordsCount(self) -> CcReply:  # noqa: N802
        return CcReply(Supervision.NONE, self.places)

    def _getRecord(self, number: int) -> CcReply:  # noqa: N802
        """Records fill the places in turn, and begin anew at the first."""
        count = len(self.records)
        if number == 0:
            return CcReply(Supervision.NONE, self.records[-1] if count else None)
        newest = [i for i in range(count) if i % self.places == number - 1]
        return CcReply(Supervision.NONE, self.records[newest[-1]] if newest else None)


def _place(of: dict[str, Any]) -> tuple[int, str, object]:
    value = of["valueId"]
    return (value["commandClass"], value["property"], value.get("propertyKey"))


@dataclass
class DirectRadio:
    """A radio whose air is a function call; `before` may raise or never return."""

    lock: CcLockDouble
    name: str = "direct"
    kind: str = "zwave"
    state: RadioState = field(default_factory=lambda: RadioState(RadioStatus.UP))
    before: Callable[[CcCall], asyncio.Future[None] | None] | None = None
    deadlines: list[float] = field(default_factory=list)

    def listen(self, listener: RadioListener) -> Callable[[], None]:
        self.lock.listeners.append(listener)
        return lambda: self.lock.listeners.remove(listener)

    @property
    def port(self) -> CcRadio:
        """As the drivers know it, who do not commission."""
        return cast("CcRadio", self)

    async def call(self, address: str, call: CcCall, *, deadline_s: float) -> CcReply:
        assert address == ADDRESS
        self.deadlines.append(deadline_s)
        waiting = self.before(call) if self.before is not None else None
        if waiting is not None:
            await waiting
        return self.lock.call(call)


def node_of(
    versions: dict[int, int], fingerprint: tuple[int, int, int] = (0x0090, 0x0811, 0x03A8)
) -> CcNode:
    return CcNode(
        address=ADDRESS,
        manufacturer="Kwikset",
        model="HC620",
        fingerprint=fingerprint,
        firmware="1.2",
        endpoints=(CcEndpoint(0, versions),),
        sleepy=False,
        mains_powered=False,
        security=SecurityClass.S2_ACCESS_CONTROL,
    )


def converse(dialogue: Dialogue[T], lock: CcLockDouble) -> T:
    """Carry a whole conversation to the lock, errors included."""
    try:
        step = next(dialogue)
        while True:
            try:
                reply = lock.answer(step)
            except GatewayError as error:
                step = dialogue.throw(error)
            else:
                step = dialogue.send(reply)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]  # what the generator returns is T
