"""What lies between two Regions: what a file says, what the builders say, and what is usual."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brokerproof.topology.files import TopologyError, checked, dumps, loads
from brokerproof.topology.models import LabSettings, RegionLink, Topology
from brokerproof.topology.patterns import PATTERNS, PatternOptions
from tests.examples import examples

EAST, WEST = "us-east-1", "us-west-2"


def test_what_is_said_counts_in_either_order_and_the_usual_otherwise() -> None:
    link = RegionLink(regions=(WEST, EAST), one_way_delay_ms=7, loss=0.5)
    settings = LabSettings(links=(link,))
    assert settings.link(EAST, WEST) == settings.link(WEST, EAST) == link
    assert settings.link(EAST, EAST).rtt_ms == 0.5
    assert settings.link(EAST, "eu-west-1").rtt_ms == 60


@pytest.mark.parametrize(
    ("link", "plain"),
    [
        ({"one_way_delay_ms": 0}, True),
        ({"one_way_delay_ms": 0.1}, False),
        ({"one_way_delay_ms": 0, "rate_bits_per_s": 10**9}, False),
        ({"one_way_delay_ms": 0, "loss": 0.01}, False),
    ],
)
def test_a_link_that_does_nothing_is_plain(link: dict[str, Any], plain: bool) -> None:
    assert RegionLink(regions=(EAST, WEST), **link).is_plain is plain


@pytest.mark.parametrize("pattern", sorted(PATTERNS))
@settings(deadline=None, max_examples=examples(20))
@given(cross=st.floats(0, 1000), inside=st.floats(0, 1000))
def test_builders_say_the_distance_of_every_pair_of_their_regions(pattern: str, cross: float, inside: float) -> None:
    topology = PATTERNS[pattern].build(PatternOptions(brokers=1, cross_region_rtt_ms=cross, in_region_rtt_ms=inside))
    regions = {v.region_name for v in topology.vpcs}
    said = {tuple(sorted(link.regions)) for link in topology.lab.links}
    assert said == {(a, b) for a in regions for b in regions if a <= b}
    assert all(
        link.rtt_ms == pytest.approx(inside if link.regions[0] == link.regions[1] else cross)
        for link in topology.lab.links
    )


def peering() -> Topology:
    return PATTERNS["peering"].build(PatternOptions(brokers=1))


def with_links(*links: RegionLink) -> Topology:
    topology = peering()
    return topology.model_copy(update={"lab": LabSettings(links=links)})


def test_a_pair_is_given_once() -> None:
    twice = with_links(*(RegionLink(regions=pair, one_way_delay_ms=1) for pair in ((EAST, WEST), (WEST, EAST))))
    with pytest.raises(
        TopologyError, match=r"lab\.links\[1\]: lab\.links\[0\] already says what lies between us-west-2 and us-east-1"
    ):
        checked(twice)


def test_a_region_that_nothing_is_in_is_a_slip_of_the_pen() -> None:
    slip = with_links(RegionLink(regions=(EAST, "us-wset-2"), one_way_delay_ms=1))
    with pytest.raises(TopologyError, match=r"nothing is in Region 'us-wset-2'; the topology has us-east-1, us-west-2"):
        checked(slip)


@pytest.mark.parametrize(
    ("was", "becomes", "words"),
    [
        ("one_way_delay_ms: 30.0", "one_way_delay_ms: -1", "lab.links[1].one_way_delay_ms: input should be greater"),
        ("one_way_delay_ms: 30.0", "one_way_delay_ms: .nan", "lab.links[1].one_way_delay_ms: input should be"),
        (
            "one_way_delay_ms: 30.0",
            "one_way_delay_ms: 1\n    loss: 1",
            "lab.links[1].loss: input should be less than 1",
        ),
        (
            "one_way_delay_ms: 30.0",
            "one_way_delay_ms: 1\n    rate_bits_per_s: 0",
            "rate_bits_per_s: input should be gr",
        ),
        ("one_way_delay_ms: 30.0", "rate_bits_per_s: 1", "lab.links[1].one_way_delay_ms: is required"),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(was: str, becomes: str, words: str) -> None:
    text = dumps(peering())
    assert was in text
    with pytest.raises(TopologyError) as caught:
        loads(text.replace(was, becomes), source="file.yaml")
    assert words in str(caught.value)
    assert "file.yaml:" in str(caught.value)
