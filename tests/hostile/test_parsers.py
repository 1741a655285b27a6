"""Everything that reads bytes of others: by seed some inputs made wrong, and each that once failed."""

from __future__ import annotations

import ast
from pathlib import Path
from random import Random

import pytest

from tests.hostile.mutations import mutated
from tests.hostile.parsers import PARSERS, kept

INPUTS = {"topology_yaml": 6, "intent_yaml": 30, "aws_answers": 3}
"""Where one takes long; elsewhere 300."""


@pytest.mark.slow
@pytest.mark.parametrize("name", PARSERS)
def test_what_is_made_wrong_ends_in_its_own_error_or_in_none(name: str) -> None:
    parser, rng = PARSERS[name], Random(1)
    examples = parser.examples()
    for example in examples:
        parser.read(example)
    for _ in range(INPUTS.get(name, 300)):
        parser.read(mutated(rng, rng.choice(examples))[: parser.most_bytes])


def test_every_parser_is_watched_where_it_is_guided() -> None:
    source = ast.parse(Path(__file__).with_name("guided.py").read_text())
    (watched,) = (
        ast.literal_eval(each.value)
        for each in source.body
        if isinstance(each, ast.Assign) and isinstance(each.targets[0], ast.Name) and each.targets[0].id == "WATCHED"
    )
    assert set(watched) == set(PARSERS)


@pytest.mark.parametrize("name", PARSERS)
def test_what_once_failed_is_read(name: str) -> None:
    for each in kept(name):
        PARSERS[name].read(each)
