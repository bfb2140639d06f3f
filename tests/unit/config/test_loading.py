"""The settings file and the environment: what is refused, and how it is said."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import options, run, sim
from gateway.config import load, parse
from gateway.config.loading import COMMAND_LINE
from gateway.errors import ConfigError

LEAST: dict[str, Any] = {"gateway": {"site_zone": "Europe/Berlin"}}


def fault(text: str, environ: dict[str, str] | None = None) -> str:
    """What the operator reads about a file with this text added to the least one that works."""
    tables = {**LEAST, **tomllib.loads(text)}
    with pytest.raises(ConfigError) as caught:
        parse(tables, environ or {})
    return str(caught.value)


def test_only_the_zone_is_required() -> None:
    assert parse(LEAST, {}).gateway.site_zone == "Europe/Berlin"
    with pytest.raises(ConfigError, match=r"gateway\.site_zone is missing"):
        parse({}, {})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[broker]\nhots = 'x'", "broker.hots is not a setting; did you mean broker.host?"),
        (
            "[broker]\ntls.ca = '/x'",
            "broker.tls.ca is not a setting; did you mean broker.tls.ca_file?",
        ),
        ("[polcy]\nlead_s = 1", "polcy is not a setting; did you mean [policy]?"),
        ("[zigbee]\nlead_s = 1", "zigbee.lead_s is not a setting; did you mean policy.lead_s?"),
        ("lead_s = 1", "lead_s is not a setting; did you mean policy.lead_s?"),
        ("[broker]\nqqq = 1", "broker.qqq is not a setting"),
        ("[broker]\nport = '1883'", "broker.port: a whole number is needed, not text"),
        ("[broker]\nport = true", "broker.port: a whole number is needed, not a true or false"),
        ("[broker]\nport = 1.5", "broker.port: a whole number is needed, not a fraction"),
        ("[broker]\ntls = 3", "broker.tls: a table is needed, not a whole number"),
        ("[broker]\naccept_unsigned = 1", "true or false is needed, not a whole number"),
        ("[gateway]\nsite_zone = 2026-11-20", "text in quotes is needed, not a date or time"),
        ("[gateway]\nsite_zone = 'Europe/Pariss'", "did you mean Europe/Paris?"),
        ("[gateway]\nsite_zone = '/etc/localtime'", "is not an IANA time zone"),
        ("[gateway]\nid = 'a/b'", "gateway.id: "),
        ("[gateway]\nstate_dir = 'here'", "gateway.state_dir: an absolute path is needed"),
        ("[policy]\nlead_s = nan", "policy.lead_s: it should be a finite number"),
        ("[policy]\nreserved_slots = [-1]", "policy.reserved_slots.0: "),
        ("[zigbee]\nchannel = 27", "zigbee.channel: it should be less than or equal to 26"),
        ("[zigbee]\nenabled = true", "zigbee: enabled without device"),
        ("[zigbee]\ndevice = 'socket://10.0.0.1:9999'", "only taken on loopback"),
        ("[zigbee]\ndevice = 'socket://localhost.example:9999'", "only taken on loopback"),
        ("[zigbee]\ndevice = 'COM3'", "a path like /dev/serial/by-id"),
        ("[broker]\npassword_file = '/x'", "broker: password_file without username"),
        (
            "[broker]\ntls = {cert_file = '/x'}",
            "broker.tls: cert_file and key_file belong together",
        ),
        ("[time]\ntrust = 'assume'\nntp_is_authenticated = true", "contradict each other"),
        ("[time]\ncloud_issuers = ['here.pem']", "an absolute path is needed"),
        ("[broker]\nreconnect_min_s = 9.0\nreconnect_max_s = 8.0", "reconnect_min_s is above"),
    ],
)
def test_a_fault_is_named(text: str, told: str) -> None:
    assert told in fault(text)


def test_all_faults_are_told_at_once() -> None:
    told = fault(
        "[broker]\nport = 'x'\n[zigbee]\nchannel = 1\n", {"LOCK_GATEWAY_LOGS__LEVL": "info"}
    )
    assert [line.split(":")[0].strip() for line in told.splitlines()[1:]] == [
        "LOCK_GATEWAY_LOGS__LEVL",
        "broker.port",
        "zigbee.channel",
    ]


def test_a_secret_in_the_wrong_place_is_not_repeated() -> None:
    told = fault("[broker]\npassword = 'canary-837465920'\nport = 'canary-837465920'")
    assert "did you mean broker.password_file?" in told
    assert "837465920" not in told


def test_the_environment_wins_and_is_read_as_what_the_key_takes() -> None:
    settings = parse(
        {**LEAST, "broker": {"port": 1, "host": "kept"}},
        {
            "LOCK_GATEWAY_BROKER__PORT": "8883",
            "LOCK_GATEWAY_BROKER__TLS__CA_FILE": "/etc/ca.pem",
            "LOCK_GATEWAY_GATEWAY__ID": "123",
            "LOCK_GATEWAY_ZIGBEE__CHANNEL": "15",
            "LOCK_GATEWAY_POLICY__RESERVED_SLOTS": "0,250",
            "LOCK_GATEWAY_CONFIG": "not a setting, but the command line's",
        },
    )
    assert (settings.broker.port, settings.broker.host) == (8883, "kept")
    assert settings.broker.tls is not None
    assert settings.broker.tls.ca_file == Path("/etc/ca.pem")
    assert settings.gateway.id == "123"
    assert settings.zigbee.channel == 15
    assert settings.policy.reserved_slots == (0, 250)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("BROKER__PORT", "many", "BROKER__PORT: a whole number is needed, not text"),
        ("BROKER__PORT", "0", "BROKER__PORT: it should be greater than or equal to 1"),
        (
            "BROKER__HOTS",
            "x",
            "BROKER__HOTS: broker.hots is not a setting; did you mean broker.host?",
        ),
        ("BROKER__TLS__CA", "x", "broker.tls.ca is not a setting"),
        ("BROKER__PORT__X", "x", "broker.port.x is not a setting"),
        ("BROCKER__TLS", "x", "brocker.tls is not a setting"),
        ("BROKER__TLS", "x", "broker.tls is not a setting"),
    ],
)
def test_a_fault_in_the_environment_names_the_variable(name: str, text: str, told: str) -> None:
    message = fault("", {f"LOCK_GATEWAY_{name}": text})
    assert f"LOCK_GATEWAY_{name}: " in message
    assert told in message


def test_the_caller_s_tables_are_left_alone() -> None:
    tables = {**LEAST, "broker": {"port": 1}}
    parse(tables, {"LOCK_GATEWAY_BROKER__PORT": "2", "LOCK_GATEWAY_ZIGBEE__CHANNEL": "11"})
    assert tables == {**LEAST, "broker": {"port": 1}}


def test_a_file_that_cannot_be_read_or_is_not_toml(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    with pytest.raises(ConfigError, match=r"config\.toml: No such file"):
        load(path, {})
    path.write_text("[gateway\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"not TOML: .*line 1"):
        load(path, {})
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load(path, {})


def test_settings_cannot_be_changed_later() -> None:
    settings = parse(LEAST, {})
    with pytest.raises(ValueError, match="frozen"):
        settings.broker.port = 1  # type: ignore[misc]  # the point of the test


@pytest.mark.parametrize(
    ("variable", "told"),
    [
        ("LOCK_GATEWAY_BROKER_PORT", "broker_port is not a setting"),
        ("LOCK_GATEWAY_BROKER", "broker is not a setting"),
        ("LOCK_GATEWAY_SOCKETS", "sockets is not a setting"),
    ],
)
def test_a_variable_of_ours_that_is_no_setting_is_told(variable: str, told: str) -> None:
    assert f"{variable}: {told}" in fault("", {variable: "8883"})


def test_the_command_line_s_own_variables_are_left_to_it() -> None:
    own = {options.SOCKET_ENV, run.CONFIG_ENV, sim.SIM_ENV}
    assert own == COMMAND_LINE
    assert parse(LEAST, dict.fromkeys(own, "/x")) == parse(LEAST, {})


@pytest.mark.parametrize("text", ["true", "False"])
def test_a_truth_is_no_number_in_the_environment_either(text: str) -> None:
    told = fault("", {"LOCK_GATEWAY_BROKER__PORT": text, "LOCK_GATEWAY_POLICY__LEAD_S": text})
    assert "LOCK_GATEWAY_BROKER__PORT: a whole number is needed, not a true or false" in told
    assert "LOCK_GATEWAY_POLICY__LEAD_S: a number is needed, not a true or false" in told


def test_each_kind_of_value_is_read_from_the_environment() -> None:
    settings = parse(
        LEAST,
        {
            "LOCK_GATEWAY_ZIGBEE__ENABLED": "true",
            "LOCK_GATEWAY_ZIGBEE__DEVICE": "/dev/ttyACM0",
            "LOCK_GATEWAY_ZIGBEE__FLOW_CONTROL": "hardware",
            "LOCK_GATEWAY_POLICY__LEAD_S": "12.5",
            "LOCK_GATEWAY_POLICY__RESERVED_SLOTS": "7",
            "LOCK_GATEWAY_GATEWAY__SITE_NAME": "true",
        },
    )
    assert settings.zigbee.enabled is True
    assert settings.zigbee.flow_control == "hardware"
    assert settings.policy.lead_s == 12.5
    assert settings.policy.reserved_slots == (7,)
    assert settings.gateway.site_name == "true"


def test_a_wrong_item_of_a_list_is_told_by_its_variable() -> None:
    told = fault("", {"LOCK_GATEWAY_POLICY__RESERVED_SLOTS": "1,canary"})
    assert "LOCK_GATEWAY_POLICY__RESERVED_SLOTS: a whole number is needed, not text" in told
    assert "canary" not in told


def test_a_value_in_place_of_a_table_is_told_although_the_environment_has_the_table() -> None:
    told = fault("broker = 3", {"LOCK_GATEWAY_BROKER__PORT": "8883"})
    assert "broker: a table is needed, not a whole number" in told


def test_the_process_s_own_environment_is_read_only_when_handed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LOCK_GATEWAY_BROKER__PORT", "8883")
    assert parse(LEAST, {}).broker.port == 1883
