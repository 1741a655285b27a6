"""Where a cluster's metadata may send the probe. Pure.

Metadata is what a cluster says, and a wrong or hostile one says anything: an address inside somebody's network, a port
that is not Kafka's. So only what looks like the planned cluster is connected to, unless the plan asks for more.
"""

from __future__ import annotations

from typing import Final

from brokerproof.probes.outcome.names import canonical
from brokerproof.probes.plan import AdvertisedScope, Plan
from brokerproof.probes.wire.dns_exchange import is_address

_LEAST_LABELS: Final = 2
"""Of a domain: one label is a top-level domain, and everybody's."""


class PlanScope:
    """The names, domains and ports of a plan's brokers and bootstrap.

    A domain is what follows the first label of a planned name (``demo.a1b2c3.c2.kafka.us-east-1.amazonaws.com`` of
    ``b-1.demo...``), where that is at least two labels. An address, or a name without such a domain, stands for itself
    alone.
    """

    def __init__(self, plan: Plan) -> None:
        planned = (*plan.brokers, *plan.bootstrap)
        self._any = plan.follow_advertised is AdvertisedScope.ANY
        self._names = frozenset(canonical(each.name) for each in planned)
        self._ports = frozenset(each.port for each in planned)
        domains = {name.partition(".")[2] for name in self._names if not is_address(name)}
        self._domains = tuple(sorted(f".{domain}" for domain in domains if domain.count(".") + 1 >= _LEAST_LABELS))

    def has_name(self, name: str) -> bool:
        """Whether the name may be resolved and connected to."""
        called = canonical(name)
        below = not is_address(called) and called.endswith(self._domains)
        return self._any or called in self._names or below

    def has_port(self, port: int) -> bool:
        """Whether the port may be connected to."""
        return self._any or port in self._ports

    def words(self) -> str:
        """What is in it, for people."""
        names = ", ".join(domain[1:] for domain in self._domains) or ", ".join(sorted(self._names))
        return f"{names} at ports {', '.join(map(str, sorted(self._ports)))}"
