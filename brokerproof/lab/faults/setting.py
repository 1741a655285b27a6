"""Faults of broker configuration, which restarts every broker: TLS settings of a listener, limits on records."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from brokerproof.causes.codes import Code
from brokerproof.causes.sets import joined
from brokerproof.lab.faults import likeness
from brokerproof.lab.faults.fault import EVERY, Fault, FaultLayer, afflicted
from brokerproof.probes.outcome import Reason, Stage
from brokerproof.topology.edit import with_each
from brokerproof.topology.models import KafkaAcl, Topology


def _with_properties(properties: dict[str, str], topology: Topology) -> Topology:
    return with_each(topology, "clusters", server_properties=topology.clusters[0].server_properties | properties)


def _client_certificate(topology: Topology) -> Topology:
    listener = afflicted(topology).listener.lower()
    return _with_properties({f"listener.name.{listener}.ssl.client.auth": "required"}, topology)


def _no_common_cipher(topology: Topology) -> Topology:
    """A suite for DSA keys, which no certificate of the cluster has."""
    listener = f"listener.name.{afflicted(topology).listener.lower()}"
    suites = "TLS_DHE_DSS_WITH_AES_128_GCM_SHA256"
    settings = {f"{listener}.ssl.enabled.protocols": "TLSv1.2", f"{listener}.ssl.cipher.suites": suites}
    return _with_properties(settings, topology)


def _writing_denied(topology: Topology) -> Topology:
    """Everything but writing is allowed on the probe's topics; a DENY wins over every ALLOW."""
    every = KafkaAcl(resource_name="brokerproof", pattern_type="PREFIXED")
    write = every.model_copy(update={"operation": "WRITE", "permission_type": "DENY"})
    return with_each(topology, "clusters", kafka_acls=(every, write))


def _plaintext(topology: Topology) -> Topology:
    """The listener's name promises TLS, and its protocol is another."""
    protocols: dict[str, str] = {entry.name: "SSL" for entry in topology.clusters[0].listeners}
    protocols |= {"REPLICATION": "PLAINTEXT", "CONTROLLER": "PLAINTEXT", afflicted(topology).listener: "PLAINTEXT"}
    mapped = ",".join(f"{listener}:{protocol}" for listener, protocol in protocols.items())
    return _with_properties({"listener.security.protocol.map": mapped}, topology)


def _fault(
    name: str,
    title: str,
    edit: Callable[[Topology], Topology],
    *codes: Code,
    layer: FaultLayer,
    stage: Stage,
    reasons: tuple[Reason | None, ...],
    brokers: tuple[int, ...] = (1, 2, 3),
) -> Fault:
    return Fault(
        name=name,
        title=title,
        layer=layer,
        patterns=EVERY,
        edit=edit,
        stage=stage,
        reasons=reasons,
        brokers=brokers,
        codes=codes,
    )


FAULTS: Final = (
    _fault(
        "client-certificate-required",
        "The listener wants a client certificate, and the client has none.",
        _client_certificate,
        Code.TLS_CLIENT_CERTIFICATE_MISSING,
        layer=FaultLayer.TLS,
        stage=Stage.API,
        reasons=(Reason.CLOSED, Reason.RESET, Reason.SOCKET_ERROR),
    ),
    _fault(
        "listener-plaintext",
        "The listener that clients reach by TLS speaks without it.",
        _plaintext,
        *joined(Code.TLS_PLAINTEXT_LISTENER, likeness.CLOSED),
        layer=FaultLayer.TLS,
        stage=Stage.HANDSHAKE,
        reasons=(Reason.CLOSED, Reason.RESET, Reason.NOT_TLS, Reason.TIMED_OUT),
    ),
    _fault(
        "tls-version-mismatch",
        "The listener's TLS version and cipher suites have nothing in common with the client's.",
        _no_common_cipher,
        Code.TLS_VERSION_MISMATCH,
        layer=FaultLayer.TLS,
        stage=Stage.HANDSHAKE,
        reasons=(Reason.ALERT,),
    ),
    _fault(
        "topic-write-denied",
        "An ACL denies writing to the client's topics.",
        _writing_denied,
        Code.AUTH_TOPIC_DENIED,
        layer=FaultLayer.RECORDS,
        stage=Stage.PRODUCE,
        reasons=(Reason.NOT_AUTHORIZED,),
    ),
    _fault(
        "records-too-large",
        "Brokers take no batch above 1,000 bytes (message.max.bytes); no AWS resource does that.",
        partial(_with_properties, {"message.max.bytes": "1000"}),
        Code.UNKNOWN,
        layer=FaultLayer.RECORDS,
        stage=Stage.PRODUCE,
        reasons=(Reason.KAFKA_ERROR,),
    ),
    _fault(
        "group-session-refused",
        "Brokers take no group member with the usual session timeout (group.min.session.timeout.ms).",
        partial(_with_properties, {"group.min.session.timeout.ms": "1700000"}),
        Code.UNKNOWN,
        layer=FaultLayer.RECORDS,
        stage=Stage.GROUP,
        reasons=(Reason.KAFKA_ERROR, Reason.NOT_ASSIGNED, Reason.TIMED_OUT),
        brokers=(),
    ),
)
