"""Both witnesses: the account settles a set, strikes out what it would have shown, or contradicts the packets."""

from __future__ import annotations

import msgspec
import pytest

from brokerproof.aws.audit.audit import audit
from brokerproof.aws.audit.values import Audit, Hop, State, Trace
from brokerproof.aws.facts import facts_of
from brokerproof.causes.codes import Code
from brokerproof.diagnosis.diagnose import diagnose
from brokerproof.diagnosis.finding import Answer, ClientEvidence, Diagnosis, Finding
from brokerproof.diagnosis.finding_text import text_of
from brokerproof.lab.faults import FAULTS
from brokerproof.probes.outcome import Reason, Stage
from brokerproof.topology.patterns import PATTERNS
from tests.diagnosis.bends import NEAR, PEERING, SILENT, SINGLE
from tests.diagnosis.bent import Bend, at, failed, seen, views_of

ONE_CLIENT_SILENT = Bend(at(Stage.CONNECT, clients=[NEAR[PEERING]]), SILENT)


def clients_of(pattern: str, bends: list[Bend]) -> list[ClientEvidence]:
    """What all clients of a pattern saw, bent."""
    return [seen(view, *bends) for view in views_of(pattern)]


def shown(pattern: str, fault: str | None = None) -> Audit:
    """What the account of a pattern shows, with a fault or without."""
    intended = PATTERNS[pattern].build()
    return audit(facts_of(intended if fault is None else FAULTS[fault].edit(intended)), intended)


def only(diagnosis: Diagnosis) -> Finding:
    [found] = diagnosis.findings
    return found


def test_packets_alone_leave_a_set() -> None:
    found = only(diagnose(clients_of(PEERING, [ONE_CLIENT_SILENT])))
    assert len(found.codes) > 1
    assert found.account == ""


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("route-missing-client", Code.ROUTE_MISSING_CLIENT),
        ("client-security-group-egress", Code.SECURITY_CLIENT_GROUP),
        ("route-back-to-another-peering", Code.ROUTE_MISSING_RETURN),
    ],
)
def test_what_the_account_shows_settles_it(fault: str, code: Code) -> None:
    found = only(diagnose(clients_of(PEERING, [ONE_CLIENT_SILENT]), shown(PEERING, fault)))
    assert found.codes == (code,)
    assert found.sure
    assert found.account.startswith("shows it: ")
    assert f"clients and the account together leave one cause: {code}" in text_of(found)


def test_where_the_account_is_open_the_contradiction_is_said() -> None:
    alone = only(diagnose(clients_of(PEERING, [ONE_CLIENT_SILENT])))
    found = only(diagnose(clients_of(PEERING, [ONE_CLIENT_SILENT]), shown(PEERING)))
    assert found.codes == alone.codes
    assert "is open" in found.account
    assert "no packet passes" in found.account


def test_what_the_account_would_have_shown_is_struck_out() -> None:
    silent = [Bend(at(Stage.CONNECT, clients=["account_b", "overlapping", "cluster_vpc"]), SILENT)]
    everyone = [*silent, Bend(at(Stage.CONNECT, clients=["remote_by_peering", "remote_by_gateway"]), SILENT)]
    alone = only(diagnose(clients_of(SINGLE, everyone)))
    assert {Code.NLB_PORTS_EXHAUSTED, Code.SECURITY_BROKER_GROUP} < set(alone.codes)
    found = only(diagnose(clients_of(SINGLE, everyone), shown(SINGLE)))
    assert found.codes == (Code.NLB_PORTS_EXHAUSTED,)
    assert found.account.startswith("shows none of ")


@pytest.mark.parametrize("fault", ["second-path-open", "route-missing-client", "endpoint-security-group-closed"])
def test_an_account_does_not_explain_what_failed_after_packets_had_passed(fault: str) -> None:
    """Records too large for a broker are not refused by a second path, nor by a route that was right till then."""
    pattern = FAULTS[fault].patterns[-1]
    refused = Bend(at(Stage.PRODUCE), failed(Reason.KAFKA_ERROR))
    found = only(diagnose(clients_of(pattern, [refused]), shown(pattern, fault)))
    assert found.codes == (Code.UNKNOWN,)


def test_an_account_explains_a_connect_whose_cause_packets_leave_unknown() -> None:
    odd = Bend(at(Stage.CONNECT, clients=[NEAR[PEERING]]), failed(Reason.SOCKET_ERROR))
    assert only(diagnose(clients_of(PEERING, [odd]))).codes == (Code.UNKNOWN,)
    assert only(diagnose(clients_of(PEERING, [odd]), shown(PEERING, "route-missing-client"))).codes == (
        Code.ROUTE_MISSING_CLIENT,
    )


def test_what_was_not_read_strikes_nothing_out() -> None:
    clean = shown(PEERING)
    hidden = Hop(what="route table", says="is not known", state=State.UNKNOWN, resource="ec2:DescribeRouteTables")
    traces = tuple(
        Trace(client=t.client, broker_id=t.broker_id, name=t.name, port=t.port, hops=(*t.hops, hidden))
        for t in clean.traces
    )
    alone = only(diagnose(clients_of(PEERING, [ONE_CLIENT_SILENT])))
    found = only(diagnose(clients_of(PEERING, [ONE_CLIENT_SILENT]), Audit(traces=traces)))
    assert (found.codes, found.account) == (alone.codes, "")


def test_another_clients_fault_is_no_witness() -> None:
    mine = shown(PEERING, "route-missing-client")
    theirs = tuple(msgspec.structs.replace(each, clients=("remote_by_peering",)) for each in mine.findings)
    found = only(diagnose(clients_of(PEERING, [ONE_CLIENT_SILENT]), Audit(findings=theirs, traces=mine.traces)))
    assert len(found.codes) > 1


def test_what_no_packet_met_is_shown_beside() -> None:
    found = diagnose(clients_of(PEERING, []), shown(PEERING, "route-missing-client"))
    assert found.answer is Answer.NOTHING_WRONG
    assert [each.code for each in found.shown] == [Code.ROUTE_MISSING_CLIENT]
    assert diagnose(clients_of(PEERING, []), shown(PEERING)).shown == ()
