"""Writing codes so that no door opens too early: sans-I/O conversations.

Every `set_pin_code` rewrites the user's type, and an unrestricted user opens at any time; so a code
with windows is written disabled, proven, and only then enabled. Some locks turn a user back into
an unrestricted one when any of its schedules is *cleared* (EmberZNet's door lock server): on a
living user a surplus schedule is overwritten with a copy of a wanted one, never cleared.

What a caller gets: a `WriteResult` with the last proof, or an error. `Unreachable` only ever means
that nothing was changed; once something was written, a broken conversation is `OutcomeUnknown`.
`Refused` says that the slot is as its reading tells, or untouched where there is none: the lock's
"no" alone does not prove it. Nor does its "yes": digits that were shown before a write and are not
shown after it may be the same. A frame may come twice, be carried out once and be refused once, and
the refusal may be the answer that is heard. Some locks call digits a duplicate that are in the very
slot they are written to: such a slot is erased and written again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.domain.actions import Confirmed, Outcome, Refused, Unconfirmed
from gateway.domain.devices import Evidence, LockSchedule, WeekDay, YearDay
from gateway.drivers.api import SlotReading, SlotUse, WriteResult
from gateway.drivers.withdrawing import FOUND, PROVEN, WITHDRAWAL, Extend, take_back
from gateway.drivers.zcl_lock import wire
from gateway.drivers.zcl_lock.dialogue import (
    Dialect,
    Dialogue,
    User,
    read_schedule,
    read_schedules,
    read_slot,
    read_user,
    reading_of,
    tell,
)
from gateway.drivers.zcl_lock.mapping import refusal_of, set_pin_refusal_of
from gateway.drivers.zcl_lock.schedules import Raw, RawWeekDay, to_raw
from gateway.drivers.zcl_lock.wire import Command, UserStatus, UserType
from gateway.errors import (
    DeviceRefused,
    LinkError,
    OutcomeUnknown,
    PeerProtocolError,
    ProtocolError,
    RadioError,
    Refusal,
)
from gateway.radios.api import ClusterRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.domain.secret import Secret

_BROKEN = (LinkError, RadioError, ProtocolError)


def program(
    dialect: Dialect,
    slot: int,
    digits: Secret,
    schedules: tuple[LockSchedule, ...],
    *,
    overwrite: bool = False,
) -> Dialogue[WriteResult]:
    """Put digits into a slot, restricted to `schedules`; none of them means unrestricted.

    An occupied slot is refused (`INVALID`) unless `overwrite`.
    """
    kind = _kind_of(schedules)
    if kind is None:
        return WriteResult(Refused(Refusal.INVALID))
    if len(schedules) > dialect.count(kind) and kind is not UserType.UNRESTRICTED:
        return WriteResult(Refused(Refusal.UNSUPPORTED))
    try:
        before = yield from read_slot(dialect, slot)
    except PeerProtocolError:
        return WriteResult(Refused(Refusal.FAILED))  # nothing was written yet
    if before.use is not SlotUse.AVAILABLE and not overwrite:
        return WriteResult(Refused(Refusal.INVALID), before)
    wanted = [to_raw(schedule, dialect.zone) for schedule in schedules]
    as_wanted = before.use is SlotUse.ENABLED and _holds(dialect, before, kind, wanted)
    if as_wanted and before.digits == digits:
        return WriteResult(FOUND, before)
    if dialect.shows_digits and before.use is not SlotUse.AVAILABLE and before.digits is None:
        # Hidden for once: only in an emptied slot can a write be told from one that did not arrive.
        return (yield from _put_anew(dialect, slot, digits, kind, wanted))
    written = yield from _put(dialect, slot, digits, kind, wanted, before)
    if written.outcome != Refused(Refusal.DUPLICATE) or before.use is SlotUse.AVAILABLE:
        return written
    if before.digits != digits and (before.digits is not None or as_wanted):
        return written  # they are in another slot; or the records know whether these are ours
    return (yield from _put_anew(dialect, slot, digits, kind, wanted))


def _holds(dialect: Dialect, reading: SlotReading, kind: UserType, wanted: Sequence[Raw]) -> bool:
    """Whether the slot is restricted as wanted."""
    held = {to_raw(schedule, dialect.zone) for schedule in reading.schedules or ()}
    return reading.restricted is (kind is not UserType.UNRESTRICTED) and held == set(wanted)


def _put(
    dialect: Dialect,
    slot: int,
    digits: Secret,
    kind: UserType,
    wanted: Sequence[Raw],
    before: SlotReading,
) -> Dialogue[WriteResult]:
    if kind is UserType.UNRESTRICTED:
        return (yield from _program_unrestricted(dialect, slot, digits, before))
    return (yield from _program_restricted(dialect, slot, digits, kind, wanted, before))


def _put_anew(
    dialect: Dialect, slot: int, digits: Secret, kind: UserType, wanted: Sequence[Raw]
) -> Dialogue[WriteResult]:
    """Into the slot once it is empty. What stood in it was to go in any case."""
    yield Extend(WITHDRAWAL)
    erased = yield from erase(dialect, slot)
    empty = erased.reading
    if not isinstance(erased.outcome, Confirmed) or empty is None:
        return WriteResult(Unconfirmed("the slot had to be emptied first, and stays taken"), empty)
    try:
        return (yield from _put(dialect, slot, digits, kind, wanted, empty))
    except (*_BROKEN, DeviceRefused) as error:
        raise OutcomeUnknown(f"slot {slot} was erased, but not written anew: {error}") from error


def _program_unrestricted(
    dialect: Dialect, slot: int, digits: Secret, before: SlotReading
) -> Dialogue[WriteResult]:
    status = yield from tell(
        _set_pin(dialect, slot, digits, UserStatus.ENABLED, UserType.UNRESTRICTED)
    )
    if status:
        told = yield from _check_refusal(dialect, slot, set_pin_refusal_of(status), before)
        if isinstance(told.outcome, Refused) or told.reading is None:
            return told
        after, said, proof = told.reading, "refused", FOUND
    else:
        try:
            after = yield from read_slot(dialect, slot)
        except (*_BROKEN, DeviceRefused) as error:
            return WriteResult(Unconfirmed(f"written, but not read back: {error}"))
        said, proof = "acknowledged", PROVEN
    if after.use is not SlotUse.ENABLED or after.restricted:
        return WriteResult(Unconfirmed(f"{said}, but the slot reads otherwise"), after)
    if after.digits is not None and after.digits != digits:
        return WriteResult(Unconfirmed(f"{said}, but other digits read back"), after)
    if _hidden(before, after.digits, digits):
        return WriteResult(Unconfirmed(f"{said}, and the digits are not shown"))
    return WriteResult(proof, after)


def _program_restricted(
    dialect: Dialect,
    slot: int,
    digits: Secret,
    kind: UserType,
    wanted: Sequence[Raw],
    before: SlotReading,
) -> Dialogue[WriteResult]:
    status = yield from tell(_set_pin(dialect, slot, digits, UserStatus.DISABLED, kind))
    if status:
        told = yield from _check_refusal(dialect, slot, set_pin_refusal_of(status), before)
        after = told.reading
        if isinstance(told.outcome, Refused) or after is None:
            return told
        if after.use is SlotUse.AVAILABLE or after.digits not in {None, digits}:
            return told
        if after.use is SlotUse.ENABLED:
            # Nobody knows behind which schedules: they were not written yet.
            return (yield from _withdraw(dialect, slot, told.outcome))
        # It is there, disabled as it was sent: the rest of the way proves itself.
    try:
        failure = yield from _set_schedules(dialect, slot, kind, wanted)
        if failure is None:
            failure = yield from _enable(dialect, slot, digits, kind)
        if failure is not None:
            return (yield from _withdraw(dialect, slot, failure))
        user = yield from read_user(dialect, slot)
        raws: dict[int, Raw] = {}
        for schedule_id in dialect.ids(kind)[: len(wanted)]:
            raw = yield from read_schedule(dialect, slot, kind, schedule_id)
            if raw is not None:
                raws[schedule_id] = raw
    except (*_BROKEN, DeviceRefused) as error:
        return (yield from _withdraw(dialect, slot, Unconfirmed(f"proof is missing: {error}")))
    reading = reading_of(dialect, slot, user, raws)
    gap = _gap(user, digits, kind, list(raws.values()), wanted)
    if gap is None and _hidden(before, user.digits, digits):
        gap = "the digits are not shown"
    if gap is not None:
        return (yield from _withdraw(dialect, slot, Unconfirmed(gap)))
    return WriteResult(PROVEN, reading)


def _check_refusal(
    dialect: Dialect, slot: int, refusal: Refusal, before: SlotReading
) -> Dialogue[WriteResult]:
    """`Refused` where the slot reads as before, `Unconfirmed` where not or where nobody knows."""
    try:
        after = yield from read_slot(dialect, slot)
    except (*_BROKEN, DeviceRefused) as error:
        # Digits whose first copy was carried out may be duplicates of themselves.
        if refusal.definite and refusal is not Refusal.DUPLICATE:
            return WriteResult(Refused(refusal), before)
        return WriteResult(Unconfirmed(f"refused ({refusal.value}), but not read back: {error}"))
    if after == before:
        return WriteResult(Refused(refusal), after)
    if before.digits is not None and after.digits is None and after.use is not SlotUse.AVAILABLE:
        # Digits that are shown one moment and not the next may be the same as before.
        return WriteResult(Unconfirmed(f"refused ({refusal.value}), and the digits are not shown"))
    return WriteResult(Unconfirmed(f"refused ({refusal.value}), but the slot has changed"), after)


def _hidden(before: SlotReading, found: Secret | None, digits: Secret) -> bool:
    """Other digits were shown a moment ago, and none are now: they may be the same as before."""
    return found is None and before.digits not in {None, digits}


def _gap(
    user: User, digits: Secret, kind: UserType, raws: Sequence[Raw], wanted: Sequence[Raw]
) -> str | None:
    """What is missing from the proof."""
    if user.type is not kind:
        return "the lock did not keep the user's type"
    if user.status is not UserStatus.ENABLED:
        return "the lock did not enable the code"
    if list(raws) != list(wanted):
        return "the lock did not keep the schedule"
    if user.digits is not None and user.digits != digits:
        return "other digits read back"
    return None


def _set_schedules(
    dialect: Dialect, slot: int, kind: UserType, wanted: Sequence[Raw]
) -> Dialogue[Outcome | None]:
    """Write and read them; None when the lock holds these and no others."""
    ids = dialect.ids(kind)
    for schedule_id, raw in zip(ids, wanted, strict=False):
        status = yield from tell(_set_schedule(dialect, slot, schedule_id, raw))
        if status:
            return Refused(refusal_of(status))
    held = yield from read_schedules(dialect, slot, kind)
    for schedule_id in ids[len(wanted) :]:
        if schedule_id in held and held[schedule_id] not in wanted:
            status = yield from tell(_set_schedule(dialect, slot, schedule_id, wanted[-1]))
            if status:
                return Refused(refusal_of(status))
            again = yield from read_schedule(dialect, slot, kind, schedule_id)
            held[schedule_id] = again if again is not None else wanted[-1]
    if [held.get(schedule_id) for schedule_id in ids[: len(wanted)]] != list(wanted) or any(
        raw not in wanted for raw in held.values()
    ):
        return Unconfirmed("the lock did not keep the schedule")
    return None


def _enable(
    dialect: Dialect, slot: int, digits: Secret, kind: UserType
) -> Dialogue[Outcome | None]:
    status = yield from tell(
        dialect.request(
            Command.SET_USER_STATUS,
            user_id=dialect.user_id(slot),
            user_status=int(UserStatus.ENABLED),
        )
    )
    if status == wire.Status.UNSUP_CLUSTER_COMMAND:
        # An optional command: set_pin_code carries the status as well, and the type with it.
        status = yield from tell(_set_pin(dialect, slot, digits, UserStatus.ENABLED, kind))
        if status == wire.SET_PIN_DUPLICATE:
            # Of itself: then there is no way, unless it was carried out before it was refused.
            user = yield from read_user(dialect, slot)
            return None if user.use is SlotUse.ENABLED else Refused(Refusal.UNSUPPORTED)
    return Refused(refusal_of(status)) if status else None


def _withdraw(dialect: Dialect, slot: int, outcome: Outcome) -> Dialogue[WriteResult]:
    return take_back(erase(dialect, slot), slot, outcome)


def reschedule(
    dialect: Dialect, slot: int, schedules: tuple[LockSchedule, ...]
) -> Dialogue[WriteResult]:
    """Overwrite the schedules of a live code, of the same kind as it has; nothing is cleared.

    A change between unrestricted, weekly and dated is refused (`UNSUPPORTED`): program the code
    anew with `overwrite`. An empty slot is refused (`INVALID`).
    """
    kind = _kind_of(schedules)
    user = yield from read_user(dialect, slot)
    if user.use is SlotUse.AVAILABLE or kind is None:
        return WriteResult(Refused(Refusal.INVALID), _known(dialect, slot, user))
    if (
        user.type is not kind
        or kind is UserType.UNRESTRICTED
        or (len(schedules) > dialect.count(kind))
    ):
        return WriteResult(Refused(Refusal.UNSUPPORTED), _known(dialect, slot, user))
    wanted = [to_raw(schedule, dialect.zone) for schedule in schedules]
    raws: dict[int, Raw] = dict(zip(dialect.ids(kind), wanted, strict=False))
    try:
        failure = yield from _set_schedules(dialect, slot, kind, wanted)
        after = yield from read_user(dialect, slot)
        if failure is not None and after.type is kind:
            raws = yield from read_schedules(dialect, slot, kind)
    except (*_BROKEN, DeviceRefused) as error:
        raise OutcomeUnknown(f"could not reschedule slot {slot}: {error}") from error
    if after.use is not SlotUse.AVAILABLE and not after.restricted:
        # The lock opened the code to all hours: that is worse than a code too few.
        return (yield from _withdraw(dialect, slot, Unconfirmed("the lock lifted the restriction")))
    if after.type is not kind:
        return WriteResult(
            failure or Unconfirmed("the slot reads otherwise"), _known(dialect, slot, after)
        )
    reading = reading_of(dialect, slot, after, raws)
    if failure is not None and set(raws.values()) != set(wanted):
        return WriteResult(failure, reading)
    if after.use is not user.use:
        return WriteResult(Unconfirmed("the slot reads otherwise"), reading)
    return WriteResult(PROVEN if failure is None else FOUND, reading)


def erase(
    dialect: Dialect, slot: int, spared: Callable[[SlotReading], bool] = lambda reading: False
) -> Dialogue[WriteResult]:
    """Code first, proven by reading; then its schedules. An empty slot is a success."""
    kind = UserType.UNRESTRICTED
    try:
        before = yield from read_user(dialect, slot)
    except (ProtocolError, DeviceRefused):
        pass  # unreadable is no reason not to try
    else:
        if before.use is SlotUse.AVAILABLE:
            return WriteResult(FOUND, _known(dialect, slot, before))
        there = _known(dialect, slot, before)
        if there is not None and spared(there):
            return WriteResult(Refused(Refusal.INVALID), there)
        kind = before.type
    status = yield from tell(dialect.request(Command.CLEAR_PIN_CODE, user_id=dialect.user_id(slot)))
    try:
        after = yield from read_user(dialect, slot)
    except (*_BROKEN, DeviceRefused) as error:
        refusal = refusal_of(status) if status else None
        if refusal is not None and refusal.definite:
            return WriteResult(Refused(refusal))
        said = "erased" if refusal is None else f"refused ({refusal.value})"
        return WriteResult(Unconfirmed(f"{said}, but not read back: {error}"))
    reading = _known(dialect, slot, after)
    if after.use is not SlotUse.AVAILABLE:
        if status:
            return WriteResult(Refused(refusal_of(status)), reading)
        return WriteResult(Unconfirmed("acknowledged, but the code is still there"), reading)
    try:
        yield from _clear_schedules(dialect, slot, kind)
    except (*_BROKEN, DeviceRefused):
        pass  # the code is proven gone; a leftover schedule opens nothing and is overwritten
    return WriteResult(FOUND if status else PROVEN, reading)


def _clear_schedules(dialect: Dialect, slot: int, kind: UserType) -> Dialogue[None]:
    """Ours stand in a row from the first id on, so the first gap ends it."""
    command = Command.CLEAR_WEEK_DAY if kind is UserType.WEEK_DAY else Command.CLEAR_YEAR_DAY
    for schedule_id in dialect.ids(kind):
        if (yield from read_schedule(dialect, slot, kind, schedule_id)) is None:
            return
        yield from tell(
            dialect.request(command, schedule_id=schedule_id, user_id=dialect.user_id(slot))
        )


def operate(dialect: Dialect, command: Command) -> Dialogue[Outcome]:
    """Lock or unlock, once. The lock's word that it did is all there is to have here."""
    reply = yield ClusterRequest(dialect.endpoint, wire.DOOR_LOCK, command, acts_twice=True)
    status = reply.fields.get("status")
    if not isinstance(status, int):
        return Unconfirmed("the lock answered without a status")
    if status:
        return Refused(refusal_of(status))
    return Confirmed(frozenset({Evidence.ACKNOWLEDGED}))


def _known(dialect: Dialect, slot: int, user: User) -> SlotReading | None:
    """A reading, unless it would have to name schedules that were not read."""
    return None if user.restricted else reading_of(dialect, slot, user, None)


def _kind_of(schedules: Sequence[LockSchedule]) -> UserType | None:
    """None for a mixture, which no lock holds for one user."""
    if not schedules:
        return UserType.UNRESTRICTED
    if all(isinstance(schedule, YearDay) for schedule in schedules):
        return UserType.YEAR_DAY
    if all(isinstance(schedule, WeekDay) for schedule in schedules):
        return UserType.WEEK_DAY
    return None


def _set_pin(
    dialect: Dialect, slot: int, digits: Secret, status: UserStatus, type_: UserType
) -> ClusterRequest:
    return dialect.request(
        Command.SET_PIN_CODE,
        user_id=dialect.user_id(slot),
        user_status=int(status),
        user_type=int(type_),
        pin_code=digits.reveal(),
    )


def _set_schedule(dialect: Dialect, slot: int, schedule_id: int, raw: Raw) -> ClusterRequest:
    command = Command.SET_WEEK_DAY if isinstance(raw, RawWeekDay) else Command.SET_YEAR_DAY
    return dialect.request(
        command, schedule_id=schedule_id, user_id=dialect.user_id(slot), **raw._asdict()
    )
