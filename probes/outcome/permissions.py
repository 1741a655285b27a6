"""What a client needs to be allowed, in the words of Kafka's ACLs and of MSK's IAM actions. Plain values.

Each permission is here because a request of the probe needs it; the least policy in docs/authentication.md is made of
this table. Sources: Apache Kafka, Authorization using ACLs (operations and resources of each protocol); MSK developer
guide, Semantics of IAM authorization policy actions and resources.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec


class Resource(StrEnum):
    """What is protected, as Kafka's ACLs call it."""

    CLUSTER = "Cluster"
    TOPIC = "Topic"
    GROUP = "Group"
    TRANSACTIONAL_ID = "TransactionalId"


class Permission(StrEnum):
    """One thing that a client may be allowed."""

    DESCRIBE_CLUSTER = "describe_cluster"
    DESCRIBE_SETTINGS = "describe_settings"
    WRITE_IDEMPOTENTLY = "write_idempotently"
    CREATE_TOPIC = "create_topic"
    DESCRIBE_TOPIC = "describe_topic"
    WRITE_TOPIC = "write_topic"
    READ_TOPIC = "read_topic"
    DELETE_TOPIC = "delete_topic"
    DESCRIBE_GROUP = "describe_group"
    READ_GROUP = "read_group"
    DELETE_GROUP = "delete_group"
    DESCRIBE_TRANSACTIONAL_ID = "describe_transactional_id"
    WRITE_TRANSACTIONAL_ID = "write_transactional_id"


class Grant(msgspec.Struct, frozen=True):
    """What allows a permission, and what asks for it."""

    resource: Resource
    operation: str
    """Of Kafka's ACLs, as kafka-acls.sh takes it."""
    iam_action: str
    requests: tuple[str, ...]
    """Those of the probe that are refused without it."""

    @property
    def words(self) -> str:
        """In both languages."""
        return f"{self.operation} on {self.resource} ({self.iam_action})"


CLUSTER_NAME: Final = "kafka-cluster"
"""What ACLs call the one cluster that there is."""
GRANTS: Final[Mapping[Permission, Grant]] = {
    Permission.DESCRIBE_CLUSTER: Grant(
        Resource.CLUSTER, "Describe", "kafka-cluster:DescribeCluster", ("Metadata (cluster_authorized_operations)",)
    ),
    Permission.DESCRIBE_SETTINGS: Grant(
        Resource.CLUSTER,
        "DescribeConfigs",
        "kafka-cluster:DescribeClusterDynamicConfiguration",
        ("DescribeConfigs",),
    ),
    Permission.WRITE_IDEMPOTENTLY: Grant(
        Resource.CLUSTER, "IdempotentWrite", "kafka-cluster:WriteDataIdempotently", ("InitProducerId",)
    ),
    Permission.CREATE_TOPIC: Grant(Resource.TOPIC, "Create", "kafka-cluster:CreateTopic", ("CreateTopics",)),
    Permission.DESCRIBE_TOPIC: Grant(
        Resource.TOPIC, "Describe", "kafka-cluster:DescribeTopic", ("Metadata", "ListOffsets")
    ),
    Permission.WRITE_TOPIC: Grant(Resource.TOPIC, "Write", "kafka-cluster:WriteData", ("Produce",)),
    Permission.READ_TOPIC: Grant(Resource.TOPIC, "Read", "kafka-cluster:ReadData", ("Fetch", "OffsetCommit")),
    Permission.DELETE_TOPIC: Grant(Resource.TOPIC, "Delete", "kafka-cluster:DeleteTopic", ("DeleteTopics",)),
    Permission.DESCRIBE_GROUP: Grant(
        Resource.GROUP, "Describe", "kafka-cluster:DescribeGroup", ("FindCoordinator", "DescribeGroups", "OffsetFetch")
    ),
    Permission.READ_GROUP: Grant(
        Resource.GROUP, "Read", "kafka-cluster:AlterGroup", ("JoinGroup", "SyncGroup", "Heartbeat", "OffsetCommit")
    ),
    Permission.DELETE_GROUP: Grant(Resource.GROUP, "Delete", "kafka-cluster:DeleteGroup", ("DeleteGroups",)),
    Permission.DESCRIBE_TRANSACTIONAL_ID: Grant(
        Resource.TRANSACTIONAL_ID, "Describe", "kafka-cluster:DescribeTransactionalId", ("FindCoordinator",)
    ),
    Permission.WRITE_TRANSACTIONAL_ID: Grant(
        Resource.TRANSACTIONAL_ID, "Write", "kafka-cluster:AlterTransactionalId", ("EndTxn",)
    ),
}


ASKED_WITHOUT_EFFECT: Final = (Permission.DESCRIBE_CLUSTER, Permission.WRITE_IDEMPOTENTLY)
"""What can be asked of a broker by a request that changes nothing and needs no name."""


def lacking(permission: Permission, name: str = "") -> str:
    """The sentence's end of a refusal: which permission is lacking, and on what."""
    grant = GRANTS[permission]
    return f"lacks {grant.operation} on {grant.resource} {name or CLUSTER_NAME} ({grant.iam_action})"


def denied_words(said: str, denied: Permission | None, name: str) -> str:
    """What was said of a failure, and what the client lacks where it failed for that."""
    return said if denied is None else f"{said}; the client {lacking(denied, name)}"
