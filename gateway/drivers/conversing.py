"""Drives a conversation that is a generator: each step is done, and its reply or error sent back.

Here: the loop that families share. Not here: what a step is and how it is done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from gateway.errors import GatewayError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator

S = TypeVar("S")
T = TypeVar("T")


async def converse(dialogue: Generator[S, Any, T], do: Callable[[S], Awaitable[Any]]) -> T:
    """What the conversation comes to. Errors of `do` are thrown into it; it may raise them."""
    try:
        step = next(dialogue)
        while True:
            try:
                reply = await do(step)
            except GatewayError as error:
                step = dialogue.throw(error)
            else:
                step = dialogue.send(reply)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]  # what the generator returns is T
    finally:
        dialogue.close()
