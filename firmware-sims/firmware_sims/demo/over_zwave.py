"""The demo's Z-Wave door: joined by the PIN of its label, given a code, used, and rid of it.

Interviewing a lock takes Z-Wave JS some seconds, so joining goes on beside other steps. Where
Node.js or its packages are missing there is no such door, and `missing` says what to do about it.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from firmware_sims.zwave.network import SOURCES, ZwaveUnavailable, node_command

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from firmware_sims.demo.steps import Demo

Joined = tuple[int, str, str]
"""How `lock-gateway join` ended: exit code, stdout, stderr."""

_SERVER = SOURCES.parents[1] / "gateway/radios/zwave/server/node_modules"


def missing() -> str:
    """What this machine lacks for Z-Wave; empty where it has everything."""
    try:
        node_command()
    except ZwaveUnavailable as error:
        return str(error)
    if not _SERVER.is_dir():
        return "the packages of the Z-Wave server are not installed: run tools/setup.sh"
    return ""


@asynccontextmanager
async def joining(demo: Demo) -> AsyncIterator[Mapping[str, asyncio.Task[Joined]]]:
    """The Z-Wave locks join, one after the other, until left."""
    turn = asyncio.Lock()
    tasks = {
        door: asyncio.create_task(_joined(demo, door, turn), name=f"joining {door}")
        for door in demo.stage.sims.zwave
    }
    try:
        yield tasks
    finally:
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)


async def _joined(demo: Demo, door: str, turn: asyncio.Lock) -> Joined:
    async with turn:
        await demo.at(door, "join")
        devices = await demo.stage.sims.control.call("devices")
        pin = next(item["dsk"] for item in devices if item["device"] == door).partition("-")[0]
        return await demo.stage.daemon.cli(
            "join", "--json", "--name", door, "--pin", "-", "--seconds", "120",
            typed=f"{pin}\n",
        )  # fmt: skip


async def join(demo: Demo, joined: Mapping[str, asyncio.Task[Joined]]) -> None:
    if not joined:
        return
    with demo.line.step("A Z-Wave lock has joined meanwhile, by the PIN of its label"):
        for door, task in joined.items():
            status, out, err = await task
            last = json.loads(out.strip().splitlines()[-1]) if out.strip() else {}
            ready = status == 0 and last.get("stage") == "ready"
            demo.line.check("gateway", f"{door}: joined and interviewed", ready, err.strip())
            demo.stage.device_ids[door] = last.get("detail", "")
            state = await demo.at(door, "state")
            demo.line.check("lock", f"{door}: is in the network, with its S2 keys", state["secure"])
            await demo.told_of(door)
            await demo.until(f"{door}: every slot read", partial(_read, demo, door))


async def _read(demo: Demo, door: str) -> bool:
    status, out, _ = await demo.stage.daemon.cli("device", door, "--json")
    return status == 0 and not json.loads(out)["device"]["slots"]["unread"]


async def visit(demo: Demo) -> None:
    for door in demo.stage.sims.zwave:
        with demo.line.step("A courier's code on the Z-Wave lock: written, used and taken back"):
            window = {"kind": "always"}
            demo.stage.cloud.push([demo.credential("courier", [door], window)])
            grant = await demo.grant("courier", door, "active")
            held = await demo.held(door, "courier")
            demo.line.check("lock", "holds the code, once", len(held) == 1)
            proof = grant["evidence"]
            demo.line.check("cloud", "was told what proves it", bool(proof), ", ".join(proof))
            answer = await demo.types(door, "courier")
            demo.line.check("door", "opens", answer["opened"], answer.get("reason") or "")
            event = await demo.used("courier", door)
            whose = event["credential_id"] == "courier"
            demo.line.check("cloud", "knows who it was", whose)
            demo.stage.cloud.push([], [{"credential_id": "courier"}], confirm_removals=True)
            await demo.grant("courier", door, "erased")
            held = await demo.held(door, "courier")
            demo.line.check("lock", "no longer holds it", not held)
            await demo.at(door, "thumb_turn", to="locked")
            answer = await demo.types(door, "courier")
            demo.line.check("door", "stays shut", not answer["opened"])
