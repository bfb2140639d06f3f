"""Facts of Z-Wave models: found by fingerprint, each with its source, ill-formed ones refused."""

from __future__ import annotations

import pytest

from gateway.drivers.catalog import cc_facts_for, cc_quirks, parse_cc
from gateway.drivers.zwave_lock.facts import ModelFacts
from gateway.errors import ConfigError
from tests.unit.drivers.zwave_double import node_of


@pytest.mark.parametrize(
    ("fingerprint", "name", "slow_s"),
    [
        ((0x003B, 0x0001, 0x0469), "schlage-slow", 10.0),
        ((0x003B, 0x0001, 0x0468), "schlage", 0.0),
        ((0x003B, 0x6341, 0x5044), "schlage", 0.0),
    ],
)
def test_models(fingerprint: tuple[int, int, int], name: str, slow_s: float) -> None:
    facts = cc_facts_for(node_of({0x62: 1}, fingerprint))
    assert (facts.names[0], facts.slow_s, facts.length_parameter) == (name, slow_s, 16)
    assert [switch.name for switch in facts.switches] == ["sound", "auto_lock"]


def test_an_unknown_model_is_spoken_to_by_the_specification() -> None:
    assert cc_facts_for(node_of({0x62: 1}, (0x0090, 0x0811, 0x03A8))) == ModelFacts()


def test_every_table_has_its_source() -> None:
    assert cc_quirks()
    assert all(entry.source for entry in cc_quirks())


@pytest.mark.parametrize(
    "line",
    ['fingerprints = ["003b:1:*"]', 'fingerprints = ["*:*:*"]\nspeed = 3', "slots = 3"],
)
def test_an_ill_formed_table_is_refused(line: str) -> None:
    with pytest.raises(ConfigError):
        parse_cc(f'[[zwave_lock]]\nname = "x"\nsource = "y"\n{line}\n')


def test_a_star_is_any() -> None:
    (entry,) = parse_cc(
        '[[zwave_lock]]\nname = "x"\nsource = "y"\nfingerprints = ["003b:*:*"]\nslots = 3\n'
    )
    assert entry.fingerprints == (("003b", "*", "*"),)
    assert entry.facts.slots == 3
    assert entry.facts.names == ("x", "slots=3")
