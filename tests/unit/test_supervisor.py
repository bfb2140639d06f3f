"""The supervisor: what the end of a task means, restarts, and stopping."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from gateway.domain.instant import Instant
from gateway.kit.clock import ManualClock, settle
from gateway.supervisor import RESTART_MOST_S, STEADY_S, STOP_S, OnEnd, Supervisor


class Work:
    """A task that a test ends as it likes, and that counts its lives."""

    def __init__(self, name: str = "work", ended: list[str] | None = None) -> None:
        self.name = name
        self.starts = 0
        self.ended = ended if ended is not None else []
        self.end: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        self.starts += 1
        self.end = asyncio.get_running_loop().create_future()
        try:
            await self.end
        finally:
            self.ended.append(self.name)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(Instant(0))


def others() -> set[asyncio.Task[object]]:
    return {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}


async def test_stops_in_reverse_order_and_leaves_no_task(clock: ManualClock) -> None:
    ended: list[str] = []
    supervisor = Supervisor(clock)
    for name in ("store", "radio", "cloud"):
        supervisor.add(name, Work(name, ended).run)
    supervisor.start()
    late = Work("late", ended)
    supervisor.add("late", late.run)
    await settle()
    stop = asyncio.Event()
    stop.set()
    await supervisor.run_until(stop)
    assert ended == ["late", "cloud", "radio", "store"]
    assert supervisor.fault is None
    assert not others()


@pytest.mark.parametrize("raises", [True, False])
async def test_a_fatal_end_stops_everything_and_says_why(clock: ManualClock, raises: bool) -> None:
    ended: list[str] = []
    fatal, other = Work("fatal", ended), Work("other", ended)
    supervisor = Supervisor(clock)
    supervisor.add("fatal", fatal.run, OnEnd.FATAL)
    supervisor.add("other", other.run, OnEnd.RESTART)
    supervisor.start()
    await settle()
    if raises:
        fatal.end.set_exception(OSError("gone"))
    else:
        fatal.end.set_result(None)
    with capture_logs() as lines:
        await supervisor.run_until(asyncio.Event())
    assert ended == ["fatal", "other"]
    assert supervisor.fault is not None
    assert supervisor.fault.task == "fatal"
    assert (supervisor.fault.error is not None) is raises
    assert [(line["log_level"], line["task"]) for line in lines] == [("error", "fatal")]
    assert not others()


async def test_a_failing_task_is_restarted_with_growing_pauses_and_said_once(
    clock: ManualClock,
) -> None:
    work = Work()
    supervisor = Supervisor(clock)
    supervisor.add("work", work.run, OnEnd.RESTART)
    supervisor.start()
    await settle()
    pauses = []
    with capture_logs() as lines:
        for _ in range(8):
            work.end.set_exception(OSError("gone"))
            await settle()
            before, failed = work.starts, clock.monotonic()
            while work.starts == before:
                await clock.advance(0.5)
            pauses.append(clock.monotonic() - failed)
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, RESTART_MOST_S, RESTART_MOST_S]
    assert [line["event"] for line in lines] == ["a task failed"]
    await supervisor.stop()


async def test_a_task_that_runs_steadily_again_is_said_and_starts_anew(clock: ManualClock) -> None:
    work = Work()
    supervisor = Supervisor(clock)
    supervisor.add("work", work.run, OnEnd.RESTART)
    supervisor.start()
    await settle()
    with capture_logs() as lines:
        for _ in range(3):
            work.end.set_exception(OSError("gone"))
            await settle()
            await clock.advance(RESTART_MOST_S / 2)
        await clock.advance(STEADY_S)
        work.end.set_result(None)  # returning is no better than failing
        await settle()
        assert work.starts == 4
        await clock.advance(1.0)
        assert work.starts == 5
    assert [line["event"] for line in lines] == [
        "a task failed",
        "a task runs again",
        "a task ended that should not",
    ]
    assert lines[1]["after_failures"] == 3
    await supervisor.stop()


async def test_a_task_that_may_finish_stops_nothing(clock: ManualClock) -> None:
    quiet, broken, other = Work("quiet"), Work("broken"), Work("other")
    supervisor = Supervisor(clock)
    supervisor.add("quiet", quiet.run, OnEnd.MAY_FINISH)
    supervisor.add("broken", broken.run, OnEnd.MAY_FINISH)
    supervisor.add("other", other.run)
    supervisor.start()
    await settle()
    with capture_logs() as lines:
        quiet.end.set_result(None)
        broken.end.set_exception(OSError("gone"))
        await clock.advance(RESTART_MOST_S * 2)
    assert [line["task"] for line in lines] == ["broken"]
    assert (quiet.starts, broken.starts, other.ended) == (1, 1, [])
    await supervisor.stop()


async def test_a_cancellation_from_elsewhere_is_a_fault_like_any_other(clock: ManualClock) -> None:
    work = Work()
    supervisor = Supervisor(clock)
    supervisor.add("work", work.run, OnEnd.RESTART)
    supervisor.start()
    await settle()
    with capture_logs() as lines:
        work.end.cancel()
        await settle()
        await clock.advance(1.0)
    assert work.starts == 2
    assert [line["event"] for line in lines] == ["a task failed"]
    await supervisor.stop()


async def test_a_task_that_does_not_stop_is_named_and_not_waited_for(clock: ManualClock) -> None:
    release = asyncio.Event()

    async def stubborn() -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    ended: list[str] = []
    supervisor = Supervisor(clock)
    supervisor.add("first", Work("first", ended).run)
    supervisor.add("stubborn", stubborn, OnEnd.MAY_FINISH)
    supervisor.start()
    await settle()
    with capture_logs() as lines:
        stopping = asyncio.create_task(supervisor.stop())
        await settle()
        assert ended == []
        await clock.advance(STOP_S)
        await stopping
    assert ended == ["first"]
    assert [line["task"] for line in lines] == ["stubborn"]
    release.set()
    await settle()
    assert not others()


async def test_stopping_during_a_pause_between_restarts(clock: ManualClock) -> None:
    work = Work()
    supervisor = Supervisor(clock)
    supervisor.add("work", work.run, OnEnd.RESTART)
    supervisor.start()
    await settle()
    work.end.set_exception(OSError("gone"))
    await settle()
    await supervisor.stop()
    assert work.starts == 1
    assert not others()
