"""Exit codes are a promise to scripts: the document names each."""

from __future__ import annotations

import re
from pathlib import Path

from gateway.cli.exits import Exit, Failure

DOCUMENT = Path(__file__).parents[3] / "docs" / "local-api.md"


def test_every_exit_code_is_documented_and_no_other() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    table = text[text.index("| exit code | meaning |") :].partition("\n\n")[0]
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)] == list(Exit)


def test_a_failure_has_a_code_for_machines_also_when_none_was_given() -> None:
    assert Failure("x", Exit.NO_DAEMON).code == "no_daemon"
    assert Failure("x", Exit.FAILED, "jammed", "oil it").code == "jammed"
