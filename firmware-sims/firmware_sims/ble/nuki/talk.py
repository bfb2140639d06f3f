"""What a command still has to say after its first answer.

Here: keeping it back until that answer is out. Not here: any command.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from firmware_sims.ble.nuki.frames import Message


class Talk:
    """One command's conversation: an answer that is lost or withheld takes the rest with it."""

    def __init__(self, send: Callable[[list[Message]], None]) -> None:
        self._send = send
        self._kept: list[Message] = []
        self._begun = False

    def begin(self) -> None:
        """The first answer is out."""
        self._begun = True
        kept, self._kept = self._kept, []
        if kept:
            self._send(kept)

    def say(self, *messages: Message) -> None:
        """Now, or as soon as it has begun."""
        if self._begun:
            self._send(list(messages))
        else:
            self._kept += messages
