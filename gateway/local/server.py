"""The HTTP server on the unix socket: its file, its life, who calls, and how errors are answered.

Not here: what the addresses mean (`api`). An error is `{"error": {"code", "message", "next"}}` with
the HTTP status of its kind; `code` is stable, `next` says what to do and may be empty.
"""

from __future__ import annotations

import asyncio
import grp
import os
import socket
import stat
from typing import TYPE_CHECKING, Any

import structlog
from aiohttp import web

from gateway.errors import (
    ConfigError,
    DeviceRefused,
    GatewayError,
    RadioRefused,
    RequestError,
    Retry,
)
from gateway.local.access import Access, Caller, peer_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aiohttp.typedefs import Handler, Middleware

CALLER: web.RequestKey[Caller] = web.RequestKey("caller", Caller)

MAX_BODY = 64 * 1024
"""Octets of a request; the longest meant to come is a few hundred."""

log = structlog.stdlib.get_logger(__name__)

_STATUS = {
    "bad_request": 400,
    "not_permitted": 403,
    "not_found": 404,
    "unknown_device": 404,
    "unknown_credential": 404,
    "unknown_grant": 404,
    "unknown_command": 404,
    "unknown_medium": 404,
    "unknown_key": 404,
    "ambiguous": 409,
    "conflict": 409,
    "unsupported": 409,
    "time_no_issuer": 409,
    "time_not_fresh": 409,
    "time_behind_floor": 409,
    "time_alone": 409,
    "no_digits": 410,
    "internal": 500,
}

_NEXT = {
    "not_permitted": "Ask an administrator to add the user to the group, or use sudo.",
    "no_digits": "The digits were destroyed after a confirmed erase; nobody has them here.",
}


class RequestRefused(RequestError):
    """A request error that also says what to do instead."""

    def __init__(self, message: str, code: str, next_step: str) -> None:
        super().__init__(message, code)
        self.next_step = next_step


def error_document(error: GatewayError) -> tuple[int, dict[str, object]]:
    """HTTP status and body for anything this program raises on purpose."""
    if isinstance(error, RequestError):
        status, code = _STATUS.get(error.code, 400), error.code
        step = getattr(error, "next_step", _NEXT.get(code, ""))
    elif isinstance(error, DeviceRefused):
        status, code, step = 409, error.refusal.value, ""
    elif isinstance(error, RadioRefused):
        status, code, step = 409, "radio_refused", ""
    elif error.retry is Retry.NEVER:
        status, code, step = 500, "internal", "See the gateway's log."
    else:
        status, code, step = 503, "unavailable", "Try again in a moment."
    return status, {"error": {"code": code, "message": str(error), "next": step}}


async def body_of(request: web.Request) -> dict[str, Any]:
    """A JSON object, or nothing at all; the text of a bad one is never repeated."""
    if not request.can_read_body:
        return {}
    try:
        body = await request.json()
    except ValueError:
        raise RequestError("could not read the request: its body is not JSON") from None
    if not isinstance(body, dict):
        raise RequestError("could not read the request: its body is not a JSON object")
    return body


def middleware(access: Access) -> Middleware:
    """Names the caller before, and answers errors after, every handler."""

    @web.middleware
    async def handle(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            sock = request.get_extra_info("socket")
            if sock is None:
                raise RequestError("could not tell who is calling", "not_permitted")
            request[CALLER] = await access.caller(*peer_of(sock))
            return await handler(request)
        except GatewayError as error:
            status, body = error_document(error)
            if status >= 500:
                log.warning("local_request_failed", path=request.path, error=str(error))
            return web.json_response(body, status=status)
        except web.HTTPException as error:
            if error.status < 400:
                raise
            message = f"could not answer {request.method} {request.path}: {error.reason}"
            code = {404: "not_found", 405: "bad_request", 413: "too_large"}.get(
                error.status, "bad_request"
            )
            body = {"error": {"code": code, "message": message, "next": "See docs/local-api.md."}}
            return web.json_response(body, status=error.status)

    return handle


class LocalServer:
    """`run` serves an application on the socket until cancelled; `started` returns once it does."""

    def __init__(self, application: web.Application, path: Path, group: str) -> None:
        self._application = application
        self._path = path
        self._group = group
        self._listening = asyncio.Event()

    async def started(self) -> None:
        await self._listening.wait()

    async def run(self) -> None:
        """ConfigError when another daemon answers there, or the place is not ours."""
        listener = listen(self._path, self._group)
        forget = _remover(self._path)
        # A caller that goes away ends its request: that is how `join` closes the network.
        runner = web.AppRunner(
            self._application, handler_cancellation=True, access_log=None, shutdown_timeout=2.0
        )
        try:
            await runner.setup()
            await web.SockSite(runner, listener, backlog=16).start()
            self._listening.set()
            await asyncio.get_running_loop().create_future()
        finally:
            self._listening.clear()
            await runner.cleanup()
            listener.close()
            forget()


def _remover(path: Path) -> Callable[[], None]:
    """Unlinks the socket made just now, and no later one in its place."""
    inode = path.stat().st_ino

    def remove() -> None:
        if path.exists() and path.stat().st_ino == inode:
            path.unlink()

    return remove


def listen(path: Path, group: str) -> socket.socket:
    """A bound socket with mode 0660 and its group, before anybody can connect to it."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        _clear(path)
        sock.bind(str(path))
        # Until `listen` nobody gets through, so the mode is never wider than meant.
        path.chmod(0o660)
        _give_to(path, group)
    except OSError as error:
        sock.close()
        raise ConfigError(f"could not open the local socket {path}: {error}") from error
    except ConfigError:
        sock.close()
        raise
    sock.setblocking(False)
    return sock


def _clear(path: Path) -> None:
    """Remove what a killed daemon left; never a socket that answers, nor anything but a socket."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ConfigError(f"could not open the local socket {path}: a file is in the way")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
        else:
            raise ConfigError(f"could not open the local socket {path}: another daemon answers")


def _give_to(path: Path, group: str) -> None:
    """Where the group is missing, or not ours to give to, only our own user and root connect."""
    try:
        os.chown(path, -1, grp.getgrnam(group).gr_gid)
    except (KeyError, PermissionError) as error:
        reason = "no such group" if isinstance(error, KeyError) else "not permitted"
        log.info("local_socket_group_not_set", group=group, reason=reason)
