"""An advice as a value, and the closed list of their codes. No logic beyond properties."""

from __future__ import annotations

from enum import StrEnum

from brokerproof.probes.outcome.base import Value
from brokerproof.wording import listed


class AdviceCode(StrEnum):
    """What clients other than the probe fail on, by layer."""

    DNS_AAAA_DENIED = "dns.aaaa_denied"
    DNS_LONG_ANSWER = "dns.long_answer"
    TLS_SNI_NEEDED = "tls.sni_needed"
    AUTH_SCRAM_NONCE = "auth.scram_nonce"
    AUTH_REGION_IN_NAME = "auth.region_in_name"
    METADATA_FINAL_DOT = "metadata.final_dot"
    KAFKA_OLD_VERSIONS = "kafka.old_versions"
    KAFKA_RACKS_ARE_IDS = "kafka.racks_are_ids"
    KAFKA_RACKS_ARE_NAMES = "kafka.racks_are_names"
    KAFKA_IDLE_CUT = "kafka.idle_cut"


class Advice(Value, frozen=True, kw_only=True):
    """The path is right as the probe takes it; these clients fail on it.

    The probe is kinder than many clients. An advice is no finding: it turns no check red, and changes neither the
    answer nor an exit code.
    """

    code: AdviceCode
    title: str
    """What was met, one sentence."""
    observed: str
    affected: tuple[str, ...]
    """Which clients and libraries fail, each in words."""
    because: str
    """Why they fail: half a sentence after "because"."""
    change: str
    clients: tuple[str, ...]
    """The clients that observed it."""
    evidence: tuple[str, ...]
    """The checks whose outcomes show it, as ``client/check_id``; they passed, or failed of something else."""
    sources: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """Who fails and why, one sentence."""
        return f"The path is right; {listed(self.affected)} fail on it, because {self.because}."
