"""Other clients as witnesses: what they pass through at the time is no cause, and what they pass later was over."""

from __future__ import annotations

import msgspec
import pytest

from brokerproof.causes.codes import Code
from brokerproof.diagnosis.diagnose import diagnose
from brokerproof.diagnosis.finding import ClientEvidence
from brokerproof.probes.outcome import (
    AdvertisedBroker,
    MetadataFacts,
    Outcome,
    Reason,
    Role,
    Stage,
    Started,
    Status,
    Target,
)
from tests.diagnosis.bends import IN_VPC, PEERING, REFUSED, SINGLE, named, one, unlisted
from tests.diagnosis.bent import Bend, at, failed, judged, seen, views_of
from tests.diagnosis.perfect import outcome

BEGAN_NS = 1_780_000_000_000_000_000
SECOND_NS = 1_000_000_000


def began(evidence: ClientEvidence, at_s: float) -> ClientEvidence:
    return msgspec.structs.replace(evidence, began_ns=BEGAN_NS + int(at_s * SECOND_NS))


def runs(pattern: str, client: str, *bends: Bend, later_s: float) -> list[ClientEvidence]:
    """One client whose run is bent, and the others, whose runs are perfect and begin so much later."""
    return [
        began(seen(view, *(bends if view.client == client else ())), 0 if view.client == client else later_s)
        for view in views_of(pattern)
    ]


REFUSES = Bend(at(Stage.CONNECT, brokers=[2]), REFUSED)
CLOCKS = pytest.mark.parametrize("later_s", [0.0, 3600.0])


def test_a_load_balancers_port_that_serves_another_client_at_the_time_is_well() -> None:
    found = diagnose(runs(SINGLE, "account_b", REFUSES, later_s=0))
    assert named(found) == [(one(Code.UNKNOWN), {"account_b"}, {2})]
    assert found.findings[0].wrong.startswith("Some clients fail where others pass through all that they share")


def test_where_it_serves_them_only_later_it_was_over() -> None:
    found = diagnose(runs(SINGLE, "account_b", REFUSES, later_s=3600))
    assert named(found) == [(one(Code.TRANSIENT_OVER), {"account_b"}, {2})]


def test_a_broker_that_was_missed_and_is_well_later_was_away_for_a_time() -> None:
    found = diagnose(runs(PEERING, "peered", REFUSES, unlisted(2), later_s=60))
    assert (one(Code.TRANSIENT_OVER), {"peered"}, {2}) in named(found)


def test_what_was_well_before_says_nothing() -> None:
    found = diagnose(runs(PEERING, "peered", REFUSES, unlisted(2), later_s=-60))
    assert Code.CLUSTER_BROKER_DOWN in {code for f in found.findings for code in f.codes}


def test_without_clocks_runs_are_taken_as_of_one_time() -> None:
    clients = [msgspec.structs.replace(each, began_ns=0) for each in runs(SINGLE, "account_b", REFUSES, later_s=3600)]
    assert named(diagnose(clients)) == [(one(Code.UNKNOWN), {"account_b"}, {2})]


@CLOCKS
def test_who_comes_another_way_is_no_witness_of_a_load_balancer(later_s: float) -> None:
    """The other clients meet the brokers themselves."""
    fronted = [began(seen(view, REFUSES), 0) for view in views_of(SINGLE) if view.client == "account_b"]
    direct = [began(seen(view), later_s) for view in views_of(IN_VPC)]
    [found] = diagnose([*fronted, *direct]).findings
    assert {Code.NLB_NO_TARGET, Code.NLB_WRONG_TARGET_PORT, Code.NLB_LISTENER_MISSING} <= set(found.codes)
    assert Code.CLUSTER_BROKER_DOWN not in found.codes


def test_a_clock_that_cannot_be_read_is_unknown() -> None:
    assert Started("p", "c", "1", "h", "3.11", wall_clock="yesterday").began_ns == 0
    read = Started("p", "c", "1", "h", "3.11", wall_clock="2026-11-28T00:00:00+00:00").began_ns
    assert read == 1_795_824_000 * SECOND_NS


def test_who_reached_the_broker_by_another_port_is_no_witness_of_its_own() -> None:
    """Brokers advertise the bootstrap port, where the load balancer leads to any of them, this time to broker 2."""
    clients = []
    for view in views_of(SINGLE):
        run = seen(view, Bend(at(Stage.CONNECT, brokers=[2]), failed(Reason.TIMED_OUT)))
        address = view.bootstrap[0].addresses[0].address
        target = Target(role=Role.ADVERTISED, name=view.brokers[1].name, address=address, port=9094, broker_id=2)
        clients.append(judged(view, (*run.outcomes, outcome(Stage.IDENTITY, target))))
    codes = {code for f in diagnose(clients).findings for code in f.codes}
    assert {Code.NLB_NO_TARGET, Code.NLB_STALE_TARGET, Code.NLB_LISTENER_MISSING} <= codes


def test_another_broker_advertised_at_this_ones_address_is_no_fault_of_the_load_balancer() -> None:
    """Metadata gives broker 3 the name of broker 2, so the probe asks there for broker 3: metadata alone is wrong."""
    [view] = [view for view in views_of(SINGLE) if view.client == "account_b"]
    second = next(b for b in view.brokers if b.broker_id == 2)

    def swapped(o: Outcome) -> Outcome:
        assert isinstance(o.facts, MetadataFacts)
        entries = tuple(
            AdvertisedBroker(broker_id=3, name=second.name, port=second.port) if b.broker_id == 3 else b
            for b in o.facts.brokers
        )
        return outcome(o.stage, o.target, facts=MetadataFacts(cluster_id="c", controller_id=1, brokers=entries))

    run = seen(view, Bend(at(Stage.METADATA), swapped))
    target = Target(
        role=Role.ADVERTISED, name=second.name, address=second.addresses[0].address, port=second.port, broker_id=3
    )
    stranger = outcome(Stage.IDENTITY, target, Status.FAILED, Reason.OTHER_BROKER)
    found = diagnose([judged(view, (*run.outcomes, stranger))])
    assert {code for f in found.findings for code in f.codes} == {Code.METADATA_ADVERTISED_SWAPPED}
