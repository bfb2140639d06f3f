"""The network's keys as the library wants them: each class its own, none left out."""

from __future__ import annotations

from gateway.domain.secret import Secret
from gateway.radios.zwave.keys import KEY_BYTES, KEY_NAMES, security_keys


def test_each_class_has_a_key_of_its_own() -> None:
    keys = {name: Secret(f"{number:0{2 * KEY_BYTES}x}") for number, name in enumerate(KEY_NAMES)}
    told = security_keys(keys)
    # ZWaveOptions of zwave-js 15.29: `securityKeys`, `securityKeysLongRange`.
    assert set(told) == {"securityKeys", "securityKeysLongRange"}
    assert set(told["securityKeys"]) == {
        "S0_Legacy",
        "S2_Unauthenticated",
        "S2_Authenticated",
        "S2_AccessControl",
    }
    assert set(told["securityKeysLongRange"]) == {"S2_Authenticated", "S2_AccessControl"}
    used = [key for group in told.values() for key in group.values()]
    assert sorted(used) == sorted(key.reveal() for key in keys.values())
