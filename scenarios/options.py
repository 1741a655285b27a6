"""The options of every run."""

from __future__ import annotations

from pathlib import Path

import pytest

from brokerproof.probes.plan import ThroughputPlan
from brokerproof.reports.formats import ON_REQUEST
from brokerproof.running.amount import BRIEF_LOAD, FULL_LOAD, Amount
from brokerproof.running.load_option import DEFAULT, KEYS
from brokerproof.running.option_words import amount_in, hold_ms_in, limits_in, load_in
from brokerproof.running.planning import LIMITS, VERDICT_MS
from brokerproof.running.site import LAB


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of every run."""
    group = parser.getgroup("brokerproof")
    group.addoption(
        "--target",
        default=LAB,
        metavar="lab|FILE.yaml|ARN",
        help="probe the embedded lab (default), or what a topology or intent file, or a cluster's ARN, names",
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
        help="append the run to the history in this folder (default: results/history; with --run-dir nowhere)",
    )
    group.addoption(
        "--report",
        dest="reports",
        action="append",
        default=[],
        choices=ON_REQUEST,
        help="also write this report, beside report.html, junit.xml and result.json; may be given several times",
    )
    group.addoption(
        "--baseline",
        type=Path,
        default=None,
        metavar="RUN",
        help="compare the facts of this run with an earlier one (its folder, or its result.json), and fail "
        "where one changed that --declare does not name",
    )
    group.addoption(
        "--declare",
        type=Path,
        default=None,
        metavar="FILE",
        help="what may differ from the baseline (default: nothing)",
    )
    group.addoption(
        "--verdict-within",
        type=limits_in,
        default=LIMITS,
        metavar="SECONDS",
        help=f"seconds from the first packet until silence must have become a verdict (default: {VERDICT_MS // 1000})",
    )
    group.addoption(
        "--idle-hold",
        type=hold_ms_in,
        default=0,
        metavar="SECONDS",
        help="keep a connection to each broker address silent for that long, then use it once more; an NLB forgets a "
        "connection after 350 s (default: no such connection)",
    )
    group.addoption(
        "--measure",
        type=amount_in,
        default=Amount.BRIEF,
        metavar="brief|full",
        help="how much latency and throughput are measured: as few samples as p50 of an address and p95 of a broker "
        f"need, and {_in_words(BRIEF_LOAD)} of throughput (brief, the default), in the lab of one client of each "
        f"pattern and Region; or 1,000 records, which say p99, and {_in_words(FULL_LOAD)}, of every client (full)",
    )
    group.addoption(
        "--load",
        type=load_in,
        default=None,
        metavar="KEY=VALUE,...",
        help=f"how throughput is measured instead; the keys are {', '.join(KEYS)} (what is not named: "
        f"{_in_words(DEFAULT)} of records of {DEFAULT.record_bytes} bytes, acks=all, no compression, one partition and "
        "one connection for each broker, no ramp; a ramp offers rising rates until the path no longer follows)",
    )


def _in_words(load: ThroughputPlan) -> str:
    return f"{load.total_bytes >> 20} MiB or {load.max_ms / 1000:g} s"
