"""The local API's client: blocking HTTP over a unix socket, standard library only: it starts fast.

Not here: what the documents look like (docs/local-api.md) and how they are shown (`render`).
"""

from __future__ import annotations

import http.client
import json
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from gateway.cli.exits import Exit, Failure

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Document = dict[str, Any]

_TIMEOUT_S = 30.0

_EXITS = {403: Exit.NOT_PERMITTED, 503: Exit.TRY_AGAIN, 504: Exit.TRY_AGAIN}


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float | None) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.settimeout(self.timeout)
            sock.connect(str(self._path))
        except OSError:
            sock.close()
            raise
        self.sock = sock


class Client:
    """Every method raises `Failure` with the exit code that fits."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, *parts: str, **query: str | int | None) -> Document:
        return self._whole("GET", _target(parts, query), None, _TIMEOUT_S)

    def ask(self, *parts: str, timeout_s: float) -> Document:
        """`get` of what the daemon must ask a device for."""
        return self._whole("GET", _target(parts, {}), None, timeout_s)

    def post(self, *parts: str, body: Document, timeout_s: float = _TIMEOUT_S) -> Document:
        return self._send("POST", _target(parts, {}), body, timeout_s)

    def delete(self, *parts: str, body: Document, timeout_s: float = _TIMEOUT_S) -> Document:
        return self._send("DELETE", _target(parts, {}), body, timeout_s)

    def _send(self, method: str, target: str, body: Document, timeout_s: float) -> Document:
        """What may change something: whoever stops waiting for it does not take it back."""
        try:
            return self._whole(method, target, body, timeout_s)
        except KeyboardInterrupt:
            raise Failure(
                "interrupted: what was ordered may still be carried out",
                Exit.FAILED,
                "interrupted",
                "See `lock-gateway events`.",
            ) from None

    def stream(
        self,
        method: str,
        *parts: str,
        body: Document | None = None,
        **query: str | int | None,
    ) -> Iterator[Document]:
        """The lines of a stream, until it ends; leaving the iterator closes the connection."""
        connection, response = self._open(method, _target(parts, query), body, None)
        try:
            while line := response.readline():
                if line.strip():
                    document = json.loads(line)
                    if "error" in document:
                        raise _failure(409, document)
                    yield document
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._lost(error) from error
        finally:
            response.close()
            connection.close()

    def _whole(self, method: str, target: str, body: Document | None, timeout_s: float) -> Document:
        connection, response = self._open(method, target, body, timeout_s)
        try:
            document: Document = json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._lost(error) from error
        finally:
            connection.close()
        return document

    def _open(
        self, method: str, target: str, body: Document | None, timeout_s: float | None
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        connection = _UnixConnection(self._path, timeout_s)
        try:
            connection.connect()
        except PermissionError as error:
            raise Failure(
                f"could not talk to the gateway: no permission for {self._path}",
                Exit.NOT_PERMITTED,
                next_step="Ask an administrator to add you to the gateway's status or operator "
                "group, or use sudo.",
            ) from error
        except OSError as error:
            raise Failure(
                f"could not reach the gateway at {self._path}: {error.strerror or error}",
                Exit.NO_DAEMON,
                next_step="Is it running? `systemctl status lock-gateway`, or name its socket "
                "with --socket or LOCK_GATEWAY_SOCKET.",
            ) from error
        try:
            payload = None if body is None else json.dumps(body)
            connection.request(method, target, payload, {"Content-Type": "application/json"})
            response = connection.getresponse()
            if response.status >= 400:
                raise _failure(response.status, json.loads(response.read()))
        except (OSError, http.client.HTTPException, ValueError) as error:
            connection.close()
            raise self._lost(error) from error
        except Failure:
            connection.close()
            raise
        return connection, response

    def _lost(self, error: Exception) -> Failure:
        why = "it did not answer in time" if isinstance(error, TimeoutError) else "it hung up"
        return Failure(
            f"could not hear the gateway out at {self._path}: {why}",
            Exit.TRY_AGAIN,
            "connection_lost",
            "A command that was sent may still be carried out: see `lock-gateway events`.",
        )


def _target(parts: tuple[str, ...], query: dict[str, str | int | None]) -> str:
    path = "/v1/" + "/".join(quote(part, safe="") for part in parts)
    given = {key: value for key, value in query.items() if value is not None}
    return f"{path}?{urlencode(given)}" if given else path


def _failure(status: int, document: Document) -> Failure:
    error = document.get("error", {})
    return Failure(
        error.get("message", f"the gateway answered {status}"),
        _EXITS.get(status, Exit.FAILED) if error.get("code") != "unavailable" else Exit.TRY_AGAIN,
        error.get("code", ""),
        error.get("next", ""),
    )
