"""The import rules themselves: each names modules that exist, and the domain is pure in full.

`lint-imports` (make lint) holds the code to the contracts in pyproject.toml. Here is what it does
not check: that a contract cannot pass because its pattern matches nothing, and a purity stated as
what is allowed rather than as a list of what is not.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import grimp
import pytest

ROOT = Path(__file__).parents[2]

IMPURE = {
    "asyncio", "contextvars", "ctypes", "io", "logging", "multiprocessing", "os", "pathlib",
    "random", "secrets", "signal", "socket", "sqlite3", "ssl", "subprocess", "tempfile",
    "threading", "time", "uuid",
}  # fmt: skip
"""Standard library that reaches the world: clock, chance, files, network, other tasks."""


@cache
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(
        "gateway", "firmware_sims", include_external_packages=True, cache_dir=None
    )


def contracts() -> list[dict[str, Any]]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found: list[dict[str, Any]] = settings["tool"]["importlinter"]["contracts"]
    return found


def named_modules(contract: dict[str, Any]) -> set[str]:
    """Every module or pattern a contract speaks of."""
    names: set[str] = set()
    for field in ("source_modules", "forbidden_modules", "protected_modules", "allowed_importers"):
        names |= set(contract.get(field, []))
    names |= set(contract.get("modules", []))
    for line in contract.get("ignore_imports", []):
        names |= {side.strip() for side in line.split("->")}
    for container in contract.get("containers", []):
        names |= {
            f"{container}.{layer.strip(' ()')}"
            for line in contract["layers"]
            for layer in re.split(r"[|:]", line)
        }
    return names


@pytest.mark.parametrize("contract", contracts(), ids=lambda contract: contract["name"])
def test_every_name_in_a_contract_is_a_module(contract: dict[str, Any]) -> None:
    names = named_modules(contract)
    assert names
    for name in names:
        # What nobody imports is missing from the graph; a rule may forbid it all the same.
        if name in sys.stdlib_module_names and name in contract.get("forbidden_modules", []):
            continue
        if "*" in name:
            assert graph().find_matching_modules(name), f"{name} matches no module"
        else:
            assert name in graph().modules, f"{name} is no module"


def test_an_allowed_importer_uses_what_it_is_allowed() -> None:
    """Else the permission is left over, and the next one to use it is not noticed."""
    for contract in contracts():
        protected = {
            module
            for name in contract.get("protected_modules", [])
            for module in (name, *_below(name))
        }
        for importer in contract.get("allowed_importers", []):
            used = {
                imported
                for module in (importer, *_below(importer))
                for imported in graph().find_modules_directly_imported_by(module)
            }
            assert used & protected, f"{importer} needs no permission in: {contract['name']}"


def _below(module: str) -> set[str]:
    return set() if graph().is_module_squashed(module) else graph().find_descendants(module)


def test_the_domain_imports_the_standard_library_s_values_and_itself() -> None:
    for module in sorted({"gateway.domain", *_below("gateway.domain")}):
        for imported in graph().find_modules_directly_imported_by(module):
            if imported == "gateway.errors" or imported.startswith("gateway.domain."):
                continue
            assert imported in sys.stdlib_module_names - IMPURE, f"{module} imports {imported}"


def test_zones_are_read_in_one_place() -> None:
    """The host's own zone files may be years older than the `tzdata` a release is pinned to."""
    asking = [
        path.relative_to(ROOT).as_posix()
        for path in sorted((ROOT / "gateway").rglob("*.py"))
        if "ZoneInfo(" in path.read_text(encoding="utf-8")
    ]
    assert asking == ["gateway/domain/windows.py"]


def test_the_daemon_brings_a_radio_s_libraries_only_where_that_radio_is_enabled() -> None:
    """zigpy and bellows take 20 MB, bleak and D-Bus 4: a small gateway has little."""
    code = "import sys, gateway.app; print(*sorted(m for m in sys.modules if '.' not in m))"
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    )
    imported = set(told.stdout.split())
    assert "aiohttp" in imported
    libraries = {"bellows", "bleak", "bthome_ble", "dbus_fast", "nacl", "zigpy", "zwave_js_server"}
    assert not imported & libraries
