"""Multi-VPC connectivity and cross-Region endpoints: what AWS refuses, names, ports, and what MSK builds."""

from __future__ import annotations

from typing import Any

import pytest

from brokerproof.probes.plan import AuthenticationScheme
from brokerproof.topology.edit import with_changes, with_each
from brokerproof.topology.expectation.expect import expect
from brokerproof.topology.files import TopologyError
from brokerproof.topology.managed import with_managed
from brokerproof.topology.models import Topology, VpcAuthentication
from brokerproof.topology.patterns import PATTERNS, PatternOptions
from brokerproof.topology.rules import problems


def multi_vpc(**chosen: Any) -> Topology:
    return PATTERNS["multi_vpc"].build(PatternOptions(**chosen))


def said(topology: Topology) -> str:
    return "\n".join(map(str, problems(topology)))


@pytest.mark.parametrize(
    ("scheme", "label"),
    [
        (AuthenticationScheme.NONE, "tls"),
        (AuthenticationScheme.MTLS, "tls"),
        (AuthenticationScheme.SCRAM_SHA_512, "scram"),
        (AuthenticationScheme.IAM, "iam"),
    ],
)
def test_names_carry_the_scheme_and_ports_count_from_14001(scheme: AuthenticationScheme, label: str) -> None:
    view = expect(multi_vpc(authentication=scheme), "account_b")
    assert [(b.name.split(".")[:2], b.port) for b in view.brokers] == [
        (["b-1", label], 14001),
        (["b-2", label], 14002),
        (["b-3", label], 14003),
    ]
    assert {a.owner.rsplit("/", 1)[1] for b in view.brokers for a in b.addresses} == {"m"}


def test_the_ordinary_bootstrap_string_stays_unreachable() -> None:
    view = expect(multi_vpc(), "account_b")
    blocked = {(f.address, f.port, f.why) for f in view.forbidden}
    for address in ("10.0.0.10", "10.0.16.10", "10.0.32.10"):
        assert (address, 9094, "vpc-m has no route to the cluster VPC") in blocked


def changed(**connection: Any) -> Topology:
    return with_each(multi_vpc(), "vpc_connections", **connection)


def cluster(**changes: Any) -> Topology:
    return with_changes(multi_vpc(), "clusters", 0, **changes)


@pytest.mark.parametrize(
    ("topology", "words"),
    [
        (cluster(kafka_version="2.7.0"), "multi-VPC connectivity needs Kafka 2.7.1 or newer, not 2.7.0"),
        (
            cluster(vpc_connectivity=()),
            "has multi-VPC connectivity on for none, not for TLS (AWS: BadRequestException)",
        ),
        (cluster(vpc_connectivity=(VpcAuthentication.SASL_IAM,)), "SASL_IAM needs the listener CLIENT_IAM_VPCE"),
        (
            cluster(cluster_policy_principals=("222222222222",)),
            "does not allow account 333333333333 to kafka:CreateVpcConnection (AWS: ForbiddenException)",
        ),
        (
            with_changes(multi_vpc(), "vpcs", 1, region_name="us-west-2"),
            "multi-VPC connectivity stays in one Region",
        ),
        (
            changed(client_subnets=("subnet-m-1", "subnet-m-2")),
            "are in zones use1-az1, use1-az2; expected one in each of the cluster's zone ids",
        ),
        (
            with_changes(multi_vpc(), "subnets", 3, availability_zone_id="use1-az6"),
            "expected one in each of the cluster's zone ids, use1-az1, use1-az2, use1-az3",
        ),
    ],
)
def test_what_aws_refuses_is_refused_with_its_name(topology: Topology, words: str) -> None:
    assert words in said(topology)


def test_what_msk_builds_is_refused_by_no_rule() -> None:
    whole = with_managed(multi_vpc())
    assert len(whole.load_balancers) == 1
    assert [listener.port for listener in whole.load_balancers[0].listeners] == [14001, 14002, 14003]
    assert said(whole.model_copy(update={"vpc_connections": ()})) == ""


def test_without_connectivity_nothing_is_built() -> None:
    topology = PATTERNS["peering"].build()
    assert with_managed(topology) is topology


def test_a_client_without_a_connection_is_told_so() -> None:
    with pytest.raises(TopologyError, match=r"vpc-m has no VPC connection to demo for the listener CLIENT_SECURE_VPCE"):
        expect(multi_vpc().model_copy(update={"vpc_connections": ()}), "account_b")


def test_an_endpoint_of_another_region_names_the_services_region_which_supports_its_own() -> None:
    topology = PATTERNS["privatelink_cross_region"].build()
    assert "say service_region: us-east-1" in said(with_each(topology, "vpc_endpoints", service_region=None))
    refused = said(with_each(topology, "endpoint_services", supported_regions=("eu-west-1",)))
    assert "supports eu-west-1; expected us-west-2 among its supported_regions (AWS: InvalidServiceName)" in refused
