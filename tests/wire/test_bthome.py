"""BTHome v2 against the format's own published examples, and what its values become."""

from __future__ import annotations

import pytest

from gateway.domain.secret import Secret
from gateway.drivers.api import Measured, Nature, Reading
from gateway.drivers.bthome import mapping, parser, wire
from gateway.drivers.bthome.keys import Keys, bindkey_of, keys_of
from gateway.radios.api import Advertisement

ADDRESS = "54:48:E6:8F:80:A5"
BINDKEY = bytes.fromhex("231d39c1d7cc1ab1aee224cd096db932")
ENCRYPTED = bytes.fromhex("41a47266c95f730011223378237214")
"""bthome.io/encryption: 25.06 °C and 50.55 %."""


def heard(data: bytes, name: str = "") -> Advertisement:
    return Advertisement(ADDRESS, name, -60, "hci0", 1.0, {}, {wire.SERVICE: data})


def events(objects: str) -> tuple[object, ...]:
    told = parser.read(heard(bytes.fromhex("40" + objects)), None)
    assert told is not None
    return mapping.events_of(told.values)


def test_the_published_encrypted_example() -> None:
    header = wire.header_of(heard(ENCRYPTED))
    assert header == wire.Header(encrypted=True, triggered=False, counter=0x33221100)
    told = parser.read(heard(ENCRYPTED), BINDKEY)
    assert told is not None
    assert mapping.events_of(told.values) == (
        Reading("temperature", 2506, "centi_celsius"),
        Reading("humidity", 5055, "centi_percent"),
    )


@pytest.mark.parametrize(
    ("data", "bindkey"),
    [
        (ENCRYPTED, bytes(16)),
        (ENCRYPTED, None),
        (ENCRYPTED[:-1] + b"\x00", BINDKEY),
        (bytes.fromhex("4002ca09"), BINDKEY),  # in clear, although it has a key
        (bytes.fromhex("40"), None),
        (bytes.fromhex("40ee01"), None),  # an object that nobody knows
        (bytes.fromhex("4002ca"), None),  # cut off
        (bytes.fromhex("2002ca09"), None),  # version 1
        (b"", None),
    ],
)
def test_what_cannot_be_read_says_nothing(data: bytes, bindkey: bytes | None) -> None:
    assert parser.read(heard(data), bindkey) is None


@pytest.mark.parametrize("length", range(10))
def test_a_stump_is_no_encrypted_advertisement(length: int) -> None:
    assert (wire.header_of(heard(ENCRYPTED[:length])) is None) == (length <= 9)


@pytest.mark.parametrize(
    ("objects", "reading"),
    [
        # bthome.io/format: the examples of the table of sensor data
        ("4d12138a14", Reading("energy", 344593170, "Wh", Nature.COUNTER)),
        ("0a138a14", Reading("energy", 1346067, "Wh", Nature.COUNTER)),
        ("4b138a14", Reading("gas", 1346067000, "ml", Nature.COUNTER)),
        ("4f87562a01", Reading("water", 19551879, "ml", Nature.COUNTER)),
        ("478756", Reading("volume", 2215100, "ml")),
        ("48dc87", Reading("volume", 34780, "ml")),
        ("49dc87", Reading("volume_flow_rate", 34780000, "ml_per_hour")),
        ("0b021b00", Reading("power", 69140, "mW")),
        ("5c02fbffff", Reading("power", -12780, "mW")),
        ("0c020c", Reading("voltage", 3074, "mV")),
        ("4a020c", Reading("voltage", 307400, "mV")),
        ("434e34", Reading("current", 13390, "mA")),
        ("5d02ea", Reading("current", -5630, "mA")),
        ("02ca09", Reading("temperature", 2506, "centi_celsius")),
        ("451101", Reading("temperature", 2730, "centi_celsius")),
        ("03bf13", Reading("humidity", 5055, "centi_percent")),
        ("2e23", Reading("humidity", 3500, "centi_percent")),
        ("04138a01", Reading("pressure", 100883, "pascal")),
        ("05138a14", Reading("illuminance", 1346067, "centi_lux")),
        ("065e1f", Reading("mass", 80300, "g")),
        ("073e1d", Reading("mass", 33956, "g")),
        ("12e204", Reading("carbon_dioxide", 1250, "ppm")),
        ("3e2a2c0960", Reading("count", 1611213866, "")),
        ("1a01", Reading("door", 1, "", Nature.STATE)),
        ("2d00", Reading("window", 0, "", Nature.STATE)),
        ("1001", Reading("power_on", 1, "", Nature.STATE)),
        ("2001", Reading("wet", 1, "", Nature.STATE)),
        ("1c01", Reading("gas_detected", 1, "", Nature.STATE)),
    ],
)  # fmt: skip
def test_values_in_whole_base_units(objects: str, reading: Reading) -> None:
    assert events(objects) == (reading,)


def test_batteries_are_telemetry_and_several_of_a_kind_are_told_apart() -> None:
    assert events("0161") == (Measured(battery_percent=97),)
    assert events("1501") == (Measured(battery_low=True),)
    assert events("01ff") == ()  # more than all of it
    assert events("02ca0902bf13") == (
        Reading("temperature_1", 2506, "centi_celsius"),
        Reading("temperature_2", 5055, "centi_celsius"),
    )
    assert events("4d010000004d02000000") == (
        Reading("energy_1", 1, "Wh", Nature.COUNTER),
        Reading("energy_2", 2, "Wh", Nature.COUNTER),
    )


def test_what_has_no_unit_here_is_not_told() -> None:
    assert events("3f020c") == ()  # a rotation
    assert events("3a01") == ()  # a button


def test_a_bind_key_is_typed_in_many_ways_and_never_repeated() -> None:
    text = BINDKEY.hex()
    pairs = [text[i : i + 2] for i in range(0, 32, 2)]
    for form in (text, text.upper(), ":".join(pairs), " ".join(pairs) + "\n", "-".join(pairs)):
        assert bindkey_of(Secret(form)) == BINDKEY
    assert bindkey_of(Secret("0x" + text)) == BINDKEY
    for wrong in ("", text[:-2], text + "00", "key " + text, "00112233"):
        with pytest.raises(ValueError, match="32 hex digits") as raised:
            bindkey_of(Secret(wrong))
        assert not wrong or wrong not in str(raised.value)


def test_keys_are_kept_and_do_not_print() -> None:
    for keys in (Keys(BINDKEY, "meter", True), Keys(None, "sensor", False)):
        assert keys_of(keys.to_secret()) == keys
        assert BINDKEY.hex() not in repr(keys)
        assert repr(BINDKEY) not in repr(keys)
    for wrong in ("", "{}", "[]", '{"bindkey": "00", "kind": "meter", "triggered": false}'):
        with pytest.raises(ValueError, match="cannot be read"):
            keys_of(Secret(wrong))
