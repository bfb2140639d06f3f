"""Checks that the core would do the same again: nothing in it hangs on the order of a set.

Fails for what differs between two runs of the same seed: walking a set, rows without ORDER BY, the
order of a directory, `hash`, `id`, the event loop's own clock. What the AST and annotations do not
show to be a set is not found. Not here: clocks, chance and ids, which ruff bans (pyproject.toml).

A line may excuse itself, itself or above, with its reason: `# any order: <why>`. An excuse that
excuses nothing fails as well.
"""

from __future__ import annotations

import ast
import io
import re
import sqlite3
import sys
import tokenize
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
CORE = ("domain", "kit", "store", "scheduler", "sync", "drivers", "timekeeping")

LOOP_TIME = {
    "gateway/drivers/bthome/family.py": "one deadline for several words; virtual in the tests",
    "gateway/drivers/carrier.py": "deadlines of exchanges; virtual in the tests",
    "gateway/drivers/clocks.py": "what an exchange took; virtual in the tests",
    "gateway/drivers/nuki/driver.py": "what an exchange took; virtual in the tests",
    "gateway/drivers/nuki/family.py": "one deadline for several links; virtual in the tests",
    "gateway/drivers/ttlock/driver.py": "what an exchange took; virtual in the tests",
    "gateway/drivers/ttlock/family.py": "one deadline for several links; virtual in the tests",
    "gateway/drivers/yale_august/talk.py": "one deadline for several words; virtual in the tests",
    "gateway/drivers/zcl_lock/driver.py": "deadlines of exchanges; virtual in the simulation",
    "gateway/drivers/zwave_lock/driver.py": "deadlines of exchanges; virtual in the tests",
}
"""Module -> why it may ask the event loop for the time instead of a Clock."""

_SETS = {"set", "frozenset", "Set", "AbstractSet", "MutableSet", "FrozenSet", "WeakSet"}
_SET_METHODS = {"union", "intersection", "difference", "symmetric_difference", "copy"}
_ORDER_FREE = {"set", "frozenset", "sum", "any", "all", "len", "bool", "Counter"}
_ORDER_FREE_WITHOUT_KEY = {"sorted", "min", "max"}
_ORDERED = {
    "list", "tuple", "iter", "enumerate", "zip", "map", "filter", "next", "reversed", "deque",
    "dict", "str", "repr", "format", "join", "extend", "fromkeys", "from_iterable", "sorted",
    "min", "max", "dump", "dumps",
}  # fmt: skip
_FOLDERS = {"iterdir", "glob", "rglob", "listdir", "scandir", "walk"}
_EXCUSE = re.compile(r"# any order: \S")
_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


class Fault(NamedTuple):
    """`lines`: where an excuse for it may stand."""

    lines: range
    cause: str


class Shapes:
    """Names that annotations anywhere in the core declare: attributes and results of functions."""

    def __init__(self, trees: list[ast.Module]) -> None:
        found: dict[str, set[bool]] = defaultdict(set)
        for tree in trees:
            for node in ast.walk(tree):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    found[node.name].add(_declares_set(node.returns))
                elif isinstance(node, ast.ClassDef):
                    for line in ast.walk(node):
                        name = line.target if isinstance(line, ast.AnnAssign) else None
                        if isinstance(line, ast.AnnAssign) and isinstance(name, ast.Name):
                            found[name.id].add(_declares_set(line.annotation))
                        elif isinstance(line, ast.AnnAssign) and isinstance(name, ast.Attribute):
                            found[name.attr].add(_declares_set(line.annotation))
        # Where two of a name differ, the AST does not show which one is meant.
        self.sets = {name for name, kinds in found.items() if kinds == {True}}


class Module:
    """One file's faults."""

    def __init__(self, path: str, text: str, shapes: Shapes) -> None:
        self._path = path
        self._shapes = shapes
        self._tree = ast.parse(text)
        self._parents = {
            child: node for node in ast.walk(self._tree) for child in ast.iter_child_nodes(node)
        }
        self._scopes: dict[ast.AST, set[str]] = {}
        self._constants = _constants(self._tree)
        self._excuses = _excuses(text)

    def faults(self) -> list[str]:
        used: set[int] = set()
        found: list[str] = []
        for node in ast.walk(self._tree):
            for lines, cause in self._of(node):
                excuses = self._excuses & {lines.start - 1, *lines}
                used |= excuses
                if not excuses:
                    found.append(f"{self._path}:{lines.start}: {cause}")
        found += [
            f"{self._path}:{line}: an excuse that excuses nothing" for line in self._excuses - used
        ]
        return sorted(found)

    def _of(self, node: ast.AST) -> list[Fault]:
        match node:
            case ast.For(iter=walked) | ast.AsyncFor(iter=walked) | ast.YieldFrom(value=walked):
                return self._walk(walked)
            case ast.comprehension(iter=walked):
                return [] if self._feeds_order_free(node) else self._walk(walked)
            case ast.Starred(value=walked, ctx=ast.Load()):
                parent = self._parents[node]
                return [] if isinstance(parent, ast.Set) else self._walk(walked)
            case ast.FormattedValue(value=walked):
                return self._walk(walked)
            case ast.Assign(targets=[ast.Tuple() | ast.List()], value=walked):
                return self._walk(walked)
            case ast.Call():
                return self._call(node)
            case ast.Constant(value=str()) | ast.JoinedStr():
                return self._sql(node)
        return []

    # ── sets ────────────────────────────────────────────────────────────────────────────

    def _walk(self, walked: ast.expr) -> list[Fault]:
        if not self._is_set(walked):
            return []
        return [Fault(_lines(walked), f"walks a set: {ast.unparse(walked)}; sort it")]

    def _call(self, call: ast.Call) -> list[Fault]:
        name = _name(call.func)
        lines = _lines(call)
        if name == "as_completed":
            return [Fault(lines, "as_completed starts its tasks in the order of a set")]
        if name == "time" and not call.args and isinstance(call.func, ast.Attribute):
            if self._path in LOOP_TIME:
                return []
            return [Fault(lines, "asks the loop for the time; ask the injected Clock")]
        if name in {"hash", "id"} and isinstance(call.func, ast.Name):
            within = self._function(call)
            hashing = isinstance(within, ast.FunctionDef) and within.name == "__hash__"
            return [] if hashing else [Fault(lines, f"{name}() differs from run to run")]
        if name in _FOLDERS and isinstance(call.func, ast.Attribute):
            return [] if self._sorted(call) else [Fault(lines, f"{name}() has no order; sort it")]
        if name == "pop" and not call.args and isinstance(call.func, ast.Attribute):
            return self._walk(call.func.value)
        if name in _ORDERED and (name not in _ORDER_FREE_WITHOUT_KEY or _has_key(call)):
            return [fault for argument in call.args for fault in self._walk(argument)]
        return []

    def _is_set(self, node: ast.expr | None) -> bool:
        match node:
            case ast.Set() | ast.SetComp():
                return True
            case ast.Name(id=name):
                return any(name in scope for scope in self._visible(node))
            case ast.Attribute(attr=name):
                return name in self._shapes.sets
            case ast.NamedExpr(value=value) | ast.Await(value=value):
                return self._is_set(value)
            case ast.IfExp(body=first, orelse=second):
                return self._is_set(first) or self._is_set(second)
            case ast.BoolOp(values=values):
                return any(self._is_set(value) for value in values)
            case ast.BinOp(left=left, op=ast.BitOr() | ast.BitAnd() | ast.BitXor() | ast.Sub()):
                return any(self._is_set(x) or _is_view(x) for x in (left, node.right))
            case ast.Call(func=ast.Attribute(value=value, attr=name)) if name in _SET_METHODS:
                return self._is_set(value)
            case ast.Call(func=func):
                function = func.value if isinstance(func, ast.Subscript) else func
                name = _name(function) or ""
                return name in _SETS or name in self._shapes.sets
        return False

    def _feeds_order_free(self, comprehension: ast.AST) -> bool:
        whole = self._parents[comprehension]
        if isinstance(whole, ast.SetComp):
            return True
        call = self._parents.get(whole)
        if isinstance(whole, ast.DictComp) or not isinstance(call, ast.Call):
            return False
        name = _name(call.func)
        return name in _ORDER_FREE or (name in _ORDER_FREE_WITHOUT_KEY and not _has_key(call))

    def _visible(self, node: ast.AST) -> list[set[str]]:
        """What is a set in the function around `node`, in those around it, and in the module."""
        scopes = []
        within = self._function(node)
        while within is not None:
            scopes.append(self._names(within))
            within = self._function(within)
        return [*scopes, self._names(self._tree)]

    def _function(self, node: ast.AST) -> _Function | None:
        above = self._parents.get(node)
        while above is not None and not isinstance(above, _Function):
            above = self._parents.get(above)
        return above

    def _names(self, scope: ast.AST) -> set[str]:
        known = self._scopes.get(scope)
        if known is not None:
            return known
        names = self._scopes[scope] = set()
        if isinstance(scope, _Function):
            arguments = (*scope.args.posonlyargs, *scope.args.args, *scope.args.kwonlyargs)
            names |= {a.arg for a in arguments if _declares_set(a.annotation)}
        own = (
            n
            for n in ast.walk(scope)
            if self._function(n) is (scope if scope is not self._tree else None)
        )
        for node in own:
            match node:
                case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation):
                    if _declares_set(annotation):
                        names.add(name)
                case (
                    ast.Assign(targets=[ast.Name(id=name)], value=value)
                    | ast.NamedExpr(target=ast.Name(id=name), value=value)
                ):
                    if self._is_set(value):
                        names.add(name)
                case ast.Assign(targets=[ast.Tuple(elts=elements)], value=ast.Await(value=value)):
                    if isinstance(value, ast.Call) and _name(value.func) == "wait":
                        names |= {e.id for e in elements if isinstance(e, ast.Name)}
        return names

    def _sorted(self, node: ast.AST) -> bool:
        above = self._parents.get(node)
        while isinstance(above, ast.expr | ast.comprehension):
            if isinstance(above, ast.Call) and _name(above.func) in _ORDER_FREE | {"sorted"}:
                return True
            above = self._parents.get(above)
        return False

    # ── SQL ─────────────────────────────────────────────────────────────────────────────

    def _sql(self, node: ast.Constant | ast.JoinedStr) -> list[Fault]:
        if isinstance(self._parents.get(node), ast.JoinedStr | ast.FormattedValue):
            return []
        text = self._text(node)
        if re.match(r"\s*SELECT\b", text) and not _one_row(text) and "ORDER BY" not in _top(text):
            if isinstance(self._parents.get(node), ast.Assign | ast.AnnAssign | ast.Expr):
                return []  # the beginning of others, judged there, or a docstring
            return [Fault(_lines(node), "rows in no order: ORDER BY")]
        if re.match(r"\s*(UPDATE|DELETE)\b", text) and "RETURNING" in _top(text):
            return [Fault(_lines(node), "RETURNING has no order: sort its rows")]
        return []

    def _text(self, node: ast.expr) -> str:
        match node:
            case ast.Constant(value=str(text)):
                return text
            case ast.FormattedValue(value=ast.Name(id=name)):
                return self._constants.get(name, "{}")
            case ast.JoinedStr(values=values):
                return "".join(self._text(value) for value in values)
        return "{}"


def _one_row(text: str) -> bool:
    """An aggregate, LIMIT 1, no table at all, or every column of a key given."""
    top = _top(text)
    if re.search(r"\bLIMIT 1\b", top) or not re.search(r"\bFROM\b", top):
        return True
    if re.match(r"\s*SELECT (COUNT|MIN|MAX|SUM|COALESCE|CAST)\b", top) and "GROUP BY" not in top:
        return True
    table = re.search(r"\bFROM (\w+)", top)
    where = top.partition("WHERE")[2]
    given = set(re.findall(r"(?:\w+\.)?(\w+) = [?:']", where))
    return table is not None and any(key <= given for key in _keys().get(table[1], ()))


def _top(text: str) -> str:
    """What is not in parentheses."""
    while (less := re.sub(r"\([^()]*\)", "()", text)) != text:
        if (less := re.sub(r"\(\)", "", less)) == text:
            break
        text = less
    return text


@cache
def _keys() -> dict[str, list[set[str]]]:
    """Each table's unique keys, by the product's own schema."""
    connection = sqlite3.connect(":memory:")
    for script in sorted((ROOT / "gateway/store").rglob("*.sql")):
        connection.executescript(script.read_text(encoding="utf-8"))
    tables = [
        row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    ]
    keys: dict[str, list[set[str]]] = {}
    for table in tables:
        columns = connection.execute(f"PRAGMA table_info({table})").fetchall()
        keys[table] = [key] if (key := {column[1] for column in columns if column[5]}) else []
        for index in connection.execute(f"PRAGMA index_list({table})").fetchall():
            if index[2]:
                parts = connection.execute(f"PRAGMA index_info({index[1]})").fetchall()
                keys[table].append({part[2] for part in parts})
    connection.close()
    return keys


# ── small things ────────────────────────────────────────────────────────────────────────


def _declares_set(annotation: ast.expr | None) -> bool:
    match annotation:
        case ast.Subscript(value=value):
            return _name(value) in _SETS
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _declares_set(left) or _declares_set(right)
        case ast.Constant(value=str(text)):
            return _declares_set(ast.parse(text, mode="eval").body)
        case ast.Name() | ast.Attribute():
            return _name(annotation) in _SETS
    return False


def _name(node: ast.expr) -> str | None:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return None


def _is_view(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and _name(node.func) in {"keys", "items"}


def _has_key(call: ast.Call) -> bool:
    return any(keyword.arg == "key" for keyword in call.keywords)


def _lines(node: ast.expr) -> range:
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)


def _constants(tree: ast.Module) -> dict[str, str]:
    """Texts that the module gives a name."""
    found: dict[str, str] = {}
    for line in tree.body:
        match line:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str(text))):
                found[name] = text
    return found


def _excuses(text: str) -> set[int]:
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return {t.start[0] for t in tokens if t.type == tokenize.COMMENT and _EXCUSE.search(t.string)}


def check(sources: dict[str, str]) -> list[str]:
    """Faults of these modules, by path below the root."""
    shapes = Shapes([ast.parse(text) for text in sources.values()])
    return [
        fault for path, text in sources.items() for fault in Module(path, text, shapes).faults()
    ]


def main() -> int:
    paths = [path for name in CORE for path in sorted((ROOT / "gateway" / name).rglob("*.py"))]
    paths = [path for path in paths if "node_modules" not in path.parts]
    sources = {p.relative_to(ROOT).as_posix(): p.read_text(encoding="utf-8") for p in paths}
    faults = check(sources)
    faults += [
        f"{path}: named in {Path(__file__).name}, but it does not exist"
        for path in LOOP_TIME
        if path not in sources
    ]
    for line in faults:
        print(line)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
