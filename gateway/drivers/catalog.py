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
from gateway.drivers.zwave_lock.driver import kind_of
from gateway.drivers.zwave_lock.facts import ModelFacts as CcFacts
from gateway.drivers.zwave_lock.facts import Switch
from gateway.errors import ConfigError
from gateway.radios.command_classes import CcNode

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping

    from gateway.domain.instant import Instant
    from gateway.drivers.api import Driver
    from gateway.drivers.claims import Family
    from gateway.radios.api import ClusterRadio, NodeInfo, Radio
    from gateway.radios.command_classes import CcRadio


@dataclass(frozen=True, slots=True)
class Entry:
    """One table of the file. `source` is kept so that `device ID` can name it."""

    manufacturer: re.Pattern[str]
    model: re.Pattern[str]
    source: str
    facts: ModelFacts


@dataclass(frozen=True, slots=True)
class CcEntry:
    """The same of a Z-Wave lock. Fingerprints in four hexadecimal digits each; `*` for any."""

    fingerprints: tuple[tuple[str, str, str], ...]
    source: str
    facts: CcFacts


def driver_for(node: NodeInfo | CcNode, radio: Radio, site_zone: str) -> Driver | None:
    """None for a node that no driver knows. `radio` has the node; `site_zone`: an IANA name."""
    if isinstance(node, CcNode):
        return lock_for_ccs(node, cast("CcRadio", radio), site_zone)
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


def lock_for_ccs(node: CcNode, radio: CcRadio, site_zone: str) -> Driver | None:
    """None for a node that is no lock. `site_zone`: an IANA name."""
    kind = kind_of(node)
    return None if kind is None else kind(node, radio, site_zone, cc_facts_for(node))


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


def cc_facts_for(node: CcNode) -> CcFacts:
    known = [f"{number:04x}" for number in node.fingerprint]
    for entry in cc_quirks():
        for fingerprint in entry.fingerprints:
            if all(want in {"*", is_} for want, is_ in zip(fingerprint, known, strict=True)):
                return entry.facts
    return CcFacts()


@cache
def quirks() -> tuple[Entry, ...]:
    return parse(_text())


@cache
def cc_quirks() -> tuple[CcEntry, ...]:
    return parse_cc(_text())


def _text() -> str:
    return resources.files("gateway.drivers").joinpath("quirks.toml").read_text(encoding="utf-8")


def parse(text: str) -> tuple[Entry, ...]:
    """Raises `ConfigError` for an unknown key or a missing source."""
    return tuple(_entry(table) for table in tomllib.loads(text).get("lock", []))


def parse_cc(text: str) -> tuple[CcEntry, ...]:
    """As `parse`, of the Z-Wave locks."""
    return tuple(_cc_entry(table) for table in tomllib.loads(text).get("zwave_lock", []))


_FACTS = frozenset(field.name for field in fields(ModelFacts)) - {"names"}
_IDENTITY = frozenset({"name", "manufacturer", "model", "source"})


_CC_FACTS = frozenset(field.name for field in fields(CcFacts)) - {"names"}
_CC_IDENTITY = frozenset({"name", "fingerprints", "source"})
_FINGERPRINT = re.compile(r"([0-9a-f]{4}|\*):([0-9a-f]{4}|\*):([0-9a-f]{4}|\*)")


def _entry(table: dict[str, Any]) -> Entry:
    values = _values(table, _FACTS, _IDENTITY)
    return Entry(
        re.compile(table["manufacturer"]),
        re.compile(table["model"]),
        table["source"],
        ModelFacts(names=_names(table, values), **values),
    )


def _cc_entry(table: dict[str, Any]) -> CcEntry:
    values = _values(table, _CC_FACTS, _CC_IDENTITY)
    names = _names(table, values)
    found = [_FINGERPRINT.fullmatch(fingerprint) for fingerprint in table["fingerprints"]]
    matches = [match for match in found if match is not None]
    if len(matches) != len(found):
        raise ConfigError(f"could not read quirks of {table['name']}: an ill-formed fingerprint")
    if "switches" in values:
        values["switches"] = tuple(Switch(**switch) for switch in values["switches"])
    fingerprints = tuple((match[1], match[2], match[3]) for match in matches)
    return CcEntry(fingerprints, table["source"], CcFacts(names=names, **values))


def _values(
    table: dict[str, Any], known: frozenset[str], identity: frozenset[str]
) -> dict[str, Any]:
    unknown = table.keys() - known - identity
    missing = identity - table.keys()
    if unknown or missing:
        raise ConfigError(
            f"could not read quirks of {table.get('name')}: unknown {sorted(unknown)}, "
            f"missing {sorted(missing)}"
        )
    values = {key: value for key, value in table.items() if key in known}
    if "reserved_slots" in values:
        values["reserved_slots"] = frozenset(values["reserved_slots"])
    return values


def _names(table: dict[str, Any], values: dict[str, Any]) -> tuple[str, ...]:
    plain = (key for key in values if not isinstance(table[key], list) or key == "reserved_slots")
    return (table["name"], *sorted(f"{key}={table[key]}" for key in plain))
