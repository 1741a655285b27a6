"""What all tests share: laws are not timed, since machines are noisy."""

from __future__ import annotations

from hypothesis import settings

from tests.examples import DEFAULT, examples

settings.register_profile("untimed", deadline=None, max_examples=examples(DEFAULT))
settings.load_profile("untimed")
