"""The endpoint: boto3 takes its URL, and discovers by it what it discovers in process; HTTP is spoken on loopback."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator

import boto3
import pytest
from botocore.exceptions import ClientError

from brokerproof.aws.answers.certificates import ENDS
from brokerproof.aws.answers.hook import Account, Manners, denied
from brokerproof.aws.answers.intent import intent_of
from brokerproof.aws.answers.seen import as_seen
from brokerproof.aws.answers.server import LOOPBACK, SECRET, Endpoint, key_of
from brokerproof.aws.discovery.access import Access
from brokerproof.aws.discovery.discover import discover
from brokerproof.topology.models import Topology
from brokerproof.topology.patterns import PATTERNS

HOME = "111111111111"
TOPOLOGY = PATTERNS["privatelink_multi_nlb"].build()


class Now:
    """What the account is at the moment."""

    topology: Topology = TOPOLOGY


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    manners = Manners(page_size=3, refused=denied(("ec2", "DescribeNetworkAcls")))
    server = Endpoint(Account(lambda: Now.topology, manners), HOME)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key_of(HOME))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.slow
def test_accounts_are_discovered_by_roles_over_http(endpoint: Endpoint) -> None:
    intent = intent_of(TOPOLOGY)
    facts = discover(intent, Access(intent))
    assert facts.topology == as_seen(TOPOLOGY)
    assert {gap.action for gap in facts.gaps} == {"ec2:DescribeNetworkAcls"}


def test_a_change_is_seen_at_the_next_call(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    client = boto3.client("elbv2", region_name="us-east-1")
    assert len(client.describe_load_balancers()["LoadBalancers"]) == 3
    monkeypatch.setattr(Now, "topology", TOPOLOGY.model_copy(update={"load_balancers": TOPOLOGY.load_balancers[:1]}))
    assert len(client.describe_load_balancers()["LoadBalancers"]) == 2  # one of them is an application load balancer


def test_when_certificates_end_is_answered_over_http(endpoint: Endpoint) -> None:
    listener = boto3.client("acm", region_name="us-east-1")
    arn = "arn:aws:acm:us-east-1:111111111111:certificate/01234567-89ab-cdef-0123-456789abcdef"
    assert listener.describe_certificate(CertificateArn=arn)["Certificate"]["NotAfter"] == ENDS
    mutual = boto3.client("acm-pca", region_name="us-east-1")
    arn = arn.replace(":acm:", ":acm-pca:").replace(":certificate/", ":certificate-authority/")
    told = mutual.describe_certificate_authority(CertificateAuthorityArn=arn)
    assert told["CertificateAuthority"]["NotAfter"] == ENDS
    with pytest.raises(ClientError, match="InvalidAction"):
        mutual.list_certificate_authorities()


def test_a_refusal_is_an_error_of_the_client(endpoint: Endpoint) -> None:
    client = boto3.client("ec2", region_name="us-east-1")
    with pytest.raises(ClientError, match="UnauthorizedOperation"):
        client.describe_network_acls()
    kafka = boto3.client("kafka", region_name="us-east-1")
    with pytest.raises(kafka.exceptions.NotFoundException):
        kafka.describe_cluster_v2(ClusterArn="arn:aws:kafka:us-east-1:111111111111:cluster/none/0-1")
    resolver = boto3.client("route53resolver", region_name="us-east-1")
    with pytest.raises(resolver.exceptions.ResourceNotFoundException):
        resolver.get_resolver_rule(ResolverRuleId="rslvr-rr-none")


def test_who_is_asked_follows_from_the_key(endpoint: Endpoint) -> None:
    sts = boto3.client("sts", region_name="us-east-1")
    assert sts.get_caller_identity()["Account"] == HOME
    with pytest.raises(ClientError, match="ValidationError"):
        sts.assume_role(RoleArn="arn:aws:iam::role/of-nobody", RoleSessionName="test")


def test_an_unsigned_request_is_told_what_answers(endpoint: Endpoint) -> None:
    assert endpoint.url.startswith(f"http://{LOOPBACK}:")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{endpoint.url}/anything")
    assert caught.value.code == 403
    with caught.value as answer:
        assert b"signed requests" in answer.read()


def test_a_torn_body_is_refused(endpoint: Endpoint) -> None:
    signed = "AWS4-HMAC-SHA256 Credential=LAB111111111111/20260101/us-east-1/route53resolver/aws4_request, x"
    request = urllib.request.Request(
        endpoint.url,
        data=json.dumps({"ResolverRuleId": 1}).encode()[:5],
        headers={"Authorization": signed, "X-Amz-Target": "Route53Resolver.GetResolverRule"},
    )
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)
    assert caught.value.code == 400
    caught.value.close()
