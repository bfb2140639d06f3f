"""An event loop in virtual time: nothing waits, nothing races, and a run can be repeated.

Time passes only when no callback is ready; it then moves to the next timer at once. Here too: what
would make two runs differ, taken out of asyncio itself (the order of sets of tasks, threads).
"""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from concurrent.futures import Executor
    from contextvars import Context

T = TypeVar("T")


class Stuck(Exception):
    """Nothing is ready and no timer runs: what was awaited will never happen."""


class _Task(asyncio.Task[Any]):
    """Hashed by its number: sets of tasks, asyncio's own too, are then walked in one order."""

    def __init__(self, *args: Any, number: int, **more: Any) -> None:
        self._number = number
        super().__init__(*args, **more)

    def __hash__(self) -> int:
        return self._number


class _NoSelector:
    """Where a real loop would wait for sockets, time moves instead."""

    def __init__(self, loop: SimLoop) -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise Stuck("nothing is ready and no timer runs")
        self._loop.skip(timeout)
        return []

    def close(self) -> None:
        pass


class SimLoop(asyncio.BaseEventLoop):
    """`time()` is true seconds since the world began; executors run in the loop's own thread."""

    def __init__(self) -> None:
        super().__init__()
        self._passed = 0.0
        self._numbers = itertools.count()
        # BaseEventLoop asks whatever is here how long to wait; this is its way of being extended.
        self._selector = _NoSelector(self)
        self._clock_resolution = 1e-9
        self.set_task_factory(self._make)  # type: ignore[arg-type]  # typeshed's name of `context`

    def time(self) -> float:
        return self._passed

    def skip(self, seconds: float) -> None:
        self._passed += seconds

    def run_in_executor(  # type: ignore[override]  # a future that is done already will do
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - handed to whoever awaits it
            future.set_exception(error)
        return future

    def _make(
        self,
        loop: asyncio.AbstractEventLoop,
        coro: Coroutine[Any, Any, Any],
        context: Context | None = None,
        **more: Any,
    ) -> _Task:
        return _Task(coro, loop=loop, context=context, number=next(self._numbers), **more)

    def _process_events(self, event_list: list[Any]) -> None:
        pass

    def _write_to_self(self) -> None:
        pass


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` in a world of its own. Stuck when it can never end."""
    loop = SimLoop()
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(main)
    finally:
        left = sorted(asyncio.all_tasks(loop), key=hash)
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        asyncio.set_event_loop(None)
        loop.close()
