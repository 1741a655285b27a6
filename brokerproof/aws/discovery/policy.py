"""The least IAM policy that discovery needs, generated from the calls that it declares. Pure."""

from __future__ import annotations

import json

from brokerproof.aws.discovery.calls import CALLS


def actions() -> tuple[str, ...]:
    """Every action, sorted."""
    return tuple(sorted({call.action for call in CALLS}))


def policy() -> str:
    """The policy document. All of it reads; none of these actions shows a record, a key or a password."""
    statement = {"Sid": "BrokerproofDiscover", "Effect": "Allow", "Action": list(actions()), "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, indent=2) + "\n"
