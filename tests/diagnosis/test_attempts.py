"""Further connections to an address that end otherwise than the first."""

from __future__ import annotations

import pytest

from diagnosis.diagnose import diagnose
from probes.outcome import (
    Outcome,
    Reason,
    Role,
    Stage,
    Status,
)
from tests.diagnosis.bends import (
    PEERING,
    SINGLE,
    named,
    one,
)
from tests.diagnosis.bent import at, attempted, views_of
from topology import finding_sets as sets
from topology.finding_codes import Code
from topology.view import ClientView


@pytest.mark.parametrize(
    ("pattern", "reasons", "codes"),
    [
        (PEERING, (None, Reason.TIMED_OUT), sets.NOW_AND_THEN),
        (SINGLE, (None, Reason.TIMED_OUT), sets.NOW_AND_THEN | {Code.NLB_PORTS_EXHAUSTED}),
        (PEERING, (Reason.REFUSED, None), one(Code.CLUSTER_BROKER_DOWN)),
        (SINGLE, (Reason.REFUSED, None), sets.PARTLY_REFUSED),
        (SINGLE, (Reason.RESET, Reason.REFUSED), sets.PARTLY_REFUSED),
    ],
)
def test_attempts_that_end_differently(
    pattern: str, reasons: tuple[Reason | None, ...], codes: frozenset[Code]
) -> None:
    match = at(Stage.CONNECT, clients="b", brokers=[2], where=lambda _v, o: o.status is Status.OK)
    diagnosis = diagnose([attempted(view, (match, reasons)) for view in views_of(pattern)])
    assert named(diagnosis) == [(codes, {"b"}, {2})]


_PERHAPS_TARGET = sets.NOW_AND_THEN | {Code.NLB_PORTS_EXHAUSTED, Code.NLB_BOOTSTRAP_TARGET_DEAD}


@pytest.mark.parametrize(
    ("lost", "reason", "codes"),
    [
        ("one", Reason.TIMED_OUT, _PERHAPS_TARGET),
        ("every", Reason.TIMED_OUT, one(Code.NLB_BOOTSTRAP_TARGET_DEAD)),
        ("one", Reason.REFUSED, one(Code.NLB_BOOTSTRAP_TARGET_DEAD)),
    ],
)
def test_connects_lost_at_the_bootstrap_port_alone(lost: str, reason: Reason, codes: frozenset[Code]) -> None:
    def at_bootstrap(view: ClientView, o: Outcome) -> bool:
        everywhere = [(b.name, a.address) for b in view.bootstrap for a in b.addresses]
        chosen = everywhere[:1] if lost == "one" else everywhere
        return o.target.role is Role.BOOTSTRAP and (o.target.name, o.target.address) in chosen

    lost_there = (at(Stage.CONNECT, clients="b", where=at_bootstrap), (None, reason))
    well = (at(Stage.CONNECT, brokers=[1, 2, 3]), (None, None))
    diagnosis = diagnose([attempted(view, lost_there, well) for view in views_of(SINGLE)])
    assert named(diagnosis) == [(codes, {"b"}, set())]


def test_attempts_that_all_connect_are_no_finding() -> None:
    views = views_of(SINGLE)
    diagnosis = diagnose([attempted(view, (at(Stage.CONNECT, brokers=[1, 2, 3]), (None, None))) for view in views[:1]])
    assert diagnosis.findings == ()
