"""A Zigbee lock in a dictionary: the far end for tests of conversations. Not a test itself.

It answers by the ZCL specification unless a knob says otherwise, and never looks at what the
gateway believes. The simulated firmware is the thorough one; this one is quick and scriptable.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from gateway.drivers.withdrawing import Extend
from gateway.errors import DeviceRefused, GatewayError, Refusal
from gateway.radios.api import (
    BindAndReport,
    ClusterReply,
    ClusterRequest,
    ReadAttributes,
    WriteAttributes,
)

if TYPE_CHECKING:
    from gateway.drivers.zcl_lock.dialogue import Dialogue, Step

OK, FAILURE, UNSUPPORTED, INVALID_FIELD, NOT_FOUND = 0x00, 0x01, 0x81, 0x85, 0x8B
AVAILABLE, ENABLED, DISABLED = 0, 1, 3
UNRESTRICTED, YEAR_DAY, WEEK_DAY = 0, 1, 2

T = TypeVar("T")


@dataclass
class User:
    code: str
    status: int
    type: int


Override = Callable[[ClusterRequest], ClusterReply | GatewayError | None]


@dataclass
class LockDouble:
    """`overrides` see each request first; an error they return is thrown at the asker.

    `after_error`: an error returned for a request that is carried out all the same.
    """

    users: dict[int, User] = field(default_factory=dict)
    week_day: dict[tuple[int, int], tuple[int, ...]] = field(default_factory=dict)
    year_day: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    per_user: int = 3
    masked: bool = False
    own_duplicates: bool = False
    """Digits that are in the slot already are duplicates too."""
    refuses: frozenset[int] = frozenset()
    clearing_unrestricts: bool = False
    ignores_type: bool = False
    enables_at_once: bool = False
    override: Override | None = None
    attributes: dict[tuple[int, int], object] = field(default_factory=dict)
    read_only: frozenset[tuple[int, int]] = frozenset()
    bound: list[BindAndReport] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    open_moments: list[str] = field(default_factory=list)
    """After which step a code was live without a restriction."""

    def answer(self, step: Step) -> ClusterReply:
        if isinstance(step, Extend):
            return ClusterReply(0, {})
        if isinstance(step, ReadAttributes):
            return ClusterReply(
                1,
                {
                    str(a): self.attributes[step.cluster_id, a]
                    for a in step.attributes
                    if (step.cluster_id, a) in self.attributes
                },
            )
        if isinstance(step, WriteAttributes):
            return self._write(step)
        if isinstance(step, BindAndReport):
            self.bound.append(step)
            return ClusterReply(0, {})
        return self._command(step)

    def _write(self, step: WriteAttributes) -> ClusterReply:

        for attribute, value in step.values.items():
            key = (step.cluster_id, attribute)
            if key in self.read_only or key not in self.attributes:
                raise DeviceRefused("could not write", Refusal.UNSUPPORTED)
            self.attributes[key] = value
        return ClusterReply(0, {})

    def _command(self, request: ClusterRequest) -> ClusterReply:
        name = COMMANDS[request.command_id]
        self.said.append(name)
        if self.override is not None:
            found = self.override(request)
            if isinstance(found, GatewayError):
                raise found
            if found is not None:
                return found
        if request.command_id in self.refuses:
            return default(request, UNSUPPORTED)
        reply: ClusterReply = getattr(self, "_" + name)(request, **request.fields)
        if any(u.status == ENABLED and u.type == UNRESTRICTED for u in self.users.values()):
            self.open_moments.append(name)
        return reply

    def _set_pin(
        self, r: ClusterRequest, user_id: int, user_status: int, user_type: int, pin_code: str
    ) -> ClusterReply:
        others = (u for i, u in self.users.items() if self.own_duplicates or i != user_id)
        if any(u.code == pin_code for u in others):
            return status(r, 3)
        kind = UNRESTRICTED if self.ignores_type else user_type
        self.users[user_id] = User(pin_code, ENABLED if self.enables_at_once else user_status, kind)
        return status(r, OK)

    def _get_pin(self, r: ClusterRequest, user_id: int) -> ClusterReply:
        user = self.users.get(user_id)
        if user is None:
            fields = {"user_id": user_id, "user_status": 0, "user_type": 0xFF, "code": ""}
        else:
            code = "" if self.masked else user.code
            fields = {
                "user_id": user_id,
                "user_status": user.status,
                "user_type": user.type,
                "code": code,
            }
        return ClusterReply(r.command_id, fields)

    def _clear_pin(self, r: ClusterRequest, user_id: int) -> ClusterReply:
        self.users.pop(user_id, None)
        return status(r, OK)

    def _set_status(self, r: ClusterRequest, user_id: int, user_status: int) -> ClusterReply:
        if user_id not in self.users:
            return status(r, FAILURE)
        self.users[user_id].status = user_status
        return status(r, OK)

    def _get_status(self, r: ClusterRequest, user_id: int) -> ClusterReply:
        user = self.users.get(user_id)
        return ClusterReply(
            r.command_id, {"user_id": user_id, "user_status": user.status if user else 0}
        )

    def _get_type(self, r: ClusterRequest, user_id: int) -> ClusterReply:
        user = self.users.get(user_id)
        return ClusterReply(
            r.command_id, {"user_id": user_id, "user_type": user.type if user else 0xFF}
        )

    def _set_week_day(
        self, r: ClusterRequest, schedule_id: int, user_id: int, **raw: int
    ) -> ClusterReply:
        if schedule_id >= self.per_user:
            return status(r, INVALID_FIELD)
        self.week_day[user_id, schedule_id] = tuple(raw.values())
        return status(r, OK)

    def _get_week_day(self, r: ClusterRequest, schedule_id: int, user_id: int) -> ClusterReply:
        head = {"schedule_id": schedule_id, "user_id": user_id}
        raw = self.week_day.get((user_id, schedule_id))
        if raw is None:
            return ClusterReply(r.command_id, {**head, "status": NOT_FOUND})
        names = ("days_mask", "start_hour", "start_minute", "end_hour", "end_minute")
        return ClusterReply(
            r.command_id, {**head, "status": OK, **dict(zip(names, raw, strict=True))}
        )

    def _clear_week_day(self, r: ClusterRequest, schedule_id: int, user_id: int) -> ClusterReply:
        self.week_day.pop((user_id, schedule_id), None)
        self._unrestrict(user_id)
        return status(r, OK)

    def _set_year_day(
        self,
        r: ClusterRequest,
        schedule_id: int,
        user_id: int,
        local_start_time: int,
        local_end_time: int,
    ) -> ClusterReply:
        if schedule_id >= self.per_user or local_end_time <= local_start_time:
            return status(r, INVALID_FIELD)
        self.year_day[user_id, schedule_id] = (local_start_time, local_end_time)
        return status(r, OK)

    def _get_year_day(self, r: ClusterRequest, schedule_id: int, user_id: int) -> ClusterReply:
        head = {"schedule_id": schedule_id, "user_id": user_id}
        raw = self.year_day.get((user_id, schedule_id))
        if raw is None:
            return ClusterReply(r.command_id, {**head, "status": NOT_FOUND})
        return ClusterReply(
            r.command_id,
            {**head, "status": OK, "local_start_time": raw[0], "local_end_time": raw[1]},
        )

    def _clear_year_day(self, r: ClusterRequest, schedule_id: int, user_id: int) -> ClusterReply:
        self.year_day.pop((user_id, schedule_id), None)
        self._unrestrict(user_id)
        return status(r, OK)

    def _unlock(self, r: ClusterRequest) -> ClusterReply:
        return status(r, OK)

    _lock = _unlock

    def _unrestrict(self, user_id: int) -> None:
        if self.clearing_unrestricts and user_id in self.users:
            self.users[user_id].type = UNRESTRICTED


COMMANDS = {
    0x00: "lock",
    0x01: "unlock",
    0x05: "set_pin",
    0x06: "get_pin",
    0x07: "clear_pin",
    0x09: "set_status",
    0x0A: "get_status",
    0x0B: "set_week_day",
    0x0C: "get_week_day",
    0x0D: "clear_week_day",
    0x0E: "set_year_day",
    0x0F: "get_year_day",
    0x10: "clear_year_day",
    0x15: "get_type",
}


def status(request: ClusterRequest, value: int) -> ClusterReply:
    return ClusterReply(request.command_id, {"status": value})


def default(request: ClusterRequest, value: int) -> ClusterReply:
    return ClusterReply(
        request.command_id,
        {"command_id": request.command_id, "status": value},
        is_default_response=True,
    )


def converse(dialogue: Dialogue[T], lock: LockDouble) -> T:
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
