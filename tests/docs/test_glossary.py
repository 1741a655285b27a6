"""The glossary has the closed words of the code, each in its group's alphabetical order."""

from __future__ import annotations

import re
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest

from brokerproof.accuracy.score import Attribution
from brokerproof.canary.rounds import Depth
from brokerproof.canary.state import Reading, State
from brokerproof.diagnosis.check import Verdict
from brokerproof.diagnosis.finding import Answer
from brokerproof.probes.outcome import Role, Stage, Status

GLOSSARY: Final = (Path(__file__).parents[2] / "docs" / "glossary.md").read_text()


@pytest.mark.parametrize(
    "words",
    [Stage, Status, Role, Verdict, Answer, Attribution, Reading, State, Depth],
    ids=lambda words: words.__name__,
)
def test_closed_words_are_in_it(words: type[StrEnum]) -> None:
    missing = [word.value for word in words if not re.search(rf"\b{word.value.replace('_', '[_ ]')}\b", GLOSSARY)]
    assert not missing


def test_each_group_is_alphabetical() -> None:
    for group in GLOSSARY.split("\n## ")[1:]:
        words = [word.lower() for word in re.findall(r"^- \*\*([^*]+)\*\*", group, re.MULTILINE)]
        assert words
        assert [pair for pair in pairwise(words) if pair[0] > pair[1]] == []
