"""Small talk with a lock: single questions and orders, as generators without I/O.

A conversation yields what it wants to say and is sent the answer; failures of the link are thrown
into it. Here: single exchanges and the reading of one slot. Not here: writing (session), and who
carries the words (driver).
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from gateway.domain.secret import Secret
from gateway.drivers.api import SlotReading, SlotUse
from gateway.drivers.withdrawing import Extend
from gateway.drivers.zcl_lock import wire
from gateway.drivers.zcl_lock.mapping import refusal_of
from gateway.drivers.zcl_lock.schedules import (
    Raw,
    from_raw,
    week_day_from_fields,
    year_day_from_fields,
)
from gateway.drivers.zcl_lock.wire import Command, UserStatus, UserType
from gateway.errors import DeviceRefused, PeerProtocolError, Refusal
from gateway.radios.api import (
    BindAndReport,
    ClusterReply,
    ClusterRequest,
    ReadAttributes,
    WriteAttributes,
)

if TYPE_CHECKING:
    from datetime import tzinfo


Step = ClusterRequest | ReadAttributes | WriteAttributes | BindAndReport | Extend
T = TypeVar("T")
Dialogue = Generator[Step, ClusterReply, T]


@dataclass(frozen=True, slots=True)
class Dialect:
    """How this lock wants to be spoken to. `week_day`, `year_day`: schedules per user.

    `shows_digits`: it tells the digits of a slot, unless it hides them for once.
    """

    endpoint: int
    zone: tzinfo
    slot_offset: int = 0
    first_schedule: int = 0
    week_day: int = 0
    year_day: int = 0
    shows_digits: bool = False

    def user_id(self, slot: int) -> int:
        return slot + self.slot_offset

    def count(self, kind: UserType) -> int:
        return {UserType.WEEK_DAY: self.week_day, UserType.YEAR_DAY: self.year_day}.get(kind, 0)

    def ids(self, kind: UserType) -> range:
        return range(self.first_schedule, self.first_schedule + self.count(kind))

    def request(self, command: Command, **fields: object) -> ClusterRequest:
        return ClusterRequest(
            self.endpoint, wire.DOOR_LOCK, command, fields, asks_only=command in _QUESTIONS
        )


_QUESTIONS = frozenset(command for command in Command if command.name.startswith("GET_"))


def ask(request: ClusterRequest) -> Dialogue[Mapping[str, object]]:
    """The fields of an answer; `DeviceRefused` for a refusal."""
    reply = yield request
    if not reply.is_default_response:
        return reply.fields
    status = reply.fields.get("status")
    if isinstance(status, int) and status != wire.Status.SUCCESS:
        raise DeviceRefused(
            f"could not ask the lock (command 0x{request.command_id:02x}): status 0x{status:02x}",
            refusal_of(status),
        )
    raise PeerProtocolError(
        f"could not ask the lock (command 0x{request.command_id:02x}): it answered without content"
    )


def tell(request: ClusterRequest) -> Dialogue[int]:
    """The status of an order; 0 is success, also when it comes as a default response."""
    reply = yield request
    status = reply.fields.get("status")
    if not isinstance(status, int):
        raise PeerProtocolError(
            f"could not order the lock (command 0x{request.command_id:02x}): no status"
        )
    return status


@dataclass(frozen=True, slots=True)
class User:
    """The lock's word about one slot, before its schedules are read."""

    status: UserStatus
    type: UserType
    digits: Secret | None

    @property
    def restricted(self) -> bool:
        return self.type in (UserType.YEAR_DAY, UserType.WEEK_DAY)

    @property
    def use(self) -> SlotUse:
        return _USES[self.status]


_USES = {
    UserStatus.AVAILABLE: SlotUse.AVAILABLE,
    UserStatus.ENABLED: SlotUse.ENABLED,
    UserStatus.DISABLED: SlotUse.DISABLED,
}


def read_user(dialect: Dialect, slot: int) -> Dialogue[User]:
    """With get_pin_code; on locks without it, with get_user_status and get_user_type."""
    user_id = dialect.user_id(slot)
    try:
        fields = yield from ask(dialect.request(Command.GET_PIN_CODE, user_id=user_id))
        _same_user(fields, user_id)
    except DeviceRefused as refused:
        if refused.refusal is not Refusal.UNSUPPORTED:
            raise
        fields = yield from ask(dialect.request(Command.GET_USER_STATUS, user_id=user_id))
        _same_user(fields, user_id)
        if fields.get("user_status") != UserStatus.AVAILABLE:
            type_ = yield from ask(dialect.request(Command.GET_USER_TYPE, user_id=user_id))
            _same_user(type_, user_id)
            fields = {**fields, "user_type": type_.get("user_type")}
    status, type_code = fields.get("user_status"), fields.get("user_type")
    if not isinstance(status, int) or status not in frozenset(UserStatus):
        raise PeerProtocolError(f"could not read slot {slot}: the lock does not know its status")
    if status == UserStatus.AVAILABLE:
        return User(UserStatus.AVAILABLE, UserType.UNRESTRICTED, None)
    if not isinstance(type_code, int) or type_code not in frozenset(UserType):
        raise PeerProtocolError(f"could not read slot {slot}: the lock does not know its type")
    return User(UserStatus(status), UserType(type_code), digits_of(fields.get("code")))


def _same_user(fields: Mapping[str, object], user_id: int) -> None:
    if fields.get("user_id") != user_id:
        raise PeerProtocolError(f"could not read user {user_id}: the lock answered about another")


def digits_of(code: object) -> Secret | None:
    """None where the lock masks them: no digits at all, or filled with something else."""
    if not isinstance(code, str) or not code or not (code.isascii() and code.isalnum()):
        return None
    return Secret(code)


def read_schedule(
    dialect: Dialect, slot: int, kind: UserType, schedule_id: int
) -> Dialogue[Raw | None]:
    """None where the lock says that there is none."""
    weekly = kind is UserType.WEEK_DAY
    fields = yield from ask(
        dialect.request(
            Command.GET_WEEK_DAY if weekly else Command.GET_YEAR_DAY,
            schedule_id=schedule_id,
            user_id=dialect.user_id(slot),
        )
    )
    status = fields.get("status")
    if status == wire.Status.NOT_FOUND:
        return None
    if status != wire.Status.SUCCESS:
        raise DeviceRefused(
            f"could not read schedule {schedule_id} of slot {slot}: status {status}",
            refusal_of(status) if isinstance(status, int) else Refusal.FAILED,
        )
    if (fields.get("schedule_id"), fields.get("user_id")) != (schedule_id, dialect.user_id(slot)):
        raise PeerProtocolError(f"could not read a schedule of slot {slot}: another one came")
    raw = week_day_from_fields(fields) if weekly else year_day_from_fields(fields)
    if raw is None:
        raise PeerProtocolError(f"could not read schedule {schedule_id} of slot {slot}: empty")
    return raw


def read_schedules(dialect: Dialect, slot: int, kind: UserType) -> Dialogue[dict[int, Raw]]:
    """Those that exist, by schedule id."""
    found: dict[int, Raw] = {}
    for schedule_id in dialect.ids(kind):
        raw = yield from read_schedule(dialect, slot, kind, schedule_id)
        if raw is not None:
            found[schedule_id] = raw
    return found


def reading_of(dialect: Dialect, slot: int, user: User, raws: dict[int, Raw] | None) -> SlotReading:
    return SlotReading(
        slot,
        user.use,
        user.digits,
        user.restricted,
        None
        if raws is None
        else tuple(dict.fromkeys(from_raw(raw, dialect.zone) for raw in raws.values())),
    )


def read_slot(dialect: Dialect, slot: int) -> Dialogue[SlotReading]:
    """Occupancy, type, digits where told, and the schedules of a schedule user."""
    user = yield from read_user(dialect, slot)
    raws: dict[int, Raw] | None = None
    if user.restricted and dialect.count(user.type):
        raws = yield from read_schedules(dialect, slot, user.type)
    return reading_of(dialect, slot, user, raws)
