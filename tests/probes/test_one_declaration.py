"""A stage is declared once: nothing in the product lists the stages a second time.

A dict from (stage, reason) to a sentence is no list of stages: it says what a failure means, and what it does not
name it says nothing of.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from brokerproof.probes.outcome import Stage

ROOT = Path(__file__).parents[2]
ROOMS = ("brokerproof", "probes", "reports", "scenarios", "tools")
LEAST = 3
"""So many stages in one literal are a list of them."""
ALLOWED: dict[Path, str] = {
    Path("brokerproof/canary/otlp.py"): "stages for which OpenTelemetry has a metric of its own",
    Path("brokerproof/canary/timing.py"): "what is timed as a figure",
    Path("brokerproof/diagnosis/unnamed_brokers.py"): "what stands for a broker that nobody named",
}
"""Places that select stages for a reason of their own, each with that reason."""

NAMES = {stage.name for stage in Stage}
VALUES = {stage.value for stage in Stage}
WORDS = re.compile(r"\.([A-Z_]+)\b|[\"']([a-z_]+)[\"']")
"""How code names a stage, and other things. Most files name fewer stages than a list has, and need not be parsed."""


def stage_of(node: ast.expr | None) -> str:
    """The stage that an expression names, by its member or its value; empty for anything else."""
    match node:
        case ast.Attribute(value=ast.Name(id="Stage") | ast.Attribute(attr="Stage"), attr=name) if name in NAMES:
            return name
        case ast.Attribute(value=ast.Attribute() as member, attr="value"):
            return stage_of(member)
        case ast.Constant(value=str(value)) if value in VALUES:
            return value.upper()
        case _:
            return ""


def in_pattern(pattern: ast.pattern) -> Iterator[str]:
    match pattern:
        case ast.MatchValue(value=value):
            yield stage_of(value)
        case ast.MatchOr(patterns=patterns):
            for each in patterns:
                yield from in_pattern(each)
        case ast.MatchAs(pattern=ast.pattern() as inner):
            yield from in_pattern(inner)


def listed(node: ast.AST) -> set[str]:
    """The stages that one literal or one match enumerates."""
    match node:
        case ast.Tuple(elts=elements) | ast.List(elts=elements) | ast.Set(elts=elements):
            found = {stage_of(each) for each in elements}
        case ast.Dict(keys=keys):
            found = {stage_of(key) for key in keys}
        case ast.Match(cases=cases):
            found = {name for each in cases for name in in_pattern(each.pattern)}
        case _:
            found = set()
    return found - {""}


def lists_in(source: str) -> list[tuple[int, set[str]]]:
    words = {member or value for member, value in WORDS.findall(source)}
    if len(words & NAMES) + len(words & VALUES) < LEAST:
        return []
    found = ((getattr(node, "lineno", 0), listed(node)) for node in ast.walk(ast.parse(source)))
    return [(line, stages) for line, stages in found if len(stages) >= LEAST]


def test_no_second_list_of_stages() -> None:
    sources = {
        path.relative_to(ROOT): path.read_text(encoding="utf-8")
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")  # links are not followed
        if path.parent != ROOT / "probes/outcome/specs"
    }
    assert len(sources) > 200
    found = [
        f"{path}:{line} lists {', '.join(sorted(stages))}: derive it from brokerproof.probes.outcome.registry"
        for path, source in sources.items()
        if path not in ALLOWED
        for line, stages in lists_in(source)
    ]
    assert found == []


def test_what_is_allowed_is_still_there() -> None:
    assert [str(path) for path in ALLOWED if not lists_in((ROOT / path).read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize(
    "source",
    [
        "A = (Stage.RESOLVE, Stage.CONNECT, Stage.API)",
        "A = [Stage.RESOLVE, outcome.Stage.CONNECT, Stage.API]",
        "A = frozenset({Stage.RESOLVE, Stage.CONNECT, Stage.API.value})",
        "A = {Stage.RESOLVE: 1, Stage.CONNECT: 2, Stage.API: 3}",
        "A = ('resolve', 'connect', 'api')",
        "match s:\n case Stage.RESOLVE: pass\n case Stage.CONNECT | Stage.API: pass",
    ],
)
def test_a_list_is_recognised(source: str) -> None:
    assert [stages for _, stages in lists_in(source)] == [{"RESOLVE", "CONNECT", "API"}]


def test_two_stages_are_no_list() -> None:
    assert lists_in("A = (Stage.RESOLVE, Stage.CONNECT)\nB = (Stage.API, Reason.REFUSED, Status.OK)") == []
