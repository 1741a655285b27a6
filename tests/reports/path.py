"""A synthetic client view, and the facts each stage records on a path like it."""

from __future__ import annotations

from typing import Final

from brokerproof.probes.outcome import (
    AdvertisedBroker,
    ApiFacts,
    ConnectFacts,
    ConsumeFacts,
    Facts,
    HandshakeFacts,
    IdentityFacts,
    MetadataFacts,
    PathSizeFacts,
    ProduceFacts,
    Reason,
    ResolveFacts,
    Stage,
)
from brokerproof.topology.expectation.view import (
    AddressKind,
    AddressView,
    BootstrapView,
    BrokerView,
    ClientView,
    ForbiddenView,
)
from brokerproof.topology.patterns import PatternName

ZONES: Final = ("use1-az1", "use1-az2", "use1-az4")
CLUSTER: Final = "orders.k3f9xa.c4.kafka.us-east-1.amazonaws.com"


def view(client: str = "billing", pattern: str = "privatelink_multi_nlb", brokers: int = 3) -> ClientView:
    single = pattern == "privatelink_single_nlb"

    def addresses(broker_id: int, *, all_zones: bool) -> tuple[AddressView, ...]:
        home = (broker_id - 1) % len(ZONES)
        return tuple(
            AddressView(
                address=f"10.1.{zone}.{10 if single else 10 + broker_id}",
                kind=AddressKind.ENDPOINT_ENI,
                owner="vpce-0a1b2c3d" if single else f"vpce-0a1b2c3d{broker_id}",
                zone_id=zone_id,
                must_connect=all_zones or zone == home,
                why_not="" if all_zones or zone == home else "cross-zone is off and the target is elsewhere",
                fails_with=() if all_zones or zone == home else (Reason.TIMED_OUT,),
            )
            for zone, zone_id in enumerate(ZONES)
        )

    views = tuple(
        BrokerView(
            broker_id=number,
            name=f"b-{number}.{CLUSTER}",
            port=8442 + number if single else 9094,
            addresses=addresses(number, all_zones=single),
        )
        for number in range(1, brokers + 1)
    )
    return ClientView(
        client=client,
        pattern=PatternName(pattern),
        vpc_id="vpc-0c11e47",
        region_name="us-east-1",
        zone_id=ZONES[0],
        cluster_name="orders",
        tls=True,
        bootstrap=tuple(BootstrapView(name=one.name, port=9094, addresses=one.addresses) for one in views[:3]),
        brokers=views,
        forbidden=tuple(
            ForbiddenView(address=f"10.0.{zone}.11", port=port, why=why, fails_with=(Reason.TIMED_OUT,))
            for zone, port, why in (
                (0, 9094, "the cluster VPC is not routed from here"),
                (1, 22, "only broker ports"),
            )
        ),
    )


def facts_of(stage: Stage, broker: BrokerView, address: str, reason: Reason | None) -> Facts | None:  # noqa: PLR0911  (one case a stage)
    number = broker.broker_id
    wildcard = f"*.{CLUSTER}"
    match stage:
        case Stage.RESOLVE:
            missing = reason is Reason.NXDOMAIN
            found = () if missing else tuple(one.address for one in broker.addresses)
            return ResolveFacts(
                resolver="10.1.0.2",
                rcode="NXDOMAIN" if missing else "NOERROR",
                a=found,
                os_addresses=found,
                os_error="EAI_NONAME" if missing else "",
                ttl_s=None if missing else 60,
                soa="kafka.us-east-1.amazonaws.com" if missing else "",
                query_ns=380_000,
            )
        case Stage.CONNECT:
            return ConnectFacts(
                local_address="10.1.0.50",
                local_port=40_000 + number,
                remote_address="" if reason else address,
                errno="ETIMEDOUT" if reason is Reason.TIMED_OUT else "",
            )
        case Stage.HANDSHAKE:
            return HandshakeFacts(
                sni=broker.name,
                tls_version="TLSv1.3",
                cipher="TLS_AES_256_GCM_SHA384",
                chain_ok=True,
                name_ok=reason is not Reason.NAME_MISMATCH,
                dates_ok=reason is not Reason.CERTIFICATE_EXPIRED,
                problems=() if reason is None else (reason,),
                subject=f"CN={wildcard}",
                issuer="CN=Amazon RSA 2048 M02,O=Amazon,C=US",
                dns_names=(wildcard,),
                not_before="2025-11-02T00:00:00Z",
                not_after="2026-12-01T23:59:59Z",
                sha256="9f2c4b1a77d0e35f8c6b1d2e3f4a5b6c7d8e9fa0b1c2d3e4f5061728394a5b6c",
                chain=(f"CN={wildcard}", "CN=Amazon RSA 2048 M02,O=Amazon,C=US"),
                bytes_received=4_812,
            )
        case Stage.API:
            return ApiFacts(api_count=62, produce_max_version=12, fetch_max_version=17)
        case Stage.METADATA:
            return MetadataFacts(
                cluster_id="Jb1kPq0zQ2mV7cX9yT4uWg",
                controller_id=1,
                brokers=tuple(
                    AdvertisedBroker(broker_id=one, name=f"b-{one}.{CLUSTER}", port=8442 + one) for one in (1, 2, 3)
                ),
            )
        case Stage.IDENTITY:
            other = number % 3 + 1
            wrong = reason is Reason.OTHER_BROKER
            message = f"Unexpected broker id, expected {other}, but received {number}" if wrong else ""
            return IdentityFacts(
                answered_by=other if wrong else number, error_code=42 if wrong else 0, error_message=message
            )
        case Stage.PATH_SIZE:
            return PathSizeFacts(to_broker_passed_bytes=1_500, to_client_passed_bytes=1_500, answer_bytes=14_212)
        case Stage.PRODUCE:
            return ProduceFacts(
                topic="brokerproof-7f3c",
                partition=number - 1,
                leader_id=number,
                records=5,
                acknowledged=0 if reason else 5,
                first_ack_ns=0 if reason else 6_120_000,
                error_name="_TRANSPORT" if reason else "",
            )
        case Stage.CONSUME:
            return ConsumeFacts(
                topic="brokerproof-7f3c", partition=number - 1, leader_id=number, expected=5, received=5
            )
        case _:
            return None
