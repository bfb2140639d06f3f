"""The Zigbee radio as the house sees it: exchanges, events, state.

Here: `ClusterRadio` and `Commissioning` on top of one application at a time, which the keeper
makes anew whenever the stick was lost. While there is none, every call raises `RadioUnavailable`.
"""

from __future__ import annotations

import asyncio
import ipaddress
import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gateway.domain.windows import zone_info
from gateway.errors import ConfigError, RadioUnavailable
from gateway.radios.api import StateChanged
from gateway.radios.keeper import Keeper, Pace
from gateway.radios.zigbee import exchanges
from gateway.radios.zigbee.joining import Joining
from gateway.radios.zigbee.members import Members
from gateway.radios.zigbee.plain import translated
from gateway.radios.zigbee.register import Register
from gateway.radios.zigbee.stack import Application, hush, private, settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from gateway.kit.clock import Clock
    from gateway.radios.api import (
        BindAndReport,
        ClusterReply,
        ClusterRequest,
        JoinOrder,
        JoinProgress,
        NodeInfo,
        RadioEvent,
        RadioListener,
        RadioState,
        ReadAttributes,
        WriteAttributes,
    )

_NETWORK_SCHEMES = frozenset({"socket", "tcp"})


def check_device(device: str) -> None:
    """A path, or a network coordinator on this machine: its protocol knows neither key nor lock."""
    if "://" not in device:
        return
    parts = urlsplit(device)
    host = parts.hostname or ""
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = host == "localhost"
    if parts.scheme not in _NETWORK_SCHEMES or not local:
        raise ConfigError(
            f"zigbee.device: {device!r} must be a serial port or a socket:// on this machine"
        )


class ZigbeeRadio:
    """`database` is the library's own; a `.register.json` lies beside it. `zone`: the site's.

    `baudrate` and `flow_control` ("none", "hardware", "software"): as in the stick's firmware.
    """

    kind = "zigbee"

    def __init__(
        self,
        device: str,
        database: Path,
        *,
        channel: int,
        clock: Clock,
        baudrate: int = 115_200,
        flow_control: str = "none",
        zone: str = "UTC",
        name: str = "zigbee",
        pace: Pace | None = None,
        rng: random.Random | None = None,
    ) -> None:
        check_device(device)
        self.name = name
        self._clock = clock
        self._database = database
        self._settings = settings(
            device, database, channel, baudrate=baudrate, flow_control=flow_control
        )
        self._zone = zone_info(zone)
        self._listeners: list[RadioListener] = []
        self._life: tuple[Application, Members] | None = None
        self._register = Register(database.with_suffix(".register.json"))
        self._joining = Joining(clock, self._register, lambda: self._in_use()[0])
        self._keeper = Keeper(
            name,
            self,
            self._state_changed,
            clock,
            rng or random.SystemRandom(),  # noqa: TID251 - the default of a parameter
            pace or Pace(),
        )

    @property
    def state(self) -> RadioState:
        return self._keeper.state

    def listen(self, listener: RadioListener) -> Callable[[], None]:
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    async def run(self) -> None:
        await self._keeper.run()

    def nodes(self) -> Sequence[NodeInfo]:
        """Empty while the radio is down."""
        return self._life[1].nodes() if self._life else ()

    # ── exchanges ───────────────────────────────────────────────────────────────────────────

    async def request(
        self, address: str, request: ClusterRequest, *, deadline_s: float
    ) -> ClusterReply:
        cluster = self._in_use()[1].cluster(address, request.endpoint, request.cluster_id)
        order = exchanges.Order(cluster, request, address)
        async with _exchange(order.what, deadline_s, changes=not request.asks_only):
            answer = await order.send(deadline_s)
        overheard = order.overheard(answer)
        if overheard is not None:
            self._emit(overheard)
        return order.reply(answer)

    async def read(
        self, address: str, request: ReadAttributes, *, deadline_s: float
    ) -> ClusterReply:
        cluster = self._in_use()[1].cluster(address, request.endpoint, request.cluster_id)
        what = f"read cluster 0x{request.cluster_id:04x} of {address}"
        async with _exchange(what, deadline_s, changes=False):
            return await exchanges.read(cluster, request, deadline_s)

    async def write(self, address: str, request: WriteAttributes, *, deadline_s: float) -> None:
        cluster = self._in_use()[1].cluster(address, request.endpoint, request.cluster_id)
        what = f"write cluster 0x{request.cluster_id:04x} of {address}"
        async with _exchange(what, deadline_s, changes=True):
            await exchanges.write(cluster, request, deadline_s, what)

    async def bind(self, address: str, request: BindAndReport, *, deadline_s: float) -> None:
        cluster = self._in_use()[1].cluster(address, request.endpoint, request.cluster_id)
        what = f"bind cluster 0x{request.cluster_id:04x} of {address}"
        async with _exchange(what, deadline_s, changes=True):
            await exchanges.bind(cluster, request, what)

    # ── commissioning ───────────────────────────────────────────────────────────────────────

    def open_joining(self, order: JoinOrder) -> AsyncIterator[JoinProgress]:
        return self._joining.open(order, frozenset(node.address for node in self.nodes()))

    async def forget(self, address: str) -> None:
        """Returns when it is dropped here; the request to leave goes on by itself."""
        _, members = self._in_use()
        self._register.forget(address)
        with translated(f"forget {address}", changes=False):
            await members.remove(address)

    # ── the stick, for the keeper ───────────────────────────────────────────────────────────

    async def open(self) -> None:
        hush()
        try:
            private(self._database)
        except OSError as error:
            raise RadioUnavailable(f"could not open the Zigbee database: {error}") from error
        application = Application(self._settings, self._zone, self._clock)
        try:
            await application.open()
        except BaseException:
            await application.close()  # a half-open application keeps threads and the port
            raise
        members = Members(application, self._register, self._joining, self._emit)
        self._life = application, members
        application.add_listener(self)
        application.create_task(application.back_up_daily(self._clock), "network backup")
        members.listen()

    async def probe(self) -> None:
        await self._in_use()[0].probe()

    async def close(self) -> None:
        life, self._life = self._life, None
        if life is not None:
            self._joining.interrupted()
            await life[0].close()

    def connection_lost(self, error: Exception | None) -> None:
        """Called by the library."""
        cause = "" if error is None else f": {str(error) or type(error).__name__}"
        self._keeper.lost(f"connection lost{cause}")

    # ── inside ──────────────────────────────────────────────────────────────────────────────

    def _emit(self, event: RadioEvent) -> None:
        for listener in tuple(self._listeners):
            listener(event)

    def _state_changed(self, state: RadioState) -> None:
        self._emit(StateChanged(state))

    def _in_use(self) -> tuple[Application, Members]:
        if self._life is None:
            raise RadioUnavailable(f"could not use the Zigbee radio: {self.state.reason}")
        return self._life


@asynccontextmanager
async def _exchange(what: str, deadline_s: float, *, changes: bool) -> AsyncIterator[None]:
    with translated(what, changes=changes):
        async with asyncio.timeout(deadline_s):
            yield
