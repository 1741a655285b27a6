"""The option ``--measure``: brief has the samples that its figures need, and full has those of a p99."""

from __future__ import annotations

import argparse

import msgspec
import pytest

from brokerproof.probes.outcome.distribution import ENOUGH
from brokerproof.probes.plan import ThroughputPlan
from brokerproof.running.amount import SAMPLES_FOR_P50, SAMPLES_FOR_P95, Amount, measured_in_lab, measurements
from brokerproof.running.option_words import amount_in as _amount
from brokerproof.running.planning import make_plan
from brokerproof.topology.expectation.expect import expect
from brokerproof.topology.expectation.view import ClientView
from brokerproof.topology.patterns import PATTERNS, PatternOptions


def view(pattern: str, client: str, options: PatternOptions | None = None) -> ClientView:
    return expect(PATTERNS[pattern].build(options), client)


def test_the_samples_are_those_a_percentile_needs() -> None:
    assert {q: ENOUGH[q] for q in (50, 95)} == {50: SAMPLES_FOR_P50, 95: SAMPLES_FOR_P95}


@pytest.mark.parametrize(
    ("pattern", "client", "places"),
    [
        ("in_vpc", "cluster_vpc", 3),
        ("privatelink_multi_nlb", "account_b", 9),
        ("privatelink_single_nlb", "account_b", 9),
    ],
)
def test_brief_says_p50_of_each_address_and_p95_of_each_broker(pattern: str, client: str, places: int) -> None:
    brief = measurements(view(pattern, client), Amount.BRIEF)
    assert brief.path_latency.samples == places * ENOUGH[50]
    assert brief.latency.samples == 3 * ENOUGH[95]


def test_full_says_p99_of_all_records() -> None:
    assert measurements(view("in_vpc", "cluster_vpc"), Amount.FULL).latency.samples >= ENOUGH[99]


def test_brief_is_never_more_than_full() -> None:
    many = view("privatelink_single_nlb", "account_b", PatternOptions(brokers=30))
    brief, full = measurements(many, Amount.BRIEF), measurements(many, Amount.FULL)
    assert brief.path_latency.samples <= full.path_latency.samples
    assert brief.latency.samples <= full.latency.samples
    assert brief.throughput.total_bytes < full.throughput.total_bytes
    assert brief.throughput.max_ms <= full.throughput.max_ms


@pytest.mark.parametrize("amount", Amount)
def test_a_load_that_is_asked_for_is_the_one_that_is_planned(amount: Amount) -> None:
    load = ThroughputPlan(total_bytes=1000, max_ms=10)
    assert measurements(view("in_vpc", "cluster_vpc"), amount, load).throughput == load


def test_brief_and_full_differ_in_nothing_but_what_is_measured() -> None:
    topology = PATTERNS["privatelink_multi_nlb"].build()
    seen, client = expect(topology, "account_b"), topology.client("account_b")
    brief, full = (make_plan(seen, client, measure=True, amount=amount) for amount in (Amount.BRIEF, Amount.FULL))
    assert brief != full
    unmeasured = {"path_latency": None, "latency": None, "throughput": None}
    assert msgspec.structs.replace(brief, **unmeasured) == msgspec.structs.replace(full, **unmeasured)


def test_what_is_no_amount_is_refused_by_its_name() -> None:
    assert _amount("full") is Amount.FULL
    with pytest.raises(argparse.ArgumentTypeError, match="'much' is not one of brief, full"):
        _amount("much")


def test_in_the_lab_brief_measures_one_client_of_each_region_and_full_measures_all() -> None:
    topology = PATTERNS["privatelink_single_nlb"].build()
    clients = [client for client in topology.clients if client.pattern == "privatelink_single_nlb"]
    assert measured_in_lab(topology, clients, Amount.BRIEF) == {"account_b", "remote_by_peering"}
    assert measured_in_lab(topology, clients, Amount.FULL) == {client.name for client in clients}


def test_where_all_clients_are_in_the_clusters_own_vpc_one_of_them_is_measured() -> None:
    topology = PATTERNS["in_vpc"].build()
    assert measured_in_lab(topology, topology.clients, Amount.BRIEF) == {"cluster_vpc"}
