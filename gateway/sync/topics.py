"""Topic names, made and taken apart here only. Pure.

`lockgw/v1/{gateway_id}/up/…` is what the gateway says, `…/dn/…` what it is told.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.domain.ids import is_id

ROOT = "lockgw/v1"


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one gateway; ValueError for an id that would not be a single topic level."""

    gateway_id: str

    def __post_init__(self) -> None:
        if not is_id(self.gateway_id):
            raise ValueError("a gateway id is 1 to 64 of A-Z a-z 0-9 _ -")

    @property
    def down_filter(self) -> str:
        """The one subscription."""
        return self.down("#")

    def up(self, leaf: str) -> str:
        return f"{ROOT}/{self.gateway_id}/up/{leaf}"

    def down(self, leaf: str) -> str:
        return f"{ROOT}/{self.gateway_id}/dn/{leaf}"

    def down_leaf(self, topic: str) -> str | None:
        """`desired` of `lockgw/v1/{us}/dn/desired`; None for a topic that is not ours."""
        prefix = self.down("")
        return topic.removeprefix(prefix) if topic.startswith(prefix) else None
