"""Wire models to domain values. Pure: no asyncio, no logging, no clock.

Here: renaming and units. Not here: shapes (`messages`), rows to reports (`telling`), and whether
a change is accepted (`accept`).
"""

from __future__ import annotations

from typing import assert_never

from gateway.domain.grants import Origin, SubjectClass
from gateway.domain.ids import CredentialId, DeviceId
from gateway.domain.instant import Instant
from gateway.domain.schedule import CredentialSpec, Tombstone
from gateway.domain.secret import Secret
from gateway.domain.windows import Always, Recurring, Timed, Weekly, Window
from gateway.sync.messages import (
    WEEKDAYS,
    AlwaysWindow,
    Credential,
    Gone,
    RecurringWindow,
    TimedWindow,
    WeeklyRule,
)
from gateway.sync.parse import MessageRefused


def credential(model: Credential) -> CredentialSpec:
    """MessageRefused if the digits are sealed: there is nothing to open them with yet."""
    digits = model.secret.digits
    if digits is None:
        raise MessageRefused(
            "could not open the sealed digits: sealing is not supported yet",
            "sealing_unsupported",
            path="secret.jwe",
            credential_id=model.credential_id,
        )
    return CredentialSpec(
        credential_id=CredentialId(model.credential_id),
        version=model.version,
        digits=Secret(digits.get_secret_value()),
        devices=tuple(DeviceId(device) for device in model.devices),
        window=window(model.window),
        name=model.name,
        subject_id=model.subject.id,
        subject_class=SubjectClass(model.subject.class_),
        origin=Origin(model.origin),
        group=model.group,
        use_limit=model.use.limit,
        suspended=model.suspended,
        held=model.held,
    )


def tombstone(model: Gone) -> Tombstone:
    device = None if model.device_id is None else DeviceId(model.device_id)
    return Tombstone(CredentialId(model.credential_id), device)


def window(model: AlwaysWindow | TimedWindow | RecurringWindow) -> Window:
    match model:
        case AlwaysWindow():
            return Always()
        case TimedWindow():
            return Timed(Instant(model.opens_at), Instant(model.closes_at))
        case RecurringWindow():
            return Recurring(
                tuple(map(_weekly, model.rules)), model.zone, model.not_before, model.not_after
            )
        case _:
            assert_never(model)


def _weekly(rule: WeeklyRule) -> Weekly:
    return Weekly(
        frozenset(WEEKDAYS.index(day) + 1 for day in rule.weekdays),
        _minute(rule.from_),
        _minute(rule.to) or 24 * 60,
    )


def _minute(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)
