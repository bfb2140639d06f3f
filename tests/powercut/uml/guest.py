"""Process 1 inside User-Mode Linux: sets the clock, starts the daemon, carries its MQTT outside.

Runs on the bare interpreter (`python -S -E guest.py`), hence the standard library only. One serial
line joins it to the host: frames of channel, kind and length. Channel 0 is this process itself,
the others are connections that the daemon opened to the broker's port. Not here: mounting
(`machine`'s init script) and the host's end of the line (`line`).
"""

from __future__ import annotations

import argparse
import ctypes
import fcntl
import json
import os
import selectors
import socket
import struct
import subprocess
import time
import tty
from typing import Final

HEAD: Final = struct.Struct("!BBH")
"""channel, kind, length of what follows."""
OPEN, DATA, CLOSE, LOG, NOTE, TAKEN = range(6)
COUNT: Final = struct.Struct("!H")
"""What `TAKEN` carries: so many bytes were read from the line."""
WINDOW: Final = 2048
"""Bytes the host may send ahead. Were the terminal's buffer of 4096 ever full, the kernel's driver
would stop the line for good."""
OURSELVES: Final = 0
LINE: Final = "/dev/ttyS1"
PORT: Final = 1883

_PIECE: Final = 4096
_SIOCSIFFLAGS: Final = 0x8914
_UP: Final = 0x49  # IFF_UP, IFF_LOOPBACK, IFF_RUNNING
_ADJ_MAXERROR, _ADJ_ESTERROR, _ADJ_STATUS = 0x04, 0x08, 0x10
_STA_PLL, _STA_UNSYNC = 0x01, 0x40


class _Timex(ctypes.Structure):
    """struct timex of <sys/timex.h>, up to the status."""

    _fields_ = (  # type: ignore[mutable-override]  # how ctypes wants it
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 512),
    )


def set_clock(step_s: float, *, synchronised: bool) -> None:
    """Step the wall clock, then tell the kernel what a time service would: kept, or not kept.

    The order is the kernel's: a step makes it forget that it was kept.
    """
    if step_s:
        now = time.time()  # noqa: TID251 - this is the machine whose clock it is
        time.clock_settime(time.CLOCK_REALTIME, now + step_s)
    timex = _Timex(modes=_ADJ_STATUS, status=_STA_UNSYNC)
    if synchronised:
        timex = _Timex(
            modes=_ADJ_STATUS | _ADJ_MAXERROR | _ADJ_ESTERROR,
            status=_STA_PLL,
            maxerror=1000,
            esterror=100,
        )
    if ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex)) < 0:
        raise OSError(ctypes.get_errno(), "adjtimex")


class Guest:
    """The line, the daemon, and the daemon's connections."""

    def __init__(self, daemon: list[str]) -> None:
        self._line = os.open(LINE, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(self._line)
        self._select = selectors.DefaultSelector()
        self._connections: dict[int, socket.socket] = {}
        self._last = 0
        self._waiting = bytearray()
        _loopback_up()
        self._server = socket.create_server(("127.0.0.1", PORT))
        self._daemon = subprocess.Popen(daemon, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as boot:  # noqa: PTH123 - pathlib would double the start
            self._note(boot_id=boot.read().strip())

    def run(self) -> None:
        """Until the power goes."""
        assert self._daemon.stdout is not None
        log = self._daemon.stdout.fileno()
        self._select.register(self._line, selectors.EVENT_READ, self._from_host)
        self._select.register(self._server, selectors.EVENT_READ, self._accept)
        self._select.register(log, selectors.EVENT_READ, lambda: self._from_daemon(log))
        while True:
            for key, _ in self._select.select():
                key.data()

    def _send(self, channel: int, kind: int, data: bytes = b"") -> None:
        frame = memoryview(HEAD.pack(channel, kind, len(data)) + data)
        while frame:
            frame = frame[os.write(self._line, frame) :]

    def _note(self, **facts: object) -> None:
        self._send(OURSELVES, NOTE, json.dumps(facts).encode())

    def _from_host(self) -> None:
        data = os.read(self._line, _PIECE)
        self._send(OURSELVES, TAKEN, COUNT.pack(len(data)))
        self._waiting += data
        while len(self._waiting) >= HEAD.size:
            channel, kind, length = HEAD.unpack_from(self._waiting)
            end = HEAD.size + length
            if len(self._waiting) < end:
                return
            data = bytes(self._waiting[HEAD.size : end])
            del self._waiting[:end]
            self._frame(channel, kind, data)

    def _frame(self, channel: int, kind: int, data: bytes) -> None:
        connection = self._connections.get(channel)
        if channel == OURSELVES:
            order = json.loads(data)
            set_clock(order["step_s"], synchronised=order["synchronised"])
        elif connection is None:
            return  # closed here while this was on its way
        elif kind == DATA:
            try:
                connection.sendall(data)
            except OSError:
                self._close(channel)
        elif kind == CLOSE:
            self._close(channel)

    def _accept(self) -> None:
        connection, _ = self._server.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._last = channel = self._last % 255 + 1
        self._connections[channel] = connection
        self._send(channel, OPEN)
        self._select.register(
            connection, selectors.EVENT_READ, lambda: self._from_connection(channel)
        )

    def _from_connection(self, channel: int) -> None:
        connection = self._connections.get(channel)
        if connection is None:
            return
        try:
            data = connection.recv(_PIECE)
        except OSError:
            data = b""
        if data:
            self._send(channel, DATA, data)
        else:
            self._send(channel, CLOSE)
            self._close(channel)

    def _close(self, channel: int) -> None:
        connection = self._connections.pop(channel)
        self._select.unregister(connection)
        connection.close()

    def _from_daemon(self, log: int) -> None:
        data = os.read(log, _PIECE)
        if data:
            self._send(OURSELVES, LOG, data)
        else:
            self._select.unregister(log)
            self._note(ended=self._daemon.wait())


def _loopback_up() -> None:
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", _UP))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--step", type=float, default=0.0, help="seconds the clock is wrong by")
    parser.add_argument("--synchronised", action="store_true")
    parser.add_argument("daemon", nargs="+")
    options = parser.parse_args()
    set_clock(options.step, synchronised=options.synchronised)
    Guest(options.daemon).run()


if __name__ == "__main__":
    main()
