"""Ports and ways that are open, refused or silent where they should not be, and whom that tells apart."""

from __future__ import annotations

import msgspec
import pytest

from brokerproof.causes import sets
from brokerproof.causes.codes import Code
from brokerproof.diagnosis.basis import RunOutcomes
from brokerproof.diagnosis.diagnose import diagnose
from brokerproof.diagnosis.finding import ClientEvidence
from brokerproof.diagnosis.judge import judge
from brokerproof.probes.outcome import ConnectFacts, Outcome, Reason, Role, Stage, Status
from brokerproof.topology.expectation.view import ClientView
from brokerproof.topology.patterns import PatternName
from tests.diagnosis.bends import (
    DIRECT,
    EVERYONE,
    IN_VPC,
    PEERING,
    SILENT,
    SINGLE,
    one,
)
from tests.diagnosis.bent import Bend, at, seen, views_of
from tests.diagnosis.perfect import outcome


def test_opened_doors() -> None:
    def accepted(view: ClientView, o: Outcome) -> bool:
        return o.target.role is Role.FORBIDDEN

    def opened(o: Outcome) -> Outcome:
        return outcome(o.stage, o.target, facts=ConnectFacts())

    found: dict[str, set[Code]] = {}
    for pattern in (PEERING, SINGLE):
        for view in views_of(pattern):
            run = seen(view)
            bent = tuple(opened(o) if accepted(view, o) else o for o in run.outcomes)
            judged = diagnose([ClientEvidence(view=view, checks=judge(view, RunOutcomes(bent)), outcomes=bent)])
            found[f"{pattern}.{view.client}"] = {code for f in judged.findings for code in f.codes} - {Code.UNKNOWN}
    assert found["peering.ungrouped"] == {Code.ISOLATION_UNAPPROVED_CLIENT}
    assert found["peering.peered"] == {Code.ISOLATION_PLAINTEXT_OPEN, Code.ISOLATION_PORTS_OPEN}
    assert found["privatelink_single_nlb.account_b"] >= {Code.ISOLATION_SECOND_PATH, Code.ISOLATION_PORTS_OPEN}


@pytest.mark.parametrize(("every", "clients"), [(True, {"peered", "ungrouped"}), (False, {"peered"})])
def test_a_rule_that_admits_every_port_admits_hosts_beside_the_clients_too(every: bool, clients: set[str]) -> None:
    """Of one port alone it is not sure that the same rule admits the other host to the brokers' own."""

    def let(o: Outcome, *, listens: bool) -> Outcome:
        if listens:
            return outcome(o.stage, o.target, facts=ConnectFacts())
        return outcome(o.stage, o.target, Status.FAILED, Reason.REFUSED)

    runs = []
    for view in views_of(PEERING):
        run = seen(view)
        asked = view.client in {"peered", "ungrouped"}
        doors = [o for o in run.outcomes if asked and o.target.role is Role.FORBIDDEN]
        ports = {o.target.port for o in doors}
        let_through = ports if every or view.client == "ungrouped" else {min(ports, default=0)}
        bent = tuple(
            let(o, listens=view.client == "ungrouped") if o in doors and o.target.port in let_through else o
            for o in run.outcomes
        )
        runs.append(ClientEvidence(view=view, checks=judge(view, RunOutcomes(bent)), outcomes=bent))
    found = {finding.codes: set(finding.clients) for finding in diagnose(runs).findings}
    assert found[Code.ISOLATION_PORTS_OPEN,] == clients
    assert found.get((Code.ISOLATION_UNAPPROVED_CLIENT,)) == (None if every else {"ungrouped"})


def test_a_way_back_through_privatelink_is_a_second_path() -> None:
    run = []
    for view in views_of(PatternName.PRIVATELINK_CROSS_REGION):
        clean = seen(view)
        bent = tuple(
            outcome(o.stage, o.target, facts=ConnectFacts())
            if not view.brokers and o.target.role is Role.FORBIDDEN
            else o
            for o in clean.outcomes
        )
        run.append(ClientEvidence(view=view, checks=judge(view, RunOutcomes(bent)), outcomes=bent))
    assert {finding.codes for finding in diagnose(run).findings} == {(Code.ISOLATION_SECOND_PATH,)}


def test_a_group_that_admits_another_port_is_one_cause() -> None:
    run = []
    for view in views_of(IN_VPC):
        clean = seen(view, Bend(at(Stage.CONNECT), SILENT))
        bent = tuple(
            outcome(o.stage, o.target, reason=Reason.REFUSED, status=Status.FAILED)
            if o.target.role is Role.FORBIDDEN and o.target.port == 9098
            else o
            for o in clean.outcomes
        )
        run.append(ClientEvidence(view=view, checks=judge(view, RunOutcomes(bent)), outcomes=bent))
    assert {finding.codes for finding in diagnose(run).findings} == {(Code.SECURITY_BROKER_GROUP,)}


@pytest.mark.parametrize("stopped", [{"peered"}, {"cluster_vpc", "peered"}, DIRECT])
def test_a_client_that_is_kept_from_the_other_port_too_has_another_cause(stopped: set[str]) -> None:
    """What is nearer to it than the brokers' group keeps it from every port."""
    run = []
    for view in views_of(PEERING):
        clean = seen(view, Bend(at(Stage.CONNECT), SILENT))
        admitted = view.brokers and view.client not in stopped
        bent = tuple(
            outcome(o.stage, o.target, reason=Reason.REFUSED, status=Status.FAILED)
            if admitted and o.target.role is Role.FORBIDDEN and o.target.port == 9098
            else o
            for o in clean.outcomes
        )
        run.append(ClientEvidence(view=view, checks=judge(view, RunOutcomes(bent)), outcomes=bent))
    found = {frozenset(finding.codes): set(finding.clients) for finding in diagnose(run).findings}
    if stopped == DIRECT:
        assert found == {sets.AT_THE_BROKERS: stopped}
        return
    assert found.pop(one(Code.SECURITY_BROKER_GROUP)) == DIRECT - stopped
    assert set().union(*found.values()) == stopped
    assert all(Code.SECURITY_CLIENT_GROUP in codes for codes in found)
    assert found[next(codes for codes in found if Code.ROUTE_MISSING_CLIENT in codes)] == {"peered"}


def test_a_port_that_others_are_refused_at_as_they_should_be_tells_as_well() -> None:
    """A refusal at a port that nothing listens at is no fault, and shows that packets arrive."""
    run = []
    for view in views_of(PEERING):
        clean = seen(view, Bend(at(Stage.CONNECT), SILENT))
        asked = view.client in DIRECT - {"peered"}
        refused = [o for o in clean.outcomes if asked and o.target.role is Role.FORBIDDEN]
        bent = tuple(
            outcome(o.stage, o.target, reason=Reason.REFUSED, status=Status.FAILED) if o in refused else o
            for o in clean.outcomes
        )
        checks = tuple(check for check in judge(view, RunOutcomes(bent)) if not check.isolation)
        run.append(ClientEvidence(view=view, checks=checks, outcomes=bent))
    found = {frozenset(finding.codes): set(finding.clients) for finding in diagnose(run).findings}
    assert found.pop(sets.AT_THE_BROKERS) == {"cluster_vpc", "remote_by_peering"}
    assert [(Code.ROUTE_MISSING_CLIENT in codes, clients) for codes, clients in found.items()] == [(True, {"peered"})]


def test_where_clients_that_connect_are_let_through_elsewhere_as_well_one_that_does_not_is_no_part_of_it() -> None:
    run = []
    for view in views_of(PEERING):
        clean = seen(view, Bend(at(Stage.CONNECT, clients=["peered"]), SILENT))
        admitted = view.brokers and view.client != "peered"
        bent = tuple(
            outcome(o.stage, o.target, reason=Reason.REFUSED, status=Status.FAILED)
            if admitted and o.target.role is Role.FORBIDDEN and o.target.port == 9098
            else o
            for o in clean.outcomes
        )
        run.append(ClientEvidence(view=view, checks=judge(view, RunOutcomes(bent)), outcomes=bent))
    found = {frozenset(finding.codes): set(finding.clients) for finding in diagnose(run).findings}
    assert found[one(Code.ISOLATION_PORTS_OPEN)] == {"cluster_vpc", "remote_by_peering"}
    assert [clients for codes, clients in found.items() if Code.SECURITY_CLIENT_GROUP in codes] == [{"peered"}]


def test_another_way_past_a_load_balancer_does_not_tell_its_clients_apart() -> None:
    run = []
    for view in views_of(SINGLE):
        clean = seen(view, Bend(at(Stage.CONNECT), SILENT))
        bent = tuple(
            outcome(o.stage, o.target, reason=Reason.REFUSED, status=Status.FAILED)
            if view.client == "account_b" and o.target.role is Role.FORBIDDEN
            else o
            for o in clean.outcomes
        )
        run.append(ClientEvidence(view=view, checks=judge(view, RunOutcomes(bent)), outcomes=bent))
    silent = [f for f in diagnose(run).findings if Code.SECURITY_BROKER_GROUP in f.codes]
    assert [set(f.clients) for f in silent] == [EVERYONE]


@pytest.mark.parametrize(
    ("status", "reason", "title"),
    [
        (Status.OK, None, "Ports that should be closed are open"),
        (
            Status.FAILED,
            Reason.REFUSED,
            "Ports that should be closed are let through: the hosts refuse, since nothing listens there",
        ),
    ],
    ids=["accepted", "refused"],
)
def test_a_refusal_is_not_told_as_an_answer(status: Status, reason: Reason | None, title: str) -> None:
    [view] = [view for view in views_of(IN_VPC) if view.brokers]

    def let_through(o: Outcome) -> Outcome:
        return msgspec.structs.replace(o, status=status, reason=reason)

    outcomes = tuple(
        let_through(o) if o.target.role is Role.FORBIDDEN and o.target.port in {22, 2181} else o
        for o in seen(view).outcomes
    )
    checks = judge(view, RunOutcomes(outcomes))
    [found] = diagnose([ClientEvidence(view=view, checks=checks, outcomes=outcomes)]).findings
    assert found.codes == (Code.ISOLATION_PORTS_OPEN,)
    assert found.wrong == f"{title} (seen from client cluster_vpc)."
