"""A grant's identity and its published states."""

from __future__ import annotations

from gateway.domain.grants import DesiredGrant, GrantState
from gateway.domain.ids import CredentialId, DeviceId, GrantId
from gateway.domain.instant import Instant
from gateway.domain.windows import Always


def test_a_grant_is_one_credential_on_one_device() -> None:
    grant = DesiredGrant(CredentialId("c1"), DeviceId("front-door"), 1, None, Always(), Instant(0))
    assert grant.grant_id == GrantId(CredentialId("c1"), DeviceId("front-door"))


def test_the_published_states_are_these() -> None:
    """The cloud stores these words: changing one is a change of the interface."""
    assert {state.value for state in GrantState} == {
        "pending", "held", "suspended", "programming", "programmed", "active", "erasing",
        "erased", "unconfirmed", "rejected", "missed", "expired_unused", "removed_externally",
        "paused",
    }  # fmt: skip
