"""Entries of performance: what a measured run shows, and a verification does not."""

from __future__ import annotations

from typing import Final

from brokerproof.causes.catalogue.applies import (
    EC2,
    EVERY,
    GATEWAY,
    KAFKA,
    MSK,
    PRIVATELINK,
    THROUGH_LOAD_BALANCER,
)
from brokerproof.causes.catalogue.entry import Entry
from brokerproof.causes.codes import Code
from brokerproof.causes.pieces import Piece

_MEASURE = "the figures of a measured run beside an earlier one's, or another path's"

ENTRIES: Final = (
    Entry(
        code=Code.PERFORMANCE_WINDOW,
        sits=Piece.WAY,
        title="throughput is bound by the TCP window over the round trip",
        patterns=EVERY,
        evidence="throughput grows with the number of connections, and no packet is lost",
        remedy="set send.buffer.bytes and receive.buffer.bytes to -1",
        sources=(MSK,),
        facts=("perf-rtt-window-limited",),
        visible=False,
        seen_by=_MEASURE,
    ),
    Entry(
        code=Code.PERFORMANCE_EXTRA_HOP,
        sits=Piece.WAY,
        title="the path has a hop more than another that could be used",
        patterns=(*GATEWAY, *THROUGH_LOAD_BALANCER),
        evidence="a constant difference in paired samples of two paths",
        remedy="use the shorter path where latency matters more than its limits",
        sources=("AWS Big Data Blog: secure connectivity patterns for Amazon MSK",),
        facts=("perf-extra-hop-latency",),
        visible=False,
        seen_by=_MEASURE,
    ),
    Entry(
        code=Code.PERFORMANCE_BANDWIDTH,
        sits=Piece.CLIENT,
        title="a host's bandwidth allowance is used up",
        patterns=EVERY,
        evidence="throughput stays flat while the round trip grows under load",
        remedy="use a larger instance, or fewer bytes",
        call="ethtool -S (bw_out_allowance_exceeded)",
        sources=(EC2,),
        facts=("perf-bandwidth-shaped",),
        visible=False,
        seen_by=_MEASURE,
    ),
    Entry(
        code=Code.PERFORMANCE_QUOTA,
        sits=Piece.CLUSTER,
        title="the broker throttles the client by its quota",
        patterns=EVERY,
        evidence="throttle_time_ms above zero",
        remedy="raise the client quota, or send less",
        call="Kafka DescribeClientQuotas",
        sources=(KAFKA, MSK),
        facts=("perf-quota-throttle",),
        visible=False,
        seen_by="throttle_time_ms of the client's own statistics",
    ),
    Entry(
        code=Code.PERFORMANCE_SERVICE_LIMIT,
        sits=Piece.ENDPOINT,
        title="the endpoint or the gateway is at its limit",
        patterns=(*GATEWAY, *THROUGH_LOAD_BALANCER),
        evidence="throughput of all clients together stays flat",
        remedy="spread the traffic over zones, endpoints or attachments",
        call="CloudWatch of the endpoint or the gateway",
        sources=(PRIVATELINK,),
        facts=("perf-endpoint-baseline-10g",),
        visible=False,
        seen_by=_MEASURE,
    ),
    Entry(
        code=Code.PERFORMANCE_SLOW_DNS,
        sits=Piece.RESOLVER,
        title="the resolver takes a second or more for an answer",
        patterns=EVERY,
        evidence="the right answer, after a second or more, and again when the same question is asked once more",
        confused_with=(
            (Code.DNS_RESOLVER_SILENT, "there no answer comes at all, however long one waits"),
            (Code.DNS_NAMESERVER_DEAD, "there the first nameserver is silent, and the next one answers at once"),
        ),
        remedy="find what the resolver of {vpc} waits for (a server that it forwards to), and cache names on {client}",
        call="VPC resolver query logs; the forwarders of a resolver of your own",
        sources=(KAFKA, "resolv.conf(5): a lookup is repeated after 5 s"),
        facts=("perf-slow-dns",),
    ),
    Entry(
        code=Code.PERFORMANCE_SLOW_ANSWERS,
        sits=Piece.CLUSTER,
        title="answers come seconds late: the brokers, or the client's host, are short of processor time",
        patterns=EVERY,
        evidence=(
            "some answers do not come within their deadline, and most of those that do take half of it or more, of the "
            "same broker at the same stage"
        ),
        confused_with=(
            (Code.CLUSTER_BROKER_UNRESPONSIVE, "there no answer of that broker comes at all"),
            (Code.TCP_PACKET_LOSS, "there most answers come at once, and TCP sends segments again"),
        ),
        remedy=(
            "compare CpuUser and CpuSystem of the brokers of {cluster} with the processor load of {client}, and give "
            "what is short a larger size, or more brokers"
        ),
        call="CloudWatch CpuUser, CpuSystem, RequestHandlerAvgIdlePercent; vmstat on the client host",
        sources=("MSK developer guide: keep CpuUser and CpuSystem together below 60 %",),
    ),
    Entry(
        code=Code.PERFORMANCE_CONNECTION_CHURN,
        sits=Piece.CLIENT,
        title="clients open a connection a message",
        patterns=EVERY,
        evidence="many handshakes a second",
        remedy="keep one producer or consumer for many records",
        call="CloudWatch ConnectionCreationRate",
        sources=(MSK,),
        facts=("perf-connection-churn",),
        visible=False,
        seen_by="the broker's connection metrics",
    ),
)
