"""Certificates that end soon and of which the account knows: of TLS listeners, and of who signs clients' certificates.

MSK's own certificates are told by no call; packets show when they end. One that IAM keeps has no date in any call that
reads alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from brokerproof.aws.discovery.calls import AUTHORITY, CERTIFICATE
from brokerproof.aws.discovery.reader import Ask, Item, Place, Reader
from brokerproof.aws.discovery.scope import ReadCluster
from brokerproof.aws.facts import Expiring

SOON: Final = timedelta(days=45)
"""From when ACM says it itself (ACM User Guide, "ACM Certificate Approaching Expiration event")."""
_OF_ACM: Final = ":certificate/"
_RENEW: Final = "renew it, and see that clients trust what it is replaced by"


def read_certificates(
    reader: Reader, listeners: Sequence[tuple[Place, str, Item]], clusters: Iterable[ReadCluster], now: datetime
) -> list[Expiring]:
    """Those that end soon, or have ended.

    Args:
        reader: Makes the calls.
        listeners: Of load balancers: where one is, the load balancer's name, and the answer about the listener.
        clusters: Of which those with mutual TLS name authorities.
        now: The present.
    """
    used: dict[tuple[Place, str], list[str]] = {}
    for place, balancer, listener in listeners:
        for given in listener.get("Certificates", ()):
            used.setdefault((place, given["CertificateArn"]), []).append(f"listener {listener['Port']} of {balancer}")
    signing: dict[tuple[Place, str], list[str]] = {}
    for cluster in clusters:
        mutual: Item = cluster.provisioned.get("ClientAuthentication", {}).get("Tls", {})
        for arn in mutual.get("CertificateAuthorityArnList", ()):
            signing.setdefault((cluster.place, arn), []).append(f"the clients of {cluster.info['ClusterName']}")
    asks = [
        Ask(place, CERTIFICATE, {"CertificateArn": arn}, of=(arn,)) for place, arn in sorted(used) if _OF_ACM in arn
    ]
    asks += [Ask(place, AUTHORITY, {"CertificateAuthorityArn": arn}, of=(arn,)) for place, arn in sorted(signing)]
    found: list[Expiring] = []
    for read in reader.every(asks):
        key = (read.ask.place, read.ask.of[0])
        told: Item = read.one.get("Certificate") or read.one.get("CertificateAuthority") or {}
        whose = used[key] if read.ask.call is CERTIFICATE else [f"the authority of {who}" for who in signing[key]]
        found += _soon(read.ask.of[0], whose, told.get("NotAfter"), now)
    return found


def _soon(arn: str, whose: Sequence[str], ends: datetime | None, now: datetime) -> Iterator[Expiring]:
    if ends is not None and ends - now < SOON:
        yield Expiring(
            resource=arn,
            state=f"of {' and '.join(whose)}" if whose[0].startswith("listener") else " and ".join(whose),
            when=f"at {ends.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
            change=_RENEW,
        )
