"""What to change, where the stage, the reason and the pattern leave one place to look. Pure."""

from __future__ import annotations

from typing import Final

from brokerproof.diagnosis.check import Assertion, Check
from brokerproof.probes.outcome import Reason, Stage
from brokerproof.topology.expectation.view import AddressKind, ClientView
from brokerproof.topology.patterns import spec_of

_RECORD: Final = "add the record of {name} to the private hosted zone of {vpc}"
_RESOLVER: Final = "check the resolver of {vpc}: enableDnsSupport, DHCP options, port 53"

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
    (Stage.HANDSHAKE, Reason.CERTIFICATE_EXPIRED): "renew the certificate, or set this host's clock",
    (Stage.HANDSHAKE, Reason.CERTIFICATE_NOT_YET_VALID): (
        "set this host's clock; where it is right, show a certificate whose dates have begun"
    ),
    (Stage.PATH_SIZE, Reason.TIMED_OUT): (
        "lower the MTU of the hosts of {vpc} to what passed, or let ICMP type 3 code 4 (ICMPv6 type 2) through on the "
        "way to {address}"
    ),
    (Stage.IDENTITY, Reason.OTHER_BROKER): (
        "correct the target of the listener behind {address}:{port}: it is another broker's ENI"
    ),
}
_BY_ASSERTION: Final = {
    Assertion.SOURCE: "find the second path into the cluster VPC: routes, peerings and records that lead around this "
    "pattern",
    Assertion.ONE_CLUSTER: "give every broker that metadata lists a path, or find what leads to another cluster",
}
_OPEN_PATH: Final = "close that path: the security group, route or listener that lets it through"
_WIDE_ZONE: Final = "name the private hosted zone of {vpc} after the cluster's own domain, not after one above it"
_SILENT_ENDPOINT: Final = (
    "check, in this order: the listener of port {port}, the endpoint's security group, the target's security group "
    "(it must admit the NLB's addresses), the endpoint's state"
)
_SILENT_NLB: Final = (
    "check, in this order: the NLB's listener of port {port}, its security groups, the target's security group "
    "(it must admit the NLB's addresses)"
)
_SILENT_CONNECTION: Final = (
    "check, in this order: the VPC connection's state (AVAILABLE), its security group (ports 14001-14100 from this "
    "client), that the scheme is still turned on for the cluster"
)
_SILENT_DIRECT: Final = (
    "check the broker's security group, the routes both ways, and the network ACLs of both subnets, where answers "
    "need the ephemeral ports"
)


def remedy(check: Check, view: ClientView) -> str:
    """One sentence naming the AWS resource to look at; empty where nothing can be said."""
    words = _sentence(check, view)
    if check.isolation:
        words = _WIDE_ZONE if check.stage is Stage.RESOLVE else _OPEN_PATH
    return words.format(
        name=check.name, vpc=view.vpc_id, address=check.address, port=check.port, broker=check.broker_id
    )


def _sentence(check: Check, view: ClientView) -> str:
    if check.asserts in _BY_ASSERTION:
        return _BY_ASSERTION[check.asserts]
    if spec_of(view.pattern).is_managed and (words := _managed(check)):
        return words
    kinds = {a.kind for b in view.brokers for a in b.addresses}
    match check.stage, check.reason:
        case Stage.METADATA, None:
            return _advertised(view)
        case Stage.RESOLVE, None:
            return _wrong_answer(check, view, kinds)
        case Stage.CONNECT, Reason.TIMED_OUT:
            return _silent(kinds)
        case stage, reason:
            return _WORDS.get((stage, reason), "") if reason is not None else ""


def _managed(check: Check) -> str:
    """What MSK runs itself; empty where it is as in any other pattern."""
    match check.stage, check.reason:
        case Stage.RESOLVE, _:
            return "check that {vpc} has a VPC connection for this scheme, and no private zone that covers {name}"
        case Stage.CONNECT, Reason.TIMED_OUT:
            return _SILENT_CONNECTION
        case Stage.HANDSHAKE, Reason.NAME_MISMATCH:
            return "use the names of the connection's own bootstrap string, not the cluster's ordinary ones"
        case _:
            return ""


def _advertised(view: ClientView) -> str:
    if spec_of(view.pattern).has_port_per_broker:
        return "set advertised.listeners of broker {broker} to {name}:{port}"
    return "restore advertised.listeners to what MSK creates"


def _silent(kinds: set[AddressKind]) -> str:
    if AddressKind.ENDPOINT_ENI in kinds:
        return _SILENT_ENDPOINT
    return _SILENT_NLB if AddressKind.NLB_NODE in kinds else _SILENT_DIRECT


def _wrong_answer(check: Check, view: ClientView, kinds: set[AddressKind]) -> str:
    if kinds == {AddressKind.BROKER_ENI}:
        return "find what overrides the public record of {name}"
    eni = next((b.eni_address for b in view.brokers if b.name == check.name), "")
    if eni in check.observed_addresses:
        return "associate the private hosted zone with {vpc}: the public record answers there"
    target = "the NLB" if AddressKind.NLB_NODE in kinds else "this broker's own endpoint"
    return f"correct the record of {{name}}: its alias must be {target}"
