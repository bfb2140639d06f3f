"""The frame of every command: whatever ends it has an exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from gateway.cli.exits import Exit, Failure
from gateway.cli.options import DEFAULT_SOCKET, connect, reporting


def test_a_failure_becomes_its_exit_code_and_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as caught, reporting():
        raise Failure("could not look: nobody is there", Exit.NO_DAEMON)
    assert caught.value.exit_code == Exit.NO_DAEMON
    assert capsys.readouterr().err == "lock-gateway: could not look: nobody is there\n"


def test_a_fault_of_ours_is_not_dressed_up() -> None:
    with pytest.raises(ZeroDivisionError), reporting():
        raise ZeroDivisionError


def test_a_reader_that_left_is_no_failure() -> None:
    """As `lock-gateway events | head -1`, in a process of its own: it gives its stdout away."""
    program = """
import sys, typer
from gateway.cli.options import reporting
try:
    with reporting():
        raise BrokenPipeError
except typer.Exit as end:
    print("to nobody")
    sys.exit(end.exit_code)
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, b"", b"")


@pytest.mark.parametrize("given", [None, Path("x.sock")])
def test_the_socket_is_the_given_one_or_the_default(given: Path | None) -> None:
    with pytest.raises(Failure) as caught:
        connect(given).get("status")
    assert os.fspath(given or DEFAULT_SOCKET) in str(caught.value)
