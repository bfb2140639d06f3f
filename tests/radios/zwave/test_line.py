"""One connection to a Z-Wave server: the versions that fit, and what it makes of foreign words."""

from __future__ import annotations

import contextlib
import json
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from gateway.errors import RadioRefused, RadioUnavailable
from gateway.radios.zwave.line import CLIENT, Line, pinned
from gateway.radios.zwave.process import Door

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROOT = Path(__file__).parents[3]
FITS = {"driverVersion": pinned()["zwave-js"], "serverVersion": pinned()["@zwave-js/server"]}
SCHEMAS = {"minSchemaVersion": 0, "maxSchemaVersion": 50}


@contextlib.asynccontextmanager
async def server(port: int, greeting: dict[str, Any]) -> AsyncIterator[Door]:
    """Somebody's WebSocket that says this, and then goodbye."""

    async def greet(request: web.Request) -> web.WebSocketResponse:
        line = web.WebSocketResponse()
        await line.prepare(request)
        await line.send_str(json.dumps(greeting))
        await line.close()
        return line

    application = web.Application()
    application.add_routes([web.get("/", greet)])
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield Door(f"ws://127.0.0.1:{port}")
    finally:
        await runner.cleanup()


async def refusal(door: Door) -> Exception:
    lost: list[str] = []
    line = Line(lambda _: None, lost.append)
    try:
        with pytest.raises((RadioRefused, RadioUnavailable)) as caught:
            await line.open(door)
        return caught.value
    finally:
        await line.close()
        assert lost == []


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"serverVersion": "3.11.0"}, "@zwave-js/server 3.11.0, and this gateway is tested with"),
        ({"driverVersion": "15.30.0"}, "zwave-js 15.30.0, and this gateway is tested with"),
        ({"minSchemaVersion": 36}, "@zwave-js/server 3.10.2, which does not speak schema 35"),
    ],
)
async def test_a_server_of_another_version_is_refused_by_name(
    unused_tcp_port: int, other: dict[str, Any], says: str
) -> None:
    greeting = {"type": "version", "homeId": 1, **FITS, **SCHEMAS, **other}
    async with server(unused_tcp_port, greeting) as door:
        error = await refusal(door)
    assert isinstance(error, RadioRefused)
    assert says in str(error)


async def test_a_server_that_says_goodbye_is_away(
    unused_tcp_port: int,
) -> None:
    greeting = {"type": "version", "homeId": 1, **FITS, **SCHEMAS}
    async with server(unused_tcp_port, greeting) as door:
        error = await refusal(door)
    assert isinstance(error, RadioUnavailable)
    assert isinstance(await refusal(door), RadioUnavailable), "and then nobody listens"


def test_both_sides_are_pinned_in_every_place() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert f"zwave-js-server-python=={CLIENT}" in project["dependencies"]
    locked = json.loads(
        (ROOT / "gateway/radios/zwave/server/package-lock.json").read_text(encoding="utf-8")
    )["packages"]
    for package, version in pinned().items():
        assert locked[f"node_modules/{package}"]["version"] == version
    assert not [each for each in locked.values() if "resolved" in each], "addresses of a registry"
