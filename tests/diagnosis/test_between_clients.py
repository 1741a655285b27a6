"""Runs side by side: a client that reaches another cluster than the others does not know it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from brokerproof.causes.codes import Code
from brokerproof.diagnosis.between_clients import compared, told_listeners
from brokerproof.diagnosis.check import Assertion, Verdict
from brokerproof.diagnosis.diagnose import diagnose
from brokerproof.diagnosis.finding import Answer, ClientEvidence
from brokerproof.probes.outcome import IdentityFacts, MetadataFacts, Outcome, Reason, Stage, Status
from tests.diagnosis.bent import Bend, at, seen, views_of

MANAGED = [view for view in views_of("multi_vpc") if view.brokers]


def of(cluster_id: str) -> Bend:
    def change(outcome: Outcome) -> Outcome:
        assert isinstance(outcome.facts, MetadataFacts)
        return msgspec.structs.replace(outcome, facts=msgspec.structs.replace(outcome.facts, cluster_id=cluster_id))

    return Bend(at(Stage.METADATA), change)


def runs(ids: Sequence[str]) -> list[ClientEvidence]:
    views = [view for view in views_of("peering") if view.brokers]
    assert len(views) >= len(ids)
    return [seen(view, of(each)) for view, each in zip(views, ids, strict=False)]


def red(clients: Sequence[ClientEvidence]) -> list[bool]:
    return [
        any(c.verdict is Verdict.FAILED for c in one.checks if c.asserts is Assertion.ONE_CLUSTER) for one in clients
    ]


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


def listeners_of_2(vpce: str) -> Bend:
    """Broker 2 tells who asks it for its settings where it advertises its listeners."""
    told = f"CLIENT_SECURE://b-2.demo.a1b2c3.c2.kafka.us-east-1.amazonaws.com:9094,CLIENT_SECURE_VPCE://{vpce}"

    def change(outcome: Outcome) -> Outcome:
        assert isinstance(outcome.facts, IdentityFacts)
        return msgspec.structs.replace(outcome, facts=msgspec.structs.replace(outcome.facts, advertised_listeners=told))

    return Bend(at(Stage.IDENTITY, brokers=[2]), change)


@pytest.mark.parametrize(
    ("told", "code"),
    [
        ("b-2.tls.demo.a1b2c3.c2.kafka.us-east-1.amazonaws.com:14002", None),
        ("B-2.tls.demo.a1b2c3.c2.kafka.us-east-1.amazonaws.com:14002", None),
        ("b-2.kafka.example.com:14002", Code.METADATA_ADVERTISED_NAME),
        ("b-2.tls.demo.a1b2c3.c2.kafka.us-east-1.amazonaws.com:14099", Code.METADATA_ADVERTISED_PORT),
        ("b-3.tls.demo.a1b2c3.c2.kafka.us-east-1.amazonaws.com:14003", Code.METADATA_ADVERTISED_SWAPPED),
        ("nonsense", None),
    ],
)
def test_who_reads_no_metadata_may_know_from_others_that_it_would_be_wrong(told: str, code: Code | None) -> None:
    def untrusted(outcome: Outcome) -> Outcome:
        return msgspec.structs.replace(outcome, status=Status.FAILED, reason=Reason.NAME_MISMATCH, facts=None)

    beyond = {"account_b", "overlapping"}
    runs_ = [seen(v, listeners_of_2(told), Bend(at(Stage.HANDSHAKE, clients=beyond), untrusted)) for v in MANAGED]
    found = [f for f in diagnose(runs_).findings if f.stage is Stage.METADATA]
    assert [(f.codes, set(f.clients), f.broker_ids) for f in found] == ([((code,), beyond, (2,))] if code else [])
    for finding in found:
        assert "it told another client" in finding.observed
        assert finding.change


def test_who_reads_metadata_is_told_nothing_by_others() -> None:
    listed = [seen(view, listeners_of_2("b-2.kafka.example.com:14002")) for view in MANAGED]
    assert diagnose(listed).answer is Answer.NOTHING_WRONG


def test_where_brokers_contradict_themselves_the_order_of_clients_does_not_matter() -> None:
    told = [seen(v, listeners_of_2(f"b-2.{n}.example.com:1400{n}")) for n, v in enumerate(MANAGED)]
    assert told_listeners(told) == told_listeners(reversed(told))
