"""The words of options, as values: what every command that makes a run reads alike. Pure.

Each raises ``argparse.ArgumentTypeError`` with one sentence, as pytest's options are read.
"""

from __future__ import annotations

import argparse
from typing import Final

from brokerproof.probes.plan import Limits, ThroughputPlan
from brokerproof.running.amount import Amount
from brokerproof.running.load_option import load_of
from brokerproof.running.planning import limits_within

MAX_IDLE_HOLD_MS: Final = 6_000_000
"""As long as an NLB listener may be told to remember an idle connection."""


def amount_in(text: str) -> Amount:
    """How much is measured."""
    try:
        return Amount(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not one of {', '.join(Amount)}") from None


def load_in(text: str) -> ThroughputPlan:
    """How throughput is measured."""
    try:
        return load_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def hold_ms_in(seconds: str) -> int:
    """For how long a connection is silent, from seconds."""
    try:
        held_ms = round(float(seconds) * 1000)
    except (ValueError, OverflowError) as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if not 0 <= held_ms <= MAX_IDLE_HOLD_MS:
        raise argparse.ArgumentTypeError(f"{seconds} s is not in 0..{MAX_IDLE_HOLD_MS // 1000}")
    return held_ms


def limits_in(seconds: str) -> Limits:
    """Deadlines, from the seconds by which silence must have become a verdict."""
    try:
        return limits_within(round(float(seconds) * 1000))
    except (ValueError, OverflowError) as error:
        raise argparse.ArgumentTypeError(str(error)) from None
