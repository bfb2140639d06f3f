"""What somebody who waits for an errand has to do with it: told how it goes, trusted with a number.

Nothing of it is kept: it is gone with whoever waits. Not here: the errands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.domain.secret import Secret
    from gateway.drivers.access import EnrolStage


class Onlookers:
    """Who wants to know how far an enrolment has come; nothing of it is kept."""

    def __init__(self) -> None:
        self._told: dict[str, list[Callable[[EnrolStage], None]]] = {}

    def watch(self, command_id: str, told: Callable[[EnrolStage], None]) -> Callable[[], None]:
        """Call `told` on the loop; the returned function ends it."""
        self._told.setdefault(command_id, []).append(told)

        def leave() -> None:
            left = [one for one in self._told.pop(command_id, []) if one is not told]
            if left:
                self._told[command_id] = left

        return leave

    def tell(self, command_id: str, stage: EnrolStage) -> None:
        for told in tuple(self._told.get(command_id, ())):
            told(stage)


class Entrusted:
    """Numbers of cards, which no disk may see: kept while who gave one waits, for one use."""

    def __init__(self) -> None:
        self._numbers: dict[str, Secret] = {}

    def give(self, command_id: str, number: Secret) -> Callable[[], None]:
        """The returned function forgets it."""
        self._numbers[command_id] = number

        def forget() -> None:
            self._numbers.pop(command_id, None)

        return forget

    def take(self, command_id: str) -> Secret | None:
        return self._numbers.pop(command_id, None)
