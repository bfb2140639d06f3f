"""What survives a power cut: the coordinator's tokens and each node's membership, as one file.

Here: the shapes that are kept and the JSON file. Not here: who changes them and when.
The file holds keys of a simulated network in the clear, as the flash of a real NCP does.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

COUNTER_RESERVE = 0x1000
"""Frame counters are stored in steps of this size, as EmberZNet does to spare its flash: after
a restart a counter resumes at the next step, never below what was used."""


@dataclass(slots=True)
class CoordinatorState:
    """The coordinator's tokens; ``formed`` says whether the network parameters mean anything."""

    factory_eui64: int = 0x0013A200DEC0DE01
    formed: bool = False
    extended_pan_id: int = 0
    pan_id: int = 0xFFFF
    power: int = 8
    channel: int = 11
    manager: int = 0
    update_id: int = 0
    channels: int = 0
    security_bitmask: int = 0
    network_key: bytes = field(default=bytes(16), repr=False)
    key_sequence: int = 0
    preconfigured_key: bytes = field(default=bytes(16), repr=False)
    trust_center: int = 0
    nwk_counter: int = 0
    aps_counter: int = 0
    link_keys: dict[int, tuple[int, bytes]] = field(default_factory=dict, repr=False)
    restored_children: dict[int, tuple[int, int]] = field(default_factory=dict)
    restored_eui64: int | None = None  # set when a backup of another stick was written

    @property
    def eui64(self) -> int:
        return self.factory_eui64 if self.restored_eui64 is None else self.restored_eui64


@dataclass(slots=True)
class Membership:
    """What a node keeps of the network it is in."""

    node_id: int
    network_key: bytes = field(repr=False)
    extended_pan_id: int
    bindings: set[tuple[int, int]] = field(default_factory=set)  # endpoint, cluster


def _to_json(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {str(k): _to_json(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_to_json(v) for v in value]
    if isinstance(value, (set, frozenset)):
        return sorted(_to_json(v) for v in value)
    return value


class Nvm:
    """Loads when made; ``save`` replaces the file in one step. Without a path it only remembers."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self.coordinator = CoordinatorState()
        self.nodes: dict[str, Membership] = {}
        if path is not None and path.exists():
            self._load(json.loads(path.read_text()))

    def _load(self, stored: dict[str, Any]) -> None:
        raw = stored["coordinator"]
        for name in ("network_key", "preconfigured_key"):
            raw[name] = bytes.fromhex(raw[name])
        raw["link_keys"] = {
            int(i): (eui64, bytes.fromhex(key)) for i, (eui64, key) in raw["link_keys"].items()
        }
        raw["restored_children"] = {
            int(i): (eui64, node_id) for i, (eui64, node_id) in raw["restored_children"].items()
        }
        state = CoordinatorState(**raw)
        if state.formed:
            state.nwk_counter = _next_step(state.nwk_counter)
            state.aps_counter = _next_step(state.aps_counter)
        self.coordinator = state
        for name, node in stored["nodes"].items():
            self.nodes[name] = Membership(
                node_id=node["node_id"],
                network_key=bytes.fromhex(node["network_key"]),
                extended_pan_id=node["extended_pan_id"],
                bindings={(endpoint, cluster) for endpoint, cluster in node["bindings"]},
            )
        if state.formed:
            self.save()  # the step is taken, even if this life uses none of it

    def save(self) -> None:
        """Write everything; returns when the file is in place."""
        if self._path is None:
            return
        content = {
            "coordinator": asdict(self.coordinator),
            "nodes": {name: asdict(node) for name, node in self.nodes.items()},
        }
        partial = self._path.with_suffix(self._path.suffix + ".new")
        partial.touch(mode=0o600, exist_ok=True)
        partial.write_text(json.dumps(_to_json(content), indent=1))
        os.replace(partial, self._path)  # noqa: PTH105 - the two names say what happens better

    def count_up(self, amount: int = 1) -> None:
        """Use frame counters; written only when a reserved step is used up."""
        state = self.coordinator
        state.nwk_counter = (state.nwk_counter + amount) & 0xFFFFFFFF
        if state.nwk_counter % COUNTER_RESERVE == 0:
            self.save()


def _next_step(counter: int) -> int:
    return (counter // COUNTER_RESERVE + 1) * COUNTER_RESERVE
