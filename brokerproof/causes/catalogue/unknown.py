"""The entry for what no other explains."""

from __future__ import annotations

from typing import Final

from brokerproof.causes.catalogue.applies import (
    EVERY,
)
from brokerproof.causes.catalogue.entry import Entry
from brokerproof.causes.codes import Code
from brokerproof.causes.pieces import Piece

ENTRIES: Final = (
    Entry(
        code=Code.UNKNOWN,
        sits=Piece.ACCOUNT,
        title="unknown cause",
        patterns=EVERY,
        evidence="red checks that no other entry explains",
        remedy="",
        sources=(),
        visible=True,
    ),
)
