"""Documents of another form are damage; documents of an older release are read with defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.domain.capabilities import Capabilities, CodeLimits
from gateway.errors import StoreUnreadable
from gateway.store import codec

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("decode", "text"),
    [
        (codec.decode_window, "not json"),
        (codec.decode_window, "[]"),
        (codec.decode_window, '{"kind":"sometimes"}'),
        (codec.decode_window, '{"kind":"always","zone":"UTC"}'),
        (codec.decode_window, '{"kind":"timed","opens_at":1}'),
        (codec.decode_window, '{"kind":"timed","opens_at":true,"closes_at":2}'),
        (codec.decode_window, '{"kind":"timed","opens_at":1.5,"closes_at":2}'),
        (codec.decode_window, '{"kind":"timed","opens_at":2,"closes_at":1}'),
        (codec.decode_window, '{"kind":"recurring","rules":[[[9],0,60]],"zone":"UTC",'
                              '"not_before":null,"not_after":null}'),
        (codec.decode_window, '{"kind":"recurring","rules":[[["1"],0,60]],"zone":"UTC",'
                              '"not_before":null,"not_after":null}'),
        (codec.decode_window, '{"kind":"recurring","rules":[[[1],0,60]],"zone":"UTC",'
                              '"not_before":"x","not_after":null}'),
        (codec.decode_schedules, '[["month_day",1,2]]'),
        (codec.decode_schedules, '[["year_day",1]]'),
        (codec.decode_schedules, '[["week_day",[1],"0",60]]'),
        (codec.decode_schedules, "{}"),
        (codec.decode_evidence, '["hearsay"]'),
        (codec.decode_evidence, "[1]"),
        (codec.decode_evidence, "[[]]"),
        (codec.decode_names, "[1]"),
        (codec.decode_capabilities, '{"can_fly":true}'),
        (codec.decode_capabilities, '{"sleepy":null}'),
        (codec.decode_capabilities, '{"can_remotely_lock":1}'),
        (codec.decode_capabilities, '{"codes":{"slots":"30"}}'),
        (codec.decode_capabilities, '{"codes":{"slots":true}}'),
        (codec.decode_capabilities, '{"codes":{"slots":30,"reserved_slots":["1"]}}'),
        (codec.decode_capabilities, '{"codes":{"slots":30,"forbidden_digits":0}}'),
        (codec.decode_capabilities, '{"codes":{"slots":30,"forbidden_prefixes":"12"}}'),
        (codec.decode_capabilities, '{"codes":{"slots":30,"forbidden_prefixes":[12]}}'),
        (codec.decode_capabilities, '{"schedules":{"month_day":1}}'),
    ],
)  # fmt: skip
def test_another_form_is_damage(decode: Callable[[str], object], text: str) -> None:
    with pytest.raises(StoreUnreadable):
        decode(text)


def test_what_an_older_release_did_not_know_takes_its_default() -> None:
    assert codec.decode_capabilities('{"codes":{"slots":7}}') == Capabilities(codes=CodeLimits(7))


def test_what_a_keypad_does_not_take_comes_back() -> None:
    codes = CodeLimits(100, 6, 6, forbidden_digits="0", forbidden_prefixes=("12", "99"))
    capabilities = Capabilities(codes=codes)
    assert codec.decode_capabilities(codec.encode_capabilities(capabilities)) == capabilities
