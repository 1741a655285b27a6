"""The committed figures are those of the committed matrix, and that is of a real run."""

from __future__ import annotations

from pathlib import Path

import pytest

from brokerproof.accuracy.matrix import decode_matrix
from brokerproof.accuracy.render import markdown

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("name", ["accuracy", "accuracy-unseen"])
def test_the_page_says_what_the_matrix_beside_it_says(name: str) -> None:
    matrix = decode_matrix((DOCS / f"{name}.json").read_bytes())
    assert (DOCS / f"{name}.md").read_text(encoding="utf-8") == markdown(matrix)
    assert matrix.trials


def test_the_unseen_combinations_were_diagnosed_but_once() -> None:
    assert not decode_matrix((DOCS / "accuracy-unseen.json").read_bytes()).header.diagnosed_again
