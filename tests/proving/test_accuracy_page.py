"""The committed figures are those of the committed matrix, and that is of a real run."""

from __future__ import annotations

from pathlib import Path

from proving.matrix import decode_matrix
from proving.render import markdown

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_says_what_the_matrix_beside_it_says() -> None:
    matrix = decode_matrix((DOCS / "accuracy.json").read_bytes())
    assert (DOCS / "accuracy.md").read_text(encoding="utf-8") == markdown(matrix)
    assert matrix.trials
