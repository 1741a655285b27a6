"""A topology's clients as a set: an item and a plan each. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from brokerproof.aws.audit.values import Audit
from brokerproof.fleet.far.values import Item, plan_key
from brokerproof.fleet.hub import FleetError, Hub, Reached, check_name
from brokerproof.probes.plan import Plan, encode_plan
from brokerproof.running.planning import make_plan
from brokerproof.topology.expectation.expect import expect
from brokerproof.topology.models import Client, ClientVantage, Topology

Reach = Callable[[Topology, Client], Reached]
"""Where a client's probe is."""


@dataclass(frozen=True, slots=True)
class FleetSet:
    """A set, as it is judged later: topology, items and plans, and what the account showed when it was made."""

    name: str
    topology: Topology
    items: tuple[Item, ...]
    audit: Audit | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """A set that nobody wrote yet."""

    set: FleetSet
    plans: dict[str, bytes]
    lost: Mapping[str, str] = field(default_factory=dict)
    """Why nothing runs the probe of a client, by client."""


def verification(topology: Topology, client: Client) -> Plan:
    """The plan of a client that is verified and not measured: as of ``brokerproof verify``."""
    return make_plan(expect(topology, client.name), client, measure=False)


def make_set(
    hub: Hub,
    name: str,
    topology: Topology,
    reach: Reach,
    *,
    clients: Iterable[str] | None = None,
    audit: Audit | None = None,
    plan: Callable[[Topology, Client], Plan] = verification,
) -> Made:
    """The set of a topology's clients, or of some of them: those whose probes the hub reaches.

    How clients are reached from somebody's machine is nobody's business in a bucket, and is left out.

    Raises:
        FleetError: there is no client, or one cannot be reached.
    """
    check_name(name, "set")
    if not topology.clients:
        raise FleetError(f"{topology.name} has no clients, so there is nothing to run")
    bare = tuple(client.model_copy(update={"vantage": ClientVantage()}) for client in topology.clients)
    whole, topology = topology, topology.model_copy(update={"clients": bare})
    lost: dict[str, str] = {}
    plans: dict[str, bytes] = {}
    items: list[Item] = []
    chosen = None if clients is None else frozenset(clients)
    for client in topology.clients:
        if chosen is not None and client.name not in chosen:
            continue
        text = encode_plan(plan(topology, client))
        plans[client.name] = text
        at = reach(whole, client)
        if at.why:
            lost[client.name] = at.why
        items.append(
            Item(
                client=client.name,
                resource=at.resource,
                role_arn=at.role_arn,
                plan_key=plan_key(hub.prefix, name, client.name),
                plan_sha256=hashlib.sha256(text).hexdigest(),
            )
        )
    return Made(FleetSet(name, topology, tuple(items), audit), plans, lost)
