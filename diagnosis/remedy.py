"""What to change, where the stage, the reason and the pattern leave one place to look. Pure."""

from __future__ import annotations

from typing import Final

from diagnosis.check import Check
from probes.outcome import Reason, Stage
from topology.view import AddressKind, ClientView

_RECORD: Final = "add the record of {name} to the private hosted zone of {vpc}"
_RESOLVER: Final = "check the resolver of {vpc}: enableDnsSupport, DHCP options, port 53"
_DATES: Final = "renew the certificate, or set this host's clock"

_WORDS: Final[dict[tuple[Stage, Reason], str]] = {
    (Stage.RESOLVE, Reason.NXDOMAIN): _RECORD,
    (Stage.RESOLVE, Reason.NO_DATA): _RECORD,
    (Stage.RESOLVE, Reason.TIMED_OUT): _RESOLVER,
    (Stage.RESOLVE, Reason.REFUSED): _RESOLVER,
    (Stage.RESOLVE, Reason.SERVFAIL): _RESOLVER,
    (Stage.CONNECT, Reason.REFUSED): (
        "nothing listens there: check that the broker runs and that the target's port is its listener's"
    ),
    (Stage.HANDSHAKE, Reason.CHAIN_UNTRUSTED): (
        "trust the authority that issued the certificate (Amazon Trust Services for MSK), or find what answers there"
    ),
    (Stage.HANDSHAKE, Reason.NAME_MISMATCH): (
        "connect by the broker's own name; where that is so already, another cluster or a TLS listener answers"
    ),
    (Stage.HANDSHAKE, Reason.CERTIFICATE_EXPIRED): _DATES,
    (Stage.HANDSHAKE, Reason.CERTIFICATE_NOT_YET_VALID): _DATES,
    (Stage.IDENTITY, Reason.OTHER_BROKER): (
        "correct the target of the listener behind {address}:{port}: it is another broker's ENI"
    ),
}
_SILENT_ENDPOINT: Final = (
    "check, in this order: the listener of port {port}, the endpoint's security group, the target's security group "
    "(it must admit the NLB's addresses), the endpoint's state"
)
_SILENT_DIRECT: Final = (
    "check the broker's security group, the routes both ways, and the network ACLs of both subnets, where answers "
    "need the ephemeral ports"
)


def remedy(check: Check, view: ClientView) -> str:
    """One sentence naming the AWS resource to look at; empty where nothing can be said."""
    if check.isolation:
        return "close that path: the security group, route or listener that lets it through"
    by_endpoint = any(a.kind is AddressKind.ENDPOINT_ENI for b in view.brokers for a in b.addresses)
    if check.stage is Stage.METADATA:
        words = (
            "set advertised.listeners of broker {broker} to {name}:{port}"
            if view.pattern == "privatelink_single_nlb"
            else "restore advertised.listeners to what MSK creates"
        )
    elif check.check_id == "cluster/source":
        words = "find the second path into the cluster VPC: routes, peerings and records that lead around this pattern"
    elif check.stage is Stage.RESOLVE and check.reason is None:
        words = _wrong_answer(check, view) if by_endpoint else "find what overrides the public record of {name}"
    elif check.stage is Stage.CONNECT and check.reason is Reason.TIMED_OUT:
        words = _SILENT_ENDPOINT if by_endpoint else _SILENT_DIRECT
    elif check.reason is not None:
        words = _WORDS.get((check.stage, check.reason), "")
    else:
        words = ""
    return words.format(
        name=check.name, vpc=view.vpc_id, address=check.address, port=check.port, broker=check.broker_id
    )


def _wrong_answer(check: Check, view: ClientView) -> str:
    eni = next((b.eni_address for b in view.brokers if b.name == check.name), "")
    if eni and f"{eni} " in check.observed:
        return "associate the private hosted zone with {vpc}: the public record answers there"
    return "correct the record of {name}: its alias must be this broker's own endpoint"
