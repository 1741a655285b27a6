"""The committed figures are those of the committed matrix, and that is of a real run."""

from __future__ import annotations

from pathlib import Path

import pytest

from brokerproof.accuracy.matrix import decode_matrices
from brokerproof.accuracy.render import markdown

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("name", ["accuracy", "accuracy-unseen"])
def test_the_page_says_what_the_matrix_beside_it_says(name: str) -> None:
    proofs = decode_matrices((DOCS / f"{name}.json").read_bytes())
    text = (DOCS / f"{name}.md").read_text(encoding="utf-8")
    assert text == markdown(*proofs)
    assert all(matrix.trials for matrix in proofs)
    younger = any(matrix.header.diagnosed_again for matrix in proofs)
    assert ("younger than the trials" in text.splitlines()[0]) == younger


def test_the_unseen_combinations_were_diagnosed_but_once() -> None:
    proofs = decode_matrices((DOCS / "accuracy-unseen.json").read_bytes())
    assert proofs
    assert not any(matrix.header.diagnosed_again for matrix in proofs)
