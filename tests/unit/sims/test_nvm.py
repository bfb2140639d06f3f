"""What a power cut leaves."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firmware_sims.zigbee.nvm import COUNTER_RESERVE, Membership, Nvm

if TYPE_CHECKING:
    from pathlib import Path

KEY = bytes(range(16))
EUI64 = st.integers(0, 2**64 - 1)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    eui64=EUI64,
    key=st.binary(min_size=16, max_size=16),
    link_keys=st.dictionaries(st.integers(0, 12), st.tuples(EUI64, st.just(KEY)), max_size=3),
    restored=st.none() | EUI64,
    bindings=st.sets(st.tuples(st.integers(1, 240), st.integers(0, 65535)), max_size=4),
)
def test_what_was_saved_is_there_again(
    tmp_path: Path,
    eui64: int,
    key: bytes,
    link_keys: dict[int, tuple[int, bytes]],
    restored: int | None,
    bindings: set[tuple[int, int]],
) -> None:
    path = tmp_path / "nvm.json"
    path.unlink(missing_ok=True)
    nvm = Nvm(path)
    nvm.coordinator.factory_eui64 = eui64
    nvm.coordinator.network_key = key
    nvm.coordinator.link_keys = link_keys
    nvm.coordinator.restored_eui64 = restored
    nvm.nodes["front"] = Membership(0x1234, key, 0xDDDD, bindings)
    nvm.save()
    again = Nvm(path)
    assert again.coordinator == nvm.coordinator
    assert again.nodes == nvm.nodes
    assert again.coordinator.eui64 == (eui64 if restored is None else restored)


@pytest.mark.parametrize("frames", [10, COUNTER_RESERVE, COUNTER_RESERVE + 10])
def test_a_frame_counter_never_goes_back(tmp_path: Path, frames: int) -> None:
    path = tmp_path / "nvm.json"
    nvm = Nvm(path)
    nvm.coordinator.formed = True
    nvm.save()
    used = 0
    for _ in range(3):
        nvm = Nvm(path)
        assert nvm.coordinator.nwk_counter >= used
        for _ in range(frames):
            nvm.count_up()
        used = nvm.coordinator.nwk_counter


def test_the_file_is_private_and_keys_do_not_show(tmp_path: Path) -> None:
    path = tmp_path / "nvm.json"
    nvm = Nvm(path)
    nvm.coordinator.network_key = KEY
    nvm.nodes["front"] = Membership(0x1234, KEY, 0xDDDD)
    nvm.save()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for text in (repr(nvm.coordinator), repr(nvm.nodes)):
        assert KEY.hex() not in text.lower()
        assert repr(KEY) not in text


def test_without_a_path_nothing_is_written(tmp_path: Path) -> None:
    Nvm().save()
    assert list(tmp_path.iterdir()) == []
