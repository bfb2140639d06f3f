"""How documents look: narrow terminals, colour where wanted, folded plans, nothing made up."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console, RenderableType

from gateway.cli import render

NOW = "2026-11-20T14:30:00.000Z"
HEAD = {"schema": 1, "now": NOW, "zone": "Europe/Berlin"}


def shown(renderable: RenderableType, width: int = 80, *, colour: bool = False) -> str:
    out = io.StringIO()
    Console(
        file=out,
        width=width,
        force_terminal=colour,
        color_system="standard" if colour else None,
        highlight=False,
    ).print(renderable)
    return out.getvalue()


def code(**changes: Any) -> dict[str, Any]:
    return {
        "credential_id": "cred_0123456789abcdef", "device_id": "dev_1", "name": "Ada Lovelace",
        "device_name": "Front door of the west wing", "state": "active", "reason": None,
        "reason_text": "", "window": {"kind": "timed"}, "window_text": "15:00 – Sun 11:00",
        "opens_at": None, "closes_at": None, "use_limit": None, "uses": 0, "has_digits": True,
        **changes,
    }  # fmt: skip


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_table_fits_its_terminal_and_keeps_the_mask_whole(width: int) -> None:
    text = shown(render.codes({**HEAD, "codes": [code(), code(state="removed_externally")]}), width)
    assert max(len(line) for line in text.splitlines()) <= width
    assert text.count(render.MASK) == 2


def test_digits_are_shown_only_for_what_was_revealed() -> None:
    both = {**HEAD, "codes": [code(), code(credential_id="b", has_digits=False)]}
    text = shown(render.codes(both, {"cred_0123456789abcdef": "0042"}))
    assert "0042" in text
    assert "destroyed" in text
    assert render.MASK not in text
    assert render.MASK in shown(render.codes(both, {"other": "1"}))


def test_names_cannot_smuggle_styles_or_escapes_of_the_table() -> None:
    text = shown(render.codes({**HEAD, "codes": [code(name="[red]x[/red]")]}), 120)
    assert "[red]x[/red]" in text


def test_a_limited_and_a_weekly_code() -> None:
    item = code(
        window={"kind": "recurring"}, window_text="Mon 09:00–11:00", use_limit=3, uses=1,
        opens_at="2026-11-23T08:00:00.000Z", closes_at="2026-11-23T10:00:00.000Z",
    )  # fmt: skip
    text = shown(render.codes({**HEAD, "codes": [item]}), 120)
    assert "next Mon 09:00" in text
    assert "1 of 3 uses" in text


@pytest.mark.parametrize("state", sorted(render.STATE_STYLES))
def test_every_state_has_a_style(state: str) -> None:
    assert "\x1b[" in shown(render.state(state), colour=True)
    assert "\x1b[" not in shown(render.state(state))


def test_every_grant_state_is_known_here() -> None:
    from gateway.domain.grants import GrantState

    assert set(render.STATE_STYLES) == {state.value for state in GrantState}


def plan(*actions: str) -> str:
    device = {
        "device_id": "dev_1", "name": "Front", "actions": list(actions), "next_look": None,
        "verdicts": [],
    }  # fmt: skip
    return shown(render.plan({**HEAD, "devices": [device]}))


def test_an_inventory_is_one_line_and_what_matters_stays() -> None:
    reads = [f"read slot {number}" for number in range(30, 251)]
    text = plan("erase slot 4 (ada)", *reads, "check clock", "read slot 9")
    lines = [line.strip() for line in text.splitlines()[1:]]
    assert lines == [
        "1. erase slot 4 (ada)", "2. read slots 30 to 250", "3. check clock", "4. read slot 9",
    ]  # fmt: skip


def test_a_long_plan_is_cut_and_says_so() -> None:
    text = plan(*[f"program slot {n} (c{n})" for n in range(1, 40)])
    assert "and 19 more" in text


def test_nothing_to_show_is_said() -> None:
    assert "lock-gateway join" in shown(render.devices({**HEAD, "devices": []}))
    assert "no codes" in shown(render.codes({**HEAD, "codes": []}))
    assert "no device" in shown(render.plan({**HEAD, "devices": []}))


def meter(**changes: Any) -> dict[str, Any]:
    """As `GET /v1/devices/{device}` has a meter that was never more than heard."""
    return device(
        kind="meter", name="Main meter", driver="bthome", radio="bluetooth", address="a",
        last_heard_at=None, locked=None, clock=None, schedules_proven=False, quirks=[],
        well_known_key=False, simulated=False, repair_paused=None, joined_at=NOW,
        slots={"total": 0, "managed": 0, "unmanaged": 0, "free": 0, "unread": 0}, **changes,
    )  # fmt: skip


def test_a_meter_shows_what_it_measures_and_nothing_of_a_lock() -> None:
    told = [
        {"quantity": "energy", "value": 12345, "unit": "Wh", "at": NOW},
        {"quantity": "temperature", "value": -525, "unit": "centi_celsius", "at": NOW},
        {"quantity": "door", "value": 1, "unit": "", "at": NOW},
        {"quantity": "co2", "value": 611, "unit": "ppm", "at": NOW},
    ]
    text = shown(render.device({**HEAD, "device": meter(readings=told), "codes": []}))
    for words in ("12.345 kWh", "-5.25 °C", "door", "611 ppm"):
        assert words in text
    for words in ("bolt", "slots", "keeps windows"):
        assert words not in text
    listed = shown(render.devices({**HEAD, "devices": [meter(readings=told)]}))
    assert "unlocked" not in listed
    assert "?" not in listed


def device(**changes: Any) -> dict[str, Any]:
    return {
        "device_id": "dev_1", "name": "Front", "kind": "lock",
        "manufacturer": "Yale", "model": "YRD",
        "reachable": True, "reachable_since": NOW, "jammed": False, "locked": True,
        "battery_percent": 80, "battery_low": False, "codes": {"total": 3}, **changes,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "reachable"),
        ({"reachable": None}, "not heard"),
        ({"reachable": False}, "away since 15:30"),
        ({"jammed": True}, "jammed"),
        ({"locked": False}, "unlocked"),
        ({"battery_low": True}, "80 % low"),
        ({"battery_percent": None}, "?"),
    ],
)
def test_a_device_in_one_line(changes: dict[str, Any], words: str) -> None:
    assert words in shown(render.devices({**HEAD, "devices": [device(**changes)]}), 120)


def test_an_event_leaves_out_what_is_not_there() -> None:
    item = {
        "seq": 7, "at": NOW, "type": "credential.erase_overdue", "device_id": "dev_1",
        "device_name": None, "credential_id": "ada", "body": {"a": None, "b": [1, 2]},
    }  # fmt: skip
    text = shown(render.event(item, "Europe/Berlin"), 200).rstrip()
    assert text.endswith("credential.erase_overdue  dev_1 ada  b=1,2")
    assert "\x1b[1;31m" in shown(render.event(item, "UTC"), 200, colour=True)
