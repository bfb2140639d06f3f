"""The wire contract, downward: what the cloud may say, as models. JSON, schema 1.

Here: shapes and the checks a single message can answer by itself. Not here: what the gateway
says (`reports`), bytes to models and how refusals read (`parse`), domain values (`translate`),
signatures and seals.

Unknown fields are kept, counted and ignored, except where ignoring one could widen access
(`secret`, `window`, `use`): there they refuse the message. No error text repeats a value.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SecretStr,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

from gateway.domain.ids import ID_PATTERN
from gateway.domain.instant import Instant, from_rfc3339, to_rfc3339
from gateway.domain.windows import known_zone

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA: Final = 1
SCHEMA_RANGE: Final = (1, 1)

MAX_ITEMS: Final = 5_000
"""Credentials or tombstones in one message; larger schedules come as snapshots in chunks."""

MAX_INTEGER: Final = 2**53 - 1
"""Beyond it JavaScript loses digits."""

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_RFC3339 = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:[Zz]|[+-]\d{2}:\d{2})",
    re.ASCII,
)
_FIRST, _LAST = 0, 7_258_118_400_000  # 1970 to 2200
_DIGITS = re.compile(r"[!-~]{1,32}")


def _instant(value: object, info: ValidationInfo) -> object:
    if info.mode == "python" and isinstance(value, int):
        return value
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        raise ValueError("not an RFC 3339 date-time with an offset")
    try:
        instant = from_rfc3339(value.upper())
    except ValueError:
        raise ValueError("not a date-time that exists") from None
    if not _FIRST <= instant <= _LAST:
        raise ValueError("not between 1970 and 2200")
    return instant


def _zone(name: str) -> str:
    if not known_zone(name):
        raise ValueError("not a known IANA time zone")
    return name


def _digits(value: SecretStr) -> SecretStr:
    if not _DIGITS.fullmatch(value.get_secret_value()):
        raise ValueError("digits are 1 to 32 printable characters without spaces")
    return value


Id = Annotated[str, Field(pattern=ID_PATTERN)]
Natural = Annotated[int, Field(ge=0, le=MAX_INTEGER)]
Counted = Annotated[int, Field(ge=1, le=MAX_INTEGER)]
Time = Annotated[
    Instant,
    BeforeValidator(_instant),
    PlainSerializer(lambda value: to_rfc3339(Instant(value)), return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
TimeOfDay = Annotated[str, Field(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$")]
Text = Annotated[str, Field(max_length=200)]


class Lenient(BaseModel):
    """Keeps what it does not know, so that it can be counted."""

    model_config = ConfigDict(
        frozen=True, strict=True, extra="allow", hide_input_in_errors=True, populate_by_name=True
    )

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Fields of ours only: nobody knows what a stranger's field holds."""
        known = type(self).model_fields
        return ((name, value) for name, value in super().__repr_args__() if name in known)


class Exact(BaseModel):
    """Knows all of its fields: an unknown one might be the one that restricts."""

    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", hide_input_in_errors=True, populate_by_name=True
    )


class Message(Lenient):
    """The head of every message."""

    schema_version: Literal[1] = Field(default=SCHEMA, alias="schema")


class Order(Message):
    """The head of every message to the gateway."""

    schema_version: Literal[1] = Field(alias="schema")
    crit: Annotated[tuple[str, ...], Field(max_length=64)] = ()
    """Names of fields that must be understood, or the whole message is to be refused."""


# ------------------------------------------------------------------------------------- dn/desired


class Sealed(Exact):
    """The digits: in the open on loopback, sealed to the gateway's key elsewhere."""

    digits: Annotated[SecretStr, AfterValidator(_digits)] | None = None
    jwe: Annotated[str, Field(max_length=8192)] | None = Field(default=None, repr=False)

    @model_validator(mode="after")
    def _one_of(self) -> Sealed:
        if (self.digits is None) == (self.jwe is None):
            raise ValueError("a secret has either digits or jwe")
        return self


class AlwaysWindow(Exact):
    kind: Literal["always"]


class TimedWindow(Exact):
    """`[opens_at, closes_at)`."""

    kind: Literal["timed"]
    opens_at: Time
    closes_at: Time

    @model_validator(mode="after")
    def _order(self) -> TimedWindow:
        if self.opens_at >= self.closes_at:
            raise ValueError("a window must open before it closes")
        return self


class WeeklyRule(Exact):
    """Wall time; `to` at or before `from` wraps past midnight; `to` 00:00 or 24:00 is midnight."""

    weekdays: Annotated[
        tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...],
        Field(min_length=1, max_length=7),
    ]
    from_: TimeOfDay = Field(alias="from")
    to: TimeOfDay

    @model_validator(mode="after")
    def _start(self) -> WeeklyRule:
        if self.from_ == "24:00":
            raise ValueError("a day starts at 00:00, not at 24:00")
        return self


class RecurringWindow(Exact):
    kind: Literal["recurring"]
    rules: Annotated[tuple[WeeklyRule, ...], Field(min_length=1, max_length=16)]
    zone: Annotated[str, Field(max_length=64), AfterValidator(_zone)]
    not_before: Time | None = None
    not_after: Time | None = None

    @model_validator(mode="after")
    def _order(self) -> RecurringWindow:
        if (
            self.not_before is not None
            and self.not_after is not None
            and self.not_before >= self.not_after
        ):
            raise ValueError("a bounded recurrence must begin before it ends")
        return self


WindowModel = Annotated[AlwaysWindow | TimedWindow | RecurringWindow, Field(discriminator="kind")]


class UsePolicy(Exact):
    """`limit`: successful openings, over all devices of the credential."""

    limit: Annotated[int, Field(ge=1, le=1_000_000)] | None = None


class Subject(Lenient):
    id: Id | None = None
    class_: Literal["guest", "tenant", "staff", "contractor", "system"] = Field(
        default="guest", alias="class"
    )


class Credential(Lenient):
    """One `pin` on one or several devices. `version` rises with every change of any field."""

    credential_id: Id
    version: Counted
    kind: Literal["pin"]
    name: Text = ""
    subject: Subject = Subject()
    origin: Literal["cloud_auto", "cloud_manual", "backup"] = "cloud_auto"
    group: Id | None = None
    secret: Sealed
    devices: Annotated[tuple[Id, ...], Field(min_length=1, max_length=256)]
    window: WindowModel
    use: UsePolicy = UsePolicy()
    suspended: bool = False
    held: bool = False

    @model_validator(mode="after")
    def _each_once(self) -> Credential:
        if len(set(self.devices)) != len(self.devices):
            raise ValueError("a device is listed twice")
        return self


class Gone(Lenient):
    """A tombstone: from one device, or from all when none is named."""

    credential_id: Id
    device_id: Id | None = None


class _Desired(Order):
    revision: Counted
    hash: Hash
    """Of the whole schedule after this revision: SHA-256 over the sorted lines
    `credential_id device_id version`, each ended by a line feed."""
    credentials: Annotated[tuple[Credential, ...], Field(max_length=MAX_ITEMS)] = ()
    tombstones: Annotated[tuple[Gone, ...], Field(max_length=MAX_ITEMS)] = ()
    confirm_removals: bool = False
    """The sender means the removals in this message, however many."""

    @model_validator(mode="after")
    def _once(self) -> _Desired:
        ids = {item.credential_id for item in self.credentials}
        if len(ids) != len(self.credentials):
            raise ValueError("a credential is listed twice")
        return self


class Delta(_Desired):
    """Upserts and tombstones on top of revision `previous`."""

    kind: Literal["delta"]
    previous: Natural

    @model_validator(mode="after")
    def _rises(self) -> Delta:
        if self.previous >= self.revision:
            raise ValueError("a delta leads to a higher revision than it starts from")
        return self


class Snapshot(_Desired):
    """One chunk (`chunk` of `chunks`, from 1) of the whole schedule."""

    kind: Literal["snapshot"]
    chunk: Annotated[int, Field(ge=1, le=1000)]
    chunks: Annotated[int, Field(ge=1, le=1000)]
    credentials_z: Annotated[str, Field(max_length=128 * 1024)] | None = Field(
        default=None, repr=False
    )
    """Instead of `credentials`: the same list as JSON, zlib, base64."""

    @model_validator(mode="after")
    def _chunked(self) -> Snapshot:
        if self.chunk > self.chunks:
            raise ValueError("there are fewer chunks than this one's number")
        if self.credentials and self.credentials_z is not None:
            raise ValueError("either credentials or credentials_z")
        return self


Desired = Annotated[Snapshot | Delta, Field(discriminator="kind")]


# ------------------------------------------------------------------------------------ dn/commands


class Command(Order):
    """`kind` and `args` are checked against `COMMANDS` once the command is journaled."""

    command_id: Id
    kind: Annotated[str, Field(pattern=r"^[a-z_]{1,40}$")]
    device_id: Id | None = None
    args: dict[str, Any] = Field(default_factory=dict, max_length=32)
    not_after: Time | None = None
    nonce: Annotated[str, Field(max_length=64)] | None = None


class NoArgs(Exact):
    pass


class UnlockArgs(Exact):
    subject_id: Id | None = None
    reason: Text | None = None


class RevokeArgs(Exact):
    credential_id: Id
    version: Counted | None = None
    """The newest one that is meant: an order that comes late takes nothing that was given since."""


class RevokeSubjectArgs(Exact):
    subject_id: Id


class RenameArgs(Exact):
    name: Annotated[str, Field(min_length=1, max_length=64)]


class RemoveDeviceArgs(Exact):
    force: bool = False


class ConfirmRemovalsArgs(Exact):
    revision: Counted


# --------------------------------------------------------------------------------------- dn/ack


class CloudTime(Lenient):
    """The cloud's time with the nonce of the hello it answers.

    `proof`: a JWS in compact form, EdDSA, its `typ` lockgw-time+jwt and its `kid` one the gateway
    knows, with the claims `aud` (the gateway's id), `now` (RFC 3339) and `nonce`. Without one the
    time is a hint, and taken from a broker on this machine only.
    """

    now: Time
    nonce: Annotated[str, Field(max_length=64)]
    proof: Annotated[str, Field(max_length=2048)] | None = None


class Ack(Order):
    """What the cloud has stored, and what it lacks."""

    epoch: Annotated[str, Field(max_length=64)]
    events_through: Natural | None = None
    want_events: Annotated[tuple[tuple[Counted, Counted], ...], Field(max_length=64)] = ()
    """Ranges `[from, through]`, both included."""
    want_reported: bool = False
    want_hello: bool = False
    reported_through: Natural | None = None
    time: CloudTime | None = None
