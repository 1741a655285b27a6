"""Names that did not say what they are, or had several meanings, do not come back into the product."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
ROOMS: Final = ("brokerproof", "probes", "reports", "scenarios", "tools")
RETIRED: Final = frozenset(
    {"rest", "behind", "across", "telling", "looks", "kept", "walk", "turns", "world", "sentences", "fronts", "front"}
    | {"Seen", "Evidence", "Kind", "in_words", "proving"}
)


def names_in(text: str) -> Iterator[str]:
    """Every name that a module defines, uses or imports; words of its strings are none."""
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name):
                yield name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.alias(name=name):
                yield from name.split(".")
            case _:
                pass


@pytest.mark.parametrize("room", ROOMS)
def test_no_retired_name_is_used(room: str) -> None:
    files = sorted((ROOT / room).rglob("*.py"))
    assert files
    found = {
        f"{file.relative_to(ROOT)}: {name}"
        for file in files
        for name in (*retired_in(file.read_text(encoding="utf-8")), file.stem, file.parent.name)
        if name in RETIRED
    }
    assert not found


def retired_in(text: str) -> frozenset[str]:
    """The retired names that a module has. Only one that has their words, as names or in sentences, need be parsed."""
    return RETIRED.intersection(names_in(text)) if RETIRED.intersection(re.findall(r"\w+", text)) else frozenset()


def test_a_retired_name_is_found() -> None:
    assert retired_in("from lab import fronts\ndef f(rest): return rest.kept") == {
        "fronts",
        "rest",
        "kept",
    }
