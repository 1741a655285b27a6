"""Everything that commands print and write of hostile peers is text: nothing in it acts on a terminal."""

from __future__ import annotations

import json
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokerproof.probes.outcome.foreign_text import encode_json
from tests.hostile.printed import printed, problems_of, raw_characters
from tests.hostile.served import shared_probe

SEED = 1


@pytest.mark.slow
def test_verify_prints_and_writes_no_raw_character_of_a_peer() -> None:
    """The other commands of :data:`tests.hostile.printed.COMMANDS` take longer: ``make fuzz`` has them."""
    assert shared_probe().run(partial(printed, SEED, name="verify")) == []


@given(st.dictionaries(st.text(), st.lists(st.text())))
def test_json_is_the_same_value_without_a_raw_character(value: dict[str, list[str]]) -> None:
    encoded = encode_json(value)
    assert json.loads(encoded) == value
    assert raw_characters(encoded.decode()) == []


@pytest.mark.parametrize("character", ["\x1b", "\x7f", "\x9b", "\u2028", "\u202e", "\ufeff", "\U000e0001"], ids=repr)
def test_what_is_looked_for_is_found(character: str) -> None:
    assert raw_characters(f"a{character}b") == [character]
    assert list(problems_of("here", f"a{character}b".encode()))
    assert character not in encode_json(character).decode()
