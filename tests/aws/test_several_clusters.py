"""Clusters of several accounts and Regions in one intent: nothing of one is taken for the other's."""

from __future__ import annotations

import re
from typing import Any

import pytest

from brokerproof.aws.answers.hook import Operation
from brokerproof.aws.answers.seen import as_seen
from brokerproof.aws.audit.audit import audit
from brokerproof.aws.audit.values import State
from brokerproof.aws.discovery.prefixes import read_prefixes
from brokerproof.aws.discovery.reader import DiscoveryError, Place, Reader
from brokerproof.topology.models import Topology
from brokerproof.topology.patterns import PATTERNS
from tests.aws.accounts import discovered
from tests.aws.test_law import differences

HERE = PATTERNS["privatelink_single_nlb"].build()
ID = re.compile(r"\b(vpc|subnet|rtb|tgw|sg|acl|pcx|nlb|tg|vpce-svc|vpce)-([a-z0-9-]+)")


def there(*, but: str = "nothing") -> Topology:
    """The same in another Region, with other names, but those that this pattern finds."""
    text = HERE.model_dump_json().replace("us-east-1", "eu-west-1").replace("use1-az", "euw1-az")
    text = ID.sub(lambda m: m[0] if re.match(but, m[0]) else f"{m[0]}-far", text)
    text = re.sub(r'("hosted_zone_id":"\w+)', r"\1FAR", text)
    for client in HERE.clients:
        text = text.replace(f'"name":"{client.name}"', f'"name":"{client.name}_far"')
    name = HERE.clusters[0].cluster_name
    if not re.match(but, name):
        text = text.replace(f'"cluster_name":"{name}"', f'"cluster_name":"{name}-far"')
    return Topology.model_validate_json(text)


def both(other: Topology) -> Topology:
    """Both Regions as one topology."""
    fields: dict[str, Any] = {}
    for name in Topology.model_fields:
        mine = getattr(HERE, name)
        if isinstance(mine, tuple):
            fields[name] = (*mine, *(each for each in getattr(other, name) if each not in mine))
    return HERE.model_copy(update=fields)


def test_clusters_of_two_regions_are_read_as_they_are() -> None:
    topology = both(there())
    asked: list[tuple[str, Operation]] = []
    facts = discovered(topology, spy=lambda account: asked.extend((r, op) for _, r, op in account.asked))
    assert differences(facts.topology, as_seen(topology)) == []
    assert facts.gaps == ()
    regions = [region for region, (_, name) in asked if name == "DescribeTargetGroupAttributes"]
    assert {region: regions.count(region) for region in regions} == {
        "us-east-1": len(HERE.target_groups),
        "eu-west-1": len(HERE.target_groups),
    }
    assert {trace.state for trace in audit(facts, topology).traces} == {State.OPEN}


@pytest.mark.parametrize(
    ("but", "said"),
    [("demo", "two clusters have the name demo"), ("nlb-", "two load balancers"), ("tg-", "two target")],
)
def test_names_that_two_regions_have_are_refused(but: str, said: str) -> None:
    with pytest.raises(DiscoveryError, match=said):
        discovered(both(there(but=but)))


PLACES = [Place(account, "us-east-1") for account in ("111111111111", "222222222222")]


class Sharing:
    """The first account may read the list, and the second may not."""

    def client(self, place: Place, _: str) -> Any:
        class Client:
            def can_paginate(self, _: str) -> bool:
                return False

            def get_managed_prefix_list_entries(self, **_: str) -> dict[str, Any]:
                if place != PLACES[0]:
                    raise DiscoveryError("it may not be read")
                return {"Entries": [{"Cidr": "10.0.0.0/16"}]}

        return Client()


def test_a_prefix_list_that_two_accounts_use_is_asked_for_in_each() -> None:
    reader = Reader(Sharing(), at_once=1)
    assert read_prefixes(reader, [(place, "pl-0abc") for place in PLACES]) == {"pl-0abc": ("10.0.0.0/16",)}
    assert [gap.account_id for gap in reader.gaps] == [PLACES[1].account_id]
