"""What hangs on the order of a set, of rows or of a directory is found; what does not is left."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

# By its path: `tools` is no package of ours to import from.
tool = runpy.run_path(str(Path(__file__).parents[2] / "tools" / "check_determinism.py"))


def faults(text: str) -> list[str]:
    found: list[str] = tool["check"]({"m.py": text})
    return found


@pytest.mark.parametrize(
    "text",
    [
        "for x in {1, 2}: pass",
        "for x in set(y): pass",
        "for x in frozenset[int](y): pass",
        "for x in {a for a in y}: pass",
        "for x in a.keys() - b: pass",
        "for x in a.keys() & b.keys(): pass",
        "names = {1}\nfor x in names: pass",
        "def f(names: frozenset[str]) -> None:\n    for x in names: pass",
        "def f(names: set[str] | None) -> None:\n    for x in names or (): pass",
        "def f(names: set[str]) -> None:\n    def g():\n        return [x for x in names]",
        "class A:\n    names: set[str]\ndef f(a):\n    return list(a.names)",
        "class A:\n    def __init__(self):\n        self.names: set[str] = set()\n"
        "    def f(self):\n        for x in self.names: pass",
        "def g() -> frozenset[str]: ...\nfor x in g(): pass",
        "print(*{1, 2})",
        "first, second = {1, 2}",
        "print(f'{set(y)}')",
        "', '.join({'a'})",
        "next(iter({1}))",
        "{1}.pop()",
        "min({1, 2}, key=str)",
        "{x: 1 for x in {1, 2}}",
        "async def f():\n    done, _ = await asyncio.wait(tasks)\n    for task in done: pass",
        "for x in asyncio.as_completed(tasks): pass",
        "folder.iterdir()",
        "hash('a')",
        "loop.time()",
        "f('SELECT * FROM events WHERE seq > ?')",
        "f('SELECT a FROM (SELECT a FROM events ORDER BY a)')",
        "f('SELECT * FROM slots WHERE device_id = ?')",
        "f('UPDATE grants SET a = 1 RETURNING credential_id')",
        "T = 'SELECT * FROM grants g'\nf(f'{T} WHERE g.device_id = ?')",
        "for x in (1, 2): pass  # any order: it is a tuple",
    ],
)
def test_found(text: str) -> None:
    assert faults(text)


@pytest.mark.parametrize(
    "text",
    [
        "for x in [1, 2]: pass",
        "for x in sorted({1, 2}): pass",
        "for x in {1: 2}: pass",
        "for x in a.keys(): pass",
        "sorted(x for x in {1, 2})",
        "any(x for x in {1, 2})",
        "{x for x in {1, 2}}",
        "max({1, 2})",
        "1 in {1, 2}",
        "def f(names: dict[str, set[str]]) -> None:\n    for x in names: pass",
        "def f():\n    names = {1}\ndef g(names):\n    for x in names: pass",
        "class A:\n    names: set[str]\nclass B:\n    names: list[str]\nlist(b.names)",
        "def __hash__(self):\n    return hash(1)",
        "sorted(item.name for item in folder.iterdir())",
        "f('SELECT * FROM events WHERE seq > ? ORDER BY seq')",
        "f('SELECT * FROM slots WHERE device_id = ? AND slot = ?')",
        "f('SELECT COUNT(*) FROM events')",
        "T = 'SELECT * FROM grants g'\nf(f'{T} WHERE g.credential_id = ? AND g.device_id = ?')",
        "# any order: each is cancelled\nfor x in {1, 2}: pass",
        "for x in {1, 2}: pass  # any order: each is cancelled",
    ],
)
def test_left_alone(text: str) -> None:
    assert faults(text) == []


def test_an_excuse_needs_a_reason() -> None:
    assert faults("for x in {1, 2}: pass  # any order:")


def test_the_core_holds_to_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert tool["main"]() == 0, capsys.readouterr().out
