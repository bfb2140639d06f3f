"""Conversations with a Nuki about anything but codes and its log: sans-I/O.

Pairing, bolt, states, clock, PIN, settings, authorisations. Sources: the vendor's "Nuki Smart Lock
API", "Authorize App" and "Perform lock action"; ronengr/pyNukiBT `nuki.py`. Not here: challenge and
PIN of each command (link); keypad codes (codes).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import ceil
from typing import TYPE_CHECKING

from gateway.domain.actions import Confirmed, Outcome, Refused, Unconfirmed
from gateway.domain.devices import Evidence
from gateway.drivers.access import KeyHolder, SettingKind
from gateway.drivers.nuki import commands, crypto, mapping, settings
from gateway.drivers.nuki.commands import ACCEPTED, COMPLETE, NAME_SIZE, pairing
from gateway.drivers.nuki.dialogue import Dialogue, ask, await_more, done, say
from gateway.drivers.nuki.keys import Keys
from gateway.drivers.nuki.mapping import locked_by, refusal_of, why
from gateway.drivers.nuki.schedules import ALWAYS, schedules_of, terms_of
from gateway.drivers.nuki.wire import AUTH_SIZE, Op, instant_of, text, u16, u32
from gateway.drivers.steps import Agree, Become
from gateway.errors import (
    DeviceRefused,
    LinkError,
    OutcomeUnknown,
    PeerProtocolError,
    ProtocolError,
    RadioError,
    Refusal,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo

    from gateway.drivers.access import KeyChange, Setting, SettingValue
    from gateway.drivers.nuki.commands import Answer, Authorisation, Command, States
    from gateway.drivers.nuki.schedules import Terms
    from gateway.drivers.nuki.settings import Config

ACKNOWLEDGED = Confirmed(frozenset({Evidence.ACKNOWLEDGED}))
FOUND = Confirmed(frozenset({Evidence.READ_BACK}))
PROVEN = Confirmed(frozenset({Evidence.ACKNOWLEDGED, Evidence.READ_BACK}))
MOTOR_S = 25.0
"""From "accepted" to the end: turning twice and pulling the latch, slowly, at night."""
PUSH_S = 3.0
"""How long a word about a change is waited for before the states are asked for."""
NOBODY = b"\x7f\xff\xff\xff"
"""In the place of an authorisation that an Ultra has not given yet."""

_BROKEN = (LinkError, RadioError, ProtocolError, DeviceRefused)


# ── pairing ─────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Identity:
    """Who pairs. `secret` and `nonce` are fresh; `kind` 1: pyNukiBT pairs as a bridge, and it is
    for these that the lock's beacon is known to tell of changes."""

    secret: bytes = field(repr=False)
    nonce: bytes
    app_id: int
    name: str
    kind: int = 1


def pair(us: Identity, pin: int | None, *, ultra: bool) -> Dialogue[Keys]:
    """One link from beginning to end. `pin`: the owner's; an Ultra wants to be told it here.

    From `Agree` on the lock may know us, whatever happens to its last word. What an Ultra gave is
    known by its last word only: if that is lost, its button must be held once more.
    """
    doing = "pair with the lock"
    answer = yield from ask(pairing(Op.REQUEST_DATA, u16(Op.PUBLIC_KEY), Op.PUBLIC_KEY), doing)
    theirs, ours = answer.data, crypto.public_key(us.secret)
    shared = crypto.shared_key(us.secret, theirs)
    if shared is None:
        raise PeerProtocolError("could not pair with the lock: its key is none")
    keys = Keys(shared, NOBODY, us.app_id, ultra=ultra, pin=pin)
    yield Become(keys)
    answer = yield from ask(pairing(Op.PUBLIC_KEY, ours, Op.CHALLENGE), doing)
    told = crypto.proof(shared, ours, theirs, answer.data)
    if ultra:
        return (yield from _authorise_at_ultra(us, keys, told, pin or 0))
    return (yield from _authorise(us, keys, told))


def _authorise(us: Identity, keys: Keys, told: bytes) -> Dialogue[Keys]:
    """The keys are kept with the PIN that they have, though it is not told here."""
    doing = "pair with the lock"
    answer = yield from ask(pairing(Op.AUTHENTICATOR, told, Op.CHALLENGE), doing)
    signed = bytes((us.kind,)) + u32(us.app_id) + text(us.name, NAME_SIZE) + us.nonce
    told = crypto.proof(keys.shared, signed, answer.data)
    answer = yield from ask(
        pairing(Op.AUTHORISATION_DATA, told + signed, Op.AUTHORISATION_ID), doing
    )
    proof, said = answer.data[: crypto.PROOF_SIZE], answer.data[crypto.PROOF_SIZE :]
    if not crypto.proves(proof, keys.shared, said, us.nonce):
        raise PeerProtocolError("could not pair with the lock: it does not prove its key")
    auth_id, theirs = said[:AUTH_SIZE], said[-32:]
    keys = replace(keys, auth_id=auth_id)
    yield Become(keys)
    yield Agree(keys)
    told = crypto.proof(keys.shared, auth_id, theirs) + auth_id
    yield from ask(pairing(Op.CONFIRM_AUTHORISATION, told, Op.STATUS), doing)
    return keys


def _authorise_at_ultra(us: Identity, keys: Keys, told: bytes, pin: int) -> Dialogue[Keys]:
    doing = "pair with the lock"
    yield from ask(pairing(Op.AUTHENTICATOR, told, Op.AUTHORISATION_INFO), doing)
    payload = u32(us.app_id) + text(us.name, NAME_SIZE) + u32(pin)
    order = pairing(Op.AUTHORISATION_DATA, payload, Op.AUTHORISATION_ID, sealed=True)
    answer = yield from ask(order, doing)
    if len(answer.data) < AUTH_SIZE:
        raise PeerProtocolError("could not pair with the lock: it gave no authorisation")
    keys = replace(keys, auth_id=answer.data[:AUTH_SIZE])
    yield Become(keys)
    yield Agree(keys)
    return keys


def verify_pin() -> Dialogue[None]:
    yield from ask(commands.verify_pin(), "manage the lock")


def change_pin(keys: Keys, pin: int) -> Dialogue[None]:
    """With the present one. Which of the two it is then, asking tells (link)."""
    try:
        answer = yield from say(commands.set_pin(pin, keys.pin_size))
        done(answer, "set the lock's security PIN")
    except (OutcomeUnknown, PeerProtocolError):
        pass
    except DeviceRefused as refused:
        if refused.refusal.definite:
            raise
    yield Become(replace(keys, pin=pin, other_pin=keys.pin))
    yield from verify_pin()


# ── bolt and states ─────────────────────────────────────────────────────────────────────────


def operate(order: Command, wanted: bool | None) -> Dialogue[Outcome]:
    """Say it once. `wanted`: whether the bolt is locked then; None where states do not tell.

    The lock accepts first and tells the end later. If that is lost, its states tell.
    """
    answer = yield from say(order)
    accepted = False
    while answer.error is None and answer.data[:1] != bytes((COMPLETE,)):
        accepted = accepted or answer.data[:1] == bytes((ACCEPTED,))
        try:
            answer = yield from await_more(order, MOTOR_S)
        except (OutcomeUnknown, PeerProtocolError) as error:
            return (yield from _judged(wanted, error))
    if answer.error is None:
        return ACKNOWLEDGED
    refusal = refusal_of(answer.error)
    # "Failed" does not say that nothing moved.
    return Refused(refusal) if refusal.definite else Unconfirmed(why(answer.error))


def _judged(wanted: bool | None, lost: OutcomeUnknown | PeerProtocolError) -> Dialogue[Outcome]:
    """By where the bolt stands, once it does."""
    if wanted is None:
        raise lost
    try:
        states = yield from get_states()
        for _ in range(ceil(MOTOR_S / PUSH_S)):
            if states.lock_state not in mapping.MOVING:
                break
            states = yield from _next_states()
    except _BROKEN:
        raise lost from None
    if locked_by(states) is wanted:
        return PROVEN
    return Unconfirmed("the lock accepted the order and is not there")


def _next_states() -> Dialogue[States]:
    """Told when they change; asked for when nothing is told for a moment."""
    try:
        answer = yield from await_more(commands.request(Op.STATES), PUSH_S)
    except LinkError:
        return (yield from get_states())
    return commands.states_of(answer.last)


def get_states() -> Dialogue[States]:
    answer = yield from ask(commands.request(Op.STATES), "ask the lock how the door stands")
    return commands.states_of(answer.last)


# ── clock ───────────────────────────────────────────────────────────────────────────────────


def read_clock() -> Dialogue[bytes]:
    """The lock's local time as date7. Asking the states would take back the sign of news."""
    return (yield from get_config()).date


def set_clock(date7: bytes) -> Dialogue[None]:
    try:
        yield from ask(commands.set_clock(date7), "set the lock's clock")
    except OutcomeUnknown:
        pass  # reading it comes next, and tells
    except DeviceRefused as refused:
        if refused.refusal.definite:
            raise


# ── settings ────────────────────────────────────────────────────────────────────────────────


def get_config() -> Dialogue[Config]:
    answer = yield from ask(settings.read_config(), "read the lock's configuration")
    return settings.config_of(answer.last)


def _get_raw(*, advanced: bool) -> Dialogue[bytes]:
    if not advanced:
        return (yield from get_config()).raw
    answer = yield from ask(settings.read_advanced(), "read the lock's configuration")
    return settings.advanced_of(answer.last)


def read_settings() -> Dialogue[Sequence[Setting]]:
    raw = {False: (yield from _get_raw(advanced=False)), True: (yield from _get_raw(advanced=True))}
    return [
        settings.setting_of(name, plan, raw[plan.advanced]) for name, plan in settings.PLANS.items()
    ]


def write_setting(name: str, value: SettingValue) -> Dialogue[Setting]:
    plan = settings.PLANS.get(name)
    if plan is None:
        raise DeviceRefused(f"could not set {name}: the lock does not have it", Refusal.UNSUPPORTED)
    if not settings.fits(plan, value) or isinstance(value, tuple):
        raise DeviceRefused(f"could not set {name}: the lock cannot take that", Refusal.INVALID)
    raw = yield from _get_raw(advanced=plan.advanced)
    wanted = settings.changed(plan, raw, value)
    if wanted != raw:
        write = settings.write_advanced if plan.advanced else settings.write_config
        yield from _told(write(wanted), name)
    after = settings.setting_of(name, plan, (yield from _get_raw(advanced=plan.advanced)))
    if after.value != (bool(value) if plan.kind is SettingKind.SWITCH else value):
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


# ── authorisations ──────────────────────────────────────────────────────────────────────────


def list_authorisations() -> Dialogue[tuple[Authorisation, ...]]:
    answer = yield from ask(commands.list_authorisations(), "list the lock's authorisations")
    return tuple(commands.authorisation_of(entry) for entry in answer.entries)


def key_holder(entry: Authorisation, ours: bytes, zone: tzinfo) -> KeyHolder:
    return KeyHolder(
        id=entry.id.hex(),
        name=entry.name,
        kind=mapping.KINDS.get(entry.kind, "unknown"),
        enabled=entry.enabled,
        ours=entry.id == ours,
        uses=entry.uses,
        last_used_at=instant_of(entry.last_active, zone),
        schedules=None if entry.terms is None else schedules_of(entry.terms, zone),
    )


def list_key_holders(ours: bytes, zone: tzinfo) -> Dialogue[Sequence[KeyHolder]]:
    return [key_holder(entry, ours, zone) for entry in (yield from list_authorisations())]


def _find(wanted: str) -> Dialogue[Authorisation | None]:
    entries = yield from list_authorisations()
    return next((entry for entry in entries if entry.id.hex() == wanted), None)


def update_key_holder(
    which: str, ours: bytes, change: KeyChange, zone: tzinfo
) -> Dialogue[Outcome]:
    """What is not to change goes back as it was read: limits outlast switching off and on."""
    if which == ours.hex():
        return Refused(Refusal.INVALID)
    held = yield from _find(which)
    if held is None:
        return Refused(Refusal.INVALID)
    terms: Terms | Refusal | None = held.terms
    if change.schedules is not None:
        terms = terms_of(change.schedules, zone)
    if isinstance(terms, Refusal) or terms is None:
        return Refused(terms or Refusal.UNSUPPORTED)
    wanted = replace(
        held,
        name=held.name if change.name is None else change.name,
        enabled=held.enabled if change.enabled is None else change.enabled,
        terms=terms,
    )
    order = commands.update_authorisation(wanted, terms)
    return (yield from _write(order, which, wanted))


def remove_key_holder(which: str, ours: bytes) -> Dialogue[Outcome]:
    """Somebody else's. One that is not there is a success."""
    if which == ours.hex():
        return Refused(Refusal.INVALID)
    held = yield from _find(which)
    if held is None:
        return FOUND
    return (yield from _write(commands.remove_authorisation(held.id), which, None))


def _write(order: Command, which: str, wanted: Authorisation | None) -> Dialogue[Outcome]:
    """Say it once, then look."""
    answer: Answer | None
    try:
        answer = yield from say(order)
    except (OutcomeUnknown, PeerProtocolError):
        answer = None
    refusal = None if answer is None or answer.error is None else refusal_of(answer.error)
    if refusal is not None and refusal.definite:
        return Refused(refusal)
    try:
        held = yield from _find(which)
    except _BROKEN as error:
        raise OutcomeUnknown(
            f"could not prove what became of an authorisation: not listed: {error}"
        ) from error
    if _same(held, wanted):
        return PROVEN if answer is not None and refusal is None else FOUND
    return (
        Unconfirmed("the lock lists the authorisation otherwise")
        if refusal is None
        else (Refused(refusal))
    )


def _same(held: Authorisation | None, wanted: Authorisation | None) -> bool:
    if held is None or wanted is None:
        return held is wanted
    terms, other = held.terms or ALWAYS, wanted.terms or ALWAYS
    same = (held.name, held.enabled) == (text_cut(wanted.name), wanted.enabled)
    return same and terms.same_as(other)


def text_cut(name: str) -> str:
    """As much of a name as the lock keeps."""
    return text(name, NAME_SIZE).rstrip(b"\0").decode()


def leave(keys: Keys) -> Dialogue[None]:
    """Have the lock forget us.

    A PIN that was ours is taken back first, or nobody could ever manage the lock again.
    """
    if keys.pin_is_ours:
        yield from change_pin(keys, 0)
    try:
        yield from ask(commands.remove_authorisation(keys.auth_id), "give the lock back")
    except OutcomeUnknown:
        # A lock that has forgotten us does not answer any more, or says that it does not know us.
        try:
            yield from get_states()
        except DeviceRefused as refused:
            if refused.refusal is not Refusal.NOT_AUTHORISED:
                raise
        else:
            raise
