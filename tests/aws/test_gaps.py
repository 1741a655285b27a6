"""Each call denied: what it would have told is unknown, and never none. No false finding, and the gap is named."""

from __future__ import annotations

from functools import cache

import pytest

from brokerproof.aws.answers.hook import Account, Manners, denied
from brokerproof.aws.audit.audit import audit
from brokerproof.aws.discovery.calls import CALLS, Call
from brokerproof.aws.discovery.policy import actions, policy
from brokerproof.aws.discovery.reader import DiscoveryError
from brokerproof.aws.facts import DENIED
from brokerproof.probes.plan import AuthenticationScheme
from brokerproof.topology.models import Topology
from brokerproof.topology.patterns import PATTERNS, PatternOptions
from tests.aws.accounts import discovered
from tests.examples import ALL

PREFIXES = {"elbv2": "elasticloadbalancing"}
PATTERNS_TRIED = ("combination", "multi_vpc", "privatelink_single_nlb", "transit_gateway")


@cache
def asked_of(pattern: str) -> frozenset[tuple[str, str]]:
    """The operations that the discovery of a pattern asks for."""
    asked: set[tuple[str, str]] = set()
    discovered(PATTERNS[pattern].build(), spy=lambda account: asked.update(each for _, _, each in account.asked))
    return frozenset(asked)


@pytest.mark.slow
@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.action)
def test_each_call_denied(call: Call) -> None:
    asking = [pattern for pattern in PATTERNS_TRIED if (call.service, call.operation) in asked_of(pattern)]
    if not asking:
        pytest.skip("these patterns ask nothing of it")
    for pattern in asking if ALL else asking[:1]:
        denied_in(pattern, call)


def denied_in(pattern: str, call: Call) -> None:
    topology = PATTERNS[pattern].build()
    manners = Manners(refused=denied((call.service, call.operation)))
    try:
        facts = discovered(topology, manners=manners)
    except DiscoveryError as error:
        assert call.action in str(error)  # noqa: PT017 - what else may be read does not help
        return
    found = audit(facts, topology)
    assert [(f.code, f.says) for f in found.findings] == []
    assert {(g.action, g.why) for g in found.gaps} >= {(call.action, DENIED)}


def test_a_prefix_list_that_may_not_be_read_is_no_closed_door() -> None:
    topology = PATTERNS["peering"].build()
    manners = Manners(by_prefix_list=True, refused=denied(("ec2", "GetManagedPrefixListEntries")))
    facts = discovered(topology, manners=manners)
    assert audit(facts, topology).findings == ()
    assert {gap.action for gap in facts.gaps} == {"ec2:GetManagedPrefixListEntries"}


def test_an_active_route_to_an_attachment_that_aws_does_not_name_is_no_blackhole() -> None:
    topology = PATTERNS["transit_gateway"].build()
    manners = Manners(without={("ec2", "SearchTransitGatewayRoutes"): ("TransitGatewayAttachments",)})
    facts = discovered(topology, manners=manners)
    assert audit(facts, topology).findings == ()
    assert {gap.action for gap in facts.gaps} == {"ec2:SearchTransitGatewayRoutes"}


def test_the_policy_has_every_call_that_is_made_and_no_other() -> None:
    made: set[str] = set()

    def keep(account: Account) -> None:
        made.update(f"{PREFIXES.get(service, service)}:{name}" for _, _, (service, name) in account.asked)

    for pattern in ("combination", "multi_vpc", "privatelink_single_nlb"):
        discovered(PATTERNS[pattern].build(), spy=keep)
    discovered(PATTERNS["peering"].build(), manners=Manners(by_prefix_list=True), spy=keep)
    discovered(PATTERNS["peering"].build(), manners=Manners(by_profile=True), spy=keep)
    discovered(PATTERNS["in_vpc"].build(PatternOptions(authentication=AuthenticationScheme.MTLS)), spy=keep)
    discovered(encrypting(), spy=keep)
    from brokerproof.lab.faults import FAULTS  # noqa: PLC0415

    for name in ("resolver-rule-unanswered", "first-nameserver-dead"):
        topology = PATTERNS["privatelink_single_nlb"].build()
        discovered(FAULTS[name].edit(topology), intended=topology, spy=keep)
    assert made == set(actions())


def encrypting() -> Topology:
    """Every listener of the load balancers ends TLS."""
    topology = PATTERNS["privatelink_single_nlb"].build()
    balancers = tuple(
        each.model_copy(
            update={"listeners": tuple(one.model_copy(update={"protocol": "TLS"}) for one in each.listeners)}
        )
        for each in topology.load_balancers
    )
    return topology.model_copy(update={"load_balancers": balancers})


def test_the_policy_reads_alone() -> None:
    assert '"Effect": "Allow"' in policy()
    for action in actions():
        verb = action.partition(":")[2]
        assert verb.startswith(("Describe", "List", "Get", "Search"))
