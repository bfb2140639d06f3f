"""Settings that cannot be used: the daemon does not start, exits 78 and names the key."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

EX_CONFIG = 78


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gateway", *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def _config(folder: Path, text: str) -> Path:
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    return path


ALL_WRONG = """\
[gateway]
site_zone = "Europe/Zurch"
state_dir = "{state}"
[broker]
hosst = "127.0.0.1"
port = "1883"
[zigbee]
enabled = true
device = "socket://192.0.2.1:6638"
[zigbe]
enabled = true
[local]
socket = "api.sock"
[policy]
erase_alarm_s = 61
"""

NAMED = {
    "gateway.site_zone": "did you mean Europe/Zurich",
    "broker.hosst": "did you mean broker.host",
    "broker.port": "a whole number is needed, not text",
    "zigbee.device": "only taken on loopback",
    "zigbe": "did you mean [zigbee]",
    "local.socket": "an absolute path is needed",
    "policy.erase_alarm_s": "less than or equal to 60",
}


def test_every_wrong_key_is_named_with_what_would_do(tmp_path: Path) -> None:
    state = tmp_path / "state"
    ended = _run("run", "--config", str(_config(tmp_path, ALL_WRONG.format(state=state))))
    assert ended.returncode == EX_CONFIG, ended.stderr
    lines = [line.strip() for line in ended.stderr.splitlines()][1:]
    assert len(lines) == len(NAMED)
    for key, hint in NAMED.items():
        [line] = [line for line in lines if line.startswith((f"{key}:", f"{key} "))]
        assert hint in line
    assert not state.exists()  # nothing was begun


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[broker", ["config.toml", "not TOML"]),
        ('[gateway]\nid = "a"', ["gateway.site_zone is missing"]),
        ('[gateway]\nsite_zone = "UTC"\n[zigbee]\nenabled = true', ["zigbee", "without device"]),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, text: str, words: list[str]) -> None:
    ended = _run("check-config", "--config", str(_config(tmp_path, text)))
    assert ended.returncode == EX_CONFIG, ended.stderr
    assert all(word in ended.stderr for word in words)
    assert "Traceback" not in ended.stderr


def test_a_missing_file_is_named_by_both_commands(tmp_path: Path) -> None:
    config = tmp_path / "nowhere.toml"
    ran = _run("run", "--config", str(config))
    checked = _run("check-config", "--json", "--config", str(config))
    assert ran.returncode == checked.returncode == EX_CONFIG
    assert str(config) in ran.stderr
    [problem] = json.loads(checked.stdout)["problems"]
    assert str(config) in problem


@pytest.mark.parametrize(
    ("content", "mode", "word"),
    [(b"short", 0o600, "32 bytes"), (b"k" * 32, 0o644, "chmod"), (None, 0, "No such file")],
)
def test_a_key_file_that_cannot_be_used(
    tmp_path: Path, content: bytes | None, mode: int, word: str
) -> None:
    key = tmp_path / "key"
    if content is not None:
        key.write_bytes(content)
        key.chmod(mode)
    config = _config(
        tmp_path,
        f'[gateway]\nsite_zone = "UTC"\nstate_dir = "{tmp_path}"\n[secrets]\nkey_file = "{key}"\n',
    )
    ended = _run("run", "--config", str(config))
    assert ended.returncode == EX_CONFIG, ended.stderr
    assert str(key) in ended.stderr
    assert word in ended.stderr
    assert "kkkk" not in ended.stderr
