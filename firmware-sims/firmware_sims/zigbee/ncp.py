"""The simulated NCP: one EZSP coordinator with memory, faults and a serial line.

Here: sessions, version negotiation, dispatch, the order of responses and callbacks, resets and
faults. Not here: what commands do (``ncp_system``, ``ncp_network``, ``ncp_admission``,
``ncp_security``, ``ncp_messages``), framing (``ash``), sockets (``server``).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

from firmware_sims.zigbee import ezsp
from firmware_sims.zigbee.ash import AshNcp, LineFaults, ResetCode
from firmware_sims.zigbee.ezsp_commands import schema
from firmware_sims.zigbee.ncp_admission import Admission
from firmware_sims.zigbee.ncp_core import Handler, Stack
from firmware_sims.zigbee.ncp_messages import MessageCommands
from firmware_sims.zigbee.ncp_network import NetworkCommands
from firmware_sims.zigbee.ncp_security import SecurityCommands
from firmware_sims.zigbee.ncp_system import SystemCommands

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from firmware_sims.zigbee.aps import ApsFrame
    from firmware_sims.zigbee.network import Network
    from firmware_sims.zigbee.node import SimulatedNode
    from firmware_sims.zigbee.nvm import Membership, Nvm

_VERSION = 0x0000


class SimulatedNcp:
    """A coordinator on ``network``; give it a line with ``server.serve_tcp`` or ``serve_pty``.

    ``mute_ezsp``: ASH goes on acknowledging, EZSP answers nothing. ``line``: faults of the
    serial line and of ASH.
    """

    def __init__(
        self,
        network: Network,
        *,
        ezsp_version: int = 13,
        nvm: Nvm | None = None,
        faults: LineFaults | None = None,
    ) -> None:
        self.network, self.nvm = network, nvm or network.nvm
        self.line = faults or LineFaults()
        self.mute_ezsp = False
        self.commands_received = 0
        self.command_counts: Counter[str] = Counter()
        self._schema = schema(ezsp_version)
        self._loop = asyncio.get_running_loop()
        self._session: AshNcp | None = None
        self._drop: Callable[[], None] | None = None
        self._held: list[bytes] | None = None
        self._stack = Stack(ezsp_version, network, self.nvm, self._loop, self._emit)
        self._messages = MessageCommands(self._stack)
        self._admission = Admission(self._stack)
        self._handlers: dict[str, Handler] = {}
        self._restart()
        network.coordinator = self

    @property
    def ezsp_version(self) -> int:
        return self._schema.version

    @property
    def connected(self) -> bool:
        """Whether a host is on the line."""
        return self._session is not None

    @property
    def network_up(self) -> bool:
        return self._stack.up

    def reset(self, code: ResetCode = ResetCode.WATCHDOG) -> None:
        """Restart by itself, as after a crash; the host sees RSTACK out of the blue."""
        self._restart()
        if self._session is not None:
            self._session.announce_reset(code)

    def drop_connection(self) -> None:
        """Cut the line: close the host's connection."""
        if self._drop is not None:
            self._drop()

    # for the server

    def connect(self, *, write: Callable[[bytes], None], drop: Callable[[], None]) -> AshNcp:
        """Put a host on the line; one that was there before is cut off."""
        self.drop_connection()
        session = AshNcp(
            write=write,
            on_frame=self._frame_received,
            on_reset=self._restart,
            loop=self._loop,
            faults=self.line,
        )
        self._session, self._drop = session, drop
        return session

    def disconnect(self, session: AshNcp) -> None:
        """The line of ``session`` is gone."""
        session.close()
        if session is self._session:
            self._session = self._drop = None

    # network.Coordinator

    @property
    def eui64(self) -> int:
        return self.nvm.coordinator.eui64

    @property
    def network_key(self) -> bytes | None:
        return self.nvm.coordinator.network_key if self._stack.up else None

    @property
    def joinable(self) -> bool:
        return self._admission.joinable()

    def admit(self, node: SimulatedNode, own_key: bytes) -> Membership | None:
        return self._admission.admit(node, own_key)

    def rejoined(self, node: SimulatedNode) -> None:
        self._admission.rejoined(node)

    def departed(self, node: SimulatedNode) -> None:
        self._admission.departed(node)

    def receive(
        self, node: SimulatedNode, aps: ApsFrame, payload: bytes, *, broadcast: bool = False
    ) -> None:
        self._messages.receive(node, aps, payload, broadcast=broadcast)

    # inside

    def _restart(self) -> None:
        self._admission.stop()
        self._stack.restart()
        self._messages = MessageCommands(self._stack)
        self._admission = Admission(self._stack)
        self._handlers = {
            **SystemCommands(self._stack).handlers(),
            **SecurityCommands(self._stack).handlers(),
            **NetworkCommands(self._stack, self._admission).handlers(),
            **self._admission.handlers(),
            **self._messages.handlers(),
        }
        self._negotiated = False
        self._last_sequence = 0

    def _frame_received(self, data: bytes) -> None:
        self.commands_received += 1
        if self.mute_ezsp:
            return
        try:
            request = ezsp.parse_request(data)
        except ezsp.EzspError:
            return
        self._held = []
        try:
            self._execute(request)
        finally:
            held, self._held = self._held, None
        for frame in held:
            self._send_callback(frame)

    def _execute(self, request: ezsp.Request) -> None:
        command = self._schema.commands.get(request.frame_id)
        if not self._negotiated and request.frame_id != _VERSION:
            self._refuse(request, ezsp.VERSION_NOT_SET)
            return
        if command is None or not (request.extended or request.frame_id == _VERSION):
            self._refuse(request, ezsp.INVALID_FRAME_ID)
            return
        try:
            fields = command.request.unpack(request.parameters)
        except ezsp.EzspError as error:
            self._refuse(request, error.code)
            return
        self._negotiated = True
        self.command_counts[command.name] += 1
        handler = self._handlers.get(command.name)
        # a command without a handler is accepted and changes nothing
        answer = command.response.pack(handler(fields) if handler is not None else {})
        self._respond(request, command.frame_id, answer)
        if command.name == "resetNode":
            self._loop.call_soon(self.reset, ResetCode.SOFTWARE)

    def _refuse(self, request: ezsp.Request, code: int) -> None:
        frame_id, _ = self._schema.callbacks["invalidCommand"]
        width = 4 if self._schema.version >= 14 else 1
        self._respond(request, frame_id, code.to_bytes(width, "little"))

    def _respond(self, request: ezsp.Request, frame_id: int, parameters: bytes) -> None:
        self._last_sequence = request.sequence
        if self._session is not None:
            self._session.send(
                ezsp.response(request.sequence, frame_id, parameters, extended=request.extended)
            )

    def _emit(self, name: str, fields: Mapping[str, Any], /) -> None:
        """Send a callback, after the response if a command is being executed."""
        frame_id, shape = self._schema.callbacks[name]
        frame = frame_id.to_bytes(2, "little") + shape.pack(fields)
        if self._held is not None:
            self._held.append(frame)
        else:
            self._send_callback(frame)

    def _send_callback(self, frame: bytes) -> None:
        if self._session is None or self.mute_ezsp or not self._negotiated:
            return  # nobody listens
        frame_id = int.from_bytes(frame[:2], "little")
        self._session.send(ezsp.callback(self._last_sequence, frame_id, frame[2:]), callback=True)
