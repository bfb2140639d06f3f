"""A virtual Bluetooth controller: bumble's, with what a rehearsal needs and bumble 0.0.236 lacks.

Mended here: a scan response of its own, advertisements nobody can connect to (meters), the
advertising interval in its real unit with its random delay, cancelling a connection attempt, a
reset that resets, a refusal for an unknown handle, connection slots, signal strength, and links
that end when an end falls silent. Only legacy advertising is spoken, which every host knows.

Not here: the air between controllers (`air`) and the transport to the host (`hub`).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from bumble import hci
from bumble.controller import Connection, Controller, LegacyAdvertiser
from bumble.core import PhysicalTransport

from firmware_sims.ble.air import FAILED_TO_BE_ESTABLISHED

if TYPE_CHECKING:
    from bumble import ll
    from bumble.transport.common import TransportSink

    from firmware_sims.ble.air import Air, AirLink

_Type = hci.HCI_LE_Advertising_Report_Event.EventType
_UNIT_S = 0.000625
"""The unit of advertising intervals (Vol 4, Part E, 7.8.5)."""
_SHORTEST_S = 0.02
_DELAY_S = 0.01
"""advDelay: up to so much is added to each interval at random (Vol 6, Part B, 4.4.2.2.1)."""
SLOTS = 8
"""Links a controller holds at once; common USB adapters have 5 to 10."""


@dataclass(frozen=True, slots=True)
class Advert:
    """One advertising event with the scan response whoever asks gets."""

    address: hci.Address
    kind: int
    data: bytes
    scan_response: bytes

    @property
    def connectable(self) -> bool:
        return self.kind == _Type.ADV_IND

    @property
    def scannable(self) -> bool:
        return self.kind in (_Type.ADV_IND, _Type.ADV_SCAN_IND)


class _Advertiser(LegacyAdvertiser):
    """Advertising types and report types are numbered alike, but for the directed ones."""

    def send_advertising_data(self) -> None:
        controller = cast("VirtualController", self.controller)
        if self.enabled and controller.working:
            controller.air.advertise(
                controller,
                Advert(
                    self.address,
                    self.advertising_type,
                    bytes(self.advertising_data),
                    bytes(self.scan_response_data),
                ),
            )

    def _on_timer_fired(self) -> None:
        self.send_advertising_data()
        controller = cast("VirtualController", self.controller)
        interval = max(_SHORTEST_S, self.advertising_interval_min * _UNIT_S)
        delay = controller.air.rng.uniform(0, _DELAY_S)
        self.timer_handle = asyncio.get_running_loop().call_later(
            interval + delay, self._on_timer_fired
        )


@dataclass
class _AirConnection(Connection):
    """One end of a link; what it sends goes through the link's queue, so that nothing overtakes."""

    air_link: AirLink | None = None

    def on_acl_pdu(self, pdu: bytes) -> None:
        source, peer = self.self_address, self._peer()
        self._send(
            lambda: peer.on_link_acl_data(source, PhysicalTransport.LE, pdu),
        )

    def send_ll_control_pdu(self, packet: ll.ControlPdu) -> None:
        source, peer = self.self_address, self._peer()
        self._send(lambda: peer.on_ll_control_pdu(source, packet))

    def _peer(self) -> VirtualController:
        assert self.air_link is not None  # noqa: S101 - given right after the making
        return self.air_link.other(cast("VirtualController", self.controller))

    def _send(self, deliver: Any) -> None:
        assert self.air_link is not None  # noqa: S101
        self.air_link.send(cast("VirtualController", self.controller), deliver)


class VirtualController(Controller):
    """The controller of one host.

    `hung` makes it take commands and answer none, as firmware that has crashed does.
    """

    le_features = Controller.le_features & ~(
        hci.LeFeatureMask.LE_EXTENDED_ADVERTISING | hci.LeFeatureMask.LE_PERIODIC_ADVERTISING
    )
    le_acl_data_packet_length = 251

    def __init__(
        self,
        name: str,
        air: Air,
        *,
        public_address: str,
        sink: TransportSink | None = None,
        slots: int = SLOTS,
    ) -> None:
        self.air = air
        self.slots = slots
        self.hung = False
        self.present = True
        self.powered = True
        super().__init__(
            name,
            host_sink=sink,
            link=air,
            public_address=hci.Address(public_address, hci.Address.PUBLIC_DEVICE_ADDRESS),
        )
        self.le_legacy_advertiser = _Advertiser(self)

    # ---- the radio

    @property
    def working(self) -> bool:
        """Whether it sends and receives at all."""
        return self.present and self.powered and not self.hung

    @property
    def listening(self) -> bool:
        """Whether advertisements reach anybody here."""
        return self.le_scan_enable or self.pending_le_connection is not None

    def connectable_as(self, address: hci.Address) -> bool:
        """Whether it advertises under that address and can be connected to."""
        advertiser = self.le_legacy_advertiser
        return (
            advertiser.enabled
            and advertiser.advertising_type == _Type.ADV_IND
            and advertiser.address == address
        )

    def heard(self, advert: Advert, rssi: int) -> None:
        """An advertisement has arrived; while a connection is being made none is reported.

        Kernels suspend the scan for that time, too (bluez/bluez#569).
        """
        if not self.working:
            return
        if pending := self.pending_le_connection:
            if advert.connectable and pending.peer_address == advert.address:
                self.create_le_connection(advert.address)
        elif self.le_scan_enable:
            reports = [_report(advert.kind, advert.address, advert.data, rssi)]
            if advert.scannable and self.le_scan_type:
                reports.append(_report(_Type.SCAN_RSP, advert.address, advert.scan_response, rssi))
            self.send_hci_packet(hci.HCI_LE_Advertising_Report_Event(reports))

    # ---- links

    def create_le_connection(self, peer_address: hci.Address) -> None:
        """The advertiser was heard: open the link at both ends."""
        command = self.pending_le_connection
        if not isinstance(command, hci.HCI_LE_Create_Connection_Command):
            return
        self.pending_le_connection = None
        own = (
            self.public_address
            if command.own_address_type == hci.OwnAddressType.PUBLIC
            else self.random_address
        )
        opened = self.air.open(self, peer_address, command.supervision_timeout * 0.01)
        connection = self._connected(hci.Role.CENTRAL, own, peer_address, command)
        if opened is None:
            # The controller believes in its link until six intervals have passed in silence.
            self.on_le_disconnected(connection, FAILED_TO_BE_ESTABLISHED)
            return
        peripheral, connection.air_link = opened
        peripheral.accept(own, peer_address, command).air_link = connection.air_link

    def accept(
        self,
        central: hci.Address,
        own: hci.Address,
        command: hci.HCI_LE_Create_Connection_Command,
    ) -> _AirConnection:
        """A central has answered the advertisement; advertising ends with that."""
        self.le_legacy_advertiser.stop()
        return self._connected(hci.Role.PERIPHERAL, own, central, command)

    def _connected(
        self,
        role: hci.Role,
        own: hci.Address,
        peer: hci.Address,
        command: hci.HCI_LE_Create_Connection_Command,
    ) -> _AirConnection:
        connection = _AirConnection(
            controller=self,
            handle=self.allocate_connection_handle(),
            role=role,
            self_address=own,
            peer_address=peer,
            link=self.air,
            transport=PhysicalTransport.LE,
            link_type=hci.HCI_Connection_Complete_Event.LinkType.ACL,
        )
        self.le_connections[peer] = connection
        self.send_hci_packet(
            hci.HCI_LE_Connection_Complete_Event(
                status=hci.HCI_ErrorCode.SUCCESS,
                connection_handle=connection.handle,
                role=role,
                peer_address_type=peer.address_type,
                peer_address=peer,
                connection_interval=command.connection_interval_min,
                peripheral_latency=command.max_latency,
                supervision_timeout=command.supervision_timeout,
                central_clock_accuracy=0,
            )
        )
        return connection

    def on_le_disconnected(self, connection: Connection, reason: int) -> None:
        """Tell the host, and leave the link."""
        if self.le_connections.get(connection.peer_address) is connection:
            super().on_le_disconnected(connection, reason)
        if isinstance(connection, _AirConnection) and connection.air_link is not None:
            connection.air_link.leave(self)

    def link_lost(self, link: AirLink, reason: int) -> None:
        """The supervision timeout of a link has passed."""
        for connection in tuple(self.le_connections.values()):
            if isinstance(connection, _AirConnection) and connection.air_link is link:
                self.on_le_disconnected(connection, reason)

    # ---- the host

    # Without bumble's debug lines, as in `quiet`.

    def on_packet(self, packet: bytes) -> None:
        if self.hung:
            return
        parsed = hci.HCI_Packet.from_bytes(packet)
        if isinstance(parsed, hci.HCI_AclDataPacket):
            self.on_hci_acl_data_packet(parsed)
        elif isinstance(parsed, hci.HCI_Command):
            self.on_hci_command_packet(parsed)
        else:
            self.on_hci_packet(parsed)

    def send_hci_packet(self, packet: hci.HCI_Packet) -> None:
        if self.hci_sink is not None and not self.hung:
            asyncio.get_running_loop().call_soon(self.hci_sink.on_packet, bytes(packet))

    def hang(self) -> None:
        """Crash: no command is answered, nothing is sent or heard any more."""
        self.hung = True
        self.air.range_changed()

    def reset(self) -> None:
        """Forget everything, without a word to anybody; peers notice by their timeouts."""
        self.hung = False
        self.pending_le_connection = None
        self.le_scan_enable = False
        self.le_legacy_advertiser.stop()
        connections = list(self.le_connections.values())
        self.le_connections.clear()
        for connection in connections:
            if isinstance(connection, _AirConnection) and connection.air_link is not None:
                connection.air_link.leave(self)

    def remove(self) -> None:
        """The host has gone, or the adapter was pulled."""
        if self.present:
            self.reset()
            self.present = False
            self.hci_sink = None
            self.air.remove_controller(self)
            self.air.range_changed()

    def on_hci_reset_command(
        self, command: hci.HCI_Reset_Command
    ) -> hci.HCI_StatusReturnParameters:
        self.reset()
        return super().on_hci_reset_command(command)

    def on_hci_le_create_connection_command(
        self, command: hci.HCI_LE_Create_Connection_Command
    ) -> None:
        if len(self.le_connections) >= self.slots:
            self._send_hci_command_status(
                hci.HCI_ErrorCode.CONNECTION_LIMIT_EXCEEDED_ERROR, command.op_code
            )
        elif command.peer_address in self.le_connections:
            self._send_hci_command_status(
                hci.HCI_ErrorCode.CONNECTION_ALREADY_EXISTS_ERROR, command.op_code
            )
        else:
            super().on_hci_le_create_connection_command(command)

    def on_hci_le_create_connection_cancel_command(
        self, _command: hci.HCI_LE_Create_Connection_Cancel_Command
    ) -> hci.HCI_StatusReturnParameters:
        """The answer, then the event that the attempt has ended (Vol 4, Part E, 7.8.13)."""
        pending, self.pending_le_connection = self.pending_le_connection, None
        if pending is None:
            return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.COMMAND_DISALLOWED_ERROR)
        ended = hci.HCI_LE_Connection_Complete_Event(
            status=hci.HCI_ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER_ERROR,
            connection_handle=0,
            role=hci.Role.CENTRAL,
            peer_address_type=pending.peer_address.address_type,
            peer_address=pending.peer_address,
            connection_interval=0,
            peripheral_latency=0,
            supervision_timeout=0,
            central_clock_accuracy=0,
        )
        asyncio.get_running_loop().call_soon(self.send_hci_packet, ended)
        return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.SUCCESS)

    def on_hci_disconnect_command(self, command: hci.HCI_Disconnect_Command) -> None:
        if self.find_connection_by_handle(command.connection_handle) is None:
            self._send_hci_command_status(
                hci.HCI_ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER_ERROR, command.op_code
            )
        else:
            super().on_hci_disconnect_command(command)


def _report(
    kind: int, address: hci.Address, data: bytes, rssi: int
) -> hci.HCI_LE_Advertising_Report_Event.Report:
    return hci.HCI_LE_Advertising_Report_Event.Report(
        event_type=kind, address_type=address.address_type, address=address, data=data, rssi=rssi
    )
