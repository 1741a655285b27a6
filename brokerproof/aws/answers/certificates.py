"""ACM and AWS Private CA, as far as they are asked when something ends; a topology has no dates, so all end at once."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from brokerproof.aws.answers.organization import Asked, Item

ENDS: Final = datetime(2099, 6, 1, tzinfo=UTC)
"""When every certificate ends."""


def describe_certificate(asked: Asked) -> Item:
    """DescribeCertificate."""
    arn = asked.params["CertificateArn"]
    return {"Certificate": {"CertificateArn": arn, "Status": "ISSUED", "NotAfter": ENDS}}


def describe_certificate_authority(asked: Asked) -> Item:
    """DescribeCertificateAuthority."""
    arn = asked.params["CertificateAuthorityArn"]
    return {"CertificateAuthority": {"Arn": arn, "Status": "ACTIVE", "NotAfter": ENDS}}
