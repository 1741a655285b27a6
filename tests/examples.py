"""How many examples a law is tried with: fewer in `make check`, which people wait for; all of them in `make test`."""

from __future__ import annotations

import os
from typing import Final

QUICK: Final = os.environ.get("BROKERPROOF_QUICK") == "1"
DEFAULT: Final = 100


def examples(number: int) -> int:
    """A quarter of ``number`` where the run is to be quick, and never less than 4."""
    return max(4, number // 4) if QUICK else number
