"""What each stage observed: one type a stage, told apart by its tag. Values only."""

from __future__ import annotations

from enum import StrEnum

from brokerproof.probes.outcome.base import Value
from brokerproof.probes.outcome.measured import LatencyFacts, PathLatencyFacts, ThroughputFacts
from brokerproof.probes.outcome.stages import Reason


class LookupFailure(StrEnum):
    """Why the operating system found no address: errors of getaddrinfo(3), and what is none of them."""

    TIMED_OUT = "timed_out"
    """The probe's own deadline passed."""
    AGAIN = "EAI_AGAIN"
    NO_NAME = "EAI_NONAME"
    OTHER = "other"


class ResolveFacts(Value, frozen=True, tag="resolve"):
    """The raw answer of the client's resolver, and what the operating system makes of the name."""

    resolver: str
    rcode: str
    a: tuple[str, ...] = ()
    aaaa: tuple[str, ...] = ()
    ttl_s: int | None = None
    cname_chain: tuple[str, ...] = ()
    soa: str = ""
    """Owner of the SOA in a negative answer: names the zone that answered (RFC 2308)."""
    aaaa_rcode: str = ""
    truncated: bool = False
    """True when the answer had to be fetched over TCP (RFC 7766)."""
    os_addresses: tuple[str, ...] = ()
    os_error: str = ""
    os_failure: LookupFailure | None = None
    """What ``os_error`` is; None where there is none."""
    query_ns: int = 0
    os_ns: int = 0


class TcpInfo(Value, frozen=True):
    """One connection as the probe's kernel saw it at the end of a stage (``struct tcp_info``, linux/tcp.h).

    A request whose large segment vanished is seen here: it stays unacknowledged and is sent again,
    while smaller ones behind it are acknowledged selectively. So is an answer of which only the small
    last segment came: ``data_segments_in`` counts it although no byte can be read yet.
    """

    rtt_us: int = 0
    """Smoothed, with its mean deviation (RFC 6298); 0 before the first sample."""
    rtt_variation_us: int = 0
    retransmitted_segments: int = 0
    """Of the connection so far, its SYN included."""
    unacknowledged_segments: int = 0
    """Sent and not acknowledged yet."""
    selectively_acknowledged_segments: int = 0
    """Of those, how many the peer has behind a gap (RFC 2018)."""
    data_segments_in: int | None = None
    """Segments with data that arrived, in order or not; None where the kernel is older than Linux 4.6."""
    snd_mss_bytes: int = 0
    rcv_mss_bytes: int = 0
    """As estimated from what arrived."""
    advertised_mss_bytes: int = 0
    """What this host told the peer."""
    pmtu_bytes: int = 0
    """What this host believes the path takes."""


class ConnectFacts(Value, frozen=True, tag="connect"):
    """One TCP connect: both socket addresses as the kernel reports them."""

    local_address: str = ""
    local_port: int = 0
    remote_address: str = ""
    remote_port: int = 0
    errno: str = ""
    tcp: TcpInfo | None = None
    """None where the kernel does not say."""


class HandshakeFacts(Value, frozen=True, tag="handshake"):
    """Chain, name and dates judged separately; the certificate as presented."""

    sni: str
    tls_version: str = ""
    cipher: str = ""
    chain_ok: bool | None = None
    name_ok: bool | None = None
    dates_ok: bool | None = None
    """None where the handshake ended before that could be judged."""
    problems: tuple[Reason, ...] = ()
    verify_errors: tuple[str, ...] = ()
    """OpenSSL's words and depth for each verification error, e.g. ``20@0 unable to get ...``."""
    subject: str = ""
    issuer: str = ""
    dns_names: tuple[str, ...] = ()
    not_before: str = ""
    not_after: str = ""
    """ISO 8601, UTC."""
    sha256: str = ""
    chain: tuple[str, ...] = ()
    """Subjects of the presented chain, leaf first."""
    alert: str = ""
    """Number and name."""
    alert_number: int | None = None
    """Of the alert the peer sent (RFC 8446, 6); None where it sent none."""
    no_common_version: bool = False
    """True where OpenSSL found no protocol version, or no cipher suite, that both sides speak."""
    client_certificate_requested: bool = False
    bytes_received: int = 0
    tcp: TcpInfo | None = None


class ApiFacts(Value, frozen=True, tag="api"):
    """ApiVersions as answered on this connection."""

    error_code: int = 0
    api_count: int = 0
    produce_max_version: int = -1
    fetch_max_version: int = -1
    tcp: TcpInfo | None = None


class AdvertisedBroker(Value, frozen=True):
    """A broker as Metadata lists it."""

    broker_id: int
    name: str
    port: int
    rack: str | None = None


class MetadataFacts(Value, frozen=True, tag="metadata"):
    """Metadata as answered on this connection (the listener the request came in on)."""

    cluster_id: str = ""
    controller_id: int = -1
    brokers: tuple[AdvertisedBroker, ...] = ()
    throttle_time_ms: int = 0
    """How long the broker held the answer back, or will hold this client back, by a quota (KIP-124, KIP-219)."""


class IdentityFacts(Value, frozen=True, tag="identity"):
    """Which broker answered: proved by DescribeConfigs for ``BROKER:<id>``.

    Only that broker answers for its own id; any other says ``Unexpected broker id, expected X``.
    """

    answered_by: int | None = None
    error_code: int = 0
    error_message: str = ""
    advertised_listeners: str = ""
    """``advertised.listeners`` of the answering broker, empty where not allowed to read it."""


class PathSizeFacts(Value, frozen=True, tag="path_size"):
    """Sizes of packets, IP and TCP headers included: the largest that passed, the smallest that did not."""

    to_broker_passed_bytes: int = 0
    to_broker_stopped_bytes: int | None = None
    """None where all sizes passed."""
    to_client_passed_bytes: int = 0
    """As large as the kernel saw one."""
    to_client_stopped_bytes: int | None = None
    """As large as the broker may send one; where requests did not pass, no large answer was tried."""
    answer_bytes: int | None = None
    """Of the large answer, over all its packets; None where it did not come."""
    tcp: TcpInfo | None = None


class TopicFacts(Value, frozen=True, tag="topic"):
    """The topic for records, where a broker refused to create or to describe it."""

    topic: str
    error_code: int = 0
    """Of the answer to CreateTopics or Metadata (Kafka protocol guide, error codes); 0 where there was none."""


class ProduceFacts(Value, frozen=True, tag="produce"):
    """Records to one partition, so to one leader; ``first_ack_ns`` is from send to acknowledgement."""

    topic: str
    partition: int
    leader_id: int
    records: int = 0
    acknowledged: int = 0
    first_ack_ns: int = 0
    error_name: str = ""
    client_log: tuple[str, ...] = ()


class ConsumeFacts(Value, frozen=True, tag="consume"):
    """What came back of the produced nonces from one partition."""

    topic: str
    partition: int
    leader_id: int
    expected: int = 0
    received: int = 0
    lost: int = 0
    duplicated: int = 0
    altered: int = 0
    error_name: str = ""
    client_log: tuple[str, ...] = ()


class GroupFacts(Value, frozen=True, tag="group"):
    """A consumer group: join, assignment, consumption, commit."""

    group: str
    coordinator_id: int | None = None
    assigned_partitions: int = 0
    received: int = 0
    committed: int = 0
    client_host: str = ""
    """This client's address as the coordinator sees it (DescribeGroups); empty where it was not said."""
    client_host_unknown: str = ""
    """Why it was not."""
    join_ns: int = 0
    error_name: str = ""
    client_log: tuple[str, ...] = ()


class IdleFacts(Value, frozen=True, tag="idle"):
    """A connection on which nothing was sent for a while."""

    silent_ms: int
    """Until it ended, or until the request."""
    asked: bool = False
    """Whether the silence passed and a request was sent; what is wrong then is the first packet's."""
    tcp: TcpInfo | None = None


Facts = (
    ResolveFacts
    | ConnectFacts
    | HandshakeFacts
    | ApiFacts
    | MetadataFacts
    | IdentityFacts
    | PathSizeFacts
    | TopicFacts
    | ProduceFacts
    | ConsumeFacts
    | GroupFacts
    | LatencyFacts
    | PathLatencyFacts
    | ThroughputFacts
    | IdleFacts
)
