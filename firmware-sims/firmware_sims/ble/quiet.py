"""bumble's host without its debug lines, whose making costs more than all the rest of its work.

Nothing else is different: packets go the same way.
"""

from __future__ import annotations

from bumble import hci
from bumble.host import Host


class QuietHost(Host):
    def on_hci_packet(self, packet: hci.HCI_Packet) -> None:
        if isinstance(packet, hci.HCI_AclDataPacket):
            self.on_hci_acl_data_packet(packet)
        elif isinstance(packet, hci.HCI_Event):
            self.on_hci_event_packet(packet)
        else:
            super().on_hci_packet(packet)

    def send_hci_packet(self, packet: hci.HCI_Packet) -> None:
        if self.hci_sink is not None:
            self.hci_sink.on_packet(bytes(packet))
