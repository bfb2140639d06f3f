"""What crosses the seam to the radios keeps its secrets to itself."""

from __future__ import annotations

from gateway.radios.api import JoinOrder


def test_an_order_to_join_does_not_show_its_install_code() -> None:
    code = bytes.fromhex("83FED3407A939723A5C639B26916D505C3B5")
    shown = repr(JoinOrder("00:11:22:33:44:55:66:77", code))
    assert "00:11:22:33:44:55:66:77" in shown
    for form in (code.hex(), code.hex().upper(), repr(code)[2:-1]):
        assert form not in shown
