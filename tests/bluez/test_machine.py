"""What the machine of `make bluez-vm` is made of. Whether it boots, only `make bluez-vm` says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.bluez.machine import CannotRun, in_order

if TYPE_CHECKING:
    from pathlib import Path


def kernel_with(folder: Path, modules: dict[str, str], built_in: tuple[str, ...] = ()) -> Path:
    """Modules by file name, each with what it says that it depends on."""
    (folder / "kernel").mkdir(parents=True)
    for name, needs in modules.items():
        (folder / "kernel" / f"{name}.ko").write_bytes(b"ELF\0depends=" + needs.encode() + b"\0x")
    lines = "".join(f"kernel/{name}.ko\n" for name in built_in)
    (folder / "modules.builtin").write_text(lines, encoding="utf-8")
    return folder


def test_each_module_comes_once_and_after_what_it_needs(tmp_path: Path) -> None:
    needs = {"hci_vhci": "bluetooth", "bluetooth": "ecdh-generic,crc16", "ecdh-generic": "ecc"}
    folder = kernel_with(tmp_path, {**needs, "ecc": "", "drbg": ""}, ("crc16",))
    found = [path.stem for path in in_order(folder, ("drbg", "ecdh_generic", "hci_vhci", "crc16"))]
    assert found == ["drbg", "ecc", "ecdh-generic", "bluetooth", "hci_vhci"]


def test_a_kernel_without_bluetooth_is_told_by_name(tmp_path: Path) -> None:
    folder = kernel_with(tmp_path / "6.1.0-cloud-amd64", {"hci_vhci": "bluetooth"})
    with pytest.raises(CannotRun, match=r"6\.1\.0-cloud-amd64 has no module bluetooth"):
        in_order(folder, ("hci_vhci",))
