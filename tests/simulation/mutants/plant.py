"""One planted bug: what it is, and how it is planted into a copy of the product.

A bug is text that is replaced in a file of `gateway/`. When the product no longer says what a bug
replaces, planting fails aloud: a bug that silently changes nothing would look like one not found.
"""

from __future__ import annotations

import shutil
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
CATALOGUE = Path(__file__).parent / "catalogue"


class Stale(Exception):
    """The product is no longer what a bug was written for."""


@dataclass(frozen=True, slots=True)
class Change:
    """`find` stands exactly once in `file`, a path below `gateway/`."""

    file: str
    find: str
    replace: str


@dataclass(frozen=True, slots=True)
class Mutant:
    """`key` names the file of the catalogue; `why` says what people would suffer.

    `first`: the seed to begin with, because it found this bug before. `needs`: troubles of a world
    without which the bug hardly shows; the hunt goes on where they are worst.
    """

    key: str
    name: str
    why: str
    changes: tuple[Change, ...]
    first: int | None = None
    needs: tuple[str, ...] = ()


def catalogue(folder: Path = CATALOGUE) -> list[Mutant]:
    """All of them, in order of their keys."""
    return [_read(path) for path in sorted(folder.glob("*.toml"))]


def _read(path: Path) -> Mutant:
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    changes = tuple(Change(**change) for change in table["change"])
    needs = tuple(table.get("needs", ()))
    return Mutant(path.stem, table["name"], table["why"], changes, table.get("first"), needs)


def remember(mutant: Mutant, seed: int, folder: Path = CATALOGUE) -> None:
    """Store the seed that found it as the one to begin with."""
    path = folder / f"{mutant.key}.toml"
    head, change, rest = path.read_text(encoding="utf-8").partition("\n[[change]]")
    lines = [line for line in head.splitlines() if not line.startswith("first = ")]
    why = next(n for n, line in enumerate(lines) if line.startswith("why = "))
    lines.insert(why + 1, f"first = {seed}")
    path.write_text("\n".join(lines) + "\n" + change + rest, encoding="utf-8")


def planted(mutant: Mutant, product: Path = ROOT / "gateway") -> dict[str, str]:
    """The changed files, path below `gateway/` to text. Stale when a change does not fit."""
    texts: dict[str, str] = {}
    for change in mutant.changes:
        text = texts.get(change.file)
        if text is None:
            path = product / change.file
            if not path.exists():
                raise Stale(_stale(mutant, change, "the file is gone"))
            text = path.read_text(encoding="utf-8")
        if (count := text.count(change.find)) != 1:
            raise Stale(_stale(mutant, change, f"its text is there {count} times, not once"))
        texts[change.file] = text.replace(change.find, change.replace)
    return texts


def copy(mutant: Mutant | None, folder: Path) -> None:
    """`gateway/` with the bug in it below `folder`; the unaltered product for None."""
    texts = planted(mutant) if mutant is not None else {}
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "gateway", folder / "gateway", ignore=ignored)
    for name, text in texts.items():
        (folder / "gateway" / name).write_text(text, encoding="utf-8")


def _stale(mutant: Mutant, change: Change, what: str) -> str:
    return f"gateway/{change.file}: the product changed: renew mutant {mutant.key}: {what}"
