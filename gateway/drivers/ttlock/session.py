"""Conversations with a TTLock about anything but codes, media and its log: sans-I/O.

Becoming the owner, bolt, state, clock, settings, keys of others, giving it back. Not here: login,
which comes of itself before what needs it (link); keypad codes (codes); cards and fingers
(media_session).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gateway.domain.actions import Confirmed, Outcome, Refused, Unconfirmed
from gateway.domain.devices import Evidence, WeekDay
from gateway.drivers.access import Setting, SettingKind
from gateway.drivers.steps import Agree, Become
from gateway.drivers.ttlock import commands, settings
from gateway.drivers.ttlock.commands import VENDOR, Features, Info, Login
from gateway.drivers.ttlock.crypto import FACTORY_KEY, KEY_SIZE
from gateway.drivers.ttlock.dialogue import (
    Dialogue,
    HeardVersion,
    Prove,
    ask,
    say,
    since_an_order,
)
from gateway.drivers.ttlock.keys import Keys
from gateway.drivers.ttlock.mapping import measured_from, refusal_of, why
from gateway.errors import (
    DeviceRefused,
    LinkError,
    OutcomeUnknown,
    PeerProtocolError,
    ProtocolError,
    Refusal,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.domain.secret import Secret
    from gateway.drivers.access import SettingValue
    from gateway.drivers.api import Measured
    from gateway.drivers.ttlock.commands import Command
    from gateway.drivers.ttlock.settings import Passage, Plan
    from gateway.drivers.ttlock.wire import Version

ACKNOWLEDGED = Confirmed(frozenset({Evidence.ACKNOWLEDGED}))
FOUND = Confirmed(frozenset({Evidence.READ_BACK}))
MOST_PAGES = 60


# ── becoming the owner ──────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Met:
    """What pairing, or taking over, learned of the lock."""

    keys: Keys
    features: Features
    model: str = ""


def pair(version: Version, admin_ps: int, unlock_key: int) -> Dialogue[Met]:
    """One link from beginning to end: what was agreed on it is forgotten with it until `FINISH`.

    No public source tells which of the last two words makes it ours, so the keys are kept before
    the first of them. The clock is not set here (the vendor's app does): the house sets it next, in
    the site's zone.
    """
    yield Become(Keys(FACTORY_KEY, 0, None, version))
    yield from ask(commands.init(), "pair with the lock")
    told: Version = yield HeardVersion()
    answer = yield from ask(commands.aes_key(), "agree on a key with the lock")
    if len(answer.data) < KEY_SIZE:
        raise PeerProtocolError("could not agree on a key with the lock: it sent none")
    keys = Keys(answer.data[:KEY_SIZE], unlock_key, admin_ps, told)
    yield Become(keys)
    yield Agree(keys)
    answer = yield from ask(commands.add_admin(admin_ps, unlock_key), "become the lock's owner")
    if answer.data[: len(VENDOR)] != VENDOR:
        raise PeerProtocolError("could not become the lock's owner: it answers as another vendor's")
    answer = yield from ask(commands.features(), "ask the lock what it can do")
    features = commands.features_of(answer)
    yield from ask(commands.finish(), "finish pairing with the lock")
    return Met(keys, features)


def meet(keys: Keys) -> Dialogue[Met]:
    """With keys that should be the lock's: prove them, and ask what it is."""
    yield Become(keys)
    yield Prove(Login.USER if keys.admin_ps is None else Login.ADMIN)
    return (yield from get_to_know(keys))


def get_to_know(keys: Keys) -> Dialogue[Met]:
    """Of a lock that knows these keys."""
    features = yield from get_features()
    return Met(keys, features, (yield from get_model()))


def get_features() -> Dialogue[Features]:
    answer = yield from ask(commands.features(), "ask the lock what it can do")
    return commands.features_of(answer)


def get_model() -> Dialogue[str]:
    """Empty where the lock does not tell."""
    try:
        answer = yield from ask(commands.device_info(Info.MODEL), "ask the lock its model")
    except (DeviceRefused, ProtocolError, LinkError):
        return ""
    return commands.text_of(answer)


def reset() -> Dialogue[None]:
    """Back to the state of a new lock: codes, cards, keys and owner are gone."""
    yield from ask(commands.reset(), "reset the lock")


# ── bolt and state ──────────────────────────────────────────────────────────────────────────


def operate(order: Command) -> Dialogue[Outcome]:
    """Lock or unlock, once. The lock's word that it did is all there is to have here."""
    answer = yield from say(order)
    if answer.error is None:
        return ACKNOWLEDGED
    refusal = refusal_of(answer.error)
    # "Failed" does not say that nothing moved.
    return Refused(refusal) if refusal.definite else Unconfirmed(why(answer.error))


def get_status() -> Dialogue[Measured]:
    answer = yield from ask(commands.status(), "ask the lock how the door stands")
    return measured_from(commands.status_of(answer))


# ── clock ───────────────────────────────────────────────────────────────────────────────────


def read_clock() -> Dialogue[bytes]:
    """The lock's local time as date6."""
    answer = yield from ask(commands.read_clock(), "read the lock's clock")
    return answer.data[:6]


def set_clock(date6: bytes) -> Dialogue[None]:
    try:
        yield from ask(commands.set_clock(date6), "set the lock's clock")
    except OutcomeUnknown:
        pass  # reading it comes next, and tells
    except DeviceRefused as refused:
        if refused.refusal.definite:
            raise


# ── codes that are the lock's own, not in its list ──────────────────────────────────────────


def set_admin_code(digits: Secret) -> Dialogue[None]:
    yield from ask(commands.admin_code(digits), "set the lock's admin code")


def set_erase_code(digits: Secret) -> Dialogue[None]:
    yield from ask(commands.erase_code(digits), "set the lock's erase code")


# ── keys of others ──────────────────────────────────────────────────────────────────────────


def next_keys(keys: Keys) -> Keys:
    """Ours after the next revocation. The lock takes a higher count at any time, so a key that is
    ahead of the lock works; one that is behind does not."""
    return replace(keys, flag_pos=keys.flag_pos + 1)


def _prove(login: Login) -> Dialogue[None]:
    yield Prove(login)


def revoke(keys: Keys) -> Dialogue[Outcome]:
    """`keys` are already the next ones. Logging in with them afterwards is the proof."""
    order = commands.check_admin(keys, keys.flag_pos)
    try:
        answer = yield from say(order)
    except OutcomeUnknown:
        heard = False
    else:
        heard = answer.error is None
        if answer.error is not None and refusal_of(answer.error).definite:
            return Refused(refusal_of(answer.error))
    yield Become(keys)
    yield from since_an_order(_prove(Login.ADMIN))
    if heard:
        return Confirmed(frozenset({Evidence.ACKNOWLEDGED, Evidence.READ_BACK}))
    return FOUND


# ── settings ────────────────────────────────────────────────────────────────────────────────


def read_settings(features: Features) -> Dialogue[Sequence[Setting]]:
    found: list[Setting] = []
    for name, plan in settings.PLANS.items():
        if features.has(plan.feature):
            try:
                found.append((yield from read_setting(name, plan)))
            except DeviceRefused as refused:
                if refused.refusal is not Refusal.UNSUPPORTED:
                    raise
            except ProtocolError:
                found.append(Setting(name, plan.kind, None))
    return found


def read_setting(name: str, plan: Plan) -> Dialogue[Setting]:
    doing = f"read the setting {name}"
    if plan.kind is SettingKind.WEEKLY:
        passages = yield from _passages()
        return Setting(name, plan.kind, _weekly(passages))
    answer = yield from ask(settings.read(plan), doing)
    return settings.setting_of(name, plan, answer)


def write_setting(features: Features, name: str, value: SettingValue) -> Dialogue[Setting]:
    plan = settings.PLANS.get(name)
    if plan is None or not features.has(plan.feature):
        raise DeviceRefused(f"could not set {name}: the lock does not have it", Refusal.UNSUPPORTED)
    before = yield from read_setting(name, plan)
    if not settings.fits(before, value):
        raise DeviceRefused(f"could not set {name}: the lock cannot take that", Refusal.INVALID)
    if isinstance(value, tuple):
        yield from _write_passages(value)
    else:
        yield from _told(settings.write(plan, value), name)
    after = yield from since_an_order(read_setting(name, plan))
    same = _spread(after.value) == _spread(value)
    if not same:
        raise DeviceRefused(f"could not set {name}: it reads otherwise", Refusal.FAILED)
    return after


def _told(order: Command, name: str) -> Dialogue[None]:
    """What reading afterwards proves anyway: only a reason for the "no" ends it here."""
    try:
        yield from ask(order, f"set {name}")
    except OutcomeUnknown:
        pass
    except DeviceRefused as refused:
        if refused.refusal.definite:
            raise


def _spread(value: SettingValue | None) -> object:
    """Weekly hours day by day, however they were put together."""
    if not isinstance(value, tuple):
        return value
    return sorted((day, w.start_minute, w.end_minute) for w in value for day in sorted(w.weekdays))


def _passages() -> Dialogue[list[Passage]]:
    found: list[Passage] = []
    sequence: int | None = 0
    for _ in range(MOST_PAGES):
        answer = yield from ask(settings.read_passages(sequence or 0), "read the passage mode")
        page, sequence = settings.passages_of(answer)
        found += page
        if sequence is None:
            return found
    raise PeerProtocolError("could not read the passage mode: the list has no end")


def _weekly(passages: list[Passage]) -> tuple[WeekDay, ...] | None:
    """None when there is something that is not weekly."""
    days: dict[tuple[int, int], set[int]] = {}
    for passage in passages:
        if passage.hours is None:
            return None
        hours = passage.hours
        days.setdefault((hours.start_minute, hours.end_minute), set()).update(hours.weekdays)
    return tuple(WeekDay(frozenset(days[h]), h[0], h[1]) for h in sorted(days))


def _write_passages(wanted: tuple[WeekDay, ...]) -> Dialogue[None]:
    """Only what differs: the door neither locks nor opens for a moment in between."""
    missing = {
        (day, hours.start_minute, hours.end_minute) for hours in wanted for day in hours.weekdays
    }
    orders: list[Command] = []
    for passage in (yield from _passages()):
        held = set(_days(passage))
        if held and held <= missing:
            missing -= held
        else:
            orders.append(settings.delete_passage(passage))
    for day, start, end in sorted(missing):
        orders.append(settings.add_passage(day, WeekDay(frozenset({day}), start, end)))
    for index, order in enumerate(orders):
        told = _told(order, "the passage mode")
        yield from since_an_order(told) if index else told


def _days(passage: Passage) -> list[tuple[int, int, int]]:
    hours = passage.hours
    if hours is None:
        return []
    return [(day, hours.start_minute, hours.end_minute) for day in sorted(hours.weekdays)]
