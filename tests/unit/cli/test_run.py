"""`run`, `check-config` and `demo`: configuration faults by key, and exit codes passed on."""

from __future__ import annotations

import json
from pathlib import Path

from tests.command_line import lock_gateway

ROOT = Path(__file__).parents[3]

BAD = """
[gateway]
site_zone = "Nowhere/Land"

[brokr]
host = "127.0.0.1"
"""


async def test_the_example_has_nothing_wrong() -> None:
    ran = await lock_gateway("check-config", "-c", str(ROOT / "config.example.toml"))
    assert (ran.code, ran.err) == (0, "")
    assert "nothing wrong" in ran.out


async def test_every_fault_is_told_with_its_key(tmp_path: Path) -> None:
    config = tmp_path / "bad.toml"
    config.write_text(BAD)
    ran = await lock_gateway("check-config", "--config", str(config))
    assert ran.code == 78
    assert "gateway.site_zone" in ran.err
    assert "brokr" in ran.err
    told = await lock_gateway("check-config", "--json", LOCK_GATEWAY_CONFIG=str(config))
    assert told.code == 78
    document = json.loads(told.out)
    assert document["config"] == str(config)
    assert len(document["problems"]) == 2


async def test_run_refuses_a_bad_configuration_without_a_traceback(tmp_path: Path) -> None:
    config = tmp_path / "bad.toml"
    config.write_text(BAD)
    ran = await lock_gateway("run", "-c", str(config))
    assert ran.code == 78
    assert "brokr" in ran.err
    assert "Traceback" not in ran.err
    missing = await lock_gateway("run", "-c", str(tmp_path / "none.toml"))
    assert missing.code == 78
    assert "none.toml" in missing.err


async def test_demo_passes_its_arguments_and_exit_code_on(tmp_path: Path) -> None:
    package = tmp_path / "firmware_sims" / "demo"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").touch()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text("import sys\nprint(sys.argv[1:])\nsys.exit(7)\n")
    ran = await lock_gateway("demo", "--keep", "--report", "r.json", PYTHONPATH=str(tmp_path))
    assert ran.code == 7
    assert ran.out.strip() == "['--report', 'r.json', '--keep']"
