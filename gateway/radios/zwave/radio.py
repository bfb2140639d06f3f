"""The Z-Wave radio as the house sees it: calls, events, state.

Here: `CcRadio` on top of one server and one line at a time, which the keeper makes anew whenever
either was lost. While there is none, every call raises `RadioUnavailable`.
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

from zwave_js_server.const import ControllerStatus
from zwave_js_server.exceptions import FailedCommand

from gateway.domain.secret import Secret
from gateway.errors import RadioUnavailable, Unreachable
from gateway.radios.api import StateChanged
from gateway.radios.command_classes import CcReply, Supervision
from gateway.radios.keeper import Keeper, Pace
from gateway.radios.zwave.joining import Joining
from gateway.radios.zwave.line import Line
from gateway.radios.zwave.members import Members
from gateway.radios.zwave.plain import failed_by_node, reply_of, told, translated
from gateway.radios.zwave.process import Door, Server, ServerProcess

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from zwave_js_server.model.node import Node

    from gateway.kit.clock import Clock
    from gateway.radios.api import (
        JoinOrder,
        JoinProgress,
        RadioEvent,
        RadioListener,
        RadioState,
    )
    from gateway.radios.command_classes import CcCall, CcNode
    from gateway.radios.zwave.line import Event

FORGET_S = 40.0
"""Three pings with their pauses, and the controller's own look (zwave-js, `removeFailedNode`)."""


class ZwaveRadio:
    """`server`: the one to supervise, or the door of one that somebody else keeps."""

    kind = "zwave"

    def __init__(
        self,
        server: Server | Door,
        *,
        clock: Clock,
        name: str = "zwave",
        pace: Pace | None = None,
        rng: random.Random | None = None,
    ) -> None:
        """`rng` must be unguessable where the machine has other users: the server's token."""
        self.name = name
        self._server = server
        self._clock = clock
        self._rng = rng or random.SystemRandom()  # noqa: TID251 - the default of a parameter
        self._listeners: list[RadioListener] = []
        self._process: ServerProcess | None = None
        self._line: Line | None = None
        self._members: Members | None = None
        self._known: set[str] = set()
        self._joining = Joining(clock, self._line_in_use, lambda x: self._in_use().address(x))
        self._keeper = Keeper(name, self, self._state_changed, clock, self._rng, pace or Pace())

    @property
    def state(self) -> RadioState:
        return self._keeper.state

    def listen(self, listener: RadioListener) -> Callable[[], None]:
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    async def run(self) -> None:
        await self._keeper.run()

    def nodes(self) -> Sequence[CcNode]:
        """Empty while the radio is down."""
        return self._members.nodes() if self._members is not None else ()

    # ── calls ───────────────────────────────────────────────────────────────────────────

    async def call(self, address: str, call: CcCall, *, deadline_s: float) -> CcReply:
        members, line = self._in_use(), self._line_in_use()
        node = members.node(address)
        what = f"call {call.method} of command class 0x{call.command_class:02x} on {address}"
        # Whether a dead node has come back is a question, whatever is to be done to it.
        until = self._clock.monotonic() + deadline_s
        with translated(what, changes=False):
            async with asyncio.timeout(deadline_s):
                await members.rouse(node)
        with translated(what, changes=not call.asks_only):
            async with asyncio.timeout(until - self._clock.monotonic()):
                try:
                    response = await _ask(line, node, call)
                except FailedCommand as error:
                    if not failed_by_node(error):
                        raise
                    return CcReply(Supervision.FAIL)
        return reply_of(call, response)

    # ── commissioning ───────────────────────────────────────────────────────────────────

    def open_joining(self, order: JoinOrder) -> AsyncIterator[JoinProgress]:
        replaced = None
        if order.replaces is not None:
            replaced = self._in_use().node(order.replaces).node_id
        return self._joining.open(order, replaced)

    def open_leaving(self, duration_s: int) -> AsyncIterator[JoinProgress]:
        return self._joining.leave(duration_s)

    async def forget(self, address: str) -> None:
        """Drop a node that has failed, or has left already. `RadioRefused` for one that answers: a
        Z-Wave node is taken out at its door (`open_leaving`), and cannot be asked to go."""
        members, line = self._in_use(), self._line_in_use()
        try:
            node = members.node(address)
        except Unreachable:
            return  # somebody has taken it out
        with translated(f"forget {address}", changes=False):
            async with asyncio.timeout(FORGET_S):
                await line.ask("controller.remove_failed_node", nodeId=node.node_id)

    # ── the stick, for the keeper ───────────────────────────────────────────────────────

    async def open(self) -> None:
        door = self._server
        if isinstance(door, Server):
            self._process = ServerProcess(door, self._keeper.lost)
            door = await self._process.start(Secret(f"{self._rng.getrandbits(128):032x}"))
        self._line = line = Line(self._hear, self._keeper.lost)
        await line.open(door)
        self._members = Members(
            line, self._joining, self._known, self._emit, self._clock, self._rng
        )
        self._members.begin()

    async def probe(self) -> None:
        line = self._line_in_use()
        with translated("probe the Z-Wave server", changes=False):
            await line.ask("controller.get_state")
        if line.controller.status is ControllerStatus.UNRESPONSIVE:
            raise RadioUnavailable("the stick does not answer")

    async def close(self) -> None:
        members, self._members = self._members, None
        line, self._line = self._line, None
        process, self._process = self._process, None
        if members is not None:
            self._joining.interrupted()
            await members.end()
        if line is not None:
            await line.close()
        if process is not None:
            await process.stop()

    # ── inside ──────────────────────────────────────────────────────────────────────────

    def _hear(self, event: Event) -> None:
        if self._members is not None:
            self._members.hear(event)

    def _emit(self, event: RadioEvent) -> None:
        for listener in tuple(self._listeners):
            listener(event)

    def _state_changed(self, state: RadioState) -> None:
        self._emit(StateChanged(state))

    def _in_use(self) -> Members:
        if self._members is None:
            raise RadioUnavailable(f"could not use the Z-Wave radio: {self.state.reason}")
        return self._members

    def _line_in_use(self) -> Line:
        if self._line is None:
            raise RadioUnavailable(f"could not use the Z-Wave radio: {self.state.reason}")
        return self._line


async def _ask(line: Line, node: Node, call: CcCall) -> object:
    """The server's answer; None for the library's `undefined`."""
    where: dict[str, object] = {"nodeId": node.node_id}
    if call.method.startswith("endpoint.") or "." not in call.method:
        where["endpoint"] = call.endpoint
    if "." in call.method:
        fields = told(call.arguments[0]) if call.arguments else {}
        result: object = await line.ask(call.method, **where, **_fields(fields))
        return result
    answer = await line.ask(
        "endpoint.invoke_cc_api",
        **where,
        commandClass=call.command_class,
        methodName=call.method,
        args=told(call.arguments),
    )
    return answer.get("response")


def _fields(fields: object) -> dict[str, object]:
    return {str(key): value for key, value in fields.items()} if isinstance(fields, dict) else {}
