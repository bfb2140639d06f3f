"""Adapters of this machine's own kernel: virtual controllers of the air behind `/dev/vhci`.

What the kernel makes of such a controller is an adapter like any other, `hci0` to bluetoothd and to
every program. Needs the module `hci_vhci` and root, hence a machine of its own (`make bluez-vm`).
Not here: adapters for hosts that connect to a socket (`hub`), and the controllers themselves.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bumble import hci

from firmware_sims.ble.controller import SLOTS, VirtualController

if TYPE_CHECKING:
    from firmware_sims.ble.air import Air
    from firmware_sims.ble.spec import AdapterFault

DEVICE: Final = Path("/dev/vhci")

_VENDOR: Final = 0xFF
"""A packet that is no HCI: asks the kernel for an adapter, and is its answer
(drivers/bluetooth/hci_vhci.c)."""
_PRIMARY: Final = 0x00
_LARGEST: Final = 2048


class KernelController(VirtualController):
    """Without the resolving of private addresses, with which Linux 6.1 and bumble 0.0.236 do not
    get on (google/bumble#841); extended advertising is not there from the beginning."""

    le_features = VirtualController.le_features & ~hci.LeFeatureMask.LL_PRIVACY


class KernelPort:
    """One adapter of the kernel, with what can go wrong with it as a whole; as `hub.Port`."""

    def __init__(self, air: Air, name: str, number: int, *, slots: int = SLOTS) -> None:
        self.name = name
        self._air = air
        self._address = f"00:1A:7D:{number:02X}:00:01"
        self._slots = slots
        self._fd: int | None = None
        self._controller: KernelController | None = None

    def open(self) -> str:
        """Returns how the kernel calls it: `hci0`. OSError without `/dev/vhci`."""
        fd = os.open(DEVICE, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            os.write(fd, bytes([_VENDOR, _PRIMARY]))
            answer = os.read(fd, _LARGEST)
        except OSError:
            os.close(fd)
            raise
        self._fd = fd
        self._controller = KernelController(
            self.name, self._air, public_address=self._address, sink=self, slots=self._slots
        )
        asyncio.get_running_loop().add_reader(fd, self._read)
        return f"hci{int.from_bytes(answer[2:4], 'little')}"

    async def close(self) -> None:
        self._pull()

    def _pull(self) -> None:
        """The kernel sees an adapter that is gone. Idempotent."""
        if self._fd is not None:
            asyncio.get_running_loop().remove_reader(self._fd)
            os.close(self._fd)
            self._fd = None
        if self._controller is not None:
            self._controller.remove()
            self._controller = None

    def fail(self, action: AdapterFault) -> None:
        """Break the adapter or mend it. After `vanish`, `return` gives it the lowest free name."""
        match action:
            case "vanish":
                self._pull()
            case "hang":
                if self._controller is not None:
                    self._controller.hang()
            case "return":
                if self._controller is None:
                    self.open()
                else:
                    self._controller.reset()

    def on_packet(self, packet: bytes) -> None:
        """From the controller to the kernel, which takes one packet at each write."""
        if self._fd is not None:
            os.write(self._fd, packet)

    def _read(self) -> None:
        if self._fd is None:
            return
        try:
            packet = os.read(self._fd, _LARGEST)
        except BlockingIOError:
            return
        if packet and packet[0] != _VENDOR and self._controller is not None:
            self._controller.on_packet(packet)
