"""The command line against a real server: what it means, exit codes, and which stream it is on."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from gateway.domain.devices import PURGED_AT_LOCK
from gateway.domain.events import EventType
from gateway.domain.grants import GrantState
from gateway.domain.ids import CredentialId, GrantId
from gateway.domain.secret import Secret
from gateway.errors import RadioUnavailable
from gateway.local.access import Access
from gateway.radios.api import JoinProgress, JoinStage
from gateway.store import devices, reported
from tests.command_line import Ran, heeds_interrupts, lock_gateway
from tests.local_house import CANARY, DEADLINE_S, FRONT, NOW, House, open_house

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as opened:
        yield opened


async def cli(house: House, *arguments: str, stdin: str = "") -> Ran:
    return await lock_gateway(*arguments, stdin=stdin, LOCK_GATEWAY_SOCKET=str(house.socket))


# ── looking ─────────────────────────────────────────────────────────────────────────────


async def test_status_is_readable_and_uncoloured_in_a_pipe(house: House) -> None:
    ran = await cli(house, "status")
    assert ran.code == 0
    assert ran.err == ""
    assert "gw_test" in ran.out
    assert "2 reachable" in ran.out
    assert "1 active" in ran.out
    assert "Weak at Front door is rejected" in ran.out
    assert "\x1b" not in ran.out
    assert max(map(len, ran.out.splitlines())) <= 80


async def test_json_is_the_apis_own_document(house: House) -> None:
    for arguments, path in (
        (["status"], "/v1/status"),
        (["devices"], "/v1/devices"),
        (["device", "front"], "/v1/devices/front"),
        (["codes"], "/v1/codes"),
        (["plan"], "/v1/plan"),
        (["plan", "sauna"], "/v1/plan/sauna"),
        (["why", "Ada", "Front door"], "/v1/why/Ada/Front%20door"),
    ):
        ran = await cli(house, *arguments, "--json")
        assert ran.code == 0, ran.err
        assert json.loads(ran.out) == await house.get(path), arguments


async def test_devices_and_one_device(house: House) -> None:
    listed = await cli(house, "devices")
    assert listed.code == 0
    assert "Front door" in listed.out
    assert "Sauna" in listed.out
    one = await cli(house, "device", "sauna")
    assert "YRD226" in one.out
    assert "10: 0 managed, 0 set by others, 10 free, 0 not read" in one.out
    assert "Bob" in one.out


async def test_codes_mask_digits_by_the_same_width(house: House) -> None:
    ran = await cli(house, "codes", "--all")
    assert ran.code == 0
    assert CANARY not in ran.out
    masks = {word for word in ran.out.split() if "•" in word}
    assert masks == {"••••••"}
    assert "Bob" in ran.out
    assert "Gone" in ran.out
    assert "Gone" not in (await cli(house, "codes")).out


async def test_reveal_shows_digits_and_is_audited_for_each_code(house: House) -> None:
    ran = await cli(house, "codes", "--credential", "Ada", "--reveal")
    assert ran.code == 0
    assert CANARY in ran.out
    both = await cli(house, "codes", "--device", "sauna", "--reveal", "--json")
    assert [code["digits"] for code in json.loads(both.out)["codes"]] == ["482913"]
    audited = [
        row.credential_id for row in await house.ledger() if row.type is EventType.AUDIT_REVEALED
    ]
    assert audited == ["cred_ada", "cred_bob"]


async def test_plan_says_what_and_when(house: House) -> None:
    ran = await cli(house, "plan", "sauna")
    assert ran.code == 0
    assert "nothing to do" in ran.out
    assert "next look 16:25, in 55 min" in ran.out


async def test_why_answers_in_one_screen(house: House) -> None:
    ran = await cli(house, "why", "Ada", "front")
    assert ran.code == 0
    assert ran.out.startswith(" OPENS ")
    assert "until Fri 20 Nov 2026 17:30 CET" in ran.out
    for section in ("wanted", "proven by the lock", "planned", "measured", "in the way"):
        assert section in ran.out
    assert len(ran.out.splitlines()) <= 40


async def test_why_tells_what_to_do(house: House) -> None:
    await house.store.submit(
        lambda tx: devices.update_device(tx, FRONT, repair_paused=PURGED_AT_LOCK)
    )
    ran = await cli(house, "why", "Bob", "front")
    assert "DOES NOT OPEN" in ran.out
    assert "cleared at the lock" in ran.out
    assert "→" in ran.out


async def test_events_and_those_after_a_number(house: House) -> None:
    ran = await cli(house, "events")
    assert [line.split()[0] for line in ran.out.splitlines()] == ["1", "2", "3"]
    assert "credential.used" in ran.out
    assert "Front door cred_ada" in ran.out
    after = await cli(house, "events", "--after", "2", "--json")
    assert [json.loads(line)["seq"] for line in after.out.splitlines()] == [3]


async def test_following_goes_on_and_ends_quietly_when_the_reader_leaves(house: House) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "events", "--follow", "--json", "--after", "2",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "LOCK_GATEWAY_SOCKET": str(house.socket)},
        preexec_fn=heeds_interrupts,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    async with asyncio.timeout(3 * DEADLINE_S):
        assert json.loads(await process.stdout.readline())["seq"] == 3
        await house.call("POST", "/v1/codes/Ada/reveal", {})
        told = json.loads(await process.stdout.readline())
        assert told["type"] == "audit.code_revealed"
        process.send_signal(2)
        await process.wait()
        assert b"Traceback" not in await process.stderr.read()


# ── acting ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("result", "code", "words"),
    [
        ({"outcome": "confirmed"}, 0, "Front door: unlocked"),
        ({"outcome": "refused", "reason": "unreachable"}, 1, "did not hear it"),
        ({"outcome": "refused", "reason": "new_one"}, 1, "new one"),
        ({"outcome": "unconfirmed", "detail": "answer lost"}, 75, "may or may not"),
    ],
)
async def test_unlock_ends_as_its_result_does(
    house: House, result: dict[str, Any], code: int, words: str
) -> None:
    house.answers["unlock"] = result
    ran = await cli(house, "unlock", "front", "--reason", "guest locked out")
    assert ran.code == code
    assert words in (ran.out if code == 0 else ran.err)
    told = await cli(house, "unlock", "front", "--reason", "x", "--json")
    assert told.code == code
    assert json.loads(told.out)["result"] == result
    if code:
        assert set(json.loads(told.err)["error"]) == {"code", "message", "next"}


async def test_the_same_id_gets_the_same_answer(house: House) -> None:
    house.answers["lock"] = {"outcome": "confirmed"}
    await cli(house, "lock", "front", "--reason", "x", "--id", "cmd_9")
    house.answers["lock"] = {"outcome": "refused", "reason": "jammed"}
    again = await cli(house, "lock", "front", "--reason", "x", "--id", "cmd_9")
    assert (again.code, again.out) == (0, "Front door: locked\n")


async def test_unlock_without_a_reason_is_a_usage_error(house: House) -> None:
    ran = await cli(house, "unlock", "front")
    assert ran.code == 2
    assert "--reason" in ran.err


async def test_remove_asks_or_is_told(house: House) -> None:
    house.answers["remove_device"] = {"outcome": "confirmed"}
    asked = await cli(house, "remove", "sauna")
    assert asked.code == 2
    assert "--yes" in asked.err
    done = await cli(house, "remove", "sauna", "--yes")
    assert (done.code, done.out) == (0, "Sauna: removed\n")


JOIN = [
    "--install-code",
    "83FED3407A939723A5C639B26916D505C3B5",
    "--eui64",
    "00:11:22:33:44:55:66:77",
]


async def test_join_shows_every_stage_and_its_device(house: House) -> None:
    ran = await cli(house, "join", *JOIN, "--name", "Cellar")
    assert ran.code == 0, ran.err
    assert "put the device into joining mode" in ran.err
    assert "found 00:11:22:33:44:55:66:77" in ran.err
    assert "ready" in ran.err
    assert ran.out == f"{FRONT}\n"
    told = await cli(house, "join", *JOIN, "--json")
    assert [json.loads(line)["stage"] for line in told.out.splitlines()] == [
        "open", "found", "ready",
    ]  # fmt: skip


async def test_an_install_code_can_stay_out_of_the_process_list(house: House) -> None:
    ran = await cli(
        house, "join", "--install-code", "-", "--eui64", "0011223344556677",
        stdin="83fe d340 7a93 9723 a5c6 39b2 6916 d505 c3b5\n",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert len(house.operations.orders[0][0].install_code or b"") == 18


@pytest.mark.parametrize(("stage", "code"), [(JoinStage.CLOSED, 75), (JoinStage.FAILED, 1)])
async def test_a_join_that_finds_nothing(house: House, stage: JoinStage, code: int) -> None:
    house.operations.stages = [
        JoinProgress(JoinStage.OPEN, 10.0),
        JoinProgress(stage, 0.0, None, "it did not answer"),
    ]
    assert (await cli(house, "join", *JOIN)).code == code


async def test_join_mistakes(house: House) -> None:
    none = await cli(house, "join")
    assert none.code == 2
    assert "--allow-well-known-key" in none.err
    wrong = await cli(house, "join", "--install-code", "secret!", "--eui64", "00")
    assert wrong.code == 2
    assert "secret!" not in wrong.err
    house.operations.refusal = RadioUnavailable("could not open the network: the stick is away")
    away = await cli(house, "join", *JOIN)
    assert away.code == 75
    assert "the stick is away" in away.err


async def test_a_z_wave_proof_can_stay_out_of_the_process_list(house: House) -> None:
    ran = await cli(house, "join", "--pin", "-", stdin="32690\n")
    assert ran.code == 0, ran.err
    ((order, _),) = house.operations.orders
    assert (order.radio, order.dsk_pin, order.qr) == ("zwave", Secret("32690"), None)
    assert "32690" not in ran.out + ran.err


async def test_leaving_shows_who_has_left(house: House) -> None:
    ran = await cli(house, "leave", "--seconds", "30")
    assert ran.code == 0, ran.err
    assert "has left the network c0ffee01:17" in ran.err
    assert house.operations.leaving == [30]


# ── when it cannot be done ──────────────────────────────────────────────────────────────


async def test_a_daemon_that_is_not_there(tmp_path: Path) -> None:
    for socket in (["--socket", str(tmp_path / "no.sock"), "status"],
                   ["status", "--socket", str(tmp_path / "no.sock")]):  # fmt: skip
        ran = await lock_gateway(*socket)
        assert ran.code == 3
        assert "no.sock" in ran.err
        assert "systemctl" in ran.err
        assert ran.out == ""


async def test_a_user_without_the_group(tmp_path: Path) -> None:
    class Nobody(Access):
        async def caller(self, uid: int, gid: int) -> Any:
            return await super().caller(54321, 54321)

    async with open_house(tmp_path, Nobody("readers", "actors")) as house:
        ran = await cli(house, "status")
        assert ran.code == 4
        assert "status group" in ran.err


async def test_unknown_things_are_named_with_the_nearest(house: House) -> None:
    device = await cli(house, "device", "Frunt door")
    assert device.code == 1
    assert "Did you mean Front door" in device.err
    credential = await cli(house, "why", "Adda", "front")
    assert credential.code == 1
    assert "Did you mean Ada" in credential.err
    command = await cli(house, "statsu")
    assert command.code == 2
    assert "status" in command.err


async def test_a_gateway_in_trouble_is_not_the_callers_fault(house: House) -> None:
    await house.store.submit(lambda tx: tx.execute("UPDATE grants SET evidence = '{'") and None)
    ran = await cli(house, "codes")
    assert ran.code == 1
    assert "gateway's log" in ran.err


async def test_an_erase_overdue_is_told_first(house: House) -> None:
    ada = GrantId(CredentialId("cred_ada"), FRONT)
    await house.store.submit(
        lambda tx: reported.update_grant(
            tx, ada, NOW, state=GrantState.ERASING, erase_due_at=NOW, erase_alarm_at=NOW
        )
    )
    ran = await cli(house, "status")
    attention = ran.out.split("needs attention")[1]
    assert attention.split("•")[1].split()[:6] == ["Ada", "may", "still", "open", "Front", "door:"]


async def test_a_name_cannot_steer_the_terminal(house: House) -> None:
    await house.store.submit(lambda tx: devices.update_device(tx, FRONT, name="\x1b[2Jfront\n"))
    for arguments in (["devices"], ["device", FRONT], ["events"], ["why", "Ada", FRONT]):
        ran = await cli(house, *arguments)
        assert ran.code == 0
        assert "\x1b" not in ran.out
        assert "\N{REPLACEMENT CHARACTER}" in ran.out
    refused = await cli(house, "device", "\x1b[2Jx")
    assert "\x1b" not in refused.err


async def test_help_names_every_command_and_the_exit_codes() -> None:
    ran = await lock_gateway("--help")
    assert ran.code == 0
    for word in (
        "status", "devices", "device", "codes", "plan", "why", "events", "unlock", "lock", "join",
        "remove", "revoke", "resume", "rename", "refresh", "run", "check-config", "demo", "sim",
        "Exit codes",
    ):  # fmt: skip
        assert word in ran.out


async def test_a_client_command_loads_no_daemon(house: House) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-X", "importtime", "-m", "gateway", "status",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "LOCK_GATEWAY_SOCKET": str(house.socket)},
    )  # fmt: skip
    _, err = await asyncio.wait_for(process.communicate(), 3 * DEADLINE_S)
    assert process.returncode == 0
    loaded = {line.rsplit("|", 1)[-1].strip() for line in err.decode().splitlines()}
    assert "gateway.cli.client" in loaded
    assert not loaded & {"zigpy", "bellows", "aiohttp", "sqlite3", "asyncio", "gateway.app"}
