"""Who is calling, and what they may do: peer credentials of the unix socket, and two groups.

Reading takes the status group, changing things the operator group; root and the daemon's own user
are operators. Not here: the file mode of the socket (`server`), which already keeps others out.
"""

from __future__ import annotations

import asyncio
import grp
import os
import pwd
import socket
import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from gateway.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Callable

_UCRED = struct.Struct("3i")  # unix(7): struct ucred is pid, uid, gid


class Role(IntEnum):
    """What a caller may do; higher includes lower."""

    NOBODY = 0
    STATUS = 1
    OPERATOR = 2


@dataclass(frozen=True, slots=True)
class Caller:
    """One peer. `name` is the user's name, or its uid where it has none."""

    uid: int
    name: str
    role: Role

    @property
    def actor(self) -> str:
        """How the journal and the ledger name this caller."""
        return f"local:{self.name}"

    def needs(self, role: Role, to: str) -> None:
        if self.role < role:
            group = "operator" if role is Role.OPERATOR else "status"
            raise RequestError(
                f"could not {to}: user {self.name} is not in the gateway's {group} group",
                "not_permitted",
            )


def peer_of(sock: socket.socket) -> tuple[int, int]:
    """The uid and primary gid that the kernel recorded when the peer connected."""
    packed = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    _, uid, gid = _UCRED.unpack(packed)
    return uid, gid


def groups_of(uid: int, gid: int) -> frozenset[str]:
    """Names of every group the user is in; a user without an entry has only its primary one."""
    try:
        ids = os.getgrouplist(pwd.getpwuid(uid).pw_name, gid)
    except KeyError:
        ids = [gid]
    names: set[str] = set()
    for group_id in ids:
        try:
            names.add(grp.getgrgid(group_id).gr_name)
        except KeyError:
            continue
    return frozenset(names)


@dataclass(frozen=True, slots=True)
class Access:
    """The site's two groups. An operator needs no second membership to read."""

    status_group: str
    operator_group: str
    groups: Callable[[int, int], frozenset[str]] = groups_of

    async def caller(self, uid: int, gid: int) -> Caller:
        """Asks the name service in a thread, because it may be a network away."""
        name, groups = await asyncio.to_thread(self._look_up, uid, gid)
        if uid in {0, os.geteuid()} or self.operator_group in groups:
            role = Role.OPERATOR
        elif self.status_group in groups:
            role = Role.STATUS
        else:
            role = Role.NOBODY
        return Caller(uid, name, role)

    def _look_up(self, uid: int, gid: int) -> tuple[str, frozenset[str]]:
        try:
            name = pwd.getpwuid(uid).pw_name
        except KeyError:
            name = str(uid)
        return name, self.groups(uid, gid)
