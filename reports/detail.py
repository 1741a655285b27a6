"""Outcomes as rows of a table, one table a subject: the evidence behind a row of the grid.

Names are shortened, and what must not work is not marked as a failure: whether it holds is decided by a
check. No markup.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from brokerproof.diagnosis.check import Verdict
from brokerproof.probes.outcome import Outcome, Role, Status, Target, WaitedFor
from brokerproof.reports import words
from brokerproof.reports.evidence import seen
from brokerproof.topology.expectation.view import BootstrapView, BrokerView, ClientView


class OutcomeRow(msgspec.Struct, frozen=True, kw_only=True):
    """One outcome in a table of detail, or several skipped ones that wait for the same."""

    stage: str
    where: str
    verdict: Verdict | None
    """None where something must not work: a check decides whether it holds."""
    status: str
    took: str
    took_ns: int
    seen: str


class Detail(msgspec.Struct, frozen=True, kw_only=True):
    """All outcomes of one subject."""

    subject: str
    verdict: Verdict | None
    """None for a subject no check is about."""
    number: int
    rows: tuple[OutcomeRow, ...]


class Names:
    """What names and addresses mean in one client's section."""

    def __init__(self, view: ClientView) -> None:
        self.suffix = _common_suffix([broker.name for broker in view.brokers])
        self._suffix_of_a_name = re.compile(rf"(?<=\w){re.escape(self.suffix)}")
        endpoints: tuple[BrokerView | BootstrapView, ...] = (*view.brokers, *view.bootstrap)
        self._must_not = {
            (endpoint.name, address.address)
            for endpoint in endpoints
            for address in endpoint.addresses
            if not address.must_connect
        }

    def shorten(self, text: str) -> str:
        """Broker names without what all of them end in; a wildcard keeps it, being about just that."""
        return self._suffix_of_a_name.sub("", text) if self.suffix else text

    def where(self, target: Target, *, named: bool) -> str:
        """Address and port, with the name where it adds something; nothing for the whole cluster."""
        name = self.shorten(target.name)
        host = f"{name} {target.address}" if named and name and target.address else target.address or name
        return f"{host}:{target.port}" if host and target.port else host

    def must_not(self, target: Target) -> bool:
        """Whether a connection there is a failure, so that ``failed`` is not marked as one."""
        return target.role in {Role.FORBIDDEN, Role.CONTROL} or (target.name, target.address) in self._must_not


def detail(subject: str, outcomes: list[Outcome], verdict: Verdict | None, names: Names) -> Detail:
    """The outcomes of one subject as rows. ``verdict`` is that of its checks, None for no check."""
    if verdict is None:
        # A subject without checks (a forbidden address, an unexpected broker) is not judged here:
        # `failed` may be what had to happen. Only the probe's own trouble is told apart.
        errors = any(outcome.status is Status.ERROR for outcome in outcomes)
        verdict = Verdict.ERROR if errors else None
    rows = tuple(_outcome_rows(outcomes, names))
    return Detail(subject=subject, verdict=verdict, number=len(outcomes), rows=rows)


def _outcome_rows(outcomes: list[Outcome], names: Names) -> Iterator[OutcomeRow]:
    """One row an outcome; those that wait for the same earlier one share a row after the others."""
    waiting: dict[WaitedFor, list[Outcome]] = {}
    named = len({outcome.target.name for outcome in outcomes}) > 1
    for outcome in outcomes:
        if outcome.waited_for is None:
            yield _outcome_row(outcome, names, named=named)
        else:
            waiting.setdefault(outcome.waited_for, []).append(outcome)
    for cause, those in waiting.items():
        stages = ", ".join(dict.fromkeys(outcome.stage.value for outcome in those))
        yield OutcomeRow(
            stage=f"{len(those):,} more",
            where="",
            verdict=Verdict.BLOCKED,
            status="skipped",
            took="",
            took_ns=0,
            seen=f"{stages}: waiting for {cause.stage.value} {names.where(cause.target, named=True)}".rstrip(),
        )


def _outcome_row(outcome: Outcome, names: Names, *, named: bool) -> OutcomeRow:
    attempt = "second look" if outcome.look > 1 else f"attempt {outcome.attempt}" if outcome.attempt > 1 else ""
    parts = (outcome.detail, seen(outcome.facts), attempt)
    return OutcomeRow(
        stage=outcome.stage.value,
        where=names.where(outcome.target, named=named),
        verdict=None if names.must_not(outcome.target) else words.status_verdict(outcome.status),
        status=words.reason(outcome.reason) or outcome.status.value,
        took=words.duration(outcome.duration_ns) if outcome.duration_ns else "",
        took_ns=outcome.duration_ns,
        seen=names.shorten(" · ".join(part for part in parts if part)),
    )


def _common_suffix(names: list[str]) -> str:
    """The labels all names end in, with the leading dot; empty for fewer than two names."""
    if len(names) < 2:  # noqa: PLR2004
        return ""
    suffix: list[str] = []
    for labels in zip(*(reversed(name.split(".")[1:]) for name in names), strict=False):
        if len(set(labels)) > 1:
            break
        suffix.insert(0, labels[0])
    return "." + ".".join(suffix) if suffix else ""
