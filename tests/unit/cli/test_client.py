"""The client against servers that misbehave: every way to fail has its exit code."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from gateway.cli.client import Client
from gateway.cli.exits import Exit, Failure
from tests.command_line import DEADLINE_S, heeds_interrupts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path


@asynccontextmanager
async def answering(path: Path, answer: bytes) -> AsyncIterator[Client]:
    """A server that reads a request's head and says `answer`, then hangs up."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_unix_server(serve, path)
    try:
        yield Client(path)
    finally:
        server.close()


def http(status: str, body: str) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


async def failure(server: AbstractAsyncContextManager[Client]) -> Failure:
    async with server as client:
        with pytest.raises(Failure) as caught:
            await asyncio.to_thread(client.get, "status")
    return caught.value


@pytest.mark.parametrize(
    ("answer", "exit_code"),
    [
        (http("200 OK", "not json"), Exit.TRY_AGAIN),
        (b"", Exit.TRY_AGAIN),
        (b"gopher\r\n\r\n", Exit.TRY_AGAIN),
        (http("404 Not Found", '{"error": {"code": "unknown_device"}}'), Exit.FAILED),
        (http("403 Forbidden", '{"error": {"code": "not_permitted"}}'), Exit.NOT_PERMITTED),
        (http("503 Busy", '{"error": {"code": "unavailable"}}'), Exit.TRY_AGAIN),
        (http("500 Oops", "{}"), Exit.FAILED),
    ],
)
async def test_answers_become_exit_codes(tmp_path: Path, answer: bytes, exit_code: Exit) -> None:
    found = await failure(answering(tmp_path / "s", answer))
    assert found.exit_code is exit_code
    assert str(found)


async def test_the_message_and_the_next_step_come_through(tmp_path: Path) -> None:
    body = '{"error": {"code": "ambiguous", "message": "two fit", "next": "say more"}}'
    found = await failure(answering(tmp_path / "s", http("409 Conflict", body)))
    assert (str(found), found.code, found.next_step) == ("two fit", "ambiguous", "say more")


async def test_a_stream_ends_with_its_error(tmp_path: Path) -> None:
    body = '{"stage": "open"}\n\n{"error": {"code": "unavailable", "message": "stick gone"}}\n'
    async with answering(tmp_path / "s", http("200 OK", body)) as client:
        stream = client.stream("POST", "join")
        assert await asyncio.to_thread(next, stream) == {"stage": "open"}
        with pytest.raises(Failure, match="stick gone") as caught:
            await asyncio.to_thread(next, stream)
    assert caught.value.exit_code is Exit.TRY_AGAIN


def test_nobody_there_and_a_place_not_ours(tmp_path: Path) -> None:
    with pytest.raises(Failure) as caught:
        Client(tmp_path / "none").get("status")
    assert caught.value.exit_code is Exit.NO_DAEMON
    (tmp_path / "file").touch()
    with pytest.raises(Failure) as caught:
        Client(tmp_path / "file").get("status")
    assert caught.value.exit_code is Exit.NO_DAEMON


async def test_who_stops_waiting_is_told_that_it_is_not_taken_back(tmp_path: Path) -> None:
    ordered = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        ordered.set()
        await reader.read()  # until the caller goes away
        writer.close()

    server = await asyncio.start_unix_server(serve, tmp_path / "s")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "unlock", "front", "--reason", "x",
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "LOCK_GATEWAY_SOCKET": str(tmp_path / "s")},
        preexec_fn=heeds_interrupts,
    )  # fmt: skip
    async with asyncio.timeout(DEADLINE_S):
        await ordered.wait()
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()
    server.close()
    assert process.returncode == Exit.FAILED
    assert "may still be carried out" in err.decode()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may connect to any socket")
async def test_a_socket_of_others(tmp_path: Path) -> None:
    async with answering(tmp_path / "s", b"") as client:
        (tmp_path / "s").chmod(0)
        with pytest.raises(Failure) as caught:
            await asyncio.to_thread(client.get, "status")
    assert caught.value.exit_code is Exit.NOT_PERMITTED


async def test_ids_cannot_leave_their_place_in_the_path(tmp_path: Path) -> None:
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n"))
        writer.write(http("200 OK", "{}"))
        writer.close()

    server = await asyncio.start_unix_server(serve, tmp_path / "s")
    client = Client(tmp_path / "s")
    await asyncio.to_thread(client.get, "devices", "../codes?all=1 x")
    server.close()
    assert heard == [b"GET /v1/devices/..%2Fcodes%3Fall%3D1%20x HTTP/1.1\r\n"]
