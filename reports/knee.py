"""A ramp in words: the knee in MB/s and records/s, or why none was reached; and its steps as rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from brokerproof.probes.outcome import Followed, RampEnd, RampFacts, RampStep
from brokerproof.reports import words

_FOLLOWED: Final = {
    Followed.YES: "followed",
    Followed.RATE: "fell behind",
    Followed.LATENCY: "p99 rose",
    Followed.CLIENT: "the client sent less",
}


class StepRow(msgspec.Struct, frozen=True, kw_only=True):
    """One rate that was offered; figures beside their words, to sort by."""

    step: RampStep
    offered: str
    acknowledged: str
    p50: str
    p99: str
    followed: str


def step_rows(ramp: RampFacts | None) -> tuple[StepRow, ...]:
    """The steps in the order they were made; none without a ramp."""
    return tuple(
        StepRow(
            step=step,
            offered=words.byte_rate(step.offered_bytes_per_s),
            acknowledged=words.byte_rate(step.acknowledged_bytes_per_s),
            p50=words.percentile(step.p50_ns, step.records),
            p99=words.percentile(step.p99_ns, step.records),
            followed=_FOLLOWED[step.followed],
        )
        for step in (ramp.steps if ramp is not None else ())
    )


def knee_in_words(ramp: RampFacts | None) -> str:
    """Where the path no longer follows, or why that was not found; empty without a ramp."""
    if ramp is None:
        return ""
    if ramp.knee_bytes_per_s is None or ramp.knee_records_per_s is None:
        return f"no knee reached: {_why_not(ramp)}"
    over = _lowest_over(ramp.steps, ramp.knee_bytes_per_s)
    if over is None:
        beyond = ""
    elif over.followed is Followed.LATENCY:
        beyond = f"; offered {words.byte_rate(over.offered_bytes_per_s)}, the p99 was {_p99(over)}"
    else:
        offered, came = words.byte_rate(over.offered_bytes_per_s), words.byte_rate(over.acknowledged_bytes_per_s)
        beyond = f"; offered {offered}, {came} were acknowledged"
    records = f"{words.figure(ramp.knee_records_per_s)} records/s"
    return f"knee at {words.byte_rate(ramp.knee_bytes_per_s)}, {records}{beyond}"


def _p99(step: RampStep) -> str:
    return words.percentile(step.p99_ns, step.records)


def _lowest_over(steps: Sequence[RampStep], knee_bytes_per_s: float) -> RampStep | None:
    """The step that shows the knee: the lowest above it that was not followed."""
    over = [
        step
        for step in steps
        if step.followed in {Followed.RATE, Followed.LATENCY} and step.offered_bytes_per_s > knee_bytes_per_s
    ]
    return min(over, key=lambda step: step.offered_bytes_per_s, default=None)


def _why_not(ramp: RampFacts) -> str:
    followed = [step.offered_bytes_per_s for step in ramp.steps if step.followed is Followed.YES]
    highest = f"{words.byte_rate(max(followed))} was followed, and " if followed else ""
    match ramp.ended:
        case RampEnd.FIRST_RATE:
            lowest = words.byte_rate(min(step.offered_bytes_per_s for step in ramp.steps))
            return f"already {lowest}, the first rate, was more than the path takes"
        case RampEnd.UNSTEADY:
            return (
                f"{highest}it fell behind far below what was acknowledged before: others took their share, "
                "or the path takes more for a moment than for long"
            )
        case RampEnd.CLIENT:
            return f"{highest}the client itself sends no more"
        case RampEnd.BYTES:
            return f"{highest}the ramp may send no more bytes (ramp_total_bytes)"
        case RampEnd.TIME:
            return f"{highest}the ramp may last no longer (ramp_max_ms)"
        case RampEnd.STOPPED | RampEnd.RATE | RampEnd.LATENCY:
            return f"{highest}then the ramp was cut short"
