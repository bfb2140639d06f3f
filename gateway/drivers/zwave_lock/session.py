"""Writing codes so that no door opens too early: sans-I/O conversations.

Schedules restrict a user from the moment that one is written (CC:004E), and writing a code gives
no schedule. So a code with windows is put there switched off, gets its schedules, is proven, and
only then switched on. User Code version 1 cannot switch off (status 2 is "reserved" there): its
schedules are written first, for a user that has no code yet. The specification has schedules "for
an identified user who already has a valid user access code"; a lock that insists on that keeps
none of them, is told so by reading, and the code is refused (`UNSUPPORTED`) before it is written.

What a caller gets: a `WriteResult` with the last proof, or an error. `Unreachable` only ever means
that nothing was changed; once something was written, a broken conversation is `OutcomeUnknown`.
A command may be carried out and nobody says so (many locks have no supervision: Z-Wave JS takes it
from the BE469ZP and the HC620), or be refused and be there all the same: the slot is read in any
case, from the lock. Some locks call digits a duplicate that are in the very slot they are
written to: such a slot is erased and written again.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from gateway.domain.actions import Confirmed, Outcome, Refused, Unconfirmed
from gateway.domain.devices import LockSchedule, YearDay
from gateway.drivers.api import SlotReading, SlotUse, WriteResult
from gateway.drivers.withdrawing import FOUND, PROVEN, WITHDRAWAL, Extend, take_back
from gateway.drivers.zwave_lock.codes import User, clear, put, read_user, why
from gateway.drivers.zwave_lock.dialogue import (
    Dialect,
    Dialogue,
    Said,
    Word,
)
from gateway.drivers.zwave_lock.entries import clear_row, read_all, read_row, write_row
from gateway.drivers.zwave_lock.schedules import Kind, Raw, from_raws, to_raws
from gateway.errors import (
    DeviceRefused,
    LinkError,
    OutcomeUnknown,
    ProtocolError,
    RadioError,
    Refusal,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.domain.secret import Secret

_BROKEN = (LinkError, RadioError, ProtocolError, DeviceRefused)


def read_slot(dialect: Dialect, slot: int) -> Dialogue[SlotReading]:
    """Occupancy, digits where told, and schedules; targeted, never a walk."""
    user = yield from read_user(dialect, slot)
    return (yield from _with_schedules(dialect, slot, user))


def _with_schedules(dialect: Dialect, slot: int, user: User) -> Dialogue[SlotReading]:
    if user.use is SlotUse.AVAILABLE or not dialect.kinds:
        return _reading(dialect, slot, user, ())
    return _reading(dialect, slot, user, (yield from read_row(dialect, slot)))


def _reading(dialect: Dialect, slot: int, user: User, raws: Sequence[Raw] | None) -> SlotReading:
    """Without entries a user is not restricted; None: of several kinds, one of them in force."""
    if raws is None:
        return SlotReading(slot, user.use, user.digits, restricted=True)
    held = from_raws(raws, dialect.zone)
    return SlotReading(slot, user.use, user.digits, bool(held), held)


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
    kind = _kind_of(dialect, schedules)
    if schedules and kind is None:
        return WriteResult(Refused(Refusal.INVALID))
    wanted = _raws(dialect, schedules, kind)
    if kind is not None and len(wanted) > dialect.count(kind):
        return WriteResult(Refused(Refusal.UNSUPPORTED))
    try:
        before = yield from read_slot(dialect, slot)
    except ProtocolError:
        return WriteResult(Refused(Refusal.FAILED))  # nothing was written yet
    if before.use is not SlotUse.AVAILABLE and not overwrite:
        return WriteResult(Refused(Refusal.INVALID), before)
    as_wanted = before.use is SlotUse.ENABLED and _holds(dialect, before, wanted)
    if as_wanted and before.digits == digits:
        return WriteResult(FOUND, before)
    written = yield from _put(dialect, slot, digits, kind, wanted, before)
    if written.outcome != Refused(Refusal.DUPLICATE) or before.use is SlotUse.AVAILABLE:
        return written
    if before.digits != digits and (before.digits is not None or as_wanted):
        return written  # they are in another slot; or the records know whether these are ours
    return (yield from _put_anew(dialect, slot, digits, kind, wanted))


def _holds(dialect: Dialect, reading: SlotReading, wanted: Sequence[Raw]) -> bool:
    """Whether the slot is restricted as wanted."""
    return reading.schedules is not None and set(reading.schedules) == set(
        from_raws(wanted, dialect.zone)
    )


def _put(
    dialect: Dialect,
    slot: int,
    digits: Secret,
    kind: Kind | None,
    wanted: Sequence[Raw],
    before: SlotReading,
) -> Dialogue[WriteResult]:
    lone = before.use is SlotUse.AVAILABLE
    if kind is None and not before.restricted:
        return (yield from _unrestricted(dialect, slot, digits, before))
    if dialect.disables and kind is not None:
        return (yield from _disabled_first(dialect, slot, digits, kind, wanted, before))
    if lone and kind is not None:
        return (yield from _schedules_first(dialect, slot, digits, kind, wanted))
    # What stands in the slot is to go in any case, and its schedules with it.
    return (yield from _put_anew(dialect, slot, digits, kind, wanted))


def _put_anew(
    dialect: Dialect, slot: int, digits: Secret, kind: Kind | None, wanted: Sequence[Raw]
) -> Dialogue[WriteResult]:
    """The digits may be duplicates of themselves. What stood in the slot was to go in any case."""
    yield Extend(WITHDRAWAL)
    erased = yield from erase(dialect, slot)
    empty = erased.reading
    if not isinstance(erased.outcome, Confirmed) or empty is None:
        return WriteResult(Unconfirmed("the slot was to be emptied first, and stays taken"), empty)
    try:
        return (yield from _put(dialect, slot, digits, kind, wanted, empty))
    except _BROKEN as error:
        raise OutcomeUnknown(f"slot {slot} was erased, but not written anew: {error}") from error


def _unrestricted(
    dialect: Dialect, slot: int, digits: Secret, before: SlotReading
) -> Dialogue[WriteResult]:
    occupied = before.use is not SlotUse.AVAILABLE
    word = yield from put(dialect, slot, digits, enabled=True, occupied=occupied)
    try:
        after = yield from read_slot(dialect, slot)
    except _BROKEN as error:
        if isinstance(word, Refusal) and word.definite:
            return WriteResult(Refused(word), before)
        return WriteResult(Unconfirmed(f"{_told(word)}, but not read back: {error}"))
    as_wanted = after.use is SlotUse.ENABLED and not after.restricted
    if as_wanted and _is(after.digits, digits, word, fresh=not occupied, shown=before.digits):
        return WriteResult(PROVEN if word is Said.DONE else FOUND, after)
    told = _not_as_wanted((yield from why(dialect, slot, word)), before, after)
    if not occupied and after.use is SlotUse.DISABLED:  # a user, whom no PIN came to
        return (yield from _withdraw(dialect, slot, told.outcome))
    return told


def _is(
    found: Secret | None, digits: Secret, word: Word, *, fresh: bool, shown: Secret | None = None
) -> bool:
    """Whether the code that stands there is ours. A masked one is, if the lock said that it took
    ours, or if the slot was empty before and nobody said no; but not where other digits were
    `shown` before."""
    if found is not None:
        return found == digits
    if shown not in {None, digits}:
        return False
    return word is Said.DONE or (fresh and word is Said.NOTHING)


def _not_as_wanted(word: Word, before: SlotReading, after: SlotReading) -> WriteResult:
    """A no is believed where the slot reads as before; a yes that left nothing is no yes."""
    if isinstance(word, Refusal) and after == before:
        return WriteResult(Refused(word), after)
    if before.digits is not None and after.digits is None and after.use is not SlotUse.AVAILABLE:
        # Digits that are shown one moment and not the next may be the same as before.
        return WriteResult(Unconfirmed(f"{_told(word)}, and the digits are not shown"))
    return WriteResult(Unconfirmed(f"{_told(word)}, but the slot reads otherwise"), after)


def _told(word: Word) -> str:
    if isinstance(word, Refusal):
        return f"refused ({word.value})"
    return "acknowledged" if word is Said.DONE else "sent"


def _disabled_first(
    dialect: Dialect,
    slot: int,
    digits: Secret,
    kind: Kind,
    wanted: Sequence[Raw],
    before: SlotReading,
) -> Dialogue[WriteResult]:
    occupied = before.use is not SlotUse.AVAILABLE
    word = yield from put(dialect, slot, digits, enabled=False, occupied=occupied)
    try:
        user = yield from read_user(dialect, slot)
        if user.use is not SlotUse.DISABLED or not _is(
            user.digits, digits, word, fresh=not occupied, shown=before.digits
        ):
            after = yield from _with_schedules(dialect, slot, user)
            told = _not_as_wanted((yield from why(dialect, slot, word)), before, after)
            if after == before or user.use is SlotUse.AVAILABLE:
                return told
            # Nobody knows behind which schedules: they were not written yet.
            return (yield from _withdraw(dialect, slot, told.outcome))
        failure = yield from write_row(dialect, slot, kind, wanted)
        if failure is not None:
            return (yield from _withdraw(dialect, slot, failure))
        word = yield from put(dialect, slot, digits, enabled=True, occupied=True)
        return (yield from _prove(dialect, slot, digits, kind, wanted, word))
    except _BROKEN as error:
        return (yield from _withdraw(dialect, slot, Unconfirmed(f"proof is missing: {error}")))


def _schedules_first(
    dialect: Dialect, slot: int, digits: Secret, kind: Kind, wanted: Sequence[Raw]
) -> Dialogue[WriteResult]:
    failure = yield from write_row(dialect, slot, kind, wanted)
    if failure is not None:
        yield from clear_row(dialect, slot)
        return WriteResult(Refused(Refusal.UNSUPPORTED))
    word = yield from put(dialect, slot, digits, enabled=True, occupied=False)
    try:
        written = yield from _prove(dialect, slot, digits, kind, wanted, word)
    except _BROKEN as error:
        return (yield from _withdraw(dialect, slot, Unconfirmed(f"proof is missing: {error}")))
    if not isinstance(written.outcome, Confirmed):
        with suppress(*_BROKEN):  # without a code they open nothing, and are overwritten
            yield from clear_row(dialect, slot)
    return written


def _prove(
    dialect: Dialect,
    slot: int,
    digits: Secret,
    kind: Kind,
    wanted: Sequence[Raw],
    word: Word,
) -> Dialogue[WriteResult]:
    """That the code is there, switched on, with these schedules; or it is taken back."""
    user = yield from read_user(dialect, slot)
    raws = yield from read_all(dialect, slot, kind)
    gap: Outcome | None = None
    if user.use is not SlotUse.ENABLED:
        word = yield from why(dialect, slot, word)
        gap = Unconfirmed(f"{_told(word)}, but the code is not enabled")
        if isinstance(word, Refusal):
            gap = Refused(word)
    elif not _is(user.digits, digits, word, fresh=True):
        gap = Unconfirmed(f"{_told(word)}, but other digits read back")
    elif set(raws.values()) != set(wanted):
        gap = Unconfirmed("the lock did not keep the schedule")
    if gap is not None:
        return (yield from _withdraw(dialect, slot, gap))
    reading = _reading(dialect, slot, user, tuple(raws.values()))
    return WriteResult(PROVEN if word is Said.DONE else FOUND, reading)


def _withdraw(dialect: Dialect, slot: int, outcome: Outcome) -> Dialogue[WriteResult]:
    return take_back(erase(dialect, slot), slot, outcome)


def reschedule(
    dialect: Dialect, slot: int, schedules: tuple[LockSchedule, ...]
) -> Dialogue[WriteResult]:
    """Overwrite the schedules of a live code, of the same kind as it has; nothing is cleared.

    A change between unrestricted, weekly and dated is refused (`UNSUPPORTED`): program the code
    anew with `overwrite`. An empty slot is refused (`INVALID`).
    """
    kind = _kind_of(dialect, schedules)
    user = yield from read_user(dialect, slot)
    if user.use is SlotUse.AVAILABLE:
        return WriteResult(Refused(Refusal.INVALID), _reading(dialect, slot, user, ()))
    row = yield from read_row(dialect, slot)
    before = _reading(dialect, slot, user, row)
    wanted = _raws(dialect, schedules, kind)
    if kind is None and schedules:
        return WriteResult(Refused(Refusal.INVALID), before)
    if kind is None or not row or row[0].kind is not kind or len(wanted) > dialect.count(kind):
        return WriteResult(Refused(Refusal.UNSUPPORTED), before)
    try:
        failure = yield from write_row(dialect, slot, kind, wanted)
        after = yield from read_user(dialect, slot)
        held = yield from read_all(dialect, slot, kind)
    except _BROKEN as error:
        raise OutcomeUnknown(f"could not reschedule slot {slot}: {error}") from error
    if after.use is not SlotUse.AVAILABLE and not held:
        # The lock opened the code to all hours: that is worse than a code too few.
        return (yield from _withdraw(dialect, slot, Unconfirmed("the lock lifted the restriction")))
    reading = _reading(dialect, slot, after, tuple(held.values()))
    if set(held.values()) != set(wanted):
        return WriteResult(failure or Unconfirmed("the lock did not keep the schedule"), reading)
    if after.use is not user.use:
        return WriteResult(Unconfirmed("the slot reads otherwise"), reading)
    return WriteResult(PROVEN if failure is None else FOUND, reading)


def erase(
    dialect: Dialect, slot: int, spared: Callable[[SlotReading], bool] | None = None
) -> Dialogue[WriteResult]:
    """Code first, proven by reading; then its schedules. An empty slot is a success."""
    try:
        before = yield from read_user(dialect, slot)
    except (ProtocolError, DeviceRefused):
        pass  # unreadable is no reason not to try
    else:
        if before.use is SlotUse.AVAILABLE:
            return WriteResult(FOUND, _reading(dialect, slot, before, ()))
        if spared is not None:
            there = yield from _with_schedules(dialect, slot, before)
            if spared(there):
                return WriteResult(Refused(Refusal.INVALID), there)
    word = yield from clear(dialect, slot)
    try:
        after = yield from read_user(dialect, slot)
    except _BROKEN as error:
        if isinstance(word, Refusal) and word.definite:
            return WriteResult(Refused(word))
        return WriteResult(Unconfirmed(f"{_told(word)}, but not read back: {error}"))
    if after.use is not SlotUse.AVAILABLE:
        # What restricts it was not read: a code that is to go is told without its hours.
        reading = None if dialect.kinds else _reading(dialect, slot, after, ())
        if isinstance(word, Refusal):
            return WriteResult(Refused(word), reading)
        return WriteResult(Unconfirmed(f"{_told(word)}, but the code is still there"), reading)
    with suppress(*_BROKEN):  # proven gone; a leftover schedule opens nothing and is overwritten
        yield from clear_row(dialect, slot)
    return WriteResult(PROVEN if word is Said.DONE else FOUND, _reading(dialect, slot, after, ()))


def _kind_of(dialect: Dialect, schedules: Sequence[LockSchedule]) -> Kind | None:
    """None for no schedules, and for a mixture, which no lock holds for one user."""
    if not schedules:
        return None
    if all(isinstance(schedule, YearDay) for schedule in schedules):
        return Kind.YEAR_DAY
    if any(isinstance(schedule, YearDay) for schedule in schedules):
        return None
    return dialect.weekly


def _raws(
    dialect: Dialect, schedules: Sequence[LockSchedule], kind: Kind | None
) -> tuple[Raw, ...]:
    if kind is None:
        return ()
    return tuple(raw for schedule in schedules for raw in to_raws(schedule, dialect.zone, kind))
