"""What a conversation over a link may want beside saying something: pure.

Here: the steps that families share. Not here: what is said (a family's commands and dialogue), and
who does all of it (carrier).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Generator

    from gateway.domain.secret import KeyedHash
    from gateway.drivers.numbering import Numbering

C = TypeVar("C")
K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class Await(Generic[C]):
    """The next word about a command that was said: a motor or an enrolment answers more than once.

    `within_s`: from one word to the next.
    """

    command: C
    within_s: float


@dataclass(frozen=True, slots=True)
class LoadNumbers:
    """Which slot number each code goes by."""


@dataclass(frozen=True, slots=True)
class Give:
    """Write a slot number down. `handle`: the lock's own id for the code, where it has one."""

    slot: int
    code: KeyedHash
    handle: int | None = None


@dataclass(frozen=True, slots=True)
class Recall:
    """What was kept on this link a moment ago, or None. Any order drops it."""


@dataclass(frozen=True, slots=True)
class Keep:
    """For the next conversation on the same link."""

    what: object


Memory = LoadNumbers | Give | Recall | Keep
"""What is written down, in the store or on the link."""


@dataclass(frozen=True, slots=True)
class Become(Generic[K]):
    """Speak with these keys from now on, with nothing proved by them yet."""

    keys: K


@dataclass(frozen=True, slots=True)
class Agree(Generic[K]):
    """With the next word the lock may be ours: by these keys, which are kept first."""

    keys: K


def numbering() -> Generator[LoadNumbers, Any, Numbering]:
    known: Numbering = yield LoadNumbers()
    return known
