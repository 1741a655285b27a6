"""An advice in words, the same in every report. Pure."""

from __future__ import annotations

from brokerproof.diagnosis.advice.advice import Advice
from brokerproof.diagnosis.finding_text import LISTED_EVIDENCE


def told(advice: Advice) -> tuple[tuple[str, str], ...]:
    """Everything after its title, as (what, words), in the order of every report; nothing empty."""
    listed = ", ".join(advice.evidence[:LISTED_EVIDENCE])
    more = len(advice.evidence) - LISTED_EVIDENCE
    lines = (
        ("who fails", advice.sentence),
        ("observed", advice.observed),
        ("change", advice.change),
        ("evidence", f"{listed}{f' and {more:,} more' if more > 0 else ''}"),
        ("sources", "; ".join(advice.sources)),
    )
    return tuple((what, text) for what, text in lines if text)
