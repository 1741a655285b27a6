"""What all tests share: laws are not timed, since machines are noisy, and workers begin with what takes longest."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import settings

from tests.examples import DEFAULT, examples

settings.register_profile("untimed", deadline=None, max_examples=examples(DEFAULT))
settings.load_profile("untimed")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let workers begin with files of few long tests, which would else be left to one worker at the end.

    xdist's own order (``--loadscope-reorder``) takes a file for long that has many tests. It is kept for the others.
    """
    if not hasattr(config, "workerinput"):
        return
    tests_in = Counter(item.path for item in items)
    items.sort(key=lambda item: (item.get_closest_marker("installed") is None, -tests_in[item.path]))
