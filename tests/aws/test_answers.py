"""Answers are such as the API could give; refusals, pages and gaps are cases of their own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import botocore.session
import pytest

from brokerproof.aws.answers.hook import Account, Manners, UnlikeApiError, check, denied, throttled
from brokerproof.aws.answers.organization import ApiError
from brokerproof.aws.discovery.reader import Place
from brokerproof.topology.patterns import PATTERNS
from tests.aws.accounts import SESSIONS, discovered

TOPOLOGY = PATTERNS["privatelink_multi_nlb"].build()
HOME = Place("111111111111", "us-east-1")


def model(service: str, operation: str) -> Any:
    return botocore.session.Session().get_service_model(service).operation_model(operation)


def test_an_unknown_member_is_refused() -> None:
    with pytest.raises(UnlikeApiError, match="Colour"):
        check({"Vpcs": [{"VpcId": "vpc-a", "Colour": "red"}]}, model("ec2", "DescribeVpcs"))


def test_a_value_that_is_not_of_the_list_is_refused() -> None:
    with pytest.raises(UnlikeApiError, match="sideways"):
        check({"VpcEndpoints": [{"State": "sideways"}]}, model("ec2", "DescribeVpcEndpoints"))


def test_a_wrong_type_is_refused() -> None:
    with pytest.raises(UnlikeApiError, match="Invalid type"):
        check({"Subnets": [{"AvailableIpAddressCount": "many"}]}, model("ec2", "DescribeSubnets"))


def test_pages_are_of_the_size_and_come_to_an_end() -> None:
    SESSIONS.account = Account(lambda: TOPOLOGY, Manners(page_size=2))
    client = SESSIONS.client(HOME, "elbv2")
    sizes = [len(page["TargetGroups"]) for page in client.get_paginator("describe_target_groups").paginate()]
    assert sizes == [2, 1]


def test_a_token_that_nobody_gave_is_refused() -> None:
    SESSIONS.account = Account(lambda: TOPOLOGY)
    client = SESSIONS.client(HOME, "ec2")
    with pytest.raises(client.exceptions.ClientError, match="token"):
        client.describe_vpcs(NextToken="guessed")


def test_another_account_sees_nothing_of_it() -> None:
    SESSIONS.account = Account(lambda: TOPOLOGY)
    client = SESSIONS.client(Place("999999999999", "us-east-1"), "ec2")
    assert client.describe_vpcs()["Vpcs"] == []


def test_zone_names_differ_by_account_and_ids_do_not() -> None:
    SESSIONS.account = Account(lambda: TOPOLOGY)
    pairs = {}
    for account in ("111111111111", "222222222222"):
        subnets = SESSIONS.client(Place(account, "us-east-1"), "ec2").describe_subnets()["Subnets"]
        pairs[account] = {(s["AvailabilityZoneId"], s["AvailabilityZone"]) for s in subnets}
    one, other = pairs.values()
    assert {zone for zone, _ in one} == {zone for zone, _ in other}
    assert one != other


def test_throttled_calls_are_gaps_and_not_nothing() -> None:
    facts = discovered(TOPOLOGY, manners=Manners(refused=throttled(("ec2", "DescribeRouteTables"))))
    [why] = {gap.why for gap in facts.gaps}
    assert why == "AWS answered Throttling"


def test_what_is_not_consistent_yet_is_seen_as_it_was() -> None:
    before = TOPOLOGY.model_copy(update={"route_tables": ()})
    facts = discovered(TOPOLOGY, manners=Manners(stale={("ec2", "DescribeRouteTables"): before}))
    assert facts.topology.route_tables == ()
    assert facts.gaps == ()


def test_members_that_are_left_out_do_no_harm() -> None:
    without = {("ec2", "DescribeVpcEndpoints"): ("PrivateDnsEnabled", "RequesterManaged", "OwnerId")}
    facts = discovered(TOPOLOGY, manners=Manners(without=without))
    assert len(facts.topology.vpc_endpoints) == len(TOPOLOGY.vpc_endpoints)


def test_an_operation_that_is_not_answered_is_an_error_of_the_api() -> None:
    with pytest.raises(ApiError, match="InvalidAction"):
        Account(lambda: TOPOLOGY).answer("111111111111", "us-east-1", ("ec2", "DescribeVolumes"), {})


def test_a_denied_call_is_refused_as_aws_does() -> None:
    SESSIONS.account = Account(lambda: TOPOLOGY, replace(Manners(), refused=denied(("ec2", "DescribeVpcs"))))
    client = SESSIONS.client(HOME, "ec2")
    with pytest.raises(client.exceptions.ClientError, match="UnauthorizedOperation"):
        client.describe_vpcs()
