"""What runs inside the machine: the message bus, bluetoothd, and pytest over them.

Runs on the bare interpreter (`python -S -E guest.py`), hence the standard library only; started by
the init script of `machine`, which has mounted everything. What it prints is the machine's console.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

BUS: Final = Path("/run/dbus/system_bus_socket")
UP_S: Final = 60.0
_TICK_S: Final = 0.05

_BUS_CONFIG: Final = f"""\
<busconfig>
  <type>system</type>
  <listen>unix:path={BUS}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/><allow user="*"/>
  </policy>
</busconfig>
"""


def main(results: Path, bluez: Path, *pytest: str) -> int:
    """Returns pytest's exit status; `results` receives the logs. `bluez`: where it was unpacked."""
    BUS.parent.mkdir(parents=True)
    config = Path("/run/bus.conf")
    config.write_text(_BUS_CONFIG, encoding="utf-8")
    services = [
        _start(results / "dbus.log", "dbus-daemon", f"--config-file={config}", "--nofork"),
    ]
    _until(_bus_answers, "dbus-daemon")
    print("guest: the message bus is up", flush=True)
    # Not with --debug: that would tell every value that goes over a link.
    # Its settings as Debian ships them: without them it would leave adapters switched off.
    bluetoothd = str(bluez / "usr/libexec/bluetooth/bluetoothd")
    settings = f"--configfile={bluez / 'etc/bluetooth/main.conf'}"
    services.append(_start(results / "bluetoothd.log", bluetoothd, "--nodetach", settings))
    try:
        return subprocess.run([sys.executable, "-m", "pytest", *pytest], check=False).returncode
    finally:
        for service in services:
            if service.poll() is not None:
                print(f"guest: {service.args!r} ended with {service.returncode}")
            service.terminate()


def _start(log: Path, *command: str) -> subprocess.Popen[str]:
    with log.open("wb") as file:
        return subprocess.Popen(command, stdout=file, stderr=file, text=True)


def _bus_answers() -> bool:
    with socket.socket(socket.AF_UNIX) as line:
        return line.connect_ex(os.fsencode(BUS)) == 0


def _until(true: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + UP_S
    while not true():
        if time.monotonic() > end:
            raise SystemExit(f"{what} does not come up")
        time.sleep(_TICK_S)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:]))
