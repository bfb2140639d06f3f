"""Long-lived tasks by name: started in order, watched, stopped in reverse order.

Here: what happens when a task ends. Not here: what the tasks do, and the order they are added in
(`gateway.app`).

Rules
- Each task says what its end means. One that ends when it should not is a logged fault, always;
  no task dies in silence, and none outlives its supervisor.
- This is the outermost frame: the only place, beside the executor's, that catches everything.
- Failures are logged at the edge: once when a task begins to fail, once when it runs steadily
  again, however often it was restarted in between.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from gateway.kit.clock import Clock

log = structlog.get_logger()

RESTART_FIRST_S = 1.0
RESTART_MOST_S = 60.0
STEADY_S = 60.0
"""A restarted task that has run this long has recovered, and its pauses start anew."""
STOP_S = 10.0
"""How long one task may take to stop; systemd kills the whole process after 90 s."""


class OnEnd(Enum):
    """What the end of a task means."""

    FATAL = "fatal"
    """The gateway cannot be right without it: everything stops and the exit code is not 0."""
    RESTART = "restart"
    """It is started again after a pause that grows; the rest goes on."""
    MAY_FINISH = "may_finish"
    """It may return. An error is still a fault, but stops nothing else."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why the gateway is stopping by itself. `error` is None for a task that merely returned."""

    task: str
    error: BaseException | None


@dataclass(slots=True)
class _Entry:
    name: str
    run: Callable[[], Coroutine[Any, Any, None]]
    on_end: OnEnd
    task: asyncio.Task[None] | None = None


class Supervisor:
    """`add` each task, `start`, then `run_until` something says stop."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: list[_Entry] = []
        self._started = False
        self._fault: Fault | None = None
        self._fallen = asyncio.Event()

    @property
    def fault(self) -> Fault | None:
        """The first fatal end, if there was one."""
        return self._fault

    def add(
        self, name: str, run: Callable[[], Coroutine[Any, Any, None]], on_end: OnEnd = OnEnd.FATAL
    ) -> None:
        """A task that comes after all earlier ones; `run` is called again for each restart."""
        entry = _Entry(name, run, on_end)
        self._entries.append(entry)
        if self._started:
            self._launch(entry)

    def start(self) -> None:
        self._started = True
        for entry in self._entries:
            self._launch(entry)

    async def run_until(self, stop: asyncio.Event) -> None:
        """Until `stop` is set or a fatal end; every task has ended when this returns or raises."""
        asked = asyncio.create_task(stop.wait(), name="supervisor: stop")
        fallen = asyncio.create_task(self._fallen.wait(), name="supervisor: fault")
        try:
            await asyncio.wait((asked, fallen), return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _cancel(asked, fallen)
            await self.stop()

    async def stop(self) -> None:
        """Cancel the tasks one by one, last added first, each within `STOP_S`."""
        self._started = False
        while self._entries:
            entry = self._entries.pop()
            if entry.task is None:
                continue
            entry.task.cancel()
            patience = asyncio.create_task(self._clock.sleep(STOP_S))
            await asyncio.wait((entry.task, patience), return_when=asyncio.FIRST_COMPLETED)
            await _cancel(patience)
            if not entry.task.done():
                log.error("a task does not stop", task=entry.name, waited_s=STOP_S)

    def _launch(self, entry: _Entry) -> None:
        entry.task = asyncio.create_task(self._keep(entry), name=entry.name)

    async def _keep(self, entry: _Entry) -> None:
        """Run one task as often as its policy says."""
        failures = 0

        async def herald() -> None:
            nonlocal failures
            await self._clock.sleep(STEADY_S)
            log.info("a task runs again", task=entry.name, after_failures=failures)
            failures = 0

        while True:
            steady = asyncio.create_task(herald()) if failures else None
            try:
                error = await _outcome(entry)
            finally:
                if steady is not None:
                    await _cancel(steady)
            if error is None and entry.on_end is OnEnd.MAY_FINISH:
                return
            if failures == 0:
                log.error(
                    "a task failed" if error else "a task ended that should not",
                    task=entry.name,
                    then=entry.on_end.value,
                    exc_info=error,
                )
            if entry.on_end is OnEnd.MAY_FINISH:
                return
            if entry.on_end is OnEnd.FATAL:
                self._fault = self._fault or Fault(entry.name, error)
                self._fallen.set()
                return
            await self._clock.sleep(min(RESTART_MOST_S, RESTART_FIRST_S * 2.0**failures))
            failures = min(failures + 1, 20)


async def _outcome(entry: _Entry) -> BaseException | None:
    """The error a task ended with. Only a cancellation of the supervisor's own passes through."""
    try:
        await entry.run()
    except asyncio.CancelledError as error:
        current = asyncio.current_task()
        if current is None or current.cancelling():
            raise
        return error  # somebody cancelled what the task was waiting for
    except Exception as error:  # noqa: BLE001 - the outermost frame of every task
        return error
    return None


async def _cancel(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
