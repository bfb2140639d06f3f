"""One connection to the Z-Wave server: made, checked, listened to, ended, thrown away.

Here: versions of both sides, the library's client, and its gaps. Not here: what nodes say
(`members`), and which server it is (`process`).
"""

from __future__ import annotations

import asyncio
import json
import logging
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import structlog
from aiohttp import ClientSession
from zwave_js_server.client import Client
from zwave_js_server.const import __version__ as client_version
from zwave_js_server.exceptions import InvalidServerVersion, NotConnected
from zwave_js_server.model.driver import Driver

from gateway.errors import RadioRefused, RadioUnavailable
from gateway.radios.zwave.plain import LIBRARY_ERRORS
from gateway.radios.zwave.process import PACKAGES

if TYPE_CHECKING:
    from collections.abc import Callable

    from zwave_js_server.model.controller import Controller

    from gateway.radios.zwave.process import Door

log = structlog.get_logger(__name__)

CLIENT = "0.56.0"
"""The newest for Python 3.11; it speaks schema 35. pyproject.toml pins the same."""

GOODBYE_S = 2.0
"""A server that hangs does not say goodbye."""

Event = dict[str, Any]


@cache
def pinned() -> dict[str, str]:
    """npm package -> version, of the server's side."""
    text = PACKAGES.joinpath("package.json").read_text(encoding="utf-8")
    return cast("dict[str, str]", json.loads(text)["dependencies"])


class _Listener(Client):
    """The library's client, which survives a word it does not know.

    Its own `listen` ends at the first event that its models lack, and with schema 35 the server
    still sends some: "node info received" whenever somebody presses a device's button.
    """

    def __init__(self, url: str, session: ClientSession, hear: Callable[[Event], None]) -> None:
        super().__init__(url, session)
        self._hear = hear

    def _handle_incoming_message(self, msg: dict[str, Any]) -> None:
        try:
            super()._handle_incoming_message(msg)
        except Exception as error:  # noqa: BLE001 - whatever its models make of a foreign word
            log.debug("an event the library does not know", cause=type(error).__name__)
        if msg.get("type") == "event":
            self._hear(msg["event"])


class Line:
    """`open`, then `ask` as often as you like, then `close`, which is safe at any time.

    `hear`: each event after the library's models know of it, on the loop. `lost`: told why, once,
    unless it was closed.
    """

    def __init__(self, hear: Callable[[Event], None], lost: Callable[[str], None]) -> None:
        self._hear = hear
        self._lost = lost
        self._session: ClientSession | None = None
        self._client: _Listener | None = None
        self._listening: asyncio.Task[None] | None = None

    @property
    def controller(self) -> Controller:
        """As the library knows it now. `RadioUnavailable` while there is no connection."""
        driver = self._client.driver if self._client is not None else None
        if not isinstance(driver, Driver):
            raise RadioUnavailable("could not use the Z-Wave radio: no connection to its server")
        return driver.controller

    async def open(self, door: Door) -> None:
        """Returns when the whole state is here.

        `RadioRefused`: its versions are not those that were tested together. `RadioUnavailable`.
        """
        hush()
        shown = {"Authorization": f"Bearer {door.token.reveal()}"} if door.token else {}
        self._session = ClientSession(headers=shown)
        self._client = client = _Listener(door.url, self._session, self._hear)
        try:
            await client.connect()
        except InvalidServerVersion as error:
            raise RadioRefused(
                f"could not use the Z-Wave server: it is @zwave-js/server {error.server_version}, "
                f"which does not speak schema {error.required_schema_version}; run tools/setup.sh"
            ) from None
        except LIBRARY_ERRORS as error:
            raise RadioUnavailable(
                f"could not connect to the Z-Wave server at {door.url}: {type(error).__name__}"
            ) from None
        _check(client)
        ready = asyncio.Event()
        self._listening = asyncio.create_task(self._listen(client, ready), name="zwave line")
        waiting = asyncio.create_task(ready.wait())
        try:
            await asyncio.wait({waiting, self._listening}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if not ready.is_set():
            raise RadioUnavailable("could not connect to the Z-Wave server: it told no state")

    async def ask(self, command: str, **fields: Any) -> Any:
        """One command of the server. Raises what the library raises."""
        if self._client is None:
            raise NotConnected
        return await self._client.async_send_command({"command": command, **fields})

    async def close(self) -> None:
        listening, self._listening = self._listening, None
        client, self._client = self._client, None
        session, self._session = self._session, None
        self._lost = _nobody
        if client is not None:
            try:
                async with asyncio.timeout(GOODBYE_S):
                    await client.disconnect()
            except LIBRARY_ERRORS as error:
                log.debug("the line did not end cleanly", cause=type(error).__name__)
        if listening is not None:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
        if session is not None:
            await session.close()

    async def _listen(self, client: _Listener, ready: asyncio.Event) -> None:
        cause = "the connection was closed"
        try:
            await client.listen(ready)
        except LIBRARY_ERRORS as error:
            cause = type(error).__name__
        finally:
            if ready.is_set():
                self._lost(f"the line to the Z-Wave server is gone: {cause}")


def _nobody(_: str) -> None:
    """Whoever closes it knows that it ends."""


def _check(client: Client) -> None:
    """`RadioRefused` unless all three versions are the pinned ones."""
    version = client.version
    if version is None:
        raise RadioUnavailable("could not connect to the Z-Wave server: it told no version")
    if client_version != CLIENT:
        raise RadioRefused(
            f"could not use the Z-Wave server: this gateway is tested with zwave-js-server-python "
            f"{CLIENT}, and {client_version} is installed; run tools/setup.sh"
        )
    for package, found in (
        ("@zwave-js/server", version.server_version),
        ("zwave-js", version.driver_version),
    ):
        if found != pinned()[package]:
            raise _mismatch(package, found)


def _mismatch(package: str, found: str) -> RadioRefused:
    return RadioRefused(
        f"could not use the Z-Wave server: it is {package} {found}, and this gateway is tested "
        f"with {pinned()[package]}; run tools/setup.sh, or "
        "install that version where zwave.server runs"
    )


def hush() -> None:
    """At DEBUG the library logs every message, user codes included."""
    logger = logging.getLogger("zwave_js_server")
    logger.setLevel(max(logger.level, logging.WARNING))
