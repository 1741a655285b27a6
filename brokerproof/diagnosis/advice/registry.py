"""Every advice there is, in the order of the way a connection goes. Pure."""

from __future__ import annotations

from typing import Final

from brokerproof.diagnosis.advice import authentication, dns, kafka, metadata, tls
from brokerproof.diagnosis.advice.advice import Advice
from brokerproof.diagnosis.advice.spec import AdviceSpec
from brokerproof.diagnosis.rules.case import Case

ADVICES: Final[tuple[AdviceSpec, ...]] = (*dns.SPECS, *tls.SPECS, *authentication.SPECS, *metadata.SPECS, *kafka.SPECS)
"""One entry each; a layer's are declared in its file."""


def advices_of(case: Case) -> tuple[Advice, ...]:
    """What clients of one cluster met that others would fail on."""
    return tuple(advice for spec in ADVICES if (advice := spec.of(case)) is not None)
