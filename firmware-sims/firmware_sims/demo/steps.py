"""The main job, step by step, in the order a building lives it.

Each step does something as its actor would (installer, cloud, guest, technician, accident) and
asks the two witnesses: what the lock holds, and what the cloud received.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from firmware_sims.demo.stage import ZONE, Stage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from firmware_sims.demo.timeline import Timeline

WAIT_S = 120.0
"""For what comes within seconds, unless the machine is busy with other things."""
POLL_S = 0.05

Document = dict[str, Any]


def rfc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def soon(seconds: float) -> datetime:
    """On a whole second: locks count no finer."""
    return datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=seconds + 1)


@dataclass(slots=True)
class Demo:
    """What the steps share. `codes` are made anew for each run and are never printed."""

    stage: Stage
    line: Timeline
    codes: dict[str, str] = field(default_factory=dict)

    def code(self, name: str) -> str:
        """Digits for a credential: as long as every lock here takes, and never weak."""
        if name not in self.codes:
            self.codes[name] = f"90{secrets.randbelow(10**6):06d}"
        return self.codes[name]

    async def at(self, door: str, op: str, **arguments: Any) -> Any:
        return await self.stage.sims.control.call(op, device=door, **arguments)

    async def types(self, door: str, name: str) -> Document:
        answer: Document = await self.at(door, "type_code", code=self.code(name))
        return answer

    async def held(self, door: str, name: str) -> list[int]:
        """Slots in which the lock really holds these digits."""
        state = await self.at(door, "state")
        digits = self.code(name)
        return [int(n) for n, slot in state["slots"].items() if slot["code"] == digits]

    async def until(
        self, what: str, probe: Callable[[], Awaitable[object]], within_s: float = WAIT_S
    ) -> None:
        """Ask a witness again and again; TimeoutError names what did not come."""
        try:
            async with asyncio.timeout(within_s):
                while not await probe():  # noqa: ASYNC110 - a lock has no event to wait for
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            raise TimeoutError(what) from None

    async def until_held(self, door: str, name: str, within_s: float = WAIT_S) -> None:
        await self.until(f"{name} on {door}", lambda: self.held(door, name), within_s)

    async def until_gone(self, door: str, name: str, within_s: float = WAIT_S) -> None:
        async def gone() -> bool:
            return not await self.held(door, name)

        await self.until(f"{name} off {door}", gone, within_s)

    def credential(self, name: str, doors: list[str], window: Document, **more: Any) -> Document:
        return {
            "credential_id": name,
            "version": 1,
            "kind": "pin",
            "name": name.replace("_", " "),
            "subject": {"id": f"person-{name}", "class": more.pop("person", "guest")},
            "origin": "cloud_auto",
            "secret": {"digits": self.code(name)},
            "devices": [self.stage.device_ids[door] for door in doors],
            "window": window,
            **more,
        }

    async def grant(self, name: str, door: str, state: str) -> Document:
        """The cloud's latest word on a grant, once it is in `state`."""
        device = self.stage.device_ids[door]
        try:
            return await self.stage.cloud.wait_grant(name, device, state, WAIT_S)
        except TimeoutError:
            last = self.stage.cloud.grants.get((name, device), {}).get("state", "never heard of")
            raise TimeoutError(f"{name} on {door} is {last}, not {state}") from None

    async def told_of(self, door: str) -> None:
        """Check that the cloud knows what stands there."""
        device, cloud = self.stage.device_ids[door], self.stage.cloud
        await cloud.until(partial(cloud.devices.get, device), WAIT_S)
        model = cloud.devices[device]["model"]
        self.line.check("cloud", f"{door}: knows its model", bool(model), model)

    def silent(self) -> bool:
        """Nothing the cloud received holds a code."""
        said = "\n".join(self.stage.received)
        return not any(code in said for code in self.codes.values())

    def leaks(self) -> str:
        """Where a code of this run is found though it must not be; empty: nowhere."""
        state = self.stage.folder / "state"
        # Z-Wave JS keeps what nodes say in clear, codes too, in a folder that nobody else reads.
        kept = [place for place in state.rglob("*") if state / "zwave" not in place.parents]
        for place in (self.stage.daemon.log, *sorted(kept)):
            data = place.read_bytes() if place.is_file() else b""
            if any(code.encode() in data for code in self.codes.values()):
                return place.name
        return "" if self.silent() else "messages to the cloud"

    async def used(self, name: str, door: str, within_s: float = WAIT_S) -> Document:
        """The cloud's word that this credential opened this door."""
        device = self.stage.device_ids[door]
        event: Document = await self.stage.cloud.wait_event(
            lambda e: (
                e["type"] == "credential.used"
                and e["credential_id"] == name
                and e["device_id"] == device
            ),
            within_s,
        )
        return event


# ── the steps ───────────────────────────────────────────────────────────────────────────


async def start(demo: Demo) -> None:
    with demo.line.step("The daemon starts as its own process"):
        await demo.stage.daemon.start()
        await demo.until("the radio", lambda: _radio_up(demo))
        demo.line.check("gateway", "radio is up, network formed", True)
        await demo.stage.cloud.wait_online(WAIT_S)
        epoch = demo.stage.cloud.presence["epoch"]
        demo.line.check("cloud", "sees the gateway online", True, f"epoch {epoch}")


async def _radio_up(demo: Demo) -> bool:
    status, out, _ = await demo.stage.daemon.cli("status", "--json")
    return status == 0 and all(r["status"] == "up" for r in json.loads(out)["radios"])


async def join(demo: Demo) -> None:
    with demo.line.step("An installer joins four locks with their install codes"):
        for door, node in demo.stage.sims.nodes.items():
            joining = asyncio.create_task(
                demo.stage.daemon.cli(
                    "join", "--json", "--name", door, "--eui64", node["ieee"],
                    "--install-code", node["install_code"], "--seconds", "60",
                )
            )  # fmt: skip
            await demo.at(door, "join")
            status, out, err = await joining
            last = json.loads(out.strip().splitlines()[-1]) if out.strip() else {}
            ready = status == 0 and last.get("stage") == "ready"
            demo.line.check("gateway", f"{door}: joined and interviewed", ready, err.strip())
            demo.stage.device_ids[door] = last.get("detail", "")
            state = await demo.at(door, "state")
            demo.line.check("lock", f"{door}: is in the network", state["joined"])
        for door in demo.stage.sims.nodes:
            await demo.told_of(door)


async def claim(demo: Demo) -> None:
    with demo.line.step("An installer looks around and claims the locks that speak Bluetooth"):
        for door, device in demo.stage.sims.bluetooth.items():
            if device["family"] == "nuki":
                await demo.at(door, "act", action="press_pairing_button")
            await demo.until(f"{door} in range", lambda a=device["address"]: _claimable(demo, a))  # type: ignore[misc]  # bound early
            demo.line.check("gateway", f"{door}: in range, and can be claimed", True)
            status, out, err = await demo.stage.daemon.cli(
                "pair", device["address"], "--json", "--name", door, *_pin_of(demo, device)
            )
            last = json.loads(out.strip().splitlines()[-1]) if out.strip() else {}
            ready = status == 0 and last.get("stage") == "ready"
            demo.line.check("gateway", f"{door}: claimed and interviewed", ready, err.strip())
            demo.stage.device_ids[door] = last.get("detail", "")
            await demo.told_of(door)


async def _claimable(demo: Demo, address: str) -> bool:
    status, out, _ = await demo.stage.daemon.cli("scan", "--json")
    seen = json.loads(out)["devices"] if status == 0 else []
    return any(d["address"] == address and d["ownership"] == "claimable" for d in seen)


def _pin_of(demo: Demo, device: Mapping[str, Any]) -> list[str]:
    """Where a family needs a secret: in a file, as arguments are seen by everybody."""
    pin = device.get("settings", {}).get("security_pin")
    if pin is None:
        return []
    path = demo.stage.folder / "pin"
    path.touch(mode=0o600)
    path.write_text(str(pin), encoding="utf-8")
    return ["--secret-file", str(path)]


async def over_bluetooth(demo: Demo) -> None:
    with demo.line.step("A tenant's code reaches both over Bluetooth, and opens"):
        doors = list(demo.stage.sims.bluetooth)
        # What every keypad takes: a Nuki's has no 0, six digits and not 12 in front.
        demo.codes["tenant"] = "7" + "".join(secrets.choice("3456789") for _ in range(5))
        always = {"kind": "always"}
        demo.stage.cloud.push([demo.credential("tenant", doors, always, person="tenant")])
        for door in doors:
            await demo.until_held(door, "tenant")
            answer = await demo.types(door, "tenant")
            demo.line.check("door", f"{door} opens", answer["opened"], answer.get("reason") or "")


async def over_bluetooth_told(demo: Demo) -> None:
    with demo.line.step("What happened at both was read from their logs; the tenant moves out"):
        for door in demo.stage.sims.bluetooth:
            event = await demo.used("tenant", door, within_s=90)
            whose = event["credential_id"] == "tenant"
            demo.line.check("cloud", f"{door}: knows who it was", whose)
        demo.stage.cloud.push([], tombstones=[{"credential_id": "tenant"}], confirm_removals=True)
        for door in demo.stage.sims.bluetooth:
            await demo.until_gone(door, "tenant")
            answer = await demo.types(door, "tenant")
            demo.line.check("lock", f"{door}: no longer holds it", not answer["opened"])
            await demo.grant("tenant", door, "erased")


async def probe(demo: Demo) -> None:
    with demo.line.step("The installer proves that the front lock keeps schedules"):
        lines = demo.stage.daemon.follow("probe", "front", "--json")
        async with aclosing(lines) as steps:
            async for step in steps:
                if step["stage"] == "type" and "probe" not in demo.codes:
                    demo.codes["probe"] = step["digits"]
                    held = await demo.held("front", "probe")
                    demo.line.check("lock", "holds a code whose window is long over", bool(held))
                    answer = await demo.types("front", "probe")
                    refused = answer["reason"] if not answer["opened"] else "it opened"
                    demo.line.check("door", "refuses it", not answer["opened"], refused)
                last = step["stage"]
        demo.line.check("gateway", "believes the lock from now on", last == "proven", last)
        await demo.until_gone("front", "probe")
        demo.line.check("lock", "is rid of the code", True)


async def before_the_window(demo: Demo) -> tuple[datetime, datetime]:
    """Returns the guest's window."""
    with demo.line.step("A schedule of codes arrives; the guest is early"):
        opens, closes = soon(7), soon(14)
        window = {"kind": "timed", "opens_at": rfc(opens), "closes_at": rfc(closes)}
        always = {"kind": "always"}
        demo.stage.cloud.push(
            [
                demo.credential("guest", ["front"], window),
                demo.credential("family", ["front", "garage"], always, person="tenant"),
                demo.credential("friend", ["flat-12"], always),
            ]
        )
        await demo.stage.cloud.wait_applied(WAIT_S)
        demo.line.check("cloud", "the revision is applied, hashes agree", True)
        grant = await demo.grant("guest", "front", "programmed")
        kept = grant["opens"] == grant["closes"] == "on_lock"
        demo.line.check("cloud", "knows that the lock itself keeps this window", kept)
        demo.line.check(
            "lock", "holds the code, restricted", bool(await demo.held("front", "guest"))
        )
        answer = await demo.types("front", "guest")
        demo.line.check("door", "refuses it before its window", not answer["opened"])
        await demo.stage.cloud.wait_event(
            lambda e: e["type"] == "access.denied" and e["credential_id"] == "guest", WAIT_S
        )
        demo.line.check("cloud", "heard of a refused code, not of its digits", demo.silent())
    return opens, closes


async def inside_the_window(demo: Demo, opens: datetime) -> None:
    with demo.line.step("The window opens: the guest comes in"):
        # The lock's own clock may be off by its bound.
        await asyncio.sleep(max(0.0, (opens - datetime.now(UTC)).total_seconds()) + 0.5)
        answer = await demo.types("front", "guest")
        demo.line.check("door", "opens", answer["opened"], answer.get("reason") or "")
        event = await demo.used("guest", "front")
        demo.line.check("cloud", "knows who it was", event["credential_id"] == "guest")
        grant = await demo.grant("guest", "front", "active")
        proof = ", ".join(grant["evidence"])
        demo.line.check("cloud", "was told what proves it", "read_back" in grant["evidence"], proof)


async def after_the_window(demo: Demo, closes: datetime) -> None:
    with demo.line.step("The window closes: the same code is refused"):
        await asyncio.sleep(max(0.0, (closes - datetime.now(UTC)).total_seconds()) + 0.5)
        answer = await demo.types("front", "guest")
        demo.line.check("door", "stays shut", not answer["opened"])
        await demo.until_gone("front", "guest")
        demo.line.check("lock", "no longer holds it: the gateway erased it as well", True)
        grant = await demo.grant("guest", "front", "erased")
        shown = grant["late_revocation_s"]
        demo.line.check("cloud", "was told how late", shown is not None and shown < 5, f"{shown} s")


async def cleaner(demo: Demo) -> None:
    with demo.line.step("A cleaner's weekly code, opened and closed by the gateway"):
        local = datetime.now(ZoneInfo(ZONE))
        days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
        opens, closes = local + timedelta(seconds=4), local + timedelta(seconds=10)
        window = {
            "kind": "recurring",
            "rules": [{"weekdays": days, "from": "00:00", "to": "24:00"}],
            "zone": ZONE,
            "not_before": rfc(opens),
            "not_after": rfc(closes),
        }
        demo.stage.cloud.push([demo.credential("cleaner", ["side"], window, person="staff")])
        answer = await demo.types("side", "cleaner")
        demo.line.check("door", "refused before the hour", not answer["opened"])
        await demo.until_held("side", "cleaner")
        answer = await demo.types("side", "cleaner")
        demo.line.check("door", "opens within it", answer["opened"])
        await demo.used("cleaner", "side")
        grant = await demo.grant("cleaner", "side", "active")
        kept = grant["opens"] == grant["closes"] == "by_gateway"
        demo.line.check("cloud", "knows that the gateway keeps the edges", kept)
        await asyncio.sleep(max(0.0, (closes - datetime.now(UTC)).total_seconds()))
        await demo.until_gone("side", "cleaner")
        answer = await demo.types("side", "cleaner")
        demo.line.check("door", "refused after it", not answer["opened"])


async def two_doors(demo: Demo) -> None:
    with demo.line.step("One code on two doors"):
        for door in ("front", "garage"):
            await demo.until_held(door, "family")
            answer = await demo.types(door, "family")
            event = await demo.used("family", door)
            both = answer["opened"] and event["device_id"] == demo.stage.device_ids[door]
            demo.line.check("door", f"{door} opens, and the cloud knows which", both)


async def remote_unlock(demo: Demo) -> None:
    with demo.line.step("The cloud opens a door"):
        await demo.at("side", "thumb_turn", to="locked")
        side = demo.stage.device_ids["side"]
        order = demo.stage.cloud.next_command_id()
        result = await demo.stage.cloud.command("unlock", side, command_id=order)
        demo.line.check(
            "cloud", "the answer is `confirmed`", result["result"]["outcome"] == "confirmed"
        )
        bolt = (await demo.at("side", "state"))["bolt"]
        demo.line.check("lock", "the bolt is back", bolt == "unlocked", bolt)
        again = await demo.stage.cloud.command("unlock", side, command_id=order)
        count = (await demo.at("side", "state"))["commands_applied"].get("unlock_door", 0)
        demo.line.check("lock", "the same command again acts no second time", count == 1)
        demo.line.check(
            "cloud", "and gets the same answer", again["result"]["outcome"] == "confirmed"
        )


async def unreachable(demo: Demo) -> None:
    with demo.line.step("A code is revoked while its lock is out of range"):
        await demo.until_held("flat-12", "friend")
        await demo.at("flat-12", "out_of_range")
        demo.stage.cloud.push([], tombstones=[{"credential_id": "friend"}])
        alarm = await demo.stage.cloud.wait_event(
            lambda e: e["type"] == "credential.erase_overdue" and e["credential_id"] == "friend",
            60,
        )
        demo.line.check("cloud", "is alarmed: the code is still live", bool(alarm))
        answer = await demo.types("flat-12", "friend")
        demo.line.check("door", "and indeed it opens still", answer["opened"])
        await demo.grant("friend", "flat-12", "erasing")
        key = ("friend", demo.stage.device_ids["flat-12"])
        await demo.stage.cloud.until(lambda: demo.stage.cloud.grants[key]["attempts"] > 0, WAIT_S)
        demo.line.check("cloud", "sees it erasing, and being tried", True)
        await demo.at("flat-12", "in_range")
        await demo.at("flat-12", "thumb_turn", to="locked")
        await demo.until_gone("flat-12", "friend", 60)
        answer = await demo.types("flat-12", "friend")
        demo.line.check(
            "door", "heard again: revoked, and the door stays shut", not answer["opened"]
        )
        grant = await demo.grant("friend", "flat-12", "erased")
        late = grant["late_revocation_s"]
        demo.line.check("cloud", "was told how long it outlived its order", late > 0, f"{late} s")


async def broker_away(demo: Demo) -> None:
    with demo.line.step("The broker is away while people come home"):
        before = max(e["seq"] for e in demo.stage.cloud.events())
        await demo.stage.broker.stop()
        for door in ("front", "garage", "front"):
            await demo.at(door, "thumb_turn", to="locked")
            answer = await demo.types(door, "family")
            demo.line.check("door", f"{door} opens without the cloud", answer["opened"])
            await asyncio.sleep(0.3)  # nobody comes home within the jitter of the air
        await demo.stage.broker.start()
        doors = [demo.stage.device_ids[d] for d in ("front", "garage", "front")]

        async def all_there() -> bool:
            return [e["device_id"] for e in uses()] == doors

        def uses() -> list[Document]:
            return [
                e
                for e in demo.stage.cloud.events()
                if e["seq"] > before and e["type"] == "credential.used"
            ]

        await demo.until("the events of the outage", all_there, 60)
        numbers = [e["seq"] for e in demo.stage.cloud.events()]
        dense = numbers == list(range(1, len(numbers) + 1))
        demo.line.check("cloud", "received every event, in order, none missing", dense)


async def killed(demo: Demo) -> None:
    with demo.line.step("The daemon is killed in the middle of a write"):
        await demo.at("side", "arm", fault="withhold-answer", on="set_pin_code", count=1)
        demo.stage.cloud.push([demo.credential("late_guest", ["side"], {"kind": "always"})])
        await demo.stage.sims.control.call(
            "wait", device="side", fault="withhold-answer", timeout_s=WAIT_S
        )
        slots = await demo.held("side", "late_guest")
        demo.line.check("lock", "the write arrived, its answer is kept back", len(slots) == 1)
        await demo.stage.daemon.kill()
        demo.line.note("kill -9")
        await demo.at("side", "release", drop=True)
        writes = (await demo.at("side", "state"))["slots"][str(slots[0])]["writes"]
        await demo.stage.daemon.start()
        grant = await demo.grant("late_guest", "side", "active")
        state = await demo.at("side", "state")
        now_held = await demo.held("side", "late_guest")
        demo.line.check("lock", "holds the code once, in the same slot", now_held == slots)
        once = state["slots"][str(slots[0])]["writes"] == writes
        demo.line.check("lock", "it was written once", once)
        demo.line.check(
            "cloud", "knows it by reading, not by hope", grant["evidence"] == ["read_back"]
        )
        answer = await demo.types("side", "late_guest")
        demo.line.check("door", "opens", answer["opened"])


async def collision(demo: Demo) -> None:
    with demo.line.step("A new code collides with one that somebody set by hand"):
        digits = demo.code("by_hand")
        await demo.at("garage", "set_code_by_hand", slot=4, code=digits)
        demo.codes["unlucky"] = digits
        demo.stage.cloud.push([demo.credential("unlucky", ["garage"], {"kind": "always"})])
        grant = await demo.grant("unlucky", "garage", "rejected")
        named = str(grant["reason"]).startswith("conflicts_with:unmanaged")
        demo.line.check("cloud", "is told by name", named, str(grant["reason"]))
        demo.line.check("lock", "holds the hand-set code where it was",
                        await demo.held("garage", "by_hand") == [4])  # fmt: skip
        answer = await demo.types("garage", "by_hand")
        demo.line.check("door", "it still opens", answer["opened"])


async def explained(demo: Demo) -> None:
    with demo.line.step("Every grant is explained on one screen, offline"):
        await demo.stage.broker.stop()
        for name, door in (
            ("guest", "front"), ("cleaner", "side"), ("family", "front"), ("family", "garage"),
            ("friend", "flat-12"), ("late_guest", "side"), ("unlucky", "garage"),
        ):  # fmt: skip
            status, out, err = await demo.stage.daemon.cli("why", name, door)
            lines = out.strip().splitlines()
            fits = status == 0 and 3 < len(lines) <= 40
            demo.line.check(
                "gateway", f"why {name} {door}", fits, err.strip() or f"{len(lines)} lines"
            )
        await demo.stage.broker.start()
        await demo.until("the cloud, back and up to date", lambda: _all_told(demo))
        demo.line.check("cloud", "is back, and has every event", True)
        leaked = demo.leaks()
        demo.line.check("gateway", "no code in its log, database or messages", not leaked, leaked)


async def _all_told(demo: Demo) -> bool:
    status, out, _ = await demo.stage.daemon.cli("status", "--json")
    document = json.loads(out) if status == 0 else {}
    return status == 0 and document["cloud"]["connected"] and not document["events"]["waiting"]
