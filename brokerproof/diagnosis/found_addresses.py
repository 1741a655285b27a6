"""A view whose addresses are not known, with those that the client's names led to. Pure.

Nothing is proved of such addresses but what they do: whether each connects, and who answers there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import ip_address

import msgspec

from brokerproof.diagnosis.outcome_index import first_look
from brokerproof.probes.outcome import Outcome, ResolveFacts, Stage, Status
from brokerproof.probes.outcome.names import canonical
from brokerproof.topology.expectation.view import AddressKind, AddressView, BootstrapView, BrokerView, ClientView


def with_found_addresses(view: ClientView, outcomes: Iterable[Outcome]) -> ClientView:
    """The view, complete as far as names resolved; the same view where it was complete already."""
    if not view.found_as:
        return view
    seen = first_look(outcomes)
    return msgspec.structs.replace(
        view,
        brokers=tuple(_broker(each, seen) for each in view.brokers),
        bootstrap=tuple(_bootstrap(each, seen) for each in view.bootstrap),
    )


def _broker(broker: BrokerView, outcomes: Iterable[Outcome]) -> BrokerView:
    if broker.found_as is None or broker.addresses:
        return broker
    return msgspec.structs.replace(broker, addresses=_addresses(broker.name, broker.port, broker.found_as, outcomes))


def _bootstrap(entry: BootstrapView, outcomes: Iterable[Outcome]) -> BootstrapView:
    if entry.found_as is None or entry.addresses:
        return entry
    return msgspec.structs.replace(entry, addresses=_addresses(entry.name, entry.port, entry.found_as, outcomes))


def _addresses(name: str, port: int, kind: AddressKind, outcomes: Iterable[Outcome]) -> tuple[AddressView, ...]:
    """Each address that the name has, once; the empty one where it has none, which stands for what waits for it."""
    called = canonical(name)
    named = [o for o in outcomes if o.stage is Stage.RESOLVE and canonical(o.target.name) == called]
    facts = [o.facts for o in named if isinstance(o.facts, ResolveFacts)]
    found = {address for each in facts for address in (*each.a, *each.aaaa)}
    found |= {
        o.target.address
        for o in outcomes
        if o.stage is Stage.CONNECT and (canonical(o.target.name), o.target.port) == (called, port) and o.target.address
    }
    left_out = set(_only_in_name(name, port, outcomes))
    taken = sorted(found - left_out, key=lambda a: (ip_address(a).version, ip_address(a)))
    return tuple(
        AddressView(address=address, kind=kind, owner=f"what {name} leads to", zone_id="") for address in taken or [""]
    )


def _only_in_name(name: str, port: int, outcomes: Iterable[Outcome]) -> Iterator[str]:
    """Loopback addresses of one family that refuse, where one of the other answers.

    Every host has both in its hosts file, whatever a server there is bound to; clients go on to the other.
    """
    at = [
        o
        for o in outcomes
        if o.stage is Stage.CONNECT
        and (canonical(o.target.name), o.target.port) == (canonical(name), port)
        and o.target.address
        and ip_address(o.target.address).is_loopback
    ]
    answering = {ip_address(o.target.address).version for o in at if o.status is Status.OK}
    yield from (o.target.address for o in at if answering and ip_address(o.target.address).version not in answering)
