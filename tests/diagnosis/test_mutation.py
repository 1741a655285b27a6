"""Sure is earned: without its witness in the evidence, no cause is said alone.

One entry a cause that a rule says alone: evidence that makes it so, and the same without what tells the cause from its
rivals. The registry is complete by the sources of the rules.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import pytest

from brokerproof import diagnosis
from brokerproof.causes.codes import Code
from brokerproof.diagnosis.diagnose import diagnose
from brokerproof.diagnosis.finding import ClientEvidence
from brokerproof.probes.outcome import (
    AdvertisedBroker,
    ApiFacts,
    AuthenticateFacts,
    AuthorizeFacts,
    CallerFacts,
    ClientCertificateFacts,
    ConnectFacts,
    GroupFacts,
    HandshakeFacts,
    HostFacts,
    HostsEntry,
    IdentityFacts,
    IdleFacts,
    LookupFailure,
    MetadataFacts,
    OtherAnswer,
    Outcome,
    PathSizeFacts,
    Reason,
    ResolveFacts,
    Role,
    Stage,
    Status,
    StsAnswer,
    TcpInfo,
    TokenFacts,
    TokenFlaw,
    TopicFacts,
    UnusableNameserver,
)
from brokerproof.probes.outcome.permissions import Permission
from brokerproof.topology.expectation.view import ClientView
from tests.diagnosis.bends import (
    EVERYONE,
    IN_VPC,
    MANAGED,
    MULTI,
    OUTSIDE,
    PEERING,
    REFUSED,
    SILENT,
    SINGLE,
    SOA,
    advertise,
    handshake,
    in_zone,
    late,
    nobodys_address,
    nobodys_name,
    on_host,
    outside_own_zone,
    resolver,
    told,
    unlisted,
)
from tests.diagnosis.bent import Bend, Change, answers, at, failed, judged, looked_at_again, seen, views_of
from tests.diagnosis.perfect import outcome

Evidence = Callable[[], Sequence[ClientEvidence]]
FAR = "privatelink_cross_region"
OURS, THEIRS = "demo.a1b2c3.c2.kafka.us-east-1.amazonaws.com", "other.z9y8x7.c2.kafka.us-east-1.amazonaws.com"


def runs(pattern: str, *bends: Bend, only: Collection[str] | None = None) -> Evidence:
    """What the clients of a pattern see, or only some of them."""
    return lambda: [seen(view, *bends) for view in views_of(pattern) if only is None or view.client in only]


def logging_in(pattern: str, *bends: Bend, scheme: str = "scram_sha_512") -> Evidence:
    """What clients see that log in by this scheme."""
    return lambda: [seen(view, *bends) for view in views_of(pattern, authentication=scheme)]


def login(reason: Reason, **facts: object) -> Change:
    """A login that ends so."""
    return failed(reason, AuthenticateFacts(**facts))  # type: ignore[arg-type]


def denied(caller: CallerFacts | None, clients: list[str] | None = None) -> Bend:
    """A token without a flaw that is refused, and what STS says of who signed it."""
    token = TokenFacts(broker_region_name="us-east-1", access_key_id="AKIA...MNOP")
    return Bend(at(Stage.AUTHENTICATE, clients=clients), login(Reason.CREDENTIALS_REFUSED, token=token, caller=caller))


def accepted_at_own() -> Bend:
    """The same access key, at the cluster's own listener."""
    token = TokenFacts(broker_region_name="us-east-1", access_key_id="AKIA...MNOP")
    return Bend(
        at(Stage.AUTHENTICATE, clients=["cluster_vpc"]),
        lambda o: msgspec.structs.replace(o, facts=AuthenticateFacts(token=token)),
    )


ACCEPTED: Final = CallerFacts(StsAnswer.ACCEPTED, caller_arn="arn:aws:iam::111111111111:user/app", clock_ahead_s=1)
OTHER_SIGNATURE: Final = CallerFacts(StsAnswer.SIGNATURE_REFUSED, "SignatureDoesNotMatch", clock_ahead_s=1)
OTHER_TIME: Final = msgspec.structs.replace(OTHER_SIGNATURE, clock_ahead_s=-1200)


def refused_after(**facts: object) -> tuple[Bend, Bend]:
    """A listener that asked for a certificate, and ended the connection on the first request."""
    had = ClientCertificateFacts(**facts)  # type: ignore[arg-type]

    def asked(o: Outcome) -> Outcome:
        return msgspec.structs.replace(
            o, facts=HandshakeFacts(sni="b", client_certificate_requested=True, client_certificate=had)
        )

    return Bend(at(Stage.HANDSHAKE), asked), Bend(at(Stage.API), failed(Reason.CLOSED, ApiFacts(alert_number=46)))


def without_tls(*bends: Bend) -> Evidence:
    """What the client in the cluster VPC sees whose listener is meant to be of plaintext."""
    return lambda: [seen(msgspec.structs.replace(view, tls=False), *bends) for view in views_of(IN_VPC)]


def again(pattern: str, *bends: Bend, over: bool) -> Evidence:
    """The same, where what failed was looked at once more."""
    return lambda: [looked_at_again(view, *bends, over=over) for view in views_of(pattern)]


def doors(pattern: str, opened: Callable[[ClientView, Outcome], bool], change: Change, *bends: Bend) -> Evidence:
    """The same, where some of what must not connect ends otherwise."""

    def bent(view: ClientView) -> ClientEvidence:
        outcomes = tuple(
            change(o) or o if o.target.role is Role.FORBIDDEN and opened(view, o) else o
            for o in seen(view, *bends).outcomes
        )
        return judged(view, outcomes)

    return lambda: [bent(view) for view in views_of(pattern)]


def accepted(o: Outcome) -> Outcome:
    return outcome(o.stage, o.target, facts=ConnectFacts())


def refused(o: Outcome) -> Outcome:
    return outcome(o.stage, o.target, Status.FAILED, Reason.REFUSED)


def silent(o: Outcome) -> Outcome:
    return outcome(o.stage, o.target, Status.FAILED, Reason.TIMED_OUT)


def by(*clients: str, port: int | None = None) -> Callable[[ClientView, Outcome], bool]:
    return lambda view, o: view.client in clients and port in {None, o.target.port}


def resolved(change: Change, *brokers: int, clients: Collection[str] | None = None) -> Bend:
    return Bend(at(Stage.RESOLVE, clients=clients, brokers=brokers or None), change)


def shaken(
    reason: Reason, *, clients: Collection[str] | None = None, brokers: Collection[int] | None = None, **facts: object
) -> Bend:
    return Bend(at(Stage.HANDSHAKE, clients=clients, brokers=brokers), handshake(reason, **facts))


PLAIN: Final = HostFacts(nameservers=("10.1.0.2",), name_services=("files", "dns"))
"""A host that asks the resolver that the probe asks, and nobody else."""
WRONG: Final = "10.1.99.99"
PINNED: Final = msgspec.structs.replace(PLAIN, hosts_entries=(HostsEntry(name=f"b-2.{OURS}", addresses=(WRONG,)),))
DEAD: Final = UnusableNameserver(resolver="10.1.0.53", reason=Reason.TIMED_OUT, detail="no answer within 1750 ms")


def hosted(pattern: str, bend: Bend, host: HostFacts, *controls: Outcome) -> Evidence:
    """What clients see, where the host of one is set so, and this is what it met of what nobody has."""
    return lambda: on_host(runs(pattern, bend)(), "peered", host, controls)


def differing(**facts: object) -> Bend:
    """An operating system that has another address for broker 2 than the resolver."""
    return resolved(told(Reason.OS_ANSWER_DIFFERS, os_addresses=(WRONG,), **facts), 2, clients=["peered"])


def wrongly_answered() -> Bend:
    return resolved(answers(WRONG), 2, clients=["peered"])


def unheard(**facts: object) -> Change:
    """An operating system that hears nothing of a name that the resolver gives to the probe."""
    failure = {"os_addresses": (), "os_failure": LookupFailure.AGAIN, "answer_bytes": 814}
    return told(Reason.OS_RESOLUTION_FAILED, **failure, **facts)


def unknown_to_the_host() -> Bend:
    change = told(Reason.OS_RESOLUTION_FAILED, os_addresses=(), os_failure=LookupFailure.NO_NAME)
    return resolved(change, clients=["peered"])


def another_answers() -> Bend:
    return Bend(at(Stage.IDENTITY, clients=["peered"], brokers=[2, 3]), failed(Reason.OTHER_BROKER))


def by_resolver(address: str) -> Change:
    """The right answer, from this resolver."""

    def change(o: Outcome) -> Outcome:
        assert isinstance(o.facts, ResolveFacts)
        return msgspec.structs.replace(o, facts=msgspec.structs.replace(o.facts, resolver=address))

    return change


def without_entry(broker_id: int) -> Change:
    """Metadata that lists one broker less."""

    def change(o: Outcome) -> Outcome:
        assert isinstance(o.facts, MetadataFacts)
        left = tuple(b for b in o.facts.brokers if b.broker_id != broker_id)
        return outcome(o.stage, o.target, facts=MetadataFacts(cluster_id="c", controller_id=1, brokers=left))

    return change


def advertise_more(broker_id: int) -> Bend:
    """Metadata that lists a broker more."""

    def change(o: Outcome) -> Outcome:
        assert isinstance(o.facts, MetadataFacts)
        new = AdvertisedBroker(broker_id=broker_id, name=f"b-{broker_id}.{OURS}", port=9094)
        facts = MetadataFacts(cluster_id="c", controller_id=1, brokers=(*o.facts.brokers, new))
        return outcome(o.stage, o.target, facts=facts)

    return Bend(at(Stage.METADATA), change)


def on_b_1(_view: ClientView, o: Outcome) -> bool:
    return o.target.role is Role.BOOTSTRAP and o.target.name[:3] == "b-1"


def at_bootstrap(_view: ClientView, o: Outcome) -> bool:
    return o.target.role is Role.BOOTSTRAP


REQUIRED: Final = failed(Reason.CLOSED, ApiFacts(alert_number=116))


def asking(o: Outcome) -> Outcome:
    """A handshake in which the peer asked for a certificate."""
    return outcome(o.stage, o.target, facts=HandshakeFacts(sni="b", client_certificate_requested=True))


def shown(sha256: str) -> Change:
    """A handshake that is content, with this certificate."""
    return lambda o: outcome(o.stage, o.target, facts=HandshakeFacts(sni="b", sha256=sha256))


ENIS: Final = {1: "10.0.0.10", 2: "10.0.16.10", 3: "10.0.32.10"}
"""Where brokers are, as public DNS says it."""


def public(*brokers: int, clients: Collection[str]) -> list[Bend]:
    return [resolved(answers(ENIS[broker]), broker, clients=clients) for broker in brokers]


def in_zones_of_their_own(*bends: Bend) -> Evidence:
    """What clients see that have a private zone for each broker's name."""
    return lambda: [
        seen(msgspec.structs.replace(view, zone_names=tuple(broker.name for broker in view.brokers)), *bends)
        for view in views_of(SINGLE)
    ]


def sizes(**facts: object) -> Bend:
    return Bend(
        at(Stage.PATH_SIZE, clients=["account_b"]),
        failed(Reason.TIMED_OUT, PathSizeFacts(to_broker_stopped_bytes=9001, **facts)),  # type: ignore[arg-type]
    )


PASSED_BY: Final = TcpInfo(unacknowledged_segments=1, selectively_acknowledged_segments=1)
"""A segment that is not acknowledged, and a later one that is."""


def idle(*clients: str) -> Bend:
    """Connections of these clients that are reset after a silence."""
    return Bend(at(Stage.IDLE, clients=clients), failed(Reason.RESET, IdleFacts(silent_ms=360_000, asked=True)))


def ended_by(limit_ms: int | None) -> list[Bend]:
    """Connections that end in order after ten minutes, and what brokers say of their limit."""

    def told(o: Outcome) -> Outcome:
        facts = IdentityFacts(answered_by=o.target.broker_id, connections_max_idle_ms=limit_ms)
        return outcome(o.stage, o.target, facts=facts)

    return [Bend(at(Stage.IDENTITY), told), Bend(at(Stage.IDLE), failed(Reason.CLOSED, IdleFacts(silent_ms=600_000)))]


def telling(advertised_listeners: str) -> Bend:
    """Brokers that prove who they are, and tell their settings."""
    return Bend(
        at(Stage.IDENTITY),
        lambda o: outcome(
            o.stage,
            o.target,
            facts=IdentityFacts(answered_by=o.target.broker_id, advertised_listeners=advertised_listeners),
        ),
    )


def no_topic(
    error_code: int,
    *,
    asked: int | None = None,
    brokers: Collection[int] | None = None,
    reason: Reason = Reason.TOPIC_NOT_CREATED,
) -> Bend:
    facts = TopicFacts(topic="t", error_code=error_code, asked_broker_id=asked)
    return Bend(at(Stage.PRODUCE, brokers=brokers), failed(reason, facts))


def no_group(**facts: str) -> Bend:
    return Bend(at(Stage.GROUP), failed(Reason.NOT_ASSIGNED, GroupFacts(group="g", **facts)))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Mutation:
    """Evidence by which a cause is said alone, and the same without its witness."""

    code: Code
    witness: str
    """What tells the cause from its rivals."""
    there: Evidence
    gone: Evidence
    open: str = ""
    """Whose rule is still sure without it; to be taken away with the mending."""


PEER = ["peered"]
MUTATIONS: Final = (
    # names
    Mutation(
        Code.DNS_RECORD_MISSING,
        "the SOA of the very zone that must have the record",
        runs(SINGLE, resolved(resolver(Reason.NXDOMAIN, soa=SOA), 2, clients=["account_b"])),
        runs(SINGLE, resolved(resolver(Reason.NXDOMAIN, soa=""), 2, clients=["account_b"])),
    ),
    Mutation(
        Code.DNS_MORE_SPECIFIC_ZONE,
        "the SOA of a zone below the one that has the record",
        runs(SINGLE, resolved(resolver(Reason.NXDOMAIN, soa=f"b-1.{SOA}"), 1, clients=["account_b"])),
        runs(SINGLE, resolved(resolver(Reason.NXDOMAIN, soa=""), 1, clients=["account_b"])),
    ),
    Mutation(
        Code.DNS_RESOLVER_BYPASSED,
        "a server that is not the VPC's was asked",
        runs(PEERING, resolved(resolver(Reason.NXDOMAIN, soa=".", resolver="10.1.0.53"), clients=PEER)),
        runs(PEERING, resolved(resolver(Reason.NXDOMAIN, soa=".", resolver=""), clients=PEER)),
    ),
    Mutation(
        Code.DNS_RESOLVER_RULE,
        "the VPC's own resolver was asked, and elsewhere the name exists",
        runs(PEERING, resolved(resolver(Reason.NXDOMAIN, soa="."), clients=PEER)),
        runs(PEERING, resolved(resolver(Reason.NXDOMAIN, soa="."), clients=PEER), only=PEER),
    ),
    Mutation(
        Code.DNS_RESOLVER_SILENT,
        "a server that is not the VPC's was asked",
        runs(PEERING, resolved(resolver(Reason.TIMED_OUT, rcode="", resolver="10.1.0.53"), clients=PEER)),
        runs(PEERING, resolved(resolver(Reason.TIMED_OUT, rcode="", resolver=""), clients=PEER)),
    ),
    Mutation(
        Code.DNS_RESOLVER_FAILING,
        "a server that is not the VPC's was asked",
        runs(PEERING, resolved(resolver(Reason.SERVFAIL, rcode="SERVFAIL", resolver="10.1.0.53"), clients=PEER)),
        runs(PEERING, resolved(resolver(Reason.SERVFAIL, rcode="SERVFAIL", resolver=""), clients=PEER)),
    ),
    Mutation(
        Code.DNS_CNAME_LOOP,
        "a chain that comes back to itself",
        runs(SINGLE, resolved(resolver(Reason.SERVFAIL, cname_chain=("x.", "y.", "x.")), 2, clients=["account_b"])),
        runs(SINGLE, resolved(resolver(Reason.SERVFAIL), 2, clients=["account_b"])),
    ),
    Mutation(
        Code.DNS_STALE_RECORD,
        "the client's other names are right",
        runs(MULTI, resolved(answers("10.1.0.77"), 1, clients=["account_b"])),
        runs(MULTI, resolved(answers("10.1.0.77"), clients=["account_b"])),
    ),
    Mutation(
        Code.DNS_WRONG_ENDPOINT,
        "every address of the answer is another broker's endpoint",
        runs(MULTI, resolved(answers("10.1.0.151"), 1, clients=["account_b"])),
        runs(MULTI, resolved(answers("10.1.0.151", "10.1.0.77"), 1, clients=["account_b"])),
    ),
    Mutation(
        Code.DNS_ZONAL_ALIAS,
        "another name has all addresses of the same endpoint",
        runs(SINGLE, resolved(answers("10.1.0.150"), 1, clients=["account_b"])),
        runs(SINGLE, resolved(answers("10.1.0.150"), clients=["account_b"])),
    ),
    Mutation(
        Code.ENDPOINT_ZONE_MISMATCH,
        "the answers lack one zone of several",
        runs(SINGLE, resolved(answers("10.1.0.150", "10.1.16.150"), clients=["account_b"])),
        runs(SINGLE, resolved(answers("10.1.0.150"), clients=["account_b"])),
    ),
    Mutation(
        Code.DNS_IPV6_ANSWER_UNUSABLE,
        "what is right is in the answer too",
        runs(
            MULTI, resolved(answers("10.1.0.150", "10.1.16.150", "10.1.32.150", "fd00::250"), 1, clients=["account_b"])
        ),
        runs(MULTI, resolved(answers("10.1.0.77", "10.1.0.151", "fd00::250"), 1, clients=["account_b"])),
    ),
    Mutation(
        Code.DNS_ZONE_NOT_ASSOCIATED,
        "names of another zone are answered rightly",
        in_zones_of_their_own(*public(2, 3, clients=["account_b"])),
        runs(SINGLE, *public(2, 3, clients=["account_b"])),
    ),
    Mutation(
        Code.DNS_LOCAL_ZONE_MISSING,
        "clients behind the endpoints use the private zone",
        runs(SINGLE, *public(1, 2, 3, clients=["cluster_vpc"])),
        runs(SINGLE, *public(1, 2, 3, clients=["cluster_vpc"]), only=["cluster_vpc"]),
    ),
    Mutation(
        Code.DNS_TCP_BLOCKED,
        "the TC bit, and no way to ask over TCP",
        runs(PEERING, resolved(told(Reason.TRUNCATED, a=(), tcp_failure=Reason.REFUSED), clients=PEER)),
        runs(PEERING, resolved(resolver(Reason.TIMED_OUT, rcode=""), clients=PEER)),
    ),
    Mutation(
        Code.DNS_TCP_BLOCKED,
        "a question over TCP that failed too",
        runs(PEERING, resolved(unheard(tcp_failure=Reason.TIMED_OUT), clients=PEER)),
        runs(PEERING, resolved(unheard(), clients=PEER)),
    ),
    Mutation(
        Code.DNS_NAMESERVER_DEAD,
        "the nameserver answers no other name either",
        runs(PEERING, resolved(told(Reason.NAMESERVER_UNUSABLE, unusable=(DEAD,)), clients=PEER)),
        runs(
            PEERING,
            resolved(told(Reason.NAMESERVER_UNUSABLE, unusable=(DEAD,)), 2, clients=PEER),
            resolved(by_resolver(DEAD.resolver), 1, 3, clients=PEER),
        ),
    ),
    Mutation(
        Code.DNS_ANSWERS_ROTATE,
        "another answer to the same question of the same resolver",
        runs(PEERING, resolved(told(Reason.ANSWERS_ROTATE, again=(WRONG,)), 2, clients=PEER)),
        runs(PEERING, resolved(told(Reason.OS_ANSWER_DIFFERS, os_addresses=(WRONG,)), 2, clients=PEER)),
    ),
    Mutation(
        Code.PERFORMANCE_SLOW_DNS,
        "an answer, however late",
        runs(PEERING, resolved(told(Reason.SLOW), clients=PEER)),
        runs(PEERING, resolved(resolver(Reason.TIMED_OUT, rcode=""), clients=PEER)),
    ),
    Mutation(
        Code.DNS_WILDCARD_RECORD,
        "a name that nobody has has the same address",
        hosted(PEERING, wrongly_answered(), PLAIN, nobodys_name(f"x1.{OURS}", WRONG), nobodys_name("x1.example.com")),
        hosted(PEERING, wrongly_answered(), PLAIN, nobodys_name(f"x1.{OURS}"), nobodys_name("x1.example.com")),
    ),
    Mutation(
        Code.DNS_CAPTIVE_RESOLVER,
        "a name of nobody's outside the cluster's domain has the same address",
        hosted(PEERING, wrongly_answered(), PLAIN, nobodys_name("x1.example.com", WRONG)),
        hosted(PEERING, wrongly_answered(), PLAIN, nobodys_name("x1.example.com")),
    ),
    # the client's own host
    Mutation(
        Code.HOST_HOSTS_ENTRY,
        "a line of the hosts file with the operating system's address",
        hosted(PEERING, differing(), PINNED),
        hosted(PEERING, differing(), PLAIN),
    ),
    Mutation(
        Code.HOST_SEARCH_LIST,
        "the operating system's address under a suffix of the search list",
        hosted(PEERING, differing(searched=(OtherAnswer(asked="b-2.apps.example", addresses=(WRONG,)),)), PLAIN),
        hosted(PEERING, differing(searched=(OtherAnswer(asked="b-2.apps.example", addresses=("10.8.8.8",)),)), PLAIN),
    ),
    Mutation(
        Code.DNS_RESOLVER_BYPASSED,
        "another nameserver of the host gives the operating system's address",
        hosted(PEERING, differing(elsewhere=(OtherAnswer(asked="10.1.0.53", addresses=(WRONG,)),)), PLAIN),
        hosted(PEERING, differing(), PLAIN),
    ),
    Mutation(
        Code.HOST_NAME_SERVICE,
        "a line of nsswitch.conf that asks no resolver",
        hosted(PEERING, unknown_to_the_host(), HostFacts(nameservers=("10.1.0.2",), name_services=("files",))),
        hosted(PEERING, unknown_to_the_host(), PLAIN),
    ),
    Mutation(
        Code.HOST_INTERCEPTED,
        "an address that nobody has accepts",
        hosted(PEERING, another_answers(), PLAIN, *nobodys_address(9094, None, "10.1.15.254", "10.1.15.253")),
        hosted(
            PEERING,
            Bend(at(Stage.CONNECT, clients=PEER), SILENT),
            PLAIN,
            *nobodys_address(9094, Reason.TIMED_OUT, "10.1.15.254", "10.1.15.253"),
        ),
    ),
    Mutation(
        Code.DNS_ZONE_SHADOWS_REGION,
        "the SOA of a private zone answers for a name that is not the cluster's",
        runs(
            SINGLE,
            Bend(
                at(Stage.RESOLVE, where=lambda _v, o: o.target.role is Role.OTHER),
                resolver(Reason.NO_DATA, soa="kafka.us-east-1.amazonaws.com"),
            ),
        ),
        runs(
            SINGLE,
            Bend(
                at(Stage.RESOLVE, where=lambda _v, o: o.target.role is Role.OTHER),
                resolver(Reason.NO_DATA, soa="amazonaws.com"),
            ),
        ),
    ),
    # connections
    Mutation(
        Code.CLUSTER_BROKER_DOWN,
        "the others' metadata leaves it out",
        runs(PEERING, Bend(at(Stage.CONNECT, brokers=[2]), REFUSED), unlisted(2), only=["peered"]),
        runs(PEERING, Bend(at(Stage.CONNECT, brokers=[2]), REFUSED), only=["peered"]),
    ),
    Mutation(
        Code.CLUSTER_BROKER_DOWN,
        "a second client is refused as well",
        runs(PEERING, Bend(at(Stage.CONNECT, brokers=[2]), REFUSED)),
        runs(PEERING, Bend(at(Stage.CONNECT, brokers=[2]), REFUSED), only=["peered"]),
    ),
    Mutation(
        Code.LISTENER_NOT_ENABLED,
        "another port of the same brokers accepts",
        doors(PEERING, by("peered", port=9098), accepted, Bend(at(Stage.CONNECT), REFUSED)),
        runs(PEERING, Bend(at(Stage.CONNECT), REFUSED)),
    ),
    Mutation(
        Code.TRANSIENT_OVER,
        "the second look passed",
        again(PEERING, Bend(at(Stage.HANDSHAKE, brokers=[2]), failed(Reason.CLOSED)), over=True),
        again(PEERING, Bend(at(Stage.HANDSHAKE, brokers=[2]), failed(Reason.CLOSED)), over=False),
    ),
    Mutation(
        Code.NLB_CROSS_ZONE_OFF,
        "of each broker the addresses of other zones refuse",
        runs(SINGLE, Bend(at(Stage.CONNECT, where=outside_own_zone), REFUSED)),
        runs(SINGLE, Bend(at(Stage.CONNECT, where=outside_own_zone), SILENT)),
    ),
    Mutation(
        Code.SECURITY_NETWORK_ACL,
        "a client that needs no route to the endpoint's subnets meets it",
        runs(MULTI, Bend(at(Stage.CONNECT, clients=["account_b"], where=in_zone("use1-az2")), SILENT)),
        runs(MULTI, Bend(at(Stage.CONNECT, clients=["remote_by_peering"], where=in_zone("use1-az2")), SILENT)),
    ),
    Mutation(
        Code.SECURITY_BROKER_GROUP,
        "another port of the same brokers is open instead",
        doors(IN_VPC, by("cluster_vpc", port=9098), refused, Bend(at(Stage.CONNECT), SILENT)),
        doors(IN_VPC, by("cluster_vpc", port=9098), silent, Bend(at(Stage.CONNECT), SILENT)),
    ),
    Mutation(
        Code.PERFORMANCE_SLOW_ANSWERS,
        "the broker's other answers take half the deadline or more",
        runs(SINGLE, *late(Stage.HANDSHAKE, 2000), only=["account_b"]),
        runs(SINGLE, *late(Stage.HANDSHAKE, 20), only=["account_b"]),
    ),
    Mutation(
        Code.NLB_BOOTSTRAP_TARGET_DEAD,
        "other connections to the same listener work",
        runs(SINGLE, Bend(at(Stage.HANDSHAKE, where=on_b_1), handshake(Reason.TIMED_OUT, problems=()))),
        runs(SINGLE, Bend(at(Stage.HANDSHAKE, where=at_bootstrap), handshake(Reason.TIMED_OUT, problems=()))),
    ),
    Mutation(
        Code.NLB_BOOTSTRAP_TARGET_DEAD,
        "it is silent to several clients",
        runs(SINGLE, Bend(at(Stage.HANDSHAKE, where=on_b_1), handshake(Reason.TIMED_OUT, problems=()))),
        runs(
            SINGLE,
            Bend(at(Stage.HANDSHAKE, where=on_b_1), handshake(Reason.TIMED_OUT, problems=())),
            only=["account_b"],
        ),
    ),
    Mutation(
        Code.NLB_IDLE_TIMEOUT,
        "a second client's connections are reset as well",
        runs(SINGLE, idle(*EVERYONE)),
        runs(SINGLE, idle(*EVERYONE), only=["account_b"]),
    ),
    Mutation(
        Code.TCP_PATH_MTU,
        "the large segment is sent again, and what is behind it is acknowledged",
        runs(SINGLE, sizes(sent_again_segments=3, tcp=PASSED_BY)),
        runs(SINGLE, sizes(tcp=PASSED_BY)),
    ),
    # TLS
    Mutation(
        Code.CLUSTER_BROKER_UNRESPONSIVE,
        "clients of several VPCs hear nothing from the one broker",
        runs(PEERING, shaken(Reason.TIMED_OUT, brokers=[2], problems=())),
        runs(PEERING, shaken(Reason.TIMED_OUT, brokers=[2], problems=()), only=PEER),
    ),
    Mutation(
        Code.TLS_OTHER_CLUSTER,
        "the names of another cluster",
        runs(IN_VPC, shaken(Reason.NAME_MISMATCH, dns_names=(f"*.{THEIRS}",))),
        runs(IN_VPC, shaken(Reason.NAME_MISMATCH, dns_names=())),
    ),
    Mutation(
        Code.TLS_NAME_NOT_COVERED,
        "names of this very cluster, and not the one that was asked for",
        runs(IN_VPC, shaken(Reason.NAME_MISMATCH, dns_names=(f"b-9.{OURS}",))),
        runs(IN_VPC, shaken(Reason.NAME_MISMATCH, dns_names=("broker.example.com",))),
    ),
    Mutation(
        Code.TLS_CONNECTION_NAME,
        "the ordinary wildcard of this very cluster",
        runs(MANAGED, shaken(Reason.NAME_MISMATCH, clients=["account_b", "overlapping"], dns_names=(f"*.{OURS}",))),
        runs(MANAGED, shaken(Reason.NAME_MISMATCH, clients=["account_b", "overlapping"], dns_names=())),
    ),
    *(
        Mutation(code, "clocks of other hosts say the same", runs(PEERING, bend), runs(PEERING, bend, only=PEER))
        for code, bend in (
            (Code.TLS_CERTIFICATE_DATES, shaken(Reason.CERTIFICATE_EXPIRED)),
            (Code.TLS_CERTIFICATE_NOT_YET_VALID, shaken(Reason.CERTIFICATE_NOT_YET_VALID)),
        )
    ),
    Mutation(
        Code.TLS_CLOCK_WRONG,
        "another client takes the same certificate",
        runs(
            PEERING,
            shaken(Reason.CERTIFICATE_EXPIRED, clients=PEER, sha256="x"),
            Bend(at(Stage.HANDSHAKE, clients=["cluster_vpc"]), shown("x")),
        ),
        runs(PEERING, shaken(Reason.CERTIFICATE_EXPIRED, clients=PEER, sha256="x"), only=PEER),
    ),
    Mutation(
        Code.TLS_UNTRUSTED_AUTHORITY,
        "clients of other VPCs are shown the same certificate",
        runs(PEERING, shaken(Reason.CHAIN_UNTRUSTED, sha256="x", chain=("CN=b", "CN=ca"))),
        runs(PEERING, shaken(Reason.CHAIN_UNTRUSTED, sha256="x", chain=("CN=b", "CN=ca")), only=PEER),
    ),
    Mutation(
        Code.TLS_INSPECTED,
        "another client is shown another certificate of the same broker, and is content",
        runs(
            PEERING,
            shaken(Reason.CHAIN_UNTRUSTED, clients=PEER, sha256="y"),
            Bend(at(Stage.HANDSHAKE, clients=["cluster_vpc"]), shown("x")),
        ),
        runs(PEERING, shaken(Reason.CHAIN_UNTRUSTED, clients=PEER, sha256="y"), only=PEER),
    ),
    Mutation(
        Code.TLS_CLIENT_CERTIFICATE_MISSING,
        "the server asked for a certificate",
        runs(IN_VPC, Bend(at(Stage.HANDSHAKE), asking), Bend(at(Stage.API), REQUIRED)),
        runs(IN_VPC, Bend(at(Stage.API), REQUIRED)),
    ),
    Mutation(
        Code.TLS_CLIENT_CERTIFICATE_MISSING,
        "that the alert says so",
        runs(IN_VPC, Bend(at(Stage.HANDSHAKE), asking), Bend(at(Stage.API), REQUIRED)),
        runs(IN_VPC, Bend(at(Stage.HANDSHAKE), asking), Bend(at(Stage.API), failed(Reason.CLOSED))),
    ),
    Mutation(
        Code.TLS_PLAINTEXT_CLIENT,
        "TLS answers a second connection",
        without_tls(Bend(at(Stage.API), failed(Reason.CLOSED, ApiFacts(answers_tls=True)))),
        without_tls(Bend(at(Stage.API), failed(Reason.CLOSED, ApiFacts()))),
    ),
    Mutation(
        Code.TLS_SNI_REQUIRED,
        "the alert unrecognized_name",
        runs(IN_VPC, shaken(Reason.ALERT, problems=(), alert_number=112)),
        runs(IN_VPC, shaken(Reason.ALERT, problems=(), alert_number=None)),
    ),
    Mutation(
        Code.TLS_VERSION_MISMATCH,
        "the alert protocol_version, where handshake_failure may be anything",
        runs(IN_VPC, shaken(Reason.ALERT, problems=(), alert_number=70)),
        runs(IN_VPC, shaken(Reason.ALERT, problems=(), alert_number=40)),
    ),
    Mutation(
        Code.NLB_PROXY_PROTOCOL,
        "clients at the brokers themselves are content",
        runs(MULTI, shaken(Reason.ALERT, clients=OUTSIDE, problems=(), alert_number=80)),
        runs(MULTI, shaken(Reason.ALERT, clients=OUTSIDE, problems=(), alert_number=80), only=OUTSIDE),
    ),
    Mutation(
        Code.NLB_WRONG_TARGET_PORT,
        "Kafka answers without TLS there",
        runs(SINGLE, Bend(at(Stage.HANDSHAKE, where=on_b_1), handshake(Reason.CLOSED, answers_plaintext=True))),
        runs(SINGLE, Bend(at(Stage.HANDSHAKE, where=on_b_1), handshake(Reason.CLOSED))),
    ),
    Mutation(
        Code.TCP_NOT_KAFKA,
        "the first words of another protocol",
        runs(PEERING, shaken(Reason.NOT_TLS, brokers=[2], problems=(), first_bytes="HTTP/1.1 400 Bad Request")),
        runs(PEERING, shaken(Reason.NOT_TLS, brokers=[2], problems=())),
    ),
    Mutation(
        Code.TLS_PLAINTEXT_LISTENER,
        "Kafka answers without TLS there",
        runs(IN_VPC, shaken(Reason.CLOSED, problems=(), answers_plaintext=True)),
        runs(IN_VPC, shaken(Reason.CLOSED, problems=())),
    ),
    # what brokers say
    Mutation(
        Code.NLB_WRONG_TARGET,
        "everybody who uses the same target meets the other broker",
        runs(SINGLE, Bend(at(Stage.IDENTITY, brokers=[2]), failed(Reason.OTHER_BROKER, IdentityFacts(answered_by=3)))),
        runs(
            SINGLE,
            Bend(
                at(Stage.IDENTITY, brokers=[2], clients=["account_b"]),
                failed(Reason.OTHER_BROKER, IdentityFacts(answered_by=3)),
            ),
        ),
    ),
    *(
        Mutation(code, "the entry in a broker's own answer", runs(pattern, bend), runs(pattern, unread))
        for unread in [Bend(at(Stage.METADATA), failed(Reason.TIMED_OUT))]
        for code, pattern, bend in (
            (Code.METADATA_ADVERTISED_UNCHANGED, SINGLE, advertise(2, "", 9094)),
            (Code.METADATA_ADVERTISED_PORT, SINGLE, advertise(2, "", 8450)),
            (Code.METADATA_ADVERTISED_NAME, IN_VPC, advertise(2, "b-2.example.com", 0)),
            (Code.METADATA_ADVERTISED_SWAPPED, SINGLE, advertise(2, "", 8445)),
            (Code.METADATA_NEW_BROKER, IN_VPC, advertise_more(4)),
        )
    ),
    Mutation(
        Code.METADATA_LISTENER_DROPPED,
        "the settings that the broker itself tells",
        runs(IN_VPC, Bend(at(Stage.METADATA), without_entry(2)), telling("OTHER://b-2:9092")),
        runs(IN_VPC, Bend(at(Stage.METADATA), without_entry(2)), telling("")),
    ),
    Mutation(
        Code.CLUSTER_BROKER_CUT_OFF,
        "a second client is told the same",
        runs(PEERING, Bend(at(Stage.METADATA, brokers=[1, 3]), without_entry(2))),
        runs(PEERING, Bend(at(Stage.METADATA, brokers=[1, 3]), without_entry(2)), only=PEER),
    ),
    Mutation(
        Code.CLUSTER_NO_IDENTITY,
        "the broker's own word that it does not support what was asked",
        runs(IN_VPC, Bend(at(Stage.IDENTITY), failed(Reason.UNSUPPORTED_VERSION))),
        runs(IN_VPC, Bend(at(Stage.IDENTITY), failed(Reason.CLOSED))),
    ),
    Mutation(
        Code.AUTH_MECHANISM,
        "that nothing but the listener itself answers",
        logging_in(IN_VPC, Bend(at(Stage.AUTHENTICATE), login(Reason.MECHANISM_NOT_OFFERED, offered=("OAUTHBEARER",)))),
        logging_in(SINGLE, Bend(at(Stage.AUTHENTICATE), login(Reason.MECHANISM_NOT_OFFERED, offered=("OAUTHBEARER",)))),
    ),
    Mutation(
        Code.AUTH_SCRAM_SECRET,
        "a second broker that refuses the user before the password is proved",
        logging_in(IN_VPC, Bend(at(Stage.AUTHENTICATE), login(Reason.CREDENTIALS_REFUSED))),
        logging_in(IN_VPC, Bend(at(Stage.AUTHENTICATE, brokers=[1]), login(Reason.CREDENTIALS_REFUSED))),
    ),
    Mutation(
        Code.AUTH_SCRAM_PASSWORD,
        "that every broker takes the user",
        logging_in(IN_VPC, Bend(at(Stage.AUTHENTICATE), login(Reason.CREDENTIALS_REFUSED, messages=1))),
        logging_in(
            IN_VPC,
            Bend(at(Stage.AUTHENTICATE, brokers=[1]), login(Reason.CREDENTIALS_REFUSED)),
            Bend(at(Stage.AUTHENTICATE, brokers=[2, 3]), login(Reason.CREDENTIALS_REFUSED, messages=1)),
        ),
    ),
    *(
        Mutation(
            code,
            "the flaw that the client knows of its token",
            logging_in(
                IN_VPC,
                Bend(at(Stage.AUTHENTICATE), login(Reason.CREDENTIALS_REFUSED, token=TokenFacts(flaws=(flaw,)))),
                scheme="iam",
            ),
            logging_in(
                IN_VPC,
                Bend(at(Stage.AUTHENTICATE), login(Reason.CREDENTIALS_REFUSED, token=TokenFacts())),
                scheme="iam",
            ),
        )
        for code, flaw in (
            (Code.AUTH_IAM_REGION, TokenFlaw.OTHER_REGION),
            (Code.AUTH_IAM_EXPIRED, TokenFlaw.CREDENTIALS_ENDED),
        )
    ),
    *(
        Mutation(
            code,
            witness,
            logging_in(IN_VPC, denied(there), scheme="iam"),
            logging_in(IN_VPC, denied(gone), scheme="iam"),
        )
        for code, witness, there, gone in (
            (Code.AUTH_IAM_KEY, "that STS does not know the key", CallerFacts(StsAnswer.KEY_UNKNOWN), None),
            (Code.AUTH_IAM_EXPIRED, "that STS says so", CallerFacts(StsAnswer.SESSION_ENDED), None),
            (Code.AUTH_CLOCK_SKEW, "that STS says so", CallerFacts(StsAnswer.REQUEST_EXPIRED), None),
            (
                Code.AUTH_IAM_SECRET,
                "that the Date of STS's refusal agrees with the client's clock",
                OTHER_SIGNATURE,
                msgspec.structs.replace(OTHER_SIGNATURE, clock_ahead_s=None),
            ),
            (
                Code.AUTH_CLOCK_SKEW,
                "a Date of STS's refusal that is further off than STS takes",
                OTHER_TIME,
                msgspec.structs.replace(OTHER_TIME, clock_ahead_s=-600),
            ),
            (
                Code.AUTH_IAM_DENIED,
                "that STS takes the credentials, and the Date of its answer agrees with the client's clock",
                ACCEPTED,
                msgspec.structs.replace(ACCEPTED, clock_ahead_s=600),
            ),
        )
    ),
    Mutation(
        Code.AUTH_CLUSTER_POLICY,
        "that the cluster's own listener accepts the same access key",
        logging_in(MANAGED, accepted_at_own(), denied(ACCEPTED, clients=["account_b", "overlapping"]), scheme="iam"),
        logging_in(MANAGED, denied(ACCEPTED, clients=["account_b", "overlapping"]), scheme="iam"),
    ),
    Mutation(
        Code.AUTH_IAM_DENIED,
        "that the cluster's own listener refuses the same access key",
        logging_in(MANAGED, denied(ACCEPTED), scheme="iam"),
        logging_in(MANAGED, denied(ACCEPTED, clients=["account_b", "overlapping"]), scheme="iam"),
    ),
    Mutation(
        Code.TLS_CLIENT_CERTIFICATE_DATES,
        "that the client's own certificate is out of its dates",
        logging_in(IN_VPC, *refused_after(dates_ok=False), scheme="mtls"),
        logging_in(IN_VPC, *refused_after(), scheme="mtls"),
    ),
    Mutation(
        Code.TLS_CLIENT_CERTIFICATE_UNTRUSTED,
        "that the client has the whole chain",
        logging_in(IN_VPC, *refused_after(authority_named=False, chain_length=2), scheme="mtls"),
        logging_in(IN_VPC, *refused_after(authority_named=False), scheme="mtls"),
    ),
    Mutation(
        Code.TLS_CLIENT_KEY_UNUSABLE,
        "that the client's own library refused the pair",
        logging_in(IN_VPC, shaken(Reason.CLIENT_KEY_UNUSABLE), scheme="mtls"),
        logging_in(IN_VPC, shaken(Reason.PROTOCOL_ERROR), scheme="mtls"),
    ),
    *(
        Mutation(
            code,
            "the reason",
            logging_in(IN_VPC, Bend(at(Stage.AUTHENTICATE), login(reason))),
            logging_in(IN_VPC, Bend(at(Stage.AUTHENTICATE), login(Reason.KAFKA_ERROR))),
        )
        for code, reason in (
            (Code.AUTH_NO_CREDENTIALS, Reason.NO_CREDENTIALS),
            (Code.AUTH_STS_UNREACHABLE, Reason.STS_UNREACHABLE),
            (Code.AUTH_CONNECT_RATE, Reason.CONNECTION_RATE),
            (Code.AUTH_SESSION_SHORT, Reason.SESSION_TOO_SHORT),
            (Code.AUTH_REAUTHENTICATION, Reason.PRINCIPAL_CHANGED),
            (Code.AUTH_CERTIFICATE_IGNORED, Reason.CERTIFICATE_NOT_REQUESTED),
        )
    ),
    *(
        Mutation(
            code,
            "the permission that the refusal was for",
            runs(IN_VPC, Bend(at(Stage.AUTHORIZE), failed(Reason.NOT_AUTHORIZED, AuthorizeFacts(denied=(lacked,))))),
            runs(IN_VPC, Bend(at(Stage.AUTHORIZE), failed(Reason.NOT_AUTHORIZED))),
        )
        for code, lacked in (
            (Code.AUTH_CLUSTER_DENIED, Permission.DESCRIBE_CLUSTER),
            (Code.AUTH_IDEMPOTENT_DENIED, Permission.WRITE_IDEMPOTENTLY),
            (Code.AUTH_TRANSACTION_DENIED, Permission.WRITE_TRANSACTIONAL_ID),
        )
    ),
    Mutation(
        Code.AUTH_GROUP_DENIED,
        "the broker's refusal",
        runs(IN_VPC, Bend(at(Stage.GROUP), failed(Reason.NOT_AUTHORIZED))),
        runs(IN_VPC, Bend(at(Stage.GROUP), failed(Reason.KAFKA_ERROR))),
    ),
    Mutation(
        Code.AUTH_SETTINGS_DENIED,
        "the broker's refusal",
        runs(IN_VPC, Bend(at(Stage.IDENTITY), failed(Reason.NOT_AUTHORIZED))),
        runs(IN_VPC, Bend(at(Stage.IDENTITY), failed(Reason.KAFKA_ERROR))),
    ),
    Mutation(
        Code.CLUSTER_IDLE_LIMIT,
        "the limit that the broker itself tells",
        runs(IN_VPC, *ended_by(600_000)),
        runs(IN_VPC, *ended_by(None)),
    ),
    Mutation(
        Code.AUTH_TOPIC_DENIED,
        "the broker's refusal",
        runs(IN_VPC, Bend(at(Stage.PRODUCE), failed(Reason.NOT_AUTHORIZED))),
        runs(IN_VPC, Bend(at(Stage.PRODUCE), failed(Reason.TIMED_OUT))),
    ),
    Mutation(
        Code.PRODUCE_MIN_ISR,
        "the broker's error",
        runs(IN_VPC, Bend(at(Stage.PRODUCE), failed(Reason.NOT_ENOUGH_REPLICAS))),
        runs(IN_VPC, Bend(at(Stage.PRODUCE), failed(Reason.KAFKA_ERROR))),
    ),
    Mutation(
        Code.PRODUCE_TOPIC_MISSING,
        "UNKNOWN_TOPIC_OR_PARTITION of a broker",
        runs(IN_VPC, no_topic(3, reason=Reason.TOPIC_NOT_FOUND)),
        runs(IN_VPC, no_topic(0, reason=Reason.TOPIC_NOT_FOUND)),
    ),
    Mutation(
        Code.PRODUCE_TOPIC_REFUSED,
        "POLICY_VIOLATION of a broker",
        runs(IN_VPC, no_topic(44)),
        runs(IN_VPC, no_topic(0)),
    ),
    Mutation(
        Code.CLUSTER_CONTROLLER_UNAVAILABLE,
        "a second broker that waits for the controller in vain",
        runs(IN_VPC, no_topic(7, asked=1, brokers=[1]), no_topic(7, asked=2, brokers=[2, 3])),
        runs(IN_VPC, no_topic(7, asked=1)),
    ),
    Mutation(
        Code.CONSUME_COORDINATOR_UNREACHABLE,
        "a broker's error that says so",
        runs(IN_VPC, no_group(error_name="COORDINATOR_NOT_AVAILABLE")),
        runs(IN_VPC, no_group()),
    ),
    Mutation(
        Code.CONSUME_JOIN_DELAYED,
        "the state of the group, as the coordinator tells it",
        runs(IN_VPC, no_group(group_state="PreparingRebalance")),
        runs(IN_VPC, no_group()),
    ),
    # what must not work
    Mutation(
        Code.ISOLATION_PLAINTEXT_OPEN,
        "an accepted connection",
        doors(PEERING, by("peered", port=9092), accepted),
        doors(PEERING, by("peered", port=9092), silent),
    ),
    Mutation(
        Code.ISOLATION_PORTS_OPEN,
        "a connection that got there",
        doors(PEERING, by("peered", port=22), refused),
        doors(PEERING, by("peered", port=22), silent),
    ),
    Mutation(
        Code.ISOLATION_UNAPPROVED_CLIENT,
        "an accepted connection",
        doors(PEERING, by("ungrouped"), accepted),
        doors(PEERING, by("ungrouped"), silent),
    ),
    Mutation(
        Code.ISOLATION_SECOND_PATH,
        "an accepted connection",
        doors(FAR, lambda view, _o: not view.brokers, accepted),
        doors(FAR, lambda view, _o: not view.brokers, silent),
    ),
)


def each() -> Iterator[object]:
    for number, mutation in enumerate(MUTATIONS):
        marks = [pytest.mark.xfail(reason=f"{mutation.open}: sure without {mutation.witness}")] if mutation.open else []
        yield pytest.param(mutation, id=f"{number}-{mutation.code}", marks=marks)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.code.value)
def test_with_its_witness_the_cause_is_said_alone(mutation: Mutation) -> None:
    found = diagnose(mutation.there()).findings
    assert [finding.codes for finding in found if mutation.code in finding.codes] == [(mutation.code,)]


@pytest.mark.parametrize("mutation", tuple(each()))
def test_without_its_witness_nothing_is_said_alone(mutation: Mutation) -> None:
    found = diagnose(mutation.gone()).findings
    assert [finding.codes for finding in found if finding.sure] == []


# The registry is complete

SAID_ELSEWHERE: Final = {
    Code.NLB_CROSS_ZONE_ON,  # an accepted connection at an address that must be dead, as the other isolation causes
    Code.TLS_BOOTSTRAP_BY_ADDRESS,  # the name that was asked for is an address: there is nothing to be taken away
}
"""Causes that are said alone by what no client observes, so that nothing can be taken out of the evidence."""


def said_alone(tree: ast.AST) -> Iterator[Code]:
    """Every cause that these sources make a set of its own, or return by itself."""
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}

    def holder(node: ast.AST) -> ast.AST:
        parent = parents[node]
        return holder(parent) if isinstance(parent, ast.IfExp) and not is_option(parent) else parent

    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="Code")):
                pass
            case _:
                continue
        made = parents[parents[node]]
        alone = isinstance(parents[node], ast.Set) and len(getattr(parents[node], "elts", ())) == 1
        if alone and isinstance(made, ast.Call) and ast.unparse(made.func) == "frozenset":
            parent = holder(made)
            if not isinstance(parent, ast.BinOp | ast.AugAssign | ast.Compare | ast.IfExp):
                yield Code[node.attr]
        elif isinstance(holder(node), ast.Return):
            yield Code[node.attr]


def is_option(node: ast.IfExp) -> bool:
    """Whether it is a cause that is added to others, or not."""
    return ast.unparse(node.orelse) == "frozenset()"


def test_every_cause_that_a_rule_says_alone_has_its_mutation() -> None:
    [folder] = diagnosis.__path__
    sources = [path.read_text(encoding="utf-8") for path in Path(folder).rglob("*.py")]
    naming = [source for source in sources if "Code." in source]
    alone = {code for source in naming for code in said_alone(ast.parse(source))} - {Code.UNKNOWN}
    missing = sorted(alone - SAID_ELSEWHERE - {mutation.code for mutation in MUTATIONS})
    assert missing == [], "add an entry to MUTATIONS: the evidence, and the same without what tells the cause apart"


def test_what_is_said_alone_is_read_from_the_sources() -> None:
    source = """
def one(a):
    if a == {Code.TCP_PACKET_LOSS}:
        return frozenset({Code.DNS_STALE_RECORD}), ""
    ports = frozenset({Code.NLB_PORTS_EXHAUSTED}) if a else frozenset()
    codes = sets.NO_ANSWER - {Code.DNS_RESOLVER_SILENT} | frozenset({Code.DNS_CNAME_LOOP})
    yield Draft(frozenset({Code.TLS_INSPECTED}), "", ())
    return Code.AUTH_TOPIC_DENIED if a else Code.PRODUCE_MIN_ISR
"""
    assert set(said_alone(ast.parse(source))) == {
        Code.DNS_STALE_RECORD,
        Code.TLS_INSPECTED,
        Code.AUTH_TOPIC_DENIED,
        Code.PRODUCE_MIN_ISR,
    }
