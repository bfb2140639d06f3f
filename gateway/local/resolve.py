"""From what people type to what is meant: an id, a name, or the start of one. Pure.

An exact id wins over a name, a name over a beginning. What fits several is refused with their
names; what fits none is refused with the nearest.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from gateway.local.server import RequestRefused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.local.queries import Named


def resolve(reference: str, known: Sequence[Named], kind: str) -> str:
    """The id meant. `kind` (`device`, `credential`) appears in messages and in the error's code."""
    wanted = reference.casefold()
    for item in known:
        if item.id == reference:
            return item.id
    found = [item for item in known if item.name and item.name.casefold() == wanted]
    if not found and wanted:
        found = [
            item
            for item in known
            if item.id.casefold().startswith(wanted) or item.name.casefold().startswith(wanted)
        ]
    match found:
        case [item]:
            return item.id
        case []:
            raise RequestRefused(
                f"could not find the {kind} {reference!r}",
                f"unknown_{kind}",
                _suggest(reference, known, kind),
            )
        case _:
            several = ", ".join(f"{item.name or item.id} ({item.id})" for item in found[:5])
            raise RequestRefused(
                f"could not tell which {kind} {reference!r} means: {len(found)} fit",
                "ambiguous",
                f"Give more of it, or an id: {several}.",
            )


def _suggest(reference: str, known: Sequence[Named], kind: str) -> str:
    names = {name.casefold(): name for item in known for name in (item.name, item.id) if name}
    near = get_close_matches(reference.casefold(), names, n=3, cutoff=0.6)
    if near:
        return f"Did you mean {' or '.join(names[name] for name in near)}?"
    listing = {"device": "devices", "key": "phones DEVICE"}.get(kind, "codes")
    return f"`lock-gateway {listing}` lists them."
