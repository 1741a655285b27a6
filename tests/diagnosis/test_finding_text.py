"""The words of findings, as people read them: golden, so that a change of them is seen."""

from __future__ import annotations

from brokerproof.diagnosis.finding_text import text_of
from brokerproof.probes.outcome import Reason, ResolveFacts, Stage
from tests.diagnosis.bent import Bend, at, diagnosis_of, failed, views_of

NO_NAME = failed(
    Reason.NXDOMAIN,
    ResolveFacts(resolver="10.1.0.2", rcode="NXDOMAIN", soa="demo.a1b2c3.c2.kafka.us-east-1.amazonaws.com."),
)


GOLDEN_SURE = (
    "The private hosted zone has no record for the broker's name (broker 2, seen from client account_b).\n"
    "  observed: nxdomain (account_b at broker-2)\n"
    "  expected: b-2.demo.a1b2c3.c2.kafka.us-east-1.amazonaws.com resolves to 10.1.0.150 "
    "(vpce-b-all, use1-az1), 10.1.16.150 (vpce-b-all, use1-az2) and 10.1.32.150 (vpce-b-all, use1-az3) "
    "and nothing else\n"
    "  change:   add an alias record for b-2.demo.a1b2c3.c2.kafka.us-east-1.amazonaws.com to the "
    "private hosted zone associated with vpc-b\n"
    "  how sure: one cause of the catalogue fits: dns.record_missing\n"
    "  evidence: account_b/broker-2/resolve; 26 other checks follow from it"
)

GOLDEN_SET = (
    "Connections vanish on the way to one broker, and others do not (broker 2 at 10.0.16.10:9094, seen from "
    "clients cluster_vpc, peered and remote_by_peering).\n"
    "  observed:  timed out after 1 ms (cluster_vpc at broker-2, peered at broker-2 and "
    "remote_by_peering at broker-2)\n"
    "  expected:  10.0.16.10:9094 (ENI of broker 2, use1-az2) accepts a TCP connection\n"
    "  change:    security.broker_group: admit port 9094 in the security group on the ENI of broker "
    "2: from cluster_vpc, peered and remote_by_peering (vpc-cluster, vpc-b and vpc-c), or, behind "
    "an NLB, from the NLB's addresses\n"
    "             security.network_acl: allow port 9094 one way and ports 1024-65535 the other way "
    "in the network ACLs of both subnets\n"
    "  how sure:  one of 2 that clients alone cannot tell apart: security.broker_group, "
    "security.network_acl\n"
    "  next step: security.broker_group: ec2 DescribeSecurityGroupRules, "
    "AuthorizeSecurityGroupIngress; the groups on the ENIs themselves: DescribeNetworkInterfaces\n"
    "             security.network_acl: ec2 DescribeNetworkAcls\n"
    "  evidence:  cluster_vpc/broker-2/connect/broker-eni, peered/broker-2/connect/broker-eni, "
    "remote_by_peering/broker-2/connect/broker-eni; 18 other checks follow from it"
)

GOLDEN_UNKNOWN = (
    "Unknown cause at stage api (broker 3 at 10.0.32.10:9094, seen from client cluster_vpc).\n"
    "  observed:  unsupported version (cluster_vpc at broker-3)\n"
    "  expected:  10.0.32.10:9094 answers ApiVersions\n"
    "  how sure:  not: no cause of the catalogue explains what was seen\n"
    "  next step: read the evidence's outcomes in the report, then flow logs and the broker's log "
    "at that time\n"
    "  evidence:  cluster_vpc/broker-3/api/broker-eni; 4 other checks follow from it"
)


def words(pattern: str, bend: Bend) -> str:
    [found] = diagnosis_of(views_of(pattern), bend).findings
    return text_of(found)


def test_one_cause() -> None:
    assert (
        words("privatelink_single_nlb", Bend(at(Stage.RESOLVE, clients=["account_b"], brokers=[2]), NO_NAME))
        == GOLDEN_SURE
    )


def test_a_set() -> None:
    assert words("peering", Bend(at(Stage.CONNECT, brokers=[2]), failed(Reason.TIMED_OUT))) == GOLDEN_SET


def test_unknown() -> None:
    assert words("in_vpc", Bend(at(Stage.API, brokers=[3]), failed(Reason.UNSUPPORTED_VERSION))) == GOLDEN_UNKNOWN
