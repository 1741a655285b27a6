"""Runs side by side: a client that reaches another cluster than the others does not know it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from diagnosis.across import CLUSTER_CHECK, compared
from diagnosis.check import Verdict
from diagnosis.diagnose import diagnose
from diagnosis.finding import Seen
from probes.outcome import MetadataFacts, Outcome, Stage
from tests.diagnosis.bent import Bend, at, seen, views_of
from topology.finding_codes import Code


def of(cluster_id: str) -> Bend:
    def change(outcome: Outcome) -> Outcome:
        assert isinstance(outcome.facts, MetadataFacts)
        return msgspec.structs.replace(outcome, facts=msgspec.structs.replace(outcome.facts, cluster_id=cluster_id))

    return Bend(at(Stage.METADATA), change)


def runs(ids: Sequence[str]) -> list[Seen]:
    views = [view for view in views_of("peering") if view.brokers]
    assert len(views) >= len(ids)
    return [seen(view, of(each)) for view, each in zip(views, ids, strict=False)]


def red(clients: Sequence[Seen]) -> list[bool]:
    return [any(c.verdict is Verdict.FAILED for c in one.checks if c.check_id == CLUSTER_CHECK) for one in clients]


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ("ccc", [False, False, False]),
        ("zcc", [True, False, False]),
        ("czc", [False, True, False]),
        ("cz", [True, True]),
        ("cxz", [True, True, True]),
        ("c", [False]),
    ],
)
def test_those_without_the_majority_are_red(ids: str, expected: list[bool]) -> None:
    assert red(compared(runs(ids))) == expected


@pytest.mark.parametrize("ids", ["zcc", "cz"])
def test_it_is_a_finding(ids: str) -> None:
    clients = runs(ids)
    [finding] = diagnose(clients).findings
    assert finding.codes == (Code.TLS_OTHER_CLUSTER,)
    names = [one.view.client for one, is_red in zip(clients, red(compared(clients)), strict=True) if is_red]
    assert finding.clients == tuple(sorted(names))


def test_clusters_of_other_names_are_others() -> None:
    first, second, *_ = runs("cz")
    other = msgspec.structs.replace(second, view=msgspec.structs.replace(second.view, cluster_name="another"))
    assert red(compared([first, other])) == [False, False]


def test_it_is_the_same_twice() -> None:
    once = compared(runs("zcc"))
    assert compared(once) == once
