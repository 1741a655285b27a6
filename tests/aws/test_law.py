"""The law: what is discovered of a topology's answers is that topology, as far as any call tells."""

from __future__ import annotations

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from brokerproof.aws.answers.hook import Manners
from brokerproof.aws.answers.seen import as_seen
from brokerproof.lab.faults import FAULTS
from brokerproof.probes.plan import AuthenticationScheme
from brokerproof.topology.files import TopologyError
from brokerproof.topology.models import Topology
from brokerproof.topology.patterns import PATTERNS, PatternOptions
from brokerproof.topology.patterns.options import Overlap
from tests.aws.accounts import discovered
from tests.examples import ALL, examples
from tests.topology import strategies


def differences(found: Topology, wanted: Topology) -> list[str]:
    """Each collection that differs, with what is on one side alone."""
    lines = []
    for name in Topology.model_fields:
        one, other = getattr(found, name), getattr(wanted, name)
        if one != other and isinstance(one, tuple):
            lines += [f"{name}: found {item!r}" for item in one if item not in other]
            lines += [f"{name}: wanted {item!r}" for item in other if item not in one]
            lines += [] if {repr(i) for i in one} != {repr(i) for i in other} else [f"{name}: order"]
        elif one != other:
            lines.append(f"{name}: found {one!r}, wanted {other!r}")
    return lines


def holds(topology: Topology, *, intended: Topology | None = None, page_size: int = 2) -> None:
    facts = discovered(topology, intended=intended, manners=Manners(page_size=page_size))
    assert differences(facts.topology, as_seen(topology)) == []
    assert facts.gaps == ()


@pytest.mark.slow
@pytest.mark.parametrize("pattern", sorted(PATTERNS))
@pytest.mark.parametrize("page_size", [1, 2, 100])
def test_every_builder(pattern: str, page_size: int) -> None:
    holds(PATTERNS[pattern].build(), page_size=page_size)


@pytest.mark.parametrize("pattern", ["combination", "peering"])
def test_rules_and_routes_by_prefix_list(pattern: str) -> None:
    topology = PATTERNS[pattern].build(PatternOptions(dual_stack=pattern == "peering"))
    facts = discovered(topology, manners=Manners(by_prefix_list=True))
    assert differences(facts.topology, as_seen(topology)) == []
    assert facts.gaps == ()


@pytest.mark.parametrize("pattern", ["combination", "privatelink_single_nlb"])
def test_zones_and_rules_by_profile(pattern: str) -> None:
    topology = PATTERNS[pattern].build()
    for broken in (topology, FAULTS["resolver-rule-unanswered"].edit(topology)):
        facts = discovered(broken, intended=topology, manners=Manners(by_profile=True, page_size=2))
        assert differences(facts.topology, as_seen(broken)) == []
        assert facts.gaps == ()


OPTIONS = {
    "one-broker": PatternOptions(brokers=1),
    "seven-brokers-in-two-zones": PatternOptions(brokers=7, zones=2),
    "one-zone": PatternOptions(zones=1),
    "cross-zone-off": PatternOptions(cross_zone=False),
    "own-cidr": PatternOptions(overlap=Overlap.OFF),
    "same-cidr": PatternOptions(overlap=Overlap.ON),
    "zonal-alias": PatternOptions(zonal_alias=True),
    "other-ports": PatternOptions(first_listener_port=9300, bootstrap_port=9200),
    "plaintext": PatternOptions(plaintext=True),
    "advertised-unchanged": PatternOptions(advertised_unchanged=True),
    "no-local-zone": PatternOptions(local_zone=False),
    "no-remote": PatternOptions(remote=False),
    "mutual-tls": PatternOptions(authentication=AuthenticationScheme.MTLS),
    "scram": PatternOptions(authentication=AuthenticationScheme.SCRAM_SHA_512),
    "iam": PatternOptions(authentication=AuthenticationScheme.IAM),
    "dual-stack": PatternOptions(dual_stack=True),
}


def pairs() -> list[tuple[str, str]]:
    """Each option in each pattern; where not all are asked for, each option in a quarter of them, all in turn."""
    named = [(o, option, p, pattern) for o, option in enumerate(sorted(OPTIONS)) for p, pattern in enumerate(PATTERNS)]
    return sorted((pattern, option) for o, option, p, pattern in named if ALL or (o + p) % 4 == 0)


@pytest.mark.slow
@pytest.mark.parametrize(("pattern", "options"), pairs())
def test_every_option(pattern: str, options: str) -> None:
    try:
        topology = PATTERNS[pattern].build(OPTIONS[options])
    except TopologyError as error:
        pytest.skip(f"AWS refuses it: {error}")
    holds(topology)


def faulty(name: str) -> list[tuple[Topology, Topology]]:
    """A fault in every pattern that can have it: as intended, and as it is."""
    fault = FAULTS[name]
    patterns = fault.patterns if ALL else fault.patterns[:1]
    built = [PATTERNS[p].build(PatternOptions(dual_stack=fault.dual_stack)) for p in patterns]
    return [(topology, fault.edit(topology)) for topology in built]


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(FAULTS))
def test_every_fault(name: str) -> None:
    shown = [(intended, broken) for intended, broken in faulty(name) if ALL or as_seen(intended) != as_seen(broken)]
    if not shown:
        pytest.skip("the account does not show it, so it is the account of the builder")
    for intended, broken in shown:
        holds(broken, intended=intended, page_size=100)


@settings(max_examples=examples(24))
@given(strategies.patterns, strategies.options, st.sampled_from([None, *sorted(FAULTS)]), st.sampled_from([1, 3, 100]))
def test_whatever_is_drawn(pattern: str, options: PatternOptions, name: str | None, page_size: int) -> None:
    try:
        topology = PATTERNS[pattern].build(options)
    except TopologyError:
        reject()
    broken = topology
    if name is not None:
        try:
            broken = FAULTS[name].edit(topology) if pattern in FAULTS[name].patterns else topology
        except (IndexError, KeyError, StopIteration, ValueError):
            reject()  # the fault is made for three brokers in three zones
    holds(broken, intended=topology, page_size=page_size)


def test_a_difference_is_seen() -> None:
    topology = PATTERNS["peering"].build()
    other = FAULTS["route-missing-client"].edit(topology)
    assert differences(discovered(topology).topology, as_seen(other)) != []
