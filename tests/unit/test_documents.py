"""The documents name what exists: links, commands, options, settings, events, modules, paths.

Here: names, and lists that must be whole. Not here: whether what is said of them is true (people),
and the local API's and the cloud contract's own documents against their answers (their own tests).
"""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
import tomllib
from functools import cache
from pathlib import Path

import pytest
import typer

from gateway.cli.exits import Exit
from gateway.cli.main import app
from gateway.config.models import dotted_keys
from gateway.domain.devices import Evidence
from gateway.domain.events import EventType
from gateway.domain.grants import GrantState
from gateway.drivers.catalog import quirks
from gateway.store.keyring import CREDENTIAL_NAME, FILE_NAME

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/*.md"),
        ROOT / "firmware-sims" / "README.md",
        ROOT / "systemd" / "README.md",
    ]
)

CODE = re.compile(r"```.*?```|^(?: {4,}|\t)[^|\n]*$|`[^`\n]+`", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")
COMMAND = re.compile(r"(?:^\s*|`|bin/)lock-gateway ([a-z][a-z-]*(?: [^\n`]*)?)", re.MULTILINE)
DOTTED = re.compile(r"`([a-z_]+(?:\.[A-Za-z_*]+)+)(?:\([^`]*\))?`")
IN_TREE = re.compile(
    r"(?<![\w./-])((?:gateway|firmware-sims|tests|docs|systemd|tools|benchmarks)/[\w./*-]*)"
)
FAMILIES = frozenset(kind.value.partition(".")[0] for kind in EventType)
FILES = frozenset({"md", "toml", "lock", "db", "json", "svg", "sql", "py", "key", "sock"})
FIELDS = frozenset({"hello.held_removals", "random.Random"})
"""Dotted names that are no module, setting or event of ours."""


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


every_document = pytest.mark.parametrize("document", DOCUMENTS, ids=named)


def anchors(path: Path) -> set[str]:
    """As GitHub makes them of headings."""
    found = re.findall(r"^#+ (.+)$", text(path), re.MULTILINE)
    return {re.sub(r"[^\w\s-]", "", head.lower()).replace(" ", "-") for head in found}


@every_document
def test_links_lead_somewhere(document: Path) -> None:
    for target in LINK.findall(text(document)):
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        place = (document.parent / file).resolve() if file else document
        assert place.exists(), target
        if anchor and place.suffix == ".md":
            assert anchor in anchors(place), target


@cache
def commands() -> typer.core.TyperGroup:
    tree = typer.main.get_command(app)
    assert isinstance(tree, typer.core.TyperGroup)
    return tree


@every_document
def test_commands_and_their_options_exist(document: Path) -> None:
    for code in CODE.findall(text(document)):
        for line in COMMAND.findall(code):
            words = line.split("#")[0].split()
            command = commands().commands.get(words[0])
            assert command is not None, line
            options = {name for option in command.params for name in option.opts}
            used = {word.rstrip(",.") for word in words[1:] if word.startswith("--")}
            assert used <= options | {"--help"}, line


@every_document
def test_make_targets_exist(document: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", text(ROOT / "Makefile"), re.MULTILINE))
    for code in CODE.findall(text(document)):
        said = re.sub(r"#.*", "", code)
        assert set(re.findall(r"\bmake ([a-z]+(?:-[a-z]+)*)", said)) <= targets, code


@every_document
def test_dotted_names_are_events_settings_or_modules(document: Path) -> None:
    for name in DOTTED.findall(text(document)):
        if name.rpartition(".")[2] in FILES or name in FIELDS:
            continue
        assert name in names() or is_ours(name), name


@cache
def names() -> frozenset[str]:
    keys = dotted_keys()
    sections = {key.rpartition(".")[0] for key in keys}
    return frozenset({kind.value for kind in EventType} | set(keys) | sections)


def is_ours(name: str) -> bool:
    """Whether it leads to a module of ours, or into one."""
    if name.partition(".")[0] in FAMILIES - {"gateway"}:
        return False
    return any(_reaches(whole) for whole in (name, f"gateway.{name}"))


def _reaches(name: str) -> bool:
    parts = name.split(".")
    if parts[0] not in {"gateway", "firmware_sims"}:
        return False
    for length in range(len(parts), 0, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            if not hasattr(found, part):
                return False
            found = getattr(found, part)
        return True
    return False


@every_document
def test_paths_of_the_tree_exist(document: Path) -> None:
    for code in CODE.findall(text(document)):
        for path in IN_TREE.findall(re.sub(r"[\w.]+://\S+|/\S*/lock-gateway\S*", "", code)):
            if path.startswith(("systemd/", "docs/")) and document.parent != ROOT:
                continue
            assert list(ROOT.glob(path.rstrip("./"))) or "<" in code, path


@every_document
def test_no_path_of_one_machine_is_named(document: Path) -> None:
    assert not re.search(r"/(?:work|home|root|Users)/", text(document))


def test_sources_are_ones_that_a_reader_can_open() -> None:
    """A citation is a public document, a measurement or an assumption; no note of ours."""
    ours = {path.name for path in tracked() if path.suffix == ".md"}
    for path in tracked():
        content = text(path)
        for note in re.findall(r"(?<![\w./-])(?:[\w-]+/)*([\w-]+\.md)\b", content):
            assert note in ours, f"{named(path)}: {note}"
        assert not re.search(r"/(?:work|home|root|Users)/[a-z]", content), named(path)


@cache
def tracked() -> list[Path]:
    """Texts of the repository: what is not ignored, whether it is committed yet or not."""
    git = shutil.which("git")
    assert git is not None
    listed = subprocess.run(
        [git, "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    foreign = {".svg", ".lock"}
    paths = [ROOT / line for line in listed.stdout.splitlines()]
    return [path for path in paths if path.is_file() and path.suffix not in foreign]


def test_the_import_rules_are_quoted_word_for_word() -> None:
    settings = text(ROOT / "pyproject.toml")
    quoted = re.search(
        r"```toml\n(\[tool\.importlinter\].*?)```", text(ROOT / "ARCHITECTURE.md"), re.DOTALL
    )
    assert quoted is not None
    assert quoted[1] in settings
    contracts = tomllib.loads(settings)["tool"]["importlinter"]["contracts"]
    assert tomllib.loads(quoted[1])["tool"]["importlinter"]["contracts"] == contracts


def test_every_event_is_listed_once() -> None:
    page = text(ROOT / "docs" / "events.md")
    listed = [
        name
        for line in page.splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`([a-z_.]+)`", line.split("|")[1])
    ]
    later = set(re.findall(r"`([a-z_]+\.[a-z_]+)`", page.partition("not raised")[2]))
    assert len(listed) == len(set(listed))
    assert set(listed) | later == {kind.value for kind in EventType}
    assert not set(listed) & later


def test_every_state_and_evidence_is_in_the_glossary() -> None:
    page = text(ROOT / "GLOSSARY.md")
    states = page.partition("## State of a grant")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `([a-z_]+)`", states, re.MULTILINE)) == {
        s.value for s in GrantState
    }
    for evidence in Evidence:
        assert f"`{evidence.value}`" in page


def test_the_readme_lists_every_command_and_every_family_of_locks() -> None:
    page = text(ROOT / "README.md")
    table = page.partition("## Commands")[2].partition("\n## ")[0]
    assert set(re.findall(r"`lock-gateway ([a-z-]+)", table)) == set(commands().commands)
    families = {re.split(r"[ =]", entry.facts.names[0])[0] for entry in quirks()}
    locks = page.partition("## Locks")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in locks.splitlines() if line.startswith("| `")]
    assert {name for row in rows for name in re.findall(r"`([a-z-]+)`", row)} == families


def test_exit_codes_and_key_files_are_documented_as_they_are() -> None:
    table = text(ROOT / "docs" / "local-api.md").partition("| exit code |")[2]
    assert {int(n) for n in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)} == {*Exit}
    page = text(ROOT / "docs" / "operations.md")
    assert f"| `{FILE_NAME}` |" in page
    assert f"systemd credential `{CREDENTIAL_NAME}`" in page


def test_final_refusals_are_explained() -> None:
    from gateway.errors import Refusal, Retry

    page = text(ROOT / "docs" / "operations.md")
    table = page.partition("refused for good")[2].partition("\n### ")[0]
    for refusal in Refusal:
        assert f"`{refusal.value}`" in table, refusal
        if refusal.retry is Retry.NEVER:
            assert re.search(rf"^\|[^|]*`{refusal.value}`", table, re.MULTILINE), refusal
