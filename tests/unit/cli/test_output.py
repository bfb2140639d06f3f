"""What reaches the terminal: one document, one line of JSON, and nothing that steers it."""

from __future__ import annotations

import json

import pytest

from gateway.cli.exits import Exit, Failure
from gateway.cli.output import fail, print_stream, printable, show

DOCUMENT = {"name": "Tür\x1b[2J", "list": ["a\nb", 3, None], "ok": True}


def test_json_is_the_document_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    show(DOCUMENT, True, lambda _: pytest.fail("not for people"))
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert json.loads(out) == DOCUMENT
    assert "\x1b" not in out


def test_people_get_no_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    show(DOCUMENT, False, lambda document: f"{document['name']} {document['list'][0]}")
    assert (
        capsys.readouterr().out == "Tür\N{REPLACEMENT CHARACTER}[2J a\N{REPLACEMENT CHARACTER}b\n"
    )


def test_what_is_no_text_stays_as_it_is() -> None:
    assert printable(DOCUMENT)["list"][1:] == [3, None]
    assert printable(1.5) == 1.5


def test_a_failure_is_told_on_stderr_with_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    failure = Failure("could not unlock \x07Front", Exit.FAILED, "jammed", "Oil it.")
    fail(failure, as_json=False)
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == "lock-gateway: could not unlock \N{REPLACEMENT CHARACTER}Front\n  Oil it.\n"
    fail(failure, as_json=True)
    assert json.loads(capsys.readouterr().err)["error"] == {
        "code": "jammed",
        "message": "could not unlock \x07Front",
        "next": "Oil it.",
    }


def test_a_stream_is_a_line_for_each_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert print_stream(iter([{"n": 1}, {"n": 2}])) == {"n": 2}
    assert [json.loads(line)["n"] for line in capsys.readouterr().out.splitlines()] == [1, 2]
    assert print_stream(iter([])) is None
