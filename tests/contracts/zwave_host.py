"""A plain Z-Wave JS host for tests of the simulated network: calls, answers, events.

Here: the process `firmware-sims/zwave/host.mjs` as an async context manager. It is not the
gateway's radio, which has tests of its own.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import TYPE_CHECKING, Any, Self

import pytest

from firmware_sims.zwave.network import SOURCES, ZwaveUnavailable, node_command

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WITHIN_S = 60.0
LEAVES_WITHIN_S = 10.0


def needs_node() -> None:
    """Skip, with the reason, where Node or its packages are missing."""
    try:
        node_command()
    except ZwaveUnavailable as cause:
        pytest.skip(str(cause))


class HostError(Exception):
    """Z-Wave JS refused a call; the text is its own."""


class ZwaveHost:
    """One driver on one stick; `events` are all it has told so far."""

    def __init__(self, serial: str, cache: Path) -> None:
        self._serial, self._cache = serial, cache
        self.events: list[dict[str, Any]] = []
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._told = asyncio.Condition()
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._cache.mkdir(parents=True, exist_ok=True)
        self._process = await asyncio.create_subprocess_exec(
            node_command(),
            str(SOURCES / "host.mjs"),
            self._serial,
            str(self._cache),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        self._reading = asyncio.create_task(self._read(self._process))
        await self.event("driver ready")
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._reading is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(LEAVES_WITHIN_S):
                await self._process.wait()
        except TimeoutError:
            # Z-Wave JS 15.29 was seen to spin when a lock that SmartStart had included was reset.
            self._process.kill()
            await self._process.wait()
        await self._reading

    async def call(self, name: str, **arguments: object) -> Any:
        """`HostError` when Z-Wave JS refuses."""
        assert self._process is not None
        assert self._process.stdin is not None
        number = next(self._numbers)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        request = {"id": number, "call": name, **arguments}
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        async with asyncio.timeout(WITHIN_S):
            return await answer

    async def cc(self, node: int, cc: str, method: str, *args: object) -> Any:
        """One call of a command class API."""
        return await self.call("cc", node=node, cc=cc, method=method, args=args)

    async def event(
        self,
        name: str,
        wanted: Callable[[dict[str, Any]], bool] = lambda _event: True,
        *,
        after: int = 0,
    ) -> dict[str, Any]:
        """The first event of that name that is wanted, among those from `events[after]` on."""

        def found() -> dict[str, Any] | None:
            fitting = (item for item in self.events[after:] if item["event"] == name)
            return next((item for item in fitting if wanted(item)), None)

        async with asyncio.timeout(WITHIN_S), self._told:
            await self._told.wait_for(lambda: found() is not None)
        event = found()
        assert event is not None
        return event

    async def notification(self, event: int, *, after: int = 0) -> dict[str, Any]:
        """What Z-Wave JS made of a notification of Access Control with that event."""
        told = await self.event(
            "notification",
            lambda item: item["args"].get("type") == 6 and item["args"]["event"] == event,
            after=after,
        )
        args: dict[str, Any] = told["args"]
        return args

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            if not line.startswith(b"{"):
                continue  # ZWAVE_HOST_LOG is set, and the driver says where its log is
            message = json.loads(line)
            if "event" in message:
                async with self._told:
                    self.events.append(message)
                    self._told.notify_all()
                continue
            answer = self._answers.pop(message["id"])
            if "error" in message:
                answer.set_exception(HostError(message["error"]))
            else:
                answer.set_result(message["result"])
