"""What an id may look like."""

from __future__ import annotations

import re

import pytest

from gateway.domain.ids import ID_PATTERN, CredentialId, DeviceId, GrantId, is_id


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("c", True),
        ("cred_01-A", True),
        ("x" * 64, True),
        ("x" * 65, False),
        ("", False),
        ("a b", False),
        ("a/b", False),
        ("a@b", False),
        ("+", False),
        ("#", False),
        ("é", False),
        ("٣", False),
        ("c1\n", False),
    ],
)
def test_ids_are_safe_in_a_topic_a_path_and_a_log(text: str, valid: bool) -> None:
    assert is_id(text) is valid


def test_the_published_pattern_agrees() -> None:
    """The schema's dialect anchors `$` at the very end; Python's also before a newline."""
    pattern = re.compile(ID_PATTERN)
    for text in ("c", "x" * 64, "x" * 65, "", "a b", "a@b"):
        assert bool(pattern.search(text)) is is_id(text)


def test_a_grant_is_named_by_both_its_ids() -> None:
    grant = GrantId(CredentialId("c1"), DeviceId("front-door"))
    assert str(grant) == "c1@front-door"
    assert grant == (CredentialId("c1"), DeviceId("front-door"))
