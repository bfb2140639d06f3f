"""The log pipeline: its forms, its levels, and the net under secrets."""

from __future__ import annotations

import io
import json
import logging
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from pydantic import BaseModel

from gateway.logs import REDACTED, configure

if TYPE_CHECKING:
    from collections.abc import Iterator

CANARY = "837465920"

log = structlog.get_logger()  # made before `configure`, as in every module


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()


@pytest.fixture
def out() -> io.StringIO:
    stream = io.StringIO()
    configure("info", "json", stream)
    return stream


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


@dataclass
class Holder:
    slot: int
    pin: str
    frame: bytes
    hidden: str = field(repr=False, default=CANARY)


class Message(BaseModel):
    slot: int


def test_a_line_says_when_what_and_about_whom(out: io.StringIO) -> None:
    log.info("programmed", device="dev_1", slot=3)
    (line,) = lines(out)
    assert line.pop("time").endswith("Z")
    assert line == {"event": "programmed", "level": "info", "device": "dev_1", "slot": 3}


def test_libraries_speak_from_warning_on_through_the_same_pipeline() -> None:
    stream = io.StringIO()
    configure("debug", "json", stream)
    zigpy = logging.getLogger("zigpy.appdb")
    zigpy.setLevel(logging.DEBUG)  # as somebody hunting a fault might
    zigpy.debug("frame with a code")
    zigpy.info("frame with a code")
    zigpy.warning("table %s is odd", "neighbours")
    zigpy.setLevel(logging.NOTSET)
    log.debug("ours")
    told = [(line["level"], line["event"], line.get("logger")) for line in lines(stream)]
    assert told == [
        ("warning", "table neighbours is odd", "zigpy.appdb"),
        ("debug", "ours", None),
    ]


def test_levels_below_the_chosen_one_are_dropped(out: io.StringIO) -> None:
    log.debug("detail")
    log.warning("trouble")
    assert [line["event"] for line in lines(out)] == ["trouble"]


@pytest.mark.parametrize(
    "value",
    [
        {"digits": CANARY},
        {"pin": CANARY},
        {"pin_code": int(CANARY)},
        {"network_key": CANARY},
        {"Token": CANARY},
        {"codes": [CANARY]},
        {"frame": CANARY.encode()},
        {"frame": bytearray(CANARY.encode())},
        {"deep": {"list": [{"password": CANARY}]}},
        {"deep": [("x", CANARY.encode())]},
        {"holder": Holder(1, CANARY, CANARY.encode())},
        {"error": ValueError(f"set_pin(pin_code={CANARY})")},
        {"error": ValueError(f"payload {CANARY.encode()!r}")},
    ],
)
def test_a_secret_is_caught(out: io.StringIO, value: dict[str, Any]) -> None:
    log.info("oops", device="dev_1", **value)
    assert CANARY not in out.getvalue()
    assert lines(out)[0]["device"] == "dev_1"


def test_what_is_not_secret_is_left_alone(out: io.StringIO) -> None:
    fields = {"key_file": "/etc/key", "code_length": 6, "shipping": "x", "encoded": "y", "n": None}
    log.info("fine", **fields)
    assert fields.items() <= lines(out)[0].items()


@pytest.mark.parametrize(
    "text",
    [
        f"set_pin_code(user_id=1, pin_code=b'{CANARY}')",
        f"{{'network_key': '{CANARY}'}}",
        f"password: {CANARY}, retrying",
        f'received b"{CANARY}\\"{CANARY}"',
    ],
)
def test_text_of_libraries_and_tracebacks_is_searched(out: io.StringIO, text: str) -> None:
    logging.getLogger("bellows").error("request failed: %s", text)
    try:
        raise ValueError(text)  # noqa: TRY301 - the traceback is what is tested
    except ValueError:
        log.exception("failed")
    assert CANARY not in out.getvalue()
    assert "ValueError" in lines(out)[1]["exception"]


def test_pydantic_s_input_is_not_repeated(out: io.StringIO) -> None:
    try:
        Message.model_validate({"slot": f"x{CANARY}"})
    except ValueError:
        log.exception("failed")
    assert CANARY not in out.getvalue()
    assert "valid integer" in out.getvalue()


@pytest.mark.parametrize("form", ["json", "console"])
def test_tracebacks_come_without_local_variables(form: str) -> None:
    stream = io.StringIO()
    configure("info", form, stream)
    local = CANARY
    try:
        int(local[:0])
    except ValueError:
        log.exception("failed")
    assert "ValueError" in stream.getvalue()
    assert CANARY not in stream.getvalue()


def test_warnings_of_python_become_lines(out: io.StringIO) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn("old", DeprecationWarning, stacklevel=1)
        logging.captureWarnings(False)
    assert "DeprecationWarning: old" in lines(out)[0]["event"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_auto_is_readable_on_a_terminal_and_json_elsewhere() -> None:
    terminal, pipe = Terminal(), io.StringIO()
    configure("info", "auto", terminal)
    log.info("hello")
    configure("info", "auto", pipe)
    log.info("hello")
    assert not terminal.getvalue().startswith("{")
    assert lines(pipe)[0]["event"] == "hello"


def test_under_systemd_each_line_has_its_priority(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "8:12345")
    stream = io.StringIO()
    configure("info", "json", stream)
    log.error("bad")
    logging.getLogger("zigpy").warning("odd")
    assert [line[:4] for line in stream.getvalue().splitlines()] == ["<3>{", "<4>{"]


def test_the_placeholder_says_that_something_was_there(out: io.StringIO) -> None:
    log.info("oops", pin=CANARY, frame=b"1234")
    assert (lines(out)[0]["pin"], lines(out)[0]["frame"]) == (REDACTED, "<4 bytes>")
