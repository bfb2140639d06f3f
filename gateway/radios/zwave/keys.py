"""The network's own keys: their names here, and where the library wants them. Pure.

Whoever has them can open every lock of the network, and without them every lock has to be included
again. Not here: where they are kept (`store.network_keys`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.domain.secret import Secret

KEY_BYTES = 16
"""AES-128, CC:0098 and CC:009F."""

_MESH = "securityKeys"
_LONG_RANGE = "securityKeysLongRange"

_PLACES = {
    "s0": (_MESH, "S0_Legacy"),
    "s2_unauthenticated": (_MESH, "S2_Unauthenticated"),
    "s2_authenticated": (_MESH, "S2_Authenticated"),
    "s2_access_control": (_MESH, "S2_AccessControl"),
    "long_range_s2_authenticated": (_LONG_RANGE, "S2_Authenticated"),
    "long_range_s2_access_control": (_LONG_RANGE, "S2_AccessControl"),
}
"""Ours -> the library's (`ZWaveOptions`). Each class needs a key of its own."""

KEY_NAMES = tuple(_PLACES)


def security_keys(keys: Mapping[str, Secret]) -> dict[str, dict[str, str]]:
    """As the server's configuration file wants them. `keys`: by our names, hex, all of them."""
    told: dict[str, dict[str, str]] = {_MESH: {}, _LONG_RANGE: {}}
    for name, (group, place) in _PLACES.items():
        told[group][place] = keys[name].reveal()
    return told
