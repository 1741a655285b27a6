"""Faults of the brokers' certificate, and of what a listener wants of TLS; the latter restart every broker."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from brokerproof.causes.codes import Code
from brokerproof.lab.faults.fault import (
    COMBINATION,
    EVERY,
    GATEWAY,
    IN_VPC,
    MULTI_VPC,
    PEERING,
    PRIVATELINK,
    STRAIGHT,
    Fault,
    FaultLayer,
    afflicted,
)
from brokerproof.probes.outcome import Reason, Stage
from brokerproof.topology.edit import with_changes, with_properties
from brokerproof.topology.models import ServerCertificate, Topology

_OTHER_NAME: Final = ServerCertificate(dns_names=("*.other.z9y8x7.c2.kafka.us-east-1.amazonaws.com",))


def _certificate(certificate: ServerCertificate) -> Callable[[Topology], Topology]:
    return lambda topology: with_changes(topology, "clusters", 0, server_certificate=certificate)


def _one_label_too_few(topology: Topology) -> Topology:
    """The cluster's own wildcard, which does not match two labels (RFC 6125, 6.4.3)."""
    return _certificate(ServerCertificate(dns_names=(f"*.{topology.clusters[0].domain}",)))(topology)


def _client_certificate(topology: Topology) -> Topology:
    listener = afflicted(topology).listener.lower()
    return with_properties(topology, {f"listener.name.{listener}.ssl.client.auth": "required"})


def _no_common_cipher(topology: Topology) -> Topology:
    """A suite for DSA keys, which no certificate of the cluster has."""
    listener = f"listener.name.{afflicted(topology).listener.lower()}"
    suites = "TLS_DHE_DSS_WITH_AES_128_GCM_SHA256"
    settings = {f"{listener}.ssl.enabled.protocols": "TLSv1.2", f"{listener}.ssl.cipher.suites": suites}
    return with_properties(topology, settings)


def _plaintext(topology: Topology) -> Topology:
    """The listener's name promises TLS, and its protocol is another."""
    protocols: dict[str, str] = {entry.name: "SSL" for entry in topology.clusters[0].listeners}
    protocols |= {"REPLICATION": "PLAINTEXT", "CONTROLLER": "PLAINTEXT", afflicted(topology).listener: "PLAINTEXT"}
    mapped = ",".join(f"{listener}:{protocol}" for listener, protocol in protocols.items())
    return with_properties(topology, {"listener.security.protocol.map": mapped})


_fault = partial(Fault, layer=FaultLayer.TLS, stage=Stage.HANDSHAKE, patterns=EVERY)

FAULTS: Final = (
    _fault(
        "certificate-other-name",
        "The certificate is for another cluster's names.",
        _certificate(_OTHER_NAME),
        Code.TLS_OTHER_CLUSTER,
        reasons=(Reason.NAME_MISMATCH,),
    ),
    _fault(
        "certificate-other-authority",
        "The certificate is from an authority the client does not trust.",
        _certificate(ServerCertificate(trusted=False)),
        Code.TLS_UNTRUSTED_AUTHORITY,
        reasons=(Reason.CHAIN_UNTRUSTED,),
        alike={(*IN_VPC, *MULTI_VPC): (Code.TLS_INSPECTED,), (*PEERING, *GATEWAY, *PRIVATELINK, *COMBINATION): ()},
    ),
    _fault(
        "certificate-expired",
        "The certificate expired yesterday.",
        _certificate(ServerCertificate(valid_from_days=-400, valid_to_days=-1)),
        Code.TLS_CERTIFICATE_DATES,
        reasons=(Reason.CERTIFICATE_EXPIRED,),
        alike={IN_VPC: (Code.TLS_CLOCK_WRONG,), (*PEERING, *GATEWAY, *PRIVATELINK, *MULTI_VPC, *COMBINATION): ()},
    ),
    _fault(
        "certificate-not-yet-valid",
        "The certificate is valid from tomorrow on.",
        _certificate(ServerCertificate(valid_from_days=1)),
        Code.TLS_CERTIFICATE_NOT_YET_VALID,
        reasons=(Reason.CERTIFICATE_NOT_YET_VALID,),
        alike={IN_VPC: (Code.TLS_CLOCK_WRONG,), (*PEERING, *GATEWAY, *PRIVATELINK, *MULTI_VPC, *COMBINATION): ()},
    ),
    _fault(
        "certificate-without-intermediate",
        "The brokers do not present the intermediate that signed their certificate.",
        _certificate(ServerCertificate(intermediate=False)),
        Code.TLS_CHAIN_INCOMPLETE,
        reasons=(Reason.CHAIN_UNTRUSTED,),
        alike={
            (*IN_VPC, *MULTI_VPC): (Code.TLS_INSPECTED, Code.TLS_UNTRUSTED_AUTHORITY),
            (*PEERING, *GATEWAY, *PRIVATELINK, *COMBINATION): (Code.TLS_UNTRUSTED_AUTHORITY,),
        },
    ),
    _fault(
        "certificate-without-connection-names",
        "The listener of multi-VPC connectivity presents the cluster's ordinary wildcard.",
        _one_label_too_few,
        Code.TLS_CONNECTION_NAME,
        patterns=MULTI_VPC,
        reasons=(Reason.NAME_MISMATCH,),
    ),
    _fault(
        "client-certificate-required",
        "The listener wants a client certificate, and the client has none.",
        _client_certificate,
        Code.TLS_CLIENT_CERTIFICATE_MISSING,
        stage=Stage.API,
        reasons=(Reason.CLOSED, Reason.RESET, Reason.SOCKET_ERROR),
    ),
    _fault(
        "listener-plaintext",
        "The listener that clients reach by TLS speaks without it.",
        _plaintext,
        Code.TLS_PLAINTEXT_LISTENER,
        reasons=(Reason.CLOSED, Reason.RESET, Reason.NOT_TLS, Reason.TIMED_OUT),
        alike={
            (*STRAIGHT, *MULTI_VPC): (),
            (*PRIVATELINK, *COMBINATION): (Code.NLB_PROXY_PROTOCOL, Code.NLB_WRONG_TARGET_PORT),
        },
    ),
    _fault(
        "tls-version-mismatch",
        "The listener's TLS version and cipher suites have nothing in common with the client's.",
        _no_common_cipher,
        Code.TLS_VERSION_MISMATCH,
        reasons=(Reason.ALERT,),
        alike=(Code.TLS_SNI_REQUIRED, Code.TLS_LISTENER_FAILING),
    ),
)
