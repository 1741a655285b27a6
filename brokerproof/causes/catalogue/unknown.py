"""The entries for what did not last, and for what no other explains."""

from __future__ import annotations

from typing import Final

from brokerproof.causes.catalogue.applies import EVERY, MEASURED, MSK
from brokerproof.causes.catalogue.entry import Entry
from brokerproof.causes.codes import Code
from brokerproof.causes.pieces import Piece

ENTRIES: Final = (
    Entry(
        code=Code.TRANSIENT_OVER,
        sits=Piece.WAY,
        title="it failed for a time, and was well again before the run ended",
        patterns=EVERY,
        evidence="the first look failed each time, and the second look at the same address passed",
        confused_with=((Code.TCP_PACKET_LOSS, "there some attempts fail at any time, and others take a second"),),
        remedy="find what happened to cluster {cluster} at that time: a broker that restarted, maintenance, a change "
        "of a target, route or group; nothing is to be mended where that was meant",
        call="kafka ListClusterOperationsV2; CloudTrail of that time",
        sources=(MSK, MEASURED),
    ),
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
