"""A machine of its own under QEMU: a Debian kernel on the host's files, which it cannot change.

Its root is the host's over 9p, read-only, with an overlay in the machine's memory on top; one
folder is shared for results. All processors are emulated (TCG), so that it runs where no KVM is.
Not here: what runs inside (`guest`), and which tests.
"""

from __future__ import annotations

import asyncio
import gzip
import os
import re
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.bluez import guest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PROJECT: Final = Path(__file__).parents[2]
CACHE: Final = PROJECT / ".bluez-vm"
"""Where tools/setup_bluez.sh puts what it fetches."""
ROOT: Final = CACHE / "root"
QEMU: Final = "qemu-system-x86_64"
STATUS: Final = "status"
"""The file of the exit status, in the folder of results."""

_MEMORY_MIB: Final = 1024
_MOUNTING: Final = ("virtio_pci", "9pnet_virtio", "9p", "overlay", "virtio_rng")
# The Bluetooth module asks for algorithms by name, and does not say so in its dependencies.
_BLUETOOTH: Final = (
    "aes_generic", "ctr", "sha256_generic", "sha512_generic", "hmac",
    "jitterentropy_rng", "drbg", "ecdh_generic", "cmac", "hci_vhci",
)  # fmt: skip
_DEPENDS: Final = re.compile(rb"\0depends=([^\0]*)\0")

_ENVIRONMENT: Final = (
    "HOME=/root", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "NO_COLOR=1", "COLUMNS=100",
    "PYTHONDONTWRITEBYTECODE=1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD=1",
)  # fmt: skip

_INIT: Final = """\
#!/bin/sh
mount -t proc proc /proc; mount -t sysfs sys /sys
for module in {modules}; do insmod /modules/$module.ko || echo "init: no $module"; done
echo "init: modules loaded"
mkdir -p /host /top /new /results
mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288,cache=loose,ro host /host &&
mount -t tmpfs -o size=75% top /top && mkdir /top/upper /top/work &&
mount -t overlay -o lowerdir=/host,upperdir=/top/upper,workdir=/top/work root /new &&
mount -t tmpfs run /new/run && mkdir -p /new/run/results &&
mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288 results /new/run/results &&
mount -t proc proc /new/proc && mount -t sysfs sys /new/sys &&
mount -t devtmpfs dev /new/dev && mkdir -p /new/dev/shm && mount -t tmpfs shm /new/dev/shm &&
ip link set lo up && echo "init: file systems mounted" &&
chroot /new /bin/sh -c {inside}
echo $? > /new/run/results/{status}
sync
poweroff -f
"""


class CannotRun(Exception):
    """This machine lacks something; the text names it and how to get it."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """What was fetched: the kernel's image, its modules, and a shell for the first moments."""

    image: Path
    modules: Path
    busybox: Path


def fetched() -> Kernel:
    """CannotRun."""
    if sys.platform != "linux" or os.uname().machine != "x86_64":
        raise CannotRun("the machine is made for x86-64 Linux hosts")
    for name in (QEMU, "dbus-daemon"):
        if shutil.which(name) is None:
            raise CannotRun(f"{name} is missing: run tools/setup_bluez.sh")
    images = sorted((ROOT / "boot").glob("vmlinuz-*"))
    if not images:
        raise CannotRun("there is no kernel: run tools/setup_bluez.sh")
    version = images[-1].name.removeprefix("vmlinuz-")
    kernel = Kernel(
        images[-1],
        ROOT / "lib/modules" / version,
        ROOT / "bin/busybox",
    )
    for path in (kernel.modules, kernel.busybox, ROOT / "usr/libexec/bluetooth/bluetoothd"):
        if not path.exists():
            raise CannotRun(f"{path.relative_to(PROJECT)} is missing: run tools/setup_bluez.sh")
    return kernel


def write_initramfs(kernel: Kernel, path: Path, pytest: Sequence[str]) -> None:
    """The first file system: busybox, the modules in the order of their dependencies, a script."""
    modules = in_order(kernel.modules, (*_MOUNTING, *_BLUETOOTH))
    started = [sys.executable, "-S", "-E", guest.__file__, "/run/results", str(ROOT)]
    command = ["exec", "env", *_ENVIRONMENT, *started, *pytest]
    inside = f"cd {shlex.quote(str(PROJECT))} && {shlex.join(command)}"
    script = _INIT.format(
        modules=" ".join(module.stem for module in modules),
        inside=shlex.quote(inside),
        status=STATUS,
    )
    files = {"init": (0o755, script.encode())}
    files["bin/busybox"] = 0o755, kernel.busybox.read_bytes()
    files |= {f"modules/{module.name}": (0o644, module.read_bytes()) for module in modules}
    with gzip.open(path, "wb", compresslevel=1) as archive:
        for name in ("bin", "modules", "proc", "sys"):
            archive.write(_entry(name, 0o040755, b""))
        for tool in _TOOLS:
            archive.write(_entry(f"bin/{tool}", 0o120777, b"busybox"))
        for name, (mode, data) in files.items():
            archive.write(_entry(name, 0o100000 | mode, data))
        archive.write(_entry("TRAILER!!!", 0, b""))


_TOOLS: Final = ("sh", "mount", "insmod", "mkdir", "chroot", "sync", "poweroff", "ip", "echo")


def in_order(modules: Path, wanted: Sequence[str]) -> list[Path]:
    """The modules wanted and those they need, each after what it needs. CannotRun."""
    found = {path.stem.replace("-", "_"): path for path in modules.rglob("*.ko")}
    built_in = {
        Path(line).stem.replace("-", "_")
        for line in (modules / "modules.builtin").read_text(encoding="utf-8").splitlines()
    }
    order: dict[str, Path] = {}

    def add(name: str) -> None:
        if name in order or name in built_in:
            return
        if name not in found:
            raise CannotRun(f"the kernel {modules.name} has no module {name}; the `cloud` one?")
        said = _DEPENDS.search(found[name].read_bytes())
        for other in said.group(1).decode().split(",") if said else ():
            if other:
                add(other.replace("-", "_"))
        order[name] = found[name]

    for name in wanted:
        add(name)
    return list(order.values())


def _entry(name: str, mode: int, data: bytes) -> bytes:
    """One file of a cpio archive, `newc` (kernel: Documentation/driver-api/early-userspace)."""
    raw = name.encode() + b"\0"
    numbers = (0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(raw), 0)
    head = b"070701" + b"".join(b"%08X" % number for number in numbers) + raw
    return _padded(head) + _padded(data)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


async def run(
    kernel: Kernel, initramfs: Path, results: Path, say: Callable[[str], None], limit_s: float
) -> int | None:
    """Boot, and hand on each line of the console. The guest's status; None if there is none.

    The machine is ended when `limit_s` are over: TimeoutError.
    """
    process = await asyncio.create_subprocess_exec(
        QEMU, "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", str(_MEMORY_MIB),
        "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-serial", "stdio",
        "-kernel", str(kernel.image), "-initrd", str(initramfs),
        "-append", "console=ttyS0 quiet panic=-1 mitigations=off",
        "-device", "virtio-rng-pci",
        "-virtfs", "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap",
        "-virtfs", f"local,path={results},mount_tag=results,security_model=none",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        async with asyncio.timeout(limit_s):
            with (results / "console.log").open("w", encoding="utf-8") as console:
                async for raw in process.stdout:
                    # pytest counts on one line as long as it collects.
                    line = raw.decode(errors="replace").rstrip().rpartition("\r")[2]
                    console.write(line + "\n")
                    say(line)
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    status = results / STATUS
    return int(status.read_text()) if status.exists() else None
