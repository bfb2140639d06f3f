"""Advertising payloads: the bytes, what fits, and what another implementation reads in them."""

from __future__ import annotations

import pytest
from bumble.core import AdvertisingData

from firmware_sims.ble.adverts import RoomError, decode, encode
from firmware_sims.ble.peripheral import Advertising

TTLOCK = "00001910-0000-1000-8000-00805f9b34fb"
NUKI = "a92ee200-5501-11e4-916c-0800200c9a66"
BTHOME = "0000fcd2-0000-1000-8000-00805f9b34fb"


def test_the_example_of_bthome_io_byte_by_byte() -> None:
    # bthome.io/format: temperature 25 °C and humidity 50.55 %; the flags there are 06, of a
    # device that is discoverable. Nobody can connect to this one: 04.
    said = Advertising(service_data={BTHOME: bytes.fromhex("4002C40903BF13")}, connectable=False)
    assert encode(said) == (bytes.fromhex("0201040A16D2FC4002C40903BF13"), b"")


def test_what_does_not_fit_goes_into_the_scan_response() -> None:
    said = Advertising(
        name="S31_59a6f1",
        service_uuids=(TTLOCK, NUKI),
        manufacturer_data={0x0501: bytes(range(8))},
    )
    data, scan_response = encode(said)
    assert (len(data), len(scan_response)) == (3 + 4 + 18, 12 + 12)
    heard = decode(data + scan_response)
    assert heard.name == said.name
    assert heard.service_uuids == [TTLOCK, NUKI]
    assert heard.manufacturer_data == said.manufacturer_data


def test_another_implementation_reads_the_same() -> None:
    said = Advertising(
        name="Nuki_1",
        service_uuids=(NUKI,),
        manufacturer_data={0x004C: b"\x02\x15"},
        service_data={TTLOCK: b"\1\2"},
    )
    data = AdvertisingData.from_bytes(b"".join(encode(said)))
    assert data.get(AdvertisingData.Type.COMPLETE_LOCAL_NAME, raw=True) == b"Nuki_1"
    uuids = data.get(AdvertisingData.Type.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS, raw=True)
    assert uuids == bytes.fromhex(NUKI.replace("-", ""))[::-1]
    assert data.get(AdvertisingData.Type.MANUFACTURER_SPECIFIC_DATA, raw=True) == b"L\0\2\25"
    assert data.get(AdvertisingData.Type.SERVICE_DATA_16_BIT_UUID, raw=True) == b"\x10\x19\1\2"


def test_a_name_that_is_too_long_is_shortened_and_nothing_else_is() -> None:
    name = "ä" * 20
    heard = decode(b"".join(encode(Advertising(name=name))))
    assert heard.name == "ä" * 14
    with pytest.raises(RoomError, match="no room for a field of 33"):
        encode(Advertising(manufacturer_data={1: bytes(30)}))
    with pytest.raises(RoomError):
        encode(Advertising(service_uuids=(NUKI,), service_data={NUKI: b""}, connectable=False))


def test_a_payload_that_breaks_off_is_read_as_far_as_it_goes() -> None:
    heard = decode(bytes.fromhex("020106040941424305FF01"))
    assert heard.name == "ABC"
    assert heard.manufacturer_data == {}
