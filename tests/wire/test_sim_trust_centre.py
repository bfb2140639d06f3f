"""Link keys of install codes, and who is offered which key.

Origin of the vectors: the example of Base Device Behavior 13-0402-13 §10.1 (code, CRC and key);
the CRC-16/X-25 check value is that of the RevEng catalogue.
"""

from __future__ import annotations

import pytest
import zigpy.types as t
import zigpy.util
from hypothesis import given
from hypothesis import strategies as st

from firmware_sims.zigbee.trust_centre import (
    ANY_DEVICE,
    WELL_KNOWN_KEY,
    JoinDecision,
    JoinPolicy,
    TrustCentre,
    aes_mmo,
    crc16_x25,
    install_code_key,
)

CODE = bytes.fromhex("83FED3407A939723A5C639B26916D505C3B5")
KEY = bytes.fromhex("66B6900981E1EE3CA4206B6B861C02BB")
LOCK, OTHER, FALLBACK = 0x00124B0000000001, 0x00124B0000000002, bytes(16)
DENIED = (JoinDecision.DENY_JOIN, b"")


def test_the_example_of_the_specification() -> None:
    assert install_code_key(CODE) == KEY


def test_the_check_value_of_the_crc() -> None:
    assert crc16_x25(b"123456789") == 0x906E


@pytest.mark.parametrize("code", [CODE[:-1] + b"\0", CODE[:-2], b"", bytes(17)])
def test_a_code_that_cannot_be_right_is_refused(code: bytes) -> None:
    with pytest.raises(ValueError, match="install code"):
        install_code_key(code)


@given(st.binary(min_size=1, max_size=100))
def test_the_hash_agrees_with_an_independent_one(data: bytes) -> None:
    assert t.KeyData(aes_mmo(data)) == zigpy.util.aes_mmo_hash(data)


def judge(centre: TrustCentre, eui64: int, now: float = 0.0) -> tuple[JoinDecision, bytes]:
    return centre.judge(eui64, now, installed=None, fallback=FALLBACK)


def test_a_device_is_offered_its_own_key_before_the_one_for_all() -> None:
    centre = TrustCentre()
    centre.add_transient(ANY_DEVICE, WELL_KNOWN_KEY, now=0.0)
    centre.add_transient(LOCK, KEY, now=0.0)
    assert judge(centre, LOCK) == (JoinDecision.USE_PRECONFIGURED_KEY, KEY)
    assert judge(centre, OTHER) == (JoinDecision.USE_PRECONFIGURED_KEY, WELL_KNOWN_KEY)


def test_where_install_codes_are_demanded_the_key_for_all_does_not_count() -> None:
    centre = TrustCentre()
    centre.policy = JoinPolicy.ALLOW_JOINS | JoinPolicy.JOINS_USE_INSTALL_CODE_KEY
    centre.add_transient(ANY_DEVICE, WELL_KNOWN_KEY, now=0.0)
    centre.add_transient(LOCK, KEY, now=0.0)
    assert judge(centre, LOCK) == (JoinDecision.USE_PRECONFIGURED_KEY, KEY)
    assert judge(centre, OTHER) == DENIED


def test_a_transient_key_expires() -> None:
    centre = TrustCentre()
    centre.add_transient(LOCK, KEY, now=0.0)
    assert judge(centre, LOCK, now=299.9)[1] == KEY
    assert judge(centre, LOCK, now=300.0)[1] == FALLBACK


def test_without_the_permission_nobody_joins() -> None:
    centre = TrustCentre()
    centre.policy = JoinPolicy.ALLOW_UNSECURED_REJOINS
    centre.add_transient(LOCK, KEY, now=0.0)
    assert judge(centre, LOCK) == DENIED


def test_keys_do_not_show() -> None:
    centre = TrustCentre()
    centre.add_transient(LOCK, KEY, now=0.0)
    assert KEY.hex() not in repr(centre.transients(0.0)).lower()
    assert repr(KEY) not in repr(centre.transients(0.0))
