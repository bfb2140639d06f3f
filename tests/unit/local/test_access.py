"""Roles from the kernel's word and the groups of the machine."""

from __future__ import annotations

import os
import pwd
import socket

import pytest

from gateway.errors import RequestError
from gateway.local.access import Access, Caller, Role, groups_of, peer_of

STRANGER = 54321


def access(*groups: str) -> Access:
    return Access("readers", "actors", lambda _uid, _gid: frozenset(groups))


@pytest.mark.parametrize(
    ("uid", "groups", "role"),
    [
        (0, (), Role.OPERATOR),
        (os.geteuid(), (), Role.OPERATOR),
        (STRANGER, (), Role.NOBODY),
        (STRANGER, ("others",), Role.NOBODY),
        (STRANGER, ("readers",), Role.STATUS),
        (STRANGER, ("actors",), Role.OPERATOR),
        (STRANGER, ("readers", "actors"), Role.OPERATOR),
    ],
)
async def test_roles(uid: int, groups: tuple[str, ...], role: Role) -> None:
    caller = await access(*groups).caller(uid, STRANGER)
    assert caller.role is role


async def test_a_caller_is_named_by_the_machine_or_by_number() -> None:
    assert (await access().caller(0, 0)).actor == f"local:{pwd.getpwuid(0).pw_name}"
    assert (await access().caller(STRANGER, 0)).actor == f"local:{STRANGER}"


def test_what_a_role_does_not_allow_is_refused_by_name() -> None:
    reader = Caller(STRANGER, "ada", Role.STATUS)
    reader.needs(Role.STATUS, "look")
    with pytest.raises(
        RequestError, match=r"could not unlock: user ada .* operator group"
    ) as caught:
        reader.needs(Role.OPERATOR, "unlock")
    assert caught.value.code == "not_permitted"


def test_the_kernel_says_who_is_at_the_other_end() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        assert peer_of(ours) == (os.geteuid(), os.getegid())


def test_groups_of_a_user_that_does_not_exist_are_at_most_its_primary_one() -> None:
    assert groups_of(STRANGER, STRANGER) == frozenset()
    root = pwd.getpwuid(0)
    assert groups_of(STRANGER, root.pw_gid) <= groups_of(0, root.pw_gid)
