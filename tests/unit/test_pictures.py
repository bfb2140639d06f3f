"""Pictures hold what the terminal showed, and fetch nothing."""

from __future__ import annotations

import asyncio
import json
import re
import runpy
from pathlib import Path

from tests.local_house import CANARY, open_house

# By its path: `tools` is no package of ours to import from.
pictures = runpy.run_path(str(Path(__file__).parents[2] / "tools" / "pictures.py"))
picture, commands, example = (pictures[name] for name in ("picture", "commands", "example"))


def test_text_and_colours_are_kept_and_nothing_is_fetched() -> None:
    svg = picture("title", "plain \x1b[31mred\x1b[0m\n  second line  \n\n", "id7")
    assert "plain" in svg
    assert re.search(r'class="id7-r\d+"[^>]*>red<', svg)
    assert "url(http" not in svg
    assert "font-face" not in svg
    assert picture("title", "plain", "a") == picture("title", "plain", "a")


async def test_a_running_gateway_is_drawn(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        socket = str(house.socket)
        await asyncio.to_thread(commands, tmp_path, socket, None)
        assert await asyncio.to_thread(example, socket) == ("cred_ada", "Front door")
    drawn = {path.stem: path.read_text() for path in tmp_path.glob("*.svg")}
    assert set(drawn) == {"status", "codes", "why"}
    assert "gw_test" in drawn["status"]
    assert "••••••" in drawn["codes"]
    assert "OPENS" in drawn["why"]
    assert CANARY not in json.dumps(drawn)
