"""From a bootstrap string to a topology: who the brokers are is asked of the cluster itself. No pytest here.

What an answer does not say stays unknown. Nothing is judged here: the topology is then verified like any other.
"""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from pydantic import ValidationError

from brokerproof.diagnosis.clusters import own_cluster_id
from brokerproof.errors import WrongUseError
from brokerproof.probes.outcome import (
    AdvertisedBroker,
    ApiFacts,
    MetadataFacts,
    Outcome,
    Stage,
)
from brokerproof.probes.outcome.registry import up_to
from brokerproof.probes.plan import AdvertisedScope, AuthenticationScheme, Endpoint, Limits, Plan, Tls
from brokerproof.running.planning import LIMITS, authentication_of
from brokerproof.topology.models import (
    UNKNOWN,
    AdvertisedListener,
    BootstrapBroker,
    Broker,
    Client,
    ClientVantage,
    Cluster,
    ClusterListener,
    Credentials,
    Topology,
    VantageKind,
)
from brokerproof.topology.models.client import AskedPermission
from brokerproof.topology.models.cluster import ClientCertificate
from brokerproof.topology.models.pattern_name import PatternName
from brokerproof.vantages.protocol import Vantage, VantageRun

HERE: Final = "here"
"""What a client is called of which nobody says a name."""
CLUSTER: Final = "kafka"
"""What a cluster is called whose names do not say it."""
PLAINTEXT_PORTS: Final = frozenset({9092, 9192})
TLS_PORTS: Final = frozenset({9094, 9096, 9098, 9194, 9196, 9198})
"""MSK developer guide, port information: 92 to 98 from the VPC, 9192 to 9198 from outside; the others speak TLS."""
LOGIN_PORTS: Final = {
    9096: AuthenticationScheme.SCRAM_SHA_512,
    9196: AuthenticationScheme.SCRAM_SHA_512,
    9098: AuthenticationScheme.IAM,
    9198: AuthenticationScheme.IAM,
}
"""Likewise. Port 9094 is that of mutual TLS too, and of clients that do not log in."""
_FROM_MSK: Final = re.compile(r"\.([a-z0-9][a-z0-9-]{0,63})\.[a-z0-9]+\.c\d+\.kafka\.[a-z0-9-]+\.", re.ASCII)
_MOST_PORT: Final = 65535
_TLS_ALERT: Final = r"\x15\x03"
"""How a TLS record of the type alert begins (RFC 8446, 5.1), as the probe writes down what is not printable."""


class BootstrapError(WrongUseError):
    """A string that is no bootstrap string; one sentence that states what was expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """How the cluster is to be reached, as far as somebody says it."""

    endpoints: tuple[Endpoint, ...]
    tls: bool | None = None
    """None: by the port's convention, and where there is none, by what answers."""
    ca_file: str | None = None
    existing_topic: str | None = None
    may_lack: tuple[AskedPermission, ...] = ()
    authentication: AuthenticationScheme = AuthenticationScheme.NONE
    credentials: Credentials = field(default_factory=Credentials)
    vantage: ClientVantage = field(default_factory=lambda: ClientVantage(kind=VantageKind.LOCAL))
    name: str = HERE


def looks_like(text: str) -> bool:
    """Whether a word is meant as a bootstrap string: every part ends with a colon and a port."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    return bool(parts) and all(re.fullmatch(r"(\[[^\]]*\]|[^:/\s]+):\d+", part) for part in parts)


def parse(text: str) -> tuple[Endpoint, ...]:
    """The names and ports of a bootstrap string, each once.

    Raises:
        BootstrapError: a part of it is no name and port.
    """
    found = []
    for part in (each.strip() for each in text.split(",")):
        host, _, port = part.rpartition(":")
        name = host.removeprefix("[").removesuffix("]") if host.startswith("[") else host
        if not name or not port.isdecimal() or not 1 <= int(port) <= _MOST_PORT:
            raise BootstrapError(
                f"{part!r} in the bootstrap string is no name and port; expected HOST:PORT, and several with commas "
                "between them, as in b-1.example.com:9094,b-2.example.com:9094"
            )
        try:
            BootstrapBroker(name=name.removesuffix("."), port=int(port))
        except ValidationError as wrong:
            raise BootstrapError(f"{part!r} in the bootstrap string: {wrong.errors()[0]['msg']}") from None
        found.append(Endpoint(name=name.removesuffix("."), port=int(port)))
    return tuple(dict.fromkeys(found))


def by_convention(endpoints: Sequence[Endpoint]) -> bool | None:
    """Whether these ports speak TLS by MSK's convention; None where it says nothing, or not the same of all."""
    ports = {each.port for each in endpoints}
    if ports <= PLAINTEXT_PORTS:
        return False
    return True if ports <= TLS_PORTS else None


def login_by_convention(endpoints: Sequence[Endpoint]) -> AuthenticationScheme | None:
    """How clients log in at these ports of MSK's; None where a name is not of MSK's, or its port does not say it."""
    if not all(_FROM_MSK.search(f".{each.name.lower()}.") for each in endpoints):
        return None
    schemes = {LOGIN_PORTS.get(each.port) for each in endpoints}
    return schemes.pop() if len(schemes) == 1 else None


@dataclass(frozen=True, slots=True)
class Asked:
    """What the cluster said when it was asked who its brokers are."""

    wanted: Wanted
    tls: bool
    run: VantageRun

    @property
    def cluster_id(self) -> str:
        """The cluster that answered, or most of the answers are of."""
        ids = Counter(facts.cluster_id for facts in self._answers)
        return own_cluster_id(self.run.outcomes) or (ids.most_common(1)[0][0] if ids else "")

    @property
    def brokers(self) -> tuple[AdvertisedBroker, ...]:
        """The brokers that any answer of that cluster names, by id; empty where there was no answer."""
        named: dict[int, AdvertisedBroker] = {}
        for facts in self._answers:
            if facts.cluster_id == self.cluster_id:
                for broker in facts.brokers:
                    named.setdefault(broker.broker_id, broker)
        return tuple(named[broker_id] for broker_id in sorted(named))

    @property
    def _answers(self) -> list[MetadataFacts]:
        return [o.facts for o in self.run.outcomes if isinstance(o.facts, MetadataFacts)]


def ask(wanted: Wanted, vantage: Vantage, limits: Limits = LIMITS) -> Asked:
    """Ask who the brokers are, in one plan; in two where nobody says whether the ports speak TLS, and they do."""
    tls = wanted.tls if wanted.tls is not None else by_convention(wanted.endpoints)
    if wanted.authentication is not AuthenticationScheme.NONE:
        tls = True  # a token or a certificate is shown to nobody who comes without
    first = vantage.run(_plan(wanted, tls=bool(tls), limits=limits))
    asked = Asked(wanted, bool(tls), first)
    if tls is not None or asked.brokers or not answers_tls(first.outcomes):
        return asked
    return Asked(wanted, True, vantage.run(_plan(wanted, tls=True, limits=limits)))


def _plan(wanted: Wanted, *, tls: bool, limits: Limits) -> Plan:
    client = _client(wanted, listener="CLIENT")
    return Plan(
        plan_id=f"bootstrap.{wanted.name}",
        client=wanted.name,
        bootstrap=wanted.endpoints,
        stages=up_to(Stage.METADATA),
        tls=Tls(ca_file=wanted.ca_file) if tls else None,
        authentication=authentication_of(client),
        limits=limits,
        follow_advertised=AdvertisedScope.NONE,
        look_again=False,
        names_by_host=True,
    )


def answers_tls(outcomes: Sequence[Outcome]) -> bool:
    """Whether something spoke TLS to who came without: it hung up at once and does, or answered with an alert."""
    facts = [o.facts for o in outcomes if isinstance(o.facts, ApiFacts)]
    return any(each.answers_tls or each.first_bytes.startswith(_TLS_ALERT) for each in facts)


# What was said, as a topology


def topology_from(asked: Asked) -> Topology:
    """The brokers as the cluster names them, and the client; all else is unknown.

    Where nobody answered, there are no brokers in it: its names are then verified as far as they lead.
    """
    wanted = asked.wanted
    listener = _listener(asked)
    brokers = tuple(made for each in asked.brokers if (made := _broker(each, listener)) is not None)
    bootstrap = tuple(BootstrapBroker(name=each.name, port=each.port) for each in wanted.endpoints)
    name = _cluster_name([*(each.name for each in asked.brokers), *(each.name for each in wanted.endpoints)])
    cluster = Cluster(
        cluster_name=name,
        domain=_domain(brokers),
        listeners=(listener,),
        brokers=brokers,
        bootstrap_brokers=bootstrap,
    )
    return Topology(name=name, clusters=(cluster,), clients=(_client(wanted, listener.name, name),))


def _client(wanted: Wanted, listener: str, cluster_name: str = CLUSTER) -> Client:
    return Client(
        name=wanted.name,
        cluster_name=cluster_name,
        pattern=PatternName.UNKNOWN,
        listener=listener,
        vantage=wanted.vantage,
        ca_file=wanted.ca_file,
        existing_topic=wanted.existing_topic,
        may_lack=wanted.may_lack,
        authentication=wanted.authentication,
        credentials=wanted.credentials,
    )


def _listener(asked: Asked) -> ClusterListener:
    """The listener by MSK's name for it, at the port that all brokers advertise, or else the first one asked."""
    ports = {each.port for each in asked.brokers}
    port = ports.pop() if len(ports) == 1 else asked.wanted.endpoints[0].port
    match asked.wanted.authentication:
        case AuthenticationScheme.SCRAM_SHA_512:
            return ClusterListener(name="CLIENT_SASL_SCRAM", port=port)
        case AuthenticationScheme.IAM:
            return ClusterListener(name="CLIENT_IAM", port=port)
        case AuthenticationScheme.MTLS:
            return ClusterListener(name="CLIENT_SECURE", port=port, client_certificate=ClientCertificate.REQUESTED)
        case AuthenticationScheme.NONE:
            return ClusterListener(name="CLIENT_SECURE" if asked.tls else "CLIENT", port=port)


def _broker(named: AdvertisedBroker, listener: ClusterListener) -> Broker | None:
    """A broker as it is advertised; None where that is no name and port, which the judge then says."""
    elsewhere = named.port != listener.port or named.name.endswith(".")
    try:
        return Broker(
            broker_id=named.broker_id,
            endpoint=named.name.removesuffix("."),
            advertised_listeners=(
                (AdvertisedListener(listener=listener.name, name=named.name, port=named.port),) if elsewhere else ()
            ),
        )
    except ValidationError:
        return None


def _cluster_name(names: Sequence[str]) -> str:
    """As MSK's names say it (``b-1.demo.a1b2c3.c2.kafka.us-east-1.amazonaws.com``)."""
    said = next((found for name in names if (found := _FROM_MSK.search(f".{name.lower()}."))), None)
    return CLUSTER if said is None else said[1]


def _domain(brokers: Sequence[Broker]) -> str:
    """What follows the first label of all brokers' names; unknown where they share none."""
    domains = {_below(broker.endpoint) for broker in brokers}
    return domains.pop() if len(domains) == 1 and "" not in domains else UNKNOWN


def _below(name: str) -> str:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name.partition(".")[2]
    return ""
