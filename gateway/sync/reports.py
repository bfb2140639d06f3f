"""The wire contract, upward: what the gateway says, as models. JSON, schema 1.

Here: shapes only. How rows become these is `translate`; when they are sent is `outbound`.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from gateway.sync.messages import Counted, Hash, Id, Lenient, Message, Natural, Time


class Presence(Message):
    """`connection` rises with every connection ever made: an old will says nothing new."""

    online: bool
    connection: Counted
    epoch: str


class HeldRemoval(Lenient):
    """A removal or, with `version`, an edit that the gateway did not carry out: its message took
    away too much without `confirm_removals`."""

    credential_id: Id
    device_id: Id
    revision: Counted
    version: Counted | None = None


class HelloClock(Lenient):
    """What the gateway knows of the time. Without `source`, `error_ms`: nothing is proven.

    `floor`: it never acts as if it were earlier. `boot` counts the daemon's starts, `uptime_s` is
    the machine's.
    """

    now: Time
    trust: Literal["trusted", "holdover", "untrusted"]
    source: Literal["kernel", "rtc", "cloud_unsigned", "nts", "cloud", "technician"] | None = None
    error_ms: Natural | None = None
    floor: Time | None = None
    boot: Counted | None = None
    uptime_s: float | None = None


class HelloEvents(Lenient):
    """`head`: the newest event; `through`: the cloud's watermark as the gateway knows it."""

    head: Natural
    through: Natural


class SchemaRange(Lenient):
    min: int
    max: int


class Hello(Message):
    gateway_id: Id
    epoch: str
    connection: Counted
    software: str
    schemas: SchemaRange
    clock: HelloClock
    nonce: str
    revision: Natural
    hash: Hash
    held_removals: tuple[HeldRemoval, ...] = ()
    held_count: Natural = 0
    events: HelloEvents
    change: Natural
    want: Literal["snapshot"] | None = None


class EventModel(Lenient):
    seq: Counted
    at: Time
    trust: Literal["trusted", "holdover", "untrusted"]
    corrected_at: Time | None = None
    """When it was, by a time that was proven after it had been stamped."""
    type: str
    device_time: Time | None = None
    device_id: str | None = None
    credential_id: str | None = None
    body: dict[str, Any] = Field(default_factory=dict)


class EventBatch(Message):
    epoch: str
    events: tuple[EventModel, ...]


class GrantModel(Lenient):
    """How one grant stands."""

    credential_id: str
    device_id: str
    version: int | None = None
    state: str
    since: Time
    reason: str | None = None
    removed: str | None = None
    orphaned: bool = False
    evidence: tuple[str, ...] = ()
    attempts: int = 0
    next_attempt_at: Time | None = None
    slot: int | None = None
    opens: Literal["on_lock", "by_gateway", "none"] = "none"
    closes: Literal["on_lock", "by_gateway", "none"] = "none"
    early_exposure_s: float | None = None
    late_revocation_s: float | None = None
    uses: int = 0
    first_used_at: Time | None = None
    last_used_at: Time | None = None


class ReadingModel(Lenient):
    """What a meter or sensor told last of one quantity, in whole base units."""

    quantity: str
    value: int
    unit: str
    at: Time


class DeviceModel(Lenient):
    device_id: str
    name: str
    kind: str
    manufacturer: str
    model: str
    capabilities: dict[str, Any] = Field(default_factory=dict)
    joined_at: Time
    removed: bool = False
    simulated: bool = False
    reachable: bool | None = None
    reachable_since: Time | None = None
    last_heard_at: Time | None = None
    locked: bool | None = None
    door_open: bool | None = None
    battery_percent: int | None = None
    battery_low: bool | None = None
    clock_error_ms: int | None = None
    clock_bound_ms: int | None = None
    problems: tuple[str, ...] = ()
    readings: tuple[ReadingModel, ...] = ()


class Reported(Message):
    """What changed after `since`, up to `change`; everything if `whole`; in chunks."""

    epoch: str
    since: Natural
    """A cloud that has not everything up to here lacks a report that was lost."""
    change: Natural
    whole: bool
    chunk: Counted
    chunks: Counted
    devices: tuple[DeviceModel, ...] = ()
    grants: tuple[GrantModel, ...] = ()


class CommandResult(Message):
    """The stored answer to a command; sent again whenever the command is."""

    epoch: str
    command_id: Id
    kind: str
    device_id: str | None = None
    received_at: Time
    finished_at: Time | None = None
    result: dict[str, Any]
