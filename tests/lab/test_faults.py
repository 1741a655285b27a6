"""Every fault without a lab: it changes what the lab is made of, in each pattern that it is of, and says so."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cache
from ipaddress import IPv4Address

import pytest

from brokerproof.causes.codes import Code
from brokerproof.lab.faults import BY_LAYER, FAULTS, Fault
from brokerproof.lab.faults.fault import FaultLayer, afflicted
from brokerproof.lab.network.blueprint import Blueprint, compile_topology
from brokerproof.lab.network.difference import difference
from brokerproof.probes.outcome import STAGE_REASONS
from brokerproof.topology.edit import with_lab
from brokerproof.topology.models import Answers, HostsLine, NameServer, Topology
from brokerproof.topology.patterns import PATTERNS, PatternOptions
from tests.examples import ALL, failing

AT_LEAST = 70
each_fault = pytest.mark.parametrize("fault", FAULTS.values(), ids=lambda fault: fault.name)


def tried(fault: Fault) -> tuple[str, ...]:
    """The patterns of a fault; where not all are asked for, the first and the last."""
    return fault.patterns if ALL else tuple(dict.fromkeys((fault.patterns[0], fault.patterns[-1])))


@cache
def laid_out(pattern: str, options: PatternOptions) -> Blueprint:
    return compile_topology(PATTERNS[pattern].build(options))


@pytest.mark.slow
@each_fault
def test_a_fault_changes_what_the_lab_is_made_of_and_undoing_it_leaves_nothing_to_do(fault: Fault) -> None:
    for pattern in tried(fault):
        topology = PATTERNS[pattern].build(fault.options)
        assert fault.why_not(topology) == "", pattern
        broken, whole = fault.edit(topology), laid_out(pattern, fault.options)
        made = compile_topology(broken)
        assert made != whole, pattern
        assert broken.clients[0].name == topology.clients[0].name, pattern
        assert afflicted(topology, fault).pattern is not None or fault.isolation, pattern
        assert Topology.model_validate(broken.model_dump(mode="json")) == broken, pattern

        back = difference(made, whole)
        left = {n.name for n in made.namespaces} - set(back.namespaces_removed)
        added = {n.name for n in back.namespaces_added}
        assert left | added == {n.name for n in whole.namespaces}, pattern
        # Addresses of brokers stay, so an edit that means no other broker restarts none.
        assert not [n for n in back.namespaces_removed if n.startswith("demo-b")], pattern


def leaves_in_place_what_disturbs_the_lab_already(fault: Fault) -> None:
    """Faults are put in together, and each one's disturbance is what it is about."""
    for pattern in tried(fault):
        topology = PATTERNS[pattern].build(fault.options)
        there = HostsLine(client=topology.clients[0].name, name="there.example.com", address=IPv4Address("10.9.9.8"))
        server = NameServer(address=IPv4Address("10.9.9.7"), answers=Answers.PUBLIC)
        broken = fault.edit(with_lab(topology, disturbances=(there,), name_servers=(server,)))
        assert there in broken.lab.disturbances, pattern
        assert server in broken.lab.name_servers, pattern


def says_where_it_shows(fault: Fault) -> None:
    assert {reason for reason in fault.reasons if reason is not None} <= STAGE_REASONS[fault.stage]
    assert fault.reasons
    assert (fault.cause is None) == bool(fault.advice)
    assert fault.alike == () or not fault.advice
    assert fault.title.endswith(".")
    assert set(fault.patterns) <= set(PATTERNS)
    assert len(set(fault.patterns)) == len(fault.patterns)
    every = [fault.patterns] if isinstance(fault.alike, tuple) else list(fault.alike)
    assert sorted(name for names in every for name in names) == sorted(fault.patterns), "each pattern has one set"
    for alike in [fault.alike] if isinstance(fault.alike, tuple) else fault.alike.values():
        assert len(set(alike)) == len(alike)
        assert fault.cause not in alike
        assert Code.UNKNOWN not in alike
    assert not (fault.isolation and fault.brokers)


@pytest.mark.parametrize("holds", [leaves_in_place_what_disturbs_the_lab_already, says_where_it_shows])
def test_every_fault(holds: Callable[[Fault], None]) -> None:
    assert failing(holds, FAULTS) == {}


def test_there_is_a_fault_of_every_layer() -> None:
    assert len(FAULTS) >= AT_LEAST
    assert {fault.layer for fault in FAULTS.values()} == set(FaultLayer)


def test_a_fault_is_in_the_file_of_its_layer_and_has_a_name_of_its_own() -> None:
    assert {fault.name: layer for layer, faults in BY_LAYER.items() for fault in faults} == {
        fault.name: fault.layer for fault in FAULTS.values()
    }
    assert len(FAULTS) == sum(map(len, BY_LAYER.values()))
    for layer, faults in BY_LAYER.items():
        module = importlib.import_module(f"brokerproof.lab.faults.{layer.value}")
        assert faults is module.FAULTS


def test_two_faults_are_in_no_catalogue() -> None:
    assert [f.name for f in FAULTS.values() if f.cause is Code.UNKNOWN] == [
        "records-too-large",
        "group-session-refused",
    ]


def test_what_is_alike_is_stated_by_pattern() -> None:
    """In the cluster VPC alone nobody else says whether the client's clock is right."""
    expired = FAULTS["certificate-expired"]
    assert expired.codes("in_vpc") == {Code.TLS_CERTIFICATE_DATES, Code.TLS_CLOCK_WRONG}
    assert expired.codes("peering") == {Code.TLS_CERTIFICATE_DATES}
    assert FAULTS["cname-loop"].codes("privatelink_multi_nlb") == {
        Code.DNS_CNAME_LOOP,
        Code.DNS_RESOLVER_FAILING,
        Code.DNS_RESOLVER_RULE,
    }
