"""The names of events as they go over the wire."""

from __future__ import annotations

import re

from gateway.domain.events import EventType


def test_names_are_group_dot_what_happened() -> None:
    """Subscribers filter by the group."""
    assert [e for e in EventType if not re.fullmatch(r"[a-z]+\.[a-z_]+", e.value)] == []


def test_no_name_means_two_things() -> None:
    """An alias in an Enum with equal values would merge two members in silence."""
    assert len(EventType.__members__) == len(list(EventType))
