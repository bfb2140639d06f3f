"""Topic names, both ways."""

from __future__ import annotations

import pytest

from gateway.sync.topics import Topics


def test_names() -> None:
    topics = Topics("gw_1")
    assert topics.down_filter == "lockgw/v1/gw_1/dn/#"
    assert topics.up("hello") == "lockgw/v1/gw_1/up/hello"
    assert topics.down_leaf("lockgw/v1/gw_1/dn/desired") == "desired"
    assert topics.down_leaf("lockgw/v1/gw_1/dn/a/b") == "a/b"
    assert topics.down_leaf("lockgw/v1/gw_2/dn/desired") is None


@pytest.mark.parametrize("gateway_id", ["", "a/b", "+", "#", "x" * 65, "ü"])
def test_an_id_is_one_level(gateway_id: str) -> None:
    with pytest.raises(ValueError, match="gateway id"):
        Topics(gateway_id)
