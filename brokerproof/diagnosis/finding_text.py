"""A finding in words, the same in every report: what is wrong, observed, expected, change, how sure, evidence. Pure."""

from __future__ import annotations

from typing import Final

from brokerproof.diagnosis.finding import Finding
from brokerproof.wording import one_line, printable

LISTED_EVIDENCE: Final = 6
"""Evidence beyond this is counted: all of it is in the result document."""


def codes_of(found: Finding) -> str:
    """Its code, or all of a set."""
    return " | ".join(found.codes)


def how_sure(found: Finding) -> str:
    """How sure it is, in one line."""
    if found.unknown:
        return "not: no cause of the catalogue explains what was seen"
    if found.sure and found.account:
        return f"clients and the account together leave one cause: {found.codes[0]}"
    if found.sure:
        return f"one cause of the catalogue fits: {found.codes[0]}"
    alone = "clients and the account together" if found.account else "clients alone"
    return f"one of {len(found.codes)} that {alone} cannot tell apart: {', '.join(found.codes)}"


def evidence_of(found: Finding) -> str:
    """The checks it rests on, and how many more wait for them."""
    listed = ", ".join(found.evidence[:LISTED_EVIDENCE])
    more = len(found.evidence) - LISTED_EVIDENCE
    waiting = len(found.consequences)
    also = f" and {more:,} more" if more > 0 else ""
    follow = f"; {waiting:,} other {'check follows' if waiting == 1 else 'checks follow'} from it" if waiting else ""
    return f"{listed}{also}{follow}"


def told(found: Finding) -> tuple[tuple[str, str], ...]:
    """Everything after the first sentence, as (what, words), in the order of every report; nothing empty."""
    lines = (
        ("observed", found.observed),
        ("next look", found.second_look),
        ("expected", found.expected),
        ("account", found.account),
        ("change", found.change),
        ("how sure", how_sure(found)),
        ("next step", found.next_step),
        ("evidence", evidence_of(found)),
    )
    return tuple((what, text) for what, text in lines if text)


def text_of(found: Finding) -> str:
    """The whole finding as printable text, the first sentence first; what was observed stays on its line."""
    width = max(len(what) for what, _ in told(found))
    lines = [one_line(found.wrong)]
    for what, words in told(found):
        first, *others = (one_line(words) if what == "observed" else printable(words)).split("\n")
        lines.append(f"  {what + ':':<{width + 1}} {first}")
        lines += [f"  {'':<{width + 1}} {line}" for line in others]
    return "\n".join(lines)
