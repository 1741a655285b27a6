"""What of an account is foreign to a topology, or not read, is unknown: neither open nor closed, and never none."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.parsers import ResponseParserError

from brokerproof.aws.answers.hook import Manners, Operation, denied
from brokerproof.aws.answers.intent import intent_of
from brokerproof.aws.answers.organization import ApiError, Asked, Item, Organization
from brokerproof.aws.answers.registry import ANSWERS
from brokerproof.aws.answers.seen import as_seen
from brokerproof.aws.audit.audit import audit
from brokerproof.aws.audit.values import Audit, State
from brokerproof.aws.discovery import access
from brokerproof.aws.discovery.access import Access
from brokerproof.aws.discovery.calls import VPCS as DESCRIBE_VPCS
from brokerproof.aws.discovery.reader import Ask, DiscoveryError, Place, Reader
from brokerproof.aws.intent.models import account_of
from brokerproof.causes.codes import Code
from brokerproof.lab.faults import FAULTS
from brokerproof.topology.models import ResourceRecordSet, Topology
from brokerproof.topology.patterns import PATTERNS
from tests.aws.accounts import discovered
from tests.aws.test_law import differences

SHARED = PATTERNS["privatelink_single_nlb"].build()
ROUTED = PATTERNS["peering"].build()
ASSOCIATIONS = ("route53resolver", "ListResolverRuleAssociations")
RULE = ("route53resolver", "GetResolverRule")
Otherwise = Callable[[Operation, Callable[[Asked, Item], Item]], None]


@pytest.fixture
def otherwise(monkeypatch: pytest.MonkeyPatch) -> Otherwise:
    """Has an operation answer as a function of the call and of what it would answer says."""

    def change(operation: Operation, into: Callable[[Asked, Item], Item]) -> None:
        own = ANSWERS[operation]

        def answer(asked: Asked) -> Item:
            try:
                item = own(asked)
            except ApiError as error:
                item = {"refused": error.code}
            found = into(asked, item)
            if "refused" in found:
                raise ApiError(found["refused"], "refused")
            return found

        monkeypatch.setitem(ANSWERS, operation, answer)

    return change


def states(found: Audit, client: str) -> set[State]:
    return {t.state for t in found.traces if t.client == client and t.broker_id is not None}


def private_client(topology: Topology) -> str:
    home = topology.clusters[0].vpc_id
    return next(c.name for c in topology.clients if c.vpc_id != home and c.pattern is not None)


def answered(topology: Topology, operation: Operation) -> Item:
    """What the cluster's account answers."""
    organization = Organization(topology)
    return ANSWERS[operation](Asked(organization, *organization.place(topology.clusters[0].vpc_id), {}))


# Names


def with_rule(otherwise: Otherwise, rule_id: str, **rule: Any) -> None:
    """Every VPC has this rule too."""

    def associated(asked: Asked, item: Item) -> Item:
        more = [{"Id": f"a-{v.vpc_id}", "ResolverRuleId": rule_id, "VPCId": v.vpc_id} for v in asked.vpcs]
        return {**item, "ResolverRuleAssociations": [*item["ResolverRuleAssociations"], *more]}

    def told(asked: Asked, item: Item) -> Item:
        return {"ResolverRule": {"Id": rule_id, **rule}} if asked.params["ResolverRuleId"] == rule_id else item

    otherwise(ASSOCIATIONS, associated)
    otherwise(RULE, told)


NOT_ASSOCIATED = FAULTS["zone-not-associated"].edit(SHARED)


@pytest.mark.parametrize("operation", [ASSOCIATIONS, ("route53", "ListHostedZonesByVPC")])
def test_no_zone_is_said_to_be_missing_where_what_may_answer_instead_is_not_read(operation: Operation) -> None:
    facts = discovered(NOT_ASSOCIATED, intended=SHARED, manners=Manners(refused=denied(operation)))
    found = audit(facts, SHARED)
    assert found.findings == ()
    assert {trace.state for trace in found.traces if trace.broker_id} == {State.UNKNOWN}


@pytest.mark.parametrize("operation", [ASSOCIATIONS, ("route53", "ListHostedZonesByVPC")])
def test_a_public_answer_is_not_certain_where_what_may_answer_instead_is_not_read(operation: Operation) -> None:
    found = audit(discovered(ROUTED, manners=Manners(refused=denied(operation))), ROUTED)
    assert found.findings == ()
    assert {trace.state for trace in found.traces} == {State.UNKNOWN}


@pytest.mark.parametrize("targets", [[{"Ip": "10.9.9.9"}], [{"Ipv6": "fd00::53"}]])
def test_a_rule_for_every_name_is_a_doubt_where_no_zone_answers(
    otherwise: Otherwise, targets: list[dict[str, str]]
) -> None:
    with_rule(otherwise, "rslvr-rr-all", DomainName=".", RuleType="FORWARD", TargetIps=targets)
    [finding] = audit(discovered(NOT_ASSOCIATED, intended=SHARED), SHARED).findings
    assert (finding.code, finding.sure) == (Code.DNS_RESOLVER_RULE, False)
    assert audit(discovered(SHARED), SHARED).findings == (), "a zone is more specific"


def test_a_system_rule_has_the_resolver_answer_what_another_rule_would_send_away(otherwise: Otherwise) -> None:
    broken = FAULTS["resolver-rule-unanswered"].edit(SHARED)
    assert {f.code for f in audit(discovered(broken, intended=SHARED), SHARED).findings} == {Code.DNS_RESOLVER_RULE}
    domain = f"{SHARED.clusters[0].domain}."
    with_rule(otherwise, "rslvr-rr-own", DomainName=domain, RuleType="SYSTEM")
    found = audit(discovered(overruling(broken), intended=SHARED), SHARED)
    assert found.findings == ()


def overruling(topology: Topology) -> Topology:
    """Its rules send a domain above the cluster's away."""
    above = topology.clusters[0].domain.partition(".")[2]
    rules = tuple(r.model_copy(update={"domain_name": above}) for r in topology.resolver_rules)
    zones = tuple(z.model_copy(update={"name": above}) for z in topology.hosted_zones)
    return topology.model_copy(update={"resolver_rules": rules, "hosted_zones": zones})


def test_a_rule_that_one_of_two_accounts_may_not_read_is_unknown_there(otherwise: Otherwise) -> None:
    combination = PATTERNS["combination"].build()
    first = min(vpc.owner_id for vpc in combination.vpcs)
    with_rule(otherwise, "rslvr-rr-all", DomainName=".", RuleType="FORWARD", TargetIps=[{"Ip": "10.9.9.9"}])

    def refused(asked: Asked, item: Item) -> Item:
        if asked.account != first and asked.params["ResolverRuleId"] == "rslvr-rr-all":
            raise ApiError("AccessDeniedException", "no", 403)
        return item

    otherwise(RULE, refused)
    gaps = discovered(combination).gaps
    assert {g.account_id for g in gaps} == {vpc.owner_id for vpc in combination.vpcs} - {first}


# Routes


TABLES = ("ec2", "DescribeRouteTables")
CORE = {"CoreNetworkArn": "arn:aws:networkmanager::111111111111:core-network/core-network-0abc0abc0abc0abc0"}


def with_route(otherwise: Otherwise, table_id: str, *, alone: bool = False, **route: str) -> None:
    """A table has this route too, or beside its local ones alone."""

    def changed(table: Item) -> Item:
        own = [r for r in table["Routes"] if not alone or r.get("GatewayId") == "local"]
        return {**table, "Routes": [*own, {"State": "active", **route}]}

    otherwise(
        TABLES,
        lambda _, item: {
            **item,
            "RouteTables": [changed(t) if t["RouteTableId"] == table_id else t for t in item["RouteTables"]],
        },
    )


@pytest.mark.parametrize(
    "target",
    [CORE, {"GatewayId": "vgw-0abc0abc0abc0abc0"}, {"NetworkInterfaceId": "eni-0abc"}, {"GatewayId": "vpce-0a"}],
)
def test_what_a_route_to_elsewhere_sends_away_is_unknown(otherwise: Otherwise, target: dict[str, str]) -> None:
    with_route(otherwise, "rtb-b-1", alone=True, DestinationCidrBlock="10.0.0.0/16", **target)
    facts = discovered(ROUTED)
    assert facts.gaps == ()
    found = audit(facts, ROUTED)
    assert found.findings == ()
    assert states(found, "peered") == {State.UNKNOWN}


def test_a_narrower_route_to_elsewhere_hides_a_good_one(otherwise: Otherwise) -> None:
    with_route(otherwise, "rtb-b-1", DestinationCidrBlock="10.0.0.0/16", NetworkInterfaceId="eni-0abc")
    assert states(audit(discovered(ROUTED), ROUTED), "peered") == {State.OPEN}, "the peering's is as wide"
    with_route(otherwise, "rtb-b-1", DestinationCidrBlock="10.0.0.0/17", NetworkInterfaceId="eni-0abc")
    assert states(audit(discovered(ROUTED), ROUTED), "peered") == {State.UNKNOWN}


def test_a_route_that_is_a_blackhole_or_leads_to_the_internet_is_none(otherwise: Otherwise) -> None:
    with_route(otherwise, "rtb-b-1", alone=True, DestinationCidrBlock="10.0.0.0/16", State="blackhole", **CORE)
    assert {(f.code, f.sure) for f in audit(discovered(ROUTED), ROUTED).findings} == {(Code.ROUTE_MISSING_CLIENT, True)}
    with_route(otherwise, "rtb-b-1", alone=True, DestinationCidrBlock="0.0.0.0/0", GatewayId="igw-0abc")
    assert {(f.code, f.sure) for f in audit(discovered(ROUTED), ROUTED).findings} == {(Code.ROUTE_MISSING_CLIENT, True)}


def test_a_route_over_a_peering_that_is_not_read_is_unknown(otherwise: Otherwise) -> None:
    with_route(otherwise, "rtb-b-1", DestinationCidrBlock="10.0.0.0/17", VpcPeeringConnectionId="pcx-0abc0abc")
    found = audit(discovered(ROUTED), ROUTED)
    assert found.findings == ()
    assert states(found, "peered") == {State.UNKNOWN}


def test_a_route_inside_a_vpc_to_an_appliance_is_unknown(otherwise: Otherwise) -> None:
    topology = PATTERNS["in_vpc"].build()
    tables = [t["RouteTableId"] for t in answered(topology, TABLES)["RouteTables"]]
    for table_id in tables:
        with_route(otherwise, table_id, DestinationCidrBlock="10.0.0.0/8", NetworkInterfaceId="eni-0abc")
    assert {t.state for t in audit(discovered(topology), topology).traces} == {State.OPEN}, (
        "the local route is narrower"
    )
    for table_id in tables:
        with_route(otherwise, table_id, DestinationCidrBlock="10.0.0.0/16", NetworkInterfaceId="eni-0abc")
    assert {t.state for t in audit(discovered(topology), topology).traces} == {State.UNKNOWN}


# Subnets that another account shares


VPCS = ("ec2", "DescribeVpcs")
OWNER = "999999999999"


def share(otherwise: Otherwise, topology: Topology) -> str:
    """Has another account own the VPC of a client, and its account see what a participant does; returns its account."""
    vpc = topology.vpc(topology.client(private_client(topology)).vpc_id)

    def owned(_: Asked, item: Item) -> Item:
        return {"Vpcs": [{**v, "OwnerId": OWNER} if v["VpcId"] == vpc.vpc_id else v for v in item["Vpcs"]]}

    def hidden(key: str) -> Callable[[Asked, Item], Item]:
        return lambda asked, item: {**item, key: [] if asked.account == vpc.owner_id else item[key]}

    otherwise(VPCS, owned)
    otherwise(("ec2", "DescribeVpcPeeringConnections"), hidden("VpcPeeringConnections"))
    otherwise(("ec2", "DescribeVpcEndpoints"), hidden("VpcEndpoints"))
    otherwise(ASSOCIATIONS, hidden("ResolverRuleAssociations"))
    return vpc.owner_id


@pytest.mark.parametrize("topology", [ROUTED, SHARED], ids=["peering", "privatelink"])
def test_what_a_shared_vpc_tells_its_owner_alone_is_unknown(otherwise: Otherwise, topology: Topology) -> None:
    account = share(otherwise, topology)
    facts = discovered(topology)
    found = audit(facts, topology)
    assert found.findings == ()
    assert states(found, private_client(topology)) == {State.UNKNOWN}
    assert {gap.account_id for gap in facts.gaps} == {account}
    assert "is of account 999999999999" in facts.gaps[0].why


@pytest.mark.parametrize("name", ["DescribeRouteTables", "DescribeNetworkAcls", "DescribeSecurityGroupRules"])
def test_what_the_account_of_a_shared_subnet_is_refused_is_unknown(otherwise: Otherwise, name: str) -> None:
    account = share(otherwise, ROUTED)
    otherwise(("ec2", name), lambda asked, item: {"refused": "Denied"} if asked.account == account else item)
    facts = discovered(ROUTED)
    found = audit(facts, ROUTED)
    assert found.findings == ()
    hidden = {h.resource for t in found.traces if t.client == "peered" for h in t.hops if h.state is State.UNKNOWN}
    assert f"ec2:{name}" in hidden


def test_nothing_is_said_of_nameservers_that_only_the_owner_could_look_for(otherwise: Otherwise) -> None:
    broken = FAULTS["first-nameserver-dead"].edit(ROUTED)
    assert discovered(broken, intended=ROUTED).interfaces_missed
    share(otherwise, broken)
    assert discovered(broken, intended=ROUTED).interfaces_missed == ()


# Endpoints


SERVICES = ("ec2", "DescribeVpcEndpointServiceConfigurations")


def recorded(topology: Topology, **update: Any) -> Topology:
    """Each record of the zones of another kind."""

    def changed(record: ResourceRecordSet) -> ResourceRecordSet:
        known = {e.dns_name: e for e in topology.vpc_endpoints}
        endpoint = known.get(record.alias_target.dns_name) if record.alias_target is not None else None
        if endpoint is None:
            return record
        values = {
            "A": tuple(str(eni.private_ip_address) for eni in endpoint.network_interfaces),
            "CNAME": (f"{endpoint.dns_name}.",),
        }
        kind = update["type"]
        return record.model_copy(update={"type": kind, "alias_target": None, "resource_records": values[kind]})

    zones = tuple(
        z.model_copy(update={"record_sets": tuple(map(changed, z.record_sets))}) for z in topology.hosted_zones
    )
    return topology.model_copy(update={"hosted_zones": zones})


@pytest.mark.parametrize(
    "topology", [SHARED, recorded(SHARED, type="A"), recorded(SHARED, type="CNAME")], ids=["alias", "A", "CNAME"]
)
def test_a_record_that_leads_to_an_endpoint_of_somebody_elses_service_is_not_stale(
    otherwise: Otherwise, topology: Topology
) -> None:
    client = private_client(topology)
    assert states(audit(discovered(topology), topology), client) == {State.OPEN}
    otherwise(SERVICES, lambda _, item: {**item, "ServiceConfigurations": []})
    facts = discovered(topology)
    assert facts.gaps == ()
    found = audit(facts, topology)
    assert found.findings == ()
    assert states(found, client) == {State.UNKNOWN}


def test_a_record_that_leads_nowhere_is_stale_beside_an_endpoint_of_somebody_elses_service(
    otherwise: Otherwise,
) -> None:
    broken = FAULTS["record-stale"].edit(SHARED)
    services = answered(SHARED, ("ec2", "DescribeVpcEndpoints"))
    assert services["VpcEndpoints"] == [], "endpoints are the clients'"
    assert Code.DNS_STALE_RECORD in {f.code for f in audit(discovered(broken, intended=SHARED), SHARED).findings}
    otherwise(SERVICES, lambda _, item: {**item, "ServiceConfigurations": []})
    assert {f.code for f in audit(discovered(broken, intended=SHARED), SHARED).findings} == {Code.DNS_STALE_RECORD}


def test_a_cname_to_a_name_that_is_not_read_is_unknown() -> None:
    cname = {"type": "CNAME", "alias_target": None, "resource_records": ("gateway.corp.example.",)}
    zones = tuple(
        z.model_copy(update={"record_sets": tuple(r.model_copy(update=cname) for r in z.record_sets)})
        for z in SHARED.hosted_zones
    )
    topology = SHARED.model_copy(update={"hosted_zones": zones})
    found = audit(discovered(topology), topology)
    assert found.findings == ()
    assert states(found, private_client(topology)) == {State.UNKNOWN}


# Answers that are rare


def test_a_cluster_with_msks_own_configuration_is_asked_for_none(otherwise: Otherwise) -> None:
    def changed(_: Asked, item: Item) -> Item:
        provisioned = item["ClusterInfo"]["Provisioned"]
        software = {"KafkaVersion": provisioned["CurrentBrokerSoftwareInfo"]["KafkaVersion"]}
        provisioned = {**provisioned, "CurrentBrokerSoftwareInfo": software}
        return {"ClusterInfo": {**item["ClusterInfo"], "Provisioned": provisioned}}

    otherwise(("kafka", "DescribeClusterV2"), changed)
    asked: list[Operation] = []
    facts = discovered(ROUTED, spy=lambda account: asked.extend(operation for _, _, operation in account.asked))
    assert facts.gaps == ()
    assert ("kafka", "DescribeConfigurationRevision") not in asked
    assert {t.state for t in audit(facts, ROUTED).traces} == {State.OPEN}


def test_a_subnet_with_ipv6_alone_is_left_out(otherwise: Otherwise) -> None:
    vpc_id = ROUTED.client("peered").vpc_id
    zone = ROUTED.zone_of(ROUTED.client("peered").subnet_id)
    six = [{"Ipv6CidrBlock": "2600:1f18:1:2::/64", "Ipv6CidrBlockState": {"State": "associated"}}]
    subnet = {"SubnetId": "subnet-six", "VpcId": vpc_id, "Ipv6Native": True, "Ipv6CidrBlockAssociationSet": six}
    subnet |= {"AvailabilityZone": "us-east-1a", "AvailabilityZoneId": zone}

    def with_subnet(asked: Asked, item: Item) -> Item:
        return {"Subnets": [*item["Subnets"], *([subnet] if asked.here(vpc_id) else [])]}

    def associated(asked: Asked, item: Item) -> Item:
        first, *others = item["RouteTables"]
        more = [{"SubnetId": "subnet-six", "Main": False}] if asked.here(vpc_id) else []
        return {"RouteTables": [{**first, "Associations": [*first["Associations"], *more]}, *others]}

    otherwise(("ec2", "DescribeSubnets"), with_subnet)
    otherwise(TABLES, associated)
    facts = discovered(ROUTED)
    assert differences(facts.topology, as_seen(ROUTED)) == []
    assert facts.gaps == ()


def test_a_cluster_policy_may_have_a_statement_that_is_no_list(otherwise: Otherwise) -> None:
    topology = PATTERNS["multi_vpc"].build()

    def changed(_: Asked, item: Item) -> Item:
        whole = json.loads(item["Policy"])
        [statement] = whole["Statement"]
        return {**item, "Policy": json.dumps({**whole, "Statement": statement})}

    otherwise(("kafka", "GetClusterPolicy"), changed)
    assert differences(discovered(topology).topology, as_seen(topology)) == []


class Proxied:
    """Clients behind a proxy that answers a page of its own."""

    def client(self, *_: Any, **__: Any) -> Proxied:
        return self

    def can_paginate(self, _: str) -> bool:
        return False

    def describe_vpcs(self) -> Item:
        raise ResponseParserError("invalid XML received:\n<html>secret</html>")

    def assume_role(self, **_: str) -> Item:
        return self.describe_vpcs()

    def get_caller_identity(self) -> Item:
        return self.describe_vpcs()


def test_a_page_of_a_proxy_is_a_gap_that_shows_nothing_of_it() -> None:
    reader = Reader(Proxied())
    [read] = reader.every([Ask(Place("111111111111", "us-east-1"), DESCRIBE_VPCS)])
    reader.close()
    assert not read.known
    assert read.why == "the answer is none of AWS's, as where a proxy answers instead (ResponseParserError)"


def test_a_page_of_a_proxy_is_no_way_into_an_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "_made", lambda **_: Proxied())
    intent = intent_of(PATTERNS["combination"].build())
    accounts = [account_of(intent.clusters[0]), intent.accounts[0].id]
    for account, operation in zip(accounts, ("GetCallerIdentity", "AssumeRole"), strict=True):
        with pytest.raises(DiscoveryError, match=f"sts:{operation}: the answer is none of AWS's") as told:
            Access(intent).client(Place(account, "us-east-1"), "ec2")
        assert "secret" not in str(told.value)
