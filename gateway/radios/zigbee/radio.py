"""The Zigbee radio as the house sees it: exchanges, events, state.

Here: `ClusterRadio` and `Commissioning` on top of one application at a time, which the keeper
makes anew whenever the stick was lost. While there is none, every call raises `RadioUnavailable`.
"""

from __future__ import annotations

import asyncio
import ipaddress
import random
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import structlog
from zigpy.device import ZigbeeDevice
from zigpy.types import EUI64
from zigpy.zcl.helpers import ReportingConfig

from gateway.errors import (
    ConfigError,
    LocalProtocolError,
    OutcomeUnknown,
    PeerProtocolError,
    RadioUnavailable,
    Unreachable,
)
from gateway.radios.api import (
    AttributeReported,
    ClusterCommandReceived,
    ClusterReply,
    Heard,
    NodeLeft,
    NodeReady,
    StateChanged,
)
from gateway.radios.keeper import Keeper, Pace
from gateway.radios.zigbee.joining import Joining
from gateway.radios.zigbee.plain import fields_of, node_of, plain, refused, translated
from gateway.radios.zigbee.register import Register
from gateway.radios.zigbee.stack import Application, hush, private, settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from gateway.kit.clock import Clock
    from gateway.radios.api import (
        BindAndReport,
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

log = structlog.get_logger(__name__)

READ_AT_ONCE = 5
"""Attributes per request, so that the answer fits into one frame."""
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
            f"radios.zigbee.device: {device!r} must be a serial port or a socket:// on this machine"
        )


class ZigbeeRadio:
    """`database` is the library's own; a `.register.json` lies beside it. `zone`: the site's."""

    kind = "zigbee"

    def __init__(
        self,
        device: str,
        database: Path,
        *,
        channel: int,
        clock: Clock,
        zone: str = "UTC",
        name: str = "zigbee",
        pace: Pace | None = None,
        rng: random.Random | None = None,
    ) -> None:
        check_device(device)
        self.name = name
        self._clock = clock
        self._database = database
        self._settings = settings(device, database, channel)
        self._zone = ZoneInfo(zone)
        self._listeners: list[RadioListener] = []
        self._application: Application | None = None
        self._register = Register(database.with_suffix(".register.json"))
        self._joining = Joining(clock, self._register, self._in_use, self._dismiss)
        self._leaving: set[str] = set()
        self._subscribed: set[int] = set()
        self._keeper = Keeper(
            name, self, self._state_changed, clock, rng or random.SystemRandom(), pace or Pace()
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
        application = self._application
        if application is None:
            return ()
        return tuple(
            self._node(device)
            for device in application.devices.values()
            if self._is_node(device) and device.is_initialized
        )

    # ── exchanges ───────────────────────────────────────────────────────────────────────────

    async def request(
        self, address: str, request: ClusterRequest, *, deadline_s: float
    ) -> ClusterReply:
        cluster = self._cluster(address, request.endpoint, request.cluster_id)
        definition = cluster.server_commands.get(request.command_id)
        if definition is None:
            raise LocalProtocolError(
                f"could not send command 0x{request.command_id:02x} of cluster "
                f"0x{request.cluster_id:04x}: unknown here"
            )
        what = f"send {definition.name} to {address}"
        with translated(what, changes=not request.asks_only):
            async with asyncio.timeout(deadline_s):
                answer = await cluster.request(
                    False,
                    definition.id,
                    definition.schema,
                    timeout=deadline_s,
                    retries=0,  # a slow lock would be written to twice; askers repeat themselves
                    **_encoded(definition.schema, request),
                )
        return _reply(answer, request, what)

    async def read(
        self, address: str, request: ReadAttributes, *, deadline_s: float
    ) -> ClusterReply:
        cluster = self._cluster(address, request.endpoint, request.cluster_id)
        values: dict[str, object] = {}
        with translated(f"read cluster 0x{request.cluster_id:04x} of {address}", changes=False):
            async with asyncio.timeout(deadline_s):
                for start in range(0, len(request.attributes), READ_AT_ONCE):
                    chunk = request.attributes[start : start + READ_AT_ONCE]
                    answer = await cluster.read_attributes_raw(
                        list(chunk), timeout=deadline_s, retries=0
                    )
                    values.update(_values(answer))
        return ClusterReply(0x01, values)

    async def write(self, address: str, request: WriteAttributes, *, deadline_s: float) -> None:
        """`DeviceRefused` for the first attribute that was not taken."""
        cluster = self._cluster(address, request.endpoint, request.cluster_id)
        what = f"write cluster 0x{request.cluster_id:04x} of {address}"
        with translated(what, changes=True):
            async with asyncio.timeout(deadline_s):
                (records,) = await cluster.write_attributes(
                    dict(request.values), timeout=deadline_s, retries=0
                )
        _raise_first(what, (record.status for record in records))

    async def bind(self, address: str, request: BindAndReport, *, deadline_s: float) -> None:
        """Repeating it does no harm, so the library may."""
        cluster = self._cluster(address, request.endpoint, request.cluster_id)
        what = f"bind cluster 0x{request.cluster_id:04x} of {address}"
        config = {
            cluster.find_attribute(attribute): ReportingConfig(least, most, change)
            for attribute, (least, most, change) in request.attributes.items()
        }
        with translated(what, changes=True):
            async with asyncio.timeout(deadline_s):
                answer = await cluster.bind()
                _raise_first(what, (answer[0],))
                if config:
                    statuses = await cluster.configure_reporting_multiple(config)
                    _raise_first(what, statuses.values())

    # ── commissioning ───────────────────────────────────────────────────────────────────────

    def open_joining(self, order: JoinOrder) -> AsyncIterator[JoinProgress]:
        known = frozenset(node.address for node in self.nodes())
        return self._joining.open(order, known)

    async def forget(self, address: str) -> None:
        """Returns when it is dropped here; the request to leave goes on by itself."""
        application = self._in_use()
        self._register.forget(address)
        self._leaving.add(address)
        with translated(f"forget {address}", changes=False):
            await application.remove(EUI64.convert(address))

    def _dismiss(self, address: str) -> None:
        application = self._application
        if application is None:
            return
        log.warning("node sent away", radio=self.name, address=address)
        self._leaving.add(address)
        application.create_task(application.remove(EUI64.convert(address)), "dismiss")

    # ── the stick, for the keeper ───────────────────────────────────────────────────────────

    async def open(self) -> None:
        hush()
        try:
            private(self._database)
        except OSError as error:
            raise RadioUnavailable(f"could not open the Zigbee database: {error}") from error
        application = Application(self._settings, self._zone)
        try:
            await application.open()
        except BaseException:
            await application.close()  # a half-open application keeps threads and the port
            raise
        self._application = application
        self._leaving.clear()
        self._subscribed.clear()
        application.add_listener(_Ears(self))
        application.create_task(application.back_up_daily(self._clock), "network backup")
        for device in list(application.devices.values()):
            if self._is_node(device) and device.is_initialized:
                self.device_ready(device)

    async def probe(self) -> None:
        await self._in_use().probe()

    async def close(self) -> None:
        application, self._application = self._application, None
        if application is not None:
            self._joining.interrupted()
            await application.close()

    # ── what the library tells ──────────────────────────────────────────────────────────────

    def connection_lost(self, error: Exception | None) -> None:
        self._keeper.lost(f"connection lost: {error}" if error else "connection lost")

    def device_joined(self, device: ZigbeeDevice) -> None:
        self._leaving.discard(str(device.ieee))
        self._joining.found(str(device.ieee))

    def device_ready(self, device: ZigbeeDevice) -> None:
        address = str(device.ieee)
        if not self._is_node(device):
            return
        self._subscribe(device)
        self._emit(NodeReady(self._node(device)))
        self._joining.ready(address)

    def device_failed(self, device: ZigbeeDevice) -> None:
        self._joining.failed(str(device.ieee))

    def device_gone(self, device: ZigbeeDevice) -> None:
        self._emit(NodeLeft(str(device.ieee)))

    def heard(self, device: ZigbeeDevice) -> None:
        if self._is_node(device):
            self._emit(Heard(str(device.ieee), device.rssi, device.lqi))

    def _subscribe(self, device: ZigbeeDevice) -> None:
        """To what its server clusters say by themselves, once per cluster object."""
        address = str(device.ieee)
        for endpoint in device.non_zdo_endpoints:
            for cluster in endpoint.in_clusters.values():
                if id(cluster) in self._subscribed:
                    continue
                self._subscribed.add(id(cluster))
                place = (address, int(endpoint.endpoint_id), int(cluster.cluster_id))
                cluster.add_listener(_ClusterEars(self._emit, place))
                cluster.on_event("attribute_report", _reporter(self._emit, place))

    # ── inside ──────────────────────────────────────────────────────────────────────────────

    def _emit(self, event: RadioEvent) -> None:
        for listener in tuple(self._listeners):
            listener(event)

    def _state_changed(self, state: RadioState) -> None:
        self._emit(StateChanged(state))

    def _in_use(self) -> Application:
        application = self._application
        if application is None:
            reason = self.state.reason
            raise RadioUnavailable(f"could not use the Zigbee radio: {reason}")
        return application

    def _is_node(self, device: object) -> bool:
        """A Zigbee device other than the stick itself, and not on its way out."""
        application = self._application
        return (
            application is not None
            and isinstance(device, ZigbeeDevice)
            and device.ieee != application.state.node_info.ieee
            and str(device.ieee) not in self._leaving
        )

    def _node(self, device: ZigbeeDevice) -> NodeInfo:
        return node_of(device, well_known_key=str(device.ieee) in self._register.well_known)

    def _cluster(self, address: str, endpoint: int, cluster_id: int) -> Any:
        device = self._in_use().devices.get(EUI64.convert(address))
        if device is None or not self._is_node(device):
            raise Unreachable(f"could not speak to {address}: it is not in the network")
        try:
            return device.endpoints[endpoint].in_clusters[cluster_id]
        except (KeyError, AttributeError):
            raise LocalProtocolError(
                f"could not speak to {address}: it has no cluster 0x{cluster_id:04x} "
                f"on endpoint {endpoint}"
            ) from None


class _Ears:
    """zigpy calls listeners by the name of what happened."""

    def __init__(self, radio: ZigbeeRadio) -> None:
        self.connection_lost = radio.connection_lost
        self.device_joined = radio.device_joined
        self.device_initialized = radio.device_ready
        self.device_reinterviewed = radio.device_ready
        self.device_init_failure = radio.device_failed
        self.device_left = radio.device_gone
        self.device_removed = radio.device_gone
        self._heard = radio.heard

    def handle_message(self, device: ZigbeeDevice, *_: object) -> None:
        self._heard(device)


class _ClusterEars:
    def __init__(self, emit: Callable[[RadioEvent], None], place: tuple[str, int, int]) -> None:
        self._emit, self._place = emit, place

    def cluster_command(self, tsn: int, command_id: int, command: Any) -> None:
        if hasattr(command, "fields"):
            self._emit(ClusterCommandReceived(*self._place, int(command_id), fields_of(command)))


def _reporter(
    emit: Callable[[RadioEvent], None], place: tuple[str, int, int]
) -> Callable[[Any], None]:
    return lambda event: emit(
        AttributeReported(*place, int(event.attribute_id), plain(event.raw_value))
    )


def _encoded(schema: Any, request: ClusterRequest) -> dict[str, object]:
    """Checked before anything is sent; the library's complaint could repeat a value."""
    try:
        schema(**request.fields).serialize()
    except (TypeError, ValueError, AttributeError):
        raise LocalProtocolError(
            f"could not encode command 0x{request.command_id:02x} of cluster "
            f"0x{request.cluster_id:04x}: its fields do not fit"
        ) from None
    return dict(request.fields)


def _reply(answer: Any, request: ClusterRequest, what: str) -> ClusterReply:
    command = getattr(answer, "command", None)
    if command is None:
        raise PeerProtocolError(f"could not {what}: the answer is unknown")
    fields = fields_of(answer)
    if command.name == "default_response" or "command_id" in fields:
        return ClusterReply(request.command_id, fields, is_default_response=True)
    if int(command.id) != request.command_id:
        lost = Unreachable if request.asks_only else OutcomeUnknown
        raise lost(f"could not {what}: something else was answered")
    return ClusterReply(int(command.id), fields)


def _values(answer: Any) -> dict[str, object]:
    records = getattr(answer, "status_records", None)
    if records is None:
        raise refused("read attributes", int(getattr(answer, "status", 0x01)))
    return {
        str(int(record.attrid)): plain(record.value.value)
        for record in records
        if not record.status
    }


def _raise_first(what: str, statuses: Any) -> None:
    for status in statuses:
        if status:
            raise refused(what, int(status))
