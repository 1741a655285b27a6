"""How many examples a law is tried with: a quarter in every run of the tests, all of them in ``make laws``.

The same goes for what is tried pattern by pattern: a part of the pairs, or each.
"""

from __future__ import annotations

import os
from typing import Final

ALL: Final = os.environ.get("BROKERPROOF_ALL_EXAMPLES") == "1"
DEFAULT: Final = 100


def examples(number: int) -> int:
    """A quarter of ``number``, and never less than 4, where not all are asked for."""
    return number if ALL else max(4, number // 4)
