"""What the hand-written and generated pages name is there: files, links, modules, commands, targets of make."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import click
import pytest

from brokerproof.cli.late import LateCommand
from brokerproof.cli.main import main

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = tuple(sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]))
ROOMS: Final = frozenset(path.name for path in (ROOT / "brokerproof").iterdir() if path.is_dir())
"""Their import names are below ``brokerproof``."""
RETIRED: Final = frozenset({"proving"})
TOP: Final = ("probes", "scenarios", "reports", "tests", "brokerproof", "docs", "benchmarks", "tools", "deploy")
SUFFIXES: Final = r"(?:py|md|sh|toml|json|lock|j2|css|js|svg|pom\.xml)"

_QUOTED: Final = re.compile(r"`([^`\n]+)`")
_FILE: Final = re.compile(rf"(?:[\w.-]+/)+(?:[\w.-]+\.{SUFFIXES})?")
_OF_THE_REPOSITORY: Final = re.compile(rf"(?<![\w/.:-])(?:{'|'.join(TOP)})/[\w./-]*[\w/]")
_LINK: Final = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)|^\[[^\]]+\]: (\S+)", re.MULTILINE)
_MODULE: Final = re.compile(r"python3? -m ([\w.]+)")
_DOTTED: Final = re.compile(r"`(\w+)\.([\w.]+)(?:\(\))?`")
_COMMAND: Final = re.compile(r"(?:^ {4,}|`)brokerproof ([a-z]+)(?: ([a-z]+))?", re.MULTILINE)
_MAKE: Final = re.compile(r"(?:^ {4,}|`)make ([a-z-]+)", re.MULTILINE)
_HEADING: Final = re.compile(r"^#+ (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Mention:
    """Something that a line of a page names."""

    page: Path
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}: {self.what}"


def paths(page: Path, text: str) -> Iterator[Mention]:
    """Files and folders that are not there; a name may be relative to the first path of its line."""
    for number, line in enumerate(text.splitlines(), 1):
        quoted = [each for each in _QUOTED.findall(line) if _FILE.fullmatch(each)]
        named = [*quoted, *(each for each in _OF_THE_REPOSITORY.findall(line) if each not in quoted)]
        for each in named:
            places = (ROOT, page.parent, *(ROOT / other for other in quoted[:1]))
            if not each.startswith("results/") and not any((place / each).exists() for place in places):
                yield Mention(page, number, each)


def links(page: Path, text: str) -> Iterator[Mention]:
    """Links to files or headings that are not there."""
    for found in _LINK.finditer(text):
        where = found[1] or found[3] or ""
        if re.match(r"[a-z]+:", where):
            continue
        target = page.parent / where if where else page
        line = text.count("\n", 0, found.start()) + 1
        if not target.exists():
            yield Mention(page, line, where)
        elif found[2] and found[2] not in _anchors(target):
            yield Mention(page, line, f"{where}#{found[2]}")


def _anchors(page: Path) -> frozenset[str]:
    """The headings as GitHub links to them, and what the page names itself."""
    text = page.read_text()
    headings = (re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in _HEADING.findall(text))
    return frozenset([*headings, *re.findall(r'<a (?:id|name)="([^"]+)"', text)])


def modules(page: Path, text: str) -> Iterator[Mention]:
    """Modules that cannot be found, and import names that are not below ``brokerproof``."""
    for number, line in enumerate(text.splitlines(), 1):
        for name in _MODULE.findall(line):
            if not _found(name):
                yield Mention(page, number, f"python -m {name}")
        for first, rest in _DOTTED.findall(line):
            is_file = re.fullmatch(rf"(?:.*\.)?(?:{SUFFIXES}|yaml)", rest)
            if first in ROOMS | RETIRED and not is_file:
                yield Mention(page, number, f"{first}.{rest}")
            if first == "brokerproof" and not is_file and not _found(f"{first}.{rest}"):
                yield Mention(page, number, f"{first}.{rest}")


def _found(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def commands(page: Path, text: str) -> Iterator[Mention]:
    """Commands of ``brokerproof`` and targets of make that do not exist."""
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for number, line in enumerate(text.splitlines(), 1):
        for name, sub in _COMMAND.findall(line):
            command = _command(main, name)
            if command is None or (isinstance(command, click.Group) and sub and _command(command, sub) is None):
                yield Mention(page, number, f"brokerproof {name} {sub}".rstrip())
        for target in _MAKE.findall(line):
            if target not in targets:
                yield Mention(page, number, f"make {target}")


def _command(group: click.Command, name: str) -> click.Command | None:
    found = group.get_command(click.Context(group), name) if isinstance(group, click.Group) else None
    return found.command if isinstance(found, LateCommand) else found


@pytest.mark.parametrize("of", [paths, links, modules, commands])
def test_what_pages_name_is_there(of: Callable[[Path, str], Iterator[Mention]]) -> None:
    missing = [mention for page in PAGES for mention in of(page, page.read_text())]
    assert not missing, "named, but not there:\n" + "\n".join(map(str, missing))


@pytest.mark.parametrize(
    ("of", "text", "what"),
    [
        (paths, "see `probes/gone.py`", "probes/gone.py"),
        (paths, "see `gone/`", "gone/"),
        (paths, "    pytest scenarios/test_gone.py", "scenarios/test_gone.py"),
        (links, "[it](docs/gone.md)", "docs/gone.md"),
        (links, "[it](README.md#gone)", "README.md#gone"),
        (modules, "`python -m probes_gone`", "python -m probes_gone"),
        (modules, "`topology.managed`", "topology.managed"),
        (modules, "`brokerproof.gone`", "brokerproof.gone"),
        (commands, "    brokerproof lab gone", "brokerproof lab gone"),
        (commands, "run `make gone`", "make gone"),
    ],
)
def test_what_is_gone_is_found(of: Callable[[Path, str], Iterator[Mention]], text: str, what: str) -> None:
    assert [mention.what for mention in of(ROOT / "README.md", text)] == [what]
