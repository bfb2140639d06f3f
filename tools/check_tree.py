"""Checks the shape of the tree: every module says what it is, and has a test module of its name.

A module of `gateway` or `firmware_sims` without a docstring fails. A module of `gateway` with code
but without a test module of its name fails under `--strict` and is a note otherwise, unless it is
listed below with the place where it is tested; one over 400 lines is always a note. Not here: style
(ruff) and imports (import-linter).
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
LONG = 400

TESTED_ELSEWHERE = {
    "gateway/__main__.py": ("tests/command_line.py", "one line; every command as a process"),
    "gateway/app.py": ("tests/house", "composes; run as a process with everything in it"),
    "gateway/cli/hours.py": ("tests/unit/cli/test_media.py", "as cards take them"),
    "gateway/cli/measures.py": ("tests/unit/cli/test_render.py", "how a reading is written"),
    "gateway/cli/operate.py": ("tests/unit/cli/test_main.py", "its commands, as processes"),
    "gateway/domain/reconcile.py": ("tests/properties/test_reconcile.py", "rules are properties"),
    "gateway/drivers/access.py": (
        "tests/unit/drivers/test_ttlock_media_session.py",
        "only protocols",
    ),
    "gateway/drivers/bthome/family.py": ("tests/unit/drivers/test_bthome.py", "with the driver"),
    "gateway/drivers/bthome/keys.py": ("tests/wire/test_bthome.py", "with the bytes it opens"),
    "gateway/drivers/bthome/parser.py": ("tests/wire/test_bthome.py", "with the bytes it reads"),
    "gateway/drivers/bthome/wire.py": ("tests/wire/test_bthome.py", "named by family"),
    "gateway/drivers/carrier.py": ("tests/unit/drivers/test_ttlock_link.py", "the link"),
    "gateway/drivers/clocks.py": ("tests/contracts/test_drivers.py", "with each kind of lock"),
    "gateway/drivers/conversing.py": ("tests/unit/drivers/test_ttlock_link.py", "its loop"),
    "gateway/drivers/listing.py": ("tests/unit/drivers/test_nuki_codes.py", "proof"),
    "gateway/drivers/log_cursor.py": ("tests/unit/drivers/test_nuki_logbook.py", "with a log"),
    "gateway/drivers/nuki/commands.py": ("tests/wire/test_nuki_wire.py", "with the frames"),
    "gateway/drivers/nuki/crypto.py": ("tests/wire/test_nuki_wire.py", "the vendor's example"),
    "gateway/drivers/nuki/keys.py": (
        "tests/unit/drivers/test_nuki_family.py",
        "as pairing makes them",
    ),
    "gateway/drivers/nuki/link.py": (
        "tests/unit/drivers/test_nuki_driver.py",
        "under every conversation",
    ),
    "gateway/drivers/nuki/settings.py": (
        "tests/unit/drivers/test_nuki_driver.py",
        "on a simulated lock",
    ),
    "gateway/drivers/nuki/voice.py": (
        "tests/unit/drivers/test_nuki_driver.py",
        "under every conversation",
    ),
    "gateway/drivers/steps.py": ("tests/unit/drivers/test_numbering.py", "values"),
    "gateway/drivers/ttlock/dialogue.py": ("tests/unit/drivers/test_ttlock_codes.py", "small talk"),
    "gateway/drivers/withdrawing.py": ("tests/unit/drivers/test_session.py", "by those who use it"),
    "gateway/drivers/yale_august/family.py": (
        "tests/contracts/test_yale_august.py",
        "needs an air",
    ),
    "gateway/drivers/yale_august/keys.py": (
        "tests/wire/test_yale_august.py",
        "with the forms it takes",
    ),
    "gateway/drivers/yale_august/talk.py": ("tests/contracts/test_yale_august.py", "needs an air"),
    "gateway/drivers/yale_august/wire.py": ("tests/wire/test_yale_august.py", "named by family"),
    "gateway/drivers/zwave_lock/codes.py": (
        "tests/unit/drivers/test_zwave_lock_session.py",
        "under every conversation",
    ),
    "gateway/drivers/zwave_lock/entries.py": (
        "tests/unit/drivers/test_zwave_lock_session.py",
        "under every conversation",
    ),
    "gateway/drivers/zwave_lock/settings.py": (
        "tests/unit/drivers/test_zwave_lock_driver.py",
        "with the driver",
    ),
    "gateway/local/commands.py": ("tests/contracts/test_local_api.py", "its part of the API"),
    "gateway/local/queries.py": ("tests/contracts/test_local_api.py", "what the API answers with"),
    "gateway/local/server.py": ("tests/contracts/test_local_api.py", "socket, groups, limits"),
    "gateway/local/signal.py": ("tests/unit/cli/test_bluetooth.py", "with how it is shown"),
    "gateway/local/streams.py": ("tests/contracts/test_local_api.py", "its part of the API"),
    "gateway/radios/ble/adapter.py": ("tests/contracts/test_ble_radio.py", "needs an air"),
    "gateway/radios/ble/link.py": ("tests/contracts/test_ble_radio.py", "needs an air"),
    "gateway/radios/ble/links.py": ("tests/contracts/test_ble_radio.py", "needs an air"),
    "gateway/radios/zwave/members.py": ("tests/radios/zwave/test_radio.py", "needs nodes"),
    "gateway/radios/command_classes.py": ("tests/radios/zwave/test_radio.py", "a contract"),
    "gateway/radios/gatt.py": ("tests/unit/radios/ble/test_airwaves.py", "grades; else protocols"),
    "gateway/radios/zigbee/exchanges.py": ("tests/contracts/test_zigbee_radio.py", "needs a stick"),
    "gateway/radios/zigbee/joining.py": ("tests/contracts/test_zigbee_radio.py", "needs a stick"),
    "gateway/radios/zigbee/members.py": ("tests/contracts/test_zigbee_radio.py", "needs a stick"),
    "gateway/scheduler/anew.py": ("tests/flows/test_anew.py", "on a lock that answers"),
    "gateway/scheduler/before.py": ("tests/unit/scheduler/test_record.py", "a part of Record"),
    "gateway/scheduler/facts.py": ("tests/unit/scheduler/test_record.py", "a part of Record"),
    "gateway/scheduler/readings.py": ("tests/unit/scheduler/test_record.py", "a part of Record"),
    "gateway/store/beforehand.py": ("tests/unit/sync/test_accept.py", "with what lists it"),
    "gateway/store/readings.py": ("tests/flows/test_meters.py", "from the air to the report"),
    "gateway/store/withhold.py": ("tests/unit/sync/test_accept.py", "with the guard it serves"),
}
"""Module below the root -> where it is tested instead, and why no test module bears its name."""


def main(*, strict: bool) -> int:
    faults: list[str] = []
    notes: list[str] = []
    untested = faults if strict else notes
    tests = {_flat(path.relative_to(ROOT / "tests")) for path in ROOT.glob("tests/**/test_*.py")}
    for package in ("gateway", "firmware-sims/firmware_sims"):
        for path in sorted((ROOT / package).rglob("*.py")):
            if "node_modules" in path.parts:  # npm's, which brings some Python
                continue
            shown = path.relative_to(ROOT).as_posix()
            text = path.read_text(encoding="utf-8")
            tree = ast.parse(text)
            lines = len(text.splitlines())
            if ast.get_docstring(tree) is None:
                faults.append(f"{shown}: no docstring; say what lives here and what does not")
            if lines > LONG:
                notes.append(f"{shown}: {lines} lines; is it still one room?")
            if package != "gateway" or shown in TESTED_ELSEWHERE or not _has_code(tree):
                continue
            if not _is_tested(path.relative_to(ROOT / package), tests):
                untested.append(f"{shown}: no test module of its name below tests/")
    faults += [
        f"{name}: named in tools/check_tree.py, but it does not exist"
        for shown, (place, _) in TESTED_ELSEWHERE.items()
        for name in (shown, place)
        if not (ROOT / name).exists()
    ]
    for line in notes:
        print(f"note: {line}")
    for line in faults:
        print(line)
    return 1 if faults else 0


def _has_code(tree: ast.Module) -> bool:
    """Whether any function does something; protocols, values and constants do not."""
    return any(
        isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and not all(
            isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant)
            for line in node.body
        )
        for node in ast.walk(tree)
    )


def _is_tested(module: Path, tests: set[str]) -> bool:
    """Whether a test's path ends as the module's does: its package and name, or all of it.

    For `drivers/zcl_lock/clock.py` that is `…/zcl_lock/test_clock.py`, `…/test_zcl_lock_clock.py`
    or, for a family that is alone, `…/drivers/test_clock.py`; never `…/kit/test_clock.py`.
    """
    parts = [part for part in module.with_suffix("").parts if part != "__init__"]
    names = {"_".join(parts[-2:]), "_".join(parts), "_".join([*parts[:1], *parts[1:][-1:]])}
    return any(test == name or test.endswith(f"_{name}") for test in tests for name in names)


def _flat(test: Path) -> str:
    return "_".join([*test.parts[:-1], test.stem.removeprefix("test_")])


if __name__ == "__main__":
    sys.exit(main(strict="--strict" in sys.argv[1:]))
