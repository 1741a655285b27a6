"""What a lab issues: certificates of brokers and of who stands in their place, and what clients log in with."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Container, Iterable, Sequence
from pathlib import Path

from brokerproof.lab.daemons.certificates import Authority, make_authority, make_server_pem
from brokerproof.lab.daemons.credentials import LabCredentials
from brokerproof.lab.daemons.jvm import STATE_DIR
from brokerproof.lab.daemons.kafka_config import CLIENT_AUTHORITY, IAM_STATE, certificate_path
from brokerproof.lab.network.blueprint import Certificate, StrangerProcess
from brokerproof.topology.models import ClientIdentity, IamJudgement
from brokerproof.topology.patterns.authentication import USER


class Issued:
    """The lab's authorities, and what they have issued."""

    def __init__(self) -> None:
        self._trusted: Authority | None = None
        self._corporate: Authority | None = None
        """Whose certificates clients trust as well, as a company's own for what inspects TLS."""
        self.credentials = LabCredentials()
        self._of_clients: Authority | None = None
        """The private CA of clients of mutual TLS."""
        self._identities: tuple[ClientIdentity, ...] = ()

    def write(self, certificates: Iterable[Certificate], running: Container[str]) -> dict[tuple[str, str], str]:
        """Write a key and chain for each of these, and the authority clients trust; gives path by cluster, listener.

        A path of a cluster that is ``running`` is a new one, since its brokers read the one they started with.
        """
        now = dt.datetime.now(dt.UTC)
        if self._trusted is None:
            self._trusted = make_authority("Lab Amazon RSA 2048 M01", now)
            self._corporate = make_authority("Lab Corporate CA", now)
            Path(STATE_DIR, "tls", "ca.pem").write_bytes(self._trusted.root_pem + self._corporate.root_pem)
        written: dict[tuple[str, str], str] = {}
        for certificate in certificates:
            asked = certificate.asked
            authority = self._trusted if asked.trusted else make_authority("Somebody Else CA", now)
            pem = make_server_pem(
                authority,
                certificate.dns_names,
                now + dt.timedelta(days=asked.valid_from_days),
                now + dt.timedelta(days=asked.valid_to_days),
                intermediate=asked.intermediate,
            )
            first = Path(certificate_path(certificate.cluster_name, certificate.listener))
            unused = certificate.cluster_name not in running or not first.exists()
            path = first if unused else first.with_stem(f"{first.stem}-{uuid.uuid4().hex[:8]}")
            path.touch(mode=0o600)
            path.write_bytes(pem)
            written[certificate.cluster_name, certificate.listener] = str(path)
        return written

    def issue_identities(self, identities: Sequence[ClientIdentity]) -> None:
        """Leave for clients of mutual TLS what they come with, and for brokers whom they take it from."""
        if identities and self._of_clients is None:
            self._of_clients = make_authority("Lab Private CA", dt.datetime.now(dt.UTC))
            Path(CLIENT_AUTHORITY).write_bytes(self._of_clients.root_pem)
        if self._of_clients is not None and tuple(identities) != self._identities:
            for identity in identities:
                self.credentials.issue(identity, self._of_clients, USER)
            self._identities = tuple(identities)

    def set_iam(self, judgements: Sequence[IamJudgement]) -> None:
        """Have IAM listeners judge so, from the next login on, and clients have what they are to have."""
        for judgement in judgements:
            self.credentials.sign_for_iam(judgement, Path(IAM_STATE), USER)

    def for_stranger(self, stranger: StrangerProcess) -> str:
        """Where the certificate is that it ends TLS with; empty where it does not."""
        if not stranger.dns_names or self._corporate is None:
            return ""
        now = dt.datetime.now(dt.UTC)
        pem = make_server_pem(
            self._corporate, stranger.dns_names, now - dt.timedelta(days=1), now + dt.timedelta(days=90)
        )
        path = Path(STATE_DIR, "tls", f"{stranger.namespace}-{stranger.port}.pem")
        path.touch(mode=0o600)
        path.write_bytes(pem)
        return str(path)
