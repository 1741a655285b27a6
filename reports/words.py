"""Figures, units, verdicts and hostile text as words a person can read in any report.

Values in, text out. Which text stands where is decided by the renderings.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from brokerproof.diagnosis.check import Verdict
from brokerproof.diagnosis.observations import observations
from brokerproof.probes.outcome import Reason, Spent, Status
from brokerproof.topology.expectation.view import ClientView
from brokerproof.wording import printable as printable  # noqa: PLC0414 - one of the words reports are made of

NS_PER_MS: Final = 1_000_000
NS_PER_S: Final = 1_000_000_000

_LONGEST_IN_MS: Final = 10_000
_LONGEST_IN_S: Final = 120
_SIGNIFICANT: Final = ((0.9995, 3), (9.995, 2), (99.95, 1))
"""Below each bound, this number of decimals leaves three significant digits after rounding."""


def encodable(text: str) -> str:
    """The text with lone surrogates spelt out, so that it can be written as UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode()


def first_line(text: str) -> str:
    """The first line that is not blank, or nothing."""
    return next((line.strip() for line in text.splitlines() if line.strip()), "")


def figure(value: float) -> str:
    """A figure with three significant digits, at most three decimals, thousands separated."""
    for below, decimals in _SIGNIFICANT:
        if value < below:
            return f"{value:.{decimals}f}"
    return f"{value:,.0f}"


def duration(ns: int) -> str:
    """A duration in ms up to ten seconds, in s up to two minutes, then in min and s."""
    ms = ns / NS_PER_MS
    if ms < _LONGEST_IN_MS:
        return f"{figure(ms)} ms" if ns == 0 or ms >= 0.001 else "<0.001 ms"  # noqa: PLR2004
    seconds = ns / NS_PER_S
    if seconds < _LONGEST_IN_S:
        return f"{figure(seconds)} s"
    minutes, seconds_left = divmod(round(seconds), 60)
    return f"{minutes:,} min {seconds_left} s"


def percentile(ns: int | None, samples: int) -> str:
    """A percentile, or why there is none."""
    return f"n={samples:,} is too few" if ns is None else duration(ns)


def byte_rate(bytes_per_s: float) -> str:
    """MB/s, decimal (1 MB is 1,000,000 bytes)."""
    return f"{figure(bytes_per_s / 1e6)} MB/s"


def record_rate(records: int, ns: int) -> str:
    """Records a second, or a dash where no time passed."""
    return f"{figure(records * NS_PER_S / ns)} records/s" if ns > 0 else "-"


def count(number: int, noun: str, plural: str = "") -> str:
    """``1 check``, ``2 checks``, ``1,200 checks``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def spent(what: Spent | None) -> str:
    """What a run took of the cluster, with the Kafka client's part; empty where the probe did not count."""
    if what is None:
        return ""
    said = [f"{count(what.connections, 'connection')} ({what.client_connections:,} of them the Kafka client's)"]
    if what.authentications:
        own = f"({what.client_authentications:,} of them the Kafka client's)"
        said.append(f"{count(what.authentications, 'authentication')} {own}")
    if what.records:
        said.append(f"{count(what.records, 'record')} of {what.record_bytes:,} bytes together")
    if what.sts_calls:
        said.append(f"{count(what.sts_calls, 'call')} of STS")
    return f"used {', '.join(said)}"


def not_judged(view: ClientView) -> tuple[str, ...]:
    """What nothing is said of, a line each: how much it is, what, and why."""
    return tuple(f"not judged: {one.what} ({count(one.statements, 'check')}): {one.why}" for one in view.not_judged)


def observed(view: ClientView) -> tuple[str, ...]:
    """What the names and addresses of a client look like, of which nobody knows what they are."""
    return observations(view)


def listed(names: Sequence[str], most: int = 8) -> str:
    """Names, or the first of them and how many more there are."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def reason(value: Reason | None) -> str:
    """A reason in words, empty for none."""
    return "" if value is None else value.value.replace("_", " ")


def verdict_word(verdict: Verdict) -> str:
    """The verdict's word, as it stands in a table cell."""
    match verdict:
        case Verdict.PASSED:
            return "ok"
        case Verdict.FAILED:
            return "failed"
        case Verdict.BLOCKED:
            return "blocked"
        case Verdict.ERROR:
            return "error"
        case Verdict.NOT_SEEN:
            return "not seen"
        case Verdict.NOT_COVERED:
            return "not covered"


def verdict_symbol(verdict: Verdict) -> str:
    """A mark that reads without colour; always beside a word."""
    match verdict:
        case Verdict.PASSED:
            return "✓"
        case Verdict.FAILED:
            return "✗"
        case Verdict.BLOCKED:
            return "⊘"
        case Verdict.ERROR:
            return "!"
        case Verdict.NOT_SEEN:
            return "?"
        case Verdict.NOT_COVERED:
            return "-"


def status_verdict(status: Status) -> Verdict:
    """The mark an outcome's status shares with a verdict; the words stay the status's own."""
    match status:
        case Status.OK:
            return Verdict.PASSED
        case Status.FAILED:
            return Verdict.FAILED
        case Status.SKIPPED:
            return Verdict.BLOCKED
        case Status.ERROR:
            return Verdict.ERROR
