"""Verdicts: green only when earned, red only for a cause, blocked for what follows."""

from __future__ import annotations

import random
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brokerproof.diagnosis.basis import RunOutcomes
from brokerproof.diagnosis.check import Check, Verdict
from brokerproof.diagnosis.judge import judge
from brokerproof.probes.outcome import (
    AdvertisedBroker,
    MetadataFacts,
    Outcome,
    Reason,
    ResolveFacts,
    Role,
    Stage,
    Status,
)
from brokerproof.probes.outcome.registry import SPECS, STAGES, precedes
from brokerproof.topology.expectation.expect import expect
from brokerproof.topology.expectation.view import ClientView
from brokerproof.topology.patterns import PATTERNS, PatternOptions
from tests.diagnosis.bends import sent_again
from tests.diagnosis.perfect import bend, perfect, skipped
from tests.examples import examples
from tests.topology.strategies import options, patterns

replace = msgspec.structs.replace


def view_of(pattern: str, client: str, **chosen: object) -> ClientView:
    return expect(PATTERNS[pattern].build(PatternOptions.model_validate(chosen)), client)


SINGLE = view_of("privatelink_single_nlb", "account_b")
MULTI = view_of("privatelink_multi_nlb", "account_b")


def reds(checks: tuple[Check, ...]) -> set[str]:
    return {c.check_id for c in checks if c.verdict is Verdict.FAILED}


@settings(max_examples=examples(40), deadline=None)
@given(pattern=patterns, chosen=options)
def test_a_perfect_run_is_all_green_and_ids_are_unique(pattern: str, chosen: PatternOptions) -> None:
    topology = PATTERNS[pattern].build(chosen)
    for client in topology.clients:
        view = expect(topology, client.name)
        checks = judge(view, RunOutcomes(perfect(view)))
        assert {c.verdict for c in checks} <= {Verdict.PASSED}, [c for c in checks if c.verdict is not Verdict.PASSED]
        assert len({c.check_id for c in checks}) == len(checks)


@settings(max_examples=examples(30), deadline=None)
@given(seed=st.integers(), dropped=st.sets(st.integers(0, 60), max_size=10))
def test_the_order_of_outcomes_changes_nothing(seed: int, dropped: set[int]) -> None:
    outcomes = [o for i, o in enumerate(perfect(SINGLE)) if i not in dropped]
    shuffled = outcomes.copy()
    random.Random(seed).shuffle(shuffled)
    assert judge(SINGLE, RunOutcomes(tuple(outcomes))) == judge(SINGLE, RunOutcomes(tuple(shuffled)))


@settings(max_examples=examples(30), deadline=None)
@given(index=st.integers(0, 200))
def test_whatever_is_missing_is_never_green(index: int) -> None:
    outcomes = perfect(SINGLE)
    gone = outcomes[index % len(outcomes)]
    rest = tuple(o for o in outcomes if o is not gone)
    before, after = judge(SINGLE, RunOutcomes(outcomes)), judge(SINGLE, RunOutcomes(rest, complete=False))
    changed = [c for b, c in zip(before, after, strict=True) if b.verdict is not c.verdict]
    of_any = SPECS[gone.stage].names_a_broker and gone.target.role is Role.BOOTSTRAP
    of_none = gone.stage is Stage.LATENCY and gone.target.role is Role.CLUSTER
    if gone.stage is Stage.METADATA or of_any or of_none:
        return  # every connection says the same, and so does the latency of each broker; one fewer takes nothing away
    assert changed, gone
    assert {c.verdict for c in changed} <= {Verdict.NOT_SEEN, Verdict.BLOCKED}


def test_nothing_seen_is_not_green_and_a_vantage_error_is_not_red() -> None:
    assert {c.verdict for c in judge(SINGLE, RunOutcomes((), complete=False))} == {Verdict.NOT_SEEN}
    assert {c.verdict for c in judge(SINGLE, RunOutcomes((), complete=False, error="ssh: refused"))} == {Verdict.ERROR}


def is_(stage: Stage, broker_id: int, role: Role = Role.BROKER) -> Callable[[Outcome], bool]:
    name = f"b-{broker_id}."
    return lambda o: o.stage is stage and o.target.name.startswith(name) and o.target.role is role


def fail(reason: Reason) -> Callable[[Outcome], Outcome]:
    return lambda o: replace(o, status=Status.FAILED, reason=reason, facts=None)


def answers(*addresses: str) -> Callable[[Outcome], Outcome]:
    return lambda o: replace(o, facts=ResolveFacts(resolver="10.1.0.2", rcode="NOERROR", a=addresses))


def test_a_wrong_answer_is_red_at_resolve_though_the_probe_was_content() -> None:
    outcomes = bend(perfect(SINGLE), is_(Stage.RESOLVE, 2), answers("10.0.16.10"))
    outcomes = bend(outcomes, lambda o: o.target.name.startswith("b-2.") and bool(o.target.address), lambda _: None)
    checks = judge(SINGLE, RunOutcomes(outcomes))
    assert reds(checks) == {"broker-2/resolve"}
    [red] = [c for c in checks if c.verdict is Verdict.FAILED]
    assert "10.0.16.10 (ENI of broker 2)" in red.observed
    assert red.change == "associate the private hosted zone with vpc-b: the public record answers there"
    blocked = [c for c in checks if c.verdict is Verdict.BLOCKED]
    assert {c.label for c in blocked} == {"broker-2", "bootstrap"}
    assert {c.blocked_by for c in blocked} == {"broker-2/resolve"}


def test_a_name_that_is_answered_with_another_brokers_endpoint_says_whose_it_is() -> None:
    theirs = tuple(a.address for a in MULTI.brokers[1].addresses)
    checks = judge(MULTI, RunOutcomes(bend(perfect(MULTI), is_(Stage.RESOLVE, 1), answers(*theirs))))
    [red] = [c for c in checks if c.check_id == "broker-1/resolve"]
    assert "vpce-b-b2 of broker 2" in red.observed
    assert red.change.startswith("correct the record of b-1.")


@pytest.mark.parametrize(
    ("stage", "reason"),
    [
        (Stage.CONNECT, Reason.TIMED_OUT),
        (Stage.CONNECT, Reason.REFUSED),
        (Stage.HANDSHAKE, Reason.NAME_MISMATCH),
        (Stage.HANDSHAKE, Reason.CHAIN_UNTRUSTED),
        (Stage.HANDSHAKE, Reason.CERTIFICATE_EXPIRED),
        (Stage.API, Reason.NOT_KAFKA),
        (Stage.IDENTITY, Reason.OTHER_BROKER),
        (Stage.PRODUCE, Reason.NOT_LEADER),
        (Stage.CONSUME, Reason.RECORDS_LOST),
    ],
)
def test_a_failed_stage_is_red_there_and_blocks_what_comes_after(stage: Stage, reason: Reason) -> None:
    outcomes = bend(perfect(SINGLE), is_(stage, 3), fail(reason))
    for later in (each for each in STAGES if precedes(stage, each) and precedes(each, Stage.GROUP)):
        if any(is_(later, 3)(o) for o in outcomes):
            outcomes = bend(outcomes, is_(later, 3), lambda o: skipped(o, stage, o.target))
    checks = judge(SINGLE, RunOutcomes(outcomes))
    red = [c for c in checks if c.verdict is Verdict.FAILED]
    assert {c.stage for c in red} == {stage}
    assert {c.reason for c in red} == {reason}
    assert {c.label for c in red} == {"broker-3"}
    assert all(c.blocked_by.startswith(f"broker-3/{stage}") for c in checks if c.verdict is Verdict.BLOCKED)


API = "kafka.us-east-1.amazonaws.com"


def other_name(reason: Reason, soa: str = "") -> tuple[Outcome, ...]:
    """Everything is well but the name of the MSK API."""
    facts = ResolveFacts(resolver="10.1.0.2", rcode="NXDOMAIN", soa=soa)
    return bend(
        perfect(SINGLE),
        lambda o: o.target.role is Role.OTHER,
        lambda o: replace(o, status=Status.FAILED, reason=reason, facts=facts),
    )


@pytest.mark.parametrize("reason", [Reason.NXDOMAIN, Reason.NO_DATA])
@pytest.mark.parametrize("zone", [API, "us-east-1.amazonaws.com."])
def test_a_zone_wider_than_the_cluster_hides_other_names(reason: Reason, zone: str) -> None:
    checks = judge(SINGLE, RunOutcomes(other_name(reason, zone)))
    [red] = [c for c in checks if c.verdict is Verdict.FAILED]
    assert (red.stage, red.label, red.isolation, red.name) == (Stage.RESOLVE, "cluster", True, API)
    assert red.observed == f"zone {zone.rstrip('.')} answers for it, and lacks it"
    assert red.change == (
        "name the private hosted zone of vpc-b after the cluster's own domain, not after one above it"
    )
    assert not [c for c in checks if c.verdict is Verdict.BLOCKED], "it takes nothing else with it"


@pytest.mark.parametrize(
    ("reason", "zone", "verdict"),
    [
        (Reason.NXDOMAIN, "", Verdict.PASSED),
        (Reason.NXDOMAIN, ".", Verdict.PASSED),
        (Reason.NXDOMAIN, "amazonaws.com", Verdict.PASSED),
        (Reason.NO_DATA, "kafka.eu-west-1.amazonaws.com", Verdict.PASSED),
        (Reason.TIMED_OUT, "", Verdict.BLOCKED),
        (Reason.SERVFAIL, API, Verdict.BLOCKED),
    ],
)
def test_a_name_that_no_private_zone_hides_is_not_red(reason: Reason, zone: str, verdict: Verdict) -> None:
    checks = judge(SINGLE, RunOutcomes(other_name(reason, zone)))
    assert reds(checks) == set()
    assert {c.verdict for c in checks if c.name == API} == {verdict}


def test_a_zone_that_hides_other_names_is_red_also_where_no_broker_resolves() -> None:
    """The zone's own SOA says so, whatever else is wrong with the brokers' names."""
    outcomes = bend(
        other_name(Reason.NXDOMAIN, API),
        lambda o: o.stage is Stage.RESOLVE and o.target.role is Role.BROKER,
        fail(Reason.NXDOMAIN),
    )
    checks = judge(SINGLE, RunOutcomes(outcomes))
    assert {c.verdict for c in checks if c.name == API} == {Verdict.FAILED}


def test_what_was_tried_and_failed_is_red_whatever_failed_before_it() -> None:
    """Only what was not tried waits: a later failure has a reason of its own, and may have a cause of its own."""
    outcomes = bend(perfect(SINGLE), is_(Stage.CONNECT, 1), fail(Reason.TIMED_OUT))
    lost = [o for o in outcomes if is_(Stage.CONNECT, 1)(o) and o.target.role is Role.BROKER]
    well = tuple(replace(o, status=Status.OK, reason=None, attempt=2) for o in lost)
    outcomes = bend((*outcomes, *well), is_(Stage.HANDSHAKE, 1), fail(Reason.CERTIFICATE_EXPIRED))
    outcomes = bend(outcomes, is_(Stage.PRODUCE, 1), fail(Reason.NOT_ENOUGH_REPLICAS))
    checks = judge(SINGLE, RunOutcomes(outcomes))
    assert {c.stage for c in checks if c.verdict is Verdict.FAILED and c.label == "broker-1"} == {
        Stage.CONNECT,
        Stage.HANDSHAKE,
        Stage.PRODUCE,
    }


def test_metadata_that_misses_a_broker_nobody_reaches_says_nothing_new() -> None:
    fewer = MetadataFacts(
        cluster_id="c",
        brokers=tuple(AdvertisedBroker(broker_id=b.broker_id, name=b.name, port=b.port) for b in SINGLE.brokers[1:]),
    )
    outcomes = bend(
        perfect(SINGLE),
        lambda o: o.stage is Stage.METADATA and o.facts is not None,
        lambda o: replace(o, facts=fewer),
    )
    outcomes = bend(outcomes, is_(Stage.CONNECT, 1), fail(Reason.REFUSED))
    outcomes = bend(outcomes, is_(Stage.IDENTITY, 1), lambda _: None)
    [check] = [c for c in judge(SINGLE, RunOutcomes(outcomes)) if c.check_id == "broker-1/metadata"]
    assert check.verdict is Verdict.BLOCKED
    assert check.blocked_by.startswith("broker-1/connect/")


def test_two_independent_faults_are_both_red() -> None:
    outcomes = bend(perfect(SINGLE), is_(Stage.RESOLVE, 1), fail(Reason.NXDOMAIN))
    outcomes = bend(outcomes, is_(Stage.IDENTITY, 2), fail(Reason.OTHER_BROKER))
    assert {c.split("/")[0] for c in reds(judge(SINGLE, RunOutcomes(outcomes)))} == {"broker-1", "broker-2"}


def test_a_path_that_works_two_times_in_three_is_not_green() -> None:
    outcomes = perfect(SINGLE)
    again = next(o for o in outcomes if is_(Stage.CONNECT, 1)(o))
    bad = replace(again, attempt=2, status=Status.FAILED, reason=Reason.TIMED_OUT)
    checks = judge(SINGLE, RunOutcomes((*outcomes, replace(again, attempt=3), bad)))
    [red] = [c for c in checks if c.verdict is Verdict.FAILED]
    assert red.observed.startswith("intermittent: 2 of 3 attempts worked")


def test_unchanged_advertised_listeners_are_red_at_metadata() -> None:
    unchanged = MetadataFacts(
        cluster_id="c",
        brokers=tuple(AdvertisedBroker(broker_id=b.broker_id, name=b.name, port=9094) for b in SINGLE.brokers),
    )
    outcomes = bend(
        perfect(SINGLE),
        lambda o: o.stage is Stage.METADATA and o.facts is not None,
        lambda o: replace(o, facts=unchanged),
    )
    outcomes = bend(outcomes, lambda o: o.stage is Stage.PRODUCE, fail(Reason.NOT_LEADER))
    checks = judge(SINGLE, RunOutcomes(outcomes))
    assert reds(checks) == {
        f"broker-{broker_id}/{stage}" for broker_id in (1, 2, 3) for stage in ("metadata", "produce")
    }
    [red] = [c for c in checks if c.check_id == "broker-2/metadata"]
    assert red.change == f"set advertised.listeners of broker 2 to {SINGLE.brokers[1].name}:8444"


def _advertised_at(port: int, outcomes: tuple[Outcome, ...]) -> tuple[Outcome, ...]:
    """Broker 2 at another port, as every broker that answers tells it."""
    told = MetadataFacts(
        cluster_id="c",
        brokers=tuple(
            AdvertisedBroker(broker_id=b.broker_id, name=b.name, port=port if b.broker_id == 2 else b.port)
            for b in SINGLE.brokers
        ),
    )
    return bend(outcomes, lambda o: o.stage is Stage.METADATA and o.facts is not None, lambda o: replace(o, facts=told))


def test_what_other_brokers_tell_of_one_that_is_not_reached_is_a_cause_of_its_own() -> None:
    outcomes = bend(_advertised_at(9094, perfect(SINGLE)), is_(Stage.CONNECT, 2), fail(Reason.TIMED_OUT))
    found = reds(judge(SINGLE, RunOutcomes(outcomes)))
    assert "broker-2/metadata" in found
    assert {check for check in found if "broker-2/connect" in check}


def test_a_broker_the_topology_does_not_have_is_red() -> None:
    more = MetadataFacts(
        cluster_id="c",
        brokers=(
            *(AdvertisedBroker(broker_id=b.broker_id, name=b.name, port=b.port) for b in SINGLE.brokers),
            AdvertisedBroker(broker_id=4, name="b-4.demo", port=8446),
        ),
    )
    outcomes = bend(perfect(SINGLE), is_(Stage.METADATA, 1), lambda o: replace(o, facts=more))
    assert reds(judge(SINGLE, RunOutcomes(outcomes))) == {"cluster/metadata"}


def test_answers_from_two_clusters_are_red() -> None:
    def other(o: Outcome) -> Outcome:
        assert isinstance(o.facts, MetadataFacts)
        return replace(o, facts=replace(o.facts, cluster_id="another"))

    assert reds(judge(SINGLE, RunOutcomes(bend(perfect(SINGLE), is_(Stage.METADATA, 1), other)))) == {
        "cluster/metadata"
    }


def test_a_client_that_must_not_see_the_brokers_is_not_asked_whether_metadata_names_them() -> None:
    """It reaches the bootstrap listener alone: the public records lead the brokers' names past the load balancer."""
    view = view_of("privatelink_single_nlb", "cluster_vpc", local_zone=False)
    assert view.bootstrap
    assert not view.brokers
    checks = judge(view, RunOutcomes(perfect(view)))
    assert {c.verdict for c in checks} == {Verdict.PASSED}, [c.check_id for c in checks]
    assert not [c for c in checks if c.stage is Stage.METADATA and c.label == "cluster"]


def forbidden(port: int) -> Callable[[Outcome], bool]:
    return lambda o: o.target.role is Role.FORBIDDEN and o.target.port == port


def test_what_must_not_answer_and_does_is_red() -> None:
    outcomes = bend(perfect(SINGLE), forbidden(22), lambda o: replace(o, status=Status.OK, reason=None))
    red = [c for c in judge(SINGLE, RunOutcomes(outcomes)) if c.verdict is Verdict.FAILED]
    assert red
    assert all(c.isolation and "accepted a connection" in c.observed for c in red)


def test_a_negative_that_fails_for_another_reason_is_red() -> None:
    outcomes = bend(perfect(SINGLE), forbidden(22), fail(Reason.NETWORK_UNREACHABLE))
    red = [c for c in judge(SINGLE, RunOutcomes(outcomes)) if c.verdict is Verdict.FAILED]
    assert red
    assert all("for another reason than timed_out" in c.observed for c in red)


def test_an_address_without_a_target_that_connects_is_red() -> None:
    view = view_of("privatelink_multi_nlb", "account_b", cross_zone=False)
    dead = next(a for a in view.brokers[0].addresses if not a.must_connect)
    outcomes = bend(
        perfect(view),
        lambda o: is_(Stage.CONNECT, 1)(o) and o.target.address == dead.address,
        lambda o: replace(o, status=Status.OK, reason=None),
    )
    assert reds(judge(view, RunOutcomes(outcomes))) == {f"broker-1/connect-not/{dead.zone_id}"}


def test_a_connect_that_took_a_second_syn_is_intermittent() -> None:
    """The kernel's retries are retries too: one in five SYNs lost would else be green most of the time."""
    address = SINGLE.brokers[1].addresses[0]
    at_one = perfect(SINGLE)
    first = next(o for o in at_one if is_(Stage.CONNECT, 2)(o) and o.target.address == address.address)
    outcomes = (*at_one, replace(first, attempt=2), replace(sent_again(first), attempt=3))
    [red] = [c for c in judge(SINGLE, RunOutcomes(outcomes)) if c.verdict is Verdict.FAILED]
    assert (red.check_id, red.reason) == (f"broker-2/connect/{address.zone_id}", Reason.INTERMITTENT)
    assert red.observed == (
        "intermittent: 2 of 3 attempts were answered at once; "
        "otherwise the SYN had to be sent again, which took 1021 ms"
    )


def test_a_syn_that_was_sent_again_at_once_was_not_lost() -> None:
    """An NLB that reuses a port meets what is left of its last connection, and Linux tries again: 11 ms in the lab."""
    soon = bend(perfect(SINGLE), is_(Stage.CONNECT, 2), lambda o: replace(sent_again(o), duration_ns=11_000_000))
    assert reds(judge(SINGLE, RunOutcomes(soon))) == set()


def test_what_failed_all_the_same_says_why_and_not_how_often_it_was_tried() -> None:
    refused = bend(
        perfect(SINGLE), is_(Stage.CONNECT, 2), lambda o: replace(o, status=Status.FAILED, reason=Reason.REFUSED)
    )
    judged = judge(SINGLE, RunOutcomes(bend(refused, is_(Stage.CONNECT, 2), sent_again)))
    assert {c.reason for c in judged if c.check_id.startswith("broker-2/connect/")} == {Reason.REFUSED}


def seen_at(address: str, unknown: str = "") -> Callable[[Outcome], Outcome]:
    return lambda o: replace(
        o,
        facts=replace(o.facts, client_host=address, client_host_unknown=unknown),  # type: ignore[type-var]
    )


def test_a_client_that_is_seen_elsewhere_came_by_another_path() -> None:
    """Everything works, and the coordinator sees the client itself where it must see a load balancer."""
    assert MULTI.brokers[0].sources == ("10.0.0.100", "10.0.16.100", "10.0.32.100")
    checks = judge(MULTI, RunOutcomes(bend(perfect(MULTI), lambda o: o.stage is Stage.GROUP, seen_at("10.1.0.201"))))
    assert reds(checks) == {"cluster/source"}
    [red] = [c for c in checks if c.verdict is Verdict.FAILED]
    assert red.observed == "it sees it at 10.1.0.201"
    assert red.expected == "the group's coordinator sees this client at 10.0.0.100 or 10.0.16.100 or 10.0.32.100"
    assert red.change.startswith("find the second path into the cluster VPC")


def test_where_the_coordinator_does_not_say_the_path_is_not_proved() -> None:
    why = "no DescribeGroups response within 2000 ms"
    checks = judge(MULTI, RunOutcomes(bend(perfect(MULTI), lambda o: o.stage is Stage.GROUP, seen_at("", why))))
    [source] = [c for c in checks if c.check_id == "cluster/source"]
    assert source.verdict is Verdict.NOT_SEEN
    assert source.observed == f"it did not say where it sees it: {why}"


@pytest.mark.parametrize(
    ("pattern", "client", "stage", "reason", "words"),
    [
        ("multi_vpc", "account_b", Stage.CONNECT, Reason.TIMED_OUT, "check, in this order: the VPC connection's state"),
        (
            "multi_vpc",
            "account_b",
            Stage.HANDSHAKE,
            Reason.NAME_MISMATCH,
            "use the names of the connection's own bootstrap",
        ),
        (
            "multi_vpc",
            "account_b",
            Stage.RESOLVE,
            Reason.NXDOMAIN,
            "check that vpc-m has a VPC connection for this scheme",
        ),
        (
            "privatelink_single_nlb",
            "cluster_vpc",
            Stage.CONNECT,
            Reason.TIMED_OUT,
            "check, in this order: the NLB's listener",
        ),
        (
            "privatelink_cross_region",
            "remote",
            Stage.CONNECT,
            Reason.TIMED_OUT,
            "check, in this order: the listener of",
        ),
        ("peering", "peered", Stage.CONNECT, Reason.TIMED_OUT, "check the broker's security group"),
    ],
)
def test_the_remedy_names_what_the_pattern_is_made_of(
    pattern: str, client: str, stage: Stage, reason: Reason, words: str
) -> None:
    view = view_of(pattern, client)
    [red, *_] = [
        c
        for c in judge(view, RunOutcomes(bend(perfect(view), is_(stage, 1), fail(reason))))
        if c.verdict is Verdict.FAILED
    ]
    assert red.change.startswith(words)
