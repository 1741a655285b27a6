"""How clients log in: every pattern by every scheme, and what a file may not say."""

from __future__ import annotations

from typing import Any

import pytest

from brokerproof.probes.plan import AuthenticationScheme
from brokerproof.topology.expectation.expect import expect
from brokerproof.topology.files import TopologyError, dumps, loads
from brokerproof.topology.models import Client, Credentials, Topology
from brokerproof.topology.patterns import PATTERNS, PatternOptions
from brokerproof.topology.rules import problems
from tests.examples import ALL

SCRAM = AuthenticationScheme.SCRAM_SHA_512
PORTS = {
    AuthenticationScheme.NONE: (9094, 20094),
    AuthenticationScheme.MTLS: (9094, 20094),
    SCRAM: (9096, 20096),
    AuthenticationScheme.IAM: (9098, 20098),
}


WRITTEN = {"in_vpc", "combination"}
"""Files of these are read back in every run; a scheme changes the same fields of any pattern."""


def built(pattern: str, scheme: AuthenticationScheme, **chosen: Any) -> Topology:
    return PATTERNS[pattern].build(PatternOptions(authentication=scheme, **chosen))


@pytest.mark.parametrize("scheme", list(AuthenticationScheme))
@pytest.mark.parametrize("pattern", list(PATTERNS))
def test_every_pattern_can_be_built_with_every_scheme(pattern: str, scheme: AuthenticationScheme) -> None:
    topology = built(pattern, scheme)
    assert {expect(topology, client.name).authentication for client in topology.clients} == {scheme}
    if ALL or pattern in WRITTEN:
        assert loads(dumps(topology), source="written") == topology
    [cluster] = topology.clusters
    ordinary = [each.port for each in cluster.listeners if each.vpc_authentication is None]
    assert ordinary == [PORTS[scheme][0]]


@pytest.mark.parametrize("scheme", list(AuthenticationScheme))
def test_the_ipv6_listener_has_the_port_of_the_scheme_too(scheme: AuthenticationScheme) -> None:
    [cluster] = built("in_vpc", scheme, dual_stack=True).clusters
    assert tuple(each.port for each in cluster.listeners) == PORTS[scheme]


def test_a_plaintext_client_does_not_log_in() -> None:
    topology = built("in_vpc", SCRAM, plaintext=True)
    assert {(each.listener, each.authentication) for each in topology.clients} == {
        ("CLIENT_SASL_SCRAM", SCRAM),
        ("CLIENT", AuthenticationScheme.NONE),
    }


def test_without_a_scheme_nothing_is_changed() -> None:
    spec = PATTERNS["in_vpc"]
    assert spec.builder is not None
    assert spec.build(PatternOptions()) == spec.builder(PatternOptions())


def changed(**client: Any) -> str:
    topology = built("in_vpc", SCRAM)
    clients = tuple(each.model_copy(update=client) for each in topology.clients)
    return "\n".join(map(str, problems(topology.model_copy(update={"clients": clients}))))


def test_a_listener_is_of_one_scheme() -> None:
    said = changed(authentication=AuthenticationScheme.IAM, credentials=Credentials())
    assert "CLIENT_SASL_SCRAM takes scram_sha_512, not iam" in said


def test_what_a_scheme_needs_is_asked_for() -> None:
    said = changed(credentials=Credentials(username="env:MSK_USER"))
    assert "credentials: authentication scram_sha_512 needs password" in said.replace("username and ", "")


def test_credentials_of_another_scheme_are_refused() -> None:
    given = Credentials(username="env:U", password="env:P", role_arn="arn:aws:iam::111122223333:role/app")
    assert "credentials.role_arn: authentication scram_sha_512 has no use for it" in changed(credentials=given)


@pytest.mark.parametrize("field", ["username", "password", "certificate", "key", "key_password"])
def test_a_secret_written_into_a_file_is_refused_and_not_repeated(field: str) -> None:
    text = dumps(built("in_vpc", SCRAM)).replace("password: file:", "hunter2: file:")
    text = "\n".join(
        f"{line.split('hunter2')[0]}{field}: correct-horse-battery" if "hunter2" in line else line
        for line in text.splitlines()
        if f" {field}:" not in line
    )
    with pytest.raises(TopologyError) as refused:
        loads(text, source="a.yaml")
    assert "is not where a secret is: env:NAME, or file:/path, on the client's own host" in str(refused.value)
    assert "correct-horse" not in str(refused.value)


@pytest.mark.parametrize("reference", ["env:MSK_PASSWORD", "file:/run/secrets/msk"])
def test_a_reference_is_a_variable_or_a_file(reference: str) -> None:
    assert Credentials(password=reference).password == reference


def test_a_client_logs_in_by_none_unless_told() -> None:
    assert Client.model_fields["authentication"].default is AuthenticationScheme.NONE
