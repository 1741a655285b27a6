"""A few seeds of each fuzzer, and every input that once failed."""

from __future__ import annotations

import pytest

from tests.hostile import corpus
from tests.hostile.fuzzers import CLASSES, EVERY
from tests.hostile.served import shared_probe

SEEDS = 3
CASES = [(name, seed) for name in CLASSES if name not in EVERY for seed in range(1, SEEDS + 1)]
CASES += [(each.name, each.seed) for each in corpus.read()]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "seed"), CASES)
def test_a_hostile_peer_is_an_outcome(name: str, seed: int) -> None:
    assert shared_probe().run(lambda probe: CLASSES[name](seed, probe)) == []
