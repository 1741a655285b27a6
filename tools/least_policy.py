"""Write the least permissions into docs/authentication.md, from what the probe asks: `python -m tools.least_policy`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from brokerproof.probes.outcome import Stage
from brokerproof.probes.outcome.permissions import CLUSTER_NAME, GRANTS, Permission, Resource

PAGE: Final = Path(__file__).parent.parent / "docs" / "authentication.md"
MARK: Final = "<!-- least permissions: written by `make catalogue` -->"
END: Final = "<!-- end -->"
OWN: Final = "brokerproof"
"""What the names of the probe's topics and groups begin with."""
_ARN: Final = "arn:aws:kafka:us-east-1:111122223333"
_OF_ARN: Final = {
    Resource.CLUSTER: f"{_ARN}:cluster/demo/*",
    Resource.TOPIC: f"{_ARN}:topic/demo/*/{OWN}-*",
    Resource.GROUP: f"{_ARN}:group/demo/*/{OWN}-*",
}
FAILS: Final[Mapping[Permission, Stage | None]] = {
    Permission.DESCRIBE_CLUSTER: Stage.AUTHORIZE,
    Permission.DESCRIBE_SETTINGS: Stage.IDENTITY,
    Permission.WRITE_IDEMPOTENTLY: Stage.AUTHORIZE,
    Permission.CREATE_TOPIC: Stage.PRODUCE,
    Permission.DESCRIBE_TOPIC: Stage.PRODUCE,
    Permission.WRITE_TOPIC: Stage.PRODUCE,
    Permission.READ_TOPIC: Stage.CONSUME,
    Permission.DELETE_TOPIC: None,
    Permission.DESCRIBE_GROUP: Stage.GROUP,
    Permission.READ_GROUP: Stage.GROUP,
    Permission.DELETE_GROUP: None,
    Permission.DESCRIBE_TRANSACTIONAL_ID: Stage.AUTHORIZE,
    Permission.WRITE_TRANSACTIONAL_ID: Stage.AUTHORIZE,
}
"""The stage whose check fails without a permission; None: what the run made is left behind, and it says so."""
IMPLIED_BY_ACLS: Final = {
    Permission.WRITE_IDEMPOTENTLY: "Write on any topic",
    Permission.DESCRIBE_TOPIC: "Read, Write or Delete",
    Permission.DESCRIBE_GROUP: "Read or Delete",
    Permission.DESCRIBE_TRANSACTIONAL_ID: "Write",
}
"""What ACLs allow with others, and IAM policies do not.

Apache Kafka, Authorization using ACLs (Describe comes with Read, Write and Delete); KIP-679, for brokers since 2.8; MSK
developer guide, Semantics of IAM authorization policy actions and resources (required actions).
"""
_UNLESS: Final = {
    Permission.DESCRIBE_CLUSTER: "unless `may_lack` has `describe_cluster`",
    Permission.WRITE_IDEMPOTENTLY: "unless `may_lack` has `write_idempotently`",
    Permission.CREATE_TOPIC: "not needed with `existing_topic`",
    Permission.DELETE_TOPIC: "not needed with `existing_topic`",
    Permission.DESCRIBE_TRANSACTIONAL_ID: "needed with `transactional_id` alone",
    Permission.WRITE_TRANSACTIONAL_ID: "needed with `transactional_id` alone",
}


def least(*, by_acls: bool = False) -> tuple[Permission, ...]:
    """What a client without a transactional id needs for every check, by IAM policies or by ACLs."""
    implied = IMPLIED_BY_ACLS if by_acls else {}
    return tuple(
        each
        for each, grant in GRANTS.items()
        if grant.resource is not Resource.TRANSACTIONAL_ID and each not in implied
    )


def policy() -> dict[str, object]:
    """The least IAM policy, for a cluster called ``demo``."""
    statements = []
    for resource, arn in _OF_ARN.items():
        actions = [GRANTS[each].iam_action for each in least() if GRANTS[each].resource is resource]
        if resource is Resource.CLUSTER:
            actions.insert(0, "kafka-cluster:Connect")
        statements.append({"Effect": "Allow", "Action": actions, "Resource": arn})
    return {"Version": "2012-10-17", "Statement": statements}


def acls() -> Iterator[str]:
    """The least ACLs, as arguments of kafka-acls.sh."""
    places = {
        Resource.CLUSTER: f"--cluster {CLUSTER_NAME}",
        Resource.TOPIC: f"--topic {OWN}- --resource-pattern-type prefixed",
        Resource.GROUP: f"--group {OWN}- --resource-pattern-type prefixed",
    }
    for resource, place in places.items():
        needed = (GRANTS[each] for each in least(by_acls=True) if GRANTS[each].resource is resource)
        operations = " ".join(f"--operation {grant.operation}" for grant in needed)
        yield f"kafka-acls.sh --add --allow-principal User:... {place} {operations}"


def _without(permission: Permission) -> str:
    stage = FAILS[permission]
    words = (
        f"`{stage}` fails"
        if stage
        else f"the {GRANTS[permission].resource.lower()} is left behind, and the run says so"
    )
    implied = IMPLIED_BY_ACLS.get(permission)
    more = [f"ACLs allow it with {implied}"] if implied else []
    return "; ".join([words, *more, *filter(None, [_UNLESS.get(permission)])])


def part() -> str:
    """What stands between the marks."""
    rows = [
        f"| {grant.operation} on {grant.resource} | `{grant.iam_action}` | {', '.join(grant.requests)} | "
        f"{_without(permission)} |"
        for permission, grant in GRANTS.items()
    ]
    table = "\n".join(["| ACL | IAM action | asked by | without it |", "|---|---|---|---|", *rows])
    indented = "\n".join(f"    {line}" for line in json.dumps(policy(), indent=2).splitlines())
    commands = "\n".join(f"    {line}" for line in acls())
    of_acls = "The same as ACLs, without those that come with others:"
    return f"{table}\n\nThe policy of a role, for cluster `demo`:\n\n{indented}\n\n{of_acls}\n\n{commands}"


def page(text: str) -> str:
    """The page with its part made anew.

    Raises:
        ValueError: it lacks the marks.
    """
    before, found, following = text.partition(MARK)
    _, end, after = following.partition(END)
    if not found or not end:
        raise ValueError(f"{PAGE.name} lacks the mark {MARK!r} or the {END!r} after it")
    return f"{before}{MARK}\n\n{part()}\n\n{END}{after}"


def main() -> int:
    """Write the page."""
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
