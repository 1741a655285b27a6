"""The options of every run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

import pytest

from brokerproof.probes.plan import Limits, ThroughputPlan
from brokerproof.reports.render import Extra
from brokerproof.running.load_option import DEFAULT, KEYS, load_of
from brokerproof.running.planning import LIMITS, VERDICT_MS, limits_within
from brokerproof.running.site import LAB

MAX_IDLE_HOLD_MS: Final = 6_000_000
"""As long as an NLB listener may be told to remember an idle connection."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of every run."""
    group = parser.getgroup("brokerproof")
    group.addoption(
        "--target",
        default=LAB,
        metavar="lab|FILE.yaml",
        help="probe the embedded lab (default), or the clients and cluster that a topology file describes",
    )
    group.addoption(
        "--run-dir",
        type=Path,
        default=None,
        metavar="DIR",
        help="where results go (default: results/<time>); must not hold an earlier run",
    )
    group.addoption(
        "--history",
        type=Path,
        default=None,
        metavar="DIR",
        help="append what is seen to the history in this folder (default: results/history; with --run-dir nowhere)",
    )
    group.addoption(
        "--report",
        dest="reports",
        action="append",
        default=[],
        choices=[extra.value for extra in Extra],
        help="also write this report, beside report.html, junit.xml and result.json; may be given several times",
    )
    group.addoption(
        "--verdict-within",
        type=_limits,
        default=LIMITS,
        metavar="SECONDS",
        help=f"how long after the first packet silence must have become a verdict (default: {VERDICT_MS // 1000})",
    )
    group.addoption(
        "--idle-hold",
        type=_hold_ms,
        default=0,
        metavar="SECONDS",
        help="keep a connection to each broker address silent for that long, then ask once more: past 350 s an NLB "
        "has forgotten it (default: without)",
    )
    group.addoption(
        "--load",
        type=_load,
        default=DEFAULT,
        metavar="KEY=VALUE,...",
        help=f"how throughput is measured, by: {', '.join(KEYS)} (default: {DEFAULT.total_bytes >> 20} MiB or "
        f"{DEFAULT.max_ms / 1000:g} s of {DEFAULT.record_bytes} bytes a record, acks=all, no compression, one "
        "partition and one connection a broker; no ramp, which offers rising rates until the path no longer follows)",
    )


def _load(text: str) -> ThroughputPlan:
    try:
        return load_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _hold_ms(seconds: str) -> int:
    try:
        held_ms = round(float(seconds) * 1000)
    except (ValueError, OverflowError) as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if not 0 <= held_ms <= MAX_IDLE_HOLD_MS:
        raise argparse.ArgumentTypeError(f"{seconds} s is not in 0..{MAX_IDLE_HOLD_MS // 1000}")
    return held_ms


def _limits(seconds: str) -> Limits:
    try:
        return limits_within(round(float(seconds) * 1000))
    except (ValueError, OverflowError) as error:
        raise argparse.ArgumentTypeError(str(error)) from None
