"""Write the least permissions into docs/authentication.md, from what the probe asks: `python -m tools.least_policy`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

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
_WITHOUT: Final = {
    Permission.DESCRIBE_CLUSTER: "`authorize` fails; unless `may_lack` has `describe_cluster`",
    Permission.DESCRIBE_SETTINGS: "`identity` fails",
    Permission.WRITE_IDEMPOTENTLY: "`authorize` fails; unless `may_lack` has `write_idempotently`",
    Permission.CREATE_TOPIC: "`produce` fails; not needed with `existing_topic`",
    Permission.DESCRIBE_TOPIC: "`produce` fails",
    Permission.WRITE_TOPIC: "`produce` fails",
    Permission.READ_TOPIC: "`consume` fails",
    Permission.DELETE_TOPIC: "the topic is left behind, and the run says so; not needed with `existing_topic`",
    Permission.DESCRIBE_GROUP: "`group` fails",
    Permission.READ_GROUP: "`group` fails",
    Permission.DELETE_GROUP: "the group is left behind, and the run says so",
    Permission.DESCRIBE_TRANSACTIONAL_ID: "`authorize` fails; needed with `transactional_id` alone",
    Permission.WRITE_TRANSACTIONAL_ID: "`authorize` fails; needed with `transactional_id` alone",
}


def least() -> tuple[Permission, ...]:
    """What a client without a transactional id needs for every check."""
    return tuple(each for each, grant in GRANTS.items() if grant.resource is not Resource.TRANSACTIONAL_ID)


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
        operations = [f"--operation {GRANTS[each].operation}" for each in least() if GRANTS[each].resource is resource]
        yield f"kafka-acls.sh --add --allow-principal User:... {place} {' '.join(operations)}"


def part() -> str:
    """What stands between the marks."""
    rows = [
        f"| {grant.operation} on {grant.resource} | `{grant.iam_action}` | {', '.join(grant.requests)} | "
        f"{_WITHOUT[permission]} |"
        for permission, grant in GRANTS.items()
    ]
    table = "\n".join(["| ACL | IAM action | asked by | without it |", "|---|---|---|---|", *rows])
    indented = "\n".join(f"    {line}" for line in json.dumps(policy(), indent=2).splitlines())
    commands = "\n".join(f"    {line}" for line in acls())
    return f"{table}\n\nThe policy of a role, for cluster `demo`:\n\n{indented}\n\nThe same as ACLs:\n\n{commands}"


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
