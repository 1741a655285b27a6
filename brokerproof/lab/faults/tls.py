"""Faults of the brokers' certificate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from brokerproof.causes import sets
from brokerproof.causes.codes import Code
from brokerproof.causes.sets import joined
from brokerproof.lab.faults.fault import EVERY, MULTI_VPC, Fault, FaultLayer
from brokerproof.probes.outcome import Reason, Stage
from brokerproof.topology.edit import with_changes
from brokerproof.topology.models import ServerCertificate, Topology


def _certificate(certificate: ServerCertificate) -> Callable[[Topology], Topology]:
    return lambda topology: with_changes(topology, "clusters", 0, server_certificate=certificate)


def _one_label_too_few(topology: Topology) -> Topology:
    """The cluster's own wildcard, which does not match two labels (RFC 6125, 6.4.3)."""
    return _certificate(ServerCertificate(dns_names=(f"*.{topology.clusters[0].domain}",)))(topology)


_OTHER_NAME = ServerCertificate(dns_names=("*.other.z9y8x7.c2.kafka.us-east-1.amazonaws.com",))

FAULTS: Final = (
    Fault(
        name="certificate-other-name",
        title="The certificate is for another cluster's names.",
        layer=FaultLayer.TLS,
        patterns=EVERY,
        edit=_certificate(_OTHER_NAME),
        stage=Stage.HANDSHAKE,
        reasons=(Reason.NAME_MISMATCH,),
        codes=(Code.TLS_OTHER_CLUSTER,),
    ),
    Fault(
        name="certificate-other-authority",
        title="The certificate is from an authority the client does not trust.",
        layer=FaultLayer.TLS,
        patterns=EVERY,
        edit=_certificate(ServerCertificate(trusted=False)),
        stage=Stage.HANDSHAKE,
        reasons=(Reason.CHAIN_UNTRUSTED,),
        codes=joined(Code.TLS_UNTRUSTED_AUTHORITY, sets.UNTRUSTED_HERE - {Code.TLS_CHAIN_INCOMPLETE}),
    ),
    Fault(
        name="certificate-expired",
        title="The certificate expired yesterday.",
        layer=FaultLayer.TLS,
        patterns=EVERY,
        edit=_certificate(ServerCertificate(valid_from_days=-400, valid_to_days=-1)),
        stage=Stage.HANDSHAKE,
        reasons=(Reason.CERTIFICATE_EXPIRED,),
        codes=joined(Code.TLS_CERTIFICATE_DATES, sets.NOT_NOW),
    ),
    Fault(
        name="certificate-not-yet-valid",
        title="The certificate is valid from tomorrow on.",
        layer=FaultLayer.TLS,
        patterns=EVERY,
        edit=_certificate(ServerCertificate(valid_from_days=1)),
        stage=Stage.HANDSHAKE,
        reasons=(Reason.CERTIFICATE_NOT_YET_VALID,),
        codes=joined(Code.TLS_CERTIFICATE_DATES, sets.NOT_NOW),
    ),
    Fault(
        name="certificate-without-intermediate",
        title="The brokers do not present the intermediate that signed their certificate.",
        layer=FaultLayer.TLS,
        patterns=EVERY,
        edit=_certificate(ServerCertificate(intermediate=False)),
        stage=Stage.HANDSHAKE,
        reasons=(Reason.CHAIN_UNTRUSTED,),
        codes=joined(Code.TLS_CHAIN_INCOMPLETE, sets.UNTRUSTED_HERE),
    ),
    Fault(
        name="certificate-without-connection-names",
        title="The listener of multi-VPC connectivity presents the cluster's ordinary wildcard.",
        layer=FaultLayer.TLS,
        patterns=MULTI_VPC,
        edit=_one_label_too_few,
        stage=Stage.HANDSHAKE,
        reasons=(Reason.NAME_MISMATCH,),
        codes=(Code.TLS_CONNECTION_NAME,),
    ),
)
