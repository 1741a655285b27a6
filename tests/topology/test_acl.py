"""Network ACLs: evaluated as a plain reading of AWS's words says, and refused where AWS refuses them."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokerproof.topology.acl import TCP, Packet, allows, connects
from brokerproof.topology.files import TopologyError, dumps, loads
from brokerproof.topology.models import NetworkAcl, NetworkAclEntry, PortRange, Topology
from brokerproof.topology.patterns import PATTERNS
from brokerproof.topology.rules import problems

ANY = "0.0.0.0/0"

ports = st.integers(0, 20)
entries = st.builds(
    NetworkAclEntry,
    rule_number=st.integers(1, 12),
    protocol=st.sampled_from(["-1", "6", "17", "1"]),
    rule_action=st.sampled_from(["allow", "deny"]),
    egress=st.booleans(),
    cidr_block=st.sampled_from([IPv4Network(c) for c in (ANY, "10.0.0.0/8", "10.1.0.0/16", "10.1.2.3/32")]),
    port_range=st.none() | st.tuples(ports, ports).map(lambda p: PortRange(from_port=min(p), to_port=max(p))),
)
packets = st.builds(
    Packet,
    protocol=st.sampled_from(["6", "17", "1"]),
    far=st.sampled_from([IPv4Address(a) for a in ("10.1.2.3", "10.1.9.9", "10.9.9.9", "192.0.2.1")]),
    port=ports,
)


def by_the_book(acl: NetworkAcl, packet: Packet, *, egress: bool) -> bool:
    """Go up the rule numbers one by one; the first that fits decides; none fits: deny."""
    for number in range(1, 32767):
        for entry in acl.entries:
            if entry.rule_number != number or entry.egress != egress:
                continue
            in_block = int(packet.far) >> (32 - entry.cidr_block.prefixlen) == (  # type: ignore[union-attr]
                int(entry.cidr_block.network_address) >> (32 - entry.cidr_block.prefixlen)  # type: ignore[union-attr]
            )
            right_protocol = entry.protocol in {"-1", packet.protocol}
            ports_count = entry.protocol != "-1" and entry.port_range is not None
            in_ports = not ports_count or packet.port in range(
                entry.port_range.from_port,  # type: ignore[union-attr]
                entry.port_range.to_port + 1,  # type: ignore[union-attr]
            )
            if in_block and right_protocol and in_ports:
                return entry.rule_action == "allow"
    return False


@given(
    chosen=st.lists(entries, max_size=8, unique_by=lambda e: (e.egress, e.rule_number)),
    packet=packets,
    egress=st.booleans(),
)
def test_evaluation_is_by_number_and_the_first_match_wins(
    chosen: list[NetworkAclEntry], packet: Packet, egress: bool
) -> None:
    acl = NetworkAcl(network_acl_id="acl-x", vpc_id="vpc-x", entries=tuple(chosen))
    assert allows(acl, packet, egress=egress) is by_the_book(acl, packet, egress=egress)


def entry(rule_number: int, action: str, *, egress: bool = False, **more: Any) -> NetworkAclEntry:
    values = {"rule_number": rule_number, "rule_action": action, "egress": egress, "cidr_block": ANY, **more}
    return NetworkAclEntry.model_validate(values)


def with_acl(*chosen: NetworkAclEntry, subnets: tuple[str, ...] = ("subnet-cluster-2",)) -> Topology:
    acl = NetworkAcl(network_acl_id="acl-2", vpc_id="vpc-cluster", subnet_ids=subnets, entries=chosen)
    return PATTERNS["in_vpc"].build().model_copy(update={"network_acls": (acl,)})


CLIENT = ("subnet-cluster-1", IPv4Address("10.0.0.200"))
BROKER = ("subnet-cluster-2", IPv4Address("10.0.16.10"))
IN = entry(100, "allow", protocol="6", port_range={"from": 9094, "to": 9094})
OUT = entry(100, "allow", egress=True, protocol="6", port_range={"from": 1024, "to": 65535})


def test_a_subnet_without_an_acl_lets_everything_through() -> None:
    assert allows(None, Packet(TCP, BROKER[1], 1), egress=True)
    assert connects(PATTERNS["in_vpc"].build(), CLIENT, BROKER, 9094)


def test_an_answer_needs_an_entry_of_its_own() -> None:
    assert connects(with_acl(IN, OUT), CLIENT, BROKER, 9094)
    assert not connects(with_acl(IN), CLIENT, BROKER, 9094)
    assert not connects(with_acl(OUT), CLIENT, BROKER, 9094)
    narrow = entry(100, "allow", egress=True, protocol="6", port_range={"from": 1024, "to": 40000})
    assert not connects(with_acl(IN, narrow), CLIENT, BROKER, 9094), "a port above 40000 may be chosen"
    assert not connects(with_acl(IN, OUT), CLIENT, BROKER, 9092)


def test_inside_a_subnet_no_acl_is_asked() -> None:
    assert connects(with_acl(subnets=("subnet-cluster-1",)), CLIENT, ("subnet-cluster-1", BROKER[1]), 9094)


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        (
            (IN, IN),
            "entries[1].rule_number: ingress rule 100 is already entries[0] (AWS: NetworkAclEntryAlreadyExists)",
        ),
        ((entry(1, "allow", cidr_block=None),), "give exactly one of cidr_block and ipv6_cidr_block"),
        ((entry(1, "allow", protocol="6"),), "TCP and UDP entries need a port_range"),
        ((entry(1, "allow", protocol="300"),), "300 is no protocol number"),
        ((entry(1, "allow", protocol="1", port_range={"from": 1, "to": 2}),), "protocol 1 has no ports"),
        ((entry(1, "allow", protocol="6", port_range={"from": 3, "to": 2}),), "from 3 is above to 2"),
    ],
)
def test_what_aws_refuses_is_refused(chosen: tuple[NetworkAclEntry, ...], words: str) -> None:
    found = [str(p) for p in problems(with_acl(*chosen))]
    assert len(found) == 1
    assert words in found[0]


def test_one_number_may_be_used_once_in_each_direction() -> None:
    assert not problems(with_acl(IN, OUT))


def test_a_subnet_has_one_acl_of_its_own_vpc() -> None:
    topology = with_acl(IN, OUT)
    twice = topology.network_acls[0].model_copy(update={"network_acl_id": "acl-3"})
    found = [str(p) for p in problems(topology.model_copy(update={"network_acls": (*topology.network_acls, twice)}))]
    assert found == ["network_acls[1].subnet_ids[0]: subnet-cluster-2 already has acl-2; a subnet has one network ACL"]
    peered = PATTERNS["peering"].build().model_copy(update={"network_acls": (twice,)})
    foreign = twice.model_copy(update={"vpc_id": "vpc-b"})
    assert not problems(peered)
    assert "is not in vpc-b" in str(problems(peered.model_copy(update={"network_acls": (foreign,)}))[0])


@pytest.mark.parametrize("number", [0, 32767])
def test_a_rule_number_out_of_range_is_named_with_its_place(number: int) -> None:
    text = dumps(with_acl(IN, OUT)).replace("rule_number: 100", f"rule_number: {number}", 1)
    with pytest.raises(TopologyError, match=r"t\.yaml:\d+: network_acls\[0\]\.entries\[0\]\.rule_number"):
        loads(text, source="t.yaml")


def test_entries_are_written_and_read_in_the_words_of_aws() -> None:
    topology = with_acl(IN, OUT)
    text = dumps(topology)
    assert "from: 9094" in text
    assert loads(text, source="t.yaml") == topology
