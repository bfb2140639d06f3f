"""Where log lines go and what they may hold: one pipeline for our own and for the libraries'.

Here: JSON lines or readable ones on standard error, levels, and a last net under secrets. Not
here: what is logged. Whoever logs keeps codes and keys out; the net is for the day somebody fails.

Rules
- The libraries' loggers stay at WARNING whatever the level: the DEBUG lines of zigpy, bellows and
  paho hold codes and network keys.
- A value under a secret's name, and any bytes, are replaced by what kind of thing was there.
- Tracebacks come without local variables.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import re
import sys
from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any, TextIO

import structlog

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor, WrappedLogger

REDACTED = "[redacted]"

_WORDS = "digits?|pins?|pin_?codes?|user_?codes?|keys?|tokens?|passwords?|passphrases?|secrets?"
_SECRET_NAME = re.compile(rf"(?:.*[_.-])?(?:{_WORDS}|codes?)", re.IGNORECASE)
"""The last word decides: `network_key` is a secret, `key_file` and `code_length` are not."""
_SECRET_IN_TEXT = re.compile(
    rf"""((?:\b|_)(?:{_WORDS})['"]?\s*[=:]\s*)"""  # a name and = or :
    r"""(?:b?'[^']*'|b?"[^"]*"|[^\s,;)\]}]+)""",
    re.IGNORECASE,
)
_BYTES_IN_TEXT = re.compile(r"""\bb(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")""")
_INPUT_IN_TEXT = re.compile(r"input_value=.*?(?=, input_type=)", re.DOTALL)
"""pydantic repeats what it refuses."""

_PRIORITY = {"critical": 2, "error": 3, "warning": 4, "info": 6, "debug": 7}
"""syslog(3); systemd reads it from a prefix, sd-daemon(3)."""


def configure(level: str = "info", form: str = "auto", stream: TextIO | None = None) -> None:
    """Set up both structlog and logging. `form`: auto, json or console; may be called again."""
    stream = stream or sys.stderr
    console = stream.isatty() if form == "auto" else form == "console"
    chain: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.processors.format_exc_info,
        redact,
    ]
    last: list[Processor] = [_renderer(stream) if console else structlog.processors.JSONRenderer()]
    if "JOURNAL_STREAM" in os.environ and not console:
        last = [_with_priority(last[0])]

    structlog.configure(
        processors=[*chain, *last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=False,  # loggers made at import must follow a later call
    )
    handler = logging.StreamHandler(stream)
    handler.setLevel(logging.WARNING)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_from_library, *chain],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.captureWarnings(True)


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace what must not be written. Names of ours are checked, libraries' text is searched."""
    clean = {name: _clean(name, value) for name, value in event.items() if name[:1] != "_"}
    if "exception" in clean:
        clean["exception"] = _searched(str(clean["exception"]))
    if "_record" in event:
        clean["event"] = _searched(str(event["event"]))
        clean |= {name: event[name] for name in ("_record", "_from_structlog")}
    return clean


def _clean(name: str, value: Any) -> Any:
    if value is not None and _SECRET_NAME.fullmatch(name):
        return REDACTED
    match value:
        case bytes() | bytearray() | memoryview():
            return f"<{len(value)} bytes>"
        case Enum():
            return _clean("", value.value)
        case None | bool() | int() | float() | str():
            return value
        case Mapping():
            return {str(key): _clean(str(key), inner) for key, inner in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_clean("", inner) for inner in value]
        case BaseException():
            return _searched(str(value) or type(value).__name__)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        shown = [field.name for field in dataclasses.fields(value) if field.repr]
        return {key: _clean(key, getattr(value, key)) for key in shown}
    return _searched(str(value))


def _searched(text: str) -> str:
    text = _INPUT_IN_TEXT.sub(f"input_value={REDACTED}", text)
    text = _SECRET_IN_TEXT.sub(rf"\1{REDACTED}", text)
    return _BYTES_IN_TEXT.sub("<bytes>", text)


def _from_library(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event["logger"] = event["_record"].name
    return event


def _renderer(stream: TextIO) -> Processor:
    return structlog.dev.ConsoleRenderer(
        colors=stream.isatty(),
        timestamp_key="time",
        # The default, where rich is installed, prints local variables.
        exception_formatter=structlog.dev.plain_traceback,
    )


def _with_priority(renderer: Processor) -> Processor:
    def render(logger: WrappedLogger, method: str, event: EventDict) -> str:
        priority = _PRIORITY.get(event.get("level", ""), 6)
        return f"<{priority}>{renderer(logger, method, event)!s}"

    return render
