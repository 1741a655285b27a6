"""Clients named by subnet, VPC or a pod's node: what that does not tell is unknown, and nothing rests on it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Network

import pytest

from brokerproof.aws.answers.hook import Account
from brokerproof.aws.answers.intent import intent_of
from brokerproof.aws.answers.organization import Organization
from brokerproof.aws.answers.seen import as_seen
from brokerproof.aws.audit.audit import audit
from brokerproof.aws.audit.values import Audit, State
from brokerproof.aws.discovery.discover import discover
from brokerproof.aws.discovery.here import find_here
from brokerproof.aws.discovery.hosts import Here, Spot
from brokerproof.aws.discovery.reader import DiscoveryError, Place
from brokerproof.aws.facts import AccountFacts
from brokerproof.aws.intent.files import IntentError
from brokerproof.aws.intent.models import Intent
from brokerproof.causes.codes import Code
from brokerproof.lab.faults import FAULTS
from brokerproof.probes.plan import AuthenticationScheme
from brokerproof.running.account import intent_of_arn, target_name
from brokerproof.topology.models import UNKNOWN, Client, IpPermission, Topology, VantageKind
from brokerproof.topology.patterns import PATTERNS, PatternOptions
from tests.aws.accounts import SESSIONS, discovered
from tests.aws.test_law import differences
from tests.examples import ALL

ROUTED = PATTERNS["peering"].build()
BY_SUBNET = {"private_ip_address": None, "security_groups": (), "ipv6_address": None}
BY_VPC = {**BY_SUBNET, "subnet_id": UNKNOWN}
BY_NODE = {"private_ip_address": None, "ipv6_address": None}


def named(topology: Topology, kind: str) -> Intent:
    """The topology's intent, its clients by another kind of name."""
    intent = intent_of(topology)
    clients = tuple(
        wanted.model_copy(update={"at": name_of(topology, client, kind)})
        for wanted, client in zip(intent.clients, topology.clients, strict=True)
    )
    return intent.model_copy(update={"clients": clients})


def name_of(topology: Topology, client: Client, kind: str) -> str:
    organization = Organization(topology)
    host = topology.host_of(client)
    return {
        "subnet": client.subnet_id,
        "vpc": client.vpc_id,
        "node": f"node/{organization.private_dns_name(host)}",
        "node by id": f"node/{organization.instance_id(host)}",
    }[kind]


def found_by(topology: Topology, kind: str, *, intended: Topology | None = None) -> AccountFacts:
    SESSIONS.account = Account(lambda: topology)
    return discover(named(intended or topology, kind), SESSIONS)


@pytest.mark.slow
@pytest.mark.parametrize("pattern", ["combination", "multi_vpc", "peering"])
@pytest.mark.parametrize(
    ("kind", "unknown"), [("subnet", BY_SUBNET), ("vpc", BY_VPC), ("node", BY_NODE), ("node by id", BY_NODE)]
)
def test_what_a_name_does_not_tell_is_unknown(pattern: str, kind: str, unknown: dict[str, object]) -> None:
    topology = PATTERNS[pattern].build()
    facts = found_by(topology, kind)
    seen = as_seen(topology)
    subnets = {v: [s.subnet_id for s in seen.subnets if s.vpc_id == v] for v in {c.vpc_id for c in seen.clients}}
    clients = tuple(
        client.model_copy(
            update={**unknown, **({"subnet_id": subnets[client.vpc_id][0]} if len(subnets[client.vpc_id]) == 1 else {})}
        )
        for client in seen.clients
    )
    differ = differences(facts.topology, seen.model_copy(update={"clients": clients}))
    assert [line for line in differ if not line.startswith("security_groups: wanted")] == [], "groups of hosts alone"


def client_block(topology: Topology) -> IPv4Network:
    return topology.subnet(topology.client("peered").subnet_id).cidr_block


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["subnet", "vpc", "node"])
@pytest.mark.parametrize("pattern", sorted(PATTERNS) if ALL else ["combination", "multi_vpc", "transit_gateway"])
def test_a_clean_account_has_no_finding_wherever_the_client_is(pattern: str, kind: str) -> None:
    topology = PATTERNS[pattern].build()
    found = audit(found_by(topology, kind), topology)
    assert found.findings == ()


def admitting(topology: Topology, block: IPv4Network) -> Topology:
    """The brokers admit, of the clients' VPC, these addresses alone."""
    mine = {g for b in topology.clusters[0].brokers for g in b.security_groups}

    def of(rule: IpPermission) -> IpPermission:
        if rule.referenced_group_id == "sg-client-b":
            return rule.model_copy(update={"cidr_ipv4": block, "referenced_group_id": None})
        return rule

    groups = tuple(
        g.model_copy(update={"ingress": tuple(map(of, g.ingress))}) if g.group_id in mine else g
        for g in topology.security_groups
    )
    return topology.model_copy(update={"security_groups": groups})


def told(found: Audit, client: str) -> str:
    return " | ".join(h.says for t in found.traces if t.client == client for h in t.hops if h.state is State.UNKNOWN)


def test_what_depends_on_the_address_is_unknown_and_no_finding() -> None:
    whole = client_block(ROUTED)
    part = next(whole.subnets(prefixlen_diff=2))
    topology = admitting(ROUTED, part)
    found = audit(found_by(topology, "subnet", intended=ROUTED), ROUTED)
    assert found.findings == ()
    subnet = ROUTED.client("peered").subnet_id
    assert (
        f"depends on where it is: security.broker_group from the rest of {subnet}, and not from {subnet} in {part}"
        in told(found, "peered")
    )
    host = audit(found_by(admitting(ROUTED, next(iter(whole.subnets(new_prefix=28)))), "subnet", intended=ROUTED))
    assert {t.state for t in host.traces if t.client == "peered"} == {State.UNKNOWN}
    every = audit(found_by(admitting(ROUTED, whole), "subnet", intended=ROUTED))
    assert {t.state for t in every.traces if t.client == "peered"} == {State.OPEN}


def test_what_holds_for_every_address_is_found_and_names_no_address() -> None:
    topology = admitting(ROUTED, IPv4Network("10.99.0.0/16"))
    found = audit(found_by(topology, "subnet", intended=ROUTED), ROUTED)
    assert {(f.code, f.sure) for f in found.findings} == {(Code.SECURITY_BROKER_GROUP, True)}
    assert all("any address of subnet-b-1" in says for says in found.findings[0].says if "from" in says)


def test_every_port_that_is_open_is_of_one_finding() -> None:
    topology = FAULTS["broker-ports-open"].edit(ROUTED)
    for facts in (discovered(topology, intended=ROUTED), found_by(topology, "subnet", intended=ROUTED)):
        [finding] = audit(facts, ROUTED).findings
        assert (finding.code, finding.sure) == (Code.ISOLATION_PORTS_OPEN, True)


def test_subnets_that_differ_are_told_apart() -> None:
    topology = FAULTS["route-missing-client"].edit(ROUTED)
    [table] = [t for t in topology.route_tables if t.subnet_ids == ("subnet-b-1",)]
    good = next(t for t in ROUTED.route_tables if t.route_table_id == table.route_table_id)
    beside = ROUTED.subnet("subnet-b-1").model_copy(
        update={"subnet_id": "subnet-b-9", "cidr_block": IPv4Network("10.1.200.0/24")}
    )
    routed = good.model_copy(update={"route_table_id": "rtb-b-9", "subnet_ids": ("subnet-b-9",)})
    two = topology.model_copy(
        update={"subnets": (*topology.subnets, beside), "route_tables": (*topology.route_tables, routed)}
    )
    found = audit(found_by(two, "vpc", intended=ROUTED), ROUTED)
    assert Code.ROUTE_MISSING_CLIENT not in {f.code for f in found.findings}
    assert "route.missing_client from any address of subnet-b-1" in told(found, "peered")


def test_a_rule_that_names_a_group_is_not_held_against_unknown_groups() -> None:
    found = audit(found_by(ROUTED, "subnet"), ROUTED)
    assert "lets port 9094 in from sg-client-b, and the groups of client peered are not known" in told(found, "peered")
    topology = FAULTS["client-not-in-referenced-group"].edit(ROUTED)
    found = audit(found_by(topology, "subnet", intended=ROUTED), ROUTED)
    assert Code.SECURITY_GROUP_REFERENCE not in {f.code for f in found.findings}


def test_a_name_that_several_nodes_have_is_refused() -> None:
    twin = ROUTED.client("peered").model_copy(update={"name": "twin"})
    vpc = ROUTED.vpc(twin.vpc_id).model_copy(update={"vpc_id": "vpc-twin"})
    subnet = ROUTED.subnet(twin.subnet_id).model_copy(update={"vpc_id": "vpc-twin", "subnet_id": "subnet-twin"})
    twin = twin.model_copy(update={"vpc_id": "vpc-twin", "subnet_id": "subnet-twin"})
    topology = ROUTED.model_copy(
        update={"vpcs": (*ROUTED.vpcs, vpc), "subnets": (*ROUTED.subnets, subnet), "clients": (*ROUTED.clients, twin)}
    )
    with pytest.raises(DiscoveryError, match="is the name of 2 instances"):
        found_by(topology, "node", intended=ROUTED)
    SESSIONS.account = Account(lambda: ROUTED)
    intent = named(ROUTED, "node")
    nowhere = intent.clients[0].model_copy(update={"at": "node/ip-10-9-9-9.ec2.internal"})
    with pytest.raises(DiscoveryError, match="was not found in account"):
        discover(intent.model_copy(update={"clients": (nowhere,)}), SESSIONS)


class Metadata(BaseHTTPRequestHandler):
    """EC2's instance metadata, version 2."""

    protocol_version = "HTTP/1.1"
    own = "127.0.0.1"

    def answer(self, text: str, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def do_PUT(self) -> None:
        self.answer("token")

    def do_GET(self) -> None:
        assert self.headers["X-aws-ec2-metadata-token"] == "token"
        interface = "/latest/meta-data/network/interfaces/macs/0a:1b"
        document = {"accountId": "222222222222", "region": "us-east-1", "privateIp": self.own, "instanceId": "i-0abc"}
        known = {
            "/latest/dynamic/instance-identity/document": json.dumps(document),
            "/latest/meta-data/mac": "0a:1b",
            f"{interface}/vpc-id": "vpc-b",
            f"{interface}/subnet-id": "subnet-b-1",
            f"{interface}/security-group-ids": "sg-client-b\nsg-more",
        }
        self.answer(known.get(self.path, ""), 200 if self.path in known else 404)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def metadata() -> Iterator[dict[str, str]]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Metadata)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield {"AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://127.0.0.1:{server.server_port}/"}
    server.shutdown()
    server.server_close()
    thread.join()


def test_this_host_is_where_its_metadata_says(metadata: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place("222222222222", "us-east-1")
    groups = ("sg-client-b", "sg-more")
    assert find_here(metadata) == Here(place, Spot("vpc-b", "subnet-b-1", "127.0.0.1", groups=groups))
    monkeypatch.setattr(Metadata, "own", "10.1.0.201")
    assert find_here(metadata) == Here(place, Spot("vpc-b")), "a container has an address of its own"
    assert find_here({**metadata, "AWS_EC2_METADATA_DISABLED": "true"}) is None
    assert find_here({"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:1/"}) is None


def test_of_an_arn_this_host_is_the_client() -> None:
    arn = intent_of(ROUTED).clusters[0]
    intent = intent_of_arn(arn)
    SESSIONS.account = Account(lambda: ROUTED)
    nowhere = discover(intent, SESSIONS).topology
    assert [(c.name, c.vpc_id, c.private_ip_address) for c in nowhere.clients] == [("here", UNKNOWN, None)]
    assert [b.broker_id for b in nowhere.clusters[0].brokers] == [1, 2, 3]
    assert nowhere.clients[0].vantage.kind is VantageKind.LOCAL
    place = Organization(ROUTED).place("vpc-b")
    there = Here(Place(*place), Spot("vpc-b", "subnet-b-1", "10.1.0.201", groups=("sg-client-b",)))
    found = discover(intent, SESSIONS, here=lambda: there).topology
    assert found.clients[0].subnet_id == "subnet-b-1"
    assert "pcx-cluster-b" in {p.vpc_peering_connection_id for p in found.vpc_peering_connections}
    assert target_name(arn) == ROUTED.clusters[0].cluster_name
    with pytest.raises(IntentError, match="is not the ARN of an MSK cluster"):
        intent_of_arn("arn:aws:s3:::bucket")


@pytest.mark.parametrize("scheme", [AuthenticationScheme.NONE, AuthenticationScheme.IAM])
def test_this_host_logs_in_as_the_cluster_lets_it(scheme: AuthenticationScheme) -> None:
    topology = PATTERNS["in_vpc"].build(PatternOptions(authentication=scheme))
    SESSIONS.account = Account(lambda: topology)
    [client] = discover(intent_of_arn(intent_of(topology).clusters[0]), SESSIONS).topology.clients
    listener = topology.clients[0].listener
    assert (client.authentication, client.listener) == (scheme, listener)
