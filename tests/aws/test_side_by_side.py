"""What of a discovery goes side by side: no call waits for one that it does not need, nor one account for another."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from benchmarks.discovery_scale import longest_chain, many
from brokerproof.aws.answers.hook import Account
from brokerproof.aws.answers.intent import intent_of
from brokerproof.aws.discovery import access
from brokerproof.aws.discovery.access import Access
from brokerproof.aws.discovery.calls import VPCS
from brokerproof.aws.discovery.discover import discover
from brokerproof.aws.discovery.reader import AT_ONCE, Ask, DiscoveryError, Place, Reader
from brokerproof.aws.intent.files import loads_intent
from brokerproof.running.account import InProcess
from brokerproof.topology.patterns import PATTERNS
from tests.aws.test_law import differences

PATIENCE_S = 60
ACCOUNTS = [f"2{number:011}" for number in range(20)]


@pytest.mark.slow
def test_the_longest_chain_of_calls_that_wait_for_each_other() -> None:
    """Cluster and its details; VPCs, more than go out at once, and their DHCP options; services' lists, targets and
    listeners; groups.
    """
    assert longest_chain(many(4, accounts=True)) == 9


@pytest.mark.slow
def test_what_is_read_side_by_side_is_what_is_read_one_by_one() -> None:
    topology = PATTERNS["combination"].build()
    found = []
    for at_once in (1, AT_ONCE):
        sessions = InProcess()
        sessions.account = Account(lambda: topology)
        found.append(discover(intent_of(topology), sessions, at_once=at_once))
    one, other = found
    assert differences(one.topology, other.topology) == []
    assert one == other


class Sts:
    """What answers AssumeRole, once so many ask at a time."""

    def __init__(self, together: int, refused: frozenset[str] = frozenset()) -> None:
        self.barrier = Barrier(together)
        self.refused = refused
        self.asked: list[str] = []

    def client(self, service: str, **words: Any) -> Any:
        return self if service == "sts" else (service, words.get("aws_access_key_id"))

    def assume_role(self, *, RoleArn: str, **_: str) -> dict[str, dict[str, str]]:  # noqa: N803 - the API's name
        self.asked.append(RoleArn)
        self.barrier.wait(PATIENCE_S)
        account = RoleArn.split(":")[4]
        if account in self.refused:
            raise ClientError({"Error": {"Code": "AccessDenied"}}, "AssumeRole")
        return {"Credentials": {"AccessKeyId": account, "SecretAccessKey": "s", "SessionToken": "t"}}


@pytest.fixture
def entering(monkeypatch: pytest.MonkeyPatch) -> Iterator[Access]:
    intent = loads_intent(
        "version: 1\n"
        "clusters: [arn:aws:kafka:us-east-1:111111111111:cluster/demo/0123abcd-4567-89ab-cdef-0123456789ab-2]\n"
        "clients: [{name: a, at: i-0abc1234, pattern: peering}]\n"
        "accounts:\n"
        + "".join(f'  - {{id: "{one}", role_arn: "arn:aws:iam::{one}:role/brokerproof"}}\n' for one in ACCOUNTS),
        source="intent.yaml",
    )
    sts = Sts(len(ACCOUNTS), refused=frozenset(ACCOUNTS[:1]))
    monkeypatch.setattr(access, "_made", lambda **_: sts)
    made = Access(intent)
    yield made
    assert sorted(sts.asked) == [f"arn:aws:iam::{one}:role/brokerproof" for one in ACCOUNTS]


def test_roles_of_several_accounts_are_assumed_at_once_and_each_once(entering: Access) -> None:
    def ways(account: str) -> list[Any]:
        place = Place(account, "us-east-1")
        try:
            return [entering.client(place, service) for service in ("ec2", "kafka")]
        except DiscoveryError as error:
            with pytest.raises(DiscoveryError, match="cannot be assumed"):
                entering.client(place, "kafka")
            return [str(error)]

    with ThreadPoolExecutor(len(ACCOUNTS)) as threads:
        refused, *entered = threads.map(ways, ACCOUNTS)
    assert "AccessDenied" in refused[0]
    assert entered == [[("ec2", account), ("kafka", account)] for account in ACCOUNTS[1:]]


class Counted:
    """Clients that let no call end before as many of a place are under way as may be."""

    def __init__(self) -> None:
        self.barriers = {place: Barrier(AT_ONCE) for place in PLACES}

    def client(self, place: Place, _: str) -> Any:
        barrier = self.barriers[place]

        class Client:
            def can_paginate(self, _: str) -> bool:
                return False

            def describe_vpcs(self) -> dict[str, list[Any]]:
                barrier.wait(PATIENCE_S)
                return {"Vpcs": []}

        return Client()


PLACES = [Place(account, "us-east-1") for account in ACCOUNTS[:3]]


def test_as_many_calls_of_each_account_are_under_way_as_may_be() -> None:
    """The first account's are asked for first, and keep no other's waiting."""
    reader = Reader(Counted())
    try:
        reads = reader.every(Ask(place, VPCS, of=(str(n),)) for place in PLACES for n in range(AT_ONCE))
    finally:
        reader.close()
    assert all(read.known for read in reads)
    assert [(read.ask.place, read.ask.of) for read in reads] == [
        (place, (str(n),)) for place in PLACES for n in range(AT_ONCE)
    ]


def test_what_fails_beside_is_raised_where_it_is_waited_for() -> None:
    def wrong() -> None:
        raise DiscoveryError("it cannot be read")

    reader = Reader(InProcess())
    try:
        told = reader.beside(wrong)
        with pytest.raises(DiscoveryError, match="it cannot be read"):
            told()
    finally:
        reader.close()


@pytest.mark.slow
def test_accounts_share_a_session_and_no_keys() -> None:
    core = boto3.Session(aws_access_key_id="own", aws_secret_access_key="s", region_name="us-east-1")
    mine = core.client("ec2")
    theirs = core.client("ec2", aws_access_key_id="theirs", aws_secret_access_key="s", aws_session_token="t")
    assert mine._request_signer._credentials.access_key == "own"
    assert theirs._request_signer._credentials.access_key == "theirs"
