"""A pattern's topology with clients that log in: other listeners, their ports, and where credentials are. Pure.

Paths stay as the builder made them: every port of the TLS listener becomes that of the scheme's listener, at brokers,
load balancers and in rules alike (MSK developer guide, port information).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from brokerproof.probes.plan import AuthenticationScheme
from brokerproof.topology.files import checked
from brokerproof.topology.models import (
    Client,
    ClientCertificate,
    ClusterListener,
    Credentials,
    ScramUser,
    Topology,
    VpcAuthentication,
)

CREDENTIALS_DIRECTORY: Final = "/run/brokerproof/credentials"
"""Where the lab leaves what clients log in with, seen from every client."""
USER: Final = "brokerproof"
TRANSACTIONAL_ID: Final = "brokerproof-orders"
_TLS: Final = "CLIENT_SECURE"
_NAMES: Final = {AuthenticationScheme.SCRAM_SHA_512: "CLIENT_SASL_SCRAM", AuthenticationScheme.IAM: "CLIENT_IAM"}
_PORTS: Final[Mapping[AuthenticationScheme, Mapping[int, int]]] = {
    AuthenticationScheme.SCRAM_SHA_512: {9094: 9096, 20094: 20096},
    AuthenticationScheme.IAM: {9094: 9098, 20094: 20098},
}
_PORT_FIELDS: Final = frozenset({"port", "from_port", "to_port"})
_OWN_NAMES: Final = frozenset({_TLS, f"{_TLS}_IPV6", VpcAuthentication.TLS.listener})
_VPC_SCHEMES: Final = {
    AuthenticationScheme.SCRAM_SHA_512: VpcAuthentication.SASL_SCRAM,
    AuthenticationScheme.IAM: VpcAuthentication.SASL_IAM,
}


def with_authentication(topology: Topology, scheme: AuthenticationScheme) -> Topology:
    """The topology whose TLS listeners take clients of this scheme alone, and whose clients of them log in by it.

    Raises:
        TopologyError: what comes of it is against a rule.
    """
    if scheme is AuthenticationScheme.NONE:
        return topology
    if scheme.mechanism:
        topology = Topology.model_validate(_moved(topology.model_dump(), scheme))
    users = (ScramUser(name=USER),) if scheme is AuthenticationScheme.SCRAM_SHA_512 else ()
    clusters = tuple(
        c.model_copy(update={"listeners": tuple(_listener(each, scheme) for each in c.listeners), "scram_users": users})
        for c in topology.clusters
    )
    clients = tuple(_client(each, scheme) for each in topology.clients)
    return checked(topology.model_copy(update={"clusters": clusters, "clients": clients}))


def _moved(value: Any, scheme: AuthenticationScheme, field: str = "") -> Any:
    match value:
        case dict():
            return {key: _moved(each, scheme, key) for key, each in value.items()}
        case list() | tuple():
            return [_moved(each, scheme, field) for each in value]
        case int() if field in _PORT_FIELDS:
            return _PORTS[scheme].get(value, value)
        case VpcAuthentication():
            return _VPC_SCHEMES[scheme]
        case str() if value in _OWN_NAMES:
            return value.replace(_TLS, _NAMES[scheme])
        case _:
            return value


def _listener(listener: ClusterListener, scheme: AuthenticationScheme) -> ClusterListener:
    if scheme is not AuthenticationScheme.MTLS or not listener.tls:
        return listener
    return listener.model_copy(update={"client_certificate": ClientCertificate.REQUIRED})


def _client(client: Client, scheme: AuthenticationScheme) -> Client:
    if client.listener in {"CLIENT", "CLIENT_IPV6"}:
        return client
    own = {"credentials": lab_credentials(scheme), "transactional_id": TRANSACTIONAL_ID}
    return client.model_copy(update={"authentication": scheme, **own})


def lab_credentials(scheme: AuthenticationScheme, user: str = USER) -> Credentials:
    """Where the lab leaves what a client of this scheme logs in with."""
    at = f"file:{CREDENTIALS_DIRECTORY}/{user}"
    match scheme:
        case AuthenticationScheme.NONE:
            return Credentials()
        case AuthenticationScheme.MTLS:
            return Credentials(certificate=f"{at}.pem", key=f"{at}.key")
        case AuthenticationScheme.SCRAM_SHA_512:
            return Credentials(username=f"{at}.username", password=f"{at}.password")
        case AuthenticationScheme.IAM:
            return Credentials(credentials_file=f"{CREDENTIALS_DIRECTORY}/aws", profile=user)
