"""Which rate a ramp offers next, whether it was followed, and where the knee is. Pure: nothing is sent here.

The rates climb by half until two in a row were not followed, for one alone may be a moment's disturbance; then the
gap between the last that was followed and the first that was not is halved twice. That is no second try of a
measurement: every step is kept, and none is made again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from brokerproof.probes.outcome import Followed, RampEnd, RampStep
from brokerproof.probes.plan import RampPlan

GROWTH: Final = 1.5
FIRST_SHARE: Final = 0.25
"""Of what was acknowledged when as much was sent as possible: there a path has room to spare."""
KEPT_UP: Final = 0.95
"""Of the rate that was handed over."""
HANDED_OVER: Final = 0.8
"""Of the rate that was offered. A client that is held up for a moment sends a little less, which is a rate as well."""
ROSE_TIMES: Final = 3
ROSE_NS: Final = 25_000_000
"""A p99 has risen when it is this many times the lowest and this much above it: less is noise of the client."""
IN_A_ROW: Final = 2
HALVINGS: Final = 2
STEADY: Final = 0.7
"""A path that takes less than this share of what it took before has changed meanwhile."""
LEAST_RECORDS: Final = 20
"""Of fewer the acknowledgements are no rate."""


def step_ms(plan: RampPlan, fastest_bytes_per_s: float, record_bytes: int) -> int:
    """How long each rate is offered: as planned, or as long as the first takes for enough records."""
    return max(plan.step_ms, math.ceil(LEAST_RECORDS * record_bytes * 1000 / (FIRST_SHARE * fastest_bytes_per_s)))


def has_followed(
    *,
    offered: float,
    handed_over: float,
    acknowledged: float,
    p99_ns: int | None,
    steps: Sequence[RampStep],
    was_full: bool,
) -> Followed:
    """Whether the path followed what the client handed over, and whether that was about what was offered.

    Args:
        offered: Bytes a second that were to be sent.
        handed_over: Bytes a second that the client took.
        acknowledged: Bytes a second.
        p99_ns: Of the acknowledgements; None where it cannot be said.
        steps: Those before.
        was_full: The client's queue was, so that it is not the client that held back.
    """
    if acknowledged < KEPT_UP * (offered if was_full else handed_over):
        return Followed.RATE
    if handed_over < HANDED_OVER * offered and not was_full:
        return Followed.CLIENT
    known = [step.p99_ns for step in steps if step.p99_ns is not None and step.followed is Followed.YES]
    if p99_ns is not None and known and p99_ns > max(ROSE_TIMES * min(known), min(known) + ROSE_NS):
        return Followed.LATENCY
    return Followed.YES


def next_rate(
    plan: RampPlan,
    fastest_bytes_per_s: float,
    steps: Sequence[RampStep],
    *,
    lasts_ms: int,
    sent_bytes: int,
    spent_ns: int,
) -> float | RampEnd:
    """Bytes a second to offer next, or why there is no next.

    Args:
        plan: The bounds.
        fastest_bytes_per_s: What was acknowledged when as much was sent as possible; positive.
        steps: Those before.
        lasts_ms: How long it is going to be offered.
        sent_bytes: In all of them.
        spent_ns: Since the first began.
    """
    over = _first_over(steps)
    if over is None:
        rate = FIRST_SHARE * fastest_bytes_per_s * GROWTH ** len(steps)
        return _beyond(plan, rate, lasts_ms, sent_bytes, spent_ns) or rate
    first, second = steps[over : over + IN_A_ROW]
    if Followed.CLIENT in {first.followed, second.followed}:
        return RampEnd.CLIENT
    if over == 0:
        return RampEnd.FIRST_RATE
    if Followed.RATE in {first.followed, second.followed} and first.offered_bytes_per_s < STEADY * fastest_bytes_per_s:
        return RampEnd.UNSTEADY
    ended = RampEnd.LATENCY if second.followed is Followed.LATENCY else RampEnd.RATE
    halvings = steps[over + IN_A_ROW :]
    rate = math.sqrt(_highest_followed(steps, over).offered_bytes_per_s * _lowest_over(steps, over))
    if len(halvings) >= HALVINGS or _beyond(plan, rate, lasts_ms, sent_bytes, spent_ns) is not None:
        return ended
    return rate


def knee(steps: Sequence[RampStep], ended: RampEnd) -> float | None:
    """The highest rate that was followed, below those that were not, in bytes a second; None without one."""
    over = _first_over(steps)
    if over is None or ended not in {RampEnd.RATE, RampEnd.LATENCY}:
        return None
    return _highest_followed(steps, over).acknowledged_bytes_per_s


def _first_over(steps: Sequence[RampStep]) -> int | None:
    """Where the first of the rates stands that in a row were not followed."""
    followed = [step.followed is Followed.YES for step in steps]
    return next((index for index in range(len(steps) - 1) if not any(followed[index : index + IN_A_ROW])), None)


def _highest_followed(steps: Sequence[RampStep], over: int) -> RampStep:
    halvings = [step for step in steps[over + IN_A_ROW :] if step.followed is Followed.YES]
    return max((steps[over - 1], *halvings), key=lambda step: step.offered_bytes_per_s)


def _lowest_over(steps: Sequence[RampStep], over: int) -> float:
    halvings = (step for step in steps[over + IN_A_ROW :] if step.followed is not Followed.YES)
    return min(step.offered_bytes_per_s for step in (steps[over], *halvings))


def _beyond(plan: RampPlan, rate: float, lasts_ms: int, sent_bytes: int, spent_ns: int) -> RampEnd | None:
    """The bound that another step at this rate would break."""
    if sent_bytes + rate * lasts_ms / 1000 > plan.total_bytes:
        return RampEnd.BYTES
    if spent_ns / 1e6 + lasts_ms > plan.max_ms:
        return RampEnd.TIME
    return None
