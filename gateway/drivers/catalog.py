"""Which driver speaks to which device, with which facts about its model: an explicit table.

Here: identity -> driver and quirks; the families of devices that are claimed on site. Not here:
what the quirks do (the driver's own modules).
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, fields
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, cast

from gateway.drivers.zcl_lock import wire
from gateway.drivers.zcl_lock.driver import ZclLock, ZclLockWithClock
from gateway.drivers.zcl_lock.facts import ModelFacts
from gateway.errors import ConfigError
from gateway.radios.command_classes import CcNode

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping

    from gateway.domain.instant import Instant
    from gateway.drivers.api import Driver
    from gateway.drivers.claims import Family
    from gateway.radios.api import ClusterRadio, NodeInfo, Radio


@dataclass(frozen=True, slots=True)
class Entry:
    """One table of the file. `source` is kept so that `device ID` can name it."""

    manufacturer: re.Pattern[str]
    model: re.Pattern[str]
    source: str
    facts: ModelFacts


def driver_for(node: NodeInfo | CcNode, radio: Radio, site_zone: str) -> Driver | None:
    """None for a node that no driver knows. `radio` has the node; `site_zone`: an IANA name."""
    if isinstance(node, CcNode):
        return None
    return _zcl_driver(node, cast("ClusterRadio", radio), site_zone)


def _zcl_driver(node: NodeInfo, radio: ClusterRadio, site_zone: str) -> Driver | None:
    facts = facts_for(node)
    endpoint = next(
        (
            endpoint
            for endpoint in node.endpoints
            if wire.DOOR_LOCK in endpoint.input_clusters
            and facts.endpoint in (None, endpoint.endpoint)
        ),
        None,
    )
    if endpoint is None:
        return None
    kind = ZclLockWithClock if wire.TIME in endpoint.input_clusters else ZclLock
    return kind(node, radio, site_zone, facts)


def families(chance: random.Random, now: Callable[[], Instant]) -> Mapping[str, Family]:
    """By name, in the order in which they are asked whether they know an advertisement.

    `chance` must be unguessable: keys come from it.

    Imported here, because they bring libraries that a site without Bluetooth has no use for.
    """
    from gateway.drivers.bthome.family import BtHomeFamily
    from gateway.drivers.nuki.family import NukiFamily
    from gateway.drivers.ttlock.family import TtLockFamily
    from gateway.drivers.yale_august.family import YaleAugustFamily

    known: tuple[Family, ...] = (
        TtLockFamily(chance, now),
        NukiFamily(chance),
        YaleAugustFamily(),
        BtHomeFamily(),
    )
    return {family.name: family for family in known}


def facts_for(node: NodeInfo) -> ModelFacts:
    for entry in quirks():
        if entry.manufacturer.fullmatch(node.manufacturer) and entry.model.fullmatch(node.model):
            return entry.facts
    return ModelFacts()


@cache
def quirks() -> tuple[Entry, ...]:
    text = resources.files("gateway.drivers").joinpath("quirks.toml").read_text(encoding="utf-8")
    return parse(text)


def parse(text: str) -> tuple[Entry, ...]:
    """Raises `ConfigError` for an unknown key or a missing source."""
    return tuple(_entry(table) for table in tomllib.loads(text).get("lock", []))


_FACTS = frozenset(field.name for field in fields(ModelFacts)) - {"names"}
_IDENTITY = frozenset({"name", "manufacturer", "model", "source"})


def _entry(table: dict[str, Any]) -> Entry:
    unknown = table.keys() - _FACTS - _IDENTITY
    missing = _IDENTITY - table.keys()
    if unknown or missing:
        raise ConfigError(
            f"could not read quirks of {table.get('name')}: unknown {sorted(unknown)}, "
            f"missing {sorted(missing)}"
        )
    values = {key: value for key, value in table.items() if key in _FACTS}
    if "reserved_slots" in values:
        values["reserved_slots"] = frozenset(values["reserved_slots"])
    names = (table["name"], *sorted(f"{key}={table[key]}" for key in values))
    return Entry(
        re.compile(table["manufacturer"]),
        re.compile(table["model"]),
        table["source"],
        ModelFacts(names=names, **values),
    )
