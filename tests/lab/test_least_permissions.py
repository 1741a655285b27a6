"""The least permissions of docs/authentication.md in a lab: every check passes, and with one less the named one fails.

By ACLs where clients log in by SCRAM. Where they log in by IAM the lab's ACLs stand for a policy's actions, and none
comes with another.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from brokerproof.diagnosis.check import Verdict
from brokerproof.diagnosis.finding_text import text_of
from brokerproof.lab.life.handle import Lab
from brokerproof.probes.outcome import Reason
from brokerproof.probes.outcome.permissions import CLUSTER_NAME, GRANTS, Permission, Resource
from brokerproof.probes.plan import AuthenticationScheme
from brokerproof.running.planning import ClientRun, conclude, make_plan
from brokerproof.running.site import lab_vantage
from brokerproof.topology.edit import with_each
from brokerproof.topology.expectation.expect import expect
from brokerproof.topology.models import KafkaAcl
from brokerproof.topology.patterns import PATTERNS, PatternOptions
from tools import least_policy

pytestmark = pytest.mark.lab

CLIENT = "cluster_vpc"
OF_TRANSACTIONS = tuple(each for each, grant in GRANTS.items() if grant.resource is Resource.TRANSACTIONAL_ID)
"""The lab's clients that log in have a transactional id."""
BY_IAM = (*least_policy.least(), *OF_TRANSACTIONS)
BY_ACLS = tuple(each for each in BY_IAM if each not in least_policy.IMPLIED_BY_ACLS)
NOBODY = "User:nobody"
"""Who has an ACL to every resource; what has none is open to everybody."""


def name(without: Permission | None) -> str:
    return without or "nothing"


@contextmanager
def one_broker(scheme: AuthenticationScheme) -> Iterator[Lab]:
    with Lab.start(PATTERNS["in_vpc"].build(PatternOptions(brokers=1, authentication=scheme))) as lab:
        yield lab


@pytest.fixture(scope="module")
def by_acls() -> Iterator[Lab]:
    with one_broker(AuthenticationScheme.SCRAM_SHA_512) as lab:
        yield lab


@pytest.fixture(scope="module")
def by_iam() -> Iterator[Lab]:
    with one_broker(AuthenticationScheme.IAM) as lab:
        yield lab


def acl(permission: Permission, principal: str = "User:*") -> KafkaAcl:
    """As the page's commands make it."""
    grant = GRANTS[permission]
    words = {
        "resource_type": screaming(grant.resource),
        "operation": screaming(grant.operation),
        "principal": principal,
    }
    if grant.resource is Resource.CLUSTER:
        return KafkaAcl.model_validate({**words, "resource_name": CLUSTER_NAME})
    prefix = {"resource_name": f"{least_policy.OWN}-", "pattern_type": "PREFIXED"}
    return KafkaAcl.model_validate({**words, **prefix})


def screaming(words: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", words).upper()


def allow(lab: Lab, permissions: Collection[Permission]) -> None:
    acls = (*map(acl, permissions), *(acl(each, NOBODY) for each in GRANTS))
    lab.apply(with_each(lab.intended, "clusters", kafka_acls=acls))


def run_with(lab: Lab, permissions: Collection[Permission]) -> ClientRun:
    allow(lab, permissions)
    view = expect(lab.topology, CLIENT)
    plan = make_plan(view, lab.topology.client(CLIENT), measure=False)
    assert plan.authentication is not None
    at_once = msgspec.structs.replace(plan.authentication, most_per_s=50.0)
    plan = msgspec.structs.replace(plan, authentication=at_once)
    with lab_vantage(lab, CLIENT) as vantage:
        return conclude(view, plan, vantage.run(plan))


def lacks(result: ClientRun, without: Permission | None) -> None:
    """Everything passes that does not need the permission; what does says so."""
    wrong = [check for check in result.checks if check.verdict in {Verdict.FAILED, Verdict.ERROR}]
    closing = result.run.closing
    assert closing is not None
    told = [text_of(finding) for finding in result.findings]
    stage = None if without is None else least_policy.FAILS[without]
    if stage is None:
        assert wrong == []
        told = list(closing.left_behind)
        assert len(told) == (without is not None), told
    else:
        assert stage in {check.stage for check in wrong}, wrong
        assert {check.reason for check in wrong} == {Reason.NOT_AUTHORIZED}
        assert len(told) == 1, told
    if without is not None:
        assert GRANTS[without].iam_action in told[0]
        assert all("lacks" not in each or GRANTS[without].iam_action in each for each in closing.left_behind)


@pytest.mark.parametrize("without", [None, *BY_ACLS], ids=name)
def test_the_least_acls(by_acls: Lab, without: Permission | None) -> None:
    lacks(run_with(by_acls, [each for each in BY_ACLS if each is not without]), without)


@pytest.mark.parametrize("without", [None, *BY_IAM], ids=name)
def test_the_least_policy(by_iam: Lab, without: Permission | None) -> None:
    lacks(run_with(by_iam, [each for each in BY_IAM if each is not without]), without)


@pytest.mark.parametrize("said", [False, True], ids=["not said", "said"])
def test_what_a_client_may_lack_is_said_beside_a_bootstrap_string_too(by_acls: Lab, tmp_path: Path, said: bool) -> None:
    allow(by_acls, [each for each in BY_ACLS if each is not Permission.DESCRIBE_CLUSTER])
    client, [broker] = by_acls.topology.client(CLIENT), expect(by_acls.topology, CLIENT).brokers
    held = client.credentials
    words = ["verify", f"{broker.name}:{broker.port}", "--ca", str(client.ca_file), "--run-dir", str(tmp_path / "run")]
    words += ["--username", str(held.username), "--password", str(held.password), "--verdict-within", "20"]
    words += ["--may-lack", "describe_cluster"] if said else []
    done = subprocess.run(
        [*by_acls.command_prefix(CLIENT), sys.executable, "-m", "brokerproof", *words],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == (0 if said else 1), done.stdout + done.stderr
    assert ("auth.cluster_denied" in done.stdout) is not said
