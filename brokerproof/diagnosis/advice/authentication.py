"""Advice of the login: what this probe says rightly, and older clients do not. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from brokerproof.diagnosis.advice.advice import AdviceCode
from brokerproof.diagnosis.advice.spec import AdviceSpec, Sighting
from brokerproof.diagnosis.rules.case import Case
from brokerproof.probes.outcome import AuthenticateFacts, Stage, Status

_REGION: Final = re.compile(
    r"(?:af|ap|ca|cn|eu|il|me|mx|sa|us)(?:-gov)?-(?:(?:north|south)(?:east|west)?|east|west|central)-\d", re.ASCII
)
"""How AWS calls its Regions (AWS general reference, Regional endpoints)."""


def _region_in_name(case: Case) -> Iterator[Sighting]:
    """A login by IAM to a broker whose cluster is called after another Region than the one that it is in."""
    for view in case.views:
        for outcome in case.of_stage(view, Stage.AUTHENTICATE):
            token = outcome.facts.token if isinstance(outcome.facts, AuthenticateFacts) else None
            found = _REGION.search(outcome.target.name.lower())
            if outcome.status is not Status.OK or token is None or found is None or not token.broker_region_name:
                continue
            place = outcome.target.place
            check = next((c for c in case.checks(view) if c.stage is Stage.AUTHENTICATE and c.place == place), None)
            if found[0] != token.broker_region_name and check is not None:
                words = (
                    f"{outcome.target.name} is in {token.broker_region_name}, and {found[0]} stands in it before that"
                )
                yield Sighting(view, check.check_id, words)


def _strict_nonce(case: Case) -> Iterator[Sighting]:
    """A login that was accepted, and was refused where it repeated the client's nonce."""
    for view in case.views:
        for outcome in case.of_stage(view, Stage.AUTHENTICATE):
            facts = outcome.facts
            if outcome.status is not Status.OK or not isinstance(facts, AuthenticateFacts):
                continue
            place = outcome.target.place
            check = next((c for c in case.checks(view) if c.stage is Stage.AUTHENTICATE and c.place == place), None)
            if facts.repeated_nonce is not None and not facts.repeated_nonce.accepted and check is not None:
                where = f"{outcome.target.address}:{outcome.target.port}"
                yield Sighting(
                    view,
                    check.check_id,
                    f"{where} accepts these credentials, and refuses them with a repeated nonce: "
                    f"{facts.repeated_nonce.detail}",
                )


SPECS: Final = (
    AdviceSpec(
        code=AdviceCode.AUTH_SCRAM_NONCE,
        title="brokers check the nonce of SCRAM strictly",
        affected=(
            "clients with librdkafka before 2.6.1 (confluent-kafka, kcat, and what is built on them)",
            "others that repeat or invent a nonce (lua-resty-kafka, kafka_protocol of 2023)",
        ),
        because="they repeat their own nonce in the last message of SCRAM, which Kafka 4 refuses as invalid "
        "credentials (CVE-2024-56128); the Java client does not",
        change="update librdkafka to 2.6.1 or later; the user and the password are right",
        sources=("RFC 5802, section 5.1", "confluentinc/librdkafka pull request 4895", "CVE-2024-56128"),
        look=_strict_nonce,
    ),
    AdviceSpec(
        code=AdviceCode.AUTH_REGION_IN_NAME,
        title="brokers have another Region's name in theirs",
        affected=("Java clients with aws-msk-iam-auth 2.2.0 to 2.3.x",),
        because="they sign for the first Region that occurs anywhere in a broker's name, and are told Access denied",
        change="set awsMskRegionProvider or the Region of these clients, or use aws-msk-iam-auth 2.1.1; role and "
        "policy are right",
        sources=("aws/aws-msk-iam-auth issue 245",),
        look=_region_in_name,
    ),
)
