"""Faults of who the client is to the cluster. Users are set in a running lab; listeners restart every broker."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from brokerproof.causes.codes import Code
from brokerproof.lab.faults.fault import (
    COMBINATION,
    EVERY,
    MULTI_VPC,
    PRIVATELINK,
    STRAIGHT,
    Fault,
    FaultLayer,
    afflicted,
)
from brokerproof.probes.outcome import Reason, Stage
from brokerproof.probes.plan import AuthenticationScheme
from brokerproof.topology.edit import with_changes, with_properties
from brokerproof.topology.models import ClientCertificate, ClientIdentity, ClusterListener, IamJudgement, Topology


def _users(topology: Topology, **changes: Any) -> Topology:
    users = tuple(user.model_copy(update=changes) for user in topology.clusters[0].scram_users)
    return with_changes(topology, "clusters", 0, scram_users=users)


def _other_mechanism(topology: Topology) -> Topology:
    """The listener that clients come to has one that no client of MSK's uses."""
    listener = f"listener.name.{afflicted(topology).listener.lower()}"
    module = "org.apache.kafka.common.security.plain.PlainLoginModule required;"
    settings = {f"{listener}.sasl.enabled.mechanisms": "PLAIN", f"{listener}.plain.sasl.jaas.config": module}
    return with_properties(topology, settings)


def _without_listener(topology: Topology) -> Topology:
    """The cluster has TLS alone on, which has another port."""
    theirs = afflicted(topology).listener
    listeners = (each.model_copy(update={"enabled": each.name != theirs}) for each in topology.clusters[0].listeners)
    return with_changes(topology, "clusters", 0, listeners=(*listeners, ClusterListener()))


_fault = partial(Fault, layer=FaultLayer.AUTHENTICATION, patterns=EVERY, stage=Stage.AUTHENTICATE)
_scram = partial(_fault, authentication=AuthenticationScheme.SCRAM_SHA_512)

_mtls = partial(
    _fault, authentication=AuthenticationScheme.MTLS, reasons=(Reason.CLOSED, Reason.RESET), stage=Stage.API
)


def _identity(topology: Topology, **changes: Any) -> Topology:
    return with_changes(topology, "clusters", 0, client_identity=ClientIdentity(**changes))


def _not_requested(topology: Topology) -> Topology:
    """The listener takes any client, as with mutual TLS off."""
    listeners = tuple(
        each.model_copy(update={"client_certificate": ClientCertificate.NONE})
        for each in topology.clusters[0].listeners
    )
    return with_changes(topology, "clusters", 0, listeners=listeners)


_iam = partial(_fault, authentication=AuthenticationScheme.IAM, reasons=(Reason.CREDENTIALS_REFUSED,))


def _judgement(topology: Topology, **changes: Any) -> Topology:
    return with_changes(topology, "clusters", 0, iam=IamJudgement(**changes))


FAULTS: Final = (
    _scram(
        "scram-wrong-password",
        "The secret was changed, and clients still have the password of before.",
        partial(_users, rotated=True),
        Code.AUTH_SCRAM_PASSWORD,
        reasons=(Reason.CREDENTIALS_REFUSED,),
    ),
    _scram(
        "scram-user-unknown",
        "The secret is not associated with the cluster: its brokers know no such user.",
        partial(_users, associated=False),
        Code.AUTH_SCRAM_SECRET,
        reasons=(Reason.CREDENTIALS_REFUSED,),
    ),
    _scram(
        "scram-no-credentials",
        "The client's host does not have the secret that the client refers to.",
        partial(_users, given=False),
        Code.AUTH_NO_CREDENTIALS,
        reasons=(Reason.NO_CREDENTIALS,),
    ),
    _scram(
        "scram-other-mechanism",
        "The listener that clients come to is of another mechanism.",
        _other_mechanism,
        Code.AUTH_MECHANISM,
        reasons=(Reason.MECHANISM_NOT_OFFERED,),
        alike={
            (*STRAIGHT, *MULTI_VPC): (),
            (*PRIVATELINK, *COMBINATION): (Code.NLB_WRONG_TARGET_PORT,),
        },
    ),
    _scram(
        "scram-not-enabled",
        "SCRAM is not turned on: the cluster has the listener of TLS alone, at another port.",
        _without_listener,
        Code.LISTENER_NOT_ENABLED,
        patterns=STRAIGHT,
        stage=Stage.CONNECT,
        reasons=(Reason.REFUSED,),
        alike=(Code.CLUSTER_BROKER_DOWN,),
    ),
    _mtls(
        "client-certificate-expired",
        "The client's certificate expired yesterday.",
        partial(_identity, valid_from_days=-400, valid_to_days=-1),
        Code.TLS_CLIENT_CERTIFICATE_DATES,
    ),
    _mtls(
        "client-certificate-other-authority",
        "The client's certificate is from another private CA than the cluster takes them from.",
        partial(_identity, trusted=False),
        Code.TLS_CLIENT_CERTIFICATE_UNTRUSTED,
    ),
    _mtls(
        "client-certificate-without-intermediate",
        "The client has its certificate without the intermediate that signed it.",
        partial(_identity, intermediate=False),
        Code.TLS_CLIENT_CHAIN_INCOMPLETE,
        alike=(Code.TLS_CLIENT_CERTIFICATE_UNTRUSTED,),
    ),
    _mtls(
        "client-key-other",
        "The client's key is not that of its certificate.",
        partial(_identity, key_fits=False),
        Code.TLS_CLIENT_KEY_UNUSABLE,
        stage=Stage.HANDSHAKE,
        reasons=(Reason.CLIENT_KEY_UNUSABLE,),
    ),
    _mtls(
        "client-certificate-not-requested",
        "Mutual TLS is off: the listener asks no client for a certificate.",
        _not_requested,
        Code.AUTH_CERTIFICATE_IGNORED,
        stage=Stage.AUTHENTICATE,
        reasons=(Reason.CERTIFICATE_NOT_REQUESTED,),
    ),
    _iam(
        "iam-wrong-key",
        "The client has the secret of another access key.",
        partial(_judgement, key_fits=False),
        Code.AUTH_IAM_SECRET,
    ),
    _iam(
        "iam-key-gone",
        "The client's access key was deleted.",
        partial(_judgement, known=False),
        Code.AUTH_IAM_KEY,
    ),
    _iam(
        "iam-denied",
        "No policy allows kafka-cluster:Connect to the client's role.",
        partial(_judgement, denied_at="every"),
        Code.AUTH_IAM_DENIED,
    ),
    _iam(
        "iam-no-cluster-policy",
        "The cluster policy does not name the client's account.",
        partial(_judgement, denied_at="CLIENT_IAM_VPCE"),
        Code.AUTH_CLUSTER_POLICY,
        patterns=MULTI_VPC,
    ),
    _iam(
        "iam-clock-skew",
        "The client's clock is twenty minutes late.",
        partial(_judgement, clock_offset_s=1200),
        Code.AUTH_CLOCK_SKEW,
    ),
    _iam(
        "iam-credentials-ending",
        "The credentials that sign end in two minutes.",
        partial(_judgement, credentials_left_s=120),
        Code.AUTH_SESSION_SHORT,
        reasons=(Reason.SESSION_TOO_SHORT,),
    ),
    _iam(
        "iam-rate",
        "The broker admits no more new IAM connections: others take them all.",
        partial(_judgement, most_per_s=0),
        Code.AUTH_CONNECT_RATE,
        reasons=(Reason.CONNECTION_RATE,),
    ),
    _iam(
        "iam-principal-changed",
        "The client has another role session name each time it logs in, as with EKS Pod Identity.",
        partial(_judgement, renames_sessions=True),
        Code.AUTH_REAUTHENTICATION,
        reasons=(Reason.PRINCIPAL_CHANGED,),
        by_chance=True,
    ),
    _iam(
        "iam-no-credentials",
        "The client's host has no AWS credentials.",
        partial(_judgement, given=False),
        Code.AUTH_NO_CREDENTIALS,
        reasons=(Reason.NO_CREDENTIALS,),
    ),
    _iam(
        "iam-credentials-ended",
        "The client's credentials ended an hour ago, and what gives them has no others.",
        partial(_judgement, ended=True),
        Code.AUTH_IAM_EXPIRED,
        reasons=(Reason.NO_CREDENTIALS,),
    ),
    _iam(
        "iam-session-ended",
        "The session that the client has credentials of has ended, and a file does not say when.",
        partial(_judgement, session_ended=True),
        Code.AUTH_IAM_EXPIRED,
    ),
    _iam(
        "iam-sts-unreachable",
        "The client has to assume a role, and nothing leads to STS.",
        partial(_judgement, by_role=True, reaches_sts=False),
        Code.AUTH_STS_UNREACHABLE,
        reasons=(Reason.STS_UNREACHABLE,),
    ),
)
