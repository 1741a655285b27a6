"""How many examples a law is tried with: a quarter in every run of the tests, all of them in ``make laws``.

The same goes for what is tried pattern by pattern: a part of the pairs, or each.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Final, TypeVar

ALL: Final = os.environ.get("BROKERPROOF_ALL_EXAMPLES") == "1"
DEFAULT: Final = 100
Name = TypeVar("Name", bound=str)
Each = TypeVar("Each")


def examples(number: int) -> int:
    """A quarter of ``number``, and never less than 4, where not all are asked for."""
    return number if ALL else max(4, number // 4)


def failing(holds: Callable[[Each], None], of: Mapping[Name, Each]) -> dict[Name, str]:
    """Of which of these an assertion fails, by name. One test for hundreds that are small costs a tenth of theirs."""
    found = {}
    for name, each in of.items():
        try:
            holds(each)
        except AssertionError as error:
            found[name] = str(error)
    return found
