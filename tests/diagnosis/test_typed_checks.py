"""Checks are typed: ids are for people, and objects are known by what they are, not by where they are in memory."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from brokerproof.diagnosis.check import Check, Subject, Verdict
from brokerproof.probes.outcome import Stage

ROOT = Path(__file__).parents[2]


def deciding(tree: ast.AST) -> Iterator[str]:
    """What decides by the words of a ``check_id``, or by the address of an object."""
    for node in ast.walk(tree):
        match node:
            case ast.Compare(left=left, comparators=others):
                sides = [left, *others]
                words = any(isinstance(side, ast.Constant | ast.JoinedStr) for side in sides)
                if words and any(isinstance(side, ast.Attribute) and side.attr == "check_id" for side in sides):
                    yield f"line {node.lineno} compares a check_id with words: use asserts, stage or subject"
            case ast.Attribute(value=ast.Attribute(attr="check_id")):
                yield f"line {node.lineno} takes a check_id apart: use asserts, stage or subject"
            case ast.Call(func=ast.Name(id="id")):
                yield f"line {node.lineno} knows an object by id(): use a key"


def test_nothing_decides_by_an_id() -> None:
    paths = [path for room in ("brokerproof", "reports", "scenarios") for path in (ROOT / room).rglob("*.py")]
    assert len(paths) > 150
    sources = {path: path.read_text(encoding="utf-8") for path in paths}
    assert [
        f"{path.relative_to(ROOT)}: {found}"
        for path, source in sources.items()
        if re.search(r"check_id|\bid\s*\(", source)  # most need not be parsed
        for found in deciding(ast.parse(source))
    ] == []


@pytest.mark.parametrize(
    "source",
    [
        "check.check_id == 'cluster/source'",
        "'/connect-not/' in red.check.check_id",
        "c.check_id.startswith('broker-')",
        "check.check_id == f'broker-{n}/metadata'",
        "{id(view): view}",
    ],
)
def test_such_a_decision_is_recognised(source: str) -> None:
    assert len(list(deciding(ast.parse(source)))) == 1


def test_ids_may_be_compared_with_each_other() -> None:
    assert list(deciding(ast.parse("check.check_id in told_by_others and a.check_id == b.check_id"))) == []


def test_a_check_about_a_broker_says_which() -> None:
    with pytest.raises(ValueError, match="broker_id must say which"):
        Check(
            check_id="broker-1/api",
            client="b",
            stage=Stage.API,
            subject=Subject.BROKER,
            verdict=Verdict.PASSED,
            title="it answers",
        )
