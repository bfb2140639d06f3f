"""Opaque identifiers. What they mean is nobody's business; how they look is checked once, here."""

from __future__ import annotations

import re
from typing import NamedTuple, NewType

CredentialId = NewType("CredentialId", str)
DeviceId = NewType("DeviceId", str)
CommandId = NewType("CommandId", str)

ID_PATTERN = r"^[A-Za-z0-9_-]{1,64}$"
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class GrantId(NamedTuple):
    """One credential on one device: what is planned, programmed and proved."""

    credential_id: CredentialId
    device_id: DeviceId

    def __str__(self) -> str:
        return f"{self.credential_id}@{self.device_id}"


def is_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None
